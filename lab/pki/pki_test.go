package pki_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"custom-vault/lab/pki"
)

func TestClientThatTrustsTheAuthorityConnects(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	if err := handshake(t, ca, ca.Issue, pki.Options{}); err != nil {
		t.Fatalf("handshake with a good certificate: %v", err)
	}
}

func TestClientRefusesWrongCertificates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		issue   func(*pki.CA) func(pki.Options) (cert, key []byte, err error)
		options pki.Options
		refused func(error) bool
	}{
		"expired":           {issue: expired, refused: isInvalid(x509.Expired)},
		"not yet valid":     {issue: notYetValid, refused: isInvalid(x509.Expired)},
		"foreign authority": {issue: foreign, refused: isA[x509.UnknownAuthorityError]},
		"other host":        {issue: good, options: pki.Options{DNSNames: []string{"vault.example"}}, refused: isA[x509.HostnameError]},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := newCA(t)
			err := handshake(t, ca, tt.issue(ca), tt.options)
			if err == nil {
				t.Fatal("the client accepted it")
			}
			if !tt.refused(err) {
				t.Fatalf("refused for another reason than its own: %v", err)
			}
		})
	}
}

func TestIssueRefusesAnEndBeforeItsBeginning(t *testing.T) {
	t.Parallel()
	_, _, err := newCA(t).Issue(pki.Options{NotAfter: time.Now().Add(-24 * time.Hour)})
	if err == nil {
		t.Fatal("a certificate that ends before it begins was issued")
	}
}

func TestWriteFilesKeepsTheKeyPrivate(t *testing.T) {
	t.Parallel()
	ca := newCA(t)
	files, err := ca.WriteFiles(t.TempDir(), "vault", pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(files.Cert, files.Key); err != nil {
		t.Errorf("certificate and key do not fit: %v", err)
	}
	info, err := os.Stat(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("key file has mode %o, want 600", info.Mode().Perm())
	}
}

func newCA(t *testing.T) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA("lab authority")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func good(ca *pki.CA) func(pki.Options) (cert, key []byte, err error)    { return ca.Issue }
func expired(ca *pki.CA) func(pki.Options) (cert, key []byte, err error) { return ca.IssueExpired }
func notYetValid(ca *pki.CA) func(pki.Options) (cert, key []byte, err error) {
	return ca.IssueNotYetValid
}
func foreign(ca *pki.CA) func(pki.Options) (cert, key []byte, err error) { return ca.IssueForeign }

// handshake serves HTTPS on loopback with what issue gives and asks it as a client that trusts ca.
func handshake(t *testing.T, ca *pki.CA, issue func(pki.Options) (cert, key []byte, err error), o pki.Options) error {
	t.Helper()
	cert, key, err := issue(o)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point
	server.StartTLS()
	defer server.Close()

	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
		DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

func isA[E error](err error) bool {
	var want E
	return errors.As(err, &want)
}

func isInvalid(reason x509.InvalidReason) func(error) bool {
	return func(err error) bool {
		var invalid x509.CertificateInvalidError
		return errors.As(err, &invalid) && invalid.Reason == reason
	}
}
