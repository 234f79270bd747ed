// Package event is what the daemon puts back into Wazuh: the schema of the published event, its bounds, and its
// sentence. It is pure and may import the standard library and the packages alert, identity, observe and
// escalation. It must never send anything, and nothing that an attacker wrote may decide about the event's shape.
package event

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Version is that of the schema. Fields are only ever added, and each keeps its JSON type for ever: the indexer
// refuses whole alerts whose fields change type.
const Version = 1

// Kind is the value of custom_vault.event; the rules 100630 to 100659 tell events apart by it.
type Kind string

// The kinds of events.
const (
	KindEnriched Kind = "enriched" // an alert, with who it was and what was decided
	KindResponse Kind = "response" // a step of a response
	KindIntruder Kind = "intruder" // somebody else uses the daemon's own token
	KindGap      Kind = "gap"      // alerts are known to be lost
	KindFault    Kind = "fault"    // the daemon cannot do its work
)

// Event is one published event. Every slice becomes one array of strings, which analysisd keeps as one field.
type Event struct {
	V         int       `json:"v"`
	Kind      Kind      `json:"event"`
	ID        string    `json:"event_id"`
	AlertID   string    `json:"alert_id,omitempty"`
	Agent     Agent     `json:"agent"`
	Cluster   string    `json:"cluster,omitempty"`
	Manager   string    `json:"manager,omitempty"`
	Sentence  string    `json:"sentence"`
	Rule      *Rule     `json:"rule,omitempty"`
	Actor     *Actor    `json:"actor,omitempty"`
	Request   *Request  `json:"request,omitempty"`
	Seen      *Seen     `json:"seen,omitempty"`
	Decision  *Decision `json:"decision,omitempty"`
	Incident  string    `json:"incident,omitempty"`
	Late      bool      `json:"late,omitempty"` // decided again, because who it was could be told better than at first
	Response  *Response `json:"response,omitempty"`
	Gap       *Gap      `json:"gap,omitempty"`
	Shortened []string  `json:"shortened,omitempty"` // fields that were left out because the event was too long
}

// Agent is the Wazuh agent that sent what the event is about; the event is published in its name.
type Agent struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	IP   string `json:"ip,omitempty"`
}

// Rule is the rule of the alert that the event is about.
type Rule struct {
	ID          string `json:"id"`
	Level       int    `json:"level"`
	Description string `json:"description,omitempty"`
}

// Actor is who it was, and how sure that is.
type Actor struct {
	Name         string   `json:"name"`
	Rung         string   `json:"rung"`
	Confidence   string   `json:"confidence"`
	Why          string   `json:"why,omitempty"`
	Accessor     string   `json:"accessor,omitempty"`
	AccessorHash string   `json:"accessor_hash,omitempty"`
	Token        Token    `json:"token"`
	Entity       *Entity  `json:"entity,omitempty"`
	Policies     Policies `json:"policies"`
	Powers       []string `json:"powers,omitempty"`
}

// Token is the token that acted.
type Token struct {
	Type        string   `json:"type,omitempty"`
	DisplayName string   `json:"display_name,omitempty"`
	Path        string   `json:"path,omitempty"`
	State       string   `json:"state"`
	Created     string   `json:"created,omitempty"`
	Expires     string   `json:"expires,omitempty"`
	TTLSeconds  int64    `json:"ttl_s,omitempty"`
	Orphan      bool     `json:"orphan"`
	Metadata    []string `json:"metadata,omitempty"` // "key=value": keys are chosen by whoever made the token
}

// Entity is the person or machine behind the token.
type Entity struct {
	ID       string   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Aliases  []string `json:"aliases,omitempty"` // "bob (userpass)"
	Groups   []string `json:"groups,omitempty"`
	Metadata []string `json:"metadata,omitempty"`
	Disabled bool     `json:"disabled"`
}

// Policies tells apart where they come from.
type Policies struct {
	All      []string `json:"all,omitempty"`
	Token    []string `json:"token,omitempty"`
	Identity []string `json:"identity,omitempty"`
}

// Request is what was asked of Vault.
type Request struct {
	ID            string `json:"id,omitempty"`
	Time          string `json:"time,omitempty"`
	Operation     string `json:"operation,omitempty"`
	Path          string `json:"path,omitempty"`
	Outcome       string `json:"outcome,omitempty"`
	RemoteAddress string `json:"remote_address,omitempty"`
	UserAgent     string `json:"user_agent,omitempty"`
}

// Seen is what the actor did within the last minute.
type Seen struct {
	Requests   int  `json:"requests"`
	Reads      int  `json:"reads"`
	Deletes    int  `json:"deletes"`
	Denied     int  `json:"denied"`
	Paths      int  `json:"paths"`
	FirstToday bool `json:"first_today"`
	AtLeast    bool `json:"at_least"`
}

// Decision is what follows, and why not more.
type Decision struct {
	Action   string   `json:"action"`
	Wanted   string   `json:"wanted"`
	Rule     string   `json:"rule"`
	Severity int      `json:"severity"`
	Alone    bool     `json:"alone"`
	Reasons  []string `json:"reasons,omitempty"`
	Held     []string `json:"held,omitempty"` // "guard: reason"
}

// Response is a step of a plan.
type Response struct {
	Plan    string   `json:"plan"`
	Action  string   `json:"action"`
	State   string   `json:"state"` // dispatched, sealed, failed, partly, unproved, held
	Nodes   []string `json:"nodes,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	TookMS  int64    `json:"took_ms,omitempty"`
	Ordered string   `json:"ordered_by,omitempty"`
}

// Gap is what is known to be lost on the way in.
type Gap struct {
	Source string `json:"source"`
	File   string `json:"file,omitempty"`
	Reason string `json:"reason"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// IDOf makes an event's id from what it is about. The same cause has the same id, so that a repeat is known as one.
func IDOf(kind Kind, cause ...string) string {
	h := sha256.New()
	h.Write([]byte("custom-vault event\x00" + string(kind)))
	for _, part := range cause {
		h.Write([]byte("\x00" + part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
