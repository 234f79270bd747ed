package follow

import (
	"bytes"
	"time"
)

// writtenBefore says whether an alert's time stamp is earlier than t. analysisd
// writes it first in the line: {"timestamp":"2024-05-01T12:00:00.123+0000", …
// (to_json.c). A line that has none there is not earlier.
func writtenBefore(line []byte, t time.Time) bool {
	const layout = "2006-01-02T15:04:05.000-0700"
	rest, ok := bytes.CutPrefix(line, []byte(`{"timestamp":"`))
	if !ok || len(rest) < len(layout) {
		return false
	}
	stamp, err := time.Parse(layout, string(rest[:len(layout)]))
	return err == nil && stamp.Before(t)
}
