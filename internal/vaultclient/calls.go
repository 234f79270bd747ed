package vaultclient

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"
)

// Read reads a path. An answer without data is a failure: vault/api gives nil, nil for a 404.
func (c *Client) Read(ctx context.Context, path string) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	op := "read " + clip(path)
	// The raw form, because the other swallows the 404.
	response, err := c.api.Logical().ReadRawWithContext(ctx, path)
	if response != nil {
		defer func() { _ = response.Body.Close() }() // an answer was read from it already, or is given up
	}
	if err != nil {
		return nil, c.failed(op, err)
	}
	answer, err := api.ParseSecret(response.Body)
	return c.whole(op, answer, err)
}

// Write sends data to a path, whose answer must carry something. For calls that Vault answers with 204 it does not fit.
func (c *Client) Write(ctx context.Context, path string, data map[string]any) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.api.Logical().WriteWithContext(ctx, path, data)
	return c.whole("write "+clip(path), answer, err)
}

// List lists a path.
func (c *Client) List(ctx context.Context, path string) (*api.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.api.Logical().ListWithContext(ctx, path)
	return c.whole("list "+clip(path), answer, err)
}

// whole insists on an answer: nil without an error happens with 204, with 3xx and with empty bodies.
func (c *Client) whole(op string, answer *api.Secret, err error) (*api.Secret, error) {
	switch {
	case err != nil:
		return nil, c.failed(op, err)
	case answer == nil:
		return nil, c.failed(op, fmt.Errorf("%w: it is empty", errNotVault))
	case answer.Data == nil && answer.Auth == nil:
		return nil, c.failed(op, fmt.Errorf("%w: it has no data", errNotVault))
	}
	return answer, nil
}

// SealStatus is what one node says of itself. Only this proves that a node is sealed, and only that node.
type SealStatus struct {
	Initialized  bool
	Sealed       bool
	RecoverySeal bool // unsealed by a key service: it unseals itself when it is restarted
	Threshold    int
	Shares       int
	Progress     int
	Version      string
	ClusterName  string // empty while sealed
	ClusterID    string // empty while sealed
	StorageType  string
	Removed      bool // from its raft cluster
}

// SealStatus asks the node itself; it needs no token and is never forwarded to another node. An answer that does not
// say whether the node is sealed is a failure.
func (c *Client) SealStatus(ctx context.Context) (SealStatus, error) {
	var body struct {
		Initialized  *bool  `json:"initialized"`
		Sealed       *bool  `json:"sealed"`
		RecoverySeal bool   `json:"recovery_seal"`
		Threshold    int    `json:"t"`
		Shares       int    `json:"n"`
		Progress     int    `json:"progress"`
		Version      string `json:"version"`
		ClusterName  string `json:"cluster_name"`
		ClusterID    string `json:"cluster_id"`
		StorageType  string `json:"storage_type"`
		Removed      bool   `json:"removed_from_cluster"`
	}
	if err := c.readPlain(ctx, "sys/seal-status", &body); err != nil {
		return SealStatus{}, err
	}
	if body.Sealed == nil || body.Initialized == nil {
		return SealStatus{}, c.failed("read sys/seal-status", fmt.Errorf("%w: it does not say whether it is sealed", errNotVault))
	}
	return SealStatus{
		Initialized: *body.Initialized, Sealed: *body.Sealed, RecoverySeal: body.RecoverySeal,
		Threshold: body.Threshold, Shares: body.Shares, Progress: body.Progress, Version: body.Version,
		ClusterName: body.ClusterName, ClusterID: body.ClusterID, StorageType: body.StorageType, Removed: body.Removed,
	}, nil
}

// Leader is what one node believes of its cluster.
type Leader struct {
	HAEnabled bool
	IsSelf    bool   // this node leads
	Address   string // whom it takes for the leader; it goes on naming a dead one
}

// Leader asks the node itself; it needs no token. A sealed node of a cluster answers 503.
func (c *Client) Leader(ctx context.Context) (Leader, error) {
	var body struct {
		HAEnabled *bool  `json:"ha_enabled"`
		IsSelf    bool   `json:"is_self"`
		Address   string `json:"leader_address"`
	}
	if err := c.readPlain(ctx, "sys/leader", &body); err != nil {
		return Leader{}, err
	}
	if body.HAEnabled == nil {
		return Leader{}, c.failed("read sys/leader", fmt.Errorf("%w: it does not say whether it has a cluster", errNotVault))
	}
	return Leader{HAEnabled: *body.HAEnabled, IsSelf: body.IsSelf, Address: clip(body.Address)}, nil
}

// Seal asks the node to seal itself. A nil error proves nothing: a sealed or uninitialised node answers 204 to anyone,
// whatever the token, and a standby 500 before it looks at the token. Only SealStatus of the same node tells.
func (c *Client) Seal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := c.api.Sys().SealWithContext(ctx); err != nil {
		return c.failed("seal", err)
	}
	return nil
}

// readPlain reads one of the paths whose answer is a bare JSON object, without Vault's envelope.
func (c *Client) readPlain(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	response, err := c.api.Logical().ReadRawWithContext(ctx, path)
	if response != nil {
		defer func() { _ = response.Body.Close() }() // read to the end below, or given up
	}
	if err != nil {
		return c.failed("read "+path, err)
	}
	if response.StatusCode != http.StatusOK {
		return c.failed("read "+path, fmt.Errorf("%w: status %d", errNotVault, response.StatusCode))
	}
	if err := response.DecodeJSON(into); err != nil {
		return c.failed("read "+path, err)
	}
	return nil
}
