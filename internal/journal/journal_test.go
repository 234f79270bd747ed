package journal

import (
	"testing"
	"time"
)

func TestFileIsNamedAfterItsHourInUTC(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 5*3600+1800)
	for name, instants := range map[string][]time.Time{
		"2026112414.jsonl": {
			time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC),
			time.Date(2026, 11, 24, 14, 59, 59, 999999999, time.UTC),
			time.Date(2026, 11, 24, 20, 0, 0, 0, east),
		},
		"2027010100.jsonl": {time.Date(2027, 1, 1, 5, 30, 0, 0, east)},
		"0001010100.jsonl": {{}},
	} {
		for _, at := range instants {
			if got := FileName(at); got != name {
				t.Errorf("FileName(%v) = %q, want %q", at, got, name)
			}
			hour, ok := ParseName(name)
			if want := at.UTC().Truncate(time.Hour); !ok || !hour.Equal(want) {
				t.Errorf("ParseName(%q) = %v, %v; want %v", name, hour, ok, want)
			}
		}
	}
}

func TestOtherNamesAreNoHours(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", ".jsonl", "2026112414", "2026112414.json", "2026112424.jsonl", "2026113114.jsonl",
		"2026130114.jsonl", "202611241.jsonl", "20261124140.jsonl", " 026112414.jsonl",
		"2026112414.jsonl.gz", ".2026112414.jsonl", "../2026112414.jsonl", "２０２６.jsonl",
	} {
		if hour, ok := ParseName(name); ok {
			t.Errorf("ParseName(%q) = %v, want none", name, hour)
		}
	}
}
