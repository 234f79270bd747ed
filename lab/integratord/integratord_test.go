package integratord_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"custom-vault/lab/integratord"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/release"
	"custom-vault/lab/testbed"
)

// TestMain lets the test's own program be the integration: integratord calls every program "integrations".
func TestMain(m *testing.M) {
	if os.Args[0] == "integrations" {
		os.Exit(integration())
	}
	goleak.VerifyTestMain(m)
}

// handed is what a run of the integration saw.
type handed struct {
	Argv    []string
	Alert   string
	Options string
	UID     int
}

// integration writes down what it was handed, into its working directory, and ends as the file "exit" says.
func integration() int {
	h := handed{Argv: os.Args, UID: os.Getuid()}
	if alert, err := os.ReadFile(os.Args[1]); err == nil {
		h.Alert = string(alert)
	}
	if len(os.Args) > 5 {
		if options, err := os.ReadFile(os.Args[5]); err == nil {
			h.Options = string(options)
		}
	}
	line, err := json.Marshal(h)
	if err != nil {
		return 70
	}
	f, err := os.OpenFile("handed", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return 71
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return 72
	}
	fmt.Println("a last line")
	code := 0
	if text, err := os.ReadFile("exit"); err == nil {
		_, _ = fmt.Sscan(string(text), &code)
	}
	return code
}

// site is a home with the integration in it, and an integratord on it.
type site struct {
	home   string
	tmp    string
	log    *osseclog.Memory
	alerts *os.File
	runs   chan integratord.Run
}

func (s *site) path(name string) string { return filepath.Join(s.home, name) }

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{home: t.TempDir(), tmp: t.TempDir(), log: &osseclog.Memory{}, runs: make(chan integratord.Run, 100)}
	must(t, os.MkdirAll(s.path("integrations"), 0o755))
	must(t, os.MkdirAll(s.path("logs/alerts"), 0o755))
	s.install(t, "custom-vault", 0o550)
	s.rotate(t)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) install(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	// No process is forked meanwhile: it would hold the file open for writing for a moment, and a program that is open so cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	self, err := os.Executable()
	must(t, err)
	in, err := os.Open(self)
	must(t, err)
	defer in.Close() //nolint:errcheck // opened for reading
	out, err := os.OpenFile(s.path("integrations/"+name), os.O_CREATE|os.O_WRONLY, 0o700)
	must(t, err)
	_, err = io.Copy(out, in)
	must(t, errors.Join(err, out.Close(), os.Chmod(s.path("integrations/"+name), mode)))
}

// rotate puts a new, empty alerts.json in place of the one there is.
func (s *site) rotate(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(s.path("logs/alerts/next"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	must(t, err)
	must(t, os.Rename(s.path("logs/alerts/next"), s.path("logs/alerts/alerts.json")))
	s.alerts = f
	t.Cleanup(func() { _ = f.Close() })
}

func (s *site) append(t *testing.T, text string) {
	t.Helper()
	_, err := s.alerts.WriteString(text)
	must(t, err)
}

// start starts integratord with the text of <integration> blocks.
func (s *site) start(t *testing.T, conf string, change func(*integratord.Config)) {
	t.Helper()
	cfg := integratord.Config{Home: s.home, TmpDir: s.tmp, Release: release.Latest, Poll: 5 * time.Millisecond,
		Env: []string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, // a program under the race detector would sleep before it ends
		Log: osseclog.Logger{Program: "wazuh-integratord", Sink: s.log}, OnRun: func(r integratord.Run) { s.runs <- r }}
	if change != nil {
		change(&cfg)
	}
	blocks, err := integratord.LoadConfig(conf, cfg.Release, cfg.Log)
	must(t, err)
	cfg.Integrations = blocks
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		integratord.New(cfg).Run(ctx, ready)
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-ready
}

// next waits for the next run.
func (s *site) next(t *testing.T) integratord.Run {
	t.Helper()
	select {
	case r := <-s.runs:
		return r
	case <-time.After(testbed.Patience):
		t.Fatalf("no program ran; the log says %q", s.log.Lines())
		return integratord.Run{}
	}
}

func (s *site) handed(t *testing.T) (all []handed) {
	t.Helper()
	text, err := os.ReadFile(s.path("handed"))
	must(t, err)
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var h handed
		must(t, json.Unmarshal(line, &h))
		all = append(all, h)
	}
	return all
}

const conf = `<integration><name>custom-vault</name><group>vault</group><alert_format>json</alert_format></integration>`

func alert(text string) string {
	return `{"rule":{"level":3,"id":"100611","groups":["vault"]},"full_log":"` + text + `","location":"/var/log/vault_audit.log"}`
}

func TestArgumentsOfEachRelease(t *testing.T) {
	t.Parallel()
	full := `<integration><name>custom-vault</name><api_key>K</api_key><hook_url>U</hook_url><alert_format>json</alert_format>%s</integration>`
	for _, c := range []struct {
		release string
		more    string
		debug   int
		want    []string // with ALERT and OPTIONS for the files
	}{
		{"4.3", "", 0, []string{"integrations", "ALERT", "K", "U", " > /dev/null 2>&1"}},
		{"4.6", "", 1, []string{"integrations", "ALERT", "K", "U", "debug"}},
		{"4.7", "<options>{}</options>", 0, []string{"integrations", "ALERT", "K", "U", "", "OPTIONS", "> /dev/null 2>&1"}},
		{"4.8", "<timeout>7</timeout><retries>2</retries>", 0, []string{"integrations", "ALERT", "K", "U", "", "", "7", "2", "> /dev/null 2>&1"}},
		{"4.14", "<options>{}</options>", 0, []string{"integrations", "ALERT", "K", "U", "", "OPTIONS", "10", "3", "> /dev/null 2>&1"}},
		{"4.14", "", 2, []string{"integrations", "ALERT", "K", "U", "debug", "", "10", "3"}},
	} {
		t.Run(c.release, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			r, err := release.Parse(c.release)
			must(t, err)
			s.start(t, fmt.Sprintf(full, c.more), func(cfg *integratord.Config) { cfg.Release, cfg.Log.Debug = r, c.debug })
			s.append(t, alert("x")+"\n")
			s.next(t)
			got := s.handed(t)[0]
			for i, arg := range got.Argv {
				switch {
				case strings.HasSuffix(arg, ".alert"):
					got.Argv[i] = "ALERT"
				case strings.HasSuffix(arg, ".options"):
					got.Argv[i] = "OPTIONS"
				}
			}
			if !slices.Equal(got.Argv, c.want) {
				t.Errorf("argv %q, want %q", got.Argv, c.want)
			}
			if got.Alert != alert("x")+"\n" {
				t.Errorf("the alert file held %q", got.Alert)
			}
			if strings.Contains(c.more, "options") && got.Options != "{}\n" {
				t.Errorf("the options file held %q", got.Options)
			}
		})
	}
}

func TestASpaceInTheKeyShiftsWhatFollowsUnlessItIsEscaped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t, strings.Replace(conf, "<group>", `<api_key>a b</api_key><hook_url>c\ d</hook_url><group>`, 1), nil)
	s.append(t, alert("x")+"\n")
	s.next(t)
	if got := s.handed(t)[0].Argv[2:6]; !slices.Equal(got, []string{"a", "b", "c d", ""}) {
		t.Errorf("arguments 2 to 5 are %q", got)
	}
}

func TestTempFilesAreRemovedAfterTheProgramHasEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t, strings.Replace(conf, "<group>", "<options>o</options><group>", 1), nil)
	s.append(t, alert("x")+"\n")
	s.next(t)
	s.append(t, alert("y")+"\n")
	s.next(t) // the first run's files are gone before the second begins
	left, err := filepath.Glob(s.tmp + "/*")
	must(t, err)
	if len(left) > 2 {
		t.Errorf("left behind: %q", left)
	}
}

func TestAProgramThatTheDaemonCouldWriteIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		mode    os.FileMode
		refused bool
	}{
		{"as installed", 0o750, os.Geteuid() != 0}, // who is not root owns the file here
		{"read-only", 0o555, false},
		{"writable by all", 0o757, true},
		{"not executable", 0o444, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			must(t, os.Chmod(s.path("integrations/custom-vault"), c.mode))
			s.start(t, conf, nil)
			s.append(t, alert("x")+"\n")
			if got := s.next(t); got.Refused != c.refused {
				t.Errorf("%v, want refused %v; log %q", got, c.refused, s.log.Lines())
			}
		})
	}
}

func TestProgramsRunAsTheDaemonsUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	want, change := os.Getuid(), func(*integratord.Config) {}
	if os.Geteuid() == 0 {
		const other = 54321
		want = other
		for _, dir := range []string{s.home, s.tmp, filepath.Dir(s.home), filepath.Dir(s.tmp)} {
			must(t, os.Chmod(dir, 0o777)) // of this test's own folders
		}
		must(t, os.Chmod(s.path("integrations/custom-vault"), 0o755))
		change = func(cfg *integratord.Config) {
			cfg.Credential = &syscall.Credential{Uid: other, Gid: other, Groups: []uint32{other}}
		}
	}
	s.start(t, conf, change)
	s.append(t, alert("x")+"\n")
	if r := s.next(t); r.Refused || r.ExitCode != 0 {
		t.Fatalf("%v; log %q", r, s.log.Lines())
	}
	if got := s.handed(t)[0]; got.UID != want || got.Alert == "" {
		t.Errorf("uid %d, alert %q; want uid %d and the alert", got.UID, got.Alert, want)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	block := `<integration><name>custom-vault</name><alert_format>json</alert_format>%s</integration>`
	for _, c := range []struct {
		filter string
		alert  string
		want   bool
	}{
		{"<group>vault</group>", `{"rule":{"groups":["x","vault"]}}`, true},
		{"<group>vault</group>", `{"rule":{"groups":["Vault"]}}`, false},
		{"<group>vault, x</group>", `{"rule":{"groups":["x"]}}`, false},
		{"<level>7</level>", `{"rule":{"level":7}}`, true},
		{"<level>7</level>", `{"rule":{"level":6}}`, false},
		{"<level>7</level>", `{"rule":{}}`, false},
		{"<rule_id>1, 22</rule_id>", `{"rule":{"id":"22"}}`, true},
		{"<rule_id>1, 22</rule_id>", `{"rule":{"id":"2"}}`, false},
		{"<event_location>^/var|x$</event_location>", `{"rule":{},"location":"/VAR/log"}`, true},
		{"<event_location>^/var|x$</event_location>", `{"rule":{},"location":"/tmp"}`, false},
		{"<event_location>!tmp</event_location>", `{"rule":{},"location":"/tmp"}`, false},
		{"", `{"norule":1}`, false},
		// integrator.c:213: an empty list has no group that could be found.
		{"<group></group>", `{"rule":{"groups":["vault",""]}}`, false},
		{"<group>x,,y</group>", `{"rule":{"groups":[""]}}`, true},
		{"<group>x,</group>", `{"rule":{"groups":[""]}}`, false},
		// integrator-config.c: a list of ids ends where something else begins, and without an id it is none.
		{"<rule_id>1;22,3</rule_id>", `{"rule":{"id":"3"}}`, true},
		{"<rule_id>1 x 22</rule_id>", `{"rule":{"id":"22"}}`, false},
		{"<rule_id>any</rule_id>", `{"rule":{"id":"5"}}`, true},
		{"<rule_id>any</rule_id>", `{"rule":{}}`, true},
		// No limit on the level but that it is a number.
		{"<level>17</level>", `{"rule":{"level":16}}`, false},
		{"<event_location>a.c</event_location>", `{"rule":{},"location":"abc"}`, false},
		{"<event_location>a.c</event_location>", `{"rule":{}}`, false},
	} {
		t.Run(c.filter+c.alert, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			// The second block wants the end mark, whose coming shows that the alert before it was dealt with.
			s.start(t, fmt.Sprintf(block, c.filter)+fmt.Sprintf(block, "<group>end mark</group>"), nil)
			s.append(t, c.alert+"\n"+`{"rule":{"id":"0","level":0,"groups":["end mark"]},"location":"none"}`+"\n")
			got := false
			for {
				s.next(t)
				all := s.handed(t)
				last := all[len(all)-1]
				if strings.Contains(last.Alert, "end mark") {
					break
				}
				got = true
			}
			if got != c.want {
				t.Errorf("handed over %v, want %v", got, c.want)
			}
		})
	}
}

func TestLinesThatAreTooLongOrNoJSONAreDropped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t, conf, nil)
	const limit = 65536
	fits := alert(strings.Repeat("x", limit-1-len(alert(""))))
	s.append(t, alert(strings.Repeat("y", limit-len(alert(""))))+"\nno json\n"+fits+"\n")
	s.next(t)
	if got := s.handed(t); len(got) != 1 || got[0].Alert != fits+"\n" {
		t.Errorf("%d alerts were handed over, the first of %d bytes", len(got), len(got[0].Alert))
	}
	log := strings.Join(s.log.Lines(), "\n")
	for _, want := range []string{"Overlong JSON alert read from 'logs/alerts/alerts.json'", "Invalid JSON alert read from 'logs/alerts/alerts.json': 'no json'"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
}

func TestHalfALineWaitsForTheRest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t, conf, nil)
	line := alert("x") + "\n"
	s.append(t, line[:20])
	s.append(t, line[20:])
	s.next(t)
	if got := s.handed(t)[0].Alert; got != line {
		t.Errorf("handed over %v", got)
	}
}

func TestAfterRotationTheOldFileIsReadToItsEndFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t, conf, func(cfg *integratord.Config) { cfg.Poll = 50 * time.Millisecond })
	s.append(t, alert("old")+"\n")
	s.rotate(t)
	s.append(t, alert("new")+"\n")
	s.next(t)
	s.next(t)
	got := s.handed(t)
	if !strings.Contains(got[0].Alert, "old") || !strings.Contains(got[1].Alert, "new") {
		t.Errorf("handed over %v", got)
	}
}

func TestAFileThatVanishedIsReopenedAtItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t, conf, nil)
	must(t, os.Remove(s.path("logs/alerts/alerts.json")))
	testbed.Until(t, "the daemon to miss the file", func() bool {
		return strings.Contains(strings.Join(s.log.Lines(), "\n"), "Could not retrieve information of file")
	})
	f, err := os.OpenFile(s.path("logs/alerts/next"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	s.alerts = f
	s.append(t, alert("lost")+"\n")
	must(t, os.Rename(s.path("logs/alerts/next"), s.path("logs/alerts/alerts.json")))
	testbed.Until(t, "an alert after the reopening, of which nothing tells, to be handed over", func() bool {
		s.append(t, alert("kept")+"\n")
		return len(s.runs) > 0
	})
	handed, err := os.ReadFile(s.path("handed"))
	must(t, err)
	if bytes.Contains(handed, []byte("lost")) {
		t.Errorf("handed over %s, want only what came after the reopening", handed)
	}
}

func TestAFailureIsThreeErrorsAndTheKeyInTheLogWhenItCouldNotRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	must(t, os.WriteFile(s.path("exit"), []byte("3"), 0o644))
	s.start(t, strings.Replace(conf, "<group>", "<api_key>SECRET</api_key><group>", 1), nil)
	s.append(t, alert("x")+"\n")
	if r := s.next(t); r.ExitCode != 3 {
		t.Errorf("%v", r)
	}
	must(t, os.WriteFile(s.path("exit"), []byte("127"), 0o644))
	s.append(t, alert("y")+"\n")
	s.next(t)
	log := strings.Join(s.log.Lines(), "\n")
	for _, want := range []string{
		"wazuh-integratord: ERROR: Unable to run integration for custom-vault -> integrations",
		"wazuh-integratord: ERROR: While running custom-vault -> integrations. Output: a last line",
		"wazuh-integratord: ERROR: Exit status was: 3",
		" SECRET    10 3 > /dev/null 2>&1). Check file and permissions.",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
}

func TestUntil46OneAlertFileIsSharedInTheFirstBlocksFormat(t *testing.T) {
	t.Parallel()
	two := `<integration><name>custom-vault</name></integration><integration><name>custom-second</name><alert_format>json</alert_format></integration>`
	for _, c := range []struct {
		minor  int
		shared bool
	}{{5, true}, {6, false}} {
		t.Run(fmt.Sprint(c.minor), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.install(t, "custom-second", 0o550)
			s.start(t, two, func(cfg *integratord.Config) { cfg.Release = release.Release{Minor: c.minor} })
			s.append(t, alert("x")+"\n")
			s.next(t)
			s.next(t)
			got := s.handed(t)
			if shared := got[0].Argv[1] == got[1].Argv[1]; shared != c.shared {
				t.Errorf("one file for both: %v, want %v", shared, c.shared)
			}
			if json := strings.HasPrefix(got[1].Alert, "{"); json == c.shared {
				t.Errorf("the second block was handed %q", got[1].Alert)
			}
		})
	}
}

func TestAnElementThatTheReleaseDoesNotKnowEndsTheDaemon(t *testing.T) {
	t.Parallel()
	log := &osseclog.Memory{}
	text := `<ossec_config><integration><name>custom-vault</name><timeout>5</timeout></integration></ossec_config>`
	_, err := integratord.LoadConfig(text, release.Release{Minor: 7}, osseclog.Logger{Program: "wazuh-integratord", Sink: log})
	if !errors.Is(err, integratord.ErrConfig) {
		t.Errorf("4.7 takes <timeout>: %v", err)
	}
	if got := log.Lines(); len(got) != 3 || got[0] != "wazuh-integratord: ERROR: (1230): Invalid element in the configuration: 'timeout'." {
		t.Errorf("logged %q", got)
	}
	if blocks, err := integratord.LoadConfig(text, release.Release{Minor: 8}, osseclog.Logger{}); err != nil || len(blocks) != 1 || *blocks[0].Timeout != 5 {
		t.Errorf("4.8: %+v, %v", blocks, err)
	}
}

// The messages are those of error_messages.h at 4.14; the file is read with the habits of os_xml, which decodes no entity.
func TestConfigurationMistakesEndTheDaemonWithTheirOwnWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ elements, want string }{
		{"<name>custom-vault</name><foo>1</foo>", "(1230): Invalid element in the configuration: 'foo'."},
		{"<name>custom-vault</name><level>high</level>", "(1235): Invalid value for element 'level': high."},
		{"<name>custom-vault</name><level>-1</level>", "(1235): Invalid value for element 'level': -1."},
		{"<name>custom-vault</name><max_log>164</max_log>", "(1235): Invalid value for element 'max_log': 164."},
		{"<name>custom-vault</name><timeout>5s</timeout>", "(1235): Invalid value for element 'timeout': 5s."},
		{"<name>custom-vault</name><retries> 2</retries>", "(1235): Invalid value for element 'retries':  2."},
		{"<group>vault</group>", "(5302): Invalid integratord configuration."},
	} {
		log := &osseclog.Memory{}
		_, err := integratord.LoadConfig("<integration>"+c.elements+"</integration>", release.Latest, osseclog.Logger{Program: "wazuh-integratord", Sink: log})
		want := []string{"wazuh-integratord: ERROR: " + c.want, "wazuh-integratord: ERROR: (1202): Configuration error at 'etc/ossec.conf'.",
			"wazuh-integratord: CRITICAL: (1202): Configuration error at 'etc/ossec.conf'."}
		if got := log.Lines(); !errors.Is(err, integratord.ErrConfig) || !slices.Equal(got, want) {
			t.Errorf("%s: %v, logged %q; want %q", c.elements, err, got, want)
		}
	}
	blocks, err := integratord.LoadConfig("<integration><name>custom-vault</name><api_key>a&amp;b</api_key><level></level></integration>", release.Latest, osseclog.Logger{})
	if err != nil || len(blocks) != 1 || blocks[0].APIKey != "a&amp;b" || blocks[0].Level != 0 {
		t.Errorf("entities are not decoded and an empty number is 0: %+v, %v", blocks, err)
	}
}

// integrator.c:432 has room for 4095 bytes with the end of the string, and :423 hands over options also when they are empty.
func TestTheCommandIsCutAndEmptyOptionsAreHandedOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start(t, "<integration><name>custom-vault</name><alert_format>json</alert_format><options></options><hook_url>"+strings.Repeat("u", 5000)+"</hook_url></integration>", nil)
	s.append(t, `{"rule":{}}`+"\n")
	s.next(t)
	argv := s.handed(t)[0].Argv
	if n := len(strings.Join(argv, " ")); n != 4094+len(" > /dev/null 2>&1") {
		t.Errorf("the command has %d bytes", n)
	}
	s = newSite(t)
	s.start(t, "<integration><name>custom-vault</name><alert_format>json</alert_format><options></options></integration>", nil)
	s.append(t, `{"rule":{}}`+"\n")
	s.next(t)
	if got := s.handed(t)[0]; got.Options != "\n" {
		t.Errorf("options %q; want an empty line", got.Options)
	}
}

// integrator.c:62-140: what each of Wazuh's own integrations needs, and what it says without.
func TestWazuhsOwnIntegrationsNeedTheirKeyOrURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{"slack", "ERROR: Unable to enable integration for: 'slack'. Missing hook URL."},
		{"maltiverse", "ERROR: Unable to enable integration for: 'maltiverse'. Missing hook URL."},
		{"virustotal", "ERROR: Unable to enable integration for: 'virustotal'. Missing API Key."},
		{"pagerduty", "ERROR: Unable to enable integration for: 'pagerduty'. Missing API Key."},
		{"myvault", "ERROR: Invalid integration: 'myvault'. Not currently supported."},
	} {
		s := newSite(t)
		s.install(t, c.name, 0o550)
		s.start(t, "<integration><name>"+c.name+"</name></integration>", nil)
		if got := s.log.Lines(); !slices.Contains(got, "wazuh-integratord: "+c.want) {
			t.Errorf("%s: logged %q", c.name, got)
		}
	}
}
