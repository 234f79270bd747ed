package torture

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// ledger holds what the receivers saw: analysisd, which wrote the alerts and took our events, and the API, which took
// our orders. It knows nothing of the product's own counters.
type ledger struct {
	bus *bus

	mu       sync.Mutex
	begun    bool
	accessor string            // of the product's token for lookups
	alerts   map[string]*alert // by the id of the event that each must lead to
	own      map[string]bool   // ids of events that may come: late ones, those about the product's own lookups, those from before the beginning
	byKey    map[[sha256.Size]byte]*alert
	events   map[string]*published
	gaps     int
	faults   int
	intruder int
	plans    map[string]*plan
	grounds  map[string][]string // alert → plans
	seals    map[string]bool     // alerts that the product says it seals for
	held     map[string]bool     // alerts whose response was held back afterwards
	steps    map[string]string   // plan and state → id of the event that tells it
	otherIDs int                 // of events that tell the same step under another id
}

// alert is one alert of group vault that analysisd wrote.
type alert struct {
	id, rule  string
	bytes     int
	at        time.Time
	destroyed bool // by a truncation, before its event had come
}

// published is one event of ours that came back in alerts.json.
type published struct {
	kind     string
	times    int
	unproved bool // its echo was destroyed by a truncation, maybe before the product read it
}

type plan struct {
	orders int
	final  string // state of its last event
}

func newLedger(b *bus) *ledger {
	return &ledger{
		bus: b, alerts: make(map[string]*alert), own: make(map[string]bool), byKey: make(map[[sha256.Size]byte]*alert),
		events: make(map[string]*published), plans: make(map[string]*plan), grounds: make(map[string][]string),
		seals: make(map[string]bool), held: make(map[string]bool), steps: make(map[string]string),
	}
}

// setOwn says which token is the product's own.
func (l *ledger) setOwn(accessor string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accessor = accessor
}

// begin begins to count: what was written before the daemon first stood at the end of alerts.json is none of its.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = true
}

// eventID is the id of the enriched event of a line of alerts.json, as package event of the product documents it.
func eventID(key [sha256.Size]byte) string { return idOf(hex.EncodeToString(key[:])) }

// lateID is that of the second event that a line may lead to, when its actor became known later.
func lateID(key [sha256.Size]byte) string { return idOf(hex.EncodeToString(key[:]) + "\x00late") }

func idOf(cause string) string {
	sum := sha256.Sum256([]byte("custom-vault event\x00enriched\x00" + cause))
	return hex.EncodeToString(sum[:16])
}

// wrote is told each line that analysisd appended to alerts.json.
func (l *ledger) wrote(line []byte) {
	a := gjson.ParseBytes(line)
	groups := a.Get("rule.groups").Array()
	in := func(group string) bool {
		return slices.ContainsFunc(groups, func(g gjson.Result) bool { return g.String() == group })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch event := a.Get("data.custom_vault"); {
	case in("vault_enriched"), in("vault_response"):
		l.came(event, in("vault"))
		l.bus.tell(topicEcho)
	case in("vault"):
		key := sha256.Sum256(line)
		id := eventID(key)
		l.own[lateID(key)] = true
		if !l.begun || a.Get("data.auth.accessor").String() == l.accessor {
			l.own[id] = true
			return
		}
		w := &alert{id: a.Get("id").String(), rule: a.Get("rule.id").String(), bytes: len(line), at: time.Now()}
		l.alerts[id], l.byKey[key] = w, w
		l.bus.tell(topicAlert)
	}
}

func (l *ledger) came(event gjson.Result, loops bool) {
	id, kind := event.Get("event_id").String(), event.Get("event").String()
	p := l.events[id]
	if p == nil {
		p = &published{kind: kind}
		l.events[id] = p
	}
	p.times++
	if loops {
		p.kind = "loop"
	}
	if p.times > 1 {
		return
	}
	about := event.Get("agent.id").String() + " " + event.Get("alert_id").String()
	switch kind {
	case "enriched":
		if event.Get("decision.action").String() == "seal" {
			l.seals[about] = true
		}
	case "response":
		l.responded(event, about)
	case "gap":
		l.gaps++
	case "fault":
		l.faults++
	case "intruder":
		l.intruder++
	}
}

func (l *ledger) responded(event gjson.Result, about string) {
	id, state := event.Get("response.plan").String(), event.Get("response.state").String()
	if state == "held" {
		l.held[about] = true
		return
	}
	step, own := id+" "+state, event.Get("event_id").String()
	if before, told := l.steps[step]; told && before != own {
		l.otherIDs++
	}
	l.steps[step] = own
	p := l.plan(id)
	if state != "dispatched" {
		p.final = state
	}
	if !slices.Contains(l.grounds[about], id) {
		l.grounds[about] = append(l.grounds[about], id)
	}
	l.bus.tell(topicResponse)
}

func (l *ledger) plan(id string) *plan {
	p := l.plans[id]
	if p == nil {
		p = &plan{}
		l.plans[id] = p
	}
	return p
}

// ordered is told each message for an agent's execd.
func (l *ledger) ordered(_ string, message []byte) {
	for _, argument := range gjson.GetBytes(message, "parameters.extra_args").Array() {
		if id, ok := strings.CutPrefix(argument.String(), "plan="); ok {
			l.mu.Lock()
			l.plan(id).orders++
			l.mu.Unlock()
		}
	}
	l.bus.tell(topicOrder)
}

// destroy notes which lines a truncation took away whose event had not come by then, and which of our own events lay
// there: the product may not have read them, so it may send them again.
func (l *ledger) destroy(lines [][]byte) (unseen int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range lines {
		key := sha256.Sum256(line)
		if w, ok := l.byKey[key]; ok && l.events[eventID(key)] == nil {
			w.destroyed = true
			unseen++
			continue
		}
		if id := gjson.GetBytes(line, "data.custom_vault.event_id").String(); id != "" && l.events[id] != nil {
			l.events[id].unproved = true
		}
	}
	return unseen
}

// missing counts the alerts whose event has not come.
func (l *ledger) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for id, w := range l.alerts {
		if l.events[id] == nil && !w.destroyed {
			n++
		}
	}
	return n
}

// unfinished counts plans that have not ended.
func (l *ledger) unfinished() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, p := range l.plans {
		if p.final == "" {
			n++
		}
	}
	return n
}

// ended counts plans whose end was told.
func (l *ledger) ended() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, p := range l.plans {
		if p.final != "" {
			n++
		}
	}
	return n
}
