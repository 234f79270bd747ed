package journal

import (
	"errors"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// fileMode is a journal file's mode: the writer's group, in which the daemon is, reads it.
const fileMode = 0o640

// LockWait is how long Append waits for the lock before it gives up. Writers hold it for one
// write, so whoever holds it this long is stuck.
const LockWait = time.Second

// Append adds line and a newline to the file of now's hour in dir, and returns when both are on
// the disk. line must not be empty nor hold a newline; its bytes are written as they are. It
// waits LockWait at the most for another writer, and as long as the kernel needs for the disk.
//
// dir must exist, be a real directory that belongs to the process's effective user, and be
// closed to others; Append does not make it.
//
// After an error nothing half-written is left behind: when the disk takes only a part, the file
// is cut back to what it was. One case is different: when the line was taken whole and only
// fdatasync failed, it stays, since a reader may have passed it already; it is then uncertain
// whether it outlives a power cut.
func Append(dir string, line []byte, now time.Time) error {
	return appendLine(kernel{}, dir, line, now)
}

func appendLine(sys system, dir string, line []byte, now time.Time) (err error) {
	if len(line) == 0 || slices.Contains(line, '\n') {
		return errors.New("append to the journal: not one line")
	}
	folder, err := openFolder(sys, dir)
	if err != nil {
		return err
	}
	defer func() { _ = sys.close(folder) }() // opened for reading, nothing to lose
	f := file{sys: sys, folder: folder, name: FileName(now), path: dir + "/" + FileName(now)}
	if err := f.openLocked(); err != nil {
		return err
	}
	defer func() {
		if cerr := sys.close(f.fd); cerr != nil && err == nil {
			err = f.failed("close", cerr)
		}
	}()
	if err := f.write(line); err != nil {
		return err
	}
	// From here on the line is whole, whatever happens. Others need not wait for our disk.
	if err := sys.flock(f.fd, syscall.LOCK_UN); err != nil {
		return f.failed("unlock", err)
	}
	if err := sys.fdatasync(f.fd); err != nil {
		return f.failed("flush to disk", err)
	}
	return nil
}

// file is the hour's file while a line is appended to it.
type file struct {
	sys    system
	folder int    // the open journal folder
	name   string // in the folder
	path   string // for messages
	fd     int
	size   int64 // at the time of the lock
}

// openLocked opens the file, makes it if need be, takes its lock and makes it ready to be
// appended to.
func (f *file) openLocked() error {
	deadline := f.sys.now().Add(LockWait)
	for {
		var err error
		// O_NONBLOCK: a FIFO of that name must not hold us. Reading is for the torn tail.
		f.fd, err = f.sys.openat(f.folder, f.name,
			syscall.O_RDWR|syscall.O_APPEND|syscall.O_CREAT|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, fileMode)
		if err != nil {
			return f.failed("open", err)
		}
		var removed bool
		if err = f.lock(deadline); err == nil {
			removed, err = f.prepare()
		}
		if err == nil && !removed {
			return nil
		}
		_ = f.sys.close(f.fd) // nothing was written yet
		if err != nil {
			return err
		}
	}
}

// lock takes the file's lock, or gives up at the deadline.
func (f *file) lock(deadline time.Time) error {
	for pause := 500 * time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		err := f.sys.flock(f.fd, syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if err != syscall.EWOULDBLOCK {
			return f.failed("lock", err)
		}
		if !f.sys.now().Before(deadline) {
			return &fault{
				tried: "lock " + f.path + ": another process has held it for " + LockWait.String(),
				hint:  "find and end it: fuser -v " + f.path,
			}
		}
		f.sys.sleep(pause)
	}
}

// prepare looks at the locked file, and makes sure of its mode and its name. removed says that
// the file lost its name between our opening it and our lock: a line written to it would be lost.
func (f *file) prepare() (removed bool, err error) {
	var st syscall.Stat_t
	if err := f.sys.fstat(f.fd, &st); err != nil {
		return false, f.failed("look at", err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return false, &fault{tried: "open " + f.path + ", which is not a regular file", hint: "remove it"}
	}
	if st.Nlink == 0 {
		return true, nil
	}
	f.size = st.Size
	if st.Mode&0o7777 != fileMode { // the umask took something away
		if err := f.sys.fchmod(f.fd, fileMode); err != nil {
			return false, f.failed("set mode 0640 on", err)
		}
	}
	if f.size > 0 {
		return false, nil
	}
	// Nothing is in it yet. Its name must be on the disk before a line relies on it, and fsync(2)
	// of the file does not promise that. Done under the lock, so that whoever finds the file with
	// something in it knows that it was done: once an hour.
	if err := f.sys.fsync(f.folder); err != nil {
		return false, f.failed("flush the folder of", err)
	}
	return false, nil
}

// write appends the line with one write, behind a newline when the file's last line is torn.
func (f *file) write(line []byte) error {
	torn, err := f.torn()
	if err != nil {
		return err
	}
	record := make([]byte, 0, len(line)+2)
	if torn {
		record = append(record, '\n')
	}
	record = append(append(record, line...), '\n')
	n, err := f.sys.write(f.fd, record)
	if err == nil && n == len(record) {
		return nil
	}
	if err != nil {
		err = f.failed("append to", err)
	} else {
		err = &fault{
			tried: "append to " + f.path + ": only " + strconv.Itoa(n) + " of " + strconv.Itoa(len(record)) + " bytes were taken",
			hint:  "free space on its file system, or lift the quota or file size limit",
		}
	}
	if n <= 0 {
		return err
	}
	whole := f.size
	if torn {
		whole++ // a reader may have passed the newline that closed the torn line
	}
	if terr := f.sys.ftruncate(f.fd, whole); terr != nil {
		// The next append closes what is left with a newline.
		return errors.Join(err, f.failed("cut back", terr))
	}
	return err
}

// failed says what was tried on the file, why it failed and what to do.
func (f *file) failed(tried string, err error) error {
	e := &fault{tried: tried + " " + f.path, err: err}
	switch err {
	case syscall.ENOSPC, syscall.EDQUOT:
		e.hint = "free space on its file system"
	case syscall.EFBIG:
		e.hint = "lift the file size limit of wazuh-integratord"
	case syscall.ELOOP:
		e.tried += ", which must not be a symlink"
		e.hint = "remove it"
	case syscall.EACCES, syscall.EPERM:
		e.hint = "give it to the user of wazuh-integratord: chown wazuh:wazuh " + f.path
	case syscall.EROFS, syscall.EIO:
		e.hint = "look at the disk: dmesg"
	}
	return e
}
