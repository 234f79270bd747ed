// Package health says what is wrong with the running daemon, as values: each fault has a code, a severity, a sentence,
// since when it is there, and what to do. The one table of faults serves enrich status, the metrics, the log and the
// documentation. It is pure: it judges facts that others gathered, and may import the packages whose facts they are.
// It must never touch the world, nor name a token, an accessor or anything else that an attacker or a secret wrote.
package health

import (
	"time"

	"custom-vault/internal/publish"
	"custom-vault/internal/store"
	"custom-vault/internal/vaultlookup"
)

// Facts is how the daemon stands at one moment.
type Facts struct {
	At, Started time.Time

	Sources  []Source
	Ways     Ways
	Gap      time.Time // when alerts were last found to be lost; zero: never since the start
	Suspects int       // that wait for the id of an answer
	Intruder time.Time // when somebody else was last found using our token; zero: never since the start

	Store        store.Backlog
	StoreFailing string // why the last attempt at a commit, or at reading the store, failed
	StoreMost    int64  // bytes; 0: no bound

	Clusters []Cluster

	Away      publish.Refusal // why analysisd takes no events; empty: it does
	AwaySince time.Time

	Responding Responding
	Workers    []Worker
	Refused    string // why the configuration was not read anew; empty: it is the one in the file
}

// Source is one of the two ways in.
type Source struct {
	Name    string // alerts, journal
	Unread  int64  // bytes behind the place that was committed
	Trouble string // why it cannot be read
}

// Ways counts lines of the last hour, by the ways they came, once it was waited long enough for the other one.
type Ways struct{ Both, AlertsOnly, JournalOnly int }

// Cluster is a Vault cluster that is asked who acted.
type Cluster struct {
	Name  string
	Nodes int
	Own   vaultlookup.Own
	Stats vaultlookup.Stats
}

// Responding is what the responder may do, and last did.
type Responding struct {
	Seal        string // armed, observe, off
	Halted      bool
	HaltUnknown string // why the halt file could not be looked at
	Unclosed    string // how the last plan ended, where not every node is proved to be sealed
	UnclosedAt  time.Time
}

// Worker is a part of the daemon that must go on, or stand by.
type Worker struct {
	Name   string
	Last   time.Time     // when it last showed that it goes on
	Within time.Duration // how long it may take at most
}

// Stuck reports whether a worker has been at one thing for too long.
func (w Worker) Stuck(now time.Time) bool { return now.Sub(w.Last) > w.Within }
