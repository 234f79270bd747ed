package main

import (
	"maps"
	"slices"

	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/userpass"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/vault"
)

func authMethods() map[string]logical.Factory {
	return map[string]logical.Factory{
		"approle":  approle.Factory,
		"userpass": userpass.Factory,
	}
}

func secretEngines() map[string]logical.Factory {
	return map[string]logical.Factory{
		"kv":        kv.Factory,
		"leased-kv": vault.LeasedPassthroughBackendFactory, // reads give leases; a test backend of Vault's own
	}
}

// registry tells Vault's plugin catalog which plugins are compiled in. Without one, mounting panics.
type registry map[consts.PluginType]map[string]logical.Factory

func newRegistry() registry {
	return registry{
		consts.PluginTypeCredential: authMethods(),
		consts.PluginTypeSecrets:    secretEngines(),
	}
}

// Get returns what makes the plugin's factory.
func (r registry) Get(name string, kind consts.PluginType) (func() (interface{}, error), bool) {
	factory, ok := r[kind][name]
	return func() (interface{}, error) { return factory, nil }, ok
}

// Contains reports whether the plugin is compiled in.
func (r registry) Contains(name string, kind consts.PluginType) bool {
	_, ok := r[kind][name]
	return ok
}

// Keys lists the plugins of a kind, sorted.
func (r registry) Keys(kind consts.PluginType) []string {
	return slices.Sorted(maps.Keys(r[kind]))
}

// DeprecationStatus is "supported" for all there are.
func (r registry) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, kind)
}

// IsBuiltinEntPlugin is false: there are no Enterprise plugins.
func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
