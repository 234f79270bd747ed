package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// script is a Source that gives its batches and then waits, or fails.
type script struct {
	batches []Batch
	err     error
	empty   chan struct{} // closed when all batches were taken
}

func (s *script) Next(ctx context.Context) (Batch, error) {
	if len(s.batches) > 0 {
		batch := s.batches[0]
		s.batches = s.batches[1:]
		return batch, nil
	}
	if s.err != nil {
		return Batch{}, s.err
	}
	close(s.empty)
	<-ctx.Done()
	return Batch{}, ctx.Err()
}

func scriptOf(source string, batches ...[]string) *script {
	s := &script{empty: make(chan struct{})}
	for i, texts := range batches {
		s.batches = append(s.batches, Batch{Source: source, Bookmark: source + string(rune('1'+i)), Lines: linesOf(texts...)})
	}
	return s
}

// running is Run in a goroutine of its own.
func running(t *testing.T, w *world, sources ...Source) (stop func(), ended chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- w.Run(ctx, sources...) }()
	return cancel, ended
}

// patience bounds what a test waits for; a busy machine takes long.
const patience = time.Minute

func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s not within %s", what, patience)
		panic("unreachable")
	}
}

func TestRunHandlesAllSourcesAndEndsAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := newWorld(t)
	defer w.store.Close()
	lines := bobsLines(t)
	alerts, journal := scriptOf("alerts", lines[:9], lines[9:]), scriptOf("journal", lines)
	stop, ended := running(t, w, alerts, journal)
	await(t, alerts.empty, "the end of alerts.json")
	await(t, journal.empty, "the end of the journal")
	stop()
	if err := await(t, ended, "the end of Run"); err != nil {
		t.Error(err)
	}
	if got := w.intents(t); len(got) != 1 {
		t.Errorf("intents %v", got)
	}
}

func TestRunEndsWhenASourceFails(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := newWorld(t)
	defer w.store.Close()
	broken := scriptOf("alerts", []string{lineOf("1", "100611", 3, "bob")})
	broken.err = errors.New("the file system is gone")
	_, ended := running(t, w, broken, scriptOf("journal"))
	if err := await(t, ended, "the end of Run"); !errors.Is(err, broken.err) {
		t.Errorf("error %v", err)
	}
}

func TestRunEndsWhileAStoreKeepsFailing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := newWorld(t)
	defer w.store.Close()
	w.store.commits = 1 << 30
	tried := make(chan struct{}, 1)
	w.Pipeline.deps.Store = signalling{w.store, tried}
	stop, ended := running(t, w, scriptOf("alerts", []string{lineOf("1", "100617", 14, "bob")}))
	await(t, tried, "a commit")
	stop()
	if err := await(t, ended, "the end of Run"); err != nil {
		t.Error(err)
	}
	if got := len(w.outbox(t)) + len(w.intents(t)); got != 0 {
		t.Errorf("%d things were kept", got)
	}
	if mark, ok, err := w.store.Bookmark(t.Context(), "alerts"); ok || err != nil {
		t.Errorf("the bookmark moved: %q, %v", mark, err)
	}
}
