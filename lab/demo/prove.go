package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"custom-vault/lab/site"
	"custom-vault/lab/story"
	"custom-vault/lab/vault"
)

// handOverTime is more than integratord, which looks each second and starts the hook for one alert after the other, needs.
const handOverTime = 2 * time.Minute

// proveHandOver looks for the exfiltration alert in the hook's journal, byte for byte. Its event proves nothing of the
// hook: the daemon reads alerts.json too, and has it from there first.
func (s *stage) proveHandOver(ctx context.Context, tell *teller, watch *watcher) error {
	watch.mu.Lock()
	line := watch.tripped
	watch.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	for {
		files, err := filepath.Glob(filepath.Join(s.Journal(), "*.jsonl"))
		if err != nil {
			return err
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("read the hook's journal: %w", err)
			}
			if strings.Contains("\n"+string(text), "\n"+line) {
				tell.tell(KindAlert, "the hook handed it over: %s has the alert, byte for byte", filepath.Base(name))
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the hook did not hand over the alert of rule %s (journal %s): what it said is in %s", exfiltration, s.Journal(), s.Manager.LogFile())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// proveSealed asks Vault itself, and looks for who asked it to seal.
func (s *stage) proveSealed(ctx context.Context, tell *teller, told story.Timeline) error {
	after, err := s.sealStatus(ctx)
	if err != nil {
		return err
	}
	tell.change(func(t *Timeline) { t.SealStatus.After = after })
	if !sealed(after) {
		return errors.New("vault says that it is not sealed")
	}
	records, err := vault.ReadAudit(s.Story.AuditFile)
	if err != nil {
		return err
	}
	seals := 0
	for _, record := range records {
		if record.Request.Path != "sys/seal" {
			continue
		}
		seals++
		if record.Auth.Accessor != s.Story.Seal.Accessor {
			return fmt.Errorf("the audit log has sys/seal under accessor %q, the sealer's is %q", record.Auth.Accessor, s.Story.Seal.Accessor)
		}
	}
	if seals != 1 {
		return fmt.Errorf("the audit log has %d records of sys/seal, one was expected", seals)
	}
	if orders := s.orders(); len(orders) != 1 || !strings.HasSuffix(orders[0], "agents_list="+site.Agent) {
		return fmt.Errorf("the API was asked for active responses by %q, expected one to agent %s", orders, site.Agent)
	}
	tell.tell(KindSeal, "the audit log has one sys/seal, under the sealer's accessor; the API has one order, to agent %s", site.Agent)
	return s.checkEvent(tell, told, "seal")
}

// proveNothingWasDone watches a while for what must not come.
func (s *stage) proveNothingWasDone(ctx context.Context, tell *teller, told story.Timeline) error {
	select {
	case <-time.After(quiet):
	case <-ctx.Done():
		return ctx.Err()
	}
	if orders := s.orders(); len(orders) > 0 {
		return fmt.Errorf("nothing is armed, yet the API was asked for active responses: %q", orders)
	}
	after, err := s.sealStatus(ctx)
	if err != nil {
		return err
	}
	tell.change(func(t *Timeline) { t.SealStatus.After = after })
	if sealed(after) {
		return errors.New("nothing is armed, yet vault is sealed")
	}
	tell.tell(KindSeal, "vault says: sealed false; no request for an active response reached the API")
	return s.checkEvent(tell, told, "notify")
}

// orders are the requests for active responses that reached the API.
func (s *stage) orders() []string {
	var orders []string
	for _, request := range s.Manager.API().Requests() {
		if request.Method == http.MethodPut && strings.HasPrefix(request.Path, "/active-response") {
			orders = append(orders, request.Method+" "+request.Path)
		}
	}
	return orders
}

// checkEvent holds what the product said to what really happened.
func (s *stage) checkEvent(tell *teller, told story.Timeline, action string) error {
	var problems []error
	tell.change(func(t *Timeline) {
		for _, check := range []struct{ what, got, want string }{
			{"the decision's action", t.Decision.Action, action},
			{"the decision's wanted action", t.Decision.Wanted, "seal"},
			{"the identity's entity", t.Identity.Entity, told.EntityID},
			{"the identity's accessor", t.Identity.Accessor, told.Accessor},
			{"the identity's name", t.Identity.Name, story.User},
			{"the identity's confidence", t.Identity.Confidence, "confirmed"},
			{"the identity's policies", sorted(t.Identity.Policies), sorted(told.Policies)},
		} {
			if check.got != check.want {
				problems = append(problems, fmt.Errorf("%s: the enriched event says %q, it really is %q", check.what, check.got, check.want))
			}
		}
		if t.Alerts[exfiltration] == 0 {
			problems = append(problems, errors.New("there is no alert of rule "+exfiltration))
		}
	})
	return errors.Join(problems...)
}

func sorted(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(list, ",")
}
