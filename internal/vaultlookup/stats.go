package vaultlookup

import (
	"maps"
	"slices"
	"strings"

	"custom-vault/internal/vaultclient"
)

// Stats counts what was asked of Vault since the start.
type Stats struct {
	Calls    map[string]int64              // by kind of path: auth/token/lookup-accessor, identity/entity/id, …
	Failures map[vaultclient.Failure]int64 // by name
	Open     int                           // addresses that are left alone, because several calls in a row told nothing
	Silent   []vaultclient.Failure         // why the last call told nothing, of each address of which it did not
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
		if last, ok := n.last.Load().(vaultclient.Failure); ok && last.AnswersNothing() {
			s.Silent = append(s.Silent, last)
		}
	}
	if r.index != nil {
		s.Indexed = r.index.size()
	}
	return s
}

// SilentBecause names the reasons in Silent, each once.
func (s Stats) SilentBecause() []string {
	var names []string
	for _, failure := range s.Silent {
		if name := string(failure); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
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
