package health

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"custom-vault/internal/publish"
	"custom-vault/internal/store"
	"custom-vault/internal/vaultlookup"
)

var now = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

// well is a daemon that has nothing to complain about.
func well() Facts {
	return Facts{
		At: now, Started: now.Add(-time.Hour), StoreMost: 1 << 30, Store: store.Backlog{Bytes: 1 << 20},
		Sources: []Source{{Name: "alerts"}, {Name: "journal"}}, Ways: Ways{Both: 100},
		Clusters: []Cluster{{
			Name: "prod", Nodes: 3, Own: vaultlookup.Own{Valid: true, Renewable: true, Period: 24 * time.Hour, Expires: now.Add(16 * time.Hour)},
		}},
		Responding: Responding{Seal: "armed"},
		Workers:    []Worker{{Name: "line", Last: now.Add(-10 * time.Second), Within: time.Minute}},
	}
}

func codes(f Facts) string {
	var all []string
	for _, found := range Assess(f) {
		all = append(all, string(found.Code))
	}
	return strings.Join(all, " ")
}

func TestEachFaultIsSeenInItsFacts(t *testing.T) {
	t.Parallel()
	if got := codes(well()); got != "" {
		t.Fatalf("all is well, but: %s", got)
	}
	seen := make(map[Code]bool)
	for name, c := range map[string]struct {
		change func(*Facts)
		want   Code
	}{
		"commit fails":            {func(f *Facts) { f.StoreFailing = "disk full" }, StoreFailing},
		"database over its bound": {func(f *Facts) { f.Store.Bytes = 2 << 30 }, StoreTooBig},
		"line hangs":              {func(f *Facts) { f.Workers[0].Last = now.Add(-2 * time.Minute) }, WorkerStuck},
		"reload refused":          {func(f *Facts) { f.Refused = "line 3" }, ConfigRefused},
		"alerts.json unreadable":  {func(f *Facts) { f.Sources[0].Trouble = "permission denied" }, SourceUnreadable},
		"a flood":                 {func(f *Facts) { f.Sources[0].Unread = 1 << 30 }, SourceBehind},
		"no hook":                 {func(f *Facts) { f.Ways = Ways{AlertsOnly: 50} }, HookSilent},
		"no alerts.json":          {func(f *Facts) { f.Ways = Ways{JournalOnly: 50} }, AlertsSilent},
		"a gap":                   {func(f *Facts) { f.Gap = now.Add(-time.Hour) }, AlertsLost},
		"revoked":                 {func(f *Facts) { f.Clusters[0].Own = vaultlookup.Own{Problem: "revoked"} }, TokenInvalid},
		"no token yet":            {func(f *Facts) { f.Clusters[0].Own = vaultlookup.Own{} }, TokenInvalid},
		"not renewed":             {func(f *Facts) { f.Clusters[0].Own.Expires = now.Add(11 * time.Hour) }, TokenExpiring},
		"not renewable": {func(f *Facts) {
			f.Clusters[0].Own.Renewable, f.Clusters[0].Own.Expires = false, now.Add(71*time.Hour)
		}, TokenExpiring},
		"renewal fails":      {func(f *Facts) { f.Clusters[0].Own.Problem = "not permitted" }, TokenProblem},
		"all nodes away":     {func(f *Facts) { f.Clusters[0].Stats.Open = 3 }, VaultUnreachable},
		"one node away":      {func(f *Facts) { f.Clusters[0].Stats.Open = 1 }, VaultNodeAway},
		"somebody else":      {func(f *Facts) { f.Intruder = now.Add(-time.Hour) }, Intruder},
		"analysisd stopped":  {func(f *Facts) { f.Away = publish.RefusalDown }, AnalysisdAway},
		"pace too low":       {func(f *Facts) { f.Store.OldestPending = now.Add(-6 * time.Minute) }, EventsWaiting},
		"rules not loaded":   {func(f *Facts) { f.Store.NewestFault = now.Add(-time.Hour) }, EventsUnseen},
		"responder fails":    {func(f *Facts) { f.Store.Waiting, f.Store.OldestWaiting = 1, now }, IntentsWaiting},
		"sealing":            {func(f *Facts) { f.Store.Running, f.Store.OldestRunning = 1, now }, PlanRunning},
		"partly sealed":      {func(f *Facts) { f.Responding.Unclosed, f.Responding.UnclosedAt = "partly", now }, ResponseIncomplete},
		"kill switch":        {func(f *Facts) { f.Responding.Halted = true }, Halted},
		"kill switch hidden": {func(f *Facts) { f.Responding.Halted, f.Responding.HaltUnknown = true, "permission denied" }, HaltUnknown},
	} {
		facts := well()
		c.change(&facts)
		if got := codes(facts); got != string(c.want) {
			t.Errorf("%s: %q, want %s", name, got, c.want)
		}
		seen[c.want] = true
	}
	for _, kind := range Table() {
		if !seen[kind.Code] {
			t.Errorf("%s is in the table, and no case shows it", kind.Code)
		}
		if kind.Meaning == "" || kind.Do == "" {
			t.Errorf("%s does not say what to do", kind.Code)
		}
	}
}

func TestWhatIsNotYetAFault(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Facts){
		"few alerts, none by the hook": func(f *Facts) { f.Ways = Ways{AlertsOnly: 9} },
		"a line too long for the hook": func(f *Facts) { f.Ways = Ways{Both: 1, AlertsOnly: 50} },
		"a gap of yesterday":           func(f *Facts) { f.Gap = now.Add(-25 * time.Hour) },
		"a token that never ends":      func(f *Facts) { f.Clusters[0].Own = vaultlookup.Own{Valid: true} },
		"no cluster to ask":            func(f *Facts) { f.Clusters = nil },
	} {
		facts := well()
		change(&facts)
		if got := codes(facts); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAFaultKeepsItsTimeUntilItIsOver(t *testing.T) {
	t.Parallel()
	board := NewBoard()
	halted := []Found{{Code: Halted, Text: "first"}}
	raised, cleared := board.Update(now, halted)
	want := []Fault{{Code: Halted, Severity: Warning, Text: "first", Since: now, Do: "remove it when you want responses again"}}
	if diff := cmp.Diff(want, raised); diff != "" || len(cleared) > 0 {
		t.Fatal(diff, cleared)
	}
	halted[0].Text = "second"
	if raised, cleared = board.Update(now.Add(time.Hour), halted); len(raised)+len(cleared) > 0 {
		t.Errorf("told again: %v %v", raised, cleared)
	}
	if faults := board.Faults(); len(faults) != 1 || faults[0].Text != "second" || !faults[0].Since.Equal(now) {
		t.Errorf("%+v", faults)
	}
	if raised, cleared = board.Update(now.Add(2*time.Hour), nil); len(raised) > 0 || len(cleared) != 1 || cleared[0].Code != Halted {
		t.Errorf("it is over: %v %v", raised, cleared)
	}
	if faults := board.Faults(); len(faults) > 0 {
		t.Errorf("left: %v", faults)
	}
}

func TestWhatPassesByItselfDoesNotShow(t *testing.T) {
	t.Parallel()
	board := NewBoard()
	away := []Found{{Code: AnalysisdAway}}
	for _, after := range []time.Duration{0, 4 * time.Second} {
		if raised, _ := board.Update(now.Add(after), away); len(raised)+len(board.Faults()) > 0 {
			t.Errorf("shows after %s", after)
		}
	}
	if _, cleared := board.Update(now.Add(4500*time.Millisecond), nil); len(cleared) > 0 {
		t.Error("what never showed is told to be over")
	}
	board.Update(now.Add(6*time.Second), away)
	if raised, _ := board.Update(now.Add(11*time.Second), away); len(raised) != 1 {
		t.Error("what stays does not show")
	}
}

func TestFaultsAreListedByGravity(t *testing.T) {
	t.Parallel()
	board := NewBoard()
	board.Update(now, []Found{{Code: PlanRunning}, {Code: WorkerStuck, Of: "publisher"}, {Code: WorkerStuck, Of: "line"}})
	var got []string
	for _, f := range board.Faults() {
		got = append(got, string(f.Code)+" "+f.Of)
	}
	if diff := cmp.Diff([]string{"worker-stuck line", "worker-stuck publisher", "plan-running "}, got); diff != "" {
		t.Error(diff)
	}
	if Healthy(board.Faults()) || !Healthy([]Fault{{Severity: Info}}) {
		t.Error("only errors and warnings make unhealthy")
	}
}
