package follow

import "time"

// Source says which of the two ways a line came.
type Source string

// The two ways.
const (
	Alerts  Source = "alerts"
	Journal Source = "journal"
)

// Start says where to begin when there is no bookmark.
type Start int

const (
	// AtEnd begins after the last whole line that is there.
	AtEnd Start = iota
	// AtBegin begins with the oldest file that is there, compressed ones included.
	AtBegin
)

// Options are what a caller may choose. The zero value is a working default.
type Options struct {
	// Start and Since matter only without a bookmark. Since, when it is set,
	// begins with the files of that time and passes over lines whose time stamp is
	// earlier; lines without one are delivered.
	Start Start
	Since time.Time

	// Keep says whether a line is worth delivering; nil keeps all. It is called for
	// every line and must be fast; line is valid only during the call.
	Keep func(line []byte) bool

	// Notice is told once when the source cannot be read, why, and once with nil
	// when it can be again. It is called from within Next and Open.
	Notice func(err error)

	// MaxLine is the longest line in bytes, without its newline. Default 4 MiB.
	MaxLine int
	// Poll is how often the files are looked at without having been woken by
	// inotify. Default 1 s.
	Poll time.Duration
	// Progress is how long Next waits at most before it returns a bookmark that has
	// moved over lines that Keep turned down. Default 5 s.
	Progress time.Duration
	// Settle is how long a file that has a successor must have been quiet before it
	// is given up; what then remains of it without a newline is a Gap. Lines are not
	// delayed by it: the successor is read at once. Default 1 min.
	Settle time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time

	unwatched bool // no inotify, for tests that open thousands
}

func (o Options) withDefaults() Options {
	if o.MaxLine <= 0 {
		o.MaxLine = 4 << 20
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Progress <= 0 {
		o.Progress = 5 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Notice == nil {
		o.Notice = func(error) {}
	}
	return o
}
