package manager

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"custom-vault/lab/alertlog"
	"custom-vault/lab/analysisd"
	"custom-vault/lab/queue"
)

// flushEvery is how often analysisd flushes alerts.json.
const flushEvery = time.Second

// Snippets is the ruleset of a folder with decoders/ and rules/, beside what little of Wazuh's stock ruleset the lab has.
func Snippets(dir string) analysisd.Sources {
	return analysisd.Sources{Files: os.DirFS(dir), DecoderDirs: []string{"decoders"}, RuleDirs: []string{"rules"}, Stock: true}
}

// StartAnalysisd starts analysisd, which Start has done already: it opens its socket, loads the rules (until then senders block once the kernel's
// queue is full), opens alerts.json and reads the queue. Frequency rules begin without memory.
func (m *Manager) StartAnalysisd() (err error) {
	q := queue.Config{
		Path: m.QueueSocket(), StateFile: filepath.Join(m.cfg.Home, statePath), Depth: m.cfg.QueueDepth, Capacity: m.cfg.Capacity, Now: m.cfg.Now, Log: m.logger("wazuh-analysisd"),
	}
	if c := m.cfg.Credential; c != nil {
		uid, gid := int(c.Uid), int(c.Gid)
		q.UID, q.GID = &uid, &gid
	}
	listening, err := queue.Listen(q)
	if err != nil {
		return err
	}
	rules, lines, err := analysisd.Load(m.cfg.Rules)
	for _, line := range lines {
		m.sink.Line(line)
	}
	if err != nil {
		listening.Close()
		return fmt.Errorf("load decoders and rules: %w", err)
	}
	alerts, err := alertlog.Open(filepath.Join(m.cfg.Home, alertsPath), "alerts", m.cfg.Now())
	if err != nil {
		listening.Close()
		return err
	}
	options := m.cfg.Analysisd
	if options.ManagerName == "" {
		options.ManagerName = m.cfg.HostName
	}
	options.Offset = func() int64 {
		offset, err := alerts.Offset(m.cfg.Now())
		if err != nil {
			m.logger("wazuh-analysisd").Error("getloglocation.c:100 at OS_GetLogLocation()", "%v", err)
		}
		return offset
	}
	engine := analysisd.NewEngine(rules, options)
	m.mu.Lock()
	m.rules, m.alerts, m.queue = rules, alerts, listening
	m.mu.Unlock()
	m.serveQueue(listening, engine, alerts)
	m.setDaemon("wazuh-analysisd", true)
	return nil
}

func (m *Manager) serveQueue(q *queue.Queue, engine *analysisd.Engine, alerts *alertlog.Writer) {
	running, stop := context.WithCancel(m.running)
	m.analysisdStop = stop
	m.analysisdDone.Go(func() {
		err := q.Serve(running, func(frame []byte, at time.Time) { m.process(engine, alerts, frame, at) })
		if err != nil {
			m.logger("wazuh-analysisd").Error("analysisd.c:1400 at ad_input_main()", "%v", err)
		}
		if err := alerts.Close(); err != nil {
			m.logger("wazuh-analysisd").Error("analysisd.c:1700 at w_log_flush()", "%v", err)
		}
	})
	m.analysisdDone.Go(func() { m.flush(running, alerts) })
}

// StopAnalysisd ends analysisd. Its socket's file stays; senders get ECONNREFUSED, also those that are connected.
func (m *Manager) StopAnalysisd() {
	if m.analysisdStop == nil {
		return
	}
	m.setDaemon("wazuh-analysisd", false)
	m.analysisdStop()
	m.analysisdDone.Wait()
}

func (m *Manager) setDaemon(name string, running bool) {
	if m.api != nil {
		m.api.SetDaemon(name, running)
	}
}

// process is one event's way through analysisd.
func (m *Manager) process(engine *analysisd.Engine, alerts *alertlog.Writer, frame []byte, at time.Time) {
	if m.cfg.OnEvent != nil {
		m.cfg.OnEvent(frame)
	}
	result := engine.Process(frame, at)
	for _, line := range result.Log {
		m.sink.Line(line)
	}
	if result.Alert != nil {
		result.Alert = m.withAddress(result.Alert, result.AgentID)
		if err := alerts.Append(result.Alert, at); err != nil {
			m.logger("wazuh-analysisd").Error("log.c:100 at jsonout_output_event()", "%v", err)
		} else if m.cfg.OnAlert != nil {
			m.cfg.OnAlert(result.Alert)
		}
	}
	if result.RuleID != 0 && !result.NoActiveResponse {
		m.respondTo(result)
	}
}

// withAddress shows the address by which the manager knows a connected agent; an event's own frame says "any".
func (m *Manager) withAddress(alert []byte, agentID string) []byte {
	a := m.Agent(agentID)
	if a == nil {
		return alert
	}
	bare := fmt.Appendf(nil, `"agent":{"id":"%s","name":"%s"`, agentID, a.Name())
	return bytes.Replace(alert, append(bare, '}'), fmt.Appendf(bare, `,"ip":"%s"}`, a.IP()), 1)
}

func (m *Manager) flush(running context.Context, alerts *alertlog.Writer) {
	tick := time.NewTicker(m.cfg.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-running.Done():
			return
		case <-tick.C:
			if err := alerts.Flush(); err != nil {
				m.logger("wazuh-analysisd").Error("analysisd.c:1700 at w_log_flush()", "%v", err)
			}
		}
	}
}

var lineTime = regexp.MustCompile(`^\{"timestamp":"[^"]*"`)

// Logtest implements serverapi.Fleet, in a session of its own, as agent 000 and without an alert. An event that ends at level 0 shows no rule,
// where the real one shows it.
func (m *Manager) Logtest(event, _, location string) []byte {
	m.mu.Lock()
	rules := m.rules
	m.mu.Unlock()
	now := m.cfg.Now().UTC()
	result := analysisd.NewEngine(rules, analysisd.Options{ManagerName: m.cfg.HostName}).Process([]byte("1:"+location+":"+event), now)
	output := result.Alert
	if output == nil {
		output = result.Archive
	}
	return lineTime.ReplaceAll(output, []byte(`{"timestamp":"`+now.Format("2006-01-02T15:04:05.000000Z")+`"`))
}
