package main

import (
	"os"
	"runtime/debug"

	"custom-vault/internal/config"
)

// What the Go runtime may hold. The program's text and SQLite's page caches, some 30 MiB, come on top of it.
const (
	baseMemory   = 44 << 20 // three quarters more than is alive while a million alerts are taken
	perIdentity  = 3 << 10  // bytes of an answer in the cache, its entity and its reach included
	garbageShare = 50       // GOGC: the memory is the manager's, and its processors are rarely busy
)

// limitMemory tells the runtime to give memory back rather than to keep it for later. The limit is a soft one: where
// more than that is alive, collecting costs more, and nothing fails. GOGC and GOMEMLIMIT have the last word.
func limitMemory(cfg config.Config) {
	limit := int64(baseMemory)
	for _, cluster := range cfg.Clusters {
		if asks(cluster) {
			limit += int64(cfg.Lookup.Entries) * perIdentity
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbageShare)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
}
