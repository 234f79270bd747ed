package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// exfiltration is the published rule that bob trips.
const exfiltration = "100617"

// watcher reads alerts.json as an analyst would, and remembers what the story needs.
type watcher struct {
	tell *teller

	mu        sync.Mutex
	tripped   string       // the line of the exfiltration alert
	enriched  gjson.Result // our event about it
	published int          // our events about alerts
	responses []string     // states of our response events, in order
	reports   []string     // what vault-seal reported
	changed   chan struct{}
}

func newWatcher(tell *teller) *watcher { return &watcher{tell: tell, changed: make(chan struct{}, 1)} }

// follow reads alerts.json until ctx ends. The demo's manager does not rotate it.
func (w *watcher) follow(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open alerts.json: %w", err)
	}
	defer file.Close()
	reader, pending := bufio.NewReaderSize(file, 1<<20), ""
	for {
		text, err := reader.ReadString('\n')
		pending += text
		switch {
		case err == nil:
			w.see(pending)
			pending = ""
			continue
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("read alerts.json: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (w *watcher) see(line string) {
	alert := gjson.Parse(line)
	rule := alert.Get("rule")
	w.tell.change(func(t *Timeline) { t.Alerts[rule.Get("id").String()]++ })
	groups := strings.Split(strings.Trim(rule.Get("groups").Raw, "[]"), ",")
	inGroup := func(name string) bool { return slices.Contains(groups, `"`+name+`"`) }
	w.mu.Lock()
	defer w.mu.Unlock()
	event := alert.Get("data.custom_vault")
	if w.tripped == "" && rule.Get("id").String() == exfiltration {
		w.tripped = line
	}
	switch {
	case inGroup("vault_enriched"):
		w.seeEnriched(event, inGroup("vault"))
	case inGroup("vault_response"):
		state := event.Get("response.state").String()
		w.responses = append(w.responses, state)
		w.tell.tell(KindResponse, "%s", event.Get("sentence"))
	case alert.Get("decoder.name").String() == "vault-seal":
		report := alert.Get("data.vault_seal_level").String() + " - " + alert.Get("data.vault_seal_message").String()
		w.reports = append(w.reports, report)
		w.tell.tell(KindResponse, "agent %s reports: %s (rule %s)", alert.Get("agent.id"), report, rule.Get("id"))
	case rule.Get("level").Int() >= 5 || !inGroup("vault"):
		w.tell.tell(KindAlert, "rule %s, level %s: %s", rule.Get("id"), rule.Get("level"), rule.Get("description"))
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *watcher) seeEnriched(event gjson.Result, alsoVault bool) {
	w.published++
	if alsoVault {
		w.tell.tell(KindAlert, "an enriched event is in group vault: it would come back for ever")
		return
	}
	if event.Get("rule.id").String() != exfiltration || w.enriched.Exists() {
		return
	}
	w.enriched = event
	w.tell.tell(KindIdentity, "it was %s: entity %s, policies %s, accessor %s (%s)", event.Get("actor.name"),
		event.Get("actor.entity.id"), event.Get("actor.policies.all"), event.Get("actor.accessor"), event.Get("actor.confidence"))
	w.tell.tell(KindDecision, "%s", event.Get("sentence"))
	w.tell.change(func(t *Timeline) {
		t.Decision = Decision{
			Action: event.Get("decision.action").String(), Wanted: event.Get("decision.wanted").String(),
			Rule: event.Get("decision.rule").String(), Reasons: texts(event.Get("decision.reasons")), Held: texts(event.Get("decision.held")),
		}
		t.Identity = Identity{
			Name: event.Get("actor.name").String(), Entity: event.Get("actor.entity.id").String(),
			Policies: texts(event.Get("actor.policies.all")), Accessor: event.Get("actor.accessor").String(),
			Confidence: event.Get("actor.confidence").String(),
		}
	})
}

func texts(list gjson.Result) []string {
	out := []string{}
	for _, item := range list.Array() {
		out = append(out, item.String())
	}
	return out
}

// until waits until holds is true of what was seen.
func (w *watcher) until(ctx context.Context, what string, holds func(*watcher) bool) error {
	for {
		w.mu.Lock()
		done := holds(w)
		w.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-w.changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}
