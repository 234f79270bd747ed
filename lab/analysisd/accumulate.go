package analysisd

import "time"

const (
	// accumulated is how long fields of earlier events are kept (OS_ACM_EXPIRE_ELM).
	accumulated = 120 * time.Second
	// maxAccumulated is the longest text that is kept, in bytes (OS_ACM_MAXELM - 1).
	maxAccumulated = 80
	// purgeEvery is the number of look-ups after which what is too old goes (OS_ACM_PURGE_COUNT).
	purgeEvery = 200
)

// accumulatedFields are those that <accumulate> hands from one event of an id to the next.
var accumulatedFields = [...]static{dstUser, srcUser, dstIP, srcIP, dstPort, srcPort, eventData}

// accumulation is what is kept for a host, decoder and id.
type accumulation struct {
	at     int64
	fields [statics]text
}

// accumulate fills the fields that an event lacks from earlier events of the same host, decoder
// and id, and keeps its own (accumulator.c).
func (e *Engine) accumulate(ev *event) {
	if !ev.decoder.accumulate || !ev.static[eventID].has || ev.decoder.name == "" {
		return
	}
	now := ev.at.Unix()
	e.purgeAccumulated(now)
	key := ev.static[hostname].s + " " + ev.decoder.name + " " + ev.static[eventID].s
	if len(key) >= maxSeen {
		return
	}
	kept := e.accumulated[key]
	if kept == nil || kept.at < now-int64(accumulated/time.Second) {
		kept = &accumulation{}
		e.accumulated[key] = kept
	}
	kept.at = now
	for _, f := range accumulatedFields {
		fillFrom(&ev.static[f], kept.fields[f])
	}
	for _, f := range accumulatedFields {
		fillFrom(&kept.fields[f], ev.static[f])
	}
}

func fillFrom(to *text, from text) {
	if to.s == "" && from.s != "" && len(from.s) <= maxAccumulated {
		*to = from
	}
}

func (e *Engine) purgeAccumulated(now int64) {
	e.accumulations++
	if e.accumulations < purgeEvery {
		return
	}
	e.accumulations = 0
	for key, kept := range e.accumulated {
		if kept.at < now-int64(accumulated/time.Second) {
			delete(e.accumulated, key)
		}
	}
}
