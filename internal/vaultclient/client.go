// Package vaultclient is the one way to make a client of Vault: it honours no environment, follows no redirect,
// retries nothing, has a deadline for everything, verifies TLS always, reads no more of an answer than its bound, and
// gives every failure a name. It may import hashicorp/vault/api and internal/secret. It must never log, never read a
// variable of the environment for a setting, and never say in an error what a token is.
package vaultclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"custom-vault/internal/secret"

	"github.com/hashicorp/vault/api"
)

// Defaults of Config.
const (
	DefaultTimeout   = 5 * time.Second
	DefaultMaxAnswer = 4 << 20 // a LIST of 100,000 accessors is 2.7 MB
)

// Config says which Vault to talk to and how. Address and one of CAFile and CAPEM are required.
type Config struct {
	Address    string      // https://HOST:PORT, nothing else
	CAFile     string      // certificates in PEM that the server's must descend from; the system's are not believed
	CAPEM      []byte      // the same, already read
	ServerName string      // name that the certificate must carry, if not the address's host
	Token      secret.Text // may be empty: seal-status and leader need none
	Namespace  string      // Enterprise and OpenBao only
	Timeout    time.Duration
	// DialTimeout and TLSTimeout bound the connection's steps within Timeout; by default half of it each.
	DialTimeout time.Duration
	TLSTimeout  time.Duration
	MaxAnswer   int64 // bytes of a body
}

// Client talks to one address of Vault. It is safe for concurrent use.
type Client struct {
	api       *api.Client
	transport *http.Transport
	address   string
	timeout   time.Duration
}

// New makes a client and checks everything that can be checked without a connection.
func New(cfg Config) (*Client, error) {
	if err := checkAddress(cfg.Address); err != nil {
		return nil, err
	}
	pool, err := roots(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.DialTimeout <= 0 {
		cfg.DialTimeout = cfg.Timeout / 2
	}
	if cfg.TLSTimeout <= 0 {
		cfg.TLSTimeout = cfg.Timeout / 2
	}
	if cfg.MaxAnswer <= 0 {
		cfg.MaxAnswer = DefaultMaxAnswer
	}
	dialer := &net.Dialer{Timeout: cfg.DialTimeout, KeepAlive: 15 * time.Second}
	transport := &http.Transport{
		Proxy:                  nil, // not from the environment
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: pool, ServerName: cfg.ServerName, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    cfg.TLSTimeout,
		ResponseHeaderTimeout:  cfg.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true, // Vault does not compress, and a small body must not unpack to a large one
	}
	inner, err := newAPI(&api.Config{
		Address:          cfg.Address,
		MaxRetries:       0,
		MinRetryWait:     time.Millisecond, // never used; zero would be filled from the environment's defaults
		MaxRetryWait:     time.Millisecond,
		DisableRedirects: true,
		Timeout:          cfg.Timeout,
		CheckRetry:       func(context.Context, *http.Response, error) (bool, error) { return false, nil },
		HttpClient: &http.Client{
			Transport:     &guard{next: transport, maxAnswer: cfg.MaxAnswer},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make client of vault %s: %w", cfg.Address, err)
	}
	c := &Client{api: inner, transport: transport, address: cfg.Address, timeout: cfg.Timeout}
	if cfg.Namespace != "" {
		inner.SetNamespace(cfg.Namespace)
	}
	return c, c.SetToken(cfg.Token)
}

// Address gives the address that the client talks to.
func (c *Client) Address() string { return c.address }

// Timeout gives the longest time that one call takes.
func (c *Client) Timeout() time.Duration { return c.timeout }

// SetToken makes the client use another token from its next call on; an empty one takes it away.
func (c *Client) SetToken(token secret.Text) error {
	value := token.Reveal()
	for _, b := range value {
		// vault/api refuses such a token too, but prints where; a header must not be split either way.
		if b <= ' ' || b >= 0x7f {
			return errors.New("vault token holds a space, a control character or non-ASCII text: it is not a token")
		}
	}
	c.api.SetToken(string(value))
	return nil
}

// Close closes the idle connections. The client can still be used.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

func checkAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("vault address %q: %w", address, errors.Unwrap(err))
	}
	switch {
	case u.Scheme != "https":
		return fmt.Errorf("vault address %q: https://HOST:PORT is wanted; tokens do not travel in clear", u.Redacted())
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/", u.Hostname() == "":
		return fmt.Errorf("vault address %q: https://HOST:PORT is wanted, and nothing more", u.Redacted())
	}
	return nil
}
