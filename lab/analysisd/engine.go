package analysisd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Options are the settings of ossec.conf and internal_options.conf that are not part of the
// ruleset. The zero value stands for what Wazuh ships.
type Options struct {
	// ManagerName is manager.name, the host's name; "wazuh-manager" if empty.
	ManagerName string
	// LogAlertLevel is <log_alert_level>; 0 stands for 3.
	LogAlertLevel int
	// EmailAlertLevel is <email_alert_level>; 0 stands for 12.
	EmailAlertLevel int
	// MemorySize is <memory_size>, how many events the frequency rules have; 0 stands for 8192.
	MemorySize int
	// NoArchive leaves Result.Archive out, as a manager without <logall_json> does.
	NoArchive bool
	// Offset is the number behind the dot of an alert's id: where in the alert log of the day
	// the alert begins. If nil, the engine counts the bytes of its own alerts.
	Offset func() int64
}

// Engine processes events. It belongs to one goroutine at a time; several engines may share a
// Ruleset.
type Engine struct {
	rules   *Ruleset
	opt     Options
	states  []ruleState
	memory  []*event // oldest first
	written int64    // bytes of alerts
	lastID  int64    // offset of the last alert, which archive lines show
	hour    time.Time
	lines   []string

	seen          map[string]bool // lines of the FTS queue
	seenIDS       []string        // the last of them from decoders of type ids
	previous      map[string]string
	accumulated   map[string]*accumulation
	accumulations int // look-ups since the last purge
}

// NewEngine makes an engine without memory of events.
func NewEngine(rs *Ruleset, opt Options) *Engine {
	if opt.ManagerName == "" {
		opt.ManagerName = "wazuh-manager"
	}
	if opt.LogAlertLevel == 0 {
		opt.LogAlertLevel = 3
	}
	if opt.EmailAlertLevel == 0 {
		opt.EmailAlertLevel = 12
	}
	if opt.MemorySize == 0 {
		opt.MemorySize = 8192
	}
	return &Engine{rules: rs, opt: opt, states: make([]ruleState, len(rs.rules)),
		seen: map[string]bool{}, previous: map[string]string{}, accumulated: map[string]*accumulation{}}
}

// Result is what analysisd makes of one datagram.
type Result struct {
	// Alert is the line of alerts.json without its newline, nil if there is none.
	Alert []byte
	// Archive is the line of archives.json, nil if analysisd refuses the datagram.
	Archive []byte

	// RuleID and Level tell the rule that fired, whether or not it made an alert; 0 if none or
	// one of level 0 did. Active responses hang on it.
	RuleID, Level int
	// Groups are all groups of the rule, those with compliance prefixes as well; GroupText is
	// how they stand in the ruleset, which <rules_group> of an active response searches.
	Groups    []string
	GroupText string
	// NoActiveResponse is the rule's option no_ar.
	NoActiveResponse bool
	Description      string

	AgentID string
	// Location is the event's, with "(name) address->" before it if an agent sent it.
	Location string
	// SourceIP and TargetUser are srcip and dstuser, which analysisd checks before it starts an
	// active response.
	SourceIP, TargetUser string

	// Log holds the lines that analysisd writes to ossec.log, without their date.
	Log []string
}

// unknown stands for the decoder of an event that none took.
var unknown = decoder{category: syslog}

// Process does to one datagram of the queue what analysisd does. at is when it came: its zone is
// that of the lines, and windows are counted in its full seconds.
func (e *Engine) Process(datagram []byte, at time.Time) Result {
	e.lines = nil
	e.newHour(at)
	ev, ok := e.receive(datagram, at)
	if !ok {
		return Result{Log: e.lines}
	}
	e.decode(ev)
	e.accumulate(ev)
	ev.index(e.rules.fieldNames)
	res := Result{
		AgentID:    ev.agentID,
		Location:   ev.static[location].s,
		SourceIP:   ev.static[srcIP].s,
		TargetUser: ev.static[dstUser].s,
	}
	if r := e.match(ev); r != nil {
		e.fire(ev, r, &res)
	}
	if !e.opt.NoArchive {
		res.Archive = e.line(ev, e.id(at), true)
	}
	if ev.rule != nil {
		e.remember(ev)
	}
	res.Log = e.lines
	return res
}

// log notes a line for ossec.log.
func (e *Engine) log(format string, args ...any) {
	e.lines = append(e.lines, "wazuh-analysisd: "+fmt.Sprintf(format, args...))
}

// newHour sets firedtimes back when the hour of the clock changes (DumpLogstats).
func (e *Engine) newHour(at time.Time) {
	hour := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), 0, 0, 0, at.Location())
	if !e.hour.IsZero() && !e.hour.Equal(hour) {
		for i := range e.states {
			e.states[i].fired = 0
		}
	}
	e.hour = hour
}

// receive makes an event of a datagram (ad_input_main, OS_CleanMSG).
func (e *Engine) receive(datagram []byte, at time.Time) (*event, bool) {
	frame, err := ParseFrame(datagram)
	invalid := func() { e.log("ERROR: (1222): Invalid msg: %s", cString(string(datagram), 0)) }
	switch {
	case errors.Is(err, ErrShort):
		invalid()
		return nil, false
	case frame.Queue == '8':
		e.log("ERROR: (1277): Invalid syscheck message received.")
		return nil, false
	case ownQueue(frame.Queue):
		return nil, false
	case err != nil:
		e.log("ERROR: (1106): String not correctly formatted.")
		invalid()
		return nil, false
	}
	ev := &event{at: at, fullLog: frame.Log, decoder: &unknown, agentID: "000"}
	p := newPredecoder(frame.Log)
	p.run()
	ev.buf, ev.log = string(p.buf), p.log
	if p.timestamp > 0 {
		ev.timestamp = some(cString(ev.buf, p.timestamp))
	}
	if p.program > 0 {
		ev.set(programName, cString(ev.buf, p.program))
	}
	id, rest, ok := agentOf(frame.Location)
	if !ok {
		e.log("ERROR: (1106): String not correctly formatted.")
		invalid()
		return nil, false
	}
	ev.set(location, rest)
	switch {
	case strings.HasPrefix(frame.Location, "["):
		ev.agentID = id
		name := ""
		if after, ok := strings.CutPrefix(rest, "("); ok {
			if inner, _, closed := strings.Cut(after, ")"); closed {
				name = inner
			}
		}
		ev.set(hostname, name)
	case p.hostname > 0:
		ev.set(hostname, cString(ev.buf, p.hostname))
	default:
		short, _, _ := strings.Cut(e.opt.ManagerName, ".")
		ev.set(hostname, short)
	}
	return ev, true
}

// match walks the tree from its roots. A rule of level 0 ends the search without an answer.
func (e *Engine) match(ev *event) *rule {
	for _, n := range e.rules.roots {
		if n.rule.category != ev.decoder.category {
			continue
		}
		r := e.walk(ev, n)
		if r == nil {
			continue
		}
		if r.level == 0 {
			return nil
		}
		return e.unlessIgnored(ev, r)
	}
	return nil
}

// unlessIgnored gives the parent's rule instead, for as many seconds as the attribute ignore
// says after one alert. The time counts for all agents together.
func (e *Engine) unlessIgnored(ev *event, r *rule) *rule {
	if r.ignore == 0 {
		return r
	}
	state := &e.states[r.index]
	now := ev.at.Unix()
	if state.ignored != 0 && now-state.ignored < int64(r.ignore) {
		ev.lastEvents = nil
		return ev.prevRule
	}
	state.ignored = now
	return r
}

// fire makes the alert of an event, if its rule wants one.
func (e *Engine) fire(ev *event, r *rule, res *Result) {
	ev.rule = r
	ev.comment = ev.describe(r.comment)
	res.RuleID, res.Level, res.Description = r.id, r.level, ev.comment
	res.GroupText, res.NoActiveResponse = r.group, r.noActiveResponse
	res.Groups = strings.FieldsFunc(r.group, func(c rune) bool { return c == ',' })
	if !chosen(r.logAlert, r.declared, e.opt.LogAlertLevel) {
		return
	}
	e.lastID = e.written
	if e.opt.Offset != nil {
		e.lastID = e.opt.Offset()
	}
	res.Alert = e.line(ev, e.id(ev.at), false)
	e.written += int64(len(res.Alert)) + 1
}

// id is the id of an alert. Lines of the archive carry the offset of the last alert.
func (e *Engine) id(at time.Time) string {
	return strconv.FormatInt(at.Unix(), 10) + "." + strconv.FormatInt(e.lastID, 10)
}
