// Package observe counts what a subject did in a window of time. It is pure: time comes from the records
// themselves, and nothing here reads a clock, a file or the network. It may import the standard library and
// package alert.
package observe

import (
	"container/list"
	"time"

	"custom-vault/internal/alert"
)

// Window is how far back acts are counted.
const Window = time.Minute

// Bounds on memory: what is forgotten first is the subject that was idle longest, and of a subject its oldest act.
const (
	MaxSubjects = 100_000
	MaxActs     = 256 // per subject; counts above it say "at least"
)

// Observations is what is known of a subject when one of its alerts is decided, that alert included.
type Observations struct {
	Subject    string `json:"subject,omitempty"`
	Requests   int    `json:"requests"`
	Reads      int    `json:"reads"`
	Deletes    int    `json:"deletes"`
	Denied     int    `json:"denied"`
	Paths      int    `json:"paths"`       // distinct
	FirstToday bool   `json:"first_today"` // the subject's first act of that day (UTC, Vault's clock)
	AtLeast    bool   `json:"at_least"`    // more acts than are kept: the true counts are higher
}

// Windows holds the acts of all subjects. It is not safe for concurrent use: the line of stages is its one owner.
type Windows struct {
	subjects map[string]*list.Element
	idle     *list.List // of *subject, front = most recently active
	limit    int
}

type subject struct {
	name string
	day  time.Time
	acts []act // by arrival; Vault's times may be out of order, since the way from the agent does not keep it
	full bool

	// Each path has a number, so that distinct ones are counted without hashing all of them for each alert.
	paths map[string]int
	round uint64   // of counting
	met   []uint64 // by a path's number: the last round in which it was met
}

type act struct {
	at        time.Time
	requestID string
	sum       uint64 // of requestID: looking for one does not follow 256 pointers
	operation string
	path      string
	number    int // of path
	denied    bool
}

// New returns empty windows for at most limit subjects.
func New(limit int) *Windows {
	return &Windows{subjects: make(map[string]*list.Element), idle: list.New(), limit: limit}
}

// Add counts a record for a subject and returns what is now known of it. Each request counts once, though it has
// two records. A record without a subject or a time is not counted.
func (w *Windows) Add(name string, record *alert.Record) Observations {
	if name == "" || record == nil || record.Time.IsZero() {
		return Observations{Subject: name}
	}
	s := w.touch(name)
	day := record.Time.UTC().Truncate(24 * time.Hour)
	first := day.After(s.day)
	if first {
		s.day = day
	}
	s.note(record)
	seen := s.count(record.Time)
	seen.FirstToday = first
	return seen
}

func (w *Windows) touch(name string) *subject {
	if element, ok := w.subjects[name]; ok {
		w.idle.MoveToFront(element)
		return element.Value.(*subject)
	}
	if w.idle.Len() >= w.limit {
		oldest := w.idle.Back()
		delete(w.subjects, oldest.Value.(*subject).name)
		w.idle.Remove(oldest)
	}
	s := &subject{name: name, paths: make(map[string]int)}
	w.subjects[name] = w.idle.PushFront(s)
	return s
}

func (s *subject) note(record *alert.Record) {
	denied, sum := record.Outcome() == alert.Denied, sumOf(record.RequestID)
	for i := range s.acts {
		if s.acts[i].sum == sum && record.RequestID != "" && s.acts[i].requestID == record.RequestID {
			s.acts[i].denied = s.acts[i].denied || denied
			return
		}
	}
	if len(s.acts) >= MaxActs {
		s.acts, s.full = append(s.acts[:0], s.acts[1:]...), true
	}
	s.acts = append(s.acts, act{
		at: record.Time, requestID: record.RequestID, sum: sum, operation: record.Operation, path: record.Path,
		number: s.number(record.Path), denied: denied,
	})
}

// sumOf is FNV-1a's. Ids that were made to have the same one cost time, and nothing else.
func sumOf(id string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(id) {
		sum = (sum ^ uint64(id[i])) * 1099511628211
	}
	return sum
}

// number gives a path its number. When paths of acts that are long forgotten have piled up, all are numbered anew.
func (s *subject) number(path string) int {
	if len(s.paths) >= 2*MaxActs {
		clear(s.paths)
		s.met = nil
		for i := range s.acts {
			s.acts[i].number = s.number(s.acts[i].path)
		}
	}
	number, known := s.paths[path]
	if !known {
		number = len(s.paths)
		s.paths[path] = number
		s.met = append(s.met, 0)
	}
	return number
}

// count counts the acts within the window that ends at the record's time, and drops those that no later record can
// need any more: two windows back, so that lines that come late by less than a window still find their company.
func (s *subject) count(at time.Time) Observations {
	seen := Observations{Subject: s.name, AtLeast: s.full}
	s.round++
	kept := s.acts[:0]
	for i := range s.acts {
		a := &s.acts[i]
		age := at.Sub(a.at)
		if age > 2*Window {
			continue
		}
		if len(kept) < i { // something before it was dropped
			kept = append(kept, *a)
		} else {
			kept = s.acts[:i+1]
		}
		if age >= Window || age < 0 {
			continue
		}
		seen.Requests++
		if s.met[a.number] != s.round {
			s.met[a.number] = s.round
			seen.Paths++
		}
		switch {
		case a.denied:
			seen.Denied++
		case a.operation == "read":
			seen.Reads++
		case a.operation == "delete":
			seen.Deletes++
		}
	}
	if s.acts = kept; len(kept) < MaxActs {
		s.full = false
	}
	return seen
}
