package follow

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// The property: whatever happens to the files, and whenever the reader is killed,
// each line that is still there at the end was delivered; once, unless its file was
// cut; and what was cut away or taken away behind the bookmark is told as a gap.

const longest = 3000 // Options.MaxLine in these tests

// world is one source: its files, its reader, and what the reader's user has
// committed.
type world struct {
	*rapid.T
	root  string
	clock time.Time
	open  func(from Bookmark, opt Options) (*Follower, error)

	reader    *Follower
	uncommit  []Item
	committed Bookmark
	seen      map[string]int // committed lines
	gaps      map[Reason]int
	lines     int // names lines

	writes  string          // the file that is appended to
	files   map[string]bool // the plain files there are
	zipped  map[string]bool
	cut     map[string]bool   // files that were truncated or replaced: their lines may come twice
	excused map[string]bool   // lines of files that are gone
	glued   map[string]string // what such a line brings
	owed    map[string]bool   // files of which a gap must be told
	told    map[string]bool   // and has been
	maybe   map[Reason]bool   // gaps that may come
}

func newWorld(t *rapid.T, open func(root string) func(Bookmark, Options) (*Follower, error)) *world {
	root, err := os.MkdirTemp("", "follow")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	w := &world{
		T: t, root: root, clock: time.Date(2026, 11, 24, 14, 5, 0, 0, time.UTC), open: open(root),
		seen: map[string]int{}, gaps: map[Reason]int{},
		files: map[string]bool{}, zipped: map[string]bool{}, cut: map[string]bool{},
		excused: map[string]bool{}, glued: map[string]string{}, owed: map[string]bool{}, told: map[string]bool{}, maybe: map[Reason]bool{},
	}
	w.start()
	t.Cleanup(func() { w.must(w.reader.Close()) })
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) at(name string) string { return filepath.Join(w.root, name) }

// put appends to a file, at the time of the world's clock.
func (w *world) put(name, text string) {
	appendTo(w.T, w.at(name), text)
	w.must(os.Chtimes(w.at(name), w.clock, w.clock))
}

func (w *world) start() {
	var err error
	w.reader, err = w.open(w.committed, Options{
		Start: AtBegin, MaxLine: longest, unwatched: true,
		Keep: func(line []byte) bool { return !bytes.HasPrefix(line, []byte("other")) },
		Now:  func() time.Time { return w.clock },
	})
	w.must(err)
}

// look reads a little, and commits a part of what was read.
func (w *world) look() {
	var b Batch
	lim := Limits{Lines: rapid.IntRange(1, 20).Draw(w.T, "lines"), Bytes: 1 << 20}
	w.reader.collect(context.Background(), lim, &b)
	w.uncommit = append(w.uncommit, b.Items...)
	all := rapid.Bool().Draw(w.T, "all")
	n := len(w.uncommit)
	if !all && n > 0 {
		n = rapid.IntRange(0, n).Draw(w.T, "commit")
	}
	w.commit(n)
	if all {
		w.committed = w.reader.Position()
	}
}

func (w *world) commit(n int) {
	for _, item := range w.uncommit[:n] {
		if item.Gap != nil {
			w.Logf("gap: %s", item.Gap)
			w.gaps[item.Gap.Reason]++
			if item.Gap.Reason == Truncated {
				w.told[item.Gap.File] = true
			}
		} else {
			w.seen[string(item.Text)]++
		}
		w.committed = item.After
	}
	w.uncommit = w.uncommit[n:]
}

// restart kills the reader: what was not committed is forgotten.
func (w *world) restart() {
	w.must(w.reader.Close())
	w.uncommit = nil
	from, err := ParseBookmark(w.committed.String())
	w.must(err)
	w.committed = from
	w.start()
}

// unique bytes of a line are found in no other one.
const unique = len("vault-000001-")

// line is a new line's text.
func (w *world) line() string {
	w.lines++
	kind := rapid.SampledFrom([]string{"vault", "vault", "vault", "other"}).Draw(w.T, "kind")
	size := rapid.SampledFrom([]int{1, 60, 700, longest - 20, longest + 1}).Draw(w.T, "size")
	number := fmt.Sprintf("%06d-", w.lines)
	return kind + "-" + number + strings.Repeat(number, size/len(number)+1)[:size]
}

func (w *world) append() {
	var text strings.Builder
	for range rapid.IntRange(1, 6).Draw(w.T, "n") {
		text.WriteString(w.line() + "\n")
	}
	w.put(w.writes, text.String())
}

// half appends a line without its end; whatever is appended next goes on there, as
// a restarted analysisd does.
func (w *world) half() {
	line := w.line()
	w.put(w.writes, line[:rapid.IntRange(unique, len(line)).Draw(w.T, "part")])
}

// killed appends a piece of an alert, and the alert that analysisd writes first when it is started again.
func (w *world) killed() {
	text, err := os.ReadFile(w.at(w.writes))
	w.must(err)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return // what stands there is a piece already
	}
	const begin = `{"timestamp":"`
	alert := func() string { return begin + w.line()[:unique] + `","data":{"timestamp":""}}` }
	piece, whole := alert(), alert()
	piece = piece[:rapid.IntRange(len(begin)+unique, len(piece)-1).Draw(w.T, "piece")]
	if rapid.Bool().Draw(w.T, "look before") {
		w.look()
	}
	w.put(w.writes, piece)
	if rapid.Bool().Draw(w.T, "look between") {
		w.look()
	}
	w.glued[piece+whole] = whole
	w.put(w.writes, whole+"\n")
}

// behind is how far the committed bookmark has read of a file, and false when it
// does not know the file.
func (w *world) behind(name string) (int64, bool) {
	text, err := os.ReadFile(w.at(name))
	w.must(err)
	for _, p := range w.committed.Files {
		if p.Name == name && p.Head.Len <= len(text) && p.Head == printOf(text[:p.Head.Len]) {
			return p.Offset, true
		}
	}
	return 0, false
}

func (w *world) truncate() {
	w.cut[w.writes] = true
	w.excuse(w.writes)
	info, err := os.Stat(w.at(w.writes))
	w.must(err)
	size := rapid.SampledFrom([]int64{0, info.Size() / 2, info.Size()}).Draw(w.T, "size")
	if size < info.Size() && slices.ContainsFunc(w.content(w.writes), func(line string) bool { return strings.HasPrefix(line, "{") }) {
		size = 0 // what is left of an alert behind a piece of one, and glued to the next, is nobody's line
	}
	if read, ok := w.behind(w.writes); ok && read > size {
		w.owed[w.writes] = true
		w.told[w.writes] = false
	}
	w.maybe[Truncated] = true
	w.must(os.Truncate(w.at(w.writes), size))
}

// excuse remembers that a file's lines may be lost or come twice.
func (w *world) excuse(name string) {
	for _, line := range w.content(name) {
		w.excused[line] = true
	}
}

// content is a file's whole lines, plain or compressed.
func (w *world) content(name string) []string {
	text, err := os.ReadFile(w.at(name))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = readZip(w.at(name) + ".gz")
	}
	w.must(err)
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if whole, ok := w.glued[line]; ok {
			lines[i] = whole
		}
	}
	return lines[:len(lines)-1]
}

func readZip(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	text, err := io.ReadAll(zip)
	return text, errors.Join(err, file.Close())
}

// settle lets the reader give up the files that have successors.
func (w *world) settle() { w.clock = w.clock.Add(2 * time.Minute) }

// finish reads all that there is and compares.
func (w *world) finish() {
	for range 3 {
		var b Batch
		w.reader.collect(context.Background(), Limits{Lines: 1 << 30, Bytes: 1 << 30}, &b)
		w.uncommit = append(w.uncommit, b.Items...)
		w.commit(len(w.uncommit))
		w.settle()
	}
	overlong := 0
	cutSome := false
	for _, set := range []map[string]bool{w.files, w.zipped} {
		for name := range set {
			cutSome = cutSome || w.cut[name]
			overlong += w.judge(name)
		}
	}
	if w.gaps[Overlong] < overlong {
		w.Fatalf("%d gaps for %d overlong lines", w.gaps[Overlong], overlong)
	}
	for name := range w.owed {
		if !w.told[name] {
			w.Fatalf("no gap tells that %s was cut", name)
		}
	}
	for _, why := range []Reason{Gone, Truncated, Unreadable} {
		if n := w.gaps[why]; n > 0 && !w.maybe[why] {
			w.Fatalf("%d gaps %s for nothing", n, why)
		}
	}
	for line, n := range w.seen {
		if n > 0 && !w.excused[line] {
			w.Fatalf("%.30s… (%d bytes) was delivered and is in no file", line, len(line))
		}
	}
}

// judge compares a file's lines with what was delivered, and returns how many of
// them were overlong.
func (w *world) judge(name string) (overlong int) {
	for _, line := range w.content(name) {
		n := w.seen[line]
		want := 1
		switch {
		case len(line) > longest:
			overlong++
			want = 0
		case line == "" || strings.HasPrefix(line, "other"):
			want = 0
		}
		if n < want || n > want && !w.cut[name] {
			w.Fatalf("%s: %.30s… (%d bytes) was delivered %d times, not %d", name, line, len(line), n, want)
		}
		if !w.excused[line] {
			delete(w.seen, line)
		}
	}
	return overlong
}
