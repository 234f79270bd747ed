package journal

import (
	"syscall"
	"time"
)

// system is the few calls that an append makes, so that a test can record their order and let
// each of them fail. File descriptors are plain numbers: os.File would start the poller.
type system interface {
	openat(dirfd int, name string, flags int, mode uint32) (int, error)
	fstat(fd int, st *syscall.Stat_t) error
	fchmod(fd int, mode uint32) error
	flock(fd, how int) error
	pread(fd int, p []byte, offset int64) (int, error)
	write(fd int, p []byte) (int, error)
	ftruncate(fd int, size int64) error
	fdatasync(fd int) error
	fsync(fd int) error
	unlinkat(dirfd int, name string) error
	close(fd int) error
	geteuid() int
	now() time.Time
	sleep(time.Duration)
}

// kernel is the system itself.
type kernel struct{}

// atCWD is AT_FDCWD: a relative name starts at the working directory.
const atCWD = -0x64

// oPath is O_PATH, which package syscall lacks: a descriptor to look names up from, for which
// search permission is enough.
const oPath = 0x200000

// again repeats a call that a signal interrupted.
func again(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

func (kernel) openat(dirfd int, name string, flags int, mode uint32) (fd int, err error) {
	err = again(func() error {
		fd, err = syscall.Openat(dirfd, name, flags|syscall.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

func (kernel) fstat(fd int, st *syscall.Stat_t) error { return syscall.Fstat(fd, st) }

func (kernel) fchmod(fd int, mode uint32) error { return syscall.Fchmod(fd, mode) }

func (kernel) flock(fd, how int) error {
	return again(func() error { return syscall.Flock(fd, how) })
}

func (kernel) pread(fd int, p []byte, offset int64) (n int, err error) {
	err = again(func() error {
		n, err = syscall.Pread(fd, p, offset)
		return err
	})
	return n, err
}

func (kernel) write(fd int, p []byte) (n int, err error) {
	err = again(func() error {
		n, err = syscall.Write(fd, p)
		return err
	})
	return n, err
}

func (kernel) ftruncate(fd int, size int64) error {
	return again(func() error { return syscall.Ftruncate(fd, size) })
}

func (kernel) fdatasync(fd int) error {
	return again(func() error { return syscall.Fdatasync(fd) })
}

func (kernel) fsync(fd int) error {
	return again(func() error { return syscall.Fsync(fd) })
}

func (kernel) unlinkat(dirfd int, name string) error { return syscall.Unlinkat(dirfd, name) }

// close is not repeated after EINTR: Linux has closed the descriptor by then (close(2)).
func (kernel) close(fd int) error { return syscall.Close(fd) }

func (kernel) geteuid() int { return syscall.Geteuid() }

func (kernel) now() time.Time { return time.Now() }

func (kernel) sleep(d time.Duration) { time.Sleep(d) }
