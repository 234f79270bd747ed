package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkHook measures the hook from its start to its exit, as integratord pays for it, beside
// programs to compare it with: a Go program that does nothing, one that appends as many bytes with
// fdatasync and does nothing else, and, more seldom, Python doing nothing. They take turns, in changing order, so that
// whatever else the machine does falls on all of them alike; the figures are medians. The aims: at most 1.5 times
// the empty program, at most 1.25 times the synced one.
//
//	go test -run '^$' -bench Hook -benchtime 100x ./integrations/custom-vault
func BenchmarkHook(b *testing.B) {
	h := install(b)
	alert := alertFile(b, recorded(b, "first-alert"))
	dir := b.TempDir()
	names := []string{"hook", "empty", "synced", "python3"}
	commands := [][]string{
		{h.hook, alert, "", "", "", "", "10", "3", "> /dev/null 2>&1"},
		{filepath.Join(dir, "empty")},
		{filepath.Join(dir, "synced"), filepath.Join(dir, "file")},
		{python(b), "-c", "pass"},
	}
	for _, name := range names[1:3] {
		if err := build(filepath.Join(dir, name), "./testdata/yardstick/"+name); err != nil {
			b.Fatal(err)
		}
	}
	took := make([][]time.Duration, len(commands))
	for b.Loop() {
		for range 10 { // the few rounds that Python leaves time for would be too few for a median
			for _, i := range rand.Perm(len(commands) - 1) {
				took[i] = append(took[i], startToExit(b, commands[i]))
			}
		}
		last := len(commands) - 1
		took[last] = append(took[last], startToExit(b, commands[last]))
	}
	median := make([]float64, len(commands))
	for i, name := range names {
		slices.Sort(took[i])
		median[i] = float64(took[i][len(took[i])/2])
		b.ReportMetric(median[i], name+"-ns")
	}
	b.ReportMetric(median[0]/median[1], "x-empty")
	b.ReportMetric(median[0]/median[2], "x-synced")
	b.ReportMetric(median[0]/median[3], "x-python3")
	b.ReportMetric(0, "ns/op") // of all four together says nothing
}

func startToExit(b *testing.B, argv []string) time.Duration {
	b.Helper()
	start := time.Now()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Dir: "/", Env: []string{}})
	if err != nil {
		b.Fatal(err)
	}
	state, err := p.Wait()
	took := time.Since(start)
	if err != nil || !state.Success() {
		b.Fatalf("%s: %v, %v", argv[0], state, err)
	}
	return took
}

// python is the interpreter itself: a version manager's shell script in its place would be
// measured instead.
func python(b *testing.B) string {
	b.Helper()
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable, end='')").Output()
	if err != nil {
		b.Fatalf("the yardstick python3: %v", err)
	}
	return string(out)
}
