package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// MaxFile is the largest secret file, in bytes.
const MaxFile = 64 << 10

// ReadFile reads a token or password from a file of one line. The file must be a regular one (no symbolic link), of
// mode 0400 or 0600, and belong to root or to the user that this process runs as: whoever else could have written or
// read it makes it worthless. One newline at the end is dropped; one inside, a control character or an empty file is
// an error, because it would be a header injection or an oversight. Errors name the file and never its content.
func ReadFile(path string) (Text, error) {
	content, err := readChecked(path)
	if err != nil {
		return Text{}, err
	}
	content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	if len(content) == 0 {
		return Text{}, fmt.Errorf("secret file %s is empty: write the secret into it, as one line", path)
	}
	for _, c := range content {
		if c < ' ' || c == 0x7f {
			return Text{}, fmt.Errorf("secret file %s holds a newline or another control character: one line is wanted", path)
		}
	}
	return New(content), nil
}

// ReadKeyFile reads a secret of many lines, such as a private key in PEM, under the same checks of the file itself.
func ReadKeyFile(path string) (Text, error) {
	content, err := readChecked(path)
	if err != nil {
		return Text{}, err
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return Text{}, fmt.Errorf("secret file %s is empty", path)
	}
	return New(content), nil
}

func readChecked(path string) (content []byte, err error) {
	// O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. The checks are made on what was opened,
	// not on the name, so that nothing can be exchanged in between.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, fmt.Errorf("secret file %s is a symbolic link: name the file itself", path)
	case err != nil:
		return nil, fmt.Errorf("open secret file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("check secret file: %w", err)
	}
	if err := check(path, info, os.Geteuid()); err != nil {
		return nil, err
	}
	content, err = io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read secret file: %w", err)
	}
	if len(content) > MaxFile {
		return nil, fmt.Errorf("secret file %s is larger than %d bytes", path, MaxFile)
	}
	return content, nil
}

// check judges an opened file; euid is passed so that a test need not be root.
func check(path string, info os.FileInfo, euid int) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("secret file %s is not a regular file but %s", path, info.Mode().Type())
	}
	switch info.Mode() & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky) {
	case 0o400, 0o600:
	default:
		return fmt.Errorf("secret file %s has mode %04o: others may read or write it; chmod 0400 it, and replace the secret", path, info.Mode().Perm())
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("secret file %s: the owner cannot be told on this system", path)
	}
	if owner := int(stat.Uid); owner != 0 && owner != euid {
		return fmt.Errorf("secret file %s belongs to user id %d: it must belong to root or to user id %d, which this runs as", path, owner, euid)
	}
	return nil
}
