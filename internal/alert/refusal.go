package alert

import "errors"

// Refusal is why a line was refused, in a word: a log field, and a metric's label.
type Refusal string

// Every refusal there is.
const (
	RefusalTooLong Refusal = "too-long"
	RefusalNotJSON Refusal = "not-json"
	RefusalNoRule  Refusal = "no-rule"
	RefusalOther   Refusal = "other"
)

// Refusals is the closed set, for metrics that begin at zero.
func Refusals() []Refusal {
	return []Refusal{RefusalTooLong, RefusalNotJSON, RefusalNoRule, RefusalOther}
}

// RefusalOf is the word for an error of Parse. ErrNotVault is none: such a line is nobody's fault.
func RefusalOf(err error) Refusal {
	switch {
	case errors.Is(err, ErrTooLong):
		return RefusalTooLong
	case errors.Is(err, ErrNotJSON):
		return RefusalNotJSON
	case errors.Is(err, ErrNoRule):
		return RefusalNoRule
	}
	return RefusalOther
}
