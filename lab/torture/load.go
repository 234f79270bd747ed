package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"custom-vault/lab/manager"
	"custom-vault/lab/vault"
)

// load writes what agents send. They belong to no cluster, so that nothing they say is looked up or acted on; what is
// looked up and acted on is what happens at the real Vault.
type load struct {
	manager *manager.Manager
	rand    *rand.Rand
	rate    float64 // events a second, in the mean

	stopped sync.RWMutex // held for writing while no event may come
	sent    int
}

func (l *load) run(ctx context.Context) {
	for ctx.Err() == nil {
		n := 1
		switch l.rand.IntN(200) {
		case 0:
			n = 100 // more than one commit's worth at once
		case 1, 2, 3:
			n = 10
		}
		// The mean of n is 1.68.
		if !pause(ctx, time.Duration(l.rand.ExpFloat64()*1.68/l.rate*float64(time.Second))) {
			return
		}
		for range n {
			l.stopped.RLock()
			err := l.manager.Event(l.frame())
			l.stopped.RUnlock()
			if err != nil && !pause(ctx, 20*time.Millisecond) { // analysisd is away: this event never was
				return
			}
		}
	}
}

// still keeps the load from sending until the returned function is called.
func (l *load) still() (again func()) {
	l.stopped.Lock()
	return l.stopped.Unlock
}

func (l *load) frame() []byte {
	l.sent++
	agent := 2 + l.rand.IntN(4)
	return fmt.Appendf(nil, "1:[%03d] (web-%d) any->/var/log/vault_audit.log:[vault audit] %s\x00", agent, agent, l.record())
}

// texts are what attackers may put where they can.
var texts = []string{
	"plain", "", "a b", `back\slash`, "quote\"s", "new\nline", "tab\tbell\a", "100%s%n%d", "'; DROP TABLE alerts;--", "[1,2,3]", `{"a":1}`,
	"ünïcödé ☃ 𝄞", "\u202eright-to-left", "true", "0", "-1e999", "null", strings.Repeat("long ", 300),
}

func (l *load) text() string { return texts[l.rand.IntN(len(texts))] }

// record is an audit record. One in ten becomes an alert that is too long for integratord: only alerts.json has it.
func (l *load) record() []byte {
	id := fmt.Sprintf("%08x-%04x-4000-8000-%012x", l.rand.Uint32(), l.sent&0xffff, l.sent)
	operations := []string{"read", "read", "read", "list", "update", "create", "delete"}
	auth := map[string]any{
		"accessor": fmt.Sprintf("accessor%016x", l.rand.IntN(5000)), "display_name": "token-" + l.text(), "policies": []string{"default", l.text()},
		"token_type": "service", "metadata": map[string]string{"note": l.text()},
	}
	request := map[string]any{
		"id": id, "operation": operations[l.rand.IntN(len(operations))], "path": "secret/data/" + l.text(), "mount_type": "kv", "mount_point": "secret/",
		"remote_address": fmt.Sprintf("10.0.%d.%d", l.rand.IntN(256), l.rand.IntN(256)), "headers": map[string]any{"user-agent": []string{l.text()}},
	}
	record := map[string]any{"time": time.Now().UTC().Format(time.RFC3339Nano), "type": "request", "auth": auth, "request": request}
	switch l.rand.IntN(20) {
	case 0, 11:
		request["data"] = map[string]any{"value": strings.Repeat("x", 34_000+l.rand.IntN(15_000))}
	case 1, 2, 3, 4:
		record["type"], record["error"] = "response", "1 error occurred:\n\t* permission denied\n\n"
	case 5, 6, 7, 8, 9, 10:
		record["type"] = "response"
	}
	text, err := json.Marshal(record)
	if err != nil {
		panic(err) // strings and maps of them
	}
	return text
}

// Of the user who does at the real Vault what the published rules answer with a seal.
const (
	thief    = "mallory"
	password = "torture-1234"
	reads    = 10
)

// thefts lets a user read a secret ten times, waits until Vault is sealed, and unseals it as an operator would once
// the manager's side has said that it is done, and the agent's, too: vault-seal seals again what it does not find sealed.
type thefts struct {
	vault   *vault.Server
	bus     *bus
	ledger  *ledger
	reports string        // vault-seal's
	every   time.Duration // at most one theft in this time: the product seals so often a day and no more
	stopped sync.RWMutex

	began, sealed, unanswered int
}

func (t *thefts) prepare(ctx context.Context, policy string) error {
	return t.vault.Root().CreateUser(ctx, thief, password, policy)
}

func (t *thefts) run(ctx context.Context, mount, secret string) error {
	for ctx.Err() == nil {
		begin := time.Now()
		if err := t.once(ctx, mount, secret); err != nil && ctx.Err() == nil {
			return err
		}
		pause(ctx, t.every-time.Since(begin))
	}
	return nil
}

// How long a theft waits for the seal, and then for the product's word. A theft may go unanswered: while analysisd is
// away, nobody hears of it.
const (
	sealTime = 8 * time.Second
	wordTime = 20 * time.Second
)

func (t *thefts) once(ctx context.Context, mount, secret string) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	ended := t.ledger.ended()
	before, err := t.reported()
	if err != nil {
		return err
	}
	t.stopped.RLock()
	err = t.steal(ctx, mount, secret)
	t.stopped.RUnlock()
	if err != nil {
		if status, serr := t.vault.SealStatus(ctx); serr == nil && status.Sealed {
			return nil // an earlier theft was answered just now
		}
		return err
	}
	t.began++
	waiting, cancel := context.WithTimeout(ctx, sealTime)
	defer cancel()
	if _, _, err := t.vault.WaitSealed(waiting); err != nil {
		if ctx.Err() == nil {
			t.unanswered++
		}
		return nil
	}
	t.sealed++
	word, cancelWord := context.WithTimeout(ctx, wordTime)
	defer cancelWord()
	// The operator waits for the product's word: whoever unseals while a plan runs, unseals for nothing.
	for {
		if reported, err := t.reported(); err != nil || reported > before && t.ledger.ended() > ended {
			return err
		}
		told, forget := t.bus.once(topicResponse, 0)
		select {
		case <-told:
		case <-time.After(50 * time.Millisecond):
		case <-word.Done():
			forget()
			return nil
		}
		forget()
	}
}

// reported counts what vault-seal says that it has sealed.
func (t *thefts) reported() (int, error) {
	counts, err := successes(t.reports)
	return sum(counts), err
}

func (t *thefts) steal(ctx context.Context, mount, secret string) error {
	auth, err := t.vault.Root().Login(ctx, thief, password)
	if err != nil {
		return err
	}
	client := t.vault.Client(auth.ClientToken)
	for range reads {
		if _, _, err := client.ReadSecret(ctx, mount, secret); err != nil {
			return err
		}
	}
	return nil
}

// open unseals.
func (t *thefts) open(ctx context.Context) error {
	if err := t.vault.Unseal(ctx); err != nil {
		return err
	}
	return t.vault.WaitActive(ctx)
}
