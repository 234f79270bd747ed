package wazuhapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/go-resty/resty/v2"
)

// What a zero value in Config stands for.
const (
	// DefaultRequestTimeout is longer than the API's own request_timeout of 10 s, so that its answer (code 3021) is
	// seen and not a cut connection.
	DefaultRequestTimeout = 12 * time.Second
	DefaultLoginTimeout   = 6 * time.Second
	DefaultCallTimeout    = 30 * time.Second
	// DefaultPerMinute is the API's default max_request_per_minute.
	DefaultPerMinute = 300
	// DefaultReserve is kept of these for active responses.
	DefaultReserve = 100
)

const (
	dialTimeout      = 3 * time.Second
	handshakeTimeout = 3 * time.Second
	// idleTimeout is shorter than the 5 s after which uvicorn, the API's server, closes an idle connection: a request
	// on a connection that is just being closed would be lost in doubt.
	idleTimeout = 3 * time.Second
	// maxBodyBytes bounds an answer; the largest that is expected lists MaxAgents agents.
	maxBodyBytes    = 1 << 20
	maxHeaderBytes  = 64 << 10
	maxCAFileBytes  = 1 << 20
	maxAddresses    = 16
	maxUserBytes    = 64  // the API's own bound for names
	maxSecretBytes  = 512 // the API's own bound for passwords is 64
	maxPathInErrors = 200
)

// Config is all that a Client goes by.
type Config struct {
	// Addresses are the API's base addresses, "https://manager:55000". They are tried in this order, beginning with
	// the one that answered last.
	Addresses []string
	// CAFile is a PEM file with the certificates that are trusted, and no others are. Wazuh's own self-signed
	// certificate may stand there itself.
	CAFile string
	// ServerName is the name that the certificate must have, when that is not the address's host (Wazuh's own
	// certificate names only "localhost").
	ServerName string
	// User is the API user.
	User string
	// Password reads the user's password, at each login. What it returns is overwritten after use.
	Password func() ([]byte, error)

	// RequestTimeout bounds one request, LoginTimeout one login, CallTimeout a whole call with its logins and all
	// addresses.
	RequestTimeout, LoginTimeout, CallTimeout time.Duration
	// PerMinute bounds this client's requests in any 60 s; the last Reserve of them are for active responses.
	PerMinute, Reserve int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// withDefaults fills in and checks all that needs no file.
func (cfg Config) withDefaults() (Config, error) {
	setDuration(&cfg.RequestTimeout, DefaultRequestTimeout)
	setDuration(&cfg.LoginTimeout, DefaultLoginTimeout)
	setDuration(&cfg.CallTimeout, DefaultCallTimeout)
	if cfg.PerMinute == 0 && cfg.Reserve == 0 {
		cfg.PerMinute, cfg.Reserve = DefaultPerMinute, DefaultReserve
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	switch {
	case len(cfg.Addresses) == 0:
		return cfg, errors.New("no address is configured")
	case len(cfg.Addresses) > maxAddresses:
		return cfg, fmt.Errorf("%d addresses, at most %d can be", len(cfg.Addresses), maxAddresses)
	case cfg.CAFile == "":
		return cfg, errors.New("no CA file is configured; the system's list is not used, since the environment can change it")
	case cfg.User == "" || len(cfg.User) > maxUserBytes || strings.ContainsRune(cfg.User, ':') || strings.IndexFunc(cfg.User, unicode.IsControl) >= 0:
		return cfg, fmt.Errorf("the user name must be of 1 to %d bytes, without colon or control characters", maxUserBytes)
	case cfg.Password == nil:
		return cfg, errors.New("no password is configured")
	case cfg.PerMinute < 2 || cfg.Reserve < 0 || cfg.Reserve >= cfg.PerMinute:
		return cfg, fmt.Errorf("%d requests a minute with a reserve of %d leave nothing", cfg.PerMinute, cfg.Reserve)
	case cfg.RequestTimeout < 0 || cfg.LoginTimeout < 0 || cfg.CallTimeout < 0:
		return cfg, errors.New("a timeout is negative")
	}
	return cfg, nil
}

func setDuration(d *time.Duration, standard time.Duration) {
	if *d == 0 {
		*d = standard
	}
}

// baseAddress checks one address and returns it as scheme and host.
func baseAddress(address string) (string, error) {
	u, err := url.Parse(address)
	// The address is not repeated whole, since the mistake to expect is a password in it.
	switch {
	case err != nil:
		return "", errors.New("an address cannot be read as a URL")
	case u.User != nil:
		return "", errors.New("an address has a user or a password in it; they belong into user and the password file")
	case u.Scheme != "https":
		return "", fmt.Errorf("address %.*q is not https://", maxPathInErrors, address)
	case u.Hostname() == "":
		return "", fmt.Errorf("address %.*q names no host", maxPathInErrors, address)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return "", fmt.Errorf("address %.*q has more than host and port", maxPathInErrors, address)
	}
	return "https://" + u.Host, nil
}

// trusted reads the CA file.
func trusted(path string) (*x509.CertPool, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	defer func() { _ = f.Close() }()
	pem, err := io.ReadAll(io.LimitReader(f, maxCAFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	if len(pem) > maxCAFileBytes {
		return nil, fmt.Errorf("CA file %s is over %d bytes", path, maxCAFileBytes)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s has no certificate in PEM form", path)
	}
	return pool, nil
}

// newTransport is HTTP/1.1 (uvicorn has nothing else) over verified TLS, without proxy, cookies, compression or
// redirects.
func newTransport(cas *x509.CertPool, serverName string) *http.Transport {
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cas, ServerName: serverName},
		TLSHandshakeTimeout:    handshakeTimeout,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

func newResty(t *http.Transport) *resty.Client {
	hc := &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r := resty.NewWithClient(hc)
	r.SetRetryCount(0)
	r.SetLogger(silent{})
	r.SetDisableWarn(true)
	r.SetResponseBodyLimit(maxBodyBytes)
	r.SetHeader("User-Agent", "custom-vault")
	r.SetHeader("Accept", "application/json")
	return r
}

// silent is resty's log: all that it could say is in the errors too, without the secrets.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
