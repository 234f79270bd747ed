package main

import (
	"errors"
	"io"
	"sync"
)

// gatedLog holds the operational log back until the first banner is out, as `vault server` does: its
// "Log data will stream in below" stands above the lines of starting up.
type gatedLog struct {
	mu   sync.Mutex
	out  io.Writer
	held []byte
	open bool
}

// Write appends to what is held back, or writes.
func (g *gatedLog) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		return g.out.Write(p)
	}
	g.held = append(g.held, p...)
	return len(p), nil
}

// banner writes one of the CLI's lines, which an empty one follows.
func (g *gatedLog) banner(text string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := io.WriteString(g.out, text+"\n\n")
	return err
}

// release lets out what was held back and everything from now on.
func (g *gatedLog) release() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		return nil
	}
	_, err := g.out.Write(g.held)
	g.held, g.open = nil, true
	return err
}

// start is the banner of a server that is up, and what was held back.
func (g *gatedLog) start() error {
	return errors.Join(g.banner(bannerStarted), g.release())
}
