package sealing

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/vaultfake"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ownToken    = "hvs.SEALERtokenSEALERtoken"
	ownAccessor = "SealerAccessor0000000000"
)

func startFake(t *testing.T, kind vaultfake.Certificate) *vaultfake.Server {
	t.Helper()
	fake, err := vaultfake.Start(kind, ownToken, ownAccessor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake
}

func writeFile(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// configFor is a configuration for one node, with an authority and a token that are right.
func configFor(t *testing.T, fake *vaultfake.Server) Config {
	t.Helper()
	return Config{
		Nodes:  []Node{{Name: "vault-1", Address: fake.URL}},
		CAFile: writeFile(t, "ca.pem", string(fake.CAPEM), 0o644), TokenFile: writeFile(t, "token", ownToken+"\n", 0o600),
		Timeout: patience,
	}
}

func seal(t *testing.T, cfg Config) Outcome {
	t.Helper()
	var outcomes []Outcome
	Seal(t.Context(), cfg, func(o Outcome) { outcomes = append(outcomes, o) })
	if len(outcomes) != 1 || outcomes[0].Node != "vault-1" {
		t.Fatalf("outcomes %+v", outcomes)
	}
	if strings.Contains(outcomes[0].Reason, ownToken) {
		t.Errorf("the reason tells the token: %s", outcomes[0].Reason)
	}
	return outcomes[0]
}

func status(code int, text string) func(*vaultfake.Server) http.HandlerFunc {
	return func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Status(code, text) }
}

func TestSealing(t *testing.T) {
	t.Parallel()
	const brief = time.Second // for what lasts until the time is over
	const standby = "vault cannot seal when in standby mode; please restart instead"
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, *vaultfake.Server, *Config)
		state   State
		reason  string
		told    int // requests to seal; -1 if it does not matter
	}{
		{"a serving node", func(*testing.T, *vaultfake.Server, *Config) {}, Sealed, "", 1},
		{"a sealed node", func(_ *testing.T, f *vaultfake.Server, _ *Config) { f.Seal(true) }, AlreadySealed, "", 0},
		{"a node that is not initialised", always("sys/seal-status", func(*vaultfake.Server) http.HandlerFunc {
			return vaultfake.Raw(200, `{"initialized":false,"sealed":true}`)
		}, 0), AlreadySealed, "not initialised", 0},
		{"the token was revoked", func(_ *testing.T, f *vaultfake.Server, _ *Config) { f.RevokeOwn(ownToken) }, NotSealed, "token is not valid", 1},
		{"the token may not", func(_ *testing.T, f *vaultfake.Server, _ *Config) { f.Deny("sys/seal") }, NotSealed, "update and sudo", 1},
		{"a standby that becomes the leader", func(_ *testing.T, f *vaultfake.Server, _ *Config) {
			f.Next("sys/seal", vaultfake.Status(500, standby), vaultfake.Status(500, standby))
		}, Sealed, "", 3},
		{"a standby that stays one", always("sys/seal", status(500, standby), brief), NotSealed, "standby", -1},
		{"the audit device is blocked", always("sys/seal", status(500, "failed to audit request, cannot continue"), brief), NotSealed, "audit device is blocked", -1},
		{"204 without effect", always("sys/seal", func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Raw(204, "") }, brief), NotSealed, "goes on saying", -1},
		{"seal redirected", always("sys/seal", func(*vaultfake.Server) http.HandlerFunc {
			return vaultfake.Redirect("https://elsewhere.example/v1/sys/seal")
		}, 0), NotSealed, "points elsewhere", 1},
		{"status redirected", always("sys/seal-status", func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Redirect("https://elsewhere.example/") }, 0), NotSealed, "points elsewhere", 0},
		{"not a Vault", always("", func(*vaultfake.Server) http.HandlerFunc { return vaultfake.Raw(200, "<html>welcome, plan=evil</html>") }, brief), NotSealed, "not known", -1},
		{"accepted, then the connection is cut", always("sys/seal", func(f *vaultfake.Server) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { f.Seal(true); vaultfake.Cut(w, r) }
		}, 0), Sealed, "", 1},
		{"everything hangs", always("", (*vaultfake.Server).Hang, brief), NotSealed, "time", -1},
		{"the seal hangs", always("sys/seal", (*vaultfake.Server).Hang, brief), NotSealed, "time", -1},
		{"the status hangs in the middle", always("sys/seal-status", (*vaultfake.Server).HangInBody, brief), NotSealed, "not known", -1},
		{"nobody listens", func(_ *testing.T, _ *vaultfake.Server, cfg *Config) {
			cfg.Nodes[0].Address, cfg.Timeout = "https://127.0.0.1:1", brief
		}, NotSealed, "unreachable, is it stopped?", 0},
		{"the certificate has another name", func(_ *testing.T, _ *vaultfake.Server, cfg *Config) { cfg.Nodes[0].ServerName = "other.example" }, NotSealed, "TLS", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := startFake(t, vaultfake.Good)
			cfg := configFor(t, fake)
			c.prepare(t, fake, &cfg)
			wantState(t, seal(t, cfg), c.state, c.reason)
			if got := fake.Count("sys/seal"); c.told >= 0 && got != c.told {
				t.Errorf("%d requests to seal, want %d", got, c.told)
			}
		})
	}
}

// always sets a fault, and a time if it lasts until the time is over.
func always(path string, fault func(*vaultfake.Server) http.HandlerFunc, timeout time.Duration) func(*testing.T, *vaultfake.Server, *Config) {
	return func(_ *testing.T, f *vaultfake.Server, cfg *Config) {
		f.Always(path, fault(f))
		if timeout > 0 {
			cfg.Timeout = timeout
		}
	}
}

func TestTheTokenNeverGoesToAServerThatIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]vaultfake.Certificate{
		"another authority": vaultfake.OtherAuthority, "expired": vaultfake.Expired, "another name": vaultfake.OtherName,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := startFake(t, kind)
			wantState(t, seal(t, configFor(t, fake)), NotSealed, "TLS is not believed")
			if got := fake.Requests(); len(got) != 0 {
				t.Errorf("requests arrived: %+v", got)
			}
		})
	}
}

func TestServerNameIsWhatTheCertificateIsCheckedFor(t *testing.T) {
	t.Parallel()
	fake := startFake(t, vaultfake.OtherName)
	cfg := configFor(t, fake)
	cfg.Nodes[0].ServerName = "vault.example"
	wantState(t, seal(t, cfg), Sealed, "")
}

func TestATokenFileThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file   func(*testing.T) string
		reason string
	}{
		"missing":        {func(t *testing.T) string { return filepath.Join(t.TempDir(), "token") }, "no such file"},
		"world-readable": {func(t *testing.T) string { return writeFile(t, "token", ownToken, 0o644) }, "mode 0644"},
		"empty":          {func(t *testing.T) string { return writeFile(t, "token", "", 0o600) }, "empty"},
		"two lines":      {func(t *testing.T) string { return writeFile(t, "token", ownToken+"\nX-Evil: 1\n", 0o600) }, "newline"},
		"a space in it":  {func(t *testing.T) string { return writeFile(t, "token", "hvs. token", 0o600) }, "not a token"},
		"a symbolic link": {func(t *testing.T) string {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(writeFile(t, "token", ownToken, 0o600), link); err != nil {
				t.Fatal(err)
			}
			return link
		}, "symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := startFake(t, vaultfake.Good)
			cfg := configFor(t, fake)
			cfg.TokenFile = c.file(t)
			o := seal(t, cfg)
			wantState(t, o, NotSealed, c.reason)
			if !o.Misconfigured || fake.Count("sys/seal") != 0 {
				t.Errorf("misconfigured %v, %d requests to seal", o.Misconfigured, fake.Count("sys/seal"))
			}
		})
	}
}

func TestASealedNodeNeedsNoToken(t *testing.T) {
	t.Parallel()
	fake := startFake(t, vaultfake.Good)
	fake.Seal(true)
	cfg := configFor(t, fake)
	cfg.TokenFile = "/nonexistent"
	wantState(t, seal(t, cfg), AlreadySealed, "")
}

func TestANodeThatHangsHoldsNoOtherUp(t *testing.T) {
	t.Parallel()
	slow, quick := startFake(t, vaultfake.Good), startFake(t, vaultfake.Good)
	slow.Always("", slow.Hang())
	cfg := configFor(t, slow)
	cfg.CAFile = writeFile(t, "ca.pem", string(slow.CAPEM)+string(quick.CAPEM), 0o644)
	cfg.Nodes = append(cfg.Nodes, Node{Name: "vault-2", Address: quick.URL})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var order []string
	Seal(ctx, cfg, func(o Outcome) {
		order = append(order, o.Node+" "+string(o.State))
		cancel() // the slow one would take all of the time
	})
	if got := strings.Join(order, ", "); got != "vault-2 sealed, vault-1 not sealed" {
		t.Errorf("outcomes in order: %s", got)
	}
}

func TestTwoRunsAtOnceAreHarmless(t *testing.T) {
	t.Parallel()
	fake := startFake(t, vaultfake.Good)
	cfg := configFor(t, fake)
	second := make(chan Outcome, 1)
	go Seal(t.Context(), cfg, func(o Outcome) { second <- o })
	first := seal(t, cfg)
	for _, o := range []Outcome{first, <-second} {
		if o.State != Sealed && o.State != AlreadySealed {
			t.Errorf("outcome %+v", o)
		}
	}
}
