package release_test

import (
	"testing"

	"custom-vault/lab/release"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]release.Release{"4.3": {Minor: 3}, "v4.14.4": release.Latest, "4.7.1": {Minor: 7, Patch: 1}} {
		got, err := release.Parse(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "4", "5.0.0", "4.2.7", "4.15", "4.x", "4.3.1.1"} {
		if got, err := release.Parse(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	r := release.Release{Minor: 8, Patch: 2}
	for _, c := range []struct {
		minor, patch int
		want         bool
	}{{8, 2, true}, {8, 3, false}, {7, 9, true}, {9, 0, false}} {
		if got := r.AtLeast(c.minor, c.patch); got != c.want {
			t.Errorf("4.8.2 at least 4.%d.%d: %v", c.minor, c.patch, got)
		}
	}
}
