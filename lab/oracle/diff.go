package oracle

import (
	"fmt"
	"strings"
)

// indent sets a text off from the line above it.
func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

// lineDiff shows where two lines begin to differ, with a little of what stands around.
func lineDiff(want, got string) string {
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	around := func(s string) string {
		from, to := max(at-60, 0), min(at+120, len(s))
		if from > to {
			return ""
		}
		return fmt.Sprintf("%q", s[from:to])
	}
	return fmt.Sprintf("at byte %d\n  recorded %s\n  lab      %s", at, around(want), around(got))
}

// linesDiff compares lists of lines; it is empty if they are equal.
func linesDiff(what string, want, got []string) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(want):
			return fmt.Sprintf("%s: the lab has %d, recorded are %d; first surplus\n  lab      %.300q", what, len(got), len(want), got[i])
		case i >= len(got):
			return fmt.Sprintf("%s: the lab has %d, recorded are %d; first missing\n  recorded %.300q", what, len(got), len(want), want[i])
		case want[i] != got[i]:
			return fmt.Sprintf("%s %d: %s", what, i, lineDiff(want[i], got[i]))
		}
	}
	return ""
}
