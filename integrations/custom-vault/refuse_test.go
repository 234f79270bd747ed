package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"custom-vault/internal/journal"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNoAlertFileIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about string
		make  func(t *testing.T, name string)
		says  string
	}{
		{"missing", func(*testing.T, string) {}, "no such file"},
		{"a FIFO that nobody writes to", func(t *testing.T, name string) { must(t, syscall.Mkfifo(name, 0o644)) }, "not a regular file"},
		{"a directory", func(t *testing.T, name string) { must(t, os.Mkdir(name, 0o755)) }, "not a regular file"},
		{"a symlink", func(t *testing.T, name string) {
			must(t, os.Symlink(alertFile(t, "{}\n"), name))
		}, "no symlink"},
		{"a symlink to a device", func(t *testing.T, name string) { must(t, os.Symlink("/dev/zero", name)) }, "no symlink"},
		{"empty", with(""), "is empty"},
		{"only a newline", with("\n"), "is empty"},
		{"over 1 MiB", with(`{"a":"` + strings.Repeat("x", maxLine) + "\"}\n"), "more than 1 MiB"},
		{"over 1 MiB by one, without a newline", with(`{"a":"` + strings.Repeat("x", maxLine-7) + `"}`), "more than 1 MiB"},
		{"huge", func(t *testing.T, name string) {
			with("")(t, name)
			must(t, os.Truncate(name, 1<<40))
		}, "more than 1 MiB"},
		{"text format", with(recorded(t, "text-format")), "<alert_format>json</alert_format>"},
		{"no object", with("[{}]\n"), "one JSON object"},
		{"half an object", with("{\"a\":\n"), "one JSON object"},
		{"two objects", with("{}{}\n"), "one JSON object"},
		{"two lines", with("{}\n{}\n"), "one JSON object"},
		{"an object over two lines", with("{\n}\n"), "one JSON object"},
		{"an empty line behind", with("{}\n\n"), "one JSON object"},
		{"a NUL", with("{}\x00\n"), "one JSON object"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			h := install(t)
			name := filepath.Join(t.TempDir(), "alert")
			c.make(t, name)
			h.run(t, name, "", "", "", "", "10", "3").refused(t, name, c.says)
			if got := h.journalled(t); got != "" {
				t.Errorf("the journal holds %.300q", got)
			}
		})
	}
}

func with(content string) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		t.Helper()
		must(t, os.WriteFile(name, []byte(content), 0o644))
	}
}

func TestNoAlertFileAtAllIsRefused(t *testing.T) {
	t.Parallel()
	h := install(t)
	h.run(t).refused(t, "no alert file", "/tmp")
	h.run(t, "", "", "", "", "", "10", "3", "> /dev/null 2>&1").refused(t, "no alert file", "/tmp")
}

func TestSomebodyElsesAlertFileIsRefused(t *testing.T) {
	t.Parallel()
	name := alertFile(t, "{}\n")
	owner := os.Getuid()
	if owner == 0 { // root's own are taken, whoever we are
		owner = 4242
		must(t, os.Chown(name, owner, -1))
	}
	if _, err := readAlert(name, owner+1); err == nil || !strings.Contains(err.Error(), "forging") {
		t.Errorf("error is %v", err)
	}
	if line, err := readAlert(name, owner); err != nil || string(line) != "{}" {
		t.Errorf("its owner reads %q, %v", line, err)
	}
}

func TestAMessageIsOneLineWhateverTheNameIs(t *testing.T) {
	t.Parallel()
	h := install(t)
	h.run(t, "/tmp/a\nb\x1b[2J\r%s%d").refused(t, "/tmp/a b [2J %s%d")
}

func TestABadJournalFolderIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about string
		spoil func(t *testing.T, h home)
		says  string
	}{
		{"missing", func(t *testing.T, h home) { must(t, os.Remove(h.journal)) }, "install -d -o wazuh -g wazuh -m 0770 "},
		{"nothing of ours at all", func(t *testing.T, h home) { must(t, os.RemoveAll(filepath.Join(h.dir, "queue"))) }, "install -d "},
		{"a symlink", func(t *testing.T, h home) {
			must(t, os.Rename(h.journal, h.journal+".moved"))
			must(t, os.Symlink(h.journal+".moved", h.journal))
		}, "no symlink"},
		{"a symlink above", func(t *testing.T, h home) {
			must(t, os.Rename(filepath.Dir(h.journal), filepath.Join(h.dir, "moved")))
			must(t, os.Symlink(filepath.Join(h.dir, "moved"), filepath.Dir(h.journal)))
		}, "no symlink"},
		{"a file", func(t *testing.T, h home) {
			must(t, os.Remove(h.journal))
			must(t, os.WriteFile(h.journal, nil, 0o640))
		}, "must be a directory"},
		{"open to others", func(t *testing.T, h home) { must(t, os.Chmod(h.journal, 0o777)) }, "chmod 0770 "},
		{"readable by others", func(t *testing.T, h home) { must(t, os.Chmod(h.journal, 0o774)) }, "chmod 0770 "},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			h := install(t)
			c.spoil(t, h)
			h.run(t, alertFile(t, "{}\n")).refused(t, filepath.Dir(h.journal), c.says)
			if files, _ := filepath.Glob(filepath.Join(h.dir, "**", "*.jsonl")); len(files) > 0 {
				t.Errorf("made %v", files)
			}
		})
	}
}

// It must be gone within 2 s; the rest of its work takes a few milliseconds.
func TestTheHookIsGoneWhenTheLockStaysTaken(t *testing.T) {
	t.Parallel()
	if journal.LockWait > time.Second {
		t.Errorf("it waits %v for the lock", journal.LockWait)
	}
	h := install(t)
	for _, hour := range []time.Duration{0, time.Hour} { // it may change while the hook runs
		f, err := os.OpenFile(filepath.Join(h.journal, journal.FileName(time.Now().Add(hour))), os.O_CREATE|os.O_WRONLY, 0o640)
		must(t, err)
		defer func() { _ = f.Close() }()
		must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	}
	o := h.run(t, alertFile(t, "{}\n"))
	o.refused(t, "another process has held it", "fuser")
	if o.took < journal.LockWait {
		t.Errorf("gave up after %v", o.took)
	}
	if got := h.journalled(t); got != "" {
		t.Errorf("the journal holds %q", got)
	}
}
