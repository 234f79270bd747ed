package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
	"custom-vault/internal/incident"
	"custom-vault/internal/observe"
	"custom-vault/internal/response"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

// An alert is one value that grows from stage to stage. Each stage takes what the one before gave, so that its
// signature says what it may know.
type (
	// Line is what a source gave, and where it stands: File is relative to the source's folder.
	Line struct {
		Source string
		File   string
		Offset int64
		Text   []byte
	}
	// Accepted is a line that is an alert of ours, for the first time.
	Accepted struct {
		Line
		Alert   *alert.Alert
		Cluster string // empty: the alert's agent is in none
		Verdict screen.Verdict
	}
	// Identified is an alert with the answer to who it was.
	Identified struct {
		Accepted
		Identity identity.Identity
		before   *Decided // what was decided with a worse answer; nil the first time
	}
	// Observed is an alert with what its subject did lately.
	Observed struct {
		Identified
		Seen observe.Observations
	}
	// Decided is an alert with what follows from it.
	Decided struct {
		Observed
		Input    escalation.Input
		Decision escalation.Decision
		Incident *incident.Incident // nil: nothing worth one
		Event    *event.Event       // nil: nothing to publish
	}
)

// parse reads lines as alerts, on all processors, and leaves out those that are not ours.
func (p *Pipeline) parse(lines []Line) []Accepted {
	parsed := make([]Accepted, len(lines))
	var parsing errgroup.Group
	each := max(1, (len(lines)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for begin := 0; begin < len(lines); begin += each {
		parsing.Go(func() error {
			for i := begin; i < min(begin+each, len(lines)); i++ {
				parsed[i] = p.parseLine(lines[i])
			}
			return nil
		})
	}
	_ = parsing.Wait() // the functions return nil
	return slices.DeleteFunc(parsed, func(a Accepted) bool { return a.Alert == nil })
}

func (p *Pipeline) parseLine(line Line) Accepted {
	a, err := alert.Parse(line.Text)
	switch {
	case errors.Is(err, alert.ErrNotVault):
		p.seen.Passed(line.Source)
		return Accepted{}
	case err != nil:
		reason := alert.RefusalOf(err)
		p.seen.Refused(line.Source, reason)
		p.log.WithError(err).WithFields(logrus.Fields{
			"source": line.Source, "reason": reason, "file": line.File, "offset": line.Offset, "bytes": len(line.Text),
		}).Warn("accept: line refused; it stays in its file")
		return Accepted{}
	}
	cluster, _ := p.cfg.ClusterOf(a.Agent.ID)
	return Accepted{Line: line, Alert: a, Cluster: cluster.Name}
}

// accept drops alerts that were handled before.
func (p *Pipeline) accept(ctx context.Context, parsed []Accepted) ([]Accepted, error) {
	keys := make([]alert.Key, len(parsed))
	for i, a := range parsed {
		keys[i] = a.Alert.Key
	}
	known, err := p.deps.Store.Known(ctx, keys)
	if err != nil {
		return nil, err
	}
	accepted := make([]Accepted, 0, len(parsed))
	for _, a := range parsed {
		p.seen.Arrived(a.Source, a.Alert, !known[a.Alert.Key])
		if !known[a.Alert.Key] {
			known[a.Alert.Key] = true // a second arrival may be in the same batch
			accepted = append(accepted, a)
		}
	}
	return accepted, nil
}

// screen marks what is our own.
func (p *Pipeline) screen(batch []Accepted) {
	now := p.deps.Now()
	for i := range batch {
		batch[i].Verdict = p.deps.Screen.Judge(batch[i].Alert, now)
		p.seen.Judged(batch[i].Verdict)
	}
}

// identify asks who acted, for many alerts at once. It never fails: an identity that could not be had says why.
func (p *Pipeline) identify(ctx context.Context, batch []Accepted) []Identified {
	identified := make([]Identified, len(batch))
	var asking errgroup.Group
	asking.SetLimit(lookupsAtOnce)
	for i, a := range batch {
		identified[i].Accepted = a
		if a.Alert.Record == nil || identified[i].own() {
			continue
		}
		asking.Go(func() error {
			// A suspect uses our own token: asking Vault about it would be one more record to be asked about.
			identified[i].Identity = p.deps.Resolver.Resolve(ctx, a.Cluster, a.Alert, a.Verdict != screen.Suspect)
			return nil
		})
	}
	_ = asking.Wait() // the functions return nil
	return identified
}

// observe counts what the subject did.
func (p *Pipeline) observe(in Identified) Observed {
	return Observed{Identified: in, Seen: p.windows.Add(in.subject(), in.Alert.Record)}
}

// subject is the key that acts are counted under: the identity's, else for acts of nobody the address.
func (in Identified) subject() string {
	subject := in.Identity.Subject()
	if record := in.Alert.Record; subject == "" && record != nil && record.RemoteAddress != "" {
		subject = "address:" + record.RemoteAddress
	}
	return subject
}

// decide lets rules and guards look, and groups what belongs together.
func (p *Pipeline) decide(in Observed, look *look) Decided {
	state := look.guards[in.Cluster]
	state.OurToken = in.Verdict == screen.Suspect
	out := Decided{Observed: in}
	out.Input = escalation.Input{Alert: in.Alert, Identity: in.Identity, Seen: in.Seen, State: state, Now: look.now}
	out.Decision = escalation.Decide(p.deps.Rules, out.Input)
	for _, problem := range out.Decision.Problems {
		p.log.WithField("problem", problem).Error("decide: a rule could not be evaluated")
	}
	if in.before != nil {
		out.Incident = in.before.Incident // it was counted there
		if in.before.Event != nil || p.worthPublishing(out) {
			e := event.Late(out.Input, out.Decision, out.incidentID())
			out.Event = &e
		}
		return out
	}
	out.Incident = look.join(out)
	if p.worthPublishing(out) {
		e := event.Enriched(out.Input, out.Decision, out.incidentID())
		out.Event = &e
	}
	return out
}

func (d Decided) incidentID() string {
	if d.Incident == nil {
		return ""
	}
	return d.Incident.ID
}

// publishLevel is the level from which every alert is published.
const publishLevel = 7

func (p *Pipeline) worthPublishing(d Decided) bool {
	return p.cfg.Publish.What == "all" || d.Alert.Rule.Level >= publishLevel || d.Decision.Wanted >= escalation.Watch || d.Seen.FirstToday
}

// row is what the store keeps of the alert; on an error what could not be encoded is missing from it.
func (d Decided) row() (store.Handled, error) {
	row := d.Accepted.row("decided")
	row.Subject, row.Incident = d.Seen.Subject, d.incidentID()
	decision, notDecision := json.Marshal(d.Decision)
	who, notWho := json.Marshal(d.Identity)
	row.Decision, row.Identity = string(decision), string(who)
	return row, errors.Join(notDecision, notWho)
}

func (a Accepted) row(outcome string) store.Handled {
	return store.Handled{
		Key: a.Alert.Key, AlertID: a.Alert.ID, Node: a.Alert.Node, At: a.Alert.Timestamp, Source: a.Source,
		Kind: string(a.Alert.Kind), RuleID: a.Alert.Rule.ID, Level: a.Alert.Rule.Level, Agent: a.Alert.Agent.ID,
		Cluster: a.Cluster, Outcome: outcome,
	}
}

// intent is the response that the decision asks for; ok is false where it asks for none.
func (d Decided) intent(now time.Time) (intent store.Intent, ok bool, err error) {
	if d.Decision.Action <= escalation.Notify {
		return store.Intent{}, false, nil
	}
	ground := response.Ground{
		Decision: d.Decision, AlertID: d.Alert.ID, AlertKey: d.Alert.Key.String(), Agent: event.AgentOf(d.Alert),
		Subject: d.Seen.Subject, Name: d.Identity.Name(), Incident: d.incidentID(),
	}
	detail, err := ground.Detail()
	if err != nil {
		return store.Intent{}, false, err
	}
	return store.Intent{
		ID: "int-" + d.Alert.Key.String()[:32], Cluster: d.Cluster, Action: d.Decision.Action,
		Severity: d.Decision.Severity, Created: now, Detail: detail,
	}, true, nil
}

// armed turns the configuration's modes into the set that the guards know.
func armed(decide config.Decide) map[escalation.Action]struct{} {
	set := make(map[escalation.Action]struct{})
	if decide.Seal == config.ModeArmed {
		set[escalation.Seal] = struct{}{}
	}
	return set
}
