package snippets

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// collectorLimit is where logcollector cuts a line (4.14: lines of 65,279 bytes and more become 65,278).
const collectorLimit = 65278

// Tally is what a whole log led to.
type Tally struct {
	// Lines is how many lines the collector sent, blank ones aside.
	Lines int
	// ByRule and ByLevel count alerts.
	ByRule  map[int]int
	ByLevel [17]int
}

// AtLeast counts alerts of a level and above.
func (t Tally) AtLeast(level int) int {
	n := 0
	for _, c := range t.ByLevel[level:] {
		n += c
	}
	return n
}

// PerThousand is how many alerts of a level and above 1,000 lines led to.
func (t Tally) PerThousand(level int) float64 {
	return 1000 * float64(t.AtLeast(level)) / float64(max(t.Lines, 1))
}

// Add adds another log's tally.
func (t *Tally) Add(o Tally) {
	t.Lines += o.Lines
	if t.ByRule == nil {
		t.ByRule = map[int]int{}
	}
	for rule, n := range o.ByRule {
		t.ByRule[rule] += n
	}
	for level, n := range o.ByLevel {
		t.ByLevel[level] += n
	}
}

// Replay passes a log through a new session, each line at the time that Vault wrote into it, so
// that windows are as wide as in life. header stands before each line, as a relay would put it.
func (m *Manager) Replay(log io.Reader, header string) (Tally, error) {
	t := Tally{ByRule: map[int]int{}}
	session := m.Session()
	at := noon
	reader := bufio.NewReader(log)
	for {
		line, err := reader.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return t, fmt.Errorf("read the log: %w", err)
		}
		if text := strings.TrimRight(line, "\r\n"); text != "" {
			t.Lines++
			at = timeOf(text, at)
			if text = header + text; len(text) > collectorLimit {
				text = text[:collectorLimit]
			}
			result, refused := session.process(text, at)
			if refused != nil {
				return t, fmt.Errorf("line %d: %w", t.Lines, refused)
			}
			if len(result.Alert) > 0 {
				t.ByRule[result.RuleID]++
				t.ByLevel[result.Level]++
			}
		}
		if err != nil {
			return t, nil
		}
	}
}

// relayHeader is what journald or a relay puts before a line of the operational log.
const relayHeader = "Nov 24 12:00:00 vault-1 vault[812]: "

// ReplayFile replays a file, unpacking it if its name ends in .gz. Lines of a file with "operational" in
// its name get a syslog header, as the operational log has where the journal collects it.
func (m *Manager) ReplayFile(name string) (t Tally, err error) {
	f, err := os.Open(name)
	if err != nil {
		return t, fmt.Errorf("open a recording: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var log io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if log, err = gzip.NewReader(f); err != nil {
			return t, fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	header := ""
	if strings.Contains(path.Base(filepath.ToSlash(name)), "operational") {
		header = relayHeader
	}
	if t, err = m.Replay(log, header); err != nil {
		return t, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// timeOf is the time that Vault wrote into an audit record or an operational line, else the last one.
func timeOf(line string, last time.Time) time.Time {
	for _, key := range []string{`"time":"`, `"@timestamp":"`} {
		if _, rest, found := strings.Cut(line, key); found {
			stamp, _, _ := strings.Cut(rest, `"`)
			if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
				return at
			}
		}
	}
	stamp, _, _ := strings.Cut(line, " ")
	if at, err := time.Parse("2006-01-02T15:04:05.000Z0700", stamp); err == nil {
		return at
	}
	return last
}
