package screen

// Verdicts is the closed set, for metrics that begin at zero.
func Verdicts() []Verdict { return []Verdict{Foreign, Echo, Lookup, Suspect} }

// Waiting is how many suspects wait for the id of an answer.
func (s *Screen) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.suspects)
}
