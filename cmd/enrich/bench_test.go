package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// From a line on disk to its event at analysisd's socket, by a daemon that has nothing else to do: what the follower,
// the stages, a durable commit, the publisher and its durable mark take together.
func BenchmarkLineToDatagram(b *testing.B) {
	for name, file := range map[string]string{
		"alerts.json": "ossec/logs/alerts/alerts.json",
		"journal":     "ossec/queue/custom-vault/journal/" + time.Now().UTC().Format("2006010215") + ".jsonl",
	} {
		b.Run(name, func(b *testing.B) {
			m := newManager(b, nowhere)
			cmd := m.serve(b)
			var took []time.Duration
			buffer := make([]byte, 1<<16)
			for b.Loop() {
				line := variants(b, 1+len(took), 1)
				begun := time.Now()
				write(b, filepath.Join(m.dir, file), line...)
				if err := m.socket.SetReadDeadline(begun.Add(10 * time.Second)); err != nil {
					b.Fatal(err)
				}
				if _, err := m.socket.Read(buffer); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			terminate(b, cmd)
			slices.Sort(took)
			at := func(share float64) float64 { return took[int(share*float64(len(took)-1))].Seconds() * 1000 }
			b.ReportMetric(at(0.5), "p50-ms")
			b.ReportMetric(at(0.99), "p99-ms")
			b.ReportMetric(0, "ns/op")
			if len(took) > 1 {
				fmt.Printf("line in %s to datagram, idle: p50 %.1f ms, p99 %.1f ms, %d lines\n", name, at(0.5), at(0.99), len(took))
			}
		})
	}
}
