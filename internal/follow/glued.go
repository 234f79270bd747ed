package follow

import (
	"bytes"
	"encoding/json"
)

// maxGlued bounds the places in one line at which a whole alert is looked for.
const maxGlued = 16

// glued is how long the piece of a line is that stands before a whole alert, on
// the same line. analysisd appends to the file that it left: when it was killed, or
// its disk was full, in the middle of a line, nothing closes that one. 0 says that
// the line is whole, or that there is no whole alert in it.
//
// What an alert quotes cannot be taken for one: as text its quotes are escaped, and
// as an object it is followed by what closes the alert around it.
func glued(line []byte) int {
	const beginning = `{"timestamp":"` // to_json.c writes it first
	for at, tries := 0, 0; tries < maxGlued; tries++ {
		next := bytes.Index(line[at+1:], []byte(beginning))
		if next < 0 || tries == 0 && json.Valid(line) {
			return 0
		}
		at += 1 + next
		if json.Valid(line[at:]) {
			return at
		}
	}
	return 0
}
