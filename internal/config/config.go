// Package config is the daemon's configuration: one strict YAML file, each key declared once, with its
// documentation, in the types below. It may import the standard library and the YAML parser; it reads files, and
// must never read the environment nor hold a secret: keys that end in _file name the file that does.
package config

import "time"

// Config is the whole file. Struct tags are the declaration of a key: its name, its documentation (shown by
// `enrich config reference`), and whether it must be there.
type Config struct {
	Wazuh    Wazuh     `yaml:"wazuh" doc:"The Wazuh manager on this machine."`
	Clusters []Cluster `yaml:"clusters" doc:"The Vault clusters that this manager watches. An alert belongs to the cluster that has its agent; alerts of agents in no cluster are kept and never acted on."`
	Lookup   Lookup    `yaml:"lookup" doc:"How Vault is asked who an accessor belongs to."`
	Decide   Decide    `yaml:"decide" doc:"What follows from an alert. Nothing is armed unless it is written here."`
	Publish  Publish   `yaml:"publish" doc:"Which alerts come back to Wazuh as enriched events."`
	Store    Store     `yaml:"store" doc:"The daemon's own state."`
	Metrics  Metrics   `yaml:"metrics" doc:"The daemon's numbers, for Prometheus."`
	Control  Control   `yaml:"control" doc:"How commands reach the daemon."`
	Log      Log       `yaml:"log" doc:"The daemon's log."`
}

// Wazuh says where the manager's files and its API are.
type Wazuh struct {
	Home    string   `yaml:"home" doc:"Home of the Wazuh manager; alerts.json, the journal and the queue socket are found below it."`
	Version string   `yaml:"version" doc:"The manager's version. 4.3 frames queue messages differently from later ones."`
	API     WazuhAPI `yaml:"api" doc:"The Wazuh server API, through which agents are told to seal. Without addresses no response can be sent."`
}

// WazuhAPI is the server API and the user that may command the Vault agents.
type WazuhAPI struct {
	Addresses    []string      `yaml:"addresses" doc:"URLs, tried in order, such as https://localhost:55000."`
	CAFile       string        `yaml:"ca_file" doc:"PEM file of the CA, or the certificate itself, that the API's certificate is checked against."`
	ServerName   string        `yaml:"server_name" doc:"Name to check the certificate for, where it is not the one in the address. Wazuh's own certificate is for localhost only."`
	User         string        `yaml:"user" doc:"API user whose role allows active-response:command on the Vault agents, and nothing else."`
	PasswordFile string        `yaml:"password_file" doc:"File with the password, mode 0400 or 0600."`
	Timeout      time.Duration `yaml:"timeout" doc:"Deadline of one call. The API gives up on its own work after 10 s."`
	Command      string        `yaml:"command" doc:"Active response to run on the agents: !vault-seal needs no registration on the manager; vault-seal0 needs the <command> and <active-response> blocks."`
}

// Cluster is one Vault cluster: its nodes, and the agents that run on them.
type Cluster struct {
	Name         string        `yaml:"name" doc:"Name of the cluster, as it appears in events." required:"true"`
	CAFile       string        `yaml:"ca_file" doc:"PEM file of the CA that the nodes' certificates are checked against." required:"true"`
	TokenFile    string        `yaml:"token_file" doc:"File with the token of policy wazuh-lookup, mode 0400 or 0600. Without it nothing is looked up, and identities come from the audit record alone."`
	Nodes        []Node        `yaml:"nodes" doc:"Every node of the cluster, each with its own address, never a load balancer's." required:"true"`
	AppRole      AppRole       `yaml:"approle" doc:"A login by AppRole instead of token_file. The token's entity then stays the same over all logins, which tells our own requests best."`
	AuditDevices []AuditDevice `yaml:"audit_devices" doc:"The audit devices whose files the agents collect. Which device wrote a line is not in the line."`
	HashIndex    HashIndex     `yaml:"hash_index" doc:"An index from hashed accessors to raw ones, for audit devices that hash them. It needs the policy wazuh-lookup-list, and each hash adds 2.7 kB to the audit log."`
	SecretMounts []string      `yaml:"secret_mounts" doc:"Secret engines, such as secret/, for which an identity says who reads, writes or deletes all of them."`
}

// AppRole is a login by role id and secret id.
type AppRole struct {
	Mount        string `yaml:"mount" doc:"Where the AppRole method is mounted; approle if empty."`
	RoleID       string `yaml:"role_id" doc:"The role id, which is no secret."`
	SecretIDFile string `yaml:"secret_id_file" doc:"File with the secret id, mode 0400 or 0600."`
}

// HashIndex bounds the index of hashed accessors.
type HashIndex struct {
	Enabled   bool `yaml:"enabled" doc:"true: hashed accessors are looked up by the index. Otherwise they are known by their entity only."`
	PerSecond int  `yaml:"per_second" doc:"Most calls of audit-hash per second; 50 if it is 0."`
}

// Node is one Vault server.
type Node struct {
	Name       string `yaml:"name" doc:"Name of the node, as it appears in plans and reports." required:"true"`
	Address    string `yaml:"address" doc:"The node's own API address, such as https://vault-1.example.com:8200." required:"true"`
	ServerName string `yaml:"server_name" doc:"Name to check the certificate for, where it is not the one in the address."`
	Agent      string `yaml:"agent" doc:"Id of the Wazuh agent on the node, such as 001. Without it the node cannot be told to seal."`
}

// AuditDevice is an audit device of the cluster.
type AuditDevice struct {
	Name   string `yaml:"name" doc:"Path of the audit device, such as file/." required:"true"`
	Hashed bool   `yaml:"hashed" doc:"true where accessors are hashed, which is Vault's default; false for devices enabled with hmac_accessor=false."`
}

// Lookup bounds what identities may cost.
type Lookup struct {
	Timeout time.Duration `yaml:"timeout" doc:"Longest time that one alert waits for Vault; what is not known by then comes from the audit record."`
	Cache   time.Duration `yaml:"cache" doc:"How long an answer is believed before Vault is asked again."`
	Entries int           `yaml:"entries" doc:"How many answers are kept."`
}

// Mode says what happens to a decision to act.
type Mode string

// The modes, the first being the default.
const (
	ModeObserve Mode = "observe" // decide, publish and do nothing
	ModeArmed   Mode = "armed"   // do it
)

// Decide chooses rules, and arms them action by action.
type Decide struct {
	Rules       string        `yaml:"rules" doc:"Rule set: default, or article, which also seals for rules 100617 and 100618 as the published article does. Any Vault token can trip these two by ten requests: read docs/threat-model.md before you arm them."`
	ObserveOnly bool          `yaml:"observe_only" doc:"true: whatever else is written here, nothing leaves this machine but events."`
	Seal        Mode          `yaml:"seal" doc:"observe or armed."`
	SealsPerDay int           `yaml:"seals_per_day" doc:"How often one cluster may be sealed within 24 hours."`
	StaleAfter  time.Duration `yaml:"stale_after" doc:"Alerts older than this, by Wazuh's or by Vault's clock, are kept and never acted on."`
	HaltFile    string        `yaml:"halt_file" doc:"While this file exists nothing is acted on. It is looked at again before each response."`
}

// Publish chooses what is worth an event.
type Publish struct {
	What string `yaml:"what" doc:"notable: alerts of level 7 and above, decisions of watch and above, and the first sight of an actor each day; all: every alert, for labs and demonstrations."`
	Pace int    `yaml:"pace" doc:"Most events per second to analysisd, which drops what comes too fast without a word."`
	// SeenWithin is a matter of the manager's load, not of this daemon's.
	SeenWithin time.Duration `yaml:"seen_within" doc:"How long an event may take until it is met again in alerts.json. Then it is sent again, with the same id, five times in all."`
}

// Store says where the state is, and how much of it there may be.
type Store struct {
	Dir     string        `yaml:"dir" doc:"Folder of the daemon, mode 0700, on a local file system."`
	Keep    time.Duration `yaml:"keep" doc:"How long alerts, incidents, plans and published events are kept after they were handled, at least 48h: a line may arrive a second time for as long as that. What still waits is never forgotten."`
	MaxSize int           `yaml:"max_size" doc:"Most MiB of the database in use. Above it what is oldest is forgotten before its time, but nothing within the 48 hours."`
}

// Log says how much is logged, and how.
type Log struct {
	Level  string `yaml:"level" doc:"error, warning, info or debug."`
	Format string `yaml:"format" doc:"json or text."`
	File   string `yaml:"file" doc:"File that the log is appended to besides stderr; empty for none. Relative names are below wazuh.home."`
}

// Default is what holds for keys that the file leaves out. It arms nothing.
func Default() Config {
	return Config{
		Wazuh: Wazuh{
			Home: "/var/ossec", Version: "4.14",
			API: WazuhAPI{Timeout: 15 * time.Second, Command: "!vault-seal"},
		},
		Lookup:  Lookup{Timeout: 2 * time.Second, Cache: time.Minute, Entries: 10_000},
		Decide:  Decide{Rules: "default", Seal: ModeObserve, SealsPerDay: 1, StaleAfter: 15 * time.Minute, HaltFile: "/etc/custom-vault/halt"},
		Publish: Publish{What: "notable", Pace: 1500, SeenWithin: time.Minute},
		Store:   Store{Dir: "/var/lib/custom-vault", Keep: 30 * 24 * time.Hour, MaxSize: 4096},
		Control: Control{Socket: "/run/custom-vault/control.sock"},
		Log:     Log{Level: "info", Format: "json", File: "logs/integrations.log"},
	}
}
