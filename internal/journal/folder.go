package journal

import (
	"path"
	"strconv"
	"syscall"
)

// openFolder opens the journal folder for reading, after it has made sure that nobody but the
// owner and the group could have put it, or anything in it, there.
//
// Neither dir nor its parent may be a symlink: those two are made at installation. What lies
// above belongs to Wazuh, and an administrator may have moved it and left a link.
func openFolder(sys system, dir string) (int, error) {
	parent, err := sys.openat(atCWD, path.Dir(dir), oPath|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return -1, noFolder(path.Dir(dir), dir, err)
	}
	defer func() { _ = sys.close(parent) }() // a handle for look-ups has nothing to lose
	fd, err := sys.openat(parent, path.Base(dir), syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return -1, noFolder(dir, dir, err)
	}
	if err := checkFolder(sys, parent, fd, dir); err != nil {
		_ = sys.close(fd)
		return -1, err
	}
	return fd, nil
}

func checkFolder(sys system, parent, fd int, dir string) error {
	var st syscall.Stat_t
	if err := sys.fstat(parent, &st); err != nil {
		return &fault{tried: "look at the folder " + path.Dir(dir), err: err}
	}
	if st.Mode&0o002 != 0 {
		return &fault{
			tried: "the folder " + path.Dir(dir) + " can be written by everybody, who could put another journal in its place",
			hint:  "chmod o-w " + path.Dir(dir),
		}
	}
	if err := sys.fstat(fd, &st); err != nil {
		return &fault{tried: "look at the journal folder " + dir, err: err}
	}
	if st.Mode&0o007 != 0 {
		return &fault{
			tried: "the journal folder " + dir + " is open to others (mode 0" + strconv.FormatUint(uint64(st.Mode&0o7777), 8) + ")",
			hint:  "chmod 0770 " + dir,
		}
	}
	// A file that somebody else makes here, root trying the hook by hand for example, would
	// lock the real writer out for the rest of the hour.
	if int64(st.Uid) != int64(sys.geteuid()) {
		return &fault{
			tried: "the journal folder " + dir + " belongs to uid " + strconv.FormatUint(uint64(st.Uid), 10) +
				", this process runs as uid " + strconv.Itoa(sys.geteuid()),
			hint: "run it as wazuh-integratord does (user wazuh), or give the folder to that user with chown",
		}
	}
	return nil
}

// noFolder says why the folder (or its parent, at) could not be opened.
func noFolder(at, dir string, err error) error {
	f := &fault{tried: "open the journal folder " + at, err: err}
	switch err {
	case syscall.ENOENT:
		f.hint = "make it: install -d -o wazuh -g wazuh -m 0770 " + dir
	case syscall.ENOTDIR, syscall.ELOOP:
		f.tried += ", which must be a directory and no symlink"
		f.hint = "remove what is there, then: install -d -o wazuh -g wazuh -m 0770 " + dir
	case syscall.EACCES:
		f.hint = "give it to the user of wazuh-integratord: chown wazuh:wazuh " + dir
	}
	return f
}
