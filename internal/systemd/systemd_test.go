package systemd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// manager is a service manager's socket.
func manager(t *testing.T, address string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func heard(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestEachMessageIsOneDatagram(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"a path": filepath.Join(t.TempDir(), "notify"), "an abstract name": "@custom-vault-test-" + filepath.Base(t.TempDir()) + t.Name(),
	} {
		conn := manager(t, address)
		m := At(address)
		for want, tell := range map[string]func() error{
			"READY=1\nSTATUS=following a b": func() error { return m.Ready("following a\nb") },
			"RELOADING=1\nMONOTONIC_USEC=":  m.Reloading,
			"STOPPING=1":                    m.Stopping,
			"WATCHDOG=1":                    m.Alive,
		} {
			if err := tell(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := heard(t, conn); got != want && (!strings.HasSuffix(want, "=") || !strings.HasPrefix(got, want)) {
				t.Errorf("%s: heard %q, want %q", name, got, want)
			}
		}
	}
}

func TestWithoutAManagerNothingIsTold(t *testing.T) {
	t.Parallel()
	if err := At("").Ready("x"); err != nil {
		t.Error(err)
	}
	if err := At(filepath.Join(t.TempDir(), "nobody")).Ready("x"); err == nil {
		t.Error("a manager that is not there is no error")
	}
}

func TestHowOftenTheWatchdogIsFed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		bad       bool
	}{
		{"", "", 0, false}, {"60000000", "", 30 * time.Second, false}, {"60000000", "7", 30 * time.Second, false},
		{"60000000", "8", 0, false}, {"soon", "7", 0, true}, {"-1", "", 0, true},
	} {
		if got, err := FeedEvery(c.usec, c.pid, 7); got != c.want || (err != nil) != c.bad {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %s, %v", c.usec, c.pid, got, err)
		}
	}
}
