package ownids

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds on the diary. It has two pages: where one is full, the other one is begun anew. A page holds some ten thousand
// calls, of which the ids are in the store after ten seconds at the latest.
const (
	maxPage = 2 << 20
	maxPath = 1024
	maxLost = 1000 // calls without an answer that are carried over to the next process
	maxAge  = 24 * time.Hour
	// againAfter is how long after a failure a diary is begun anew. What was not written down is settled by then: ids
	// are in the store, and an answer that has not come does not come any more.
	againAfter = time.Minute
)

// pages are the names of the pages, below the daemon's folder.
var pages = [...]string{"asked-a", "asked-b"}

// freshPage becomes the first of them when it is whole.
const freshPage = ".asked-new"

// Call is a call of Vault whose answer is not known: Vault may have served it, under an id that we cannot know.
type Call struct {
	Path string
	At   time.Time
}

// Left is what the diary of the process before says.
type Left struct {
	// Whole says that it is all that the process asked: there is a diary, of this boot of the machine.
	Whole bool
	IDs   []string // of answers
	Lost  []Call
}

// Diary is what the daemon asks Vault, written down before it asks and again when it is answered. A process that is
// killed, or ends while calls are under way, leaves it to the next one, which could otherwise not tell these requests
// from an intruder's. It is not synced: what a process has written outlives the process but not the machine, so it
// names the boot that it is of. A diary that cannot be written is removed: half of one would be worse than none.
type Diary struct {
	dir     string
	boot    string
	told    func(error) // that it cannot be written
	process string      // begins the numbers of this process's calls

	mu     sync.Mutex
	page   int
	file   *os.File // nil: it could not be written, or is closed
	size   int
	last   uint64    // call
	failed time.Time // zero: it is written, or closed
}

// ReadDiary reads what the process before has left in the daemon's folder.
func ReadDiary(dir string) (Left, error) { return readDiary(dir, bootID()) }

func readDiary(dir, boot string) (Left, error) {
	var left Left
	asked, answered := make(map[string]Call), make(map[string]bool)
	for _, name := range pages {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Left{}, fmt.Errorf("read what was asked of vault before: %w", err)
		}
		first, rest, _ := strings.Cut(string(text), "\n")
		if boot == "" || first != "boot "+boot {
			return Left{}, nil
		}
		left.Whole = true
		left.IDs = append(left.IDs, readPage(rest, asked, answered)...)
	}
	for number, call := range asked {
		if !answered[number] {
			left.Lost = append(left.Lost, call)
		}
	}
	slices.SortFunc(left.Lost, func(a, b Call) int { return b.At.Compare(a.At) })
	left.Lost = left.Lost[:min(len(left.Lost), maxLost)] // the newest
	return left, nil
}

// readPage reads the lines "ask NUMBER MILLISECONDS PATH" and "got NUMBER ID", paths and ids quoted, and gives the ids.
// The last line may be torn.
func readPage(text string, asked map[string]Call, answered map[string]bool) (ids []string) {
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		number, rest, _ := strings.Cut(rest, " ")
		switch word {
		case "ask":
			stamp, quoted, _ := strings.Cut(rest, " ")
			ms, err := strconv.ParseInt(stamp, 10, 64)
			if path, notQuoted := strconv.Unquote(quoted); err == nil && notQuoted == nil {
				asked[number] = Call{Path: path, At: time.UnixMilli(ms)}
			}
		case "got":
			id, err := strconv.Unquote(rest)
			if err != nil {
				continue
			}
			answered[number] = true
			if id != "" && len(id) <= maxID {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// BeginDiary begins this process's diary with the calls of before whose answers are still unknown, and removes what
// ReadDiary has read: the ids in it must be in the store by now. It always returns a diary; where it cannot be
// written, told says so, and it is tried again.
func BeginDiary(dir string, lost []Call, now time.Time, told func(error)) *Diary {
	return beginDiary(dir, bootID(), lost, now, told)
}

func beginDiary(dir, boot string, lost []Call, now time.Time, told func(error)) *Diary {
	d := &Diary{dir: dir, boot: boot, told: told, process: strconv.FormatInt(now.UnixNano(), 36)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begin(lost, now)
	return d
}

// begin begins the first page. d.mu is held.
func (d *Diary) begin(lost []Call, now time.Time) {
	fresh := filepath.Join(d.dir, freshPage)
	if d.page = 0; !d.open(fresh, now) {
		return
	}
	for _, call := range lost {
		if now.Sub(call.At) < maxAge {
			d.ask(call)
		}
	}
	if d.file == nil {
		return
	}
	if err := errors.Join(os.Rename(fresh, filepath.Join(d.dir, pages[0])), remove(filepath.Join(d.dir, pages[1]))); err != nil {
		d.give(err, now)
	}
}

// Asking notes a call that is about to be made. answered is to be called with the id of the answer, empty for one that
// has none, and not at all where the answer was lost on the way.
func (d *Diary) Asking(path string, at time.Time) (answered func(requestID string)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.failed.IsZero() && at.Sub(d.failed) >= againAfter {
		d.begin(nil, at)
	}
	number := d.ask(Call{Path: path, At: at})
	return func(id string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.write("got "+number+" "+strconv.Quote(id)+"\n", time.Now())
	}
}

// ask writes a call down and gives its number, which no call of another process has. d.mu is held.
func (d *Diary) ask(call Call) string {
	d.last++
	number := d.process + "." + strconv.FormatUint(d.last, 36)
	if len(call.Path) <= maxPath {
		d.write(fmt.Sprintf("ask %s %d %q\n", number, call.At.UnixMilli(), call.Path), call.At)
	}
	return number
}

// write appends a line with one write, and turns the page where it is full. d.mu is held.
func (d *Diary) write(line string, now time.Time) {
	if d.file == nil {
		return
	}
	if d.size >= maxPage {
		d.page = 1 - d.page
		if err := d.file.Close(); err != nil {
			d.give(err, now)
			return
		}
		if !d.open(filepath.Join(d.dir, pages[d.page]), now) {
			return
		}
	}
	n, err := d.file.WriteString(line)
	if d.size += n; err != nil {
		d.give(err, now)
	}
}

// open begins a page. d.mu is held.
func (d *Diary) open(path string, now time.Time) bool {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		d.give(err, now)
		return false
	}
	d.file, d.size, d.failed = file, 0, time.Time{}
	d.write("boot "+d.boot+"\n", now)
	return d.file != nil
}

// give gives the diary up. d.mu is held.
func (d *Diary) give(err error, now time.Time) {
	if d.file != nil {
		err = errors.Join(err, d.file.Close())
		d.file = nil
	}
	d.failed = now
	for _, name := range append(pages[:], freshPage) {
		err = errors.Join(err, remove(filepath.Join(d.dir, name)))
	}
	d.told(fmt.Errorf("write down what is asked of vault: %w", err))
}

// Close leaves the diary to the next process.
func (d *Diary) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed = (time.Time{}); d.file == nil {
		return nil
	}
	file := d.file
	d.file = nil
	return file.Close()
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// bootID is another one after each boot; empty where the kernel does not tell.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
