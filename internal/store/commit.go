package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	Incidents []incident.Incident
	Events    []Event
	Intents   []Intent
	Seen      []string // ids of our events that were met again in alerts.json
	Own       []string // request ids of our own answers from Vault
}

// statements are what a commit consists of. Rows that are there already stay as they are: the same line, the same
// event and the same intent have the same id, so doing them again changes nothing.
const (
	insertAlert = `INSERT INTO alerts
  (key, alert_id, node, at, source, kind, rule_id, level, agent, cluster, subject, outcome, incident, decision, identity)
  VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15) ON CONFLICT DO NOTHING`
	insertEvent = `INSERT INTO outbox
  (event_id, agent_id, agent_name, agent_ip, body, state, attempts, created, due, sent, seen, fault, seq)
  VALUES ($1,$2,$3,$4,$5,'pending',0,$6,$6,0,0,'',$7) ON CONFLICT DO NOTHING`
	insertIntent = `INSERT INTO intents (id, cluster, action, severity, created, state, reason, detail)
  VALUES ($1,$2,$3,$4,$5,'waiting','',$6) ON CONFLICT DO NOTHING`
	upsertIncident = `INSERT INTO incidents (id, cluster, subject, name, opened, last, alerts, highest, rule)
  VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)
  ON CONFLICT (id) DO UPDATE SET name=excluded.name, last=excluded.last, alerts=excluded.alerts,
  highest=excluded.highest, rule=excluded.rule`
	upsertBookmark = `INSERT INTO bookmarks (source, mark) VALUES ($1,$2)
  ON CONFLICT (source) DO UPDATE SET mark=excluded.mark`
	markSeen  = `UPDATE outbox SET state='seen', seen=$2, body='' WHERE event_id=$1 AND state<>'seen'`
	insertOwn = `INSERT INTO own_requests (id, at) VALUES ($1,$2) ON CONFLICT DO NOTHING`
)

// Commit writes everything in one transaction. When it returns nil, all of it is on the disk.
func (s *Store) Commit(ctx context.Context, c Commit) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		run := func(query string, args ...any) error {
			_, err := tx.ExecContext(ctx, query, args...)
			return err
		}
		return errors.Join(
			c.writeAlerts(run), c.writeEffects(run), c.writeMarks(run),
		)
	})
	if err != nil {
		return fmt.Errorf("store %d alerts: %w", len(c.Alerts), err)
	}
	return nil
}

type exec func(query string, args ...any) error

func (c *Commit) writeAlerts(run exec) error {
	for i := range c.Alerts {
		a := &c.Alerts[i]
		if err := run(insertAlert, a.Key[:], a.AlertID, a.Node, millis(a.At), a.Source, a.Kind, a.RuleID, a.Level, a.Agent,
			a.Cluster, a.Subject, a.Outcome, a.Incident, a.Decision, a.Identity); err != nil {
			return fmt.Errorf("keep alert %s: %w", a.Key, err)
		}
	}
	for i := range c.Incidents {
		n := &c.Incidents[i]
		if err := run(upsertIncident, n.ID, n.Cluster, n.Subject, n.Name, millis(n.Opened), millis(n.Last), n.Alerts,
			n.Highest.String(), n.Rule); err != nil {
			return fmt.Errorf("keep incident %s: %w", n.ID, err)
		}
	}
	return nil
}

func (c *Commit) writeEffects(run exec) error {
	for i := range c.Events {
		e := &c.Events[i]
		if err := run(insertEvent, e.ID, e.AgentID, e.AgentName, e.AgentIP, e.Body, millis(c.At), c.At.UnixNano()+int64(i)); err != nil {
			return fmt.Errorf("keep event %s: %w", e.ID, err)
		}
	}
	for i := range c.Intents {
		n := &c.Intents[i]
		if err := run(insertIntent, n.ID, n.Cluster, n.Action.String(), n.Severity, millis(n.Created), n.Detail); err != nil {
			return fmt.Errorf("keep intent %s: %w", n.ID, err)
		}
	}
	return nil
}

func (c *Commit) writeMarks(run exec) error {
	for _, id := range c.Seen {
		if err := run(markSeen, id, millis(c.At)); err != nil {
			return fmt.Errorf("mark event %s as seen: %w", id, err)
		}
	}
	for _, id := range c.Own {
		if err := run(insertOwn, id, millis(c.At)); err != nil {
			return fmt.Errorf("keep own request: %w", err)
		}
	}
	for source, mark := range c.Bookmarks {
		if err := run(upsertBookmark, source, mark); err != nil {
			return fmt.Errorf("keep bookmark of %s: %w", source, err)
		}
	}
	return nil
}

// Known tells which of the keys were handled before.
func (s *Store) Known(ctx context.Context, keys []alert.Key) (map[alert.Key]bool, error) {
	known := make(map[alert.Key]bool)
	if len(keys) == 0 {
		return known, nil
	}
	query, err := s.reader.PrepareContext(ctx, `SELECT 1 FROM alerts WHERE key=$1`)
	if err != nil {
		return nil, fmt.Errorf("ask for known alerts: %w", err)
	}
	defer query.Close()
	for _, key := range keys {
		var one int
		switch err := query.QueryRowContext(ctx, key[:]).Scan(&one); {
		case err == nil:
			known[key] = true
		case !errors.Is(err, sql.ErrNoRows):
			return nil, fmt.Errorf("ask for known alerts: %w", err)
		}
	}
	return known, nil
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
