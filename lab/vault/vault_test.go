package vault_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"custom-vault/lab/pki"
	"custom-vault/lab/vault"
	"custom-vault/lab/vault/vaulttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lookupPolicy = `
path "auth/token/lookup-accessor" { capabilities = ["update"] }
path "identity/entity/id/*"       { capabilities = ["read"] }
path "auth/token/lookup-self"     { capabilities = ["read"] }
`
	sealPolicy = `path "sys/seal" { capabilities = ["update", "sudo"] }`
	readPolicy = `path "secret/data/myapp/config" { capabilities = ["read"] }`
)

func TestANewVaultIsSealedAndSaysItsVersion(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vault.Config{})
	got, err := s.SealStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := vault.SealStatus{Sealed: true, Version: "1.21.4", StorageType: "inmem"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seal status (-want +got):\n%s", diff)
	}
}

func TestUnsealNeedsTheThreshold(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vault.Config{})
	keys, err := s.Init(t.Context(), 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys.Unseal) != 3 {
		t.Fatalf("got %d unseal keys, want 3", len(keys.Unseal))
	}
	status, err := s.UnsealKey(t.Context(), keys.Unseal[0])
	if err != nil {
		t.Fatal(err)
	}
	if !status.Sealed || status.Progress != 1 {
		t.Errorf("after one of two keys: sealed %v, progress %d; want sealed, progress 1", status.Sealed, status.Progress)
	}
	if err := s.Unseal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitActive(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAuditDeviceWithRawAccessorsNamesTheTokenInClear(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{})
	root := s.Root()
	device := vault.FileAudit{File: "audit.log", RawAccessors: true, Prefix: vault.ArticlePrefix, ElideListResponses: true}
	must(t, root.EnableFileAudit(t.Context(), "file", device))
	bob := loginBob(t, root)

	records := readAudit(t, filepath.Join(s.Dir(), "audit.log"))
	login := lastOf(t, records, "response", "auth/userpass/login/bob")
	if login.Auth.Accessor != bob.Accessor {
		t.Errorf("the login's record names accessor %q, want %q", login.Auth.Accessor, bob.Accessor)
	}
	if !strings.HasPrefix(string(login.Line), vault.ArticlePrefix+"{") {
		t.Errorf("the record does not begin with the prefix: %.40q", login.Line)
	}
	if login.Auth.DisplayName != "userpass-bob" || login.Auth.EntityID != bob.EntityID {
		t.Errorf("the record is of %q, entity %q; want userpass-bob, %q", login.Auth.DisplayName, login.Auth.EntityID, bob.EntityID)
	}
}

func TestAuditDeviceHashesAccessorsByDefault(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{})
	root := s.Root()
	must(t, root.EnableFileAudit(t.Context(), "file", vault.FileAudit{File: "audit.log"}))
	bob := loginBob(t, root)

	login := lastOf(t, readAudit(t, filepath.Join(s.Dir(), "audit.log")), "response", "auth/userpass/login/bob")
	want, err := root.AuditHash(t.Context(), "file", bob.Accessor)
	if err != nil {
		t.Fatal(err)
	}
	if login.Auth.Accessor != want {
		t.Errorf("the login's record names accessor %q, want the device's hash %q", login.Auth.Accessor, want)
	}
	_, err = root.LookupAccessor(t.Context(), want)
	wantRefusal(t, err, http.StatusBadRequest, "invalid accessor")
}

func TestAuditPrefixIsRefusedAsVaultDoesByDefault(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{RefuseAuditPrefix: true})
	err := s.Root().EnableFileAudit(t.Context(), "file", vault.FileAudit{File: "audit.log", Prefix: vault.ArticlePrefix})
	wantRefusal(t, err, http.StatusBadRequest, "audit prefixing is not enabled")
}

func TestForwardedAddressIsBelievedOfTrustedNetworksOnly(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		trusted []string
		want    string
	}{
		"trusted":     {trusted: []string{"127.0.0.1/32"}, want: "10.20.30.40"},
		"not trusted": {want: "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := vaulttest.StartUnsealed(t, vault.Config{TrustForwardedFrom: tt.trusted})
			must(t, s.Root().EnableFileAudit(t.Context(), "file", vault.FileAudit{File: "audit.log"}))
			if _, err := s.Root().From("10.20.30.40").LookupSelf(t.Context()); err != nil {
				t.Fatal(err)
			}
			record := lastOf(t, readAudit(t, filepath.Join(s.Dir(), "audit.log")), "request", "auth/token/lookup-self")
			if record.Request.RemoteAddress != tt.want {
				t.Errorf("remote address %q, want %q", record.Request.RemoteAddress, tt.want)
			}
		})
	}
}

func TestHangUpReopensTheAuditFile(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{})
	file := filepath.Join(s.Dir(), "audit.log")
	must(t, s.Root().EnableFileAudit(t.Context(), "file", vault.FileAudit{File: file}))
	must(t, os.Rename(file, file+".1"))
	must(t, s.ReopenAuditFiles(t.Context(), file))

	if _, err := s.Root().LookupSelf(t.Context()); err != nil {
		t.Fatal(err)
	}
	lastOf(t, readAudit(t, file), "response", "auth/token/lookup-self")
}

func TestLookupAccessorTellsItsRefusalsApart(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{})
	root := s.Root()
	must(t, root.WritePolicy(t.Context(), "lookup", lookupPolicy))
	bob := loginBob(t, root)
	lookup := s.Client(machineToken(t, root, "lookup").ClientToken)

	info, err := lookup.LookupAccessor(t.Context(), bob.Accessor)
	if err != nil {
		t.Fatal(err)
	}
	if info.DisplayName != "userpass-bob" || info.Path != "auth/userpass/login/bob" || info.EntityID != bob.EntityID {
		t.Errorf("bob's token is of %q by %q, entity %q", info.DisplayName, info.Path, info.EntityID)
	}

	t.Run("revoked token is a 400", func(t *testing.T) {
		must(t, root.RevokeAccessor(t.Context(), bob.Accessor))
		_, err := lookup.LookupAccessor(t.Context(), bob.Accessor)
		wantRefusal(t, err, http.StatusBadRequest, "invalid accessor")
	})
	t.Run("own token without permission is a 403", func(t *testing.T) {
		poor := machineToken(t, root, "nothing")
		_, err := s.Client(poor.ClientToken).LookupAccessor(t.Context(), poor.Accessor)
		wantRefusal(t, err, http.StatusForbidden, "permission denied")
		if strings.Contains(err.Error(), "invalid token") {
			t.Errorf("a lack of permission is told as a bad token: %v", err)
		}
	})
	t.Run("own token bad is another 403", func(t *testing.T) {
		_, err := s.Client("hvs.nobody").LookupAccessor(t.Context(), "any")
		wantRefusal(t, err, http.StatusForbidden, "invalid token")
	})
}

func TestLookupOfAnEntityNamesTheUser(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{})
	root := s.Root()
	must(t, root.EnableUserpass(t.Context()))
	must(t, root.CreateUser(t.Context(), "bob", "training", "default"))
	id, err := root.CreateEntity(t.Context(), "Robert from accounting", "bob")
	if err != nil {
		t.Fatal(err)
	}
	auth, err := root.Login(t.Context(), "bob", "training")
	if err != nil {
		t.Fatal(err)
	}
	if auth.EntityID != id {
		t.Fatalf("bob's login is of entity %q, want %q", auth.EntityID, id)
	}
	got, err := root.Entity(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	want := vault.Entity{ID: id, Name: "Robert from accounting", Policies: []string{},
		Aliases: []vault.Alias{{Name: "bob", MountPath: "auth/userpass/", MountType: "userpass"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entity (-want +got):\n%s", diff)
	}

	must(t, root.DisableEntity(t.Context(), id))
	_, err = root.Login(t.Context(), "bob", "training")
	wantRefusal(t, err, http.StatusForbidden, "permission denied")
}

func TestSealEndsAllReadingUntilUnsealed(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{})
	root := s.Root()
	must(t, root.WritePolicy(t.Context(), "sealer", sealPolicy))
	must(t, root.EnableKV2(t.Context(), "secret"))
	must(t, root.WriteSecret(t.Context(), "secret", "myapp/config", map[string]string{"username": "app"}))
	bob := s.Client(loginBob(t, root).ClientToken)
	sealer := s.Client(machineToken(t, root, "sealer").ClientToken)

	wantSealAnswer(t, bob, http.StatusForbidden)
	wantSealed(t, s, false)
	wantSealAnswer(t, sealer, http.StatusNoContent)
	wantSealed(t, s, true)

	_, _, err := bob.ReadSecret(t.Context(), "secret", "myapp/config")
	wantRefusal(t, err, http.StatusServiceUnavailable, "Vault is sealed")
	_, err = root.LookupAccessor(t.Context(), "any")
	wantRefusal(t, err, http.StatusServiceUnavailable, "Vault is sealed")
	wantSealAnswer(t, s.Client(""), http.StatusNoContent) // a sealed node says so to anyone: it proves nothing

	must(t, s.Unseal(t.Context()))
	values, _, err := bob.ReadSecret(t.Context(), "secret", "myapp/config")
	if err != nil {
		t.Fatalf("bob's token after unsealing: %v", err)
	}
	if values["username"] != "app" {
		t.Errorf("read %v, want username app", values)
	}
}

func TestStopSealsInOrderAndTheDataSurvives(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{Storage: vault.File})
	must(t, s.Root().EnableKV2(t.Context(), "secret"))
	must(t, s.Root().WriteSecret(t.Context(), "secret", "myapp/config", map[string]string{"username": "app"}))
	address := s.Address()
	must(t, s.Stop(t.Context()))
	if s.Running() {
		t.Fatal("the process still runs after Stop")
	}
	wantLog(t, s, "==> Vault server started! Log data will stream in below:", "core: vault is unsealed", "==> Vault shutdown triggered", "core: vault is sealed")

	must(t, s.Restart(t.Context()))
	if s.Address() != address {
		t.Errorf("restarted on %s, want %s", s.Address(), address)
	}
	wantSealed(t, s, true)
	must(t, s.Unseal(t.Context()))
	if _, _, err := s.Root().ReadSecret(t.Context(), "secret", "myapp/config"); err != nil {
		t.Errorf("read after a restart: %v", err)
	}
}

func TestAKilledServerIsGoneAndCanComeBack(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{Storage: vault.File})
	s.Kill()
	if _, err := s.SealStatus(t.Context()); err == nil {
		t.Error("a killed server answers")
	}
	must(t, s.Restart(t.Context()))
	must(t, s.Unseal(t.Context()))
}

func TestTheServerIsVerifiedByItsAuthority(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vault.Config{})
	other, err := pki.NewCA("another authority")
	if err != nil {
		t.Fatal(err)
	}
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: other.Pool(), MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.Address(), "https://"))
	if err == nil {
		must(t, conn.Close())
	}
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("a client of another authority got %v, want an unknown authority", err)
	}
}

func TestStartSaysWhyItFails(t *testing.T) {
	t.Parallel()
	first := vaulttest.Start(t, vault.Config{})
	binary, err := vault.Binary()
	if err != nil {
		t.Fatal(err)
	}
	_, err = vault.Start(t.Context(), vault.Config{Binary: binary, Dir: t.TempDir(), Listen: strings.TrimPrefix(first.Address(), "https://")})
	if err == nil || !strings.Contains(err.Error(), "address is in use") {
		t.Errorf("second server on %s: %v, want that the address is in use", first.Address(), err)
	}
	_, err = vault.Start(t.Context(), vault.Config{Binary: filepath.Join(t.TempDir(), "absent"), Dir: t.TempDir()})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent binary: %v, want that it does not exist", err)
	}
}

func TestRaftClusterHandsOverWhenItsActiveNodeIsSealed(t *testing.T) {
	t.Parallel()
	binary, err := vault.Binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cluster, err := vault.StartCluster(ctx, 3, vault.Config{Binary: binary, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Kill)
	must(t, cluster.WaitVoters(ctx))
	first := cluster.Nodes[0]
	wantSealAnswer(t, cluster.Nodes[1].Root(), http.StatusInternalServerError) // a standby refuses
	wantSealAnswer(t, first.Root(), http.StatusNoContent)
	wantSealed(t, first, true)
	active, err := cluster.WaitActive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if active == first {
		t.Error("the sealed node is still the active one")
	}
}

func TestTokenFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	auth := vault.Auth{ClientToken: "hvs.example"}
	if err := auth.WriteTokenFile(file); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o400 {
		t.Errorf("mode %o, want 400", info.Mode().Perm())
	}
	if err := auth.WriteTokenFile(file); !errors.Is(err, os.ErrExist) {
		t.Errorf("second write: %v, want that it exists", err)
	}
}

// loginBob makes a userpass user bob who may read secret/myapp/config, and logs him in.
func loginBob(t *testing.T, root *vault.Client) vault.Auth {
	t.Helper()
	must(t, root.WritePolicy(t.Context(), "limited-user", readPolicy))
	must(t, root.EnableUserpass(t.Context()))
	must(t, root.CreateUser(t.Context(), "bob", "training", "limited-user"))
	auth, err := root.Login(t.Context(), "bob", "training")
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

func machineToken(t *testing.T, root *vault.Client, policy string) vault.Auth {
	t.Helper()
	auth, err := root.CreateOrphanPeriodicToken(t.Context(), vault.Token{DisplayName: policy, Policies: []string{policy}, Period: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if !auth.Orphan || auth.LeaseDuration != 3600 {
		t.Errorf("token for %s: orphan %v, %d s; want orphan, 3600 s", policy, auth.Orphan, auth.LeaseDuration)
	}
	if diff := cmp.Diff([]string{policy}, auth.Policies); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
	return auth
}

func readAudit(t *testing.T, file string) []vault.AuditRecord {
	t.Helper()
	records, err := vault.ReadAudit(file)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func lastOf(t *testing.T, records []vault.AuditRecord, kind, path string) vault.AuditRecord {
	t.Helper()
	for i := len(records) - 1; i >= 0; i-- {
		if r := records[i]; r.Type == kind && r.Request.Path == path {
			return r
		}
	}
	t.Fatalf("none of %d audit records is a %s of %s", len(records), kind, path)
	return vault.AuditRecord{}
}

func wantSealed(t *testing.T, s *vault.Server, want bool) {
	t.Helper()
	status, err := s.SealStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Sealed != want {
		t.Fatalf("sealed: %v, want %v", status.Sealed, want)
	}
}

func wantSealAnswer(t *testing.T, c *vault.Client, want int) {
	t.Helper()
	got, err := c.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("seal answered %d, want %d", got, want)
	}
}

func wantRefusal(t *testing.T, err error, status int, text string) {
	t.Helper()
	if vault.StatusOf(err) != status || !strings.Contains(err.Error(), text) {
		t.Errorf("got error %v, want status %d with %q", err, status, text)
	}
}

// wantLog wants these texts in the operational log in this order.
func wantLog(t *testing.T, s *vault.Server, texts ...string) {
	t.Helper()
	log, err := os.ReadFile(s.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	rest := string(log)
	for _, text := range texts {
		_, after, found := strings.Cut(rest, text)
		if !found {
			t.Fatalf("the operational log lacks %q after what came before it", text)
		}
		rest = after
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
