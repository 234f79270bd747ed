package journal

// torn says whether the file's last line lacks its newline.
func (f *file) torn() (bool, error) {
	if f.size == 0 {
		return false, nil
	}
	var last [1]byte
	n, err := f.sys.pread(f.fd, last[:], f.size-1)
	if err != nil {
		return false, f.failed("read the end of", err)
	}
	return n == 1 && last[0] != '\n', nil
}
