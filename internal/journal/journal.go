// Package journal is the hourly file of alert lines that stands between the hook, which appends,
// and the daemon, which reads: one line an alert, byte for byte as analysisd wrote it, so that a
// journal file reads like a piece of alerts.json.
//
// It may import the standard library only, and as little of that as it can: the hook starts once
// an alert, and every package it links is paid for each time. It must never make the folder,
// look into a line, read configuration, or wait for anything but the lock and the disk.
//
// A file is named after its hour in UTC, YYYYMMDDHH.jsonl, has mode 0640, and only ever grows
// while it is that hour. Writers take an exclusive flock(2), append with one write(2) and
// fdatasync(2). A reader needs no lock: what ends in a newline is complete. A last line without
// its newline is either being written or torn (its writer was killed, the machine went down);
// the next append closes a torn one with a newline, so it becomes a line that is no JSON.
package journal

import "time"

// hourLayout and extension make up a file's name.
const (
	hourLayout = "2006010215"
	extension  = ".jsonl"
)

// FileName is the name of the file that holds the hour of t, for example "2026112414.jsonl" for
// any instant of 14:00 to 15:00 UTC on 24 November 2026.
func FileName(t time.Time) string {
	return t.UTC().Format(hourLayout) + extension
}

// ParseName is the hour (its first instant, UTC) that a file of this name holds, or false when
// the name is not one that FileName makes.
func ParseName(name string) (time.Time, bool) {
	if len(name) != len(hourLayout)+len(extension) || name[len(hourLayout):] != extension {
		return time.Time{}, false
	}
	hour, err := time.Parse(hourLayout, name[:len(hourLayout)])
	if err != nil || FileName(hour) != name {
		return time.Time{}, false
	}
	return hour, true
}
