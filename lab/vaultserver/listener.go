package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/vault"
)

// openListener binds the API's address, with TLS if there is a certificate.
func openListener(o options) (net.Listener, error) {
	var config *tls.Config
	if o.certFile != "" {
		pair, err := tls.LoadX509KeyPair(o.certFile, o.keyFile)
		if err != nil {
			return nil, fmt.Errorf("load certificate of the API: %w", err)
		}
		config = &tls.Config{
			Certificates: []tls.Certificate{pair},
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2", "http/1.1"},
		}
	}
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the API: %w", err)
	}
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	return ln, nil
}

// clusterAddress resolves the raft address and makes sure that it is free. Vault binds it only when it
// is unsealed, and a node that cannot is merely a standby that nobody reaches.
func clusterAddress(o options) (*net.TCPAddr, error) {
	ln, err := net.Listen("tcp", o.clusterListen)
	if err != nil {
		return nil, fmt.Errorf("listen for the cluster: %w", err)
	}
	addr, ok := ln.Addr().(*net.TCPAddr)
	if err := ln.Close(); err != nil || !ok {
		return nil, fmt.Errorf("release cluster address %s for Vault: %w", o.clusterListen, err)
	}
	return addr, nil
}

// apiServer serves the core's API with the limits that `vault server` sets (command/server.go:3183).
func apiServer(core *vault.Core, o options, logger hclog.Logger) *http.Server {
	settings := &configutil.Listener{Address: o.listen, XForwardedForAuthorizedAddrs: o.trustedProxies}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: settings})
	if len(o.trustedProxies) > 0 {
		handler = vaulthttp.WrapForwardedForHandler(handler, settings)
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          logger.StandardLogger(nil),
	}
}

// joinCluster gives the core what it needs to serve other nodes. Forwarded requests were measured
// against the JSON limits by the node that took them (command/server.go:1508).
func joinCluster(core *vault.Core, addr *net.TCPAddr) {
	core.SetClusterListenerAddrs([]*net.TCPAddr{addr})
	core.SetClusterHandler(vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{DisableJSONLimitParsing: true},
	}))
}
