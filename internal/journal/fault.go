package journal

// fault is an error with what the operator can do about it. It stands in for fmt.Errorf, whose
// package the hook does not link.
type fault struct {
	tried string // what was tried, and on what
	err   error  // why it failed; nil when tried says it all
	hint  string // what to do; may be empty
}

func (f *fault) Error() string {
	text := f.tried
	if f.err != nil {
		text += ": " + f.err.Error()
	}
	if f.hint != "" {
		text += "; " + f.hint
	}
	return text
}

func (f *fault) Unwrap() error { return f.err }
