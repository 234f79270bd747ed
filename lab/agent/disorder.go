package agent

import "math/rand/v2"

// disorder is the way from the agent to remoted, which does not keep the order: four workers take the batch that logcollector sends at once, and
// now and then one of them is late. In recordings 30 lines went 1 to 3 steps backward, 200 lines 1 or 2; the late line came up to 17 places late.
type disorder struct {
	random *rand.Rand
}

const (
	// smallestBatch that is disturbed.
	smallestBatch = 5
	mostLate      = 3
	latestPlaces  = 17
)

// newDisorder is nil for seed 0: order is kept.
func newDisorder(seed uint64) *disorder {
	if seed == 0 {
		return nil
	}
	return &disorder{random: rand.New(rand.NewPCG(seed, seed))}
}

// shuffle makes one to three lines of a batch late.
func (d *disorder) shuffle(batch [][]byte) {
	if d == nil || len(batch) < smallestBatch {
		return
	}
	for range 1 + d.random.IntN(mostLate) {
		from := d.random.IntN(len(batch) - 1)
		to := min(from+1+d.random.IntN(latestPlaces), len(batch)-1)
		late := batch[from]
		copy(batch[from:], batch[from+1:to+1])
		batch[to] = late
	}
}
