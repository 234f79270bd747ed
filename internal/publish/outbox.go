package publish

import (
	"context"
	"time"
)

// Row is one event of the outbox.
type Row struct {
	EventID string
	Agent   AgentRef
	// Body is the event, one JSON object that begins with {".
	Body []byte
	// Attempts is how often it was sent before.
	Attempts int
}

// Outbox keeps the events that are on their way. Every method is one transaction, durable when it returns.
type Outbox interface {
	// Due returns rows that are pending, and rows that were sent, were not seen, and are to be sent again by now: at
	// most limit of them, in the order in which they were put into the outbox.
	Due(ctx context.Context, now time.Time, limit int) ([]Row, error)
	// MarkSent says that these rows are about to be sent: state sent, one attempt more, due again at the time again.
	MarkSent(ctx context.Context, ids []string, at, again time.Time) error
	// MarkUnsent takes MarkSent back for rows that surely did not leave: state pending, one attempt less. They keep
	// their place in the order. A row that was seen meanwhile stays seen.
	MarkUnsent(ctx context.Context, ids []string) error
	// MarkFault gives a row up. A row that was seen meanwhile stays seen.
	MarkFault(ctx context.Context, id string, fault Fault) error
}

// Fault is why a row was given up. It is stored, logged, and a metric's label.
type Fault string

// Every fault there is.
const (
	// FaultUnseen: sent MaxSends times, and never met in alerts.json: the rules for our events are not loaded,
	// log_alert_level is above them, alerts.json is not followed, or analysisd drops.
	FaultUnseen Fault = "never-seen"
	// FaultTooLong: over what the socket takes.
	FaultTooLong Fault = "too-long"
	// FaultBody: not one line of JSON that begins with {".
	FaultBody Fault = "not-json"
	// FaultAgent: the agent's id is not a number.
	FaultAgent Fault = "bad-agent-id"
)

// Faults is the closed set, for metrics that start at zero.
func Faults() []Fault { return []Fault{FaultUnseen, FaultTooLong, FaultBody, FaultAgent} }
