package follow

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// 1 GB is the size that the project's aim is about.
var benchMB = flag.Int("follow.mb", 1000, "size in MB of the file that BenchmarkFollow reads")

// alertsFile writes lines of 2.5 kB, one in a hundred about Vault, and returns how
// many those are.
func alertsFile(b *testing.B, size int) (path string, vault int) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "alerts.json")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	line := func(group string, n int) string {
		s := fmt.Sprintf(`{"timestamp":"2026-11-24T15:00:00.123+0000","rule":{"level":3,"description":"an alert","id":"5501","firedtimes":%d,"mail":false,"groups":["%s","audit"]},"agent":{"id":"001","name":"web-01","ip":"10.0.0.1"},"manager":{"name":"wazuh"},"id":"1796050800.%d","full_log":"`, n, group, n)
		filler := "Nov 24 15:00:00 web-01 sshd[4242]: pam_unix(sshd:session): session opened for user ubuntu(uid=1000) by (uid=0); "
		s += strings.Repeat(filler, (2500-len(s))/len(filler)+1)
		return s[:2480] + `","location":"journald"}` + "\n"
	}
	var block bytes.Buffer
	for n := 0; n < size/2500; n++ {
		group := "pam"
		if n%100 == 50 {
			group = "vault"
			vault++
		}
		block.WriteString(line(group, n))
		if block.Len() > 1<<20 {
			if _, err := block.WriteTo(file); err != nil {
				b.Fatal(err)
			}
		}
	}
	if _, err := block.WriteTo(file); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return path, vault
}

// BenchmarkFollow reads the file once per iteration, and lets grep -c count the
// same lines beside it: the metric grep/op is grep's time, x-grep ours over it.
func BenchmarkFollow(b *testing.B) {
	path, vault := alertsFile(b, *benchMB<<20)
	needle := []byte(`"vault`)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	var grep time.Duration
	for b.Loop() {
		b.StopTimer()
		began := time.Now()
		out, err := exec.Command("grep", "-c", string(needle), path).Output()
		grep += time.Since(began)
		if n, _ := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || n != vault {
			b.Fatalf("grep counted %d of %d: %v", n, vault, err)
		}
		b.StartTimer()
		readAll(b, path, vault, func(line []byte) bool { return bytes.Contains(line, needle) })
	}
	b.ReportMetric(float64(grep.Nanoseconds())/float64(b.N), "grep-ns/op")
	b.ReportMetric(float64(b.Elapsed())/float64(grep), "x-grep")
}

// BenchmarkFollowAll delivers every line, as it does for the journal: what a
// delivered line costs beyond one that is passed over.
func BenchmarkFollowAll(b *testing.B) {
	size := min(*benchMB, 64) << 20
	path, vault := alertsFile(b, size)
	lines := 100 * vault
	b.SetBytes(int64(size))
	for b.Loop() {
		readAll(b, path, lines, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
}

func readAll(b *testing.B, path string, vault int, keep func([]byte) bool) {
	f, err := OpenAlerts(path, Bookmark{}, Options{Start: AtBegin, Keep: keep})
	if err != nil {
		b.Fatal(err)
	}
	for got := 0; got < vault; {
		batch, err := f.Next(context.Background(), Limits{})
		if err != nil {
			b.Fatal(err)
		}
		got += len(batch.Items)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWake is from a line's write(2) to Next returning it, through inotify.
func BenchmarkWake(b *testing.B) {
	path := filepath.Join(b.TempDir(), "alerts.json")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	f, err := OpenAlerts(path, Bookmark{}, Options{Poll: time.Hour, Notice: func(err error) { b.Fatal(err) }})
	if err != nil {
		b.Fatal(err)
	}
	line := append(bytes.Repeat([]byte("x"), 2499), '\n')
	for b.Loop() {
		if _, err := file.Write(line); err != nil {
			b.Fatal(err)
		}
		batch, err := f.Next(context.Background(), Limits{})
		if err != nil || len(batch.Items) != 1 {
			b.Fatalf("%d lines, %v", len(batch.Items), err)
		}
	}
	if err := errors.Join(f.Close(), file.Close()); err != nil {
		b.Fatal(err)
	}
}
