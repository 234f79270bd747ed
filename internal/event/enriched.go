package event

import (
	"fmt"
	"slices"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/identity"
)

// Enriched makes the event about a decided alert.
func Enriched(in escalation.Input, decision escalation.Decision, incident string) Event {
	a := in.Alert
	e := Event{
		V: Version, Kind: KindEnriched, ID: IDOf(KindEnriched, a.Key.String()),
		AlertID: a.ID, Agent: AgentOf(a), Cluster: in.State.Cluster, Manager: a.Node,
		Rule:     &Rule{ID: a.Rule.ID, Level: a.Rule.Level, Description: a.Rule.Description},
		Decision: decisionOf(decision),
		Incident: incident,
	}
	if record := a.Record; record != nil {
		e.Actor = actorOf(in.Identity)
		e.Request = requestOf(record)
		e.Seen = &Seen{
			Requests: in.Seen.Requests, Reads: in.Seen.Reads, Deletes: in.Seen.Deletes, Denied: in.Seen.Denied,
			Paths: in.Seen.Paths, FirstToday: in.Seen.FirstToday, AtLeast: in.Seen.AtLeast,
		}
	}
	e.Sentence = sentenceOf(in, decision)
	return e
}

// Late makes the one event that may follow Enriched's about the same alert, when who it was was found out later.
func Late(in escalation.Input, decision escalation.Decision, incident string) Event {
	e := Enriched(in, decision, incident)
	e.ID, e.Late = IDOf(KindEnriched, in.Alert.Key.String(), "late"), true
	return e
}

// AgentOf is the agent in whose name events about the alert are published.
func AgentOf(a *alert.Alert) Agent { return Agent{ID: a.Agent.ID, Name: a.Agent.Name, IP: a.Agent.IP} }

func requestOf(record *alert.Record) *Request {
	return &Request{
		ID: record.RequestID, Time: stamp(record.Time), Operation: record.Operation, Path: record.Path,
		Outcome: string(record.Outcome()), RemoteAddress: record.RemoteAddress, UserAgent: record.UserAgent,
	}
}

func actorOf(id identity.Identity) *Actor {
	actor := &Actor{
		Name: id.Name(), Rung: id.Rung.String(), Confidence: string(id.Confidence), Why: string(id.Why),
		Accessor: id.Accessor, AccessorHash: id.AccessorHash,
		Token: Token{
			Type: id.Token.Type, DisplayName: id.Token.DisplayName, Path: id.Token.Path, State: string(id.Token.State),
			Created: stamp(id.Token.Created), Expires: stamp(id.Token.Expires),
			TTLSeconds: int64(id.Token.TTL.Seconds()), Orphan: id.Token.Orphan, Metadata: pairsOf(id.Token.Metadata),
		},
		Policies: Policies{All: id.Policies.All, Token: id.Policies.Token, Identity: id.Policies.Identity},
	}
	if actor.Token.State == "" {
		actor.Token.State = string(identity.StateUnknown)
	}
	if id.Reach != nil {
		actor.Powers = id.Reach.Powers
	}
	if entity := id.Entity; entity != nil {
		actor.Entity = &Entity{ID: entity.ID, Name: entity.Name, Disabled: entity.Disabled, Metadata: pairsOf(entity.Metadata)}
		for _, alias := range entity.Aliases {
			actor.Entity.Aliases = append(actor.Entity.Aliases, fmt.Sprintf("%s (%s)", alias.Name, alias.MountType))
		}
		for _, group := range slices.Concat(entity.DirectGroups, entity.InheritedGroups) {
			name := group.Name
			if name == "" {
				name = group.ID
			}
			actor.Entity.Groups = append(actor.Entity.Groups, name)
		}
	}
	return actor
}

func decisionOf(d escalation.Decision) *Decision {
	out := &Decision{
		Action: d.Action.String(), Wanted: d.Wanted.String(), Rule: d.Rule, Severity: d.Severity, Alone: d.Alone,
		Reasons: d.Reasons,
	}
	for _, held := range d.Held {
		out.Held = append(out.Held, held.Guard+": "+held.Reason)
	}
	return out
}

func pairsOf(m map[string]string) []string {
	var out []string
	for key, value := range m {
		out = append(out, key+"="+value)
	}
	slices.Sort(out)
	return out
}
