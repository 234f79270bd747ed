package health

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Fault is something that is wrong, and since when.
type Fault struct {
	Code     Code      `json:"code"`
	Severity Severity  `json:"severity"`
	Of       string    `json:"of,omitempty"`
	Text     string    `json:"text"`
	Since    time.Time `json:"since"`
	Do       string    `json:"do"`
}

// Board remembers which faults there are, and since when. It is safe for concurrent use.
type Board struct {
	table map[Code]Kind
	rank  map[Code]int

	mu    sync.Mutex
	there map[place]*entry
}

type place struct {
	code Code
	of   string
}

type entry struct {
	Fault
	shown bool
}

// NewBoard makes an empty board.
func NewBoard() *Board {
	b := &Board{table: make(map[Code]Kind), rank: make(map[Code]int), there: make(map[place]*entry)}
	for i, kind := range Table() {
		b.table[kind.Code], b.rank[kind.Code] = kind, i
	}
	return b
}

// Update compares what was found with what was there, and returns what has newly come to show and what of that which
// showed is over.
func (b *Board) Update(now time.Time, found []Found) (raised, cleared []Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	still := make(map[place]bool, len(found))
	for _, f := range found {
		at := place{f.Code, f.Of}
		still[at] = true
		e, ok := b.there[at]
		if !ok {
			kind := b.table[f.Code]
			e = &entry{Fault: Fault{Code: f.Code, Severity: kind.Severity, Of: f.Of, Since: now, Do: kind.Do}}
			b.there[at] = e
		}
		e.Text = f.Text
		if !e.shown && now.Sub(e.Since) >= b.table[f.Code].After {
			e.shown = true
			raised = append(raised, e.Fault)
		}
	}
	for at, e := range b.there {
		if !still[at] {
			delete(b.there, at)
			if e.shown {
				cleared = append(cleared, e.Fault)
			}
		}
	}
	b.sort(raised)
	b.sort(cleared)
	return raised, cleared
}

// Faults lists what shows, the gravest first.
func (b *Board) Faults() []Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := []Fault{}
	for _, e := range b.there {
		if e.shown {
			faults = append(faults, e.Fault)
		}
	}
	b.sort(faults)
	return faults
}

func (b *Board) sort(faults []Fault) {
	slices.SortFunc(faults, func(x, y Fault) int {
		return cmp.Or(cmp.Compare(b.rank[x.Code], b.rank[y.Code]), cmp.Compare(x.Of, y.Of))
	})
}

// Healthy reports whether none of the faults is more than information.
func Healthy(faults []Fault) bool {
	return !slices.ContainsFunc(faults, func(f Fault) bool { return f.Severity != Info })
}
