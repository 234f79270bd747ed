package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/analysisd"
	"custom-vault/lab/manager"
	"custom-vault/lab/osseclog"
)

// ruleDrivenCase is a line of execd/rule-driven.jsonl: datagrams into the manager, responses out of its agent.
type ruleDrivenCase struct {
	Name       string
	Frames     []engineStep
	AlertRules []string  `json:"alert_rules"`
	LastAlert  lastAlert `json:"last_alert"`
	Runs       []recordedRun
	ManagerLog []string `json:"manager_log"`
}

type lastAlert struct {
	Line string
	B64  []byte `json:"line_b64"`
}

func (l lastAlert) text() string {
	if l.B64 != nil {
		return string(l.B64)
	}
	return l.Line
}

// ruleDrivenConf is the configuration that those recordings were made with.
const ruleDrivenConf = `<command><name>vault-seal</name><executable>vault-seal</executable><timeout_allowed>no</timeout_allowed></command>
<active-response><command>vault-seal</command><location>local</location><rules_id>100617,100618</rules_id></active-response>`

// runRuleDriven replays the cases into one manager, one after the other, as they were recorded.
func runRuleDriven(w *workshop, path string, m *Mutator, v *verdicts) error {
	cases, err := readCases[ruleDrivenCase](path, v)
	if err != nil || len(cases) == 0 {
		return err
	}
	rules, keep, err := articleRules(filepath.Dir(filepath.Dir(path)))
	if err != nil {
		for _, c := range cases {
			v.settle(c.Name, "", err.Error())
		}
		return nil
	}
	site, err := w.ruleDrivenSite(rules)
	if err != nil {
		return err
	}
	defer site.Stop()
	for _, c := range cases {
		v.settle(c.Name, compared(func() (string, error) { return site.replay(c, m, keep) }), "")
	}
	return nil
}

// articleRules is the article's ruleset, as the recordings of the engine hold it, with the lab's own small stock ruleset.
func articleRules(cases string) (rules analysisd.Sources, text string, err error) {
	dir := filepath.Join(cases, "engine", "rulesets", "article")
	rs, err := loadRuleset(dir)
	if err != nil {
		return rules, "", fmt.Errorf("needs the article's ruleset, engine/rulesets/article: %w", err)
	}
	return manager.Snippets(dir), rs.text, nil
}

// site is a manager with its agent 001, whose vault-seal is the probe.
type site struct {
	*manager.Manager
	log       *osseclog.Memory
	agentHome string
}

func (w *workshop) ruleDrivenSite(rules analysisd.Sources) (*site, error) {
	home, err := w.home()
	if err != nil {
		return nil, err
	}
	agentHome, err := w.home()
	if err != nil {
		return nil, err
	}
	if err := w.put(agentHome, "active-response/bin/vault-seal", 0o750, []string{"read1", "exit 0"}); err != nil {
		return nil, err
	}
	log := &osseclog.Memory{}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	started, err := manager.Start(ctx, manager.Config{
		Home: home, Rules: rules, OssecConf: ruleDrivenConf, Log: log, FlushEvery: 10 * time.Millisecond,
		Agents: []agent.Config{{ID: "001", Name: "vault-1", Home: agentHome, Env: recordedEnv(), Credential: credential(0)}},
	})
	if err != nil {
		return nil, err
	}
	return &site{started, log, agentHome}, nil
}

// settle is how long nothing more may come before a case is over.
const settle = 400 * time.Millisecond

func (s *site) replay(c ruleDrivenCase, m *Mutator, keep string) (string, error) {
	var frames []string
	for _, f := range c.Frames {
		datagram, err := f.datagram()
		if err != nil {
			return "", fmt.Errorf("decode a datagram: %w", err)
		}
		frames = append(frames, string(datagram))
	}
	change := m.For(keep+reserved+" vault-1 vault-2", frames...)
	runsBefore, err := probeRuns(s.agentHome)
	if err != nil {
		return "", err
	}
	logBefore, alertsBefore := len(s.log.Lines()), len(s.alerts())
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.QueueSocket(), Net: "unixgram"})
	if err != nil {
		return "", fmt.Errorf("connect to the lab's queue: %w", err)
	}
	defer conn.Close() //nolint:errcheck // a datagram socket
	for _, f := range frames {
		if _, err := conn.Write([]byte(change.Text(f))); err != nil {
			return "", fmt.Errorf("send to the lab's queue: %w", err)
		}
	}
	sent := time.Now()
	waitFor(patience, func() bool {
		runs, err := probeRuns(s.agentHome)
		if err != nil || len(runs) < len(runsBefore)+len(c.Runs) || len(s.alerts()) < alertsBefore+len(c.AlertRules) {
			return false
		}
		for i, r := range c.Runs {
			if len(runs[len(runsBefore)+i].Events) < len(r.Events) {
				return false
			}
		}
		return len(execdLog(s.log.Lines()[logBefore:])) >= len(c.ManagerLog)
	})
	time.Sleep(settle)
	runs, err := probeRuns(s.agentHome)
	if err != nil {
		return "", err
	}
	alerts := s.alerts()[alertsBefore:]
	var rules []string
	last := ""
	for _, line := range alerts {
		rules = append(rules, ruleOf(line))
		last = comparedAlert(line)
	}
	var log []string
	for _, line := range c.ManagerLog {
		log = append(log, change.Text(line))
	}
	return joinDifferences([]string{
		linesDiff("rule", c.AlertRules, rules),
		linesDiff("last alert", []string{comparedAlert(change.Text(c.LastAlert.text()))}, []string{last}),
		compareRuns(s.agentHome, withoutClocks(c.Runs), clocksOut(runs[len(runsBefore):]), sent, change),
		linesDiff("log line", log, execdLog(s.log.Lines()[logBefore:])),
	}), nil
}

// alerts are the lines of the manager's alerts.json.
func (s *site) alerts() (lines []string) {
	_ = s.Alerts().Flush()
	_ = eachLine(s.AlertsFile(), func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	return lines
}

func ruleOf(line string) string {
	var alert struct{ Rule struct{ ID string } }
	_ = json.Unmarshal([]byte(line), &alert)
	return alert.Rule.ID
}

// comparedAlert is comparedLine without firedtimes: how often a rule fired before the recording began, it does not tell.
func comparedAlert(line string) string {
	return firedTimes.ReplaceAllString(comparedLine(line), `"firedtimes":…`)
}

var (
	firedTimes = regexp.MustCompile(`"firedtimes":\d+`)
	// The same three fields as they stand in an active response.
	clockFields = regexp.MustCompile(`"timestamp":"[^"]*"|"firedtimes":\d+|"id":"\d+\.\d+"`)
)

func withoutClocks(runs []recordedRun) []recordedRun {
	out := append([]recordedRun(nil), runs...)
	for i := range out {
		out[i].Events = append([]recordedEvent(nil), out[i].Events...)
		for j := range out[i].Events {
			e := &out[i].Events[j]
			e.Text, e.Head, e.Bytes = clockFields.ReplaceAllString(e.Text, "…"), withoutClock(e.Head), coarseBytes(e.Bytes)
		}
	}
	return out
}

func clocksOut(runs []probeRecord) []probeRecord {
	out := append([]probeRecord(nil), runs...)
	for i := range out {
		for j := range out[i].Events {
			e := &out[i].Events[j]
			e.Text, e.Head, e.Bytes = clockFields.ReplaceAllString(e.Text, "…"), withoutClock(e.Head), coarseBytes(e.Bytes)
		}
	}
	return out
}

// withoutClock also cuts the beginning of a long message to what both have, whatever number of digits was taken out.
func withoutClock(head string) string {
	head = clockFields.ReplaceAllString(head, "…")
	return head[:min(len(head), headSize-150)]
}

// coarseBytes rounds the length of a message that holds an alert's id and firedtimes, whose digits may be more or fewer.
func coarseBytes(n int) int {
	const digits = 10
	return (n + digits) / (4 * digits) * (4 * digits)
}
