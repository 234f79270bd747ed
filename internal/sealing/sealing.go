// Package sealing is what the agent's active response does: it understands what execd writes to stdin, seals the
// Vault nodes of this host, believes nobody but each node's own seal-status, and says how it went in one line per
// node that Wazuh's decoder "vault-seal" reads. It may import internal/vaultclient and internal/secret. It must never
// print, read the environment, seal a node that its configuration does not name, or write into a report what it has
// not made visible and bounded.
package sealing

import (
	"context"
	"sync"
	"time"

	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"
)

// State is how one node stands at the end of a run.
type State string

// States of a node. Only a node's own seal-status makes the first two.
const (
	Sealed        State = "sealed"
	AlreadySealed State = "already sealed" // before this run asked for it, or although its requests were refused
	NotSealed     State = "not sealed"     // or not known to be
)

// Outcome is what became of one node.
type Outcome struct {
	Node  string
	State State
	// Reason says why the node is not sealed, and what can be done about it; for AlreadySealed it may add something.
	Reason string
	// Misconfigured tells a cause that lies in this host's configuration from one that lies with Vault.
	Misconfigured bool
}

// Seal seals all nodes of the configuration at once, and hands on each outcome as soon as it is known, one after the
// other. It returns when every node has its outcome, after cfg.Timeout at the latest.
func Seal(ctx context.Context, cfg Config, each func(Outcome)) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	token, tokenErr := secret.ReadFile(cfg.TokenFile)
	outcomes := make(chan Outcome, len(cfg.Nodes))
	var nodes sync.WaitGroup
	for _, node := range cfg.Nodes {
		nodes.Go(func() {
			outcome := sealNode(ctx, cfg, node, token, tokenErr)
			outcome.Node = node.Name
			outcomes <- outcome
		})
	}
	for range cfg.Nodes {
		each(<-outcomes)
	}
	nodes.Wait()
}

// sealNode seals one node. A token that cannot be used still leaves the question whether the node is sealed already.
func sealNode(ctx context.Context, cfg Config, node Node, token secret.Text, tokenErr error) Outcome {
	client, err := vaultclient.New(vaultclient.Config{
		Address: node.Address, ServerName: node.ServerName, CAFile: cfg.CAFile, Token: token, Timeout: callTime(cfg.Timeout),
	})
	if err != nil {
		return Outcome{State: NotSealed, Reason: err.Error(), Misconfigured: true}
	}
	defer client.Close()
	if tokenErr == nil {
		return sealOne(ctx, client)
	}
	if status, err := client.SealStatus(ctx); err == nil && status.Sealed {
		return alreadySealed(status)
	}
	return Outcome{State: NotSealed, Reason: tokenErr.Error(), Misconfigured: true}
}

// callTime bounds one call to Vault, so that one that hangs leaves time for another. A seal takes up to 3.1 s where
// other nodes of the cluster are dead.
func callTime(total time.Duration) time.Duration { return min(5*time.Second, total/2) }
