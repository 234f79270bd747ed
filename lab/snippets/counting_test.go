package snippets

import (
	"strings"
	"testing"
	"time"
)

// counting is one story for a rule that counts: the logs of these cases' first passes, one after the other.
type counting struct {
	name  string
	logs  func(t *testing.T) []string
	every time.Duration
	// last is the rule of the last log; rule is what the story is about.
	rule, last int
}

const (
	reads      = 100617
	deletes    = 100618
	badLogins  = 100851
	request    = 100611
	loginFails = 100850
)

func TestCountingRules(t *testing.T) {
	t.Parallel()
	manager, err := NewManager(packFiles())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range countings() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := lastRule(t, manager, c); got != c.last {
				t.Errorf("the last log ended at rule %d, want %d", got, c.last)
			}
		})
	}
}

// countingNoticed reports whether a story about the rule ends differently.
func countingNoticed(t *testing.T, m *Manager, rule int) bool {
	t.Helper()
	for _, c := range countings() {
		if c.rule == rule && lastRule(t, m, c) != c.last {
			return true
		}
	}
	return false
}

func lastRule(t *testing.T, m *Manager, c counting) int {
	t.Helper()
	session := m.Session()
	at, rule := noon, 0
	for _, log := range c.logs(t) {
		v, err := session.Judge(log, at)
		if err != nil {
			t.Fatal(err)
		}
		at, rule = at.Add(c.every), v.Rule
	}
	return rule
}

func countings() []counting {
	return []counting{
		{"ten reads within a minute", reading(10, "read"), 6 * time.Second, reads, reads},
		{"nine reads", reading(9, "read"), 6 * time.Second, reads, request},
		{"ten reads in more than a minute", reading(10, "read"), 7 * time.Second, reads, request},
		{"the tenth request is no read", reading(10, "list"), 6 * time.Second, reads, request},
		{"nine lists and one read, as the text says", mixed(9, "list", "read"), 6 * time.Second, reads, reads},
		{"ten reads with ten tokens", tokens(10), 6 * time.Second, reads, request},
		{"ten deletes within a minute", reading(10, "delete"), 6 * time.Second, deletes, deletes},
		{"nine deletes", reading(9, "delete"), 6 * time.Second, deletes, request},
		{"five failed logins from one address", logins(5, false), time.Minute, badLogins, badLogins},
		{"four failed logins", logins(4, false), time.Minute, badLogins, loginFails},
		{"five failed logins from five addresses", logins(5, true), time.Minute, badLogins, loginFails},
		{"a honey secret is not hidden by being the tenth", then(reading(9, "read"), 100800), time.Second, reads, 100800},
		{"an audit device's removal is not hidden by being the tenth", then(reading(9, "list"), 100700), time.Second, deletes, 100700},
	}
}

// passing is the first log that fires a rule.
func passing(t *testing.T, rule int) string {
	t.Helper()
	cases, err := pack(t).Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if c.Rule == rule && c.Must {
			return c.Log
		}
	}
	t.Fatalf("no case fires rule %d", rule)
	return ""
}

// reading is n requests of one operation by one token.
func reading(n int, operation string) func(*testing.T) []string {
	return mixed(n-1, operation, operation)
}

// mixed is n requests of one operation and one of another.
func mixed(n int, operation, last string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		log := passing(t, request)
		var out []string
		for range n {
			out = append(out, strings.Replace(log, `"operation":"read"`, `"operation":"`+operation+`"`, 1))
		}
		return append(out, strings.Replace(log, `"operation":"read"`, `"operation":"`+last+`"`, 1))
	}
}

func tokens(n int) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		log := passing(t, request)
		var out []string
		for i := range n {
			out = append(out, strings.Replace(log, `"accessor":"`, `"accessor":"`+string(rune('a'+i)), 1))
		}
		return out
	}
}

func logins(n int, spread bool) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		log := passing(t, loginFails)
		var out []string
		for i := range n {
			one := log
			if spread {
				one = strings.Replace(log, `"remote_address":"`, `"remote_address":"1`+string(rune('0'+i)), 1)
			}
			out = append(out, one)
		}
		return out
	}
}

// then adds the first log of a rule, by the same token.
func then(before func(*testing.T) []string, rule int) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		logs := before(t)
		return append(logs, sameToken(passing(t, rule), logs[0]))
	}
}

// sameToken gives a record the accessor of another.
func sameToken(record, other string) string {
	return strings.Replace(record, accessorOf(record), accessorOf(other), 1)
}

func accessorOf(record string) string {
	_, rest, _ := strings.Cut(record, `"accessor":"`)
	accessor, _, _ := strings.Cut(rest, `"`)
	return `"accessor":"` + accessor + `"`
}
