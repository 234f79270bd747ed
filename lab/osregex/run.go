package osregex

// run walks s with the alternative's pattern. It is the state machine of
// _OS_Regex: greedy, with at most four places to fall back to, so what it finds
// is not always what a backtracking matcher would.
func (alt *alternative) run(s string, marks []int) (last int, ok bool) {
	if len(s) > 0 && !alt.begin && len(alt.pattern) > 0 {
		if c := alt.pattern[0]; c != '\\' && c != '(' && !possible(c, s) {
			return 0, false
		}
	}
	m := machine{alt: alt, s: s, marks: marks, have: true}
	for m.st = 0; at(s, m.st) != 0; m.st++ {
		if m.atEnd() {
			return m.last, m.have
		}
		switch m.step() {
		case advanced:
		case accepted:
			return m.last, m.have
		case mismatched:
			if m.resume() {
				continue
			}
			if alt.begin {
				return 0, false
			}
			if m.started {
				m.st, m.started = m.restart, false
			}
			m.pt, m.have = 0, false
		}
	}
	return m.finish()
}

// possible is a shortcut: a pattern that begins with a literal needs that byte.
func possible(c byte, s string) bool {
	if c >= 0x80 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if lower(s[i]) == c {
			return true
		}
	}
	return false
}

type outcome int

const (
	advanced outcome = iota
	mismatched
	accepted
)

type machine struct {
	alt   *alternative
	s     string
	marks []int

	pt, st int // places in pattern and text

	last int  // the last byte consumed
	have bool // whether last stands

	repeating bool // the class at pt has matched at least once

	restart int // where the text began to match
	started bool

	saved []fallback
}

type fallback struct{ pt, st int }

// at reads a byte as C reads a string: NUL at its end.
func at(s string, i int) byte {
	if i < 0 || i >= len(s) {
		return 0
	}
	return s[i]
}

func repeats(c byte) bool { return c == '+' || c == '*' }

func (m *machine) p(i int) byte { return at(m.alt.pattern, i) }

// mayEnd holds when the pattern does not ask for the end of the text, or has it.
func (m *machine) mayEnd() bool { return !m.alt.end || at(m.s, m.st) == 0 }

// atEnd passes a parenthesis and reports whether the pattern is used up.
func (m *machine) atEnd() bool {
	switch m.p(m.pt) {
	case 0:
		return m.mayEnd()
	case '(':
		m.mark(m.pt, m.st)
		m.pt++
		return m.p(m.pt) == 0 && m.mayEnd()
	}
	return false
}

func (m *machine) mark(pt, st int) {
	if m.marks == nil {
		return
	}
	for i, paren := range m.alt.parens {
		if paren == pt {
			m.marks[i] = st
			return
		}
	}
}

func (m *machine) step() outcome {
	c := at(m.s, m.st)
	if m.p(m.pt) == '\\' {
		if in(m.p(m.pt+1), c) {
			return m.classMatched()
		}
		return m.classMissed()
	}
	if literal(m.p(m.pt), c) {
		m.consume(m.pt + 1)
		return advanced
	}
	return mismatched
}

func (m *machine) consume(pt int) {
	m.pt = pt
	if !m.started {
		m.restart, m.started = m.st, true
	}
	m.last, m.have = m.st, true
}

func (m *machine) classMatched() outcome {
	next := m.pt + 2
	if !repeats(m.p(next)) {
		m.consume(next)
		return advanced
	}
	if m.p(next) == '*' {
		m.repeating = true
	}
	next++
	if m.repeating {
		if m.tryNext(next) {
			return advanced
		}
	} else {
		if m.p(next) == '(' {
			to := m.st
			if at(m.s, m.st+1) == 0 {
				to++
			}
			m.mark(next, to)
		}
		m.repeating = true
	}
	m.last, m.have = m.st, true
	return advanced
}

// tryNext looks whether what follows the repeated class matches here as well; if
// so it goes on there, and keeps this place to fall back to. It reports whether
// the repeated class ends the pattern: then the place counts as taken, and yet
// the end of the match stays where it was, at the first byte of the repetition
// (_OS_Regex in os_regex_execute.c goes on before it sets r_code).
func (m *machine) tryNext(next int) (last bool) {
	c := at(m.s, m.st)
	if m.p(next) == '(' {
		next++
	}
	skip := -1
	switch {
	case m.p(next) == 0:
		skip = 1
	case m.p(next) == '\\':
		if in(m.p(next+1), c) {
			skip = 2
			if repeats(m.p(next + 2)) {
				skip = 0
			}
		}
	case literal(m.p(next), c):
		m.repeating = false
		skip = 1
	}
	if skip < 0 {
		return false
	}
	if m.p(next-1) == '(' {
		to := m.st
		if m.repeating && skip == 1 {
			to++
		}
		m.mark(next-1, to)
	}
	if m.p(next) == 0 {
		return true
	}
	if len(m.saved) < 4 {
		m.saved = append(m.saved, fallback{m.pt, m.st})
	}
	m.pt = next + skip
	return false
}

func (m *machine) classMissed() outcome {
	switch {
	case (m.p(m.pt+2) == 0 || m.p(m.pt+3) == 0) && m.repeating && m.have:
		m.last = m.st
		if m.mayEnd() {
			return accepted
		}
	case m.p(m.pt+2) == '+' && m.repeating:
		m.pt += 3
		m.st--
		m.repeating = false
		return advanced
	case m.p(m.pt+2) == '*':
		m.pt += 3
		m.st--
		m.last, m.have = m.st, true
		m.repeating = false
		return advanced
	}
	m.repeating = false
	return mismatched
}

func (m *machine) resume() bool {
	if len(m.saved) == 0 {
		return false
	}
	f := m.saved[len(m.saved)-1]
	m.saved = m.saved[:len(m.saved)-1]
	m.pt, m.st = f.pt, f.st
	return true
}

// finish decides when the text is used up: the rest of the pattern must be one
// that may match nothing.
func (m *machine) finish() (int, bool) {
	if m.marks != nil {
		for m.p(m.pt) == '\\' && m.p(m.pt+2) == '*' {
			m.pt += 3
		}
		if m.p(m.pt) == '(' {
			m.mark(m.pt, m.st)
		}
	}
	if m.usedUp() {
		return m.last, m.have
	}
	return 0, false
}

func (m *machine) usedUp() bool {
	if m.done() {
		return true
	}
	if m.p(m.pt) == '\\' && m.repeating {
		m.pt += 2
		if repeats(m.p(m.pt)) {
			m.pt++
			if m.done() || m.optional() {
				return true
			}
		}
	}
	return m.optional()
}

// optional passes a class with a star, if that ends the pattern.
func (m *machine) optional() bool {
	if m.p(m.pt) != '\\' {
		return false
	}
	m.pt += 2
	if m.p(m.pt) != '*' {
		return false
	}
	m.pt++
	return m.done()
}

// done passes a parenthesis and reports whether the pattern is used up.
func (m *machine) done() bool {
	if m.p(m.pt) == '(' {
		m.pt++
	}
	return m.p(m.pt) == 0
}
