package sealing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// reportMode is that of active-responses.log on an agent: whoever is of group wazuh may append.
const reportMode = 0o660

// AppendReport appends a line to the report file in one write, so that lines of programs that run at the same time do
// not mix. The file must be a regular one: its folder belongs to user wazuh and this runs as root, so a symbolic link
// there is not followed and a FIFO not waited for. It is made if it is missing; its folder is not.
func AppendReport(path string, line Line) (err error) {
	file, err := openReport(path)
	if err != nil {
		return fmt.Errorf("report to %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("report to %s: %w", path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("report to %s: it is not a regular file", path)
	}
	if _, err := file.WriteString(line.String() + "\n"); err != nil {
		return fmt.Errorf("report to %s: %w", path, err)
	}
	return nil
}

func openReport(path string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC
	file, err := os.OpenFile(path, flags, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, explainOpen(err)
	}
	file, err = os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, reportMode)
	if errors.Is(err, fs.ErrExist) { // somebody else was faster, or it is a link that leads nowhere
		file, err = os.OpenFile(path, flags, 0)
		return file, explainOpen(err)
	}
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(reportMode); err != nil { // whatever the umask
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func explainOpen(err error) error {
	switch {
	case errors.Is(err, syscall.ELOOP):
		return errors.New("it is a symbolic link, which is not followed")
	case errors.Is(err, syscall.ENXIO):
		return errors.New("it is not a regular file")
	}
	return err
}
