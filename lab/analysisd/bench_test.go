package analysisd

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"
	"time"
)

// BenchmarkEngine processes the records of a real Vault's audit log with the published article's
// ruleset, and states events per second.
func BenchmarkEngine(b *testing.B) {
	rs, _, err := Load(Sources{
		Files:       os.DirFS("../oracle/testdata/wazuh/engine/rulesets/article"),
		DecoderDirs: []string{"decoders"}, RuleDirs: []string{"rules"}, Stock: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	var frames [][]byte
	for line := range bytes.Lines(auditLog(b)) {
		frames = append(frames, append([]byte("1:[001] (vault-1) any->/var/log/vault_audit.log:"), bytes.TrimSpace(line)...))
	}
	e := NewEngine(rs, Options{})
	at := start()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		e.Process(frames[n%len(frames)], at.Add(time.Duration(n)*time.Millisecond))
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func auditLog(b *testing.B) []byte {
	b.Helper()
	packed, err := os.Open("../oracle/testdata/vault/bob-story.hmac.log.gz")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = packed.Close() }()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		b.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		b.Fatal(err)
	}
	return data
}
