package torture

import (
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"custom-vault/lab/integratord"
)

// hookStage is a moment of the hook's work at which it is killed. It lives for some milliseconds.
type hookStage struct {
	name   string
	topic  string // empty: its start
	within time.Duration
}

func hookStages() []hookStage {
	return []hookStage{
		{"started", "", 500 * time.Microsecond},
		{"at work", "", 5 * time.Millisecond},
		{"journal opened", topicOpened, 200 * time.Microsecond},
		{"line written", topicJournal, 500 * time.Microsecond},
	}
}

// hooks kills hooks, and holds one up when told to.
type hooks struct {
	bus   *bus
	total int

	mu     sync.Mutex
	rand   *rand.Rand
	until  time.Time // kills are spread until then
	pid    int       // of the hook that runs
	stage  string    // at which it was killed
	hang   time.Duration
	counts map[string]int
	done   int
	ran    int
	last   time.Time
}

// started is told of each hook.
func (h *hooks) started(_ string, pid int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pid, h.stage = pid, ""
	h.ran++
	if h.hang > 0 {
		h.holdUp(pid)
		return
	}
	left := h.total - h.done
	if left <= 0 || time.Since(h.last) < time.Until(h.until)/time.Duration(2*left) {
		return
	}
	s := h.pick()
	delay := time.Duration(h.rand.Int64N(int64(s.within) + 1))
	if s.topic == "" {
		go h.kill(pid, s.name, nil, delay)
		return
	}
	moment, forget := h.bus.once(s.topic, 0)
	go func() {
		defer forget()
		h.kill(pid, s.name, moment, delay)
	}()
}

func (h *hooks) pick() hookStage {
	all := hookStages()
	best := all[h.rand.IntN(len(all))]
	for _, s := range all {
		if h.counts[s.name] < h.counts[best.name] {
			best = s
		}
	}
	return best
}

func (h *hooks) kill(pid int, stage string, moment <-chan struct{}, delay time.Duration) {
	if moment != nil {
		select {
		case <-moment:
		case <-time.After(time.Second):
			return
		}
	}
	for begin := time.Now(); time.Since(begin) < delay; { // a timer is too coarse for what is over in a millisecond
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pid == pid && syscall.Kill(pid, syscall.SIGKILL) == nil {
		h.stage = stage
	}
}

// ended is told of each hook that has ended: only one that died of the kill counts.
func (h *hooks) ended(run integratord.Run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if run.ExitCode == -1 && h.stage != "" {
		h.counts[h.stage]++
		h.done++
		h.last = time.Now()
	}
	h.pid, h.stage = 0, ""
}

// hangNext stops the next hook for a while, and integratord with it.
func (h *hooks) hangNext(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hang = d
}

func (h *hooks) holdUp(pid int) {
	d := h.hang
	h.hang = 0
	if syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return
	}
	time.AfterFunc(d, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.pid == pid {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	})
}
