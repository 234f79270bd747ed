package follow

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"custom-vault/internal/journal"
)

// layout knows the names and the order of a source's files.
type layout interface {
	source() Source
	// folder is watched for files that come and go.
	folder() string
	// live is the file that the moving name stands for now, nil when there is none.
	live() (fs.FileInfo, error)
	// list has the dated files after a key, oldest first. The folder itself must be
	// there; what is not a regular file is left out.
	list(after key) ([]entry, error)
	// key reads a dated file's relative name, name makes it.
	key(name string) (key, bool)
	name(k key) string
	path(name string) string
	// before is a key that no file of time t or later has, and not much smaller.
	before(t time.Time) key
	// end is the time before which a file is not over; zero when it does not tell.
	end(k key) time.Time
	// future says that a file of this key cannot be there yet.
	future(k key, now time.Time) bool
}

// key orders dated files: year, month, day and, in the journal, hour as one decimal
// number; then the number of a rotation within the day.
type key struct{ date, number int }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.date, o.date), cmp.Compare(k.number, o.number))
}

// entry is a dated file. compressed says that there is no plain one, missing that
// there was one and is no more.
type entry struct {
	key        key
	compressed bool
	missing    bool
}

// liveName is the name that analysisd links anew at each rotation.
const liveName = "alerts.json"

// alertsLayout is that of analysisd and monitord (getloglocation.c,
// manage_files.c, compress_log.c): alerts.json is a hard link to the newest of
// YYYY/Mon/ossec-alerts-DD.json, -001.json, -002.json …; days that are over are
// copied to .json.gz and then unlinked.
type alertsLayout struct{ file, root string }

func (l *alertsLayout) source() Source { return Alerts }

func (l *alertsLayout) folder() string { return l.root }

func (l *alertsLayout) live() (fs.FileInfo, error) {
	info, err := os.Stat(l.file)
	if gone(err) {
		return nil, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", l.file)
	}
	return info, err
}

func (l *alertsLayout) path(name string) string { return filepath.Join(l.root, name) }

func months() []string {
	return []string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
}

func (l *alertsLayout) key(name string) (key, bool) {
	year, rest, _ := strings.Cut(name, "/")
	month, rest, _ := strings.Cut(rest, "/")
	rest, a := strings.CutPrefix(rest, "ossec-alerts-")
	rest, b := strings.CutSuffix(rest, ".json")
	day, number, numbered := strings.Cut(rest, "-")
	y, m, d, n := digits(year, 4, 4), slices.Index(months(), month)+1, digits(day, 2, 2), 0
	if numbered {
		n = digits(number, 3, 9)
	}
	if !a || !b || y <= 0 || m == 0 || d < 1 || d > 31 || n < 0 || numbered && n == 0 {
		return key{}, false
	}
	k := key{date: y*10000 + m*100 + d, number: n}
	return k, l.name(k) == name
}

// digits is the number that s is, or -1.
func digits(s string, least, most int) int {
	if len(s) < least || len(s) > most || strings.Trim(s, "0123456789") != "" {
		return -1
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

func (l *alertsLayout) name(k key) string {
	number := ""
	if k.number > 0 {
		number = fmt.Sprintf("-%03d", k.number)
	}
	return fmt.Sprintf("%04d/%s/ossec-alerts-%02d%s.json", k.date/10000, months()[k.date/100%100-1], k.date%100, number)
}

func (l *alertsLayout) list(after key) ([]entry, error) {
	years, err := os.ReadDir(l.root)
	if err != nil {
		return nil, err
	}
	var found []entry
	for _, year := range years {
		y := digits(year.Name(), 4, 4)
		if y <= 0 || y < after.date/10000 {
			continue
		}
		for i, month := range months() {
			if y*100+i+1 < after.date/100 {
				continue
			}
			folder := year.Name() + "/" + month
			files, err := os.ReadDir(l.path(folder))
			if err != nil && !gone(err) && !errors.Is(err, syscall.ENOTDIR) {
				return nil, err
			}
			found = append(found, l.entries(folder, files, after)...)
		}
	}
	return l.withMissing(inOrder(found), after), nil
}

func (l *alertsLayout) entries(folder string, files []fs.DirEntry, after key) []entry {
	var found []entry
	for _, file := range files {
		name, compressed := strings.CutSuffix(file.Name(), ".gz")
		name, signed := strings.CutSuffix(name, ".sum")
		k, ok := l.key(folder + "/" + name)
		if ok && file.Type().IsRegular() && k.compare(after) > 0 {
			found = append(found, entry{key: k, compressed: compressed, missing: signed})
		}
	}
	return found
}

// inOrder sorts, and prefers the plain file while a compressed one is being made.
func inOrder(found []entry) []entry {
	rank := func(e entry) int {
		switch {
		case e.missing:
			return 2
		case e.compressed:
			return 1
		}
		return 0
	}
	slices.SortFunc(found, func(a, b entry) int {
		return cmp.Or(a.key.compare(b.key), cmp.Compare(rank(a), rank(b)))
	})
	return slices.CompactFunc(found, func(a, b entry) bool { return a.key == b.key })
}

// before goes back two days: the folders follow analysisd's local day.
func (l *alertsLayout) before(t time.Time) key {
	y, m, d := t.AddDate(0, 0, -2).Date()
	return key{date: y*10000 + int(m)*100 + d}
}

// end is unknown: analysisd closes a file before it links the next one.
func (l *alertsLayout) end(key) time.Time { return time.Time{} }

// future is never true: alerts.json itself says which file is the newest.
func (l *alertsLayout) future(key, time.Time) bool { return false }

// journalLayout is that of the hook: one file an hour, in one folder.
type journalLayout struct{ dir string }

func (l *journalLayout) source() Source { return Journal }

func (l *journalLayout) folder() string { return l.dir }

func (l *journalLayout) live() (fs.FileInfo, error) { return nil, nil }

func (l *journalLayout) path(name string) string { return filepath.Join(l.dir, name) }

func (l *journalLayout) key(name string) (key, bool) {
	hour, ok := journal.ParseName(name)
	if !ok || hour.Year() < 1 {
		return key{}, false
	}
	return hourKey(hour), true
}

func hourKey(t time.Time) key {
	t = t.UTC()
	return key{date: ((t.Year()*100+int(t.Month()))*100+t.Day())*100 + t.Hour()}
}

func (l *journalLayout) hour(k key) time.Time {
	d := k.date
	return time.Date(d/1000000, time.Month(d/10000%100), d/100%100, d%100, 0, 0, 0, time.UTC)
}

func (l *journalLayout) name(k key) string { return journal.FileName(l.hour(k)) }

func (l *journalLayout) list(after key) ([]entry, error) {
	files, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	var found []entry
	for _, file := range files {
		k, ok := l.key(file.Name())
		if ok && file.Type().IsRegular() && k.compare(after) > 0 {
			found = append(found, entry{key: k})
		}
	}
	return inOrder(found), nil
}

func (l *journalLayout) before(t time.Time) key { return hourKey(t.Add(-time.Hour)) }

// end is that of the hour. A hook that was held up writes where it was going to.
func (l *journalLayout) end(k key) time.Time { return l.hour(k).Add(time.Hour) }

// future finds the files of a hook whose clock was wrong: they are read, but must
// not make those of the right time look old.
func (l *journalLayout) future(k key, now time.Time) bool {
	return k.compare(hourKey(now.Add(time.Hour))) > 0
}
