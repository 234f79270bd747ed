package vaultlookup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"
	"custom-vault/internal/vaultfake"

	"github.com/maypok86/otter/v2"
)

// realVault is a Vault as operators run it, started for one benchmark: with TLS and an audit device.
type realVault struct {
	address string
	ca      []byte
	client  *http.Client
	token   string
}

func startReal(b *testing.B) *realVault {
	b.Helper()
	dir := b.TempDir()
	check(b, vaultfake.WriteFiles(dir))
	command := exec.Command("../../build/bin/vaultserver", "-listen", "127.0.0.1:0", "-tls-cert", filepath.Join(dir, "cert.pem"), "-tls-key", filepath.Join(dir, "key.pem"))
	out, err := command.StdoutPipe()
	check(b, err)
	if err := command.Start(); err != nil {
		b.Fatalf("%v: run make vaultserver", err)
	}
	b.Cleanup(func() {
		check(b, command.Process.Signal(syscall.SIGTERM))
		check(b, command.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	check(b, err)
	v := &realVault{address: strings.TrimSpace(strings.TrimPrefix(line, "listening "))}
	v.ca, err = os.ReadFile(filepath.Join(dir, "ca.pem"))
	check(b, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(v.ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	b.Cleanup(transport.CloseIdleConnections)
	v.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	keys := v.put(b, "sys/init", `{"secret_shares":1,"secret_threshold":1}`)
	v.put(b, "sys/unseal", `{"key":"`+keys["keys"].([]any)[0].(string)+`"}`)
	v.token = keys["root_token"].(string)
	for v.put(b, "sys/audit/raw", `{"type":"file","options":{"file_path":"`+filepath.Join(dir, "audit.log")+`","hmac_accessor":"false"}}`)["errors"] != nil {
		time.Sleep(20 * time.Millisecond) // it is not active yet
	}
	return v
}

func (v *realVault) put(b *testing.B, path, body string) map[string]any {
	b.Helper()
	request, err := http.NewRequest(http.MethodPut, v.address+"/v1/"+path, strings.NewReader(body))
	check(b, err)
	request.Header.Set("X-Vault-Token", v.token)
	answer, err := v.client.Do(request)
	check(b, err)
	content, err := io.ReadAll(answer.Body)
	check(b, err)
	check(b, answer.Body.Close())
	out := map[string]any{}
	if len(content) > 0 {
		check(b, json.Unmarshal(content, &out))
	}
	return out
}

// service makes a token without an entity and gives its accessor.
func (v *realVault) service(b *testing.B) string {
	b.Helper()
	auth := v.put(b, "auth/token/create-orphan", `{"policies":["default"]}`)["auth"].(map[string]any)
	return auth["accessor"].(string)
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkColdLookup compares, in turns so that both see the same machine, the median of a lookup that must ask Vault with its
// yardstick: one bare HTTPS call, kept alive, of the same request to the same Vault. No reach is asked.
func BenchmarkColdLookup(b *testing.B) {
	vault := startReal(b)
	accessor := vault.service(b)
	r := vault.resolver(b, nil)
	record := read(accessor, "")
	body := `{"accessor":"` + accessor + `"}`
	var bare, ours []time.Duration
	for b.Loop() {
		began := time.Now()
		vault.bare(b, body)
		bare = append(bare, time.Since(began))
		began = time.Now()
		r.ForgetAccessor(accessor)
		if id := r.Resolve(context.Background(), record); id.Rung != identity.RungAccessor {
			b.Fatal(id)
		}
		ours = append(ours, time.Since(began))
	}
	b.ReportMetric(float64(median(bare)), "bare-ns/p50")
	b.ReportMetric(float64(median(ours)), "lookup-ns/p50")
	b.ReportMetric(float64(median(ours))/float64(median(bare)), "x-bare")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func (v *realVault) bare(b *testing.B, body string) {
	b.Helper()
	request, err := http.NewRequest(http.MethodPut, v.address+"/v1/auth/token/lookup-accessor", bytes.NewReader([]byte(body)))
	check(b, err)
	request.Header.Set("X-Vault-Token", v.token)
	answer, err := v.client.Do(request)
	check(b, err)
	if answer.StatusCode != http.StatusOK {
		b.Fatal(answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	check(b, err)
	check(b, answer.Body.Close())
}

func (v *realVault) resolver(b *testing.B, places []Place) *Resolver {
	b.Helper()
	client, err := vaultclient.New(vaultclient.Config{Address: v.address, CAPEM: v.ca, Token: secret.New([]byte(v.token))})
	check(b, err)
	return resolver(b, func(o *Options) { o.Vaults, o.Places = []*vaultclient.Client{client}, places })
}

// BenchmarkColdWithReach is the same with a second call, for what the token may do.
func BenchmarkColdWithReach(b *testing.B) {
	vault := startReal(b)
	accessor := vault.service(b)
	r := vault.resolver(b, DefaultPlaces("secret/"))
	record := read(accessor, "")
	for b.Loop() {
		r.ForgetAccessor(accessor)
		if id := r.Resolve(context.Background(), record); id.Rung != identity.RungAccessor || id.Reach == nil {
			b.Fatalf("%+v; calls %+v", id, r.Stats())
		}
	}
}

// BenchmarkBareCacheGet is the yardstick of a warm resolve.
func BenchmarkBareCacheGet(b *testing.B) {
	cache, err := otter.New(&otter.Options[string, result[knownToken]]{MaximumSize: 100})
	check(b, err)
	cache.Set(bob, result[knownToken]{})
	for b.Loop() {
		if _, ok := cache.GetIfPresent(bob); !ok {
			b.Fatal("gone")
		}
	}
}

// BenchmarkWarmResolve answers from the cache.
func BenchmarkWarmResolve(b *testing.B) {
	fake := start(b)
	bobs(fake)
	r := resolver(b, func(o *Options) { o.Places = DefaultPlaces("secret/") }, fake)
	record := read(bob, bobEntity)
	r.Resolve(context.Background(), record)
	for b.Loop() {
		if id := r.Resolve(context.Background(), record); id.Rung != identity.RungAccessor {
			b.Fatal(id)
		}
	}
}

// BenchmarkNobody is what an alert costs that has no actor.
func BenchmarkNobody(b *testing.B) {
	r := resolver(b, nil)
	nobody := &alert.Alert{Record: &alert.Record{Path: "secret/x", Error: "permission denied"}}
	for b.Loop() {
		if id := r.Resolve(context.Background(), nobody); id.Rung != identity.RungNobody {
			b.Fatal(id)
		}
	}
}
