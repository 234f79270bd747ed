package pipeline

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/identity"
	"custom-vault/internal/incident"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

// recordedAt is shortly after the last line of bob's story, as it was recorded on a real manager: he logs in, lists,
// and reads a secret ten times, which rule 100617 tells on the tenth. (Vault's own records are older than the alerts
// by the time between the two recordings.)
var recordedAt = time.Date(2026, 11, 24, 14, 39, 45, 0, time.UTC)

// bobsLines are the lines of alerts.json, 16 of them. The last but three is the frequency alert.
func bobsLines(t testing.TB) []string {
	t.Helper()
	file, err := os.Open("testdata/bob-story.alerts.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// lineOf is an alert of a rule about a read by an accessor; every name makes another line.
func lineOf(name, rule string, level int, accessor string) string {
	return fmt.Sprintf(`{"timestamp":"2026-11-24T14:39:40.000+0000","rule":{"level":%d,"description":"d","id":%q,"groups":["vault"]},`+
		`"agent":{"id":"001","name":"vault-1"},"manager":{"name":"m"},"id":"1.%s","full_log":`+
		`"{\"auth\":{\"accessor\":\"%s\"},\"request\":{\"id\":\"r-%s\",\"operation\":\"read\",\"path\":\"secret/data/x\"},`+
		`\"time\":\"2026-11-24T14:39:39Z\",\"type\":\"response\"}","decoder":{"name":"vault-audit"},"location":"l"}`, level, rule, name, accessor, name)
}

func echoOf(eventID string) string {
	return fmt.Sprintf(`{"timestamp":"2026-11-24T14:39:40.000+0000","rule":{"level":3,"id":"100630","groups":["vault_enriched"]},"id":"1.e",`+
		`"decoder":{"name":"json"},"data":{"integration":"custom-vault","custom_vault":{"event":"enriched","event_id":%q}}}`, eventID)
}

func linesOf(texts ...string) []Line {
	lines := make([]Line, len(texts))
	for i, text := range texts {
		lines[i] = Line{Source: "alerts", Text: []byte(text)}
	}
	return lines
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// vault is a Resolver that knows every accessor that it is asked about.
type vault struct {
	mu    sync.Mutex
	asked map[string]int // by request id
}

func (v *vault) Resolve(_ context.Context, _ string, a *alert.Alert, ask bool) identity.Identity {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asked == nil {
		v.asked = make(map[string]int)
	}
	accessor := a.Record.Actor().Accessor
	if !ask || accessor == "" {
		return identity.Identity{V: identity.Version, Rung: identity.RungRecord, Confidence: identity.Recorded, Accessor: accessor}
	}
	v.asked[a.Record.RequestID]++
	return identity.Identity{
		V: identity.Version, Rung: identity.RungAccessor, Confidence: identity.Confirmed, Accessor: accessor,
		Token: identity.Token{DisplayName: "userpass-bob", State: identity.StateLive},
	}
}

// faulty is a store that fails when it is told to.
type faulty struct {
	*store.Store
	mu      sync.Mutex
	commits int    // that fail from now on
	reads   string // the method that fails once
	tried   int    // commits
}

var errFault = fmt.Errorf("the test's fault")

func (f *faulty) Commit(ctx context.Context, c store.Commit) error {
	f.mu.Lock()
	f.tried++
	fail := f.commits > 0
	f.commits--
	f.mu.Unlock()
	if fail {
		return errFault
	}
	return f.Store.Commit(ctx, c)
}

func (f *faulty) fails(method string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reads != method {
		return false
	}
	f.reads = ""
	return true
}

func (f *faulty) Known(ctx context.Context, keys []alert.Key) (map[alert.Key]bool, error) {
	if f.fails("Known") {
		return nil, errFault
	}
	return f.Store.Known(ctx, keys)
}

func (f *faulty) LastIncident(ctx context.Context, cluster, subject string) (*incident.Incident, error) {
	if f.fails("LastIncident") {
		return nil, errFault
	}
	return f.Store.LastIncident(ctx, cluster, subject)
}

func (f *faulty) PlanState(ctx context.Context, cluster string, action escalation.Action, since time.Time) (bool, int, error) {
	if f.fails("PlanState") {
		return false, 0, errFault
	}
	return f.Store.PlanState(ctx, cluster, action, since)
}

// world is a line of stages with a real store, in which sealing is armed as the article has it.
type world struct {
	*Pipeline
	store  *faulty
	vault  *vault
	screen *screen.Screen
	clock  *clock
	halt   string
	woken  [2]int // events and intents that Committed told
}

func newWorld(t testing.TB, change ...func(*config.Config)) *world {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{store: &faulty{Store: s}, vault: new(vault), clock: &clock{at: recordedAt}, halt: filepath.Join(dir, "halt")}
	cfg := config.Default()
	cfg.Clusters = []config.Cluster{{Name: "prod", Nodes: []config.Node{{Name: "vault-1", Agent: "001"}}}}
	cfg.Decide.Rules, cfg.Decide.Seal, cfg.Decide.HaltFile, cfg.Decide.StaleAfter = "article", config.ModeArmed, w.halt, time.Hour
	for _, c := range change {
		c(&cfg)
	}
	rules, err := escalation.Embedded(cfg.Decide.Rules)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	w.screen = screen.New(func() screen.Self { return screen.Self{Accessors: []string{"our-accessor"}} }, nil)
	w.Pipeline = New(cfg, Deps{
		Store: w.store, Resolver: w.vault, Screen: w.screen, Rules: rules, Now: w.clock.now, Log: log,
		Committed: func(events, intents int) { w.woken[0] += events; w.woken[1] += intents },
	})
	return w
}

func (w *world) handle(t testing.TB, texts ...string) Result {
	t.Helper()
	result, err := w.Handle(t.Context(), Batch{Source: "alerts", Bookmark: "b", Lines: linesOf(texts...)})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// outbox tells the events that are due, kind by kind.
func (w *world) outbox(t testing.TB) map[string]string {
	t.Helper()
	rows, err := w.store.Due(t.Context(), w.clock.now(), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	events := make(map[string]string)
	for _, row := range rows {
		events[row.EventID] = string(row.Body)
	}
	return events
}

// intents takes all intents that wait.
func (w *world) intents(t testing.TB) []store.Intent {
	t.Helper()
	var all []store.Intent
	for {
		intent, ok, err := w.store.NextIntent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, intent)
		if err := w.store.DropIntent(t.Context(), intent.ID, "taken by the test", w.clock.now()); err != nil {
			t.Fatal(err)
		}
	}
}

// signalling tells of commits that were tried.
type signalling struct {
	*faulty
	tried chan<- struct{}
}

func (s signalling) Commit(ctx context.Context, c store.Commit) error {
	err := s.faulty.Commit(ctx, c)
	select {
	case s.tried <- struct{}{}:
	default:
	}
	return err
}
