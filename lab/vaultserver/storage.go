package main

import (
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/physical/raft"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
)

// storageKind is Vault's name of a storage backend; sys/seal-status shows it as storage_type.
type storageKind string

const (
	storageInmem storageKind = "inmem"
	storageFile  storageKind = "file"
	storageRaft  storageKind = "raft"
)

func openStorage(o options, logger hclog.Logger) (physical.Backend, error) {
	if o.dir != "" {
		if err := os.MkdirAll(o.dir, 0o700); err != nil {
			return nil, fmt.Errorf("make storage folder: %w", err)
		}
	}
	var (
		backend physical.Backend
		err     error
	)
	logger = logger.Named("storage." + string(o.storage))
	switch o.storage {
	case storageRaft:
		backend, err = raft.NewRaftBackend(map[string]string{"path": o.dir, "node_id": o.nodeID}, logger)
	case storageFile:
		backend, err = file.NewFileBackend(map[string]string{"path": o.dir}, logger)
	default:
		backend, err = inmem.NewInmem(nil, logger)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s storage %s: %w", o.storage, o.dir, err)
	}
	return backend, nil
}
