package pipeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"custom-vault/internal/config"
	"custom-vault/internal/store"
)

// The two loops whose figures belong together: alerts from the text of their lines to a durable commit, and the same
// transactions, with the same rows in the same tables, by a loop that does nothing else.
func BenchmarkAcceptToCommit(b *testing.B) {
	for _, what := range []string{"notable", "all"} {
		b.Run(what, func(b *testing.B) {
			var whole, bare float64
			b.Run("line of stages", func(b *testing.B) { whole = benchStages(b, what) })
			b.Run("bare SQLite", func(b *testing.B) { bare = benchBare(b, what) })
			if whole > 0 && bare > 0 {
				fmt.Printf("accept to commit, publish %s: %.0f alerts/s; bare SQLite %.0f alerts/s; ratio %.2f\n", what, whole, bare, bare/whole)
			}
		})
	}
}

// fakes makes batches of alerts as different as real ones are: one read after the other by 200 tokens. The text is
// that of a recorded alert, with its ids exchanged.
type fakes struct {
	line string
	n    int
}

func newFakes(b *testing.B) *fakes {
	b.Helper()
	for _, line := range bobsLines(b) {
		if strings.Contains(line, `\"operation\":\"read\"`) {
			return &fakes{line: line}
		}
	}
	b.Fatal("no read in bob's story")
	return nil
}

func (f *fakes) batch() Batch {
	const request, accessor = 16, 24 // bytes of each that are replaced
	between := func(text, before string, n int) string {
		i := strings.Index(text, before) + len(before)
		return text[i : i+n]
	}
	id := between(f.line[strings.Index(f.line, `\"request\":`):], `\"id\":\"`, request)
	token := between(f.line, `\"accessor\":\"`, accessor)
	batch := Batch{Source: "alerts", Bookmark: fmt.Sprintf("%d", f.n)}
	for range limits.Lines {
		f.n++
		text := strings.ReplaceAll(f.line, id, fmt.Sprintf("%016d", f.n))
		text = strings.ReplaceAll(text, token, fmt.Sprintf("%024d", f.n%200))
		batch.Lines = append(batch.Lines, Line{Source: "alerts", Text: []byte(text)})
	}
	return batch
}

func publishing(what string) func(*config.Config) {
	return func(cfg *config.Config) { cfg.Publish.What = what }
}

// atATime is how many batches one turn of a loop handles.
const atATime = 20

var errNoMore = errors.New("no more batches")

func benchStages(b *testing.B, what string) float64 {
	w, source := newWorld(b, publishing(what)), newFakes(b)
	var spent time.Duration
	for b.Loop() {
		b.StopTimer()
		feed := &script{err: errNoMore}
		for range atATime {
			feed.batches = append(feed.batches, source.batch())
		}
		b.StartTimer()
		begun := time.Now()
		if err := w.Run(b.Context(), feed); !errors.Is(err, errNoMore) { // it returns when the last batch is kept
			b.Fatal(err)
		}
		spent += time.Since(begun)
	}
	if mark, _, err := w.store.Bookmark(b.Context(), "alerts"); err != nil || mark != fmt.Sprint(source.n-limits.Lines) {
		b.Fatalf("the last bookmark is %q, %v", mark, err)
	}
	return perSecond(b, spent)
}

func perSecond(b *testing.B, spent time.Duration) float64 {
	rate := float64(b.N*atATime*limits.Lines) / spent.Seconds()
	b.ReportMetric(rate, "alerts/s")
	b.ReportMetric(0, "ns/op")
	return rate
}

func benchBare(b *testing.B, what string) float64 {
	w, source := newWorld(b, publishing(what)), newFakes(b)
	db := openBare(b)
	var spent time.Duration
	for b.Loop() {
		b.StopTimer()
		var commits []store.Commit
		for range atATime {
			j := w.newJob(source.batch())
			if err := w.prepare(b.Context(), j); err != nil {
				b.Fatal(err)
			}
			commits = append(commits, j.commit)
		}
		b.StartTimer()
		begun := time.Now()
		for _, commit := range commits {
			if err := db.commit(b.Context(), commit); err != nil {
				b.Fatal(err)
			}
		}
		spent += time.Since(begun)
	}
	return perSecond(b, spent)
}

// bare is a database with the store's tables and without the store.
type bare struct {
	db                   *sql.DB
	alert, event, marked *sql.Stmt
}

func openBare(b *testing.B) *bare {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	tables, err := store.Open(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	if err := tables.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "state.db")+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { db.Close() })
	prepare := func(query string) *sql.Stmt {
		statement, err := db.PrepareContext(b.Context(), query)
		if err != nil {
			b.Fatal(err)
		}
		return statement
	}
	return &bare{
		db: db,
		alert: prepare(`INSERT INTO alerts (key, alert_id, node, at, source, kind, rule_id, level, agent, cluster, subject, outcome, incident, decision, identity, kept)
  VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16) ON CONFLICT DO NOTHING`),
		event: prepare(`INSERT INTO outbox (event_id, seq, agent_id, agent_name, agent_ip, body, state, attempts, created, due, sent, seen, fault)
  VALUES ($1,0,$2,$3,$4,$5,'pending',0,0,0,0,0,'') ON CONFLICT DO NOTHING`),
		marked: prepare(`INSERT INTO bookmarks (source, mark) VALUES ($1,$2) ON CONFLICT (source) DO UPDATE SET mark=excluded.mark`),
	}
}

func (d *bare) commit(ctx context.Context, c store.Commit) error {
	ctx = context.WithoutCancel(ctx)
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	alert, event, marked := tx.StmtContext(ctx, d.alert), tx.StmtContext(ctx, d.event), tx.StmtContext(ctx, d.marked)
	for i := range c.Alerts {
		a := &c.Alerts[i]
		if _, err := alert.ExecContext(ctx, a.Key[:], a.AlertID, a.Node, a.At.UnixMilli(), a.Source, a.Kind, a.RuleID, a.Level, a.Agent,
			a.Cluster, a.Subject, a.Outcome, a.Incident, a.Decision, a.Identity, c.At.UnixMilli()); err != nil {
			return err
		}
	}
	for i := range c.Events {
		e := &c.Events[i]
		if _, err := event.ExecContext(ctx, e.ID, e.AgentID, e.AgentName, e.AgentIP, e.Body); err != nil {
			return err
		}
	}
	for source, mark := range c.Bookmarks {
		if _, err := marked.ExecContext(ctx, source, mark); err != nil {
			return err
		}
	}
	return tx.Commit()
}
