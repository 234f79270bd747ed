package torture

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// stage is a moment of the daemon's work at which it is killed.
type stage struct {
	name   string
	first  string // a moment that comes before; empty for none
	topic  string
	skip   int           // at most so many of these moments are let pass
	within time.Duration // the kill comes at most so long after it
	least  int           // of the kills of a whole run
	wait   time.Duration // for the moment
}

func stages() []stage {
	const short, long = 3 * time.Second, 10 * time.Second
	return []stage{
		{name: "starting", topic: topicSpawned, within: 60 * time.Millisecond, least: 15, wait: short},
		{name: "just following", topic: topicFollowing, within: 5 * time.Millisecond, least: 15, wait: short},
		{name: "alert written", topic: topicAlert, skip: 5, within: 3 * time.Millisecond, least: 35, wait: short},
		{name: "journal written", topic: topicJournal, skip: 5, within: 3 * time.Millisecond, least: 30, wait: short},
		{name: "in the commit", first: topicAlert, topic: topicWAL, within: 300 * time.Microsecond, least: 45, wait: short},
		{name: "after the commit", first: topicAlert, topic: topicWAL, skip: 2, within: 5 * time.Millisecond, least: 35, wait: short},
		{name: "vault asked", first: topicAlert, topic: topicAsked, within: time.Millisecond, least: 18, wait: short},
		{name: "event sent", topic: topicDatagram, skip: 5, within: time.Millisecond, least: 45, wait: short},
		{name: "echo written", topic: topicEcho, skip: 5, within: 10 * time.Millisecond, least: 30, wait: short},
		{name: "planned", topic: topicSealing, within: time.Millisecond, least: 18, wait: long},
		{name: "ordered", topic: topicOrder, within: 3 * time.Millisecond, least: 18, wait: long},
		{name: "reported", topic: topicReport, within: 30 * time.Millisecond, least: 18, wait: long},
		{name: "any time", topic: topicFollowing, within: 2 * time.Second, least: 5, wait: short},
	}
}

// killer kills the daemon.
type killer struct {
	daemon *daemon
	bus    *bus
	total  int
	each   int // the least kills at each stage
	time   time.Duration

	mu     sync.Mutex
	rand   *rand.Rand
	counts map[string]int
}

func (k *killer) done() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return sum(k.counts)
}

// run spreads the kills over the time, and goes on past it until all are done or ctx ends.
func (k *killer) run(ctx context.Context) {
	for begin := time.Now(); ctx.Err() == nil; {
		todo := stages()
		if k.done() >= k.total {
			if todo = slices.DeleteFunc(todo, k.enough); len(todo) == 0 {
				return
			}
		}
		due := begin.Add(time.Duration(float64(k.time) * float64(k.done()) / float64(k.total)))
		if k.done() < k.total && !pause(ctx, time.Until(due)) {
			return
		}
		k.strike(ctx, k.pick(todo))
	}
}

func (k *killer) enough(s stage) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts[s.name] >= k.each
}

// pick draws a stage, those that lack most of their share more often.
func (k *killer) pick(all []stage) stage {
	k.mu.Lock()
	defer k.mu.Unlock()
	total := 0
	lack := make([]int, len(all))
	for i, s := range all {
		lack[i] = max(s.least-k.counts[s.name]*wholeKills/max(k.total, 1), 0) + 1
		total += lack[i]
	}
	n := k.rand.IntN(total)
	for i, s := range all {
		if n -= lack[i]; n < 0 {
			return s
		}
	}
	return all[0]
}

// wholeKills is what the least numbers of the stages are made for.
const wholeKills = 300

// upTo draws a number from 0 to most.
func (k *killer) upTo(most int64) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rand.Int64N(most + 1)
}

func (k *killer) kill(name string) bool {
	if !k.daemon.kill() {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts[name]++
	return true
}

// strikeAt strikes at the stage of that name.
func (k *killer) strikeAt(ctx context.Context, name string) {
	for _, s := range stages() {
		if s.name == name {
			k.strike(ctx, s)
		}
	}
}

// strike waits for the stage's moment and kills. Nearly always the daemon gets the time to start before the next one.
func (k *killer) strike(ctx context.Context, s stage) bool {
	if s.first != "" && !k.await(ctx, s.first, 0, s.wait) {
		return false
	}
	moment, forget := k.bus.once(s.topic, int(k.upTo(int64(s.skip))))
	defer forget()
	// These come after a kill only, which counts as one at any time.
	if (s.topic == topicSpawned || s.topic == topicFollowing) && !k.kill("any time") {
		return false
	}
	if !wait(ctx, moment, s.wait) || !pause(ctx, time.Duration(k.upTo(int64(s.within)))) {
		return false
	}
	up, forgetUp := k.bus.once(topicFollowing, 0)
	defer forgetUp()
	if !k.kill(s.name) {
		return false
	}
	if k.upTo(7) > 0 {
		wait(ctx, up, 3*time.Second)
	}
	return true
}

func (k *killer) await(ctx context.Context, topic string, skip int, most time.Duration) bool {
	moment, forget := k.bus.once(topic, skip)
	defer forget()
	return wait(ctx, moment, most)
}

func wait(ctx context.Context, moment <-chan struct{}, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-moment:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// pause is false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
