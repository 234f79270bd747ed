package sealing

import (
	"context"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"custom-vault/internal/vaultclient"

	"github.com/hashicorp/vault/api"
)

// scripted is a node whose answers depend on the time since its start and on how often it was told to seal. Its clock
// is that of the test's bubble, so that twenty seconds pass at once.
type scripted struct {
	start       time.Time
	sealed      func(since time.Duration, told int) bool
	answer      func(since time.Duration, told int) error
	statusFails func(since time.Duration) error
	asked, told int
}

func (s *scripted) SealStatus(context.Context) (vaultclient.SealStatus, error) {
	s.asked++
	if s.statusFails != nil {
		if err := s.statusFails(time.Since(s.start)); err != nil {
			return vaultclient.SealStatus{}, err
		}
	}
	return vaultclient.SealStatus{Initialized: true, Sealed: s.sealed(time.Since(s.start), s.told)}, nil
}

func (s *scripted) Seal(context.Context) error {
	s.told++
	if s.answer == nil {
		return nil
	}
	return s.answer(time.Since(s.start), s.told)
}

func standbyAnswer() error {
	return &api.ResponseError{StatusCode: 500, Errors: []string{"vault cannot seal when in standby mode; please restart instead"}}
}

func never(time.Duration, int) bool              { return false }
func afterBeingTold(_ time.Duration, n int) bool { return n > 0 }

// within runs sealOne for 20 s of the bubble's time.
func within(t *testing.T, node *scripted, check func(Outcome, time.Duration)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		node.start = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		outcome := sealOne(ctx, node)
		check(outcome, time.Since(node.start))
	})
}

func wantState(t *testing.T, got Outcome, state State, reason string) {
	t.Helper()
	if got.State != state || !strings.Contains(got.Reason, reason) {
		t.Errorf("outcome %q, reason %q; want %q with %q", got.State, got.Reason, state, reason)
	}
}

func TestASealIsAskedForOnceAndProvedAtOnce(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: afterBeingTold}
	within(t, node, func(o Outcome, took time.Duration) {
		wantState(t, o, Sealed, "")
		if took != 0 || node.told != 1 || node.asked != 2 {
			t.Errorf("%d requests to seal, %d questions, %s; want 1, 2, no waiting", node.told, node.asked, took)
		}
	})
}

func TestASealThatTakesTimeIsWaitedForWithoutAskingAgain(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: func(since time.Duration, told int) bool { return told > 0 && since >= 700*time.Millisecond }}
	within(t, node, func(o Outcome, took time.Duration) {
		wantState(t, o, Sealed, "")
		if node.told != 1 || took > 750*time.Millisecond {
			t.Errorf("%d requests to seal, %s", node.told, took)
		}
	})
}

func TestAStandbyIsSealedTheMomentItLeads(t *testing.T) {
	t.Parallel()
	const leadsAt = 17 * time.Second // a crash election's time
	node := &scripted{}
	taken := false
	node.sealed = func(time.Duration, int) bool { return taken }
	node.answer = func(since time.Duration, _ int) error {
		if since < leadsAt {
			return standbyAnswer()
		}
		taken = true
		return nil
	}
	within(t, node, func(o Outcome, took time.Duration) {
		wantState(t, o, Sealed, "")
		if took > leadsAt+tellEvery {
			t.Errorf("sealed after %s", took)
		}
		if most := int(leadsAt/tellEvery) + 2; node.told > most {
			t.Errorf("told %d times, at most %d would do", node.told, most)
		}
	})
}

func TestAStandbyThatStaysOne(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: never, answer: func(time.Duration, int) error { return standbyAnswer() }}
	within(t, node, func(o Outcome, took time.Duration) {
		wantState(t, o, NotSealed, "standby")
		if took != 20*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestAnAcceptedRequestWithoutEffectIsRepeatedSlowly(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: never}
	within(t, node, func(o Outcome, _ time.Duration) {
		wantState(t, o, NotSealed, "goes on saying")
		if node.told < 15 || node.told > 21 {
			t.Errorf("told %d times in 20 s, once a second is wanted", node.told)
		}
	})
}

func TestARefusalThatNothingChangesEndsAtOnce(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: never, answer: func(time.Duration, int) error {
		return &api.ResponseError{StatusCode: 403, Errors: []string{"2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"}}
	}}
	within(t, node, func(o Outcome, took time.Duration) {
		wantState(t, o, NotSealed, "token is not valid")
		if took != 0 || node.told != 1 {
			t.Errorf("told %d times, %s", node.told, took)
		}
	})
}

func TestSomebodyElseSealsItWhileWeAreRefused(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: afterBeingTold, answer: func(time.Duration, int) error {
		return &api.ResponseError{StatusCode: 403, Errors: []string{"permission denied"}}
	}}
	within(t, node, func(o Outcome, _ time.Duration) { wantState(t, o, AlreadySealed, "") })
}

func TestAnAnswerThatWasLostIsNotAFailure(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: afterBeingTold, answer: func(time.Duration, int) error {
		return &url.Error{Op: "Put", URL: "x", Err: context.DeadlineExceeded}
	}}
	within(t, node, func(o Outcome, _ time.Duration) { wantState(t, o, Sealed, "") })
}

func TestANodeThatComesBackSealedWasNotSealedByUs(t *testing.T) {
	t.Parallel()
	refused := &url.Error{Op: "Put", URL: "x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	node := &scripted{
		sealed: func(time.Duration, int) bool { return true },
		answer: func(time.Duration, int) error { return refused },
		statusFails: func(since time.Duration) error {
			if since < 3*time.Second {
				return refused
			}
			return nil
		},
	}
	within(t, node, func(o Outcome, _ time.Duration) { wantState(t, o, AlreadySealed, "") })
}

func TestANodeThatDoesNotTellItsStateIsToldAllTheSame(t *testing.T) {
	t.Parallel()
	node := &scripted{sealed: afterBeingTold, statusFails: func(since time.Duration) error {
		if since < 3*time.Second {
			return &api.ResponseError{StatusCode: 502, Errors: []string{"bad gateway"}}
		}
		return nil
	}}
	within(t, node, func(o Outcome, _ time.Duration) { wantState(t, o, Sealed, "") })

	node = &scripted{statusFails: func(time.Duration) error {
		return &api.ResponseError{StatusCode: 502, Errors: []string{"bad gateway"}}
	}}
	within(t, node, func(o Outcome, _ time.Duration) {
		wantState(t, o, NotSealed, "not known")
		if node.told == 0 {
			t.Error("it was never told to seal")
		}
	})
}

func TestASignalEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		node := &scripted{start: time.Now(), sealed: never}
		wantState(t, sealOne(ctx, node), NotSealed, "stopped by a signal")
		if took := time.Since(node.start); took != 3*time.Second {
			t.Errorf("ended after %s", took)
		}
	})
}

// slow is a node whose every answer takes its time, and is cut off by the end of ours.
type slow struct{ scripted }

func (s *slow) SealStatus(ctx context.Context) (vaultclient.SealStatus, error) {
	select {
	case <-ctx.Done():
		return vaultclient.SealStatus{}, ctx.Err()
	case <-time.After(300 * time.Millisecond):
		return s.scripted.SealStatus(ctx)
	}
}

func TestTheLastQuestionIsCutOffAndNothingForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second-time.Millisecond)
		defer cancel()
		wantState(t, sealOne(ctx, &slow{scripted{start: time.Now(), sealed: never}}), NotSealed, "goes on saying")
	})
}
