// Command synced is the least that a Go program costs which appends as much as an alert to a file, its
// argument, durably.
package main

import (
	"os"
	"syscall"
)

func main() {
	fd, err := syscall.Open(os.Args[1], syscall.O_WRONLY|syscall.O_APPEND|syscall.O_CREAT|syscall.O_CLOEXEC, 0o640)
	if err != nil {
		panic(err)
	}
	if _, err := syscall.Write(fd, make([]byte, 2498)); err != nil { // as long as the first-alert recording
		panic(err)
	}
	if err := syscall.Fdatasync(fd); err != nil {
		panic(err)
	}
}
