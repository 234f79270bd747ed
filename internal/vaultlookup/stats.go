package vaultlookup

import (
	"maps"
	"strings"

	"custom-vault/internal/vaultclient"
)

// Stats counts what was asked of Vault since the start.
type Stats struct {
	Calls    map[string]int64              // by kind of path: auth/token/lookup-accessor, identity/entity/id, …
	Failures map[vaultclient.Failure]int64 // by name
	Open     int                           // addresses that are not asked, because they did not answer
	Cached   int                           // accessors in the cache
	Indexed  int                           // hashes in the index
}

// Stats gives the counters, for metrics.
func (r *Resolver) Stats() Stats {
	s := Stats{Cached: r.caches.tokens.EstimatedSize()}
	r.vault.mu.Lock()
	s.Calls, s.Failures = maps.Clone(r.vault.calls), maps.Clone(r.vault.failures)
	r.vault.mu.Unlock()
	for _, n := range r.vault.nodes {
		if !n.breaker.IsClosed() {
			s.Open++
		}
	}
	if r.index != nil {
		s.Indexed = r.index.size()
	}
	return s
}

// Paths lists the paths, as prefixes, that this package asks Vault for: a request with our token for any other one is
// not ours.
func Paths() []string {
	return []string{
		"auth/token/lookup-accessor", "identity/entity/id/", "identity/group/id/", "sys/capabilities-accessor",
		"auth/token/lookup-self", "auth/token/renew-self", "auth/token/accessors", "sys/audit-hash/",
	}
}

// kindOf cuts what names one object off a path, so that a metric has few labels.
func kindOf(path string) string {
	for _, prefix := range []string{"identity/entity/id", "identity/group/id", "sys/audit-hash"} {
		if strings.HasPrefix(path, prefix+"/") {
			return prefix
		}
	}
	return path
}
