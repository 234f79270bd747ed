package alert

import (
	"strings"
	"unicode/utf8"
)

// Bounds, in bytes and counts, on what is taken out of an alert. Vault accepts paths of 900 characters and metadata
// of any kind; the rest is shorter in honest records.
const (
	maxName  = 256
	maxPath  = 1024
	maxText  = 2048
	maxList  = 64
	maxPairs = 32
	maxLevel = 16 // of Wazuh's rules
	maxCount = 1<<31 - 1

	maxMembers = 256 // of an object that is kept apart in memory; honest ones have less than 40
)

// clip returns s as valid UTF-8 without NUL, cut to at most n bytes at a character's border. A cut is marked. It is a
// copy: an alert that waits somewhere must not keep its whole line, which may be megabytes.
func clip(s string, n int) string {
	if len(s) <= n && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return strings.Clone(s)
	}
	const mark = "…"
	long := len(s) > 4*n
	if long { // bound the work below, too
		s = s[:4*n]
	}
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "�"), "�")
	if len(s) <= n && !long {
		return s
	}
	cut := min(len(s), n-len(mark))
	for cut > 0 && cut < len(s) && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}
