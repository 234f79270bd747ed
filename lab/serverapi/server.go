package serverapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"custom-vault/lab/release"
)

// The API's defaults (api/configuration.py).
const (
	defaultTokenLife      = 900 * time.Second
	defaultRequestTimeout = 10 * time.Second
	defaultPerMinute      = 300
	defaultEvents         = 30
	defaultLoginAttempts  = 50
	defaultBlockTime      = 300 * time.Second
	// defaultAgentTimeout is how long a request for an agent that hangs goes on behind the scenes: 109 s were seen.
	defaultAgentTimeout = 109 * time.Second
	maxUpload           = 10 << 20
)

// Agent is a row of the manager's database of agents.
type Agent struct {
	ID, Name string
	// Status is active, disconnected, pending or never_connected.
	Status string
	// Version is such as "Wazuh v4.14.4"; empty for one that never connected.
	Version       string
	NodeName      string
	Groups        []string
	LastKeepAlive time.Time
}

// Fleet is what the API knows of agents and can do to them.
type Fleet interface {
	// Agents lists the database, agent 000 first.
	Agents() []Agent
	// ActiveResponseDisabled asks the agent itself ("getconfig com active-response"); it may hang until ctx ends. ErrNoComponent is an agent
	// whose execd does not answer.
	ActiveResponseDisabled(ctx context.Context, id string) (bool, error)
	// Commands lists what the manager's ar.conf defines.
	Commands() []string
	// Send hands a message for an agent's execd to remoted. Nobody learns whether it arrives.
	Send(id string, message []byte)
	// Event puts an event on analysisd's queue.
	Event(frame []byte) error
	// Logtest runs an event through the rules without writing an alert, and returns the alert's JSON, or nil.
	Logtest(event, logFormat, location string) []byte
}

// ErrNoComponent is returned by a Fleet for an agent whose execd does not answer.
var ErrNoComponent = errors.New("requested component configuration does not exist")

// Config says how to serve. Zero durations and numbers take the API's defaults; a negative limit is none.
type Config struct {
	// Address to listen on; empty means a free port of 127.0.0.1.
	Address string
	// Certificate of the server.
	TLS   *tls.Config
	Fleet Fleet
	// Users who may log in.
	Users          []User
	Release        release.Release
	Now            func() time.Time
	TokenLife      time.Duration
	RequestTimeout time.Duration
	AgentTimeout   time.Duration
	PerMinute      int // requests per minute of all clients together
	EventsLimit    int // POST /events per minute
	LoginAttempts  int
	BlockTime      time.Duration
	// HostName of the manager, shown by GET /.
	HostName string
}

// Request is a request that came in, for tests to look at.
type Request struct {
	At     time.Time
	Method string
	Path   string // with its query
	User   string // "" when not logged in
	Body   []byte
	Status int
}

// Server is a running API.
type Server struct {
	cfg    Config
	tokens *tokens
	worker chan struct{} // non-login requests run in one worker process
	wait   sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	listener net.Listener
	http     *http.Server
	address  string
	access   access
	logins   logins
	general  window
	events   window
	stopped  map[string]bool
	requests []Request
	latency  time.Duration
	timeouts []bool // what the next active responses come to: false lost, true delivered
}

// Start serves.
func Start(cfg Config) (*Server, error) {
	setDefaults(&cfg)
	t, err := newTokens()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, tokens: t, worker: make(chan struct{}, 1), stopped: make(map[string]bool), address: cfg.Address}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, u := range cfg.Users {
		s.access.add(u)
	}
	if err := s.Up(); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

func setDefaults(cfg *Config) {
	duration := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	limit := func(n *int, otherwise int) {
		if *n == 0 {
			*n = otherwise
		}
		*n = max(*n, 0)
	}
	duration(&cfg.TokenLife, defaultTokenLife)
	duration(&cfg.RequestTimeout, defaultRequestTimeout)
	duration(&cfg.AgentTimeout, defaultAgentTimeout)
	duration(&cfg.BlockTime, defaultBlockTime)
	limit(&cfg.PerMinute, defaultPerMinute)
	limit(&cfg.EventsLimit, defaultEvents)
	limit(&cfg.LoginAttempts, defaultLoginAttempts)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	if cfg.HostName == "" {
		cfg.HostName = "wazuh-manager"
	}
	if cfg.Release == (release.Release{}) {
		cfg.Release = release.Latest
	}
}

// Up listens again after Down, at the same address.
func (s *Server) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen for the server API: %w", err)
	}
	s.address, s.listener = l.Addr().String(), l
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second, ErrorLog: nil,
		BaseContext: func(net.Listener) context.Context { return s.ctx },
	}
	s.http.ErrorLog = discardLog()
	server := s.http
	s.wait.Go(func() {
		_ = server.Serve(tls.NewListener(l, s.cfg.TLS)) // its error is that of Close
	})
	return nil
}

// Down closes the port and every connection, as an API that was ended.
func (s *Server) Down() {
	s.mu.Lock()
	server := s.http
	s.listener, s.http = nil, nil
	s.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// Stop ends the server and everything it began.
func (s *Server) Stop() {
	s.cancel()
	s.Down()
	s.wait.Wait()
}

// URL is https://localhost:PORT: the certificate is for that name.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return "https://" + s.address
	}
	return "https://localhost:" + port
}

// Requests returns what came in so far, in order of completion.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// SetLatency lets every answer wait.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// SetDaemon says whether one of the daemons runs that the API wants to see running: wazuh-modulesd, wazuh-analysisd, wazuh-execd, wazuh-db,
// wazuh-remoted.
func (s *Server) SetDaemon(name string, running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped[name] = !running
}

// TimeOutNext lets the next active response be answered with 500/3021 at once, its message delivered all the same or lost: a client cannot know.
func (s *Server) TimeOutNext(delivered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timeouts = append(s.timeouts, delivered)
}

// RevokeTokens voids every token, as any change of the security configuration does. Tokens of the same second are void as well.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens.allSince = s.cfg.Now().Unix()
}
