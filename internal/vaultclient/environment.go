package vaultclient

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/hashicorp/vault/api"
)

// hiding serialises the moments in which VAULT_* is hidden: the environment belongs to the process, so its lock does.
var hiding sync.Mutex

// newAPI calls api.NewClient so that no environment changes the client or prevents it.
//
// NewClient (vault/api v1.23.0 client.go:611) always builds a default configuration from the environment first, even
// when given one of our own, and fails if a variable there makes no sense (VAULT_SKIP_VERIFY=banana, a VAULT_CACERT
// that is missing). There is no other constructor. Where it succeeds, the environment has left its mark in three
// places that are wiped here: token, namespace, headers. Where it fails although our own configuration is checked,
// only the environment can be the cause: then VAULT_* is hidden, the call repeated, and everything put back as it
// was. A process with a sane environment is thus never touched, and any other for microseconds; a program started
// by another goroutine just then would miss VAULT_*.
func newAPI(cfg *api.Config) (*api.Client, error) {
	client, err := api.NewClient(cfg)
	if err != nil {
		if client, err = newAPIHidden(cfg); err != nil {
			return nil, err
		}
	}
	client.ClearToken()
	client.ClearNamespace()
	// Drops VAULT_HEADERS; the one header is Vault's guard against forged requests of its agent.
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	// Without a function of ours every request asks for wrapping as VAULT_WRAP_TTL says (logical.go:35).
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	return client, nil
}

func newAPIHidden(cfg *api.Config) (_ *api.Client, err error) {
	hiding.Lock()
	defer hiding.Unlock()
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "VAULT_") {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.Setenv(name, value)) }()
	}
	return api.NewClient(cfg)
}
