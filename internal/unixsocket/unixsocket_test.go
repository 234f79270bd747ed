package unixsocket

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	listener, err := Listen(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func TestTheSocketHasItsMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	listen(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWhatADeadProcessLeftIsTaken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	first, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, 0o600); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("taken from a process that listens: %v", err)
	}
	first.SetUnlinkOnClose(false)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	listen(t, path)
}

func TestWhatIsNoSocketIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, 0o600); err == nil {
		t.Error("a file was replaced")
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestOnlyTheUsersThatAreNamedAreServed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uid    uint32
		served bool
	}{{uint32(os.Getuid()), true}, {uint32(os.Getuid()) + 1, false}} {
		path := filepath.Join(t.TempDir(), "s")
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "welcome")
		})}
		listener := Only(listen(t, path), c.uid)
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { server.Close() })
		answer, err := Client(path, time.Minute).Get("http://daemon/")
		if (err == nil) != c.served {
			t.Errorf("user %d: %v", c.uid, err)
		}
		if err == nil {
			answer.Body.Close()
		}
	}
}
