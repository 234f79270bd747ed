package analysisd

import (
	"fmt"
	"strings"
	"time"
)

// dayTime is the <time> of a rule: from and to as "hh:mm", both included. The comparison is that
// of texts, as analysisd compares "hh:mm:ss" with them by the first five bytes (OS_IsonTime).
type dayTime struct {
	from, to string
	negate   bool
}

func (d dayTime) holds(at time.Time) bool {
	now := at.Format("15:04")
	return (d.from[:5] <= now && now <= d.to[:5]) != d.negate
}

// parseDayTime reads "9:00 - 17:30", "6 pm - 8 am" and the like, with a ! before it to negate
// (OS_IsValidTime in shared/validate_op.c). A range over midnight is the negation of the other.
// What is wrong with an hour is told to fault, with the text from there on.
func parseDayTime(text string, fault func(rest string)) (dayTime, bool) {
	d := dayTime{}
	rest := strings.TrimLeft(text, " ")
	if strings.HasPrefix(rest, "!") {
		d.negate = true
		rest = strings.TrimLeft(rest[1:], " ")
	}
	var ok bool
	if d.from, rest, ok = parseClock(rest, fault); !ok {
		return dayTime{}, false
	}
	if rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), "-"); !ok {
		return dayTime{}, false
	}
	if d.to, rest, ok = parseClock(strings.TrimLeft(rest, " "), fault); !ok || strings.TrimLeft(rest, " ") != "" {
		return dayTime{}, false
	}
	if d.from > d.to {
		return dayTime{from: d.to, to: d.from, negate: true}, true
	}
	return d, true
}

// parseClock reads an hour with or without minutes, am and pm (__gethour). That it does not begin
// with a digit is a fault, but goes on as midnight.
func parseClock(text string, fault func(rest string)) (clock, rest string, ok bool) {
	refuse := func(rest string) (string, string, bool) {
		fault(rest)
		return "", "", false
	}
	if !isDigit(at(text, 0)) {
		fault(text)
	}
	hour, minute := leadingInt(text), 0
	rest = strings.TrimLeft(text, "0123456789")
	switch {
	case hour < 0 || hour >= 24:
		return refuse(text)
	case len(text)-len(rest) > 2:
		return refuse(rest)
	}
	if after, colon := strings.CutPrefix(rest, ":"); colon {
		if (!isDigit(at(after, 0)) || !isDigit(at(after, 1))) && isDigit(at(after, 2)) {
			return refuse(after)
		}
		minute, rest = leadingInt(after), after[min(2, len(after)):]
	}
	rest = strings.TrimLeft(rest, " ")
	if half := lowerASCII(rest[:min(1, len(rest))]); half == "a" || half == "p" {
		if rest = rest[1:]; !strings.HasPrefix(rest, "m") && !strings.HasPrefix(rest, "M") {
			return refuse(rest)
		}
		if hour == 12 {
			hour = 0
		}
		if half == "p" {
			hour += 12
		}
		if hour >= 24 {
			return refuse(rest)
		}
		rest = rest[1:]
	}
	clock = fmt.Sprintf("%02d:%02d", hour, minute)
	return clock, rest, len(clock) < len("hh:mm")+2
}

// days is the <weekday> of a rule, a bit for each day from Sunday on.
type days uint8

func (d days) holds(at time.Time) bool { return d&(1<<at.Weekday()) != 0 }

// dayNames are tried in this order: the long name before its short form.
var dayNames = [...]struct {
	name string
	days days
}{
	{"sunday", 1}, {"sun", 1}, {"monday", 2}, {"mon", 2}, {"tuesday", 4}, {"tue", 4}, {"wednesday", 8}, {"wed", 8},
	{"thursday", 16}, {"thu", 16}, {"friday", 32}, {"fri", 32}, {"saturday", 64}, {"sat", 64},
	{"weekdays", 2 | 4 | 8 | 16 | 32}, {"weekends", 1 | 64},
}

// parseDays reads names of days with blanks or commas between them (OS_IsValidDay). Negation is
// not understood by the C code either: it does not step over its "!".
func parseDays(text string) (days, bool) {
	var all days
	rest := strings.TrimLeft(text, " ")
next:
	for rest != "" {
		for _, d := range dayNames {
			after, ok := strings.CutPrefix(lowerASCII(rest), d.name)
			if !ok {
				continue
			}
			all |= d.days
			rest = strings.TrimLeft(after, " ,")
			if rest != "" && len(rest) == len(after) {
				return 0, false
			}
			continue next
		}
		return 0, false
	}
	return all, all != 0
}
