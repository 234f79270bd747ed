// Package release names Wazuh releases, because what a daemon does differs between them. It imports the standard library only.
package release

import (
	"fmt"
	"strconv"
	"strings"
)

// Release is a release of Wazuh 4, such as 4.14.4.
type Release struct{ Minor, Patch int }

// Latest is the release that the recordings came from.
var Latest = Release{Minor: 14, Patch: 4}

// Parse reads "4.14.4", "v4.14.4" or "4.14". Only 4.3 to 4.14 are known.
func Parse(text string) (Release, error) {
	parts := strings.Split(strings.TrimPrefix(text, "v"), ".")
	if len(parts) < 2 || len(parts) > 3 || parts[0] != "4" {
		return Release{}, fmt.Errorf("release %q: want 4.MINOR or 4.MINOR.PATCH", text)
	}
	var numbers [2]int
	for i, part := range parts[1:] {
		n, err := strconv.Atoi(part)
		if err != nil {
			return Release{}, fmt.Errorf("release %q: %w", text, err)
		}
		numbers[i] = n
	}
	if numbers[0] < 3 || numbers[0] > 14 {
		return Release{}, fmt.Errorf("release %q: only 4.3 to 4.14 are known", text)
	}
	return Release{Minor: numbers[0], Patch: numbers[1]}, nil
}

// String is the form 4.14.4.
func (r Release) String() string { return fmt.Sprintf("4.%d.%d", r.Minor, r.Patch) }

// AtLeast says whether r is 4.minor.patch or later.
func (r Release) AtLeast(minor, patch int) bool {
	return r.Minor > minor || r.Minor == minor && r.Patch >= patch
}
