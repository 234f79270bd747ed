package publish

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// drained is a queue socket that is read as fast as can be.
func drained(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "queue")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, MaxFrame+1)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	})
	b.Cleanup(func() { _ = conn.Close(); wg.Wait() })
	return path
}

func benchBody() []byte { return []byte(`{"a":"` + strings.Repeat("x", 1500) + `"}`) }

// BenchmarkBareSend is the yardstick: the same bytes, written to a connected socket in a loop.
func BenchmarkBareSend(b *testing.B) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: drained(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	frame, err := Frame(AgentRef{ID: "001", Name: "vault-1"}, benchBody(), Escaped)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := conn.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkFrameAndSend frames each event and sends it through Socket.
func BenchmarkFrameAndSend(b *testing.B) {
	s := NewSocket(drained(b), 10*time.Second)
	defer func() { _ = s.Close() }()
	body := benchBody()
	for b.Loop() {
		frame, err := Frame(AgentRef{ID: "001", Name: "vault-1"}, body, Escaped)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Send(frame); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkPublisher is all of it but the store, with the pace out of the way.
func BenchmarkPublisher(b *testing.B) {
	s := NewSocket(drained(b), 10*time.Second)
	out := &rowsOf{body: benchBody(), left: b.N, done: make(chan struct{})}
	p, err := New(Config{PerSecond: 1_000_000_000, Poll: time.Microsecond}, out, s)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	go func() { <-out.done; cancel() }()
	b.ResetTimer()
	if err := p.Run(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
}

// rowsOf is an outbox of so many rows that costs nothing.
type rowsOf struct {
	body []byte
	left int
	once sync.Once
	done chan struct{} // closed when all were taken
}

func (e *rowsOf) Due(_ context.Context, _ time.Time, limit int) ([]Row, error) {
	n := min(limit, e.left)
	if e.left -= n; n == 0 {
		e.once.Do(func() { close(e.done) })
	}
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{EventID: "e", Agent: AgentRef{ID: "001", Name: "vault-1"}, Body: e.body}
	}
	return rows, nil
}

func (e *rowsOf) MarkSent(context.Context, []string, time.Time, time.Time) error { return nil }
func (e *rowsOf) MarkUnsent(context.Context, []string) error                     { return nil }
func (e *rowsOf) MarkFault(context.Context, string, Fault) error                 { return nil }
