package sealing

import (
	"context"
	"errors"
	"net"
	"time"

	"custom-vault/internal/vaultclient"
)

// The pace at which a node is asked, and told again, while it is not sealed.
const (
	askEvery  = 50 * time.Millisecond
	tellEvery = 200 * time.Millisecond // a refusal may pass: a standby becomes the leader, a disk gets room again
	// trustFor is how long an accepted request is given to show its effect before it is repeated.
	trustFor = time.Second
)

// vault is one node. *vaultclient.Client is the one that is not a test's.
type vault interface {
	SealStatus(context.Context) (vaultclient.SealStatus, error)
	Seal(context.Context) error
}

// attempt is what is known while one node is being sealed.
type attempt struct {
	node     vault
	told     bool      // a request may have had an effect
	tellNext time.Time // not before it the node is told again
	refused  error     // how the last request failed
	asked    bool      // a question was answered, or failed while there was time
	unknown  error     // why the node's state is not known, if it is not
}

// sealOne asks the node whether it is sealed, tells it to seal, and asks again, until it says that it is sealed, gives
// a reason that no repetition changes, or ctx ends. It tells the node also when its state cannot be asked: a Vault
// that might be sealed by it should not stay open because a question went unanswered.
func sealOne(ctx context.Context, node vault) Outcome {
	a := attempt{node: node}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return a.unfinished(ctx)
		case <-pause.C:
		}
		if outcome, done := a.ask(ctx); done {
			return outcome
		}
		if !time.Now().Before(a.tellNext) {
			if final := a.tell(ctx); final {
				return a.last(ctx)
			}
			pause.Reset(0) // whether it had an effect is the next question, at once
			continue
		}
		pause.Reset(askEvery)
	}
}

// ask takes the node's own word. It is the only way to success.
func (a *attempt) ask(ctx context.Context) (Outcome, bool) {
	status, err := a.node.SealStatus(ctx)
	switch {
	case err == nil && status.Sealed && a.told:
		return Outcome{State: Sealed}, true
	case err == nil && status.Sealed:
		return alreadySealed(status), true
	case err == nil:
		a.asked, a.unknown = true, nil
	case hopeless(err):
		return Outcome{State: NotSealed, Reason: explain(err)}, true
	case ctx.Err() == nil || !a.asked:
		a.asked, a.unknown = true, err // but a question that our own end cut off takes away no knowledge
	}
	return Outcome{}, false
}

// tell asks the node to seal itself and reports whether there is no point in doing it again. What Vault answers
// proves nothing: 204 comes from a sealed node for any token, and a cut connection may follow a seal that was done.
func (a *attempt) tell(ctx context.Context) bool {
	err := a.node.Seal(ctx)
	cutOff := ctx.Err() != nil && (a.told || a.refused != nil)
	a.tellNext = time.Now().Add(tellEvery)
	switch vaultclient.Classify(err) {
	case vaultclient.None:
		a.told, a.refused = true, nil
		a.tellNext = time.Now().Add(trustFor)
		return false
	case vaultclient.Timeout, vaultclient.Unreachable, vaultclient.BadAnswer, vaultclient.Canceled:
		a.told = a.told || arrived(err)
	}
	if !cutOff {
		a.refused = err
	}
	return hopeless(err)
}

// arrived reports whether a request that got no answer may have reached the node: not without a connection.
func arrived(err error) bool {
	var operation *net.OpError
	return !errors.As(err, &operation) || operation.Op != "dial"
}

// last asks once more after a refusal that no repetition changes: somebody else may have sealed the node meanwhile.
func (a *attempt) last(ctx context.Context) Outcome {
	if outcome, done := a.ask(ctx); done {
		return outcome
	}
	return Outcome{State: NotSealed, Reason: explain(a.refused)}
}

// unfinished is the outcome when ctx has ended.
func (a *attempt) unfinished(ctx context.Context) Outcome {
	end := "stopped by a signal"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		end = "gave up as its time was over"
	}
	reason := "it could not be asked"
	switch {
	case a.unknown != nil:
		reason = "whether it is sealed is not known: " + explain(a.unknown)
	case a.refused != nil:
		reason = explain(a.refused)
	case a.told:
		reason = "it accepted the request and goes on saying that it is not sealed: seal it by hand, or stop it"
	}
	return Outcome{State: NotSealed, Reason: end + ": " + reason}
}

func alreadySealed(status vaultclient.SealStatus) Outcome {
	if !status.Initialized {
		return Outcome{State: AlreadySealed, Reason: "it is not initialised"}
	}
	return Outcome{State: AlreadySealed}
}
