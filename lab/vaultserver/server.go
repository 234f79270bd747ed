package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/vault"
)

// The vault CLI's own lines in the operational log (command/server.go:1590-1669).
const (
	bannerStarted  = "==> Vault server started! Log data will stream in below:"
	bannerReload   = "==> Vault reload triggered"
	bannerShutdown = "==> Vault shutdown triggered"
	bannerGone     = "==> Vault core was shut down"
)

// auditReloads prefixes the names of the core's functions that reopen audit files.
const auditReloads = "audit_file|"

// server is a Vault core behind its listener.
type server struct {
	core   *vault.Core
	config *vault.CoreConfig // its reload functions are filled in by the core
	ln     net.Listener
	http   *http.Server
	secure bool
	logger hclog.Logger
	log    *gatedLog
}

// newServer binds the listener before it makes the core: the core has to know its own address.
func newServer(o options, log *gatedLog) (*server, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: o.logLevel, JSONFormat: o.logJSON, Output: log})
	ln, err := openListener(o)
	if err != nil {
		return nil, err
	}
	s := &server{ln: ln, secure: o.certFile != "", logger: logger, log: log}
	if err := s.makeCore(o); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.http = apiServer(s.core, o, logger)
	return s, nil
}

func (s *server) makeCore(o options) error {
	backend, err := openStorage(o, s.logger)
	if err != nil {
		return err
	}
	s.config = &vault.CoreConfig{
		Physical:               backend,
		StorageType:            string(o.storage),
		RedirectAddr:           s.url(),
		ClusterName:            "lab",
		Logger:                 s.logger,
		DisableMlock:           true,
		AuditBackends:          map[string]audit.Factory{"file": audit.NewFileBackend},
		CredentialBackends:     authMethods(),
		LogicalBackends:        secretEngines(),
		BuiltinRegistry:        newRegistry(),
		AllowAuditLogPrefixing: o.allowAuditPrefix,
	}
	var cluster *net.TCPAddr
	if o.storage == storageRaft {
		if cluster, err = clusterAddress(o); err != nil {
			return err
		}
		ha, ok := backend.(physical.HABackend)
		if !ok {
			return fmt.Errorf("%s storage %s cannot elect a leader", o.storage, o.dir)
		}
		s.config.HAPhysical = ha
		s.config.ClusterAddr = "https://" + cluster.String()
	}
	s.core, err = vault.NewCore(s.config)
	if err != nil {
		if vault.IsFatalError(err) { // true of nil as well
			return fmt.Errorf("make Vault core: %w", err)
		}
		s.logger.Warn("core made with a fault", "error", err)
	}
	if cluster != nil {
		joinCluster(s.core, cluster)
	}
	return nil
}

func (s *server) url() string {
	scheme := "http"
	if s.secure {
		scheme = "https"
	}
	return scheme + "://" + s.ln.Addr().String()
}

// serve answers requests and obeys signals until SIGTERM, SIGINT, a failing listener, or the end of the
// core (a raft peer that was removed shuts down by itself).
func (s *server) serve(signals <-chan os.Signal) error {
	if err := s.log.start(); err != nil {
		return fmt.Errorf("write the operational log: %w", err)
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.ln) }()
	gone := s.core.ShutdownDone()
	for {
		select {
		case err := <-served:
			return errors.Join(fmt.Errorf("serve the API on %s: %w", s.ln.Addr(), err), s.core.Shutdown())
		case <-gone:
			s.say(bannerGone)
			err := s.closeAPI(served)
			return errors.Join(errors.New("vault core was shut down from inside, see the operational log"), err)
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				s.say(bannerShutdown)
				return s.stop(served)
			}
			s.say(bannerReload)
			s.reopenAuditFiles()
		}
	}
}

// stop takes no new connections, as `vault server` does, then seals; a raft leader hands over first.
func (s *server) stop(served <-chan error) error {
	lnErr := s.ln.Close()
	coreErr := s.core.Shutdown()
	return errors.Join(lnErr, coreErr, s.closeAPI(served))
}

// closeAPI cuts the connections that are left and waits for the serving goroutine.
func (s *server) closeAPI(served <-chan error) error {
	err := s.http.Close()
	<-served // http.ErrServerClosed, or the listener's "use of closed network connection"
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// reopenAuditFiles lets a rotated audit file begin anew.
func (s *server) reopenAuditFiles() {
	s.config.ReloadFuncsLock.RLock()
	defer s.config.ReloadFuncsLock.RUnlock()
	for name, reloads := range *s.config.ReloadFuncs {
		device, isAudit := strings.CutPrefix(name, auditReloads)
		if !isAudit {
			continue
		}
		for _, reload := range reloads {
			if err := reload(); err != nil {
				s.logger.Error("could not reopen audit file", "device", device, "error", err)
			}
		}
	}
}

// say writes a banner. A log that cannot be written is no reason not to stop, as for Vault itself.
func (s *server) say(text string) { _ = s.log.banner(text) }
