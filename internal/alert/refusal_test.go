package alert

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryRefusalHasItsWord(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Refusal{
		strings.Repeat("x", MaxLine+1): RefusalTooLong,
		`{"rule":`:                     RefusalNotJSON,
		`{}`:                           RefusalNoRule,
	} {
		_, err := Parse([]byte(line))
		if got := RefusalOf(err); err == nil || got != want {
			t.Errorf("%.20s: %v is called %q, want %q", line, err, got, want)
		}
		if !slices.Contains(Refusals(), want) {
			t.Errorf("%q is not in the closed set", want)
		}
	}
}
