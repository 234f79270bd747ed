package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// From a line on disk to its event at analysisd's socket, by a daemon that has nothing else to do: what the follower,
// the stages, a durable commit, the publisher and its durable mark take together. Beside it is what nobody can do
// without: the line written, two pages of a database synced one after the other, and a datagram.
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
			bare := bareLines(b, m, len(took))
			at := func(times []time.Duration, share float64) float64 {
				slices.Sort(times)
				return times[int(share*float64(len(times)-1))].Seconds() * 1000
			}
			p50, p99 := at(took, 0.5), at(took, 0.99)
			b.ReportMetric(p50, "p50-ms")
			b.ReportMetric(p99, "p99-ms")
			b.ReportMetric(0, "ns/op")
			if len(took) > 1 {
				fmt.Printf("line in %s to datagram, idle: p50 %.1f ms, p99 %.1f ms, %d lines; bare write, two syncs and a datagram: p50 %.1f ms, p99 %.1f ms; p99 is %.2f of 10 ms\n",
					name, p50, p99, len(took), at(bare, 0.5), at(bare, 0.99), p99/10)
			}
		})
	}
}

// bareLines does for each line what has to be done, on the same disk.
func bareLines(b *testing.B, m *manager, n int) []time.Duration {
	b.Helper()
	fatal := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: filepath.Join(m.dir, "ossec/queue/sockets/queue"), Net: "unixgram"})
	fatal(err)
	defer conn.Close()
	pages, err := os.Create(filepath.Join(m.dir, "state/bare"))
	fatal(err)
	defer pages.Close()
	took := make([]time.Duration, n)
	page, buffer := make([]byte, 4096), make([]byte, 1<<16)
	for i := range took {
		line := variants(b, 1, 1)
		begun := time.Now()
		write(b, filepath.Join(m.dir, "bare.json"), line...)
		for range 2 {
			_, err := pages.Write(page)
			fatal(err)
			fatal(syscall.Fdatasync(int(pages.Fd())))
		}
		_, err := conn.Write([]byte(line[0]))
		fatal(err)
		_, err = m.socket.Read(buffer)
		fatal(err)
		took[i] = time.Since(begun)
	}
	return took
}
