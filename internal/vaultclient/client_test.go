package vaultclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/secret"
	"custom-vault/internal/vaultfake"

	"go.uber.org/goleak"
)

const (
	ownToken    = "hvs.OWNTOKENownTOKENown"
	ownAccessor = "OwnAccessor0000000000000"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, kind vaultfake.Certificate) *vaultfake.Server {
	t.Helper()
	fake, err := vaultfake.Start(kind, ownToken, ownAccessor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake
}

func client(t *testing.T, fake *vaultfake.Server, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Address: fake.URL, CAPEM: fake.CAPEM, Token: secret.New([]byte(ownToken)), Timeout: time.Minute}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func lookup(c *Client) error {
	_, err := c.Write(context.Background(), "auth/token/lookup-accessor", map[string]any{"accessor": "bob"})
	return err
}

func TestFailuresHaveTheirNames(t *testing.T) {
	t.Parallel()
	short := func(cfg *Config) { cfg.Timeout = time.Second }
	for _, c := range []struct {
		name   string
		want   Failure
		fault  func(*vaultfake.Server) http.HandlerFunc
		change func(*Config)
	}{
		{"accessor is gone", Gone, status(400, "1 error occurred:\n\t* invalid accessor\n\n"), nil},
		{"another 400", Rejected, status(400, "missing accessor"), nil},
		{"own token invalid", OwnTokenInvalid, status(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"), nil},
		{"own policy lacks the path", NotPermitted, status(403, "1 error occurred:\n\t* permission denied\n\n"), nil},
		{"own entity is disabled", NotPermitted, status(403, "permission denied"), nil},
		{"no such path", NotFound, status(404), nil},
		{"method not allowed", Rejected, status(405, "unsupported operation"), nil},
		{"quota", Throttled, status(429, `request path "auth/token/lookup-accessor": rate limit quota exceeded`), nil},
		{"proxy's 429", Throttled, raw(429, "<html>slow down</html>"), nil},
		{"sealed", Sealed, status(503, "Vault is sealed"), nil},
		{"standby without leader", Standby, status(500, "local node not active but active cluster node not found"), nil},
		{"seal on a standby", Standby, status(500, "vault cannot seal when in standby mode; please restart instead"), nil},
		{"audit blocked", ServerError, status(500, "internal error"), nil},
		{"accessor of Enterprise", ServerError, status(500, "no namespace"), nil},
		{"removed raft peer", ServerError, status(530), nil},
		{"balancer has no backend", ServerError, raw(503, "<html>no backend</html>"), nil},
		{"proxy forbids", BadAnswer, raw(403, "<html>invalid token</html>"), nil},
		{"redirect", Redirect, func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Redirect("https://evil.example/v1/x") }, nil},
		{"not modified", Redirect, raw(304, ""), nil},
		{"empty 200", BadAnswer, raw(200, ""), nil},
		{"blank 200", BadAnswer, raw(200, " \n"), nil},
		{"204", BadAnswer, raw(204, ""), nil},
		{"null", BadAnswer, raw(200, "null"), nil},
		{"envelope without data", BadAnswer, raw(200, `{"request_id":"x"}`), nil},
		{"garbage", BadAnswer, raw(200, "\x00\x01garbage"), nil},
		{"another kind of JSON", BadAnswer, raw(200, `[1,2]`), nil},
		{"data of another kind", BadAnswer, raw(200, `{"data":[1]}`), nil},
		{"10 MB", BadAnswer, func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Flood(10 << 20) }, nil},
		{"10 MB announced", BadAnswer, raw(200, strings.Repeat("x", 10<<20)), nil},
		{"10 MB of error", BadAnswer, raw(400, strings.Repeat("x", 10<<20)), nil},
		{"cut in the body", BadAnswer, func(*vaultfake.Server) http.HandlerFunc { return vaultfake.CutInBody }, nil},
		{"cut before the headers", Unreachable, func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Cut }, nil},
		{"hang before the headers", Timeout, (*vaultfake.Server).Hang, short},
		{"hang in the body", Timeout, (*vaultfake.Server).HangInBody, short},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := start(t, vaultfake.Good)
			fake.Token("bob", map[string]any{})
			fake.Next("auth/token/lookup-accessor", c.fault(fake))
			if c.change == nil {
				c.change = func(*Config) {}
			}
			err := lookup(client(t, fake, c.change))
			if got := Classify(err); got != c.want {
				t.Fatalf("Classify = %q, wanted %q: %v", got, c.want, err)
			}
			if n := fake.Count("auth/token/lookup-accessor"); n != 1 {
				t.Errorf("%d requests, wanted 1: nothing is tried again here", n)
			}
			checkText(t, err)
		})
	}
}

func status(code int, errors ...string) func(*vaultfake.Server) http.HandlerFunc {
	return func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Status(code, errors...) }
}

func raw(code int, body string) func(*vaultfake.Server) http.HandlerFunc {
	return func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Raw(code, body) }
}

func checkText(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if len(text) > 600 || strings.ContainsAny(text, "\n\t\x00") {
		t.Errorf("error must be one short line, is %d bytes: %q", len(text), text)
	}
	if strings.Contains(text, ownToken) {
		t.Errorf("error shows the token: %s", text)
	}
}

func TestTLSIsAlwaysVerified(t *testing.T) {
	t.Parallel()
	for kind, name := range map[vaultfake.Certificate]string{
		vaultfake.Expired: "expired", vaultfake.OtherAuthority: "other authority", vaultfake.OtherName: "other name",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := start(t, kind)
			if err := lookup(client(t, fake)); Classify(err) != TLS {
				t.Errorf("Classify = %q: %v", Classify(err), err)
			}
			if n := len(fake.Requests()); n != 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}

func TestServerNameReplacesTheHost(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.OtherName)
	fake.Token("bob", map[string]any{})
	if err := lookup(client(t, fake, func(c *Config) { c.ServerName = "vault.example" })); err != nil {
		t.Error(err)
	}
}

func TestConnectionsThatFail(t *testing.T) {
	t.Parallel()
	listen := func(t *testing.T, serve func(net.Conn)) string {
		t.Helper()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				serve(conn)
			}
		}()
		t.Cleanup(func() { _ = listener.Close(); <-done })
		return "https://" + listener.Addr().String()
	}
	fake := start(t, vaultfake.Good)
	for _, c := range []struct {
		name    string
		want    Failure
		address func(t *testing.T) string
	}{
		{"nobody listens", Unreachable, func(t *testing.T) string {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			return "https://" + listener.Addr().String()
		}},
		{"closed at once", Unreachable, func(t *testing.T) string {
			return listen(t, func(c net.Conn) { _ = c.Close() })
		}},
		{"no TLS there", TLS, func(t *testing.T) string {
			return listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); _ = c.Close() })
		}},
		{"silent in the handshake", Timeout, func(t *testing.T) string {
			var kept []net.Conn
			t.Cleanup(func() {
				for _, conn := range kept {
					_ = conn.Close()
				}
			})
			return listen(t, func(c net.Conn) { kept = append(kept, c) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := c.address(t)
			err := lookup(client(t, fake, func(cfg *Config) { cfg.Address, cfg.Timeout = address, 400*time.Millisecond }))
			if got := Classify(err); got != c.want {
				t.Errorf("Classify = %q, wanted %q: %v", got, c.want, err)
			}
			checkText(t, err)
		})
	}
}

func TestCallerMayGiveUp(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	fake.Always("", fake.Hang())
	c := client(t, fake)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.SealStatus(ctx); Classify(err) != Canceled {
		t.Errorf("canceled: %q, %v", Classify(err), err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Read(ctx, "identity/entity/id/x"); Classify(err) != Timeout {
		t.Errorf("caller's deadline: %q, %v", Classify(err), err)
	}
}

// The environment is the process's: this test is not parallel to others.
func TestEnvironmentChangesNothing(t *testing.T) {
	fake := start(t, vaultfake.Good)
	fake.Token("bob", map[string]any{})
	harmless := map[string]string{
		"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_AGENT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": "hvs.fromenvironment",
		"VAULT_NAMESPACE": "elsewhere", "VAULT_HEADERS": `{"X-Evil":"1"}`, "VAULT_WRAP_TTL": "60s", "VAULT_MAX_RETRIES": "5",
		"VAULT_SKIP_VERIFY": "true", "VAULT_HTTP_PROXY": "http://127.0.0.1:1", "VAULT_PROXY_ADDR": "http://127.0.0.1:1",
		"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "VAULT_TLS_SERVER_NAME": "evil.example",
		"VAULT_CLIENT_TIMEOUT": "1ns", "VAULT_RATE_LIMIT": "1:1", "VAULT_DISABLE_REDIRECTS": "false",
	}
	broken := map[string]string{
		"VAULT_SKIP_VERIFY": "banana", "VAULT_CACERT": "/does/not/exist", "VAULT_CAPATH": "/does/not/exist", "VAULT_CACERT_BYTES": "no PEM",
		"VAULT_CLIENT_TIMEOUT": "banana", "VAULT_MAX_RETRIES": "-x", "VAULT_RATE_LIMIT": "banana", "VAULT_SRV_LOOKUP": "banana",
		"VAULT_HEADERS": "{", "VAULT_DISABLE_REDIRECTS": "banana", "VAULT_CLIENT_CERT": "/does/not/exist", "VAULT_PROXY_ADDR": "://",
	}
	check := func(t *testing.T) {
		t.Helper()
		before := os.Environ()
		c := client(t, fake)
		after := os.Environ()
		slices.Sort(before)
		slices.Sort(after)
		if !slices.Equal(before, after) {
			t.Errorf("New left another environment behind")
		}
		if err := lookup(c); err != nil {
			t.Fatal(err)
		}
		requests := fake.Requests()
		header := requests[len(requests)-1].Header
		if got := header.Get("X-Vault-Token"); got != ownToken {
			t.Errorf("token sent = %q", got)
		}
		for _, name := range []string{"X-Vault-Namespace", "X-Evil", "X-Vault-Wrap-TTL"} {
			if header.Get(name) != "" {
				t.Errorf("header %s: %q was sent", name, header.Get(name))
			}
		}
	}
	t.Run("none", check)
	t.Run("hostile", func(t *testing.T) {
		for name, value := range harmless {
			t.Setenv(name, value)
		}
		check(t)
	})
	for name, value := range broken {
		t.Run(name+"="+value, func(t *testing.T) {
			for name, value := range harmless {
				t.Setenv(name, value)
			}
			t.Setenv(name, value)
			check(t)
		})
	}
	t.Run("skip-verify does not skip", func(t *testing.T) {
		t.Setenv("VAULT_SKIP_VERIFY", "true")
		if err := lookup(client(t, start(t, vaultfake.OtherAuthority))); Classify(err) != TLS {
			t.Errorf("Classify = %q: %v", Classify(err), err)
		}
	})
	t.Run("no token of the environment's", func(t *testing.T) {
		t.Setenv("VAULT_TOKEN", ownToken)
		err := lookup(client(t, fake, func(c *Config) { c.Token = secret.Text{} }))
		if Classify(err) != NotPermitted {
			t.Errorf("Classify = %q: %v", Classify(err), err)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"clear text":       {func(c *Config) { c.Address = "http://127.0.0.1:8200" }, "in clear"},
		"no address":       {func(c *Config) { c.Address = "" }, "https://HOST:PORT"},
		"no host":          {func(c *Config) { c.Address = "https://:8200" }, "nothing more"},
		"user in address":  {func(c *Config) { c.Address = "https://bob:geheim@vault" }, "nothing more"},
		"path in address":  {func(c *Config) { c.Address = "https://vault/v1" }, "nothing more"},
		"broken address":   {func(c *Config) { c.Address = "https://vault:port" }, "invalid port"},
		"unix socket":      {func(c *Config) { c.Address = "unix:///run/vault" }, "in clear"},
		"no CA":            {func(c *Config) { c.CAPEM = nil }, "no CA file"},
		"two CAs":          {func(c *Config) { c.CAFile = empty }, "both"},
		"CA file missing":  {func(c *Config) { c.CAPEM, c.CAFile = nil, empty+".not" }, "no such file"},
		"CA file empty":    {func(c *Config) { c.CAPEM, c.CAFile = nil, empty }, "no certificate"},
		"CA is a folder":   {func(c *Config) { c.CAPEM, c.CAFile = nil, t.TempDir() }, "not a regular file"},
		"token of 2 lines": {func(c *Config) { c.Token = secret.New([]byte("hvs.a\nX-Evil: 1")) }, "not a token"},
	} {
		cfg := Config{Address: fake.URL, CAPEM: fake.CAPEM}
		c.change(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, wanted one with %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: password in %v", name, err)
		}
	}
}

func TestCAFile(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, fake.CAPEM, 0o644); err != nil {
		t.Fatal(err)
	}
	c := client(t, fake, func(c *Config) { c.CAPEM, c.CAFile = nil, path })
	if _, err := c.SealStatus(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestTokenIsNotRepeatedInErrors(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	c := client(t, fake)
	for name, fault := range map[string]http.HandlerFunc{
		"Vault's error": vaultfake.Status(400, "what is "+ownToken+"?"),
		"proxy's page":  vaultfake.Raw(502, "X-Vault-Token: "+ownToken),
		"redirect":      vaultfake.Redirect("https://evil.example/?token=" + ownToken),
	} {
		fake.Next("auth/token/lookup-accessor", fault)
		err := lookup(c)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		checkText(t, err)
	}
}

func TestTokenCanBeExchanged(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	fake.Token("bob", map[string]any{})
	c := client(t, fake)
	if err := c.SetToken(secret.New([]byte("hvs.another"))); err != nil {
		t.Fatal(err)
	}
	if err := lookup(c); Classify(err) != OwnTokenInvalid {
		t.Errorf("with an unknown token: %v", err)
	}
	if err := c.SetToken(secret.New([]byte(ownToken))); err != nil {
		t.Fatal(err)
	}
	if err := lookup(c); err != nil {
		t.Error(err)
	}
}

func TestSealStatusIsOnlyBelievedWhole(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	c := client(t, fake)
	ctx := context.Background()
	if got, err := c.SealStatus(ctx); err != nil || got.Sealed || !got.Initialized || got.Version != "1.21.4" {
		t.Errorf("unsealed: %+v, %v", got, err)
	}
	for _, body := range []string{`{}`, `{"initialized":true}`, `{"sealed":true}`, `{"sealed":null,"initialized":true}`, `{"sealed":"no","initialized":true}`, `null`, ``} {
		fake.Next("sys/seal-status", vaultfake.Raw(200, body))
		if got, err := c.SealStatus(ctx); Classify(err) != BadAnswer || got.Sealed {
			t.Errorf("%q: %+v, %v", body, got, err)
		}
	}
	fake.Next("sys/seal-status", vaultfake.Raw(202, `{"sealed":true,"initialized":true}`))
	if _, err := c.SealStatus(ctx); Classify(err) != BadAnswer {
		t.Errorf("status 202: %v", err)
	}
}

func TestSealProvesNothing(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	ctx := context.Background()
	stranger := client(t, fake, func(c *Config) { c.Token = secret.New([]byte("hvs.stranger")) })
	if err := stranger.Seal(ctx); Classify(err) != OwnTokenInvalid {
		t.Errorf("stranger seals an unsealed node: %v", err)
	}
	fake.Next("sys/seal", vaultfake.Redirect("https://127.0.0.1:1/v1/sys/seal"))
	c := client(t, fake)
	if err := c.Seal(ctx); Classify(err) != Redirect {
		t.Errorf("redirected: %v", err)
	}
	fake.Standby(true)
	if err := c.Seal(ctx); Classify(err) != Standby {
		t.Errorf("standby: %v", err)
	}
	if leader, err := c.Leader(ctx); err != nil || leader.IsSelf || !leader.HAEnabled {
		t.Errorf("Leader = %+v, %v", leader, err)
	}
	fake.Standby(false)
	if err := c.Seal(ctx); err != nil {
		t.Errorf("seal: %v", err)
	}
	if got, err := c.SealStatus(ctx); err != nil || !got.Sealed {
		t.Errorf("after the seal: %+v, %v", got, err)
	}
	if err := stranger.Seal(ctx); err != nil {
		t.Errorf("a sealed node answers 204 to anyone, here: %v", err)
	}
}

func TestReadTellsNotFound(t *testing.T) {
	t.Parallel()
	fake := start(t, vaultfake.Good)
	fake.Entity("e1", map[string]any{"name": "entity_1"})
	c := client(t, fake)
	if answer, err := c.Read(context.Background(), "identity/entity/id/e1"); err != nil || answer.Data["name"] != "entity_1" {
		t.Errorf("Read = %+v, %v", answer, err)
	}
	if _, err := c.Read(context.Background(), "identity/entity/id/e2"); Classify(err) != NotFound {
		t.Errorf("unknown entity: %v", err)
	}
	if answer, err := c.List(context.Background(), "auth/token/accessors"); err != nil || answer.Data["keys"] == nil {
		t.Errorf("List = %+v, %v", answer, err)
	}
}

func TestClassifyOfOtherErrors(t *testing.T) {
	t.Parallel()
	if Classify(nil) != None {
		t.Error("nil is no failure")
	}
	if Classify(errors.New("?")) != BadAnswer {
		t.Error("what did not break on the way was not understood")
	}
	var own *Error
	fake := start(t, vaultfake.Good)
	if err := lookup(client(t, fake)); !errors.As(err, &own) || own.Status != 400 || own.Failure != Gone {
		t.Errorf("error = %#v", err)
	}
}
