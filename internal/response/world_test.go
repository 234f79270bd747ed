package response

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"

	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/store"
	"custom-vault/internal/wazuhapi"
)

// agent is how the API and vault-seal behave for one agent.
type agent struct {
	delivery wazuhapi.Delivery
	reason   wazuhapi.Reason
	retry    bool
	obeys    bool          // vault-seal seals the agent's nodes
	after    time.Duration // which takes this long
	from     int           // and only from this order on; the ones before are refused, to be tried again
	orders   int
}

// Agents as the facts know them: what the API says, and what becomes of it.
func obeys() *agent { return &agent{delivery: wazuhapi.Sent, reason: wazuhapi.ReasonSent, obeys: true} }
func sentInVain() *agent {
	return &agent{delivery: wazuhapi.Sent, reason: wazuhapi.ReasonSent}
}
func notActive() *agent {
	return &agent{delivery: wazuhapi.Refused, reason: wazuhapi.ReasonAgentNotActive, retry: true}
}
func disabled() *agent {
	return &agent{delivery: wazuhapi.Refused, reason: wazuhapi.ReasonAgentDisabled}
}
func timedOut(delivered bool) *agent { // code 3021
	return &agent{delivery: wazuhapi.Unknown, reason: wazuhapi.ReasonTimeout, retry: true, obeys: delivered}
}

// node is a Vault node.
type node struct {
	agent  string
	sealed bool
	away   bool // cannot be asked
	hangs  bool // takes the question and never answers
	asked  int
}

// world is a cluster called prod with its agents, the API in front of them, and a store.
type world struct {
	store  *store.Store
	config Config

	mu     sync.Mutex
	nodes  map[string]*node
	agents map[string]*agent
	orders []string // the agents of each order, in one line
	halted bool
	haltOn error
	down   error // what the API as a whole answers
}

func (w *world) Sealed(ctx context.Context, cluster, name string) (bool, error) {
	w.mu.Lock()
	n := w.nodes[name]
	n.asked++
	sealed, away, hangs := n.sealed, n.away, n.hangs
	w.mu.Unlock()
	switch {
	case cluster != "prod":
		return false, fmt.Errorf("no cluster %q", cluster)
	case hangs:
		<-ctx.Done()
		return false, ctx.Err()
	case away:
		return false, errors.New("connection refused")
	}
	return sealed, ctx.Err()
}

func (w *world) ActiveResponse(ctx context.Context, agents wazuhapi.AgentIDs, order wazuhapi.Order) (wazuhapi.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if order.Command != "!vault-seal" || len(order.Arguments) != 1 || !strings.HasPrefix(order.Arguments[0], "plan=plan-") {
		return wazuhapi.Outcome{}, fmt.Errorf("%w: %+v", wazuhapi.ErrOrder, order)
	}
	w.orders = append(w.orders, agents.String())
	if err := errors.Join(w.down, ctx.Err()); err != nil {
		var out wazuhapi.Outcome
		for _, id := range strings.Split(agents.String(), ",") {
			out.Agents = append(out.Agents, wazuhapi.AgentOutcome{Agent: id, Delivery: wazuhapi.Refused, Reason: wazuhapi.ReasonUnreachable, Retry: true})
		}
		return out, err
	}
	var out wazuhapi.Outcome
	for _, id := range strings.Split(agents.String(), ",") {
		out.Agents = append(out.Agents, w.deliver(id))
	}
	return out, nil
}

func (w *world) deliver(id string) wazuhapi.AgentOutcome {
	a, ok := w.agents[id]
	if !ok {
		return wazuhapi.AgentOutcome{Agent: id, Delivery: wazuhapi.Refused, Reason: wazuhapi.ReasonAgentUnknown}
	}
	if a.orders++; a.orders < a.from {
		return wazuhapi.AgentOutcome{Agent: id, Delivery: wazuhapi.Refused, Reason: wazuhapi.ReasonAgentNoAnswer, Retry: true}
	}
	if a.obeys {
		time.AfterFunc(a.after, func() { w.seal(id) })
	}
	return wazuhapi.AgentOutcome{Agent: id, Delivery: a.delivery, Reason: a.reason, Retry: a.retry}
}

func (w *world) seal(agent string) {
	w.change(func() {
		for _, n := range w.nodes {
			if n.agent == agent {
				n.sealed = true
			}
		}
	})
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) sent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.orders)
}

// in runs a test in a bubble of its own, whose clock moves only when everybody waits. The cluster has as many nodes
// as agents are given: vault-1 with agent 001, and so on; a nil agent is none at all.
func in(t *testing.T, agents []*agent, f func(t *testing.T, w *world)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		w := &world{store: s, nodes: make(map[string]*node), agents: make(map[string]*agent)}
		log := logrus.New()
		log.SetOutput(io.Discard)
		target := Target{Name: "prod"}
		for i, a := range agents {
			id, name := fmt.Sprintf("%03d", i+1), fmt.Sprintf("vault-%d", i+1)
			if a != nil {
				w.agents[id] = a
			} else {
				id = ""
			}
			w.nodes[name] = &node{agent: id}
			target.Nodes = append(target.Nodes, TargetNode{Name: name, Agent: id})
		}
		w.config = Config{
			Ledger: s, API: w, Prober: w, Targets: []Target{target}, Command: "!vault-seal", SealsPerDay: 1,
			StaleAfter: 15 * time.Minute, Log: log,
			Halted: func() (bool, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.halted, w.haltOn
			},
		}
		f(t, w)
	})
}

// decision is one that nothing holds back.
func decision() escalation.Decision {
	return escalation.Decision{Action: escalation.Seal, Wanted: escalation.Seal, Rule: "article-exfiltration", Severity: 14}
}

func (w *world) want(t *testing.T, id string, d escalation.Decision) {
	t.Helper()
	ground := Ground{Decision: d, AlertID: "1.2", AlertKey: "key", Agent: event.Agent{ID: "001", Name: "vault-1"}, Subject: "entity:bob", Name: "bob", Incident: "inc-1"}
	detail, err := ground.Detail()
	if err != nil {
		t.Fatal(err)
	}
	intent := store.Intent{ID: id, Cluster: "prod", Action: escalation.Seal, Severity: d.Severity, Created: time.Now(), Detail: detail}
	if err := w.store.Commit(t.Context(), store.Commit{At: time.Now(), Intents: []store.Intent{intent}}); err != nil {
		t.Fatal(err)
	}
}

// respond works until nothing is left to do.
func (w *world) respond(t *testing.T) {
	t.Helper()
	r := New(w.config)
	for worked := true; worked; {
		var err error
		if worked, err = r.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// told are the states of the response events, each with what the event says about the nodes.
type told struct{ state, nodes, detail, sentence string }

func (w *world) told(t *testing.T) []told {
	t.Helper()
	rows, err := w.store.Due(t.Context(), time.Now(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var all []told
	for _, row := range rows {
		e := gjson.GetBytes(row.Body, "custom_vault")
		var nodes []string
		for _, n := range e.Get("response.nodes").Array() {
			nodes = append(nodes, n.String())
		}
		all = append(all, told{
			e.Get("response.state").String(), strings.Join(nodes, "; "), e.Get("response.detail").String(), e.Get("sentence").String(),
		})
	}
	return all
}

func (w *world) states(t *testing.T) string {
	t.Helper()
	var states []string
	for _, e := range w.told(t) {
		states = append(states, e.state)
	}
	return strings.Join(states, " ")
}

func (w *world) last(t *testing.T) told {
	t.Helper()
	all := w.told(t)
	if len(all) == 0 {
		t.Fatal("nothing was told")
	}
	return all[len(all)-1]
}
