package follow

import (
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"custom-vault/internal/journal"
)

func TestJournalPropertyEachLineOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, func(root string) func(Bookmark, Options) (*Follower, error) {
			return func(from Bookmark, opt Options) (*Follower, error) { return OpenJournal(root, from, opt) }
		})
		hook := &hookWorld{world: w}
		hook.begin(journal.FileName(w.clock))
		t.Repeat(map[string]func(*rapid.T){
			"append":    func(*rapid.T) { w.append() },
			"torn":      func(*rapid.T) { hook.torn() },
			"full disk": func(*rapid.T) { hook.fullDisk() },
			"straggler": func(*rapid.T) { hook.straggler() },
			"old hour":  func(*rapid.T) { hook.oldHour() },
			"set back":  func(*rapid.T) { hook.setBack() },
			"hour":      func(*rapid.T) { hook.hour() },
			"prune":     func(*rapid.T) { hook.prune() },
			"look":      func(*rapid.T) { w.look() },
			"restart":   func(*rapid.T) { w.restart() },
			"settle":    func(*rapid.T) { w.settle() },
		})
		w.finish()
	})
}

// hookWorld does what hooks do.
type hookWorld struct{ *world }

// hour lets the clock go to just after the hour.
func (h *hookWorld) hour() {
	h.clock = h.clock.Truncate(time.Hour).Add(time.Hour + time.Second)
	h.begin(journal.FileName(h.clock))
}

func (h *hookWorld) begin(name string) {
	h.writes = name
	h.put(name, "")
	h.files[name] = true
}

// torn is a hook killed while it wrote, and the next one, which closes the tail.
func (h *hookWorld) torn() {
	line := h.line()
	h.put(h.writes, line[:rapid.IntRange(unique, len(line)).Draw(h.T, "part")])
	h.look()
	h.put(h.writes, "\n"+h.line()+"\n")
}

// fullDisk is a hook that could not write its line whole and cut it back.
func (h *hookWorld) fullDisk() {
	info, err := os.Stat(h.at(h.writes))
	h.must(err)
	line := h.line()
	if info.Size() > 0 {
		text, err := os.ReadFile(h.at(h.writes))
		h.must(err)
		if text[len(text)-1] != '\n' {
			return
		}
	}
	h.put(h.writes, line[:rapid.IntRange(unique, min(len(line), longest)).Draw(h.T, "part")])
	h.look()
	h.must(os.Truncate(h.at(h.writes), info.Size()))
	if rapid.Bool().Draw(h.T, "and on") {
		h.append()
	}
}

// straggler is a hook that took its hour's name, then had to wait.
func (h *hookWorld) straggler() {
	h.late(time.Hour)
	h.look()
}

// oldHour is a hook whose clock was wrong for a moment.
func (h *hookWorld) oldHour() {
	h.late(time.Duration(rapid.SampledFrom([]int{2, 3, 5, 24, 500_000, -2, -24}).Draw(h.T, "hours")) * time.Hour)
}

// late appends to another hour's file, which may be done with or pruned.
func (h *hookWorld) late(ago time.Duration) {
	name := journal.FileName(h.clock.Add(-ago))
	h.closeTorn(name)
	h.put(name, h.line()+"\n")
	h.files[name] = true
}

// closeTorn is what a hook does first.
func (h *hookWorld) closeTorn(name string) {
	text, err := os.ReadFile(h.at(name))
	if err == nil && len(text) > 0 && text[len(text)-1] != '\n' {
		h.put(name, "\n")
	}
}

// setBack sets everybody's clock back by some hours.
func (h *hookWorld) setBack() {
	h.clock = h.clock.Add(-time.Duration(rapid.IntRange(1, 5).Draw(h.T, "hours")) * time.Hour)
	h.begin(journal.FileName(h.clock))
}

// prune deletes what the committed bookmark has done with.
func (h *hookWorld) prune() {
	before := map[string][]string{}
	for name := range h.files {
		before[name] = h.content(name)
	}
	removed, err := h.reader.Prune(h.committed)
	h.must(err)
	for _, name := range removed {
		for _, line := range before[name] {
			h.excused[line] = true
			if n := h.seen[line]; n != 1 && len(line) <= longest && strings.HasPrefix(line, "vault") {
				h.Fatalf("%s was pruned, and %.30s… of it was delivered %d times", name, line, n)
			}
		}
		delete(h.files, name)
	}
}
