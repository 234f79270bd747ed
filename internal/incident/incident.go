// Package incident says which alerts belong together. It is pure: the open incident comes in, the changed one goes
// out. It may import the standard library and package escalation, and must never touch the world.
package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"custom-vault/internal/escalation"
)

// Idle is how long an incident stays open without a further alert.
const Idle = time.Hour

// Incident is what one subject did to one cluster, from the first alert that was worth watching.
type Incident struct {
	ID      string
	Cluster string
	Subject string
	Name    string // what to call the subject
	Opened  time.Time
	Last    time.Time
	Alerts  int
	Highest escalation.Action
	Rule    string // the rule that asked for Highest
}

// Open reports whether a further alert at that time still belongs to the incident.
func (i *Incident) Open(at time.Time) bool { return at.Sub(i.Last) < Idle }

// Sighting is one decided alert, as far as it concerns incidents.
type Sighting struct {
	Key      string // the alert's key: two incidents never have the same first alert
	Cluster  string
	Subject  string
	Name     string
	At       time.Time
	Decision escalation.Decision
}

// Join adds a sighting to the subject's incident, if there is an open one, or opens one if the sighting is worth it.
// It returns nil where there is nothing to keep: no subject, or nothing but ordinary acts.
func Join(current *Incident, s Sighting) *Incident {
	if s.Subject == "" {
		return nil
	}
	if current == nil || !current.Open(s.At) {
		if s.Decision.Wanted < escalation.Watch {
			return nil
		}
		current = &Incident{ID: idOf(s), Cluster: s.Cluster, Subject: s.Subject, Opened: s.At}
	}
	next := *current
	next.Alerts++
	next.Name = s.Name
	if s.At.After(next.Last) {
		next.Last = s.At
	}
	if s.Decision.Wanted > next.Highest || next.Rule == "" {
		next.Highest, next.Rule = s.Decision.Wanted, s.Decision.Rule
	}
	return &next
}

// idOf depends on the first alert alone, so that handling it again after a crash opens the same incident.
func idOf(s Sighting) string {
	sum := sha256.Sum256([]byte("incident\x00" + s.Cluster + "\x00" + s.Subject + "\x00" + s.Key))
	return "inc-" + hex.EncodeToString(sum[:6])
}
