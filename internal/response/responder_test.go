package response

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/store"
)

func TestEveryNodeIsSealedByOneOrder(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys(), obeys(), obeys()}, func(t *testing.T, w *world) {
		w.want(t, "int-1", decision())
		begun := time.Now()
		w.respond(t)
		if got := w.sent(); !slices.Equal(got, []string{"001,002,003"}) {
			t.Errorf("orders %q", got)
		}
		if took := time.Since(begun); took > 200*time.Millisecond {
			t.Errorf("took %s", took)
		}
		if got := w.states(t); got != "dispatched sealed" {
			t.Errorf("told %s", got)
		}
		want := "Vault cluster prod is sealed: each of its 3 nodes says so. Cause: bob."
		if got := w.last(t); got.sentence != want || got.nodes != "vault-1: sealed; vault-2: sealed; vault-3: sealed" {
			t.Errorf("%+v", got)
		}
	})
}

// What becomes of a plan for a cluster of two nodes when the second one's agent, or the node itself, has the fault.
func TestEachFaultHasItsOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second *agent
		fault  func(*world)
		state  string   // of the last event
		says   string   // of the second node
		orders []string // the first ones
		most   int      // orders in all
	}{
		"sent and not executed": {
			second: sentInVain(), state: "partly", says: "vault-2: serving", orders: []string{"001,002", "002"}, most: 4,
		},
		"agent not active: tried again soon": {
			second: notActive(), state: "partly", says: "vault-2: serving, order to agent 002 refused (agent-not-active)", orders: []string{"001,002", "002", "002"}, most: 31,
		},
		"agent without active response: not tried again": {
			second: disabled(), state: "partly", says: "vault-2: serving, order to agent 002 refused (agent-responses-disabled)", orders: []string{"001,002"}, most: 1,
		},
		"no such agent": {
			second: nil, fault: func(w *world) { w.nodes["vault-2"].agent = "002"; w.config.Targets[0].Nodes[1].Agent = "002" },
			state: "partly", says: "vault-2: serving, order to agent 002 refused (agent-unknown)", orders: []string{"001,002"}, most: 1,
		},
		"no agent configured": {
			second: nil, state: "partly", says: "vault-2: serving, has no agent", orders: []string{"001"}, most: 1,
		},
		"3021, and delivered": {
			second: timedOut(true), state: "sealed", says: "vault-2: sealed", orders: []string{"001,002"}, most: 1,
		},
		"3021, and not delivered": {
			second: timedOut(false), state: "partly", says: "vault-2: serving, order to agent 002 unknown (api-timeout)", orders: []string{"001,002", "002"}, most: 4,
		},
		"refused at first": {
			second: &agent{delivery: "sent", obeys: true, from: 3}, state: "sealed", says: "vault-2: sealed", orders: []string{"001,002", "002", "002"}, most: 3,
		},
		"execd busy": {
			second: &agent{delivery: "sent", obeys: true, after: 40 * time.Second}, state: "sealed", says: "vault-2: sealed", orders: []string{"001,002", "002", "002"}, most: 3,
		},
		"node cannot be asked": {
			second: obeys(), fault: func(w *world) { w.nodes["vault-2"].away = true },
			state: "partly", says: "vault-2: unknown, connection refused", orders: []string{"001,002", "002"}, most: 4,
		},
		"node hangs": {
			second: sentInVain(), fault: func(w *world) { w.nodes["vault-2"].hangs = true },
			state: "partly", says: "vault-2: unknown, context deadline exceeded", orders: []string{"001,002", "002"}, most: 4,
		},
		"node is sealed already": {
			second: obeys(), fault: func(w *world) { w.nodes["vault-2"].sealed = true }, state: "sealed", says: "vault-2: sealed", orders: []string{"001"}, most: 1,
		},
		"node is sealed by somebody else": {
			second: sentInVain(), fault: func(w *world) { time.AfterFunc(20*time.Second, func() { w.seal("002") }) },
			state: "sealed", says: "vault-2: sealed", orders: []string{"001,002", "002"}, most: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in(t, []*agent{obeys(), c.second}, func(t *testing.T, w *world) {
				if c.fault != nil {
					c.fault(w)
				}
				w.want(t, "int-1", decision())
				begun := time.Now()
				w.respond(t)
				if took := time.Since(begun); took > time.Minute+3*time.Second {
					t.Errorf("took %s", took)
				}
				orders := w.sent()
				if len(orders) < len(c.orders) || len(orders) > c.most || !slices.Equal(orders[:len(c.orders)], c.orders) {
					t.Errorf("orders %q", orders)
				}
				last := w.last(t)
				if last.state != c.state || last.nodes != "vault-1: sealed; "+c.says {
					t.Errorf("%+v", last)
				}
				if c.state == "partly" && !strings.Contains(last.sentence, "Seal by hand: vault-2: ") {
					t.Errorf("does not say what is left to do: %s", last.sentence)
				}
				if plans, err := w.store.RunningPlans(t.Context()); len(plans) != 0 || err != nil {
					t.Errorf("still running: %v, %v", plans, err)
				}
			})
		})
	}
}

// A node that hangs is asked for no more than half a second before the others are told.
func TestANodeThatHangsDoesNotHoldUpTheOrder(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys(), obeys()}, func(t *testing.T, w *world) {
		w.nodes["vault-2"].hangs = true
		w.want(t, "int-1", decision())
		begun := time.Now()
		go func() {
			time.Sleep(probeBeforeTold + time.Millisecond)
			if got := w.sent(); !slices.Equal(got, []string{"001,002"}) {
				t.Errorf("after %s: orders %q", time.Since(begun), got)
			}
		}()
		w.respond(t)
	})
}

func TestAPlanThatReachedNobodyHasFailedAndTheNextAlertMayTryAgain(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys(), obeys()}, func(t *testing.T, w *world) {
		w.down = errors.New("connection refused")
		w.want(t, "int-1", decision())
		w.respond(t)
		if last := w.last(t); last.state != "failed" || !strings.Contains(last.sentence, "was NOT sealed") || !strings.Contains(last.sentence, "no order left") {
			t.Errorf("%+v", last)
		}
		w.change(func() { w.down = nil })
		w.want(t, "int-2", decision())
		w.respond(t)
		if got := w.states(t); got != "dispatched failed dispatched sealed" {
			t.Errorf("told %s", got)
		}
	})
}

// An order that left may still be obeyed, whatever becomes of the ones behind it: that is no plan that reached nobody.
func TestAnOrderThatLeftIsNotForgotten(t *testing.T) {
	t.Parallel()
	in(t, []*agent{sentInVain()}, func(t *testing.T, w *world) {
		time.AfterFunc(time.Second, func() { w.change(func() { w.down = errors.New("connection refused") }) })
		w.want(t, "int-1", decision())
		w.respond(t)
		if last := w.last(t); last.state != "partly" {
			t.Errorf("%+v", last)
		}
	})
}

func TestANodeThatIsUnsealedWhileOthersArePendingIsNotClosed(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys(), {delivery: "sent", obeys: true, after: 5 * time.Second}}, func(t *testing.T, w *world) {
		time.AfterFunc(time.Second, func() { w.change(func() { w.nodes["vault-1"].sealed = false }) })
		w.want(t, "int-1", decision())
		w.respond(t)
		if got := w.sent(); !slices.Equal(got, []string{"001,002", "001"}) {
			t.Errorf("orders %q", got)
		}
		if last := w.last(t); last.state != "sealed" {
			t.Errorf("%+v", last)
		}
	})
}

// A sealed node that is stopped, or restarted, cannot be asked any more; it has not been unsealed by that.
func TestANodeThatGoesAwaySealedCountsAsSealed(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys(), {delivery: "sent", obeys: true, after: 5 * time.Second}}, func(t *testing.T, w *world) {
		time.AfterFunc(time.Second, func() { w.change(func() { w.nodes["vault-1"].away = true }) })
		w.want(t, "int-1", decision())
		w.respond(t)
		if last := w.last(t); last.state != "sealed" || len(w.sent()) != 1 {
			t.Errorf("orders %q, told %+v", w.sent(), last)
		}
	})
}

// Each of these appears between decision and dispatch.
func TestNothingIsSentThatIsHeldBackAfterTheDecision(t *testing.T) {
	t.Parallel()
	held := decision()
	held.Held = []escalation.Held{{Guard: "mode", Reason: "seal is not armed"}}
	lowered := decision()
	lowered.Action = escalation.Notify
	revoke := decision()
	revoke.Action, revoke.Wanted = escalation.Revoke, escalation.Revoke
	for name, c := range map[string]struct {
		decision escalation.Decision
		change   func(*world)
		reason   string
	}{
		"halt file":                  {decision(), func(w *world) { w.halted = true }, "the halt file exists"},
		"halt file unreadable":       {decision(), func(w *world) { w.haltOn = errors.New("permission denied") }, "the halt file could not be looked at: permission denied"},
		"observe only":               {decision(), func(w *world) { w.config.ObserveOnly = true }, "decide.observe_only is set"},
		"no api":                     {decision(), func(w *world) { w.config.API = nil }, "no wazuh.api is configured"},
		"cluster is gone":            {decision(), func(w *world) { w.config.Targets = nil }, "the cluster is no longer in the configuration"},
		"no budget":                  {decision(), func(w *world) { w.config.SealsPerDay = 0 }, store.RefusedBudget},
		"too old":                    {decision(), func(*world) { time.Sleep(16 * time.Minute) }, "the decision is 16m0s old, more than 15m0s"},
		"a held decision":            {held, nil, "the decision is held back by guard mode"},
		"a lowered decision":         {lowered, nil, "the decision is to notify, which is no response that can be sent"},
		"a decision of another kind": {revoke, nil, "the decision is to revoke, which is no response that can be sent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in(t, []*agent{obeys()}, func(t *testing.T, w *world) {
				w.want(t, "int-1", c.decision)
				if c.change != nil {
					c.change(w)
				}
				w.respond(t)
				if got := w.sent(); len(got) != 0 || w.nodes["vault-1"].asked != 0 {
					t.Errorf("orders %q", got)
				}
				if all := w.told(t); len(all) != 1 || all[0].state != "held" || all[0].detail != c.reason || !strings.Contains(all[0].sentence, c.reason) {
					t.Errorf("told %+v", all)
				}
			})
		})
	}
}

// An intent to seal needs a decision to seal as its ground, and no other.
func TestAnIntentThatIsNotItsGroundIsDropped(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys()}, func(t *testing.T, w *world) {
		detail, err := Ground{Decision: decision()}.Detail()
		if err != nil {
			t.Fatal(err)
		}
		intent := store.Intent{ID: "int-1", Cluster: "prod", Action: escalation.Disable, Created: time.Now(), Detail: detail}
		if err := w.store.Commit(t.Context(), store.Commit{At: time.Now(), Intents: []store.Intent{intent}}); err != nil {
			t.Fatal(err)
		}
		w.respond(t)
		if last := w.last(t); len(w.sent()) != 0 || last.state != "held" || last.detail != "the intent is to disable, its ground is a decision to seal" {
			t.Errorf("orders %q, told %+v", w.sent(), last)
		}
	})
}

func TestTheHaltFileStopsAPlanThatIsUnderWay(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys(), sentInVain()}, func(t *testing.T, w *world) {
		time.AfterFunc(time.Second, func() { w.change(func() { w.halted = true }) })
		w.want(t, "int-1", decision())
		begun := time.Now()
		w.respond(t)
		if got := w.sent(); !slices.Equal(got, []string{"001,002"}) {
			t.Errorf("orders %q", got)
		}
		if last := w.last(t); last.state != "partly" || last.detail != "the halt file exists" || !strings.Contains(last.sentence, "(the halt file exists)") {
			t.Errorf("%+v", last)
		}
		if took := time.Since(begun); took > 16*time.Second {
			t.Errorf("it ended after %s", took)
		}
	})
}

// After an outage a plan whose time is over ends with what its nodes say, and sends nothing more.
func TestAPlanThatIsResumedTooLateSendsNothing(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys()}, func(t *testing.T, w *world) {
		w.want(t, "int-1", decision())
		w.crash(t, 2) // behind BeginPlan
		time.Sleep(time.Hour)
		w.respond(t)
		if got := w.sent(); len(got) != 0 {
			t.Errorf("orders %q", got)
		}
		if last := w.last(t); last.state != "failed" || last.detail != "the plan's time is over" {
			t.Errorf("%+v", last)
		}
	})
}

// A plan that cannot be read, such as one of a later version, blocks its own cluster and no other.
func TestAPlanThatCannotBeReadHoldsUpNoOtherCluster(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys()}, func(t *testing.T, w *world) {
		ctx := t.Context()
		for i, detail := range []string{"not JSON", "{}"} {
			cluster := []string{"other", "third"}[i]
			intent := store.Intent{ID: "int-" + cluster, Cluster: cluster, Action: escalation.Seal, Created: time.Now(), Detail: "{}"}
			if err := w.store.Commit(ctx, store.Commit{Intents: []store.Intent{intent}}); err != nil {
				t.Fatal(err)
			}
			plan := store.Plan{ID: "plan-" + cluster, Intent: intent.ID, Cluster: cluster, Action: escalation.Disable, Started: time.Now(), Deadline: time.Now().Add(time.Minute), Detail: detail}
			if _, err := w.store.BeginPlan(ctx, plan, store.Budget{Max: 1}); err != nil {
				t.Fatal(err)
			}
		}
		w.want(t, "int-1", decision())
		w.respond(t)
		if got := w.states(t); got != "dispatched sealed" {
			t.Errorf("told %s", got)
		}
	})
}

func TestNodesThatShareAnAgentAreToldOnce(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys(), nil}, func(t *testing.T, w *world) {
		w.nodes["vault-2"].agent, w.config.Targets[0].Nodes[1].Agent = "001", "001"
		w.want(t, "int-1", decision())
		w.respond(t)
		if got := w.sent(); !slices.Equal(got, []string{"001"}) {
			t.Errorf("orders %q", got)
		}
	})
}

func TestRunWorksWhenWokenAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys()}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		r := New(w.config)
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		synctest.Wait() // it has looked, and found nothing
		w.want(t, "int-1", decision())
		r.Wake()
		r.Wake()
		time.Sleep(time.Second)
		if got := w.states(t); got != "dispatched sealed" {
			t.Errorf("told %s", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Without a word from anybody the ledger is looked at every few seconds.
func TestRunFindsAnIntentThatNobodyWokeItFor(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys()}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- New(w.config).Run(ctx) }()
		synctest.Wait()
		w.want(t, "int-1", decision())
		time.Sleep(idleLook + time.Second)
		cancel()
		<-ended
		if got := w.states(t); got != "dispatched sealed" {
			t.Errorf("told %s", got)
		}
	})
}

// A shutdown in the middle of a plan leaves it running; it is gone on with by whoever comes next.
func TestAShutdownLeavesThePlanToItsSuccessor(t *testing.T) {
	t.Parallel()
	in(t, []*agent{{delivery: "sent", obeys: true, after: 5 * time.Second}}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		w.want(t, "int-1", decision())
		ended := make(chan error)
		go func() { ended <- New(w.config).Run(ctx) }()
		time.Sleep(time.Second)
		cancel()
		begun := time.Now()
		if err := <-ended; err != nil || time.Since(begun) > time.Second {
			t.Errorf("ended with %v after %s", err, time.Since(begun))
		}
		if got := w.states(t); got != "dispatched" {
			t.Errorf("told %s", got)
		}
		w.respond(t)
		if got, orders := w.states(t), w.sent(); got != "dispatched sealed" || len(orders) != 1 {
			t.Errorf("told %s, orders %q", got, orders)
		}
	})
}

func TestAnAuthorityComesFromAnArmedDecisionOnly(t *testing.T) {
	t.Parallel()
	detailOf := func(change func(*escalation.Decision)) string {
		d := decision()
		change(&d)
		detail, err := Ground{Decision: d, Agent: event.Agent{ID: "001"}}.Detail()
		if err != nil {
			t.Fatal(err)
		}
		return detail
	}
	if a, err := ByArmedDecision(detailOf(func(*escalation.Decision) {})); err != nil || a.action != escalation.Seal || a.ordered != "rule article-exfiltration" {
		t.Errorf("%+v, %v", a, err)
	}
	for name, detail := range map[string]string{
		"not JSON": "seal", "empty": "", "no decision": "{}", "an unknown action": `{"decision":{"action":"destroy","wanted":"destroy"}}`,
		"held":         detailOf(func(d *escalation.Decision) { d.Held = []escalation.Held{{Guard: "halt"}} }),
		"lowered":      detailOf(func(d *escalation.Decision) { d.Action = escalation.Notify }),
		"raised":       detailOf(func(d *escalation.Decision) { d.Wanted = escalation.Watch }),
		"only told":    detailOf(func(d *escalation.Decision) { d.Action, d.Wanted = escalation.Notify, escalation.Notify }),
		"not built":    detailOf(func(d *escalation.Decision) { d.Action, d.Wanted = escalation.Revoke, escalation.Revoke }),
		"beyond seals": `{"decision":{"action":"unknown","wanted":"unknown"}}`,
	} {
		if a, err := ByArmedDecision(detail); err == nil || a.action != escalation.Record {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
