package follow

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAlertsPropertyEachLineOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, func(root string) func(Bookmark, Options) (*Follower, error) {
			return func(from Bookmark, opt Options) (*Follower, error) {
				return OpenAlerts(filepath.Join(root, liveName), from, opt)
			}
		})
		first := rapid.SampledFrom([]time.Time{
			time.Date(2026, 2, 26, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 30, 0, 0, 0, 0, time.UTC), time.Date(2028, 2, 28, 0, 0, 0, 0, time.UTC),
		}).Draw(t, "first day")
		m := &alertsWorld{world: w, day: first}
		m.link(false)
		t.Repeat(map[string]func(*rapid.T){
			"append":   func(*rapid.T) { w.append() },
			"half":     func(*rapid.T) { w.half() },
			"killed":   func(*rapid.T) { w.killed() },
			"day":      func(*rapid.T) { m.day = m.day.AddDate(0, 0, 1); m.number = 0; m.link(false) },
			"number":   func(*rapid.T) { m.number++; m.link(false) },
			"slow day": func(*rapid.T) { m.day = m.day.AddDate(0, 0, 1); m.number = 0; m.link(true) },
			"compress": func(*rapid.T) { m.compress() },
			"truncate": func(*rapid.T) { w.truncate() },
			"replace":  func(*rapid.T) { m.replace() },
			"unlink": func(*rapid.T) {
				if w.writes != liveName { // or what is written would have no name at all
					m.unlink()
				}
			},
			"remove":    func(*rapid.T) { m.remove() },
			"look":      func(*rapid.T) { w.look() },
			"look more": func(*rapid.T) { w.look() },
			"restart":   func(*rapid.T) { w.restart() },
			"settle":    func(*rapid.T) { w.settle() },
		})
		w.finish()
	})
}

// alertsWorld does what analysisd, monitord and administrators do.
type alertsWorld struct {
	*world
	day    time.Time
	number int
}

// link begins the next dated file. With slow, the reader looks at the moment when
// alerts.json does not exist.
func (m *alertsWorld) link(slow bool) {
	number := ""
	if m.number > 0 {
		number = fmt.Sprintf("-%03d", m.number)
	}
	name := m.day.Format("2006/Jan/ossec-alerts-02") + number + ".json"
	m.must(os.MkdirAll(filepath.Dir(m.at(name)), 0o750))
	m.put(name, "")
	m.unlink()
	if slow {
		m.look()
	}
	m.must(os.Link(m.at(name), m.at(liveName)))
	m.writes = name
	m.files[name] = true
}

// unlink takes the name alerts.json away. A file that had only this name is gone.
func (m *alertsWorld) unlink() {
	if m.files[liveName] {
		m.forget(liveName)
	}
	if err := os.Remove(m.at(liveName)); !errors.Is(err, fs.ErrNotExist) {
		m.must(err)
	}
}

func (m *alertsWorld) forget(name string) {
	m.excuse(name)
	m.maybe[Gone] = true
	m.maybe[Truncated] = true // so it looks when the next file gets its inode
	delete(m.files, name)
	delete(m.zipped, name)
	delete(m.owed, name)
}

// replace puts another file in the place of alerts.json; the manager goes on with
// the dated one or, when it is restarted, with that.
func (m *alertsWorld) replace() {
	m.unlink()
	m.put(liveName, "")
	m.files[liveName] = true
	m.cut[liveName] = false
	if m.writes == liveName || rapid.Bool().Draw(m.T, "write there") {
		m.writes = liveName
	} else {
		m.put(liveName, m.line()+"\n")
	}
}

// finished is a dated file that is not written any more.
func (m *alertsWorld) finished(sets ...map[string]bool) (string, bool) {
	var names []string
	for _, set := range sets {
		for name := range set {
			if name != m.writes && name != liveName {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return "", false
	}
	slices.Sort(names)
	return rapid.SampledFrom(names).Draw(m.T, "file"), true
}

func (m *alertsWorld) compress() {
	name, ok := m.finished(m.files)
	if !ok {
		return
	}
	m.must(gzipFile(m.at(name)))
	if rapid.Bool().Draw(m.T, "look between") {
		m.look()
	}
	m.must(os.Remove(m.at(name)))
	delete(m.files, name)
	m.zipped[name] = true
}

// remove deletes an old file, as administrators do to get space.
func (m *alertsWorld) remove() {
	name, ok := m.finished(m.files, m.zipped)
	if !ok {
		return
	}
	zip := ""
	if m.zipped[name] {
		zip = ".gz"
	}
	m.forget(name)
	m.must(os.Remove(m.at(name + zip)))
}
