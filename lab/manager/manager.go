// Package manager wires the stand-ins into a Wazuh manager with its agents: a line that is appended to a file of an agent becomes an alert in
// alerts.json, which starts the programs below integrations/; the server API lets the agent run a program below active-response/bin.
//
// It may import every package of the lab, and holds no logic of Wazuh's beyond what lies between its daemons. It must never be used for anything
// but tests and demos.
package manager

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/alertlog"
	"custom-vault/lab/analysisd"
	"custom-vault/lab/execd"
	"custom-vault/lab/integratord"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/pki"
	"custom-vault/lab/queue"
	"custom-vault/lab/release"
	"custom-vault/lab/serverapi"
)

// The folders and files of a manager, relative to its home.
const (
	queuePath  = "queue/sockets/queue"
	alertsPath = "logs/alerts"
	statePath  = "var/run/wazuh-analysisd.state"
	caPath     = "api/configuration/ssl/ca.pem"
	logPath    = "logs/ossec.log"
)

// Config describes a manager. Zero values take Wazuh's own.
type Config struct {
	// Home is the manager's home (/var/ossec on its host). Programs below Home/integrations have to be there before Start.
	Home string
	// Rules is where decoders and rules are loaded from; see Snippets.
	Rules analysisd.Sources
	// Analysisd changes analysisd's own settings; its Offset is filled in.
	Analysisd analysisd.Options
	// OssecConf is the text of ossec.conf, or of pieces of it: <integration>, <command> and <active-response> are read.
	OssecConf string
	// Agents are connected when Start returns. Home, Send, Now and Log are filled in where they are empty.
	Agents []agent.Config
	// OtherAgents exist only as rows of the database.
	OtherAgents []serverapi.Agent
	Release     release.Release
	HostName    string
	Now         func() time.Time
	// Users of the server API. Nil: an administrator wazuh, and vault-seal, which may command and see the configured agents and nothing else.
	Users []serverapi.User
	// API changes the server API's own settings (limits, time-outs, address); its Fleet, Users, TLS, Release and Now are filled in.
	API serverapi.Config
	// IntegratorPoll is how often alerts.json is looked at (1 s), FlushEvery how often it is flushed (1 s), AgentPoll how often agents read
	// their files (2 s).
	IntegratorPoll, FlushEvery, AgentPoll time.Duration
	// IntegratorDebug is integrator.debug.
	IntegratorDebug int
	// TmpDir holds the files that integratord hands over; empty means /tmp.
	TmpDir string
	// Env is the environment of programs; nil means PATH only.
	Env []string
	// Credential, if set, is whom integrations run as, and the owner of the queue's socket; only root can set it.
	Credential *syscall.Credential
	// QueueDepth is analysisd's decode queue. Capacity is how many events analysisd takes in a second: 0 as many as a real one did
	// (queue.RealCapacity), negative without a bound.
	QueueDepth, Capacity int
	// Log, if set, is told each line that goes to logs/ossec.log.
	Log osseclog.Sink
	// OnEvent is told each event that analysisd takes from its queue, OnAlert each line that it appended to alerts.json, from analysisd's own
	// goroutine; OnOrder each message for an agent's execd; OnProgram each integration that was started. They must not block.
	OnEvent   func(frame []byte)
	OnAlert   func(line []byte)
	OnOrder   func(agentID string, message []byte)
	OnProgram func(integration string, pid int)
	// OnProgramEnd is told each integration that has ended, or could not be started.
	OnProgramEnd func(integratord.Run)
}

// Manager is a running manager.
type Manager struct {
	cfg       Config
	conf      conf
	log       *osseclog.File
	agentLogs []*osseclog.File
	sink      osseclog.Sink
	alerts    *alertlog.Writer
	rules     *analysisd.Ruleset
	queue     *queue.Queue
	api       *serverapi.Server
	remoted   remoted
	running   context.Context // ends with Stop; a manager's own life, not a request's
	stop      context.CancelFunc
	wait      sync.WaitGroup
	stopping  sync.Once

	integratord    *integratord.Daemon
	integrator     context.CancelFunc
	integratorDone chan struct{}

	analysisdStop context.CancelFunc
	analysisdDone sync.WaitGroup

	mu       sync.Mutex
	couriers []*courier // one for each agent
	runs     []integratord.Run
	execd    *execd.Daemon
	ownRuns  []execd.Run
}

// Start starts everything and returns when it stands: the queue is read, the agents are connected, integratord is at the end of alerts.json, the API
// listens. ctx bounds the start only; Stop ends it all.
func Start(ctx context.Context, cfg Config) (*Manager, error) {
	setDefaults(&cfg)
	m := &Manager{cfg: cfg}
	m.remoted.path, m.remoted.ended = m.QueueSocket(), make(chan struct{})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	m.running, m.stop = running, stop
	if err := m.start(ctx); err != nil {
		m.Stop()
		return nil, err
	}
	return m, nil
}

func setDefaults(cfg *Config) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.HostName == "" {
		cfg.HostName = "wazuh-manager"
	}
	if cfg.Release == (release.Release{}) {
		cfg.Release = release.Latest
	}
	if cfg.Capacity == 0 {
		cfg.Capacity = queue.RealCapacity
	}
	if cfg.FlushEvery == 0 {
		cfg.FlushEvery = flushEvery
	}
	if cfg.Users == nil {
		cfg.Users = defaultUsers(cfg.Agents)
	}
}

func defaultUsers(agents []agent.Config) []serverapi.User {
	var resources []string
	for _, a := range agents {
		resources = append(resources, "agent:id:"+a.ID)
	}
	return []serverapi.User{
		{Name: "vault-seal", Password: "Aa1!" + rand.Text(), Policies: []serverapi.Policy{
			{Name: "vault_seal", Actions: []string{"active-response:command"}, Resources: resources},
			{Name: "vault_read", Actions: []string{"agent:read"}, Resources: resources},
		}},
		{Name: "wazuh", Password: "Aa1!" + rand.Text(), Admin: true},
	}
}

func (m *Manager) start(ctx context.Context) (err error) {
	if m.log, err = osseclog.OpenFile(filepath.Join(m.cfg.Home, logPath), m.cfg.Now); err != nil {
		return err
	}
	m.sink = m.log
	if m.cfg.Log != nil {
		m.sink = osseclog.Tee{m.log, m.cfg.Log}
	}
	if m.conf, err = readConf(m.cfg.OssecConf); err != nil {
		return err
	}
	if err := m.StartAnalysisd(); err != nil {
		return err
	}
	if err := m.startExecd(); err != nil {
		return err
	}
	if err := m.startAgents(); err != nil {
		return err
	}
	if err := m.StartIntegratord(ctx); err != nil {
		return err
	}
	return m.startAPI()
}

// startExecd starts the manager's own execd, which runs the responses of agent 000.
func (m *Manager) startExecd() (err error) {
	if err := agent.WriteSharedConfig(m.cfg.Home, m.conf.arConf()); err != nil {
		return err
	}
	m.execd, err = execd.Start(execd.Config{Home: m.cfg.Home, Now: m.cfg.Now, Log: m.logger("wazuh-execd"), Env: m.cfg.Env, OnRun: func(r execd.Run) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.ownRuns = append(m.ownRuns, r)
	}})
	return err
}

func (m *Manager) startAgents() error {
	for _, cfg := range m.cfg.Agents {
		if cfg.Home == "" {
			cfg.Home = filepath.Join(m.cfg.Home, "agents", cfg.ID)
		}
		if cfg.Now == nil {
			cfg.Now = m.cfg.Now
		}
		if cfg.Log == nil {
			log, err := osseclog.OpenFile(filepath.Join(cfg.Home, logPath), cfg.Now)
			if err != nil {
				return err
			}
			m.agentLogs = append(m.agentLogs, log)
			cfg.Log = log
		}
		if cfg.Poll == 0 {
			cfg.Poll = m.cfg.AgentPoll
		}
		if cfg.Version == "" {
			cfg.Version = "Wazuh v" + m.cfg.Release.String()
		}
		cfg.Send = m.forward
		a, err := agent.Start(cfg)
		if err != nil {
			return err
		}
		c := &courier{agent: a, messages: make(chan []byte, waiting)}
		m.mu.Lock()
		m.couriers = append(m.couriers, c)
		m.mu.Unlock()
		if err := a.WriteSharedConfig(m.conf.arConf()); err != nil {
			return err
		}
		m.wait.Go(func() { m.deliver(m.running, c) })
	}
	return nil
}

// StartIntegratord starts integratord, at the end of alerts.json, and returns when it stands there. Start has done so already.
func (m *Manager) StartIntegratord(ctx context.Context) error {
	log := m.logger("wazuh-integratord")
	log.Debug = m.cfg.IntegratorDebug
	blocks, err := integratord.LoadConfig(m.cfg.OssecConf, m.cfg.Release, log)
	if err != nil {
		return err
	}
	d := integratord.New(integratord.Config{
		Home: m.cfg.Home, Integrations: blocks, Release: m.cfg.Release, TmpDir: m.cfg.TmpDir, Poll: m.cfg.IntegratorPoll, Now: m.cfg.Now, Log: log,
		Env: m.cfg.Env, Credential: m.cfg.Credential, OnStart: m.cfg.OnProgram, OnRun: m.keepRun,
	})
	runs, cancel := context.WithCancel(m.running)
	ready, done := make(chan struct{}), make(chan struct{})
	m.mu.Lock()
	m.integratord, m.integrator, m.integratorDone = d, cancel, done
	m.mu.Unlock()
	m.wait.Go(func() {
		defer close(done)
		d.Run(runs, ready)
	})
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("start integratord: %w", ctx.Err())
	}
}

func (m *Manager) startAPI() error {
	ca, err := pki.NewCA("wazuh lab")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.CAFile()), 0o755); err != nil {
		return fmt.Errorf("make the folder of the server API's certificate: %w", err)
	}
	if err := os.WriteFile(m.CAFile(), ca.PEM(), 0o644); err != nil {
		return fmt.Errorf("write the authority of the server API's certificate: %w", err)
	}
	cfg := m.cfg.API
	// The certificate that the real API makes for itself is for localhost and nothing else (api/configuration.py:236).
	if cfg.TLS, err = ca.ServerConfig(pki.Options{CommonName: "wazuh.com", DNSNames: []string{"localhost"}}); err != nil {
		return err
	}
	cfg.Fleet, cfg.Users, cfg.Release, cfg.Now, cfg.HostName = m, m.cfg.Users, m.cfg.Release, m.cfg.Now, m.cfg.HostName
	m.api, err = serverapi.Start(cfg)
	return err
}

// Stop ends everything, in the order in which a manager goes down, and waits for it.
func (m *Manager) Stop() {
	m.stopping.Do(func() {
		if m.api != nil {
			m.api.Stop()
		}
		close(m.remoted.ended)
		for _, c := range m.fleet() {
			c.agent.Stop()
		}
		m.stop()
		m.StopAnalysisd()
		if m.execd != nil {
			m.execd.Stop()
		}
		m.wait.Wait()
		m.remoted.close()
		for _, log := range append(m.agentLogs, m.log) {
			if log != nil {
				_ = log.Close()
			}
		}
	})
}

func (m *Manager) logger(program string) osseclog.Logger {
	return osseclog.Logger{Program: program, Sink: m.sink}
}

// StopIntegratord ends integratord; what is written to alerts.json until StartIntegratord never reaches a program.
func (m *Manager) StopIntegratord() {
	m.mu.Lock()
	cancel, done := m.integrator, m.integratorDone
	m.mu.Unlock()
	cancel()
	<-done
}

// KillIntegratord ends integratord as SIGKILL does: the program that it runs goes on, and nobody waits for it.
func (m *Manager) KillIntegratord() {
	m.mu.Lock()
	d, cancel := m.integratord, m.integrator
	m.mu.Unlock()
	d.Abandon()
	cancel()
}

func (m *Manager) keepRun(r integratord.Run) {
	if m.cfg.OnProgramEnd != nil {
		m.cfg.OnProgramEnd(r)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = append(m.runs, r)
}

// IntegrationRuns returns the programs that integratord has run, or tried to; none where OnProgramEnd is told.
func (m *Manager) IntegrationRuns() []integratord.Run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]integratord.Run(nil), m.runs...)
}

// ResponseRuns returns the programs that the agent's execd (that of the manager for 000) has run to their end.
func (m *Manager) ResponseRuns(agentID string) []execd.Run {
	if agentID == managerID {
		m.mu.Lock()
		defer m.mu.Unlock()
		return append([]execd.Run(nil), m.ownRuns...)
	}
	if a := m.Agent(agentID); a != nil {
		return a.Runs()
	}
	return nil
}

// Agent returns a running agent, or nil.
func (m *Manager) Agent(id string) *agent.Agent {
	for _, c := range m.fleet() {
		if c.agent.ID() == id {
			return c.agent
		}
	}
	return nil
}

func (m *Manager) fleet() []*courier {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*courier(nil), m.couriers...)
}

// API is the server API, for its faults and the requests it got.
func (m *Manager) API() *serverapi.Server { return m.api }

// Queue is the queue of the running analysisd, for its faults and counters.
func (m *Manager) Queue() *queue.Queue {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.queue
}

// Alerts is alerts.json of the running analysisd, to be flushed and rotated by tests.
func (m *Manager) Alerts() *alertlog.Writer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alerts
}

// Home is the manager's home.
func (m *Manager) Home() string { return m.cfg.Home }

// URL is the server API's.
func (m *Manager) URL() string { return m.api.URL() }

// CAFile is the authority of the server API's certificate.
func (m *Manager) CAFile() string { return filepath.Join(m.cfg.Home, caPath) }

// QueueSocket is analysisd's socket.
func (m *Manager) QueueSocket() string { return filepath.Join(m.cfg.Home, queuePath) }

// AlertsFile is alerts.json.
func (m *Manager) AlertsFile() string { return filepath.Join(m.cfg.Home, alertsPath, "alerts.json") }

// LogFile is ossec.log.
func (m *Manager) LogFile() string { return filepath.Join(m.cfg.Home, logPath) }

// User returns a user of the server API and the password.
func (m *Manager) User(name string) (serverapi.User, error) {
	for _, u := range m.cfg.Users {
		if u.Name == name {
			return u, nil
		}
	}
	return serverapi.User{}, fmt.Errorf("the server API has no user %q", name)
}
