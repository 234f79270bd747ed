package torture

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// good is a run in which nothing went wrong.
func good() Report {
	return Report{Kills: map[string]int{"any time": 3}, Alerts: 10, Seen: 10, Repeats: 3, Plans: 2}
}

func TestAReportThatIsAsPromisedHasNoProblem(t *testing.T) {
	t.Parallel()
	if problems := good().Problems(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestEveryBrokenPromiseIsAProblem(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*Report){
		"no alert":             func(r *Report) { r.Alerts, r.Seen = 0, 0 },
		"1 alerts were lost":   func(r *Report) { r.Seen-- },
		"4 repeats":            func(r *Report) { r.Repeats++ },
		"about no alert":       func(r *Report) { r.Unknown++ },
		"in group vault":       func(r *Report) { r.Loops++ },
		"plans were started":   func(r *Report) { r.PlannedTwice++ },
		"orders were obeyed":   func(r *Report) { r.ObeyedTwice++ },
		"led to nothing":       func(r *Report) { r.Unanswered++ },
		"did not end":          func(r *Report) { r.Unfinished++ },
		"kills of the daemon":  func(r *Report) { r.full = true },
		"kills of the hook":    func(r *Report) { r.full = true },
		"kills of integratord": func(r *Report) { r.full = true },
		"other ids":            func(r *Report) { r.OtherIDs++ },
		`stage "starting"`:     func(r *Report) { r.full = true },
		`stage "at work"`:      func(r *Report) { r.full = true },
		"intruder was told of": func(r *Report) { r.Intruders++ },
	} {
		r := good()
		spoil(&r)
		if problems := fmt.Sprint(r.Problems()); !strings.Contains(problems, want) {
			t.Errorf("want %q, got %s", want, problems)
		}
	}
}

// line is a line of alerts.json in group vault.
func line(n int) []byte {
	return fmt.Appendf(nil, `{"rule":{"id":"100611","groups":["vault"]},"agent":{"id":"001"},"id":"1.%d"}`, n)
}

// echo is an event of ours that has come back.
func echo(body string, args ...any) []byte {
	return fmt.Appendf(nil, `{"rule":{"groups":["vault_enriched"]},"data":{"custom_vault":{`+body+`}}}`, args...)
}

func TestTheLedgerTellsLostFromDestroyed(t *testing.T) {
	t.Parallel()
	l := newLedger(newBus())
	l.setOwn("ours")
	l.begin()
	for n := range 4 {
		l.wrote(line(n))
	}
	l.wrote(echo(`"event":"enriched","event_id":%q`, eventID(sha256.Sum256(line(0)))))
	l.wrote(echo(`"event":"enriched","event_id":%q`, eventID(sha256.Sum256(line(0)))))
	l.wrote(echo(`"event":"enriched","event_id":"0"`))
	if n := l.destroy([][]byte{line(0), line(1), line(2)}); n != 2 {
		t.Errorf("%d lines were destroyed unseen", n)
	}
	var r Report
	// Line 2 was destroyed in alerts.json, but the journal has it: it had to come.
	r.countAlerts(l, map[[sha256.Size]byte]bool{sha256.Sum256(line(2)): true})
	if r.Alerts != 3 || r.Seen != 1 || r.Destroyed != 1 {
		t.Errorf("alerts %d, seen %d, destroyed %d", r.Alerts, r.Seen, r.Destroyed)
	}
	if p := l.events[eventID(sha256.Sum256(line(0)))]; p.times != 2 {
		t.Errorf("the event came %d times", p.times)
	}
}

func TestTheLedgerKnowsAPlanThatWasStartedTwice(t *testing.T) {
	t.Parallel()
	l := newLedger(newBus())
	l.setOwn("ours")
	l.begin()
	for _, plan := range []string{"plan-1", "plan-2"} {
		l.wrote(echo(`"event":"response","event_id":%q,"alert_id":"1.0","agent":{"id":"001"},"response":{"plan":%q,"state":"dispatched"}`, plan, plan))
	}
	if plans := l.grounds["001 1.0"]; len(plans) != 2 {
		t.Errorf("plans of the alert: %q", plans)
	}
	if l.unfinished() != 2 {
		t.Errorf("%d plans are not at their end", l.unfinished())
	}
}

func TestTheLedgerKnowsARepeatUnderAnotherID(t *testing.T) {
	t.Parallel()
	l := newLedger(newBus())
	l.setOwn("ours")
	l.begin()
	for _, id := range []string{"a", "a", "b"} {
		l.wrote(echo(`"event":"response","event_id":%q,"alert_id":"1.0","agent":{"id":"001"},"response":{"plan":"p","state":"closed"}`, id))
	}
	if l.otherIDs != 1 || l.events["a"].times != 2 {
		t.Errorf("%d under other ids; the first came %d times", l.otherIDs, l.events["a"].times)
	}
	l.wrote(line(0))
	l.wrote(echo(`"event":"enriched","event_id":"another"`))
	r := Report{}
	r.countEvents(l)
	if r.Unknown != 1 || r.Repeats != 1 {
		t.Errorf("%d unknown, %d repeats", r.Unknown, r.Repeats)
	}
}

func TestReportsOfSuccessAreCountedByPlanAndNode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "active-responses.log")
	text := "Nov  4 15:04:05 host vault-seal: SUCCESS - sealed plan=plan-1 node=vault-1 ms=61\n" +
		"Nov  4 15:04:05 host vault-seal: INFO - already sealed plan=plan-1 node=vault-1 ms=4\n" +
		"Nov  4 15:04:06 host vault-seal: SUCCESS - sealed plan=plan-1 node=vault-1 ms=41\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	counts, err := successes(path)
	if err != nil || counts["plan-1 vault-1"] != 2 || len(counts) != 1 {
		t.Errorf("%v, %v", counts, err)
	}
}
