package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachWazuhVersionsArguments runs the hook with the arguments that each Wazuh passes behind
// argv[0]; ALERT and OPTIONS stand for its temporary files. integrator.c builds one string and
// splits it at single spaces into at most 5 (until 4.6), 7 (4.7) or 9 parts (since 4.8), so that
// empty fields stay, and a space in the api key moves all that follows. 4.14.4's are recordings.
func TestEachWazuhVersionsArguments(t *testing.T) {
	t.Parallel()
	const quiet = "> /dev/null 2>&1"
	versions := []struct {
		name string
		args []string
	}{
		{"4.3 to 4.6", []string{"ALERT", "", "", " " + quiet}},
		{"4.3 to 4.6, key and url", []string{"ALERT", "KEY", "https://127.0.0.1:8200/path", " " + quiet}},
		{"4.3 to 4.6, debug", []string{"ALERT", "KEY", "https://127.0.0.1:8200/path", "debug"}},
		{"4.7", []string{"ALERT", "", "", "", "", quiet}},
		{"4.7, key, url and options", []string{"ALERT", "KEY", "https://127.0.0.1:8200/path", "", "OPTIONS", quiet}},
		{"4.7, debug", []string{"ALERT", "", "", "debug", ""}},
		{"4.8 to 4.13", []string{"ALERT", "", "", "", "", "10", "3", quiet}},
		{"4.8 to 4.13, options", []string{"ALERT", "KEY", "https://127.0.0.1:8200/path", "", "OPTIONS", "7", "2", quiet}},
		{"4.8 to 4.13, debug", []string{"ALERT", "KEY", "https://127.0.0.1:8200/path", "debug", "OPTIONS", "7", "2"}},
		{"4.14.4", []string{"ALERT", "", "", "", "", "10", "3", quiet}},
		{"4.14.4, everything", []string{"ALERT", "KEY-not-secret", "https://127.0.0.1:8200/path", "", "OPTIONS", "7", "2", quiet}},
		{"4.14.4, debug", []string{"ALERT", "", "", "debug", "", "10", "3"}},
		{"a space in the api key", []string{"ALERT", "MY", "KEY", "https://127.0.0.1:8200/path", "", "OPTIONS", "7", "2 " + quiet}},
		{"by hand", []string{"ALERT"}},
	}
	alerts := []string{"first-alert", "unicode", "invalid-utf8", "long", "frequency"}
	for i, version := range versions {
		t.Run(version.name, func(t *testing.T) {
			t.Parallel()
			h := install(t)
			alert := recorded(t, alerts[i%len(alerts)])
			if err := os.WriteFile(filepath.Join(h.dir, "options"), []byte("{\"mode\": \"observe\"}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			args := strings.Split(strings.NewReplacer(
				"ALERT", alertFile(t, alert), "OPTIONS", filepath.Join(h.dir, "options"),
			).Replace(strings.Join(version.args, "\x00")), "\x00")
			h.run(t, alertFile(t, "{\"before\":1}\n")).taken(t)
			h.run(t, args...).taken(t)
			if got := h.journalled(t); got != "{\"before\":1}\n"+alert {
				t.Errorf("the journal ends in %.300q, want the alert file as it is, %.300q", got, alert)
			}
		})
	}
}

func TestAnAlertFileWithoutItsNewlineGetsOne(t *testing.T) {
	t.Parallel()
	h := install(t)
	h.run(t, alertFile(t, `{"a":1}`)).taken(t)
	h.run(t, alertFile(t, "{\"b\":2}\n")).taken(t)
	if got := h.journalled(t); got != "{\"a\":1}\n{\"b\":2}\n" {
		t.Errorf("the journal holds %q", got)
	}
}

func TestTheLongestAlertIsTaken(t *testing.T) {
	t.Parallel()
	h := install(t)
	alert := `{"a":"` + strings.Repeat("x", maxLine-len(`{"a":""}`)) + "\"}\n"
	h.run(t, alertFile(t, alert)).taken(t)
	if got := h.journalled(t); got != alert {
		t.Errorf("the journal holds %d bytes, want %d", len(got), len(alert))
	}
}

func TestTheJournalsFilesHaveTheirModeUnderAnyUmask(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"0000", "0022", "0077", "0777"} {
		h := install(t)
		script := h.command(alertFile(t, "{}\n"))
		script.Args = append([]string{"sh", "-c", "umask " + umask + "; exec \"$0\" \"$@\"", h.hook}, script.Args[1:]...)
		script.Path = shell(t)
		run1(t, script).taken(t)
		files, err := os.ReadDir(h.journal)
		if err != nil || len(files) != 1 {
			t.Fatalf("files are %v, %v", files, err)
		}
		info, err := files[0].Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o640 {
			t.Errorf("umask %s: mode is %v", umask, info.Mode())
		}
	}
}

func TestTheProgramMayBeReachedByASymlink(t *testing.T) {
	t.Parallel()
	h := install(t)
	link := filepath.Join(t.TempDir(), "custom-vault")
	if err := os.Symlink(h.hook, link); err != nil {
		t.Fatal(err)
	}
	cmd := h.command(alertFile(t, "{}\n"))
	cmd.Path = link
	run1(t, cmd).taken(t)
	if got := h.journalled(t); got != "{}\n" {
		t.Errorf("the journal holds %q", got)
	}
}

func shell(t testing.TB) string {
	t.Helper()
	name, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return name
}
