package queue

import "sync"

// gate lets a goroutine pass while it is open. The zero gate is open.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{}
	parked chan struct{}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut, g.parked = make(chan struct{}), make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) wait() {
	g.mu.Lock()
	shut, parked := g.shut, g.parked
	g.mu.Unlock()
	if shut == nil {
		return
	}
	select {
	case <-parked:
	default:
		close(parked)
	}
	<-shut
}

// waitParked returns when the passing goroutine stands before the closed gate, the gate is open again,
// or done is closed.
func (g *gate) waitParked(done <-chan struct{}) {
	g.mu.Lock()
	shut, parked := g.shut, g.parked
	g.mu.Unlock()
	if shut == nil {
		return
	}
	select {
	case <-parked:
	case <-shut:
	case <-done:
	}
}
