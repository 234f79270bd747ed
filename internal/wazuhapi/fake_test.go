package wazuhapi

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	testUser     = "vault-seal"
	testPassword = "Corr3ct.Horse-Battery"
)

// recorded is one line of testdata.
type recorded struct {
	Name    string `json:"name"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	} `json:"response"`
}

func recordings(t testing.TB) map[string]recorded {
	t.Helper()
	f, err := os.Open("testdata/wazuh-4.14.4.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	all := map[string]recorded{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all[r.Name] = r
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// write sends a recorded answer: status, headers, body.
func (r recorded) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", r.Response.Headers["content-type"])
	w.Header().Set("Server", "Wazuh")
	w.WriteHeader(r.Response.Status)
	_, _ = io.WriteString(w, r.Response.Body)
}

// got is a request as the fake API received it.
type got struct {
	method, target, authorization, contentType string
	body                                       []byte
}

// fakeAPI answers like the server API: it checks the Basic header, gives out tokens, wants the newest of them, and
// leaves the rest to serve.
type fakeAPI struct {
	*httptest.Server
	caFile string

	mu       sync.Mutex
	requests []got
	logins   int
	tokens   int // tokens given out; the newest is the valid one
	expire   int // how many more requests find their token refused
	life     time.Duration

	serve func(w http.ResponseWriter, r *http.Request)
	// login replaces the answer to a login with the right password.
	login func(w http.ResponseWriter, r *http.Request)
}

func newFakeAPI(t testing.TB, serve func(http.ResponseWriter, *http.Request)) *fakeAPI {
	t.Helper()
	cert, ca := certificates(t, time.Now().Add(time.Hour), "127.0.0.1")
	return startFake(t, serve, cert, ca)
}

func startFake(t testing.TB, serve func(http.ResponseWriter, *http.Request), cert tls.Certificate, ca []byte) *fakeAPI {
	t.Helper()
	f := &fakeAPI{serve: serve, life: 900 * time.Second}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.handle))
	f.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	f.Config.ErrorLog = nolog()
	f.StartTLS()
	t.Cleanup(f.Close)
	f.caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(f.caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fakeAPI) token(n int) string {
	claims := fmt.Sprintf(`{"iss":"wazuh","nbf":1000,"exp":%d,"n":%d}`, 1000+int(f.life.Seconds()), n)
	return "head." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl"
}

func (f *fakeAPI) handle(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.mu.Lock()
	f.requests = append(f.requests, got{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body})
	isLogin := r.URL.Path == loginPath
	if isLogin {
		f.logins++
	}
	refused := ""
	if !isLogin {
		switch {
		case r.Header.Get("Authorization") == "":
			refused = "No authorization token provided"
		case f.expire > 0 || r.Header.Get("Authorization") != "Bearer "+f.token(f.tokens):
			refused = "Invalid token"
			f.expire = max(0, f.expire-1)
		}
	}
	f.mu.Unlock()
	switch {
	case isLogin:
		f.handleLogin(w, r)
	case refused != "":
		answerProblem(w, 401, fmt.Sprintf(`{"title":"Unauthorized","detail":%q}`, refused))
	default:
		f.serve(w, r)
	}
}

func (f *fakeAPI) handleLogin(w http.ResponseWriter, r *http.Request) {
	if user, password, ok := r.BasicAuth(); !ok || user != testUser || password != testPassword {
		answerProblem(w, 401, `{"title": "Unauthorized", "detail": "Invalid credentials"}`)
		return
	}
	if f.login != nil {
		f.login(w, r)
		return
	}
	f.giveToken(w)
}

func (f *fakeAPI) giveToken(w http.ResponseWriter) {
	f.mu.Lock()
	f.tokens++
	token := f.token(f.tokens)
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"data": {"token": %q}, "error": 0}`, token)
}

func (f *fakeAPI) seen() []got {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]got(nil), f.requests...)
}

// count counts the requests for one method and path.
func (f *fakeAPI) count(method, path string) int {
	n := 0
	for _, r := range f.seen() {
		if r.method == method && (r.target == path || bytes.HasPrefix([]byte(r.target), []byte(path+"?"))) {
			n++
		}
	}
	return n
}

func answerProblem(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func answerJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

// sentTo is the API's answer when all went out.
func sentTo(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, `{"data": {"affected_items": ["001"], "total_affected_items": 1, "total_failed_items": 0, "failed_items": []}, "message": "AR command was sent to all agents", "error": 0}`)
}

// certificates makes a CA and a server certificate by it.
func certificates(t testing.TB, notAfter time.Time, name string) (tls.Certificate, []byte) {
	t.Helper()
	caKey, caDER := sign(t, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}, nil, nil)
	ca, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "wazuh.com"}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else {
		leaf.DNSNames = []string{name}
	}
	key, der := sign(t, leaf, ca, caKey)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
}

func sign(t testing.TB, cert, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// clientOf is a client of f with the right password; edit changes its configuration.
func clientOf(t testing.TB, f *fakeAPI, edit func(*Config)) *Client {
	t.Helper()
	cfg := Config{Addresses: []string{f.URL}, CAFile: f.caFile, User: testUser, Password: password(testPassword),
		RequestTimeout: time.Minute, LoginTimeout: time.Minute, CallTimeout: time.Minute} // a busy machine takes long
	if edit != nil {
		edit(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func password(p string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(p), nil }
}

func agents(t testing.TB, ids ...string) AgentIDs {
	t.Helper()
	a, err := NewAgentIDs(ids...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func seal() Order {
	return Order{Command: "!vault-seal", Arguments: []string{"a b", "c"}, Alert: json.RawMessage(`{"data": {"k": "v"}}`)}
}
