package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"custom-vault/internal/escalation"
)

func keepIntent(t testing.TB, s *Store, id, cluster string, severity int, at time.Time) Intent {
	t.Helper()
	n := Intent{ID: id, Cluster: cluster, Action: escalation.Seal, Severity: severity, Created: at, Detail: `{"of":"` + id + `"}`}
	if err := s.Commit(t.Context(), Commit{At: at, Intents: []Intent{n}}); err != nil {
		t.Fatal(err)
	}
	return n
}

func planOf(intent Intent, id string) Plan {
	return Plan{
		ID: id, Intent: intent.ID, Cluster: intent.Cluster, Action: intent.Action, State: PlanRunning,
		Started: now, Deadline: now.Add(time.Minute), Detail: "{}",
	}
}

func budget(max int) Budget { return Budget{Since: now.Add(-24 * time.Hour), Max: max} }

func eventOf(id string) Event { return Event{ID: "event-" + id, Body: []byte("{}")} }

func begin(t *testing.T, s *Store, plan Plan, max int) string {
	t.Helper()
	refusal, err := s.BeginPlan(t.Context(), plan, budget(max), eventOf(plan.ID))
	if err != nil {
		t.Fatal(err)
	}
	return refusal
}

func end(t *testing.T, s *Store, plan Plan, state string) {
	t.Helper()
	plan.State, plan.Ended = state, now
	if err := s.SavePlan(t.Context(), plan, now, eventOf(plan.ID+"-"+state)); err != nil {
		t.Fatal(err)
	}
}

func TestTheGravestIntentComesFirstAmongEqualsTheOldest(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepIntent(t, s, "late", "a", 14, now.Add(time.Second))
	keepIntent(t, s, "mild", "b", 9, now.Add(-time.Hour))
	early := keepIntent(t, s, "early", "c", 14, now)
	var order []string
	for {
		intent, ok, err := s.NextIntent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if len(order) == 0 {
			if diff := cmp.Diff(early, intent); diff != "" {
				t.Error(diff)
			}
		}
		order = append(order, intent.ID)
		if err := s.DropIntent(t.Context(), intent.ID, "test", now, eventOf(intent.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(order, " "); got != "early late mild" {
		t.Errorf("order: %s", got)
	}
	if got := dueIDs(t, s, now, 10); got != "event-early event-late event-mild" {
		t.Errorf("events: %s", got)
	}
}

func TestABegunPlanTakesItsIntentAndTellsIt(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	plan := planOf(keepIntent(t, s, "int", "prod", 14, now), "plan")
	if running, used, err := s.PlanState(t.Context(), "prod", escalation.Seal, now.Add(-time.Hour)); !running || used != 0 || err != nil {
		t.Errorf("an intent waits: running %t, used %d, %v", running, used, err)
	}
	if refusal := begin(t, s, plan, 1); refusal != "" {
		t.Fatal(refusal)
	}
	if _, ok, err := s.NextIntent(t.Context()); ok || err != nil {
		t.Errorf("the intent still waits: %t, %v", ok, err)
	}
	if got := dueIDs(t, s, now, 10); got != "event-plan" {
		t.Errorf("events: %s", got)
	}
	if running, used, err := s.PlanState(t.Context(), "prod", escalation.Seal, now.Add(-time.Hour)); !running || used != 1 || err != nil {
		t.Errorf("it runs: running %t, used %d, %v", running, used, err)
	}
	end(t, s, plan, "closed")
	if running, used, err := s.PlanState(t.Context(), "prod", escalation.Seal, now.Add(-time.Hour)); running || used != 1 || err != nil {
		t.Errorf("it ended: running %t, used %d, %v", running, used, err)
	}
	if running, used, err := s.PlanState(t.Context(), "staging", escalation.Seal, now.Add(-time.Hour)); running || used != 0 || err != nil {
		t.Errorf("another cluster: running %t, used %d, %v", running, used, err)
	}
}

func TestAPlanIsRefusedWhileOneRunsOrTheBudgetIsUsedUp(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	first := planOf(keepIntent(t, s, "int-1", "prod", 14, now), "plan-1")
	second := planOf(keepIntent(t, s, "int-2", "prod", 14, now), "plan-2")
	if refusal := begin(t, s, first, 1); refusal != "" {
		t.Fatal(refusal)
	}
	if refusal := begin(t, s, second, 9); refusal != RefusedRunning {
		t.Errorf("while one runs: %q", refusal)
	}
	end(t, s, first, "partly")
	if refusal := begin(t, s, second, 1); refusal != RefusedBudget {
		t.Errorf("with the budget used up: %q", refusal)
	}
	if got := dueIDs(t, s, now, 10); got != "event-plan-1 event-plan-1-partly" {
		t.Errorf("a refusal wrote something: %s", got)
	}
	later := second
	later.Started = now.Add(24*time.Hour + time.Millisecond)
	if refusal, err := s.BeginPlan(t.Context(), later, Budget{Since: later.Started.Add(-24 * time.Hour), Max: 1}); refusal != "" || err != nil {
		t.Errorf("a day later: %q, %v", refusal, err)
	}
}

// Where the API was away and nothing was sealed, there was no outage: the next alert must not be refused for it.
func TestAFailedPlanTakesNothingOffTheBudget(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	first := planOf(keepIntent(t, s, "int-1", "prod", 14, now), "plan-1")
	begin(t, s, first, 1)
	end(t, s, first, PlanFailed)
	if _, used, err := s.PlanState(t.Context(), "prod", escalation.Seal, now.Add(-time.Hour)); used != 0 || err != nil {
		t.Errorf("used %d, %v", used, err)
	}
	if refusal := begin(t, s, planOf(keepIntent(t, s, "int-2", "prod", 14, now), "plan-2"), 1); refusal != "" {
		t.Error(refusal)
	}
}

func TestAnIntentNeverGetsASecondPlan(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	intent := keepIntent(t, s, "int", "prod", 14, now)
	plan := planOf(intent, "plan-1")
	begin(t, s, plan, 9)
	end(t, s, plan, PlanFailed)
	dropped := keepIntent(t, s, "dropped", "prod", 14, now)
	if err := s.DropIntent(t.Context(), dropped.ID, "test", now); err != nil {
		t.Fatal(err)
	}
	for _, again := range []Plan{planOf(intent, "plan-2"), planOf(dropped, "plan-3"), planOf(Intent{ID: "none", Cluster: "prod"}, "plan-4")} {
		if _, err := s.BeginPlan(t.Context(), again, budget(9)); err == nil || !strings.Contains(err.Error(), "is not waiting") {
			t.Errorf("%s: %v", again.ID, err)
		}
	}
	if plans, err := s.RunningPlans(t.Context()); len(plans) != 0 || err != nil {
		t.Errorf("running: %v, %v", plans, err)
	}
}

func TestOfManyAtOnceExactlyOnePlanBegins(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	const many = 16
	var intents []Intent
	for i := range many {
		intents = append(intents, keepIntent(t, s, fmt.Sprintf("int-%d", i), "prod", 14, now))
	}
	for round, want := range []string{RefusedRunning, RefusedBudget} {
		var wait sync.WaitGroup
		outcomes := make([]string, many)
		for i, intent := range intents {
			wait.Go(func() {
				refusal, err := s.BeginPlan(context.Background(), planOf(intent, fmt.Sprintf("plan-%d-%d", round, i)), budget(1))
				if outcomes[i] = refusal; err != nil {
					outcomes[i] = err.Error()
				}
			})
		}
		wait.Wait()
		plans, err := s.RunningPlans(t.Context())
		if err != nil || len(plans) != 1-round {
			t.Fatalf("round %d: running %v, %v", round, plans, err)
		}
		var left []Intent
		for i, outcome := range outcomes {
			switch outcome {
			case "":
			case want:
				left = append(left, intents[i])
			default:
				if !strings.Contains(outcome, "is not waiting") {
					t.Errorf("round %d: %q", round, outcome)
				}
			}
		}
		if round == 0 {
			if len(left) != many-1 {
				t.Errorf("%d were refused", len(left))
			}
			end(t, s, plans[0], "closed")
		}
	}
}

func TestRunningPlansAreThereAfterAReopening(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := openIn(t, dir)
	want := planOf(keepIntent(t, s, "int", "prod", 14, now), "plan")
	begin(t, s, want, 1)
	want.Detail = `{"told":true}`
	if err := s.SavePlan(t.Context(), want, now); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, dir)
	plans, err := s.RunningPlans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Plan{want}, plans); diff != "" {
		t.Error(diff)
	}
	end(t, s, want, "closed")
	if err := s.SavePlan(t.Context(), want, now); err == nil {
		t.Error("a plan that had ended runs again")
	}
}
