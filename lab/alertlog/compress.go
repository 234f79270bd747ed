package alertlog

import (
	"compress/gzip"
	"crypto/md5"  //nolint:gosec // the checksums that monitord writes
	"crypto/sha1" //nolint:gosec // the checksums that monitord writes
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// CompressDay does what monitord does 10 s after midnight with the files of the day before (manage_files.c, compress_log.c): NAME.json.sum beside
// each, chained to the .sum of the day before it, then NAME.json.gz, then the plain file is unlinked. An open descriptor still reads to the end;
// a reader that was down finds only the .gz.
func (w *Writer) CompressDay(day time.Time) error {
	folder := filepath.Join(w.dir, day.Format("2006"), day.Format("Jan"))
	for number := 0; ; number++ {
		path := filepath.Join(folder, fileName(w.name, day, number))
		if _, err := os.Stat(path); err != nil {
			if errors.Is(err, fs.ErrNotExist) && number > 0 {
				return nil
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // the day may have only numbered files: the plain one stayed empty
			}
			return fmt.Errorf("compress the alerts of %s: %w", day.Format(time.DateOnly), err)
		}
		if err := w.signFile(path, day); err != nil {
			return err
		}
		if err := compress(path); err != nil {
			return err
		}
	}
}

func (w *Writer) signFile(path string, day time.Time) error {
	before := day.AddDate(0, 0, -1)
	previous := filepath.Join(w.dir, before.Format("2006"), before.Format("Jan"), fileName(w.name, before, 0)+".sum")
	current, err := checksums(path)
	if err != nil {
		return err
	}
	chained, err := checksums(previous)
	if errors.Is(err, fs.ErrNotExist) {
		chained = [3]string{"none", "none", "none"}
	} else if err != nil {
		return err
	}
	text := fmt.Sprintf("Current checksum:\nMD5  (%[1]s) = %[2]s\nSHA1 (%[1]s) = %[3]s\nSHA256 (%[1]s) = %[4]s\n\nChained checksum:\nMD5  (%[5]s) = %[6]s\nSHA1 (%[5]s) = %[7]s\nSHA256 (%[5]s) = %[8]s\n\n",
		path, current[0], current[1], current[2], previous, chained[0], chained[1], chained[2])
	if err := os.WriteFile(path+".sum", []byte(text), 0o640); err != nil {
		return fmt.Errorf("write the checksum of a day's alerts: %w", err)
	}
	return nil
}

func checksums(path string) (sums [3]string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sums, fmt.Errorf("checksum: %w", err)
	}
	defer f.Close() //nolint:errcheck // opened for reading
	md, sha, sha2 := md5.New(), sha1.New(), sha256.New()
	if _, err := io.Copy(io.MultiWriter(md, sha, sha2), f); err != nil {
		return sums, fmt.Errorf("checksum: %w", err)
	}
	return [3]string{fmt.Sprintf("%x", md.Sum(nil)), fmt.Sprintf("%x", sha.Sum(nil)), fmt.Sprintf("%x", sha2.Sum(nil))}, nil
}

func compress(path string) error {
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	defer in.Close() //nolint:errcheck // opened for reading
	out, err := os.OpenFile(path+".gz", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	zip := gzip.NewWriter(out)
	_, err = io.Copy(zip, in)
	if err = errors.Join(err, zip.Close(), out.Close()); err != nil {
		return fmt.Errorf("compress %s: %w", path, err)
	}
	return os.Remove(path)
}
