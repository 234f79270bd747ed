// Package vault runs a real Vault (the lab's vaultserver binary) as a process of its own and drives it
// through its HTTP API, for tests and the demo: initialise, unseal, audit devices, users, tokens, seal,
// stop, crash. It imports the lab's pki and the standard library, never the product: the product's view
// of Vault is what it helps to test. Its clients report every answer as it came: no retries, no
// redirects followed, no environment read.
package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"custom-vault/lab/pki"
)

// Storage is where a server keeps its data.
type Storage string

// Inmem is gone when the process ends; File and Raft survive a restart, in the folder "data" of the server's.
const (
	Inmem Storage = "inmem"
	File  Storage = "file"
	Raft  Storage = "raft"
)

// The ports that Start picks from lie below the kernel's range for outgoing connections (from 32768), so
// that nobody is given the port of a node while it restarts. Even ones are for the API, the next odd
// one for the cluster, as 8200 and 8201 are.
const (
	firstPort    = 20000
	portPairs    = 6000
	portAttempts = 50
)

// Config says how to run a server. Binary and Dir are needed.
type Config struct {
	// Binary is the vaultserver program; Binary() finds it.
	Binary string
	// Dir is the server's own folder and its working folder, made if it is missing: certificates,
	// data, the operational log, audit files with a relative path.
	Dir string
	// CA signs the API's certificate; nil makes a new authority.
	CA *pki.CA
	// Storage is Inmem unless said otherwise.
	Storage Storage
	// NodeID is the node's name in its raft cluster; needed with Raft.
	NodeID string
	// Listen is the API's address, an IP and a port. Empty picks a free port of 127.0.0.1.
	Listen string
	// DNSNames and IPs are further names for the certificate; Listen's IP and localhost are always in it.
	DNSNames []string
	IPs      []net.IP
	// TrustForwardedFrom are networks whose X-Forwarded-For the server believes.
	TrustForwardedFrom []string
	// RefuseAuditPrefix is Vault's own default since 1.20.1. The lab's is to allow it, because audit
	// devices with a prefix are what the product has to read.
	RefuseAuditPrefix bool
	// LogLevel is trace, debug, info (the default), warn or error.
	LogLevel string
	// LogJSON writes the operational log as JSON.
	LogJSON bool
}

// Server is one Vault server. Its methods are for one goroutine at a time; its Clients are for many.
type Server struct {
	config    Config
	files     pki.Files
	listen    string
	keys      Keys
	transport *http.Transport
	process   *process
}

// Start runs a new server and returns when it answers: sealed, and with empty storage uninitialised.
// ctx bounds the start only. The caller owns the server and ends it with Stop or Kill.
func Start(ctx context.Context, c Config) (*Server, error) {
	s, err := prepare(c)
	if err != nil {
		return nil, err
	}
	if c.Listen != "" {
		err = s.launch(ctx, c.Listen)
	} else {
		err = s.launchOnFreePort(ctx)
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.SealStatus(ctx); err != nil {
		s.Kill()
		return nil, fmt.Errorf("ask the new Vault: %w; its log is %s", err, s.LogFile())
	}
	return s, nil
}

// prepare makes the folder and the certificate.
func prepare(c Config) (*Server, error) {
	var err error
	if c.Storage == "" {
		c.Storage = Inmem
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	if c.CA == nil {
		if c.CA, err = pki.NewCA("lab Vault authority"); err != nil {
			return nil, err
		}
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, fmt.Errorf("find the server's folder %s: %w", c.Dir, err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the server's folder: %w", err)
	}
	names := pki.Options{
		DNSNames: append([]string{"localhost"}, c.DNSNames...),
		IPs:      append([]net.IP{net.IPv4(127, 0, 0, 1)}, c.IPs...),
	}
	if c.Listen != "" {
		host, _, err := net.SplitHostPort(c.Listen)
		if err != nil {
			return nil, fmt.Errorf("read the listen address: %w", err)
		}
		ip := net.ParseIP(host)
		if ip == nil {
			return nil, fmt.Errorf("listen address %s does not begin with an IP address", c.Listen)
		}
		names.IPs = append(names.IPs, ip)
	}
	files, err := c.CA.WriteFiles(filepath.Join(c.Dir, "tls"), "vault", names)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                 nil,
		TLSClientConfig:       &tls.Config{RootCAs: c.CA.Pool(), MinVersion: tls.VersionTLS12},
		DialContext:           (&net.Dialer{Timeout: requestTimeout}).DialContext,
		TLSHandshakeTimeout:   requestTimeout,
		ResponseHeaderTimeout: requestTimeout,
		MaxIdleConnsPerHost:   8,
	}
	return &Server{config: c, files: files, transport: transport}, nil
}

func (s *Server) launchOnFreePort(ctx context.Context) error {
	for range portAttempts {
		port := firstPort + 2*rand.IntN(portPairs)
		err := s.launch(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if !errors.Is(err, errAddressInUse) {
			return err
		}
	}
	return fmt.Errorf("no free port for Vault in %d attempts from %d up", portAttempts, firstPort)
}

func (s *Server) launch(ctx context.Context, listen string) error {
	s.listen = listen
	args, err := s.arguments()
	if err != nil {
		return err
	}
	p, err := launch(ctx, s.config.Binary, s.config.Dir, s.LogFile(), args)
	if err != nil {
		return fmt.Errorf("vault on %s: %w", listen, err)
	}
	s.process = p
	return nil
}

func (s *Server) arguments() ([]string, error) {
	c := s.config
	args := []string{
		"-listen", s.listen, "-tls-cert", s.files.Cert, "-tls-key", s.files.Key,
		"-storage", string(c.Storage), "-log-level", c.LogLevel,
		"-allow-audit-prefix=" + strconv.FormatBool(!c.RefuseAuditPrefix),
		"-log-json=" + strconv.FormatBool(c.LogJSON),
	}
	if c.Storage != Inmem {
		args = append(args, "-dir", filepath.Join(c.Dir, "data"))
	}
	if len(c.TrustForwardedFrom) > 0 {
		args = append(args, "-trust-forwarded-from", strings.Join(c.TrustForwardedFrom, ","))
	}
	if c.Storage == Raft {
		host, port, err := net.SplitHostPort(s.listen)
		if err != nil {
			return nil, fmt.Errorf("read the listen address: %w", err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("read the port of %s: %w", s.listen, err)
		}
		args = append(args, "-node-id", c.NodeID, "-cluster-listen", net.JoinHostPort(host, strconv.Itoa(n+1)))
	}
	return args, nil
}

// Address is the API's URL, such as https://127.0.0.1:20410.
func (s *Server) Address() string { return "https://" + s.listen }

// CA is the authority that the API's certificate is of.
func (s *Server) CA() *pki.CA { return s.config.CA }

// CAFile holds the authority's certificate, for programs that take a file.
func (s *Server) CAFile() string { return s.files.CA }

// Dir is the server's folder.
func (s *Server) Dir() string { return s.config.Dir }

// LogFile is the operational log. A restart appends to it.
func (s *Server) LogFile() string { return filepath.Join(s.config.Dir, "vault.log") }

// PID is the process's id, while it runs.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Running reports whether the process has not ended.
func (s *Server) Running() bool { return s.process.running() }

// Stop ends the server as systemd would: SIGTERM, and SIGKILL if it has not ended after a minute or ctx's
// end. It returns when the process is gone; its error says that the end was not an orderly one.
func (s *Server) Stop(ctx context.Context) error {
	s.transport.CloseIdleConnections()
	return s.process.stop(ctx)
}

// Kill ends the server with SIGKILL, as a crash does, and returns when the process is gone.
func (s *Server) Kill() {
	s.transport.CloseIdleConnections()
	s.process.kill()
}

// Restart stops the server if it still runs and starts it again on the same address, sealed.
func (s *Server) Restart(ctx context.Context) error {
	if s.Running() {
		if err := s.Stop(ctx); err != nil {
			return err
		}
	}
	if err := s.launch(ctx, s.listen); err != nil {
		return err
	}
	_, err := s.SealStatus(ctx)
	return err
}

// Signal sends a signal: SIGHUP reopens audit files, SIGSTOP and SIGCONT freeze and thaw.
func (s *Server) Signal(sig syscall.Signal) error { return s.process.signal(sig) }
