package follow

import (
	"errors"
	"io"
	"strings"
)

// maxMissing bounds the files that are told one by one to be gone before one that
// is there.
const maxMissing = 100

// withMissing keeps those of the missing files that held something, and adds those
// that a number proves: within a day analysisd counts up from the file without a
// number, and goes on to the next only when one is not empty (getloglocation.c). A
// day without any file proves nothing, since the manager may have been off.
func (l *alertsLayout) withMissing(found []entry, after key) []entry {
	var all []entry
	for _, e := range found {
		if e.missing && !l.heldSomething(l.name(e.key)) {
			continue
		}
		n := 0
		if e.key.date == after.date {
			n = after.number + 1
		}
		for n = max(n, e.key.number-maxMissing); n < e.key.number; n++ {
			all = append(all, entry{key: key{date: e.key.date, number: n}, missing: true})
		}
		all = append(all, e)
		after = e.key
	}
	return all
}

// heldSomething looks into the checksums that monitord writes beside a file, and
// leaves when the file is deleted. They say "none" when there was none
// (sign_log.c).
func (l *alertsLayout) heldSomething(name string) bool {
	const empty = "d41d8cd98f00b204e9800998ecf8427e" // the MD5 of nothing
	t, err := openTail(l.path(name+".sum"), false, false)
	if err != nil {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(t.file, 4096))
	if errors.Join(err, t.close()) != nil {
		return false
	}
	_, sum, ok := strings.Cut(string(text), ") = ")
	return ok && !strings.HasPrefix(sum, "none") && !strings.HasPrefix(sum, empty)
}
