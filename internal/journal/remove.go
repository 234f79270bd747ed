package journal

import "syscall"

// Remove deletes the file called name from dir if it still is size bytes long, which is what the
// caller has read of it, and says whether it did. It takes the writers' lock, so that a line can
// not slip in between the look and the deletion: a writer that opened the file before finds it
// without a name and makes another. When a writer holds the lock, Remove returns false at once.
// A file that is not there counts as removed.
//
// Unlike Append it may be called by any user who can read the file and write the folder.
func Remove(dir, name string, size int64) (bool, error) {
	return remove(kernel{}, dir, name, size)
}

func remove(sys system, dir, name string, size int64) (bool, error) {
	f := file{sys: sys, name: name, path: dir + "/" + name}
	if _, ok := ParseName(name); !ok {
		return false, &fault{tried: "remove " + f.path + ", which is no journal file's name"}
	}
	folder, err := sys.openat(atCWD, dir, oPath|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false, noFolder(dir, dir, err)
	}
	defer func() { _ = sys.close(folder) }() // a handle for look-ups has nothing to lose
	fd, err := sys.openat(folder, name, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err == syscall.ENOENT {
		return true, nil
	}
	if err != nil {
		return false, f.failed("open", err)
	}
	defer func() { _ = sys.close(fd) }() // opened for reading, nothing to lose
	switch err := sys.flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err {
	case nil:
	case syscall.EWOULDBLOCK:
		return false, nil
	default:
		return false, f.failed("lock", err)
	}
	var st syscall.Stat_t
	if err := sys.fstat(fd, &st); err != nil {
		return false, f.failed("look at", err)
	}
	if st.Size != size {
		return false, nil
	}
	if err := sys.unlinkat(folder, name); err != nil && err != syscall.ENOENT {
		return false, f.failed("remove", err)
	}
	return true, nil
}
