package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// The kinds that are replayed with real processes and sockets hang on a machine's clock: what others do on it can make a program late. So a kind in
// which something differs is played once more, and only what differs both times counts as different.

// verdict is what became of a case: a difference, a reason not to compare it, or neither.
type verdict struct{ name, difference, reason string }

// verdicts are those of one replay, in the order of the cases.
type verdicts struct{ list []verdict }

func (v *verdicts) settle(name, difference, reason string) {
	v.list = append(v.list, verdict{name, difference, reason})
}

func (v *verdicts) differ() (n int) {
	for _, c := range v.list {
		if c.difference != "" && c.reason == "" {
			n++
		}
	}
	return n
}

// playTwice replays a kind, once more if something differed, and reports the outcome.
func playTwice(report *Report, play func(*verdicts) error) error {
	first := &verdicts{}
	err := play(first)
	if n := first.differ(); n > 0 && err == nil {
		fmt.Fprintf(report.out, "%s: of %d cases %d differ; all are played once more, in case the machine was busy\n", report.kind, len(first.list), n)
		second := &verdicts{}
		err = play(second)
		for i, c := range second.list {
			if i < len(first.list) && c.name == first.list[i].name && c.difference != "" {
				first.list[i].difference = firstNonEmpty(first.list[i].difference, c.difference)
			} else if i < len(first.list) {
				first.list[i].difference = ""
			}
		}
	}
	for _, c := range first.list {
		report.settle(c.name, c.difference, c.reason)
	}
	return err
}

// firstNonEmpty is the second text, unless the first is empty: what agreed once agrees.
func firstNonEmpty(first, second string) string {
	if first == "" {
		return ""
	}
	return second
}

// readCases reads the lines of a file of recordings. A line that is of another form is named as not compared; a file that is not there has none.
func readCases[C any](path string, v *verdicts) (cases []C, err error) {
	number := 0
	err = eachLine(path, func(line []byte) error {
		number++
		var c C
		if err := json.Unmarshal(line, &c); err != nil {
			v.settle(fmt.Sprintf("line %d of %s", number, filepath.Base(path)), "", err.Error())
			return nil
		}
		cases = append(cases, c)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return cases, err
}

// compared gives the difference that a comparison finds. What the lab fails with, or panics with, is one as well.
func compared(compare func() (string, error)) (difference string) {
	defer func() {
		if cause := recover(); cause != nil {
			difference = fmt.Sprintf("the lab panicked: %v", cause)
		}
	}()
	difference, err := compare()
	if err != nil {
		return err.Error()
	}
	return difference
}

// pool runs cases beside each other, since many of them spend their time waiting, and gives their verdicts in their order.
func pool[C any](cases []C, run func(C) []verdict, v *verdicts) {
	const atOnce = 12
	outcomes := make([][]verdict, len(cases))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, c := range cases {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			outcomes[i] = run(c)
		})
	}
	wait.Wait()
	for _, list := range outcomes {
		v.list = append(v.list, list...)
	}
}

// patience is how long something may take on a slow machine that has to happen.
const patience = 30 * time.Second
