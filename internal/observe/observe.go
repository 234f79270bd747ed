// Package observe counts what a subject did in a window of time. It is pure: time comes from the records
// themselves, and nothing here reads a clock, a file or the network. It may import the standard library and
// package alert.
package observe

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"custom-vault/internal/alert"
)

// Window is how far back acts are counted.
const Window = time.Minute

// Bounds on memory: what is forgotten first is the subject that was idle longest, and of a subject its oldest act.
const (
	MaxSubjects = 100_000
	MaxActs     = 256     // per subject; counts above it say "at least"
	MaxAllActs  = 300_000 // of all subjects, 32 bytes each; those of the subject that was idle longest go first
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
	subjects map[string]*subject
	idle     *list.List // of *subject, front = most recently active
	acting   *list.List // those of them that have acts, in the same order
	limit    int
	most     int // acts of all subjects
	acts     int

	round uint64 // of counting
	met   [2 * MaxActs]uint64
}

type subject struct {
	name         string
	day          time.Time
	acts         []act // by arrival; Vault's times may be out of order, since the way from the agent does not keep it
	full         bool  // acts that may still count were dropped
	numbers      int   // of paths, given out so far
	idle, acting *list.Element
}

// act holds sums in place of texts: a text would keep the whole alert that it was cut from. A sum is of 64 bits of a
// SHA-256, so that nobody can make two alike on purpose with less than some billion tries, and gains one act by it.
type act struct {
	at     int64 // Unix microseconds
	id     uint64
	path   uint64
	number uint16 // of path, for counting distinct ones without hashing them for each alert
	kind   kind
}

type kind uint8

const (
	other kind = iota
	reading
	deleting
	denied
)

func kindOf(record *alert.Record) kind {
	switch {
	case record.Outcome() == alert.Denied:
		return denied
	case record.Operation == "read":
		return reading
	case record.Operation == "delete":
		return deleting
	}
	return other
}

func sumOf(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.LittleEndian.Uint64(sum[:])
}

// New returns empty windows for at most limit subjects.
func New(limit int) *Windows {
	return &Windows{subjects: make(map[string]*subject), idle: list.New(), acting: list.New(), limit: limit, most: MaxAllActs}
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
	w.note(s, record)
	seen := w.count(s, record.Time.UnixMicro())
	seen.FirstToday = first
	return seen
}

func (w *Windows) touch(name string) *subject {
	if s, ok := w.subjects[name]; ok {
		w.idle.MoveToFront(s.idle)
		return s
	}
	if w.idle.Len() >= w.limit {
		oldest := w.idle.Back().Value.(*subject)
		w.drop(oldest)
		delete(w.subjects, oldest.name)
		w.idle.Remove(oldest.idle)
	}
	s := &subject{name: strings.Clone(name)}
	w.subjects[s.name], s.idle = s, w.idle.PushFront(s)
	return s
}

// drop forgets a subject's acts.
func (w *Windows) drop(s *subject) {
	w.acts -= len(s.acts)
	s.acts, s.numbers = nil, 0
	if s.acting != nil {
		w.acting.Remove(s.acting)
		s.acting = nil
	}
}

// note adds the record's act, unless it is the second record of a request that was noted.
func (w *Windows) note(s *subject, record *alert.Record) {
	if s.acting == nil {
		s.acting = w.acting.PushFront(s)
	}
	w.acting.MoveToFront(s.acting)
	next := act{at: record.Time.UnixMicro(), id: sumOf(record.RequestID), path: sumOf(record.Path), kind: kindOf(record)}
	number := -1
	for i := range s.acts {
		a := &s.acts[i]
		if a.id == next.id && record.RequestID != "" {
			if next.kind == denied {
				a.kind = denied
			}
			return
		}
		if a.path == next.path {
			number = int(a.number)
		}
	}
	if len(s.acts) >= MaxActs {
		s.acts, s.full = append(s.acts[:0], s.acts[1:]...), true
		w.acts--
	}
	if number < 0 {
		number = s.number()
	}
	next.number = uint16(number)
	s.acts = append(s.acts, next)
	for w.acts++; w.acts > w.most; {
		oldest := w.acting.Back().Value.(*subject)
		if oldest == s {
			break // one subject alone has at most MaxActs
		}
		oldest.full = true
		w.drop(oldest)
	}
}

// number gives a new path its number. When all are given out, those of the acts that are left are numbered anew.
func (s *subject) number() int {
	if s.numbers >= 2*MaxActs {
		anew := make(map[uint64]uint16, len(s.acts))
		for i := range s.acts {
			a := &s.acts[i]
			if _, known := anew[a.path]; !known {
				anew[a.path] = uint16(len(anew))
			}
			a.number = anew[a.path]
		}
		s.numbers = len(anew)
	}
	s.numbers++
	return s.numbers - 1
}

// count counts the acts within the window that ends at the record's time, and drops those that no later record can
// need any more: two windows back, so that lines that come late by less than a window still find their company.
func (w *Windows) count(s *subject, at int64) Observations {
	const window = int64(Window / time.Microsecond)
	seen := Observations{Subject: s.name, AtLeast: s.full}
	w.round++
	kept := s.acts[:0]
	for i := range s.acts {
		a := &s.acts[i]
		age := at - a.at
		if age > 2*window {
			continue
		}
		if len(kept) < i { // something before it was dropped
			kept = append(kept, *a)
		} else {
			kept = s.acts[:i+1]
		}
		if age >= window || age < 0 {
			continue
		}
		seen.Requests++
		if w.met[a.number] != w.round {
			w.met[a.number] = w.round
			seen.Paths++
		}
		switch a.kind {
		case denied:
			seen.Denied++
		case reading:
			seen.Reads++
		case deleting:
			seen.Deletes++
		}
	}
	w.acts -= len(s.acts) - len(kept)
	if s.acts = kept; len(kept) < MaxActs {
		s.full = false
	}
	return seen
}
