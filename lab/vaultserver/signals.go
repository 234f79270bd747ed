package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifySignals delivers what `vault server` obeys: SIGHUP to reopen audit files, SIGTERM and SIGINT to
// stop. It is called before anything else is set up, so that an early SIGTERM is not lost.
func notifySignals() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	return c, func() { signal.Stop(c) }
}
