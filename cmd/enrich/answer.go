package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"custom-vault/internal/config"
	"custom-vault/internal/unixsocket"
)

// answering is a socket that is open, and who answers there.
type answering struct {
	listener net.Listener
	handler  http.Handler
}

// listen opens the control socket and the metrics. A socket that cannot be opened is told, and no reason not to guard a
// Vault.
func (a *app) listen(configPath string) []answering {
	var open []answering
	for _, s := range []struct {
		what    string
		listen  func(config.Config) (net.Listener, error)
		handler http.Handler
	}{
		{"control socket", listenControl, a.control(configPath)},
		{"metrics", listenMetrics, metricsOnly(a.watch.Handler())},
	} {
		listener, err := s.listen(a.cfg)
		switch {
		case err != nil:
			a.log.WithError(err).Warn("serve: no " + s.what)
		case listener != nil:
			open = append(open, answering{listener, s.handler})
		}
	}
	return open
}

// answer serves what is open until ctx ends.
func (a *app) answer(ctx context.Context, open []answering) error {
	var serving errgroup.Group
	for _, s := range open {
		serving.Go(func() error { return serveHTTP(ctx, s.listener, s.handler) })
	}
	if err := serving.Wait(); err != nil {
		a.log.WithError(err).Error("serve: nobody is answered any more")
	}
	return nil
}

// listenControl listens for root's and the daemon's own processes.
func listenControl(cfg config.Config) (net.Listener, error) {
	if cfg.Control.Socket == "" {
		return nil, nil
	}
	listener, err := unixsocket.Listen(cfg.Control.Socket, 0o600)
	if err != nil {
		return nil, err
	}
	return unixsocket.Only(listener, 0, uint32(os.Geteuid())), nil
}

// listenMetrics listens where the configuration says; that it is this machine alone was checked there.
func listenMetrics(cfg config.Config) (net.Listener, error) {
	switch network, address, ok := cfg.Metrics.Network(); {
	case !ok:
		return nil, nil
	case network == "unix":
		return unixsocket.Listen(address, 0o660)
	default:
		return net.Listen(network, address)
	}
}

func metricsOnly(handler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	return mux
}

// closeTime is how long an answer that is under way has when the daemon ends.
const closeTime = time.Second

func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err := server.Shutdown(closing)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// control answers commands.
func (a *app) control(configPath string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// A command that went away needs no answer.
		_ = json.NewEncoder(w).Encode(a.standing(r.Context(), configPath))
	})
	return mux
}
