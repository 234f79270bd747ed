// Package alert is what a Wazuh alert about Vault is: it parses one line of alerts.json, within bounds, into typed
// values. It may import the standard library and gjson, and must never touch the world. Whatever it returns was
// written by attackers: bounded and valid UTF-8, but nothing more.
package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// MaxLine is the longest line, in bytes, that is read as an alert. analysisd's own lines stay below 200 kB but for
// frequency alerts, which carry the events that they counted.
const MaxLine = 4 << 20

// Groups of rules that concern this project.
const (
	GroupVault    = "vault"          // the article's: audit records, operational lines, seal reports
	GroupEnriched = "vault_enriched" // events that we published about alerts
	GroupResponse = "vault_response" // events that we published about responses
)

// Key is the SHA-256 of an alert's line without its newline. The hook's copy and alerts.json's are the same bytes,
// so they have the same key.
type Key [sha256.Size]byte

// KeyOf returns the key of a line.
func KeyOf(line []byte) Key { return sha256.Sum256(line) }

func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Kind tells what the alert is about.
type Kind string

// The kinds of alerts.
const (
	KindAudit       Kind = "audit"       // a record of Vault's audit log
	KindOperational Kind = "operational" // a line of Vault's server log
	KindReport      Kind = "report"      // what vault-seal reported on an agent
	KindOwn         Kind = "own"         // an event that we published, seen again
	KindOther       Kind = "other"       // of group vault, but none of the above
)

// Alert is one line of alerts.json.
type Alert struct {
	Key       Key
	ID        string // "<epoch>.<offset>": unique for one node and day only
	Node      string // cluster node, else the manager's name
	Timestamp time.Time
	Agent     Agent
	Rule      Rule
	Decoder   string
	Location  string
	Kind      Kind
	Cut       bool // the audit record inside is not whole JSON: it was cut, glued or flooded on its way

	Record      *Record      // with KindAudit
	Operational *Operational // with KindOperational
	Report      *Report      // with KindReport
	Own         *Own         // with KindOwn
}

// Agent is where the event came from.
type Agent struct {
	ID   string
	Name string
	IP   string
}

// Rule is the Wazuh rule that made the alert.
type Rule struct {
	ID          string
	Level       int
	Description string
	Groups      []string
	Frequency   int // events that a frequency rule counted; 0 for others
	Firedtimes  int
	Techniques  []string // ATT&CK ids
}

// Operational is a line of Vault's server log, as the article's decoder takes it apart.
type Operational struct {
	Level     string
	Component string
	Message   string
}

// Report is what vault-seal said on an agent.
type Report struct {
	Level   string // SUCCESS, ERROR, INFO
	Message string
}

// Own is an event of ours that analysisd published: the proof that it arrived.
type Own struct {
	Event   string
	EventID string
}

// InGroup reports whether the rule is in the group; like integratord, exactly and with regard to case.
func (a *Alert) InGroup(group string) bool { return slices.Contains(a.Rule.Groups, group) }
