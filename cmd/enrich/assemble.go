package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/identity"
	"custom-vault/internal/response"
	"custom-vault/internal/screen"
	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"
	"custom-vault/internal/vaultlookup"
	"custom-vault/internal/wazuhapi"
)

// checkFiles reads every file that the configuration names, so that a missing one is told before it is needed.
func checkFiles(cfg config.Config) error {
	var errs []error
	for _, cluster := range cfg.Clusters {
		if _, err := os.ReadFile(cluster.CAFile); err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: CA: %w", cluster.Name, err))
		}
		file := cluster.TokenFile
		if file == "" {
			file = cluster.AppRole.SecretIDFile
		}
		if file == "" {
			continue
		}
		if _, err := secret.ReadFile(file); err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", cluster.Name, err))
		}
	}
	if api := cfg.Wazuh.API; len(api.Addresses) > 0 {
		if _, err := os.ReadFile(api.CAFile); err != nil {
			errs = append(errs, fmt.Errorf("wazuh api: CA: %w", err))
		}
		if _, err := secret.ReadFile(api.PasswordFile); err != nil {
			errs = append(errs, fmt.Errorf("wazuh api: %w", err))
		}
	}
	return errors.Join(errs...)
}

// resolvers asks the Vault cluster that an alert belongs to.
type resolvers struct {
	clusters map[string]*vaultlookup.Resolver
	record   *vaultlookup.Resolver // knows no Vault: identities come from the record
	own      *ownTokens
}

func newResolvers(cfg config.Config, trace vaultlookup.Trace, own *ownTokens, log logrus.FieldLogger) (*resolvers, error) {
	record, err := vaultlookup.New(vaultlookup.Options{})
	if err != nil {
		return nil, err
	}
	r := &resolvers{clusters: make(map[string]*vaultlookup.Resolver), record: record, own: own}
	for _, cluster := range cfg.Clusters {
		if !asks(cluster) {
			continue
		}
		if r.clusters[cluster.Name], err = newResolver(cfg, cluster, trace, log); err != nil {
			r.close()
			return nil, fmt.Errorf("cluster %s: %w", cluster.Name, err)
		}
	}
	return r, nil
}

func newResolver(cfg config.Config, cluster config.Cluster, trace vaultlookup.Trace, log logrus.FieldLogger) (*vaultlookup.Resolver, error) {
	options := vaultlookup.Options{
		Token:    tokenSource(cluster),
		Deadline: cfg.Lookup.Timeout, TTL: cfg.Lookup.Cache, Entries: cfg.Lookup.Entries,
		Places: vaultlookup.DefaultPlaces(cluster.SecretMounts...), HashedDevices: hashedDevices(cluster), Trace: trace,
		Log: func(note vaultlookup.Note) {
			entry := log.WithField("cluster", cluster.Name)
			if note.Problem {
				entry.Error("lookup: " + note.Text)
			} else {
				entry.Info("lookup: " + note.Text)
			}
		},
	}
	if cluster.HashIndex.Enabled {
		options.Index = &vaultlookup.IndexOptions{
			File: filepath.Join(cfg.Store.Dir, "accessors-"+cluster.Name+".json"), PerSecond: float64(cluster.HashIndex.PerSecond),
		}
	}
	for _, node := range cluster.Nodes {
		client, err := vaultclient.New(vaultclient.Config{
			Address: node.Address, CAFile: cluster.CAFile, ServerName: node.ServerName, Timeout: cfg.Lookup.Timeout,
		})
		if err != nil {
			return nil, fmt.Errorf("node %s: %w", node.Name, err)
		}
		options.Vaults = append(options.Vaults, client)
	}
	return vaultlookup.New(options)
}

func hashedDevices(cluster config.Cluster) []string {
	var names []string
	for _, device := range cluster.AuditDevices {
		if device.Hashed {
			names = append(names, device.Name)
		}
	}
	return names
}

// asks reports whether we have a way to ask the cluster.
func asks(cluster config.Cluster) bool {
	return cluster.TokenFile != "" || cluster.AppRole.RoleID != ""
}

func tokenSource(cluster config.Cluster) *vaultlookup.TokenSource {
	if cluster.TokenFile != "" {
		return &vaultlookup.TokenSource{File: cluster.TokenFile}
	}
	role := vaultlookup.AppRole{Mount: cluster.AppRole.Mount, RoleID: cluster.AppRole.RoleID, SecretIDFile: cluster.AppRole.SecretIDFile}
	if role.Mount == "" {
		role.Mount = "approle"
	}
	return &vaultlookup.TokenSource{AppRole: &role}
}

// Resolve answers for an alert of a cluster; without a cluster from the record alone, and so with ask false, which
// says that the alert is about our own token.
func (r *resolvers) Resolve(ctx context.Context, cluster string, a *alert.Alert, ask bool) identity.Identity {
	if resolver, ok := r.clusters[cluster]; ok {
		resolver.Saw(a.Record) // what it changed is not believed from the cache any more
		if !ask {
			return resolver.Recorded(a)
		}
		return resolver.Resolve(ctx, a)
	}
	return r.record.Resolve(ctx, a)
}

// self is how our own tokens show in audit records, those of earlier daemons included.
func (r *resolvers) self() screen.Self {
	var self screen.Self
	for _, resolver := range r.clusters {
		own := resolver.Own()
		self.Accessors = append(self.Accessors, own.Accessors...)
		if own.EntityID != "" {
			self.EntityIDs = append(self.EntityIDs, own.EntityID)
		}
	}
	return r.own.with(self)
}

// begin gets our own tokens for the daemon, and learns how they show. A cluster that hangs keeps no other one waiting.
func (r *resolvers) begin(ctx context.Context) error {
	var beginning sync.WaitGroup
	errs := make(chan error, len(r.clusters))
	for name, resolver := range r.clusters {
		beginning.Go(func() {
			if err := resolver.Begin(ctx); err != nil {
				errs <- fmt.Errorf("cluster %s: %w", name, err)
			}
		})
	}
	beginning.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// login gets our own tokens for a command that asks once and ends.
func (r *resolvers) login(ctx context.Context) error {
	var errs []error
	for name, resolver := range r.clusters {
		if err := resolver.Login(ctx); err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *resolvers) close() {
	for _, resolver := range r.clusters {
		resolver.Close()
	}
	r.record.Close()
}

// newAPI returns the Wazuh API, or nil where none is configured.
func newAPI(cfg config.Config) (response.API, func(), error) {
	api := cfg.Wazuh.API
	if len(api.Addresses) == 0 {
		return nil, func() {}, nil
	}
	client, err := wazuhapi.New(wazuhapi.Config{
		Addresses: api.Addresses, CAFile: api.CAFile, ServerName: api.ServerName, User: api.User, RequestTimeout: api.Timeout,
		Password: func() ([]byte, error) {
			password, err := secret.ReadFile(api.PasswordFile)
			return password.Reveal(), err
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("wazuh api: %w", err)
	}
	return client, client.Close, nil
}

// prober asks nodes whether they are sealed. It has no token: seal-status needs none.
type prober struct {
	nodes map[[2]string]*vaultclient.Client
}

func newProber(cfg config.Config) (*prober, error) {
	p := &prober{nodes: make(map[[2]string]*vaultclient.Client)}
	for _, cluster := range cfg.Clusters {
		for _, node := range cluster.Nodes {
			client, err := vaultclient.New(vaultclient.Config{Address: node.Address, CAFile: cluster.CAFile, ServerName: node.ServerName})
			if err != nil {
				p.close()
				return nil, fmt.Errorf("cluster %s: node %s: %w", cluster.Name, node.Name, err)
			}
			p.nodes[[2]string{cluster.Name, node.Name}] = client
		}
	}
	return p, nil
}

// Sealed gives the node's own word.
func (p *prober) Sealed(ctx context.Context, cluster, node string) (bool, error) {
	client, ok := p.nodes[[2]string{cluster, node}]
	if !ok {
		return false, fmt.Errorf("node %s of cluster %s is not in the configuration", node, cluster)
	}
	status, err := client.SealStatus(ctx)
	return status.Sealed, err
}

func (p *prober) close() {
	for _, client := range p.nodes {
		client.Close()
	}
}

func targetsOf(cfg config.Config) []response.Target {
	var targets []response.Target
	for _, cluster := range cfg.Clusters {
		target := response.Target{Name: cluster.Name}
		for _, node := range cluster.Nodes {
			target.Nodes = append(target.Nodes, response.TargetNode{Name: node.Name, Agent: node.Agent})
		}
		targets = append(targets, target)
	}
	return targets
}

func rulesOf(cfg config.Config) (*escalation.RuleSet, error) {
	return escalation.Embedded(cfg.Decide.Rules)
}
