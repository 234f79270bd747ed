package pipeline

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"custom-vault/internal/config"
)

// However the same lines are split into batches, however often each comes, by whichever way, and however often a
// commit fails in between: the events and intents that they lead to are the same.
func TestAnySplitOfTheSameLinesLeadsToTheSame(t *testing.T) {
	t.Parallel()
	lines := append(bobsLines(t)[8:], lineOf("a", "100618", 14, "eve"), lineOf("b", "100611", 3, "eve"), lineOf("c", "100611", 9, "mallory"))
	many := func(cfg *config.Config) { cfg.Decide.SealsPerDay = 10 }
	atOnce := newWorld(t, many)
	atOnce.handle(t, lines...)
	wantEvents, wantIntents := atOnce.ids(t)
	if len(wantEvents) < 3 || len(wantIntents) != 1 {
		t.Fatalf("the lines lead to %d events and %d intents", len(wantEvents), len(wantIntents))
	}
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, many)
		for next := 0; next < len(lines); {
			w.store.commits = rapid.IntRange(0, 2).Draw(r, "failures")
			// Up to seven lines more, behind some that came before.
			from := rapid.IntRange(0, next).Draw(r, "from")
			next = rapid.IntRange(next+1, min(next+7, len(lines))).Draw(r, "to")
			w.insistOn(t, Batch{Source: "alerts", Bookmark: "b", Lines: linesOf(lines[from:next]...)})
		}
		events, intents := w.ids(t)
		if diff := cmp.Diff(wantEvents, events); diff != "" {
			r.Fatal(diff)
		}
		if diff := cmp.Diff(wantIntents, intents); diff != "" {
			r.Fatal(diff)
		}
	})
}

func (w *world) ids(t testing.TB) (events, intents []string) {
	t.Helper()
	for _, intent := range w.intents(t) {
		intents = append(intents, intent.ID)
	}
	return slices.Sorted(maps.Keys(w.outbox(t))), intents
}
