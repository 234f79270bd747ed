package pipeline

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/incident"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

// job is a batch on its way. Each of its steps either fails without a trace or is done for good, so that a job can be
// taken up again where it failed: to count an alert twice, or to take a suspect from the screen and then forget it,
// would change what is decided.
type job struct {
	Batch
	step       step
	parsed     []Accepted
	identified []Identified
	commit     store.Commit
	result     Result
}

type step int

const (
	fresh  step = iota // parsed is filled
	known              // identified is filled
	judged             // commit and result are filled
)

func (p *Pipeline) newJob(batch Batch) *job { return &job{Batch: batch, parsed: p.parse(batch.Lines)} }

// prepare does everything but the commit.
func (p *Pipeline) prepare(ctx context.Context, j *job) error {
	if j.step == fresh {
		accepted, err := p.accept(ctx, j.parsed)
		if err != nil {
			return err
		}
		p.screen(accepted)
		j.identified, j.step = p.identify(ctx, accepted), known
	}
	if j.step == known {
		look, err := p.look(ctx, j.identified)
		if err != nil {
			return err
		}
		p.judge(j, look)
		j.step = judged
	}
	return nil
}

// judge decides about every alert and gathers what follows. It cannot fail: what it needs was read before.
func (p *Pipeline) judge(j *job, look *look) {
	j.commit.At = look.now
	if j.Source != "" && j.Bookmark != "" {
		j.commit.Bookmarks = map[string]string{j.Source: j.Bookmark}
	}
	for _, identified := range j.identified {
		switch {
		case p.keepOwn(j, identified):
		case identified.before != nil:
			p.keepLate(j, identified, look)
		default:
			p.keep(j, p.decide(p.observe(identified), look), look)
		}
	}
	for _, n := range look.changed {
		j.commit.Incidents = append(j.commit.Incidents, *n)
	}
	for _, gap := range j.Gaps {
		p.log.WithFields(logrus.Fields{"source": gap.Source, "file": gap.File, "offset": gap.Offset, "reason": gap.Reason, "bytes": gap.Bytes}).Error("follow: alerts were lost")
		p.seen.Lost(gap.Gap)
		p.publish(j, event.Lost(gap.Gap, gap.Behind), time.Time{})
	}
	intruders, settled := p.deps.Screen.Due(look.now)
	for _, intruder := range intruders {
		p.log.WithFields(logrus.Fields{"alert": intruder.ID, "request": intruder.Record.RequestID}).Error("screen: somebody else uses our token")
		p.publish(j, event.Intruder(intruder), intruder.Timestamp)
	}
	j.commit.Settled = settled
	p.keepDropped(j, look.now)
	j.commit.Own = p.deps.Screen.TakeFresh()
	j.result.Events, j.result.Intents = len(j.commit.Events), len(j.commit.Intents)
}

// empty reports whether there is nothing to commit.
func (j *job) empty() bool {
	c := &j.commit
	return len(c.Bookmarks)+len(c.Alerts)+len(c.Late)+len(c.Incidents)+len(c.Events)+len(c.Intents)+len(c.Seen)+len(c.Own)+len(c.Suspects)+len(c.Settled) == 0
}

// keepOwn keeps what is our own doing, and says whether the alert is that.
func (p *Pipeline) keepOwn(j *job, in Identified) bool {
	switch in.Verdict {
	case screen.Echo:
		// The event row itself says that it was handled: no row among the alerts.
		j.commit.Seen = append(j.commit.Seen, in.Alert.Own.EventID)
		p.seen.Seen(in.Alert.Own.EventID, j.commit.At)
		return true
	case screen.Lookup:
		j.commit.Alerts = append(j.commit.Alerts, in.row("own"))
		return true
	}
	return false
}

// keep gathers what a decided alert leads to. What cannot be written down is logged and left out: the rest of the
// alert, and all that come behind it, must not wait for that.
func (p *Pipeline) keep(j *job, d Decided, look *look) {
	log := p.log.WithField("alert", d.Alert.ID)
	row, err := d.row()
	if err != nil {
		log.WithError(err).Error("keep: alert is kept without what could not be encoded")
	}
	j.commit.Alerts = append(j.commit.Alerts, row)
	j.result.Decided = append(j.result.Decided, d)
	p.seen.Decided(d.Alert, d.Identity, d.Decision, look.now)
	if d.Event != nil {
		p.publish(j, *d.Event, d.Alert.Timestamp)
	}
	p.keepIntent(j, d, look)
	p.keepSuspect(j, d, look)
	if p.mayImprove(d) {
		p.late.add(d, look.now)
	}
}

// keepSuspect keeps a suspect in the same commit that says that its line was read: the screen remembers it only for as
// long as this process lives.
func (p *Pipeline) keepSuspect(j *job, d Decided, look *look) {
	if d.Verdict != screen.Suspect {
		return
	}
	text, err := json.Marshal(d.Alert)
	if err != nil {
		p.log.WithError(err).WithField("alert", d.Alert.ID).Error("keep: a restart within half a minute forgets this suspect")
		return
	}
	j.commit.Suspects = append(j.commit.Suspects, store.Suspect{Key: d.Alert.Key, Until: look.now.Add(screen.Patience), Alert: string(text)})
}

// keepIntent gathers the response that was decided on, unless an earlier decision about the same alert led to one.
func (p *Pipeline) keepIntent(j *job, d Decided, look *look) {
	if d.before != nil && d.before.Decision.Action > escalation.Notify {
		return
	}
	switch intent, ok, err := d.intent(look.now); {
	case err != nil:
		p.log.WithError(err).WithField("alert", d.Alert.ID).Error("keep: the response that was decided on cannot be written down")
	case ok:
		j.commit.Intents = append(j.commit.Intents, intent)
		look.planned(d.Cluster)
	}
}

func (p *Pipeline) publish(j *job, e event.Event, about time.Time) {
	body, err := e.Encode()
	if err != nil {
		p.log.WithError(err).WithField("event_id", e.ID).Error("keep: event cannot be encoded")
		return
	}
	j.commit.Events = append(j.commit.Events, store.Event{
		ID: e.ID, AgentID: e.Agent.ID, AgentName: e.Agent.Name, AgentIP: e.Agent.IP, Body: body,
	})
	p.seen.Published(e.Kind, e.ID, about)
}

// join adds a decided alert to its subject's incident.
func (l *look) join(d Decided) *incident.Incident {
	if d.Seen.Subject == "" {
		return nil
	}
	key := [2]string{d.Cluster, d.Seen.Subject}
	next := incident.Join(l.incidents[key], incident.Sighting{
		Key: d.Alert.Key.String(), Cluster: d.Cluster, Subject: d.Seen.Subject, Name: d.Identity.Name(),
		At: d.Alert.Timestamp, Decision: d.Decision,
	})
	if next != nil {
		l.incidents[key], l.changed[next.ID] = next, next
	}
	return next
}
