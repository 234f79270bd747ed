package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
)

// Cluster is a Vault on integrated storage: several servers, of which one is active.
type Cluster struct {
	// Nodes are in the order in which they joined. The first was active when the cluster was made.
	Nodes []*Server
}

// Peer is a member of the cluster as raft knows it.
type Peer struct {
	NodeID  string `json:"node_id"`
	Address string `json:"address"`
	Leader  bool   `json:"leader"`
	Voter   bool   `json:"voter"`
}

// StartCluster runs n servers as one raft cluster and returns when all are unsealed and the first is
// active. c is the pattern: node k lives in c.Dir/nK as nK, with an authority common to all. The others are
// not voters yet: WaitVoters. If it fails, the servers that it started are gone.
func StartCluster(ctx context.Context, n int, c Config) (*Cluster, error) {
	var cluster Cluster
	for i := range n {
		node := c
		node.Storage = Raft
		node.NodeID = fmt.Sprintf("n%d", i+1)
		node.Dir = filepath.Join(c.Dir, node.NodeID)
		if i > 0 {
			node.CA = cluster.Nodes[0].CA()
		}
		s, err := Start(ctx, node)
		if err != nil {
			cluster.Kill()
			return nil, fmt.Errorf("start node %s: %w", node.NodeID, err)
		}
		cluster.Nodes = append(cluster.Nodes, s)
		if err := cluster.admit(ctx, s); err != nil {
			cluster.Kill()
			return nil, fmt.Errorf("make node %s a member: %w", node.NodeID, err)
		}
	}
	return &cluster, nil
}

// admit initialises the first node, joins any other to it, and unseals.
func (c *Cluster) admit(ctx context.Context, s *Server) error {
	first := c.Nodes[0]
	if s == first {
		return s.InitAndUnseal(ctx)
	}
	join := map[string]string{"leader_api_addr": first.Address(), "leader_ca_cert": string(first.CA().PEM())}
	var joined struct {
		Joined bool `json:"joined"`
	}
	if err := s.askPlain(ctx, http.MethodPost, "sys/storage/raft/join", join, &joined); err != nil {
		return err
	}
	if !joined.Joined {
		return errors.New("vault answered that it has not joined")
	}
	s.keys = first.keys
	return s.Unseal(ctx)
}

// Active is the node that says that it is the active one; an error if none does at the moment.
func (c *Cluster) Active(ctx context.Context) (*Server, error) {
	var asked error
	for _, s := range c.Nodes {
		if !s.Running() {
			continue
		}
		health, err := s.Health(ctx)
		if err == nil && health == http.StatusOK {
			return s, nil
		}
		asked = errors.Join(asked, err)
	}
	return nil, errors.Join(errors.New("no node is active"), asked)
}

// WaitActive asks until a node is active: half a second after a seal, 10 to 17 s after a crash.
func (c *Cluster) WaitActive(ctx context.Context) (active *Server, err error) {
	err = until(ctx, "a node is active", func() (bool, error) {
		active, _ = c.Active(ctx) // none at the moment is what is waited out
		return active != nil, nil
	})
	return active, err
}

// Peers is raft's own list of the members.
func (c *Cluster) Peers(ctx context.Context) ([]Peer, error) {
	var configuration struct {
		Config struct {
			Servers []Peer `json:"servers"`
		} `json:"config"`
	}
	_, err := c.Nodes[0].Root().ask(ctx, http.MethodGet, "sys/storage/raft/configuration", nil, &configuration)
	return configuration.Config.Servers, err
}

// WaitVoters asks until every node votes, about 20 s after it joined. Until then sealing the first node
// leaves nobody to take over.
func (c *Cluster) WaitVoters(ctx context.Context) error {
	return until(ctx, "every node votes", func() (bool, error) {
		peers, err := c.Peers(ctx)
		voters := 0
		for _, p := range peers {
			if p.Voter {
				voters++
			}
		}
		return voters == len(c.Nodes), err
	})
}

// Stop stops every node that runs, standbys first, so that the active one need not hand over.
func (c *Cluster) Stop(ctx context.Context) error {
	var failed error
	for i := len(c.Nodes) - 1; i >= 0; i-- {
		if c.Nodes[i].Running() {
			failed = errors.Join(failed, c.Nodes[i].Stop(ctx))
		}
	}
	return failed
}

// Kill ends every node as a crash does.
func (c *Cluster) Kill() {
	for _, s := range c.Nodes {
		s.Kill()
	}
}
