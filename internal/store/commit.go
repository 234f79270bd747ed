package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/incident"
)

// Handled is what the store keeps of an alert.
type Handled struct {
	Key      alert.Key
	AlertID  string
	Node     string
	At       time.Time
	Source   string
	Kind     string
	RuleID   string
	Level    int
	Agent    string
	Cluster  string
	Subject  string
	Outcome  string
	Incident string
	Decision string
	Identity string
}

// Late is what changes of an alert that is decided again.
type Late struct {
	Key      alert.Key
	Decision string
	Identity string
}

// Event is an event to publish.
type Event struct {
	ID        string
	AgentID   string
	AgentName string
	AgentIP   string
	Body      []byte
}

// Intent is a decision to act.
type Intent struct {
	ID       string
	Cluster  string
	Action   escalation.Action
	Severity int
	Created  time.Time
	Detail   string
}

// Commit is everything that a batch of lines led to. It is kept whole or not at all.
type Commit struct {
	At        time.Time
	Bookmarks map[string]string // source → bookmark
	Alerts    []Handled
	Late      []Late // alerts of before, decided again with a better identity
	Incidents []incident.Incident
	Events    []Event
	Intents   []Intent
	Seen      []string // ids of our events that were met again in alerts.json
	Own       []string // request ids of our own answers from Vault
	Suspects  []Suspect
	Settled   []alert.Key // suspects that were judged
}

// statements are what a commit consists of. Rows that are there already stay as they are: the same line, the same
// event and the same intent have the same id, so doing them again changes nothing.
const (
	insertAlert = `INSERT INTO alerts
  (key, alert_id, node, at, source, kind, rule_id, level, agent, cluster, subject, outcome, incident, decision, identity, kept)
  VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16) ON CONFLICT DO NOTHING`
	updateLate  = `UPDATE alerts SET decision=$2, identity=$3 WHERE key=$1`
	insertEvent = `INSERT INTO outbox
  (event_id, seq, agent_id, agent_name, agent_ip, body, state, attempts, created, due, sent, seen, fault)
  VALUES ($1,$2,$3,$4,$5,$6,'pending',0,$7,0,0,0,'') ON CONFLICT DO NOTHING`
	insertIntent = `INSERT INTO intents (id, cluster, action, severity, created, state, reason, detail)
  VALUES ($1,$2,$3,$4,$5,'waiting','',$6) ON CONFLICT DO NOTHING`
	upsertIncident = `INSERT INTO incidents (id, cluster, subject, name, opened, last, alerts, highest, rule)
  VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)
  ON CONFLICT (id) DO UPDATE SET name=excluded.name, last=excluded.last, alerts=excluded.alerts,
  highest=excluded.highest, rule=excluded.rule`
	upsertBookmark = `INSERT INTO bookmarks (source, mark) VALUES ($1,$2)
  ON CONFLICT (source) DO UPDATE SET mark=excluded.mark`
	// An event that never left cannot have been seen: whoever claims it has guessed its id.
	markSeen  = `UPDATE outbox SET state='seen', seen=$2, body='' WHERE event_id=$1 AND state<>'seen' AND attempts>0`
	insertOwn = `INSERT INTO own_requests (id, at) VALUES ($1,$2) ON CONFLICT DO NOTHING`
)

// Commit writes everything in one transaction. When it returns nil, all of it is on the disk.
func (s *Store) Commit(ctx context.Context, c Commit) error {
	err := s.write(ctx, func(w *writing) error {
		if err := w.alerts(c.Alerts, c.At); err != nil {
			return err
		}
		if err := w.late(c.Late); err != nil {
			return err
		}
		if err := w.incidents(c.Incidents); err != nil {
			return err
		}
		if err := w.events(c.Events, c.At); err != nil {
			return err
		}
		if err := w.intents(c.Intents); err != nil {
			return err
		}
		if err := w.suspects(c.Suspects, c.Settled); err != nil {
			return err
		}
		return w.marks(c)
	})
	if err != nil {
		return fmt.Errorf("store %d alerts: %w", len(c.Alerts), err)
	}
	return nil
}

func (w *writing) alerts(alerts []Handled, at time.Time) error {
	for i := range alerts {
		a := &alerts[i]
		if err := w.exec(insertAlert, a.Key[:], a.AlertID, a.Node, millis(a.At), a.Source, a.Kind, a.RuleID, a.Level, a.Agent,
			a.Cluster, a.Subject, a.Outcome, a.Incident, a.Decision, a.Identity, millis(at)); err != nil {
			return fmt.Errorf("keep alert %s: %w", a.Key, err)
		}
	}
	return nil
}

func (w *writing) late(alerts []Late) error {
	for i := range alerts {
		a := &alerts[i]
		if err := w.exec(updateLate, a.Key[:], a.Decision, a.Identity); err != nil {
			return fmt.Errorf("keep late decision on alert %s: %w", a.Key, err)
		}
	}
	return nil
}

func (w *writing) incidents(incidents []incident.Incident) error {
	for i := range incidents {
		n := &incidents[i]
		if err := w.exec(upsertIncident, n.ID, n.Cluster, n.Subject, n.Name, millis(n.Opened), millis(n.Last), n.Alerts,
			n.Highest.String(), n.Rule); err != nil {
			return fmt.Errorf("keep incident %s: %w", n.ID, err)
		}
	}
	return nil
}

func (w *writing) events(events []Event, at time.Time) error {
	for i := range events {
		e := &events[i]
		if err := w.exec(insertEvent, e.ID, w.nextSeq(), e.AgentID, e.AgentName, e.AgentIP, e.Body, millis(at)); err != nil {
			return fmt.Errorf("keep event %s: %w", e.ID, err)
		}
	}
	return nil
}

func (w *writing) intents(intents []Intent) error {
	for i := range intents {
		n := &intents[i]
		if err := w.exec(insertIntent, n.ID, n.Cluster, n.Action.String(), n.Severity, millis(n.Created), n.Detail); err != nil {
			return fmt.Errorf("keep intent %s: %w", n.ID, err)
		}
	}
	return nil
}

func (w *writing) marks(c Commit) error {
	for _, id := range c.Seen {
		if err := w.exec(markSeen, id, millis(c.At)); err != nil {
			return fmt.Errorf("mark event %s as seen: %w", id, err)
		}
	}
	for _, id := range c.Own {
		if err := w.exec(insertOwn, id, millis(c.At)); err != nil {
			return fmt.Errorf("keep own request: %w", err)
		}
	}
	for source, mark := range c.Bookmarks {
		if err := w.exec(upsertBookmark, source, mark); err != nil {
			return fmt.Errorf("keep bookmark of %s: %w", source, err)
		}
	}
	return nil
}

// knownAtOnce is how many keys one question asks about. The question is always of this length, so that it is
// prepared once.
const knownAtOnce = 32

func askKnown() string { return `SELECT key FROM alerts WHERE key IN (` + places(knownAtOnce) + `)` }

// Known tells which of the keys were handled before.
func (s *Store) Known(ctx context.Context, keys []alert.Key) (map[alert.Key]bool, error) {
	known := make(map[alert.Key]bool)
	for chunk := range slices.Chunk(keys, knownAtOnce) {
		if err := s.askKnown(ctx, chunk, known); err != nil {
			return nil, fmt.Errorf("ask for known alerts: %w", err)
		}
	}
	return known, nil
}

func (s *Store) askKnown(ctx context.Context, keys []alert.Key, known map[alert.Key]bool) error {
	args := make([]any, knownAtOnce)
	for i := range args {
		args[i] = keys[min(i, len(keys)-1)][:] // the last one fills up
	}
	rows, err := s.known.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return err
		}
		known[alert.Key(key)] = true
	}
	return rows.Err()
}

// places lists n placeholders: $1,$2,...
func places(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("$%d", i+1)
	}
	return strings.Join(list, ",")
}

// Bookmark returns how far a source was read; ok is false where it never was.
func (s *Store) Bookmark(ctx context.Context, source string) (mark string, ok bool, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT mark FROM bookmarks WHERE source=$1`, source).Scan(&mark)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("read bookmark of %s: %w", source, err)
	}
	return mark, true, nil
}

// LastIncident returns the subject's latest incident on a cluster, or nil.
func (s *Store) LastIncident(ctx context.Context, cluster, subject string) (*incident.Incident, error) {
	var n incident.Incident
	var opened, last int64
	var highest string
	err := s.reader.QueryRowContext(ctx, `SELECT id, cluster, subject, name, opened, last, alerts, highest, rule
  FROM incidents WHERE cluster=$1 AND subject=$2 ORDER BY last DESC LIMIT 1`, cluster, subject).
		Scan(&n.ID, &n.Cluster, &n.Subject, &n.Name, &opened, &last, &n.Alerts, &highest, &n.Rule)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read incident of %s: %w", subject, err)
	}
	n.Opened, n.Last = timeOf(opened), timeOf(last)
	n.Highest, _ = escalation.ParseAction(highest)
	return &n, nil
}

// OwnRequests returns the request ids of our own answers since a time.
func (s *Store) OwnRequests(ctx context.Context, since time.Time) ([]string, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT id FROM own_requests WHERE at>=$1`, millis(since))
	if err != nil {
		return nil, fmt.Errorf("read own requests: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("read own requests: %w", err)
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
