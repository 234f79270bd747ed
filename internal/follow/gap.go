package follow

import "fmt"

// Reason says how lines were lost. The set is closed: it is a metric's label.
type Reason string

// The reasons.
const (
	// Gone: the file with the next lines is there under none of its names.
	Gone Reason = "gone"
	// Truncated: the file holds other bytes than those that were read, or fewer; it
	// is read again from its start, so that lines may come twice.
	Truncated Reason = "truncated"
	// Overlong: one line was longer than allowed.
	Overlong Reason = "overlong"
	// Torn: a piece of a line, at the end of a file that will not be written any more,
	// or before the alert that was appended to it.
	Torn Reason = "torn"
	// Unreadable: a compressed file is damaged.
	Unreadable Reason = "unreadable"
)

// Reasons are all reasons, for metrics that begin at zero.
func Reasons() []Reason { return []Reason{Gone, Truncated, Overlong, Torn, Unreadable} }

// Unknown is the size of a gap that nobody can know.
const Unknown = -1

// Gap is a place where lines were lost, or may have been.
type Gap struct {
	Reason Reason
	File   string // relative to the source's folder
	Offset int64  // where the lost bytes began
	Bytes  int64  // how many; Unknown
	Detail string // for Unreadable: the error
}

// String is a sentence for a log.
func (g Gap) String() string {
	size := "an unknown number of bytes"
	if g.Bytes >= 0 {
		size = fmt.Sprintf("%d bytes", g.Bytes)
	}
	s := fmt.Sprintf("%s: %s lost in %s from offset %d", g.Reason, size, g.File, g.Offset)
	if g.Detail != "" {
		s += ": " + g.Detail
	}
	return s
}
