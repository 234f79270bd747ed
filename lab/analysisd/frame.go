package analysisd

import (
	"errors"
	"strings"
)

const (
	// maxFrame is how much of a datagram analysisd receives, in bytes (OS_MAXSTR - 1).
	maxFrame = 65535
	// maxLocation is the longest location, in bytes (OS_MAXSTR is not its limit: 8192+256+2).
	maxLocation = 8450
)

// Frame is a datagram of the queue taken apart: "1:[001] (vault-1) any->/var/log/x:text".
type Frame struct {
	Queue byte // what kind of event it is; '1' for a line of a log file
	// Location is what stands between the colons, with its escapes undone. It begins with
	// "[id] (name) address->" if an agent sent the event.
	Location string
	Log      string
}

// Errors of ParseFrame.
var (
	// ErrShort is a datagram of less than four bytes.
	ErrShort = errors.New("a datagram needs at least four bytes")
	// ErrFormat is a datagram without the colon behind its location.
	ErrFormat = errors.New("a datagram needs a colon behind its location")
)

// ParseFrame takes a datagram apart as analysisd does: what is longer than 65,535 bytes is cut,
// a NUL ends it, and what stands between queue and location is not looked at.
func ParseFrame(datagram []byte) (Frame, error) {
	s := string(datagram[:min(len(datagram), maxFrame)])
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	if len(s) < 4 {
		return Frame{}, ErrShort
	}
	f := Frame{Queue: s[0]}
	s = s[2:]
	colon := unescapedColon(s)
	if colon < 0 {
		return f, ErrFormat
	}
	f.Location, f.Log = unescape(s[:colon]), s[colon+1:]
	return f, nil
}

// unescapedColon finds the first colon that no | protects.
func unescapedColon(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ':':
			return i
		case '|':
			i++
		}
	}
	return -1
}

// unescape undoes || and |: and swallows any other | (wstr_unescape).
func unescape(s string) string {
	if !strings.Contains(s, "|") {
		return s[:min(len(s), maxLocation)]
	}
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxLocation; i++ {
		if s[i] == '|' {
			switch {
			case i+1 == len(s):
				b.WriteByte('|')
			case s[i+1] == '|':
				b.WriteByte('|')
				i++
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// agentOf splits a location of the form "[id] (name) address->place" and leaves the rest of
// "[id] ". ok is false if an opening bracket is not closed.
func agentOf(loc string) (id, rest string, ok bool) {
	if !strings.HasPrefix(loc, "[") {
		return "", loc, true
	}
	end := strings.IndexByte(loc, ']')
	if end < 0 {
		return "", loc, false
	}
	return loc[1:end], loc[min(end+2, len(loc)):], true
}

// queues that analysisd hands to modules of its own; none of them makes an event here.
func ownQueue(c byte) bool { return strings.IndexByte("8935dpfeu", c) >= 0 }
