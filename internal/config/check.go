package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

var (
	agentID = regexp.MustCompile(`^[0-9]{3,10}$`)
	name    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	version = regexp.MustCompile(`^4\.[0-9]{1,2}(\.[0-9]{1,2})?$`)
	command = regexp.MustCompile(`^!?[\w\-]+$`)
)

// checker collects what is wrong, so that all of it is told at once.
type checker struct{ found []problem }

func (c *checker) fail(path, format string, args ...any) {
	c.found = append(c.found, problem{path: path, text: fmt.Sprintf(format, args...)})
}

func (c *checker) matches(path, value string, form *regexp.Regexp, what string) {
	if !form.MatchString(value) {
		c.fail(path, "%q is not %s", value, what)
	}
}

func (c *checker) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.fail(path, "%q is none of %q", value, allowed)
	}
}

func (c *checker) absolute(path, value string) {
	if !filepath.IsAbs(value) {
		c.fail(path, "%q is not an absolute path", value)
	}
}

func (c *checker) https(path, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery+u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		c.fail(path, "%q is not an address such as https://host:8200; plain http is never used", value)
	}
}

func (c *checker) within(path string, value, low, high time.Duration) {
	if value < low || value > high {
		c.fail(path, "%s is not between %s and %s", value, low, high)
	}
}

func (c *checker) count(path string, value, low, high int) {
	if value < low || value > high {
		c.fail(path, "%d is not between %d and %d", value, low, high)
	}
}

func (cfg *Config) problems() []problem {
	c := new(checker)
	cfg.Wazuh.check(c)
	checkClusters(c, cfg.Clusters)
	c.within("$.lookup.timeout", cfg.Lookup.Timeout, 50*time.Millisecond, 30*time.Second)
	c.within("$.lookup.cache", cfg.Lookup.Cache, 0, time.Hour)
	c.count("$.lookup.entries", cfg.Lookup.Entries, 1, 1_000_000)
	c.oneOf("$.decide.rules", cfg.Decide.Rules, "default", "article")
	c.oneOf("$.decide.seal", string(cfg.Decide.Seal), string(ModeObserve), string(ModeArmed))
	c.count("$.decide.seals_per_day", cfg.Decide.SealsPerDay, 0, 1000)
	c.within("$.decide.stale_after", cfg.Decide.StaleAfter, time.Second, 24*time.Hour)
	c.absolute("$.decide.halt_file", cfg.Decide.HaltFile)
	c.oneOf("$.publish.what", cfg.Publish.What, "notable", "all")
	c.count("$.publish.pace", cfg.Publish.Pace, 1, 5000)
	c.within("$.publish.seen_within", cfg.Publish.SeenWithin, time.Second, time.Hour)
	c.absolute("$.store.dir", cfg.Store.Dir)
	cfg.checkOperation(c)
	c.oneOf("$.log.level", cfg.Log.Level, "error", "warning", "info", "debug")
	c.oneOf("$.log.format", cfg.Log.Format, "json", "text")
	if cfg.Decide.Seal == ModeArmed && !cfg.Decide.ObserveOnly && len(cfg.Wazuh.API.Addresses) == 0 {
		c.fail("$.decide.seal", "sealing is armed, but wazuh.api.addresses is empty: there is no way to tell an agent")
	}
	if cfg.Decide.Seal == ModeArmed && !cfg.Decide.ObserveOnly {
		checkTellable(c, cfg.Clusters)
	}
	return c.found
}

// checkTellable refuses an armed seal that could reach nobody.
func checkTellable(c *checker, clusters []Cluster) {
	for i, cluster := range clusters {
		if !slices.ContainsFunc(cluster.Nodes, func(n Node) bool { return n.Agent != "" }) {
			c.fail(fmt.Sprintf("$.clusters[%d].nodes", i), "sealing is armed, but no node of cluster %q has an agent: nobody could be told", cluster.Name)
		}
	}
}

func (w *Wazuh) check(c *checker) {
	c.absolute("$.wazuh.home", w.Home)
	c.matches("$.wazuh.version", w.Version, version, "a version such as 4.14")
	c.within("$.wazuh.api.timeout", w.API.Timeout, time.Second, 5*time.Minute)
	c.matches("$.wazuh.api.command", w.API.Command, command, "the name of an active response")
	for i, address := range w.API.Addresses {
		c.https(fmt.Sprintf("$.wazuh.api.addresses[%d]", i), address)
	}
	if len(w.API.Addresses) == 0 {
		return
	}
	c.absolute("$.wazuh.api.ca_file", w.API.CAFile)
	c.absolute("$.wazuh.api.password_file", w.API.PasswordFile)
	if w.API.User == "" {
		c.fail("$.wazuh.api.user", "is missing")
	}
}

func checkClusters(c *checker, clusters []Cluster) {
	names, agents := map[string]bool{}, map[string]string{}
	for i, cluster := range clusters {
		at := fmt.Sprintf("$.clusters[%d]", i)
		c.matches(at+".name", cluster.Name, name, "a name of letters, digits, dots, dashes and underscores")
		if names[cluster.Name] {
			c.fail(at+".name", "cluster %q is there twice", cluster.Name)
		}
		names[cluster.Name] = true
		c.absolute(at+".ca_file", cluster.CAFile)
		if cluster.TokenFile != "" {
			c.absolute(at+".token_file", cluster.TokenFile)
		}
		checkLookup(c, at, cluster)
		if len(cluster.Nodes) == 0 {
			c.fail(at+".nodes", "a cluster needs at least one node")
		}
		checkNodes(c, at, cluster, agents)
		for j, device := range cluster.AuditDevices {
			if device.Name == "" {
				c.fail(fmt.Sprintf("%s.audit_devices[%d].name", at, j), "is missing")
			}
		}
	}
}

// checkLookup looks at how the cluster is asked: by one token, and with an index only where there is something to index.
func checkLookup(c *checker, at string, cluster Cluster) {
	if role := cluster.AppRole; role != (AppRole{}) {
		if cluster.TokenFile != "" {
			c.fail(at+".approle", "token_file is there, too: one of them is wanted")
		}
		if role.RoleID == "" {
			c.fail(at+".approle.role_id", "is missing")
		}
		c.absolute(at+".approle.secret_id_file", role.SecretIDFile)
	}
	hashed := slices.ContainsFunc(cluster.AuditDevices, func(device AuditDevice) bool { return device.Hashed })
	if cluster.HashIndex.Enabled && !hashed {
		c.fail(at+".hash_index.enabled", "no device in audit_devices is hashed: there is nothing to index")
	}
	c.count(at+".hash_index.per_second", cluster.HashIndex.PerSecond, 0, 10_000)
	for i, mount := range cluster.SecretMounts {
		if mount == "" {
			c.fail(fmt.Sprintf("%s.secret_mounts[%d]", at, i), "is empty")
		}
	}
}

// checkNodes keeps one agent from belonging to two clusters: its alerts could not be told apart. Two nodes of one
// cluster may share an agent.
func checkNodes(c *checker, at string, cluster Cluster, agents map[string]string) {
	nodes := map[string]bool{}
	for i, node := range cluster.Nodes {
		here := fmt.Sprintf("%s.nodes[%d]", at, i)
		c.matches(here+".name", node.Name, name, "a name of letters, digits, dots, dashes and underscores")
		if nodes[node.Name] {
			c.fail(here+".name", "node %q is there twice", node.Name)
		}
		nodes[node.Name] = true
		c.https(here+".address", node.Address)
		if node.Agent == "" {
			continue
		}
		c.matches(here+".agent", node.Agent, agentID, "the id of an agent, such as \"001\" (in quotes, or YAML takes it for a number)")
		if node.Agent == "000" {
			c.fail(here+".agent", "000 is the manager itself, which cannot be sent an active response")
		}
		if other, taken := agents[node.Agent]; taken && other != cluster.Name {
			c.fail(here+".agent", "agent %s is already in cluster %q", node.Agent, other)
		}
		agents[node.Agent] = cluster.Name
	}
}

// ClusterOf returns the cluster that an agent belongs to.
func (cfg *Config) ClusterOf(agent string) (Cluster, bool) {
	for _, cluster := range cfg.Clusters {
		for _, node := range cluster.Nodes {
			if node.Agent != "" && node.Agent == agent {
				return cluster, true
			}
		}
	}
	return Cluster{}, false
}

// AlertsFile is where analysisd writes its alerts.
func (w *Wazuh) AlertsFile() string { return filepath.Join(w.Home, "logs/alerts/alerts.json") }

// JournalDir is where the hook leaves them.
func (w *Wazuh) JournalDir() string { return filepath.Join(w.Home, "queue/custom-vault/journal") }

// QueueSocket is where analysisd takes events.
func (w *Wazuh) QueueSocket() string { return filepath.Join(w.Home, "queue/sockets/queue") }

// LogFile is the file that the log is appended to, or empty.
func (cfg *Config) LogFile() string {
	if cfg.Log.File == "" || filepath.IsAbs(cfg.Log.File) {
		return cfg.Log.File
	}
	return filepath.Join(cfg.Wazuh.Home, cfg.Log.File)
}
