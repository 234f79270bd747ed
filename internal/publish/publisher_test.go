package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a socket that notes what is sent and when, and refuses as told.
type wire struct {
	mu      sync.Mutex
	sent    []string
	at      []time.Time
	refuse  Refusal // what Send says; Ready too unless it is about the datagram or the queue
	after   int     // how many datagrams are taken before refuse counts
	onSend  func(n int)
	readies int
}

func (w *wire) Ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.readies++
	if w.refuse != "" && w.refuse != RefusalFull && w.refuse != RefusalTooLong && w.after == 0 {
		return &SendError{Path: "queue", Refusal: w.refuse, Err: syscall.ECONNREFUSED}
	}
	return nil
}

func (w *wire) Send(frame []byte) error {
	w.mu.Lock()
	if w.refuse != "" && w.after == 0 {
		defer w.mu.Unlock()
		return &SendError{Path: "queue", Refusal: w.refuse, Err: syscall.EAGAIN}
	}
	w.after = max(0, w.after-1)
	w.sent, w.at = append(w.sent, string(frame)), append(w.at, time.Now())
	n, onSend := len(w.sent), w.onSend
	w.mu.Unlock()
	if onSend != nil {
		onSend(n)
	}
	return nil
}

func (w *wire) Close() error { return nil }

func (w *wire) set(refuse Refusal, after int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse, w.after = refuse, after
}

func (w *wire) times() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.at)
}

func (w *wire) tries() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readies
}

func (w *wire) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

// running starts a Publisher and returns how to end it and wait for its end.
func running(t *testing.T, cfg Config, outbox Outbox, socket sender) (*Publisher, func()) {
	t.Helper()
	p, err := newPublisher(cfg, outbox, socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return p, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func datagrams(ids []string) []string {
	var list []string
	for _, id := range ids {
		list = append(list, datagram(id))
	}
	return list
}

func wantStates(t *testing.T, m *memory, want map[string]int) {
	t.Helper()
	if got := m.states(); !maps.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
}

func TestEverythingIsSentOnceInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w, counters := newMemory(t), &wire{}, NewCounters()
		ids := m.add(173)
		_, stop := running(t, Config{Observer: counters}, m, w)
		time.Sleep(time.Second)
		stop()
		if got := w.all(); !slices.Equal(got, datagrams(ids)) {
			t.Errorf("%d datagrams for %d events, or in another order", len(got), len(ids))
		}
		wantStates(t, m, map[string]int{"sent": 173})
		if c := counters.Counts(); c.Sent != 173 || c.Again != 0 || c.Away != "" || c.LastSent.IsZero() {
			t.Errorf("counts %+v", c)
		}
		if n := m.writesSoFar(); n != 4 { // batches of 50
			t.Errorf("%d transactions", n)
		}
	})
}

func TestARowIsMarkedBeforeItsDatagramLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(t), &wire{}
		ids := m.add(60)
		w.onSend = func(n int) {
			m.edit(ids[n-1], func(r *memoryRow) {
				if r.state != "sent" || r.Attempts != 1 || r.due.Sub(r.sent) != DefaultSeenWithin {
					t.Errorf("datagram %d left while its row is %s, due again %s later", n, r.state, r.due.Sub(r.sent))
				}
			})
		}
		_, stop := running(t, Config{}, m, w)
		time.Sleep(time.Second)
		stop()
		wantStates(t, m, map[string]int{"sent": 60})
	})
}

func TestFlushSendsWhatIsDueAndReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(t), &wire{}
		ids := m.add(120)
		p, err := newPublisher(Config{}, m, w)
		if err != nil {
			t.Fatal(err)
		}
		w.set(RefusalDown, 60)
		if r := refusal(t, p.Flush(t.Context())); r != RefusalDown {
			t.Errorf("refused with %q", r)
		}
		wantStates(t, m, map[string]int{"sent": 60, "pending": 60})
		w.set("", 0)
		if err := p.Flush(t.Context()); err != nil {
			t.Errorf("Flush: %v", err)
		}
		if got := w.all(); !slices.Equal(got, datagrams(ids)) {
			t.Errorf("%d datagrams for %d events, or in another order", len(got), len(ids))
		}
	})
}

func TestThePaceIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(t), &wire{}
		m.add(5000)
		_, stop := running(t, Config{PerSecond: 1000}, m, w)
		time.Sleep(6 * time.Second)
		stop()
		at := w.times()
		if len(at) != 5000 {
			t.Fatalf("%d datagrams", len(at))
		}
		if d := at[4999].Sub(at[0]); d < 4990*time.Millisecond || d > 5001*time.Millisecond {
			t.Errorf("5000 datagrams at 1000/s took %s", d)
		}
		for _, span := range []int{11, 51, 1001} {
			for i := span - 1; i < len(at); i++ {
				// span datagrams are at least span-burst intervals apart.
				if d := at[i].Sub(at[i-span+1]); d < time.Duration(span-burst)*time.Millisecond {
					t.Fatalf("datagrams %d to %d within %s", i-span+1, i, d)
				}
			}
		}
	})
}

func TestWakeIsHeardAtOnceAndPollAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(t), &wire{}
		p, stop := running(t, Config{Poll: 3 * time.Second}, m, w)
		defer stop()
		synctest.Wait()
		start := time.Now()
		m.add(1)
		p.Wake()
		p.Wake()
		synctest.Wait()
		if len(w.all()) != 1 || time.Since(start) != 0 {
			t.Errorf("%d datagrams after %s", len(w.all()), time.Since(start))
		}
		m.add(1) // and nobody calls Wake
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		if len(w.all()) != 2 {
			t.Errorf("%d datagrams after a poll", len(w.all()))
		}
	})
}

func TestWhatIsNotSeenIsSentAgainAndThenGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w, counters := newMemory(t), &wire{}, NewCounters()
		ids := m.add(2)
		_, stop := running(t, Config{Observer: counters}, m, w)
		defer stop()
		time.Sleep(59 * time.Second)
		if n := len(w.all()); n != 2 {
			t.Fatalf("%d datagrams in the first 59 s", n)
		}
		m.see(ids[0])
		time.Sleep(6 * time.Minute)
		want := append(datagrams(ids), slices.Repeat([]string{datagram(ids[1])}, 4)...)
		if got := w.all(); !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
		at := w.times()
		for i := 3; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d < DefaultSeenWithin || d > DefaultSeenWithin+2*DefaultPoll {
				t.Errorf("datagram %d came %s after the one before", i, d)
			}
		}
		wantStates(t, m, map[string]int{"seen": 1, "fault": 1})
		if c := counters.Counts(); c.Sent != 6 || c.Again != 4 || c.Faults[FaultUnseen] != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestARowInDoubtAfterACrashWaitsForItsEcho(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(t), &wire{}
		ids := m.add(2)
		// What a crash between MarkSent and the datagrams, or right behind them, leaves.
		if err := m.MarkSent(t.Context(), ids, time.Now(), time.Now().Add(DefaultSeenWithin)); err != nil {
			t.Fatal(err)
		}
		_, stop := running(t, Config{}, m, w)
		defer stop()
		time.Sleep(30 * time.Second)
		m.see(ids[0]) // this one had left
		time.Sleep(29 * time.Second)
		if n := len(w.all()); n != 0 {
			t.Errorf("%d datagrams while in doubt", n)
		}
		time.Sleep(3 * time.Second)
		if got := w.all(); !slices.Equal(got, datagrams(ids[1:])) {
			t.Errorf("sent %q, want only %s", got, ids[1])
		}
	})
}

func TestWhileTheSocketIsAwayNothingIsLostReorderedOrWritten(t *testing.T) {
	t.Parallel()
	for _, refusal := range Refusals() {
		if !refusal.Retryable() {
			continue
		}
		t.Run(string(refusal), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, w, counters := newMemory(t), &wire{}, NewCounters()
				ids := m.add(120)
				w.set(refusal, 70) // goes away in the middle of the second batch
				p, stop := running(t, Config{Observer: counters}, m, w)
				defer stop()
				time.Sleep(time.Second)
				if n := len(w.all()); n != 70 {
					t.Fatalf("%d datagrams before it went away", n)
				}
				wantStates(t, m, map[string]int{"sent": 70, "pending": 50})
				if c := counters.Counts(); c.Away != refusal || c.Refusals[refusal] == 0 {
					t.Errorf("counts %+v", c)
				}
				writes := m.writesSoFar()
				before := w.tries()
				for range 600 {
					p.Wake()
					time.Sleep(100 * time.Millisecond)
				}
				tries := w.tries() - before
				if tries < 11 || tries > 14 { // one each 5 s
					t.Errorf("%d tries in a minute", tries)
				}
				if refusal != RefusalFull && m.writesSoFar() != writes {
					t.Errorf("the outbox was written %d times meanwhile", m.writesSoFar()-writes)
				}
				for _, id := range ids[:70] {
					m.see(id)
				}
				w.set("", 0)
				time.Sleep(6 * time.Second)
				if got := w.all(); !slices.Equal(got, datagrams(ids)) {
					t.Errorf("%d datagrams for %d events, or in another order", len(got), len(ids))
				}
				for _, id := range ids {
					m.edit(id, func(r *memoryRow) {
						if r.Attempts != 1 {
							t.Errorf("%s counts %d attempts", id, r.Attempts)
						}
					})
				}
				if c := counters.Counts(); c.Away != "" {
					t.Errorf("still away: %+v", c)
				}
			})
		})
	}
}

func TestRowsThatCanNeverBeSentAreFaultsAndHoldNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w, counters := newMemory(t), &wire{}, NewCounters()
		ids := m.add(6)
		m.edit(ids[0], func(r *memoryRow) { r.Body = []byte("{") })
		m.edit(ids[1], func(r *memoryRow) { r.Body = make([]byte, MaxFrame+1) })
		m.edit(ids[3], func(r *memoryRow) { r.Agent.ID = "001] (x" })
		m.edit(ids[4], func(r *memoryRow) { r.Attempts = DefaultMaxSends })
		_, stop := running(t, Config{Observer: counters}, m, w)
		time.Sleep(time.Second)
		stop()
		if got, want := w.all(), datagrams([]string{ids[2], ids[5]}); !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
		for i, want := range map[int]Fault{0: FaultBody, 1: FaultTooLong, 2: "", 3: FaultAgent, 4: FaultUnseen, 5: ""} {
			if got := m.rows[i].fault; got != want {
				t.Errorf("row %d: fault %q, want %q", i, got, want)
			}
		}
		if c := counters.Counts(); c.Faults[FaultBody] != 1 || c.Faults[FaultTooLong] != 1 || c.Faults[FaultAgent] != 1 || c.Faults[FaultUnseen] != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestADatagramOverTheSendBufferIsAFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(t), &wire{}
		m.add(3)
		w.set(RefusalTooLong, 2)
		_, stop := running(t, Config{}, m, w)
		time.Sleep(time.Second)
		stop()
		wantStates(t, m, map[string]int{"sent": 2, "fault": 1})
	})
}

func TestFailuresOfTheOutboxAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Due", "MarkSent", "MarkFault"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, w, counters := newMemory(t), &wire{}, NewCounters()
				ids := m.add(3)
				m.edit(ids[0], func(r *memoryRow) { r.Body = nil })
				m.fails[method] = 3
				_, stop := running(t, Config{Observer: counters}, m, w)
				time.Sleep(5 * time.Second)
				stop()
				if got := w.all(); !slices.Equal(got, datagrams(ids[1:])) {
					t.Errorf("sent %q", got)
				}
				if c := counters.Counts(); c.OutboxFailures != 3 || c.Away != "" {
					t.Errorf("counts %+v", c)
				}
			})
		})
	}
}

func TestWhatCannotBeMarkedUnsentIsSentLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w, counters := newMemory(t), &wire{}, NewCounters()
		ids := m.add(2)
		w.set(RefusalFull, 1)
		m.fails["MarkUnsent"] = 1
		_, stop := running(t, Config{Observer: counters}, m, w)
		defer stop()
		time.Sleep(10 * time.Second)
		w.set("", 0)
		m.see(ids[0])
		time.Sleep(time.Minute)
		if got := w.all(); !slices.Equal(got, datagrams(ids)) {
			t.Errorf("sent %q", got)
		}
		if c := counters.Counts(); c.OutboxFailures != 1 {
			t.Errorf("counts %+v", c)
		}
	})
}

func TestStoppingFinishesTheDatagramInHandAndGivesTheRestBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, w := newMemory(t), &wire{}
		ids := m.add(40)
		ctx, cancel := context.WithCancel(t.Context())
		w.onSend = func(n int) {
			if n == 15 {
				cancel() // while the fifteenth is in hand
			}
		}
		p, err := newPublisher(Config{}, m, w)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := w.all(); !slices.Equal(got, datagrams(ids[:15])) {
			t.Errorf("%d datagrams", len(got))
		}
		wantStates(t, m, map[string]int{"sent": 15, "pending": 25})
	})
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for i, cfg := range []Config{{PerSecond: -1}, {SeenWithin: -1}, {MaxSends: -1}, {Batch: -1}, {Poll: -1}} {
		if _, err := New(cfg, newMemory(t), NewSocket("x", 0)); err == nil {
			t.Errorf("configuration %d was accepted", i)
		}
	}
}

// TestThroughARealSocket: analysisd is stopped and started in the middle, and is away at the start.
func TestThroughARealSocket(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	m, counters := newMemory(t), NewCounters()
	ids := m.add(200)
	socket := NewSocket(path, 5*time.Second)
	p, err := New(Config{PerSecond: 5000, Observer: counters}, m, socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()

	q := listen(t, path)
	got := map[string]int{}
	for range 100 {
		got[q.next(t)]++
	}
	q.stop() // what lies in the kernel's queue is lost with it
	q = listen(t, path)
	last := datagram(ids[len(ids)-1])
	for got[last] == 0 {
		got[q.next(t)]++
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	for d, n := range got {
		if n != 1 {
			t.Errorf("%s came %d times", d, n)
		}
	}
	// The lost ones are sent, not seen: they would go again after SeenWithin.
	wantStates(t, m, map[string]int{"sent": 200})
	if lost := 200 - len(got); lost > 2*burst {
		t.Errorf("%d datagrams lost in one stop of analysisd, more than its kernel queue holds", lost)
	}
}

func ExampleFrame() {
	frame, err := Frame(AgentRef{ID: "001", Name: "vault-1", IP: "any"}, []byte(`{"integration":"custom-vault"}`), Escaped)
	fmt.Println(string(frame), err)
	// Output: 1:[001] (vault-1) any->custom-vault:{"integration":"custom-vault"} <nil>
}
