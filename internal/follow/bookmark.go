package follow

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Bookmark says how far a source has been dealt with. It names every file that
// may still grow, because the old file of a rotation may get a last line after the
// new one has begun. The zero value means: nothing yet.
//
// [Bookmark.String] and [ParseBookmark] are its stored form.
type Bookmark struct {
	Source Source `json:"source"`
	// Newest is the newest dated file that was begun; older ones that are not in
	// Files are done. Of the journal, whose hours may come in any order when clocks are
	// set, it is the newest of those that Done has no more room for.
	Newest string     `json:"newest,omitempty"`
	Files  []Position `json:"files,omitempty"`
	// Done are the journal's files that were read and given up.
	Done []Done `json:"done,omitempty"`
	// Since is Options.Since in Unix milliseconds, until the end was reached once.
	Since int64 `json:"since,omitempty"`
}

// Done is a file of the journal that was given up, its size then, and how much of
// that was a piece of a line at its end; Tail is of the last bytes before that. It is
// known as long as the file is there: a hook that was held up may still append to it,
// or cut the piece off.
type Done struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Rest int64  `json:"rest,omitempty"`
	Tail Print  `json:"tail"`
}

// Position is a place in one file.
type Position struct {
	// Name is relative to the source's folder and without ".gz": "alerts.json" only
	// for a file that has no dated name.
	Name   string `json:"name"`
	Device uint64 `json:"dev"`
	Inode  uint64 `json:"ino"`
	// Offset is that of the next line, in uncompressed bytes.
	Offset int64 `json:"off"`
	// Head is of the file's first bytes and Tail of the last ones before Offset: they
	// tell a reused inode and a rewritten file, and know a compressed copy.
	Head Print `json:"head"`
	Tail Print `json:"tail"`
}

// Print is a fingerprint of a piece of a file.
type Print struct {
	Len int
	Sum uint64
}

func printOf(b []byte) Print {
	if len(b) == 0 {
		return Print{}
	}
	sum := sha256.Sum256(b)
	return Print{Len: len(b), Sum: binary.BigEndian.Uint64(sum[:])}
}

// MarshalText writes a print as its length, "-" and 16 hexadecimal digits.
func (p Print) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d-%016x", p.Len, p.Sum), nil
}

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (p *Print) UnmarshalText(text []byte) error {
	length, sum, _ := strings.Cut(string(text), "-")
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > headSize {
		return fmt.Errorf("a fingerprint's length is not %q", length)
	}
	s, err := strconv.ParseUint(sum, 16, 64)
	if err != nil {
		return fmt.Errorf("a fingerprint is not %q", sum)
	}
	q := Print{Len: n, Sum: s}
	if canonical, _ := q.MarshalText(); !bytes.Equal(canonical, text) {
		return fmt.Errorf("a fingerprint is not %q", text)
	}
	*p = q
	return nil
}

// IsZero says that nothing has been dealt with yet.
func (b Bookmark) IsZero() bool { return b.Source == "" }

// Equal says whether two bookmarks are the same place.
func (b Bookmark) Equal(o Bookmark) bool {
	return b.Source == o.Source && b.Newest == o.Newest && b.Since == o.Since &&
		slices.Equal(b.Files, o.Files) && slices.Equal(b.Done, o.Done)
}

// String is the bookmark's stored form, empty for the zero bookmark.
func (b Bookmark) String() string {
	if b.IsZero() {
		return ""
	}
	text, err := json.Marshal(b)
	if err != nil {
		// Unreachable: the type holds strings and integers only.
		return ""
	}
	return string(text)
}

const (
	maxBookmark      = 16 << 10 // bytes of text
	maxBookmarkFiles = 32
)

// ParseBookmark reads what String wrote. The error says what is wrong with it; a
// bookmark that cannot be read must not be taken for none.
func ParseBookmark(text string) (Bookmark, error) {
	if text == "" {
		return Bookmark{}, nil
	}
	b, err := parseBookmark(text)
	if err != nil {
		return Bookmark{}, fmt.Errorf("parse bookmark: %w", err)
	}
	return b, nil
}

func parseBookmark(text string) (Bookmark, error) {
	if len(text) > maxBookmark {
		return Bookmark{}, fmt.Errorf("%d bytes are more than %d", len(text), maxBookmark)
	}
	var b Bookmark
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return Bookmark{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Bookmark{}, errors.New("something follows it")
	}
	var l layout
	switch b.Source {
	case Alerts:
		l = &alertsLayout{}
	case Journal:
		l = &journalLayout{}
	default:
		return Bookmark{}, fmt.Errorf("unknown source %q", b.Source)
	}
	if b.Newest != "" {
		if _, ok := l.key(b.Newest); !ok {
			return Bookmark{}, fmt.Errorf("%q is no file of %s", b.Newest, b.Source)
		}
	}
	if len(b.Files) > maxBookmarkFiles {
		return Bookmark{}, fmt.Errorf("%d files are more than %d", len(b.Files), maxBookmarkFiles)
	}
	for _, p := range b.Files {
		if err := p.check(l); err != nil {
			return Bookmark{}, err
		}
	}
	if err := checkDone(b.Done, l); err != nil {
		return Bookmark{}, err
	}
	if len(b.Files) == 0 {
		b.Files = nil
	}
	if len(b.Done) == 0 {
		b.Done = nil
	}
	return b, nil
}

func checkDone(done []Done, l layout) error {
	if len(done) > 0 && l.source() != Journal {
		return fmt.Errorf("%s has no files that are done", l.source())
	}
	for i, d := range done {
		if _, ok := l.key(d.Name); !ok || d.Rest < 0 || d.Size < d.Rest || d.Tail.Len > tailSize {
			return fmt.Errorf("%q of %d bytes, %d of them torn, is no file of %s", d.Name, d.Size, d.Rest, l.source())
		}
		if i > 0 && done[i-1].Name >= d.Name || i >= maxDone {
			return fmt.Errorf("the files that are done, up to %q, are out of order or too many", d.Name)
		}
	}
	return nil
}

func (p Position) check(l layout) error {
	if _, dated := l.key(p.Name); !dated && (l.source() != Alerts || p.Name != liveName) {
		return fmt.Errorf("%q is no file of %s", p.Name, l.source())
	}
	if p.Offset < 0 || int64(p.Head.Len) > p.Offset || int64(p.Tail.Len) > p.Offset || p.Tail.Len > tailSize {
		return fmt.Errorf("the offset %d of %s does not fit its fingerprints", p.Offset, p.Name)
	}
	return nil
}
