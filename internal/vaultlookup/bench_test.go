package vaultlookup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"testing"

	"custom-vault/internal/identity"

	"github.com/maypok86/otter/v2"
)

// The yardstick of a cold lookup: one bare HTTPS call, kept alive, of the same request to the same server.
func BenchmarkBareCall(b *testing.B) {
	fake := start(b)
	bobs(fake)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(fake.CAPEM)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	for b.Loop() {
		request, err := http.NewRequest(http.MethodPut, fake.URL+"/v1/auth/token/lookup-accessor", bytes.NewReader([]byte(`{"accessor":"`+bob+`"}`)))
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("X-Vault-Token", ownToken)
		answer, err := client.Do(request)
		if err != nil || answer.StatusCode != 200 {
			b.Fatal(answer, err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			b.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkCold(b *testing.B, entity string, places []Place) {
	fake := start(b)
	bobs(fake)
	if entity == "" {
		fake.Token(bob, map[string]any{})
	}
	r := resolver(b, func(o *Options) { o.Places = places }, fake)
	alert := read(bob, entity)
	for b.Loop() {
		r.ForgetAll()
		if id := r.Resolve(context.Background(), alert); id.Rung != identity.RungAccessor {
			b.Fatal(id)
		}
	}
}

// A cold lookup that asks Vault once, as BareCall does.
func BenchmarkColdLookup(b *testing.B) { benchmarkCold(b, "", nil) }

// A cold lookup with all there is: token, entity, two groups, reach, in five calls.
func BenchmarkColdWhole(b *testing.B) { benchmarkCold(b, bobEntity, DefaultPlaces("secret/")) }

// The yardstick of a warm one.
func BenchmarkBareCacheGet(b *testing.B) {
	cache, err := otter.New(&otter.Options[string, result[knownToken]]{MaximumSize: 100})
	if err != nil {
		b.Fatal(err)
	}
	cache.Set(bob, result[knownToken]{})
	for b.Loop() {
		if _, ok := cache.GetIfPresent(bob); !ok {
			b.Fatal("gone")
		}
	}
}

func BenchmarkWarmResolve(b *testing.B) {
	fake := start(b)
	bobs(fake)
	r := resolver(b, func(o *Options) { o.Places = DefaultPlaces("secret/") }, fake)
	alert := read(bob, bobEntity)
	r.Resolve(context.Background(), alert)
	for b.Loop() {
		if id := r.Resolve(context.Background(), alert); id.Rung != identity.RungAccessor {
			b.Fatal(id)
		}
	}
}
