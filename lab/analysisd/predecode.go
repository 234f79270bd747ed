package analysisd

import "strings"

// predecoder finds date, host and program in the head of a log line, as OS_CleanMSG does
// (cleanevent.c). It cuts the buffer with NULs where the C code does.
type predecoder struct {
	buf       []byte
	log       int
	timestamp int // offsets into buf, 0 for none
	hostname  int
	program   int
}

func newPredecoder(line string) *predecoder {
	n := len(line) + 1
	p := &predecoder{buf: make([]byte, 2*n+1), log: n}
	copy(p.buf, line)
	copy(p.buf[n:], line)
	return p
}

// at reads a byte of the buffer; beyond it there are NULs.
func (p *predecoder) at(i int) byte {
	if i >= len(p.buf) {
		return 0
	}
	return p.buf[i]
}

func (p *predecoder) text(offset int) text {
	if offset == 0 {
		return text{}
	}
	return some(cString(string(p.buf), offset))
}

// mark is what must stand at a place of a date; '0' stands for any digit.
type mark struct {
	at int
	is byte
}

func (p *predecoder) has(start int, marks ...mark) bool {
	for _, m := range marks {
		c := p.at(start + m.at)
		if m.is == '0' {
			if !isDigit(c) {
				return false
			}
		} else if c != m.is {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// run does it all. n is the length of the line with its NUL.
func (p *predecoder) run() {
	n := p.log
	start := n
	// A month of two-byte umlaut ("Mär") is looked at as if it were one byte shorter.
	if n >= 3 && p.at(n+1) == 0xc3 && p.at(n+2) == 0xa4 {
		start++
	}
	if length := p.syslogDate(start, n); length > 0 {
		p.timestamp = p.log
		p.log += length
		p.buf[p.log-1] = 0
		p.syslogHead()
		return
	}
	p.otherDate(start, n)
}

// syslogDate tells the length of a date that a syslog header may begin with.
func (p *predecoder) syslogDate(start, n int) int {
	switch {
	// Dec 29 10:00:01
	case n > 17 && p.has(start, mark{3, ' '}, mark{6, ' '}, mark{9, ':'}, mark{12, ':'}, mark{15, ' '}):
		return 16
	// 2015-04-16 21:51:02,805
	case n > 24 && p.has(start, mark{4, '-'}, mark{7, '-'}, mark{10, ' '}, mark{13, ':'}, mark{16, ':'}, mark{19, ','}):
		return 24
	// 2007-06-14T15:48:55-04:00 and with fractions of a second
	case n > 33 && p.has(start, mark{4, '-'}, mark{7, '-'}, mark{10, 'T'}, mark{13, ':'}, mark{16, ':'}):
		if length := p.isoDate(start); length > 0 {
			return length
		}
	}
	switch {
	// 2015 Dec 29 10:00:01
	case n > 21 && p.has(start, mark{0, '0'}, mark{4, ' '}, mark{8, ' '}, mark{11, ' '}, mark{14, ':'}, mark{17, ':'}, mark{20, ' '}):
		return 21
	// 2021-04-21 12:34:56.789123+0200
	case n > 33 && p.has(start, mark{0, '0'}, mark{4, '-'}, mark{7, '-'}, mark{10, ' '}, mark{13, ':'}, mark{16, ':'}, mark{19, '.'}, mark{31, ' '}):
		if c := p.at(start + 26); c == '-' || c == '+' {
			return 32
		}
	}
	return 0
}

// isoDate measures an ISO date. With a fraction of unknown length it takes 32 bytes whatever
// they hold: of a raw hclog line, that includes the level.
func (p *predecoder) isoDate(start int) int {
	switch {
	case p.has(start, mark{22, ':'}, mark{25, ' '}):
		return 26
	case p.at(start+19) != '.':
		return 0
	case p.at(start+26) == ':':
		return 30
	case p.at(start+29) == ':':
		return 33
	}
	return 32
}

// syslogHead reads "host program[pid]: " behind a date.
func (p *predecoder) syslogHead() {
	if p.at(p.log) == ' ' {
		p.log++
	}
	i := p.word(p.log)
	switch {
	case p.at(i) == ':' && p.at(i+1) == ' ':
		// No host, as Solaris writes it.
		p.program = p.log
		p.buf[i] = 0
		p.log = i + 2
		p.identity()
	case p.at(i) != ' ':
	default:
		p.hostname = p.log
		p.buf[i] = 0
		p.log = i + 1
		p.programHead()
	}
}

// word passes the characters of a host's or program's name.
func (p *predecoder) word(i int) int {
	for isNameByte(p.at(i)) {
		i++
	}
	return i
}

// isNameByte is hostname_map: letters, digits and - _ . / @ ( ).
func isNameByte(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c != 0 && strings.IndexByte("-_./@()", c) >= 0
}

func (p *predecoder) programHead() {
	start := p.log
	i := p.word(start)
	switch {
	case p.at(i) == ':':
		p.program = start
		p.buf[i] = 0
		p.log = p.blank(i + 1)
		p.identity()
	case p.at(i) == '[' && isDigit(p.at(i+1)):
		end := i + 2
		for isDigit(p.at(end)) {
			end++
		}
		switch {
		case p.at(end) == ']' && p.at(end+1) == ':':
			p.log = p.blank(end + 2)
		case p.at(end) == ']' && p.at(end+1) == ' ':
			p.log = end + 2
		default:
			return
		}
		p.program = start
		p.buf[i] = 0
		p.identity()
	case p.at(i) == '|' && 'a' <= p.at(i+1) && p.at(i+1) <= 'z':
		p.aixHead(i + 2)
	}
}

// blank passes one blank, if there is one.
func (p *predecoder) blank(i int) int {
	if p.at(i) == ' ' {
		return i + 1
	}
	return i
}

// aixHead reads "auth|security:info program: ", behind "auth|s".
func (p *predecoder) aixHead(i int) {
	i = p.alphanumeric(i)
	if p.at(i) != ':' {
		return
	}
	i = p.alphanumeric(i + 1)
	if p.at(i) != ' ' {
		return
	}
	start := i + 1
	p.program = start
	i = p.word(start)
	switch {
	case p.at(i) == ':' && p.at(i+1) == ' ':
		p.buf[i] = 0
		i += 2
	case p.at(i) == '[' && isDigit(p.at(i+1)):
		p.buf[i] = 0
		i += 2
		for isDigit(p.at(i)) {
			i++
		}
		if p.at(i) != ']' || p.at(i+1) != ':' || p.at(i+2) != ' ' {
			return
		}
		i += 3
	}
	p.log = i
	p.identity()
}

func (p *predecoder) alphanumeric(i int) int {
	for c := p.at(i); isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'; c = p.at(i) {
		i++
	}
	return i
}

// identity passes Solaris' "[ID 1234 auth.info] ".
func (p *predecoder) identity() {
	rest := cString(string(p.buf), p.log)
	if !strings.HasPrefix(rest, "[ID ") {
		return
	}
	if end := strings.IndexByte(rest, ']'); end >= 0 {
		p.log = min(p.log+end+2, len(p.buf)-1)
	}
}

// otherDate reads the dates that no host and program follow.
func (p *predecoder) otherDate(start, n int) {
	cut, from := 1, p.log
	var length int
	switch {
	// Mon Apr 17 18:27:14 2006 1 (xferlog)
	case n > 28 && p.has(start, mark{3, ' '}, mark{7, ' '}, mark{10, ' '}, mark{13, ':'}, mark{16, ':'}, mark{19, ' '}, mark{24, ' '}, mark{26, ' '}):
		length = 25
	// 01/28-09:13:16.240702  (snort)
	case n > 24 && p.has(start, mark{2, '/'}, mark{5, '-'}, mark{8, ':'}, mark{11, ':'}, mark{14, '.'}, mark{21, ' '}):
		length, cut = 23, 2
	// 01/28/1979-09:13:16.240702  (suricata)
	case n > 28 && p.has(start, mark{2, '/'}, mark{5, '/'}, mark{10, '-'}, mark{13, ':'}, mark{16, ':'}, mark{19, '.'}, mark{26, ' '}):
		length, cut = 28, 2
	// [Fri Feb 11 18:06:35 2004] (apache)
	case n > 27 && p.has(start, mark{0, '['}, mark{4, ' '}, mark{8, ' '}, mark{11, ' '}, mark{14, ':'}, mark{17, ':'}, mark{20, ' '}, mark{25, ']'}):
		length, cut, from = 27, 2, p.log+1
	// [Time 2006.12.28 15:53:55 UTC] (macOS)
	case n > 26 && p.has(start, mark{0, '['}, mark{1, 'T'}, mark{5, ' '}, mark{10, '.'}, mark{13, '.'}, mark{16, ' '}, mark{19, ':'}):
		p.appleHead()
		return
	// 1140804070.368  11623 (squid)
	case n > 32 && p.has(start, mark{0, '1'}, mark{1, '0'}, mark{2, '0'}, mark{3, '0'}, mark{10, '.'}, mark{13, '0'}, mark{14, ' '}) &&
		(p.at(start+21) == ' ' || p.at(start+22) == ' '):
		length = 14
		for p.at(p.log+length) == ' ' {
			length++
		}
	default:
		return
	}
	p.timestamp = from
	p.log += length
	p.buf[p.log-cut] = 0
}

// appleHead reads the pairs in brackets of the Apple System Log.
func (p *predecoder) appleHead() {
	p.log += 25
	message := false
	next := func(i int, c byte) int {
		j := strings.IndexByte(cString(string(p.buf), i), c)
		if j < 0 {
			return -1
		}
		return i + j
	}
	for i := next(p.log, '['); i >= 0; i = next(i, '[') {
		i++
		rest := cString(string(p.buf), i)
		switch {
		case strings.HasPrefix(rest, "Sender ") && p.program == 0:
			i += len("Sender ")
			end := next(i, ']')
			if end < 0 {
				return
			}
			p.program = i
			p.buf[end] = 0
			i = end + 1
		case strings.HasPrefix(rest, "Message ") && !message:
			message = true
			i += len("Message ")
			p.log = i
			end := next(i, ']')
			if end < 0 {
				return
			}
			p.buf[end] = 0
			i = end + 1
		case strings.HasPrefix(rest, "Host "):
			i += len("Host ")
			if end := next(i, ']'); end >= 0 {
				p.hostname = i
				p.buf[end] = 0
			}
			return
		}
	}
}
