package health

import "time"

// Severity says how much a fault matters.
type Severity string

// The severities. What is only information does not make the daemon unhealthy.
const (
	Error   Severity = "error"   // something that was promised does not happen
	Warning Severity = "warning" // it does, but less well, or not for long any more
	Info    Severity = "info"
)

// Code names a kind of fault.
type Code string

// Kind is a row of the table of faults.
type Kind struct {
	Code     Code
	Severity Severity
	Meaning  string
	Do       string
	After    time.Duration // how long it must have been there before it shows
}

// The codes.
const (
	StoreFailing       Code = "store-failing"
	StoreTooBig        Code = "store-too-big"
	WorkerStuck        Code = "worker-stuck"
	ConfigRefused      Code = "configuration-refused"
	SourceUnreadable   Code = "source-unreadable"
	SourceBehind       Code = "source-behind"
	HookSilent         Code = "hook-silent"
	AlertsSilent       Code = "alerts-silent"
	AlertsLost         Code = "alerts-lost"
	TokenInvalid       Code = "vault-token-invalid"
	TokenExpiring      Code = "vault-token-expiring"
	TokenProblem       Code = "vault-token-problem"
	VaultUnreachable   Code = "vault-unreachable"
	VaultNodeAway      Code = "vault-node-away"
	Intruder           Code = "intruder"
	AnalysisdAway      Code = "analysisd-away"
	EventsWaiting      Code = "events-waiting"
	EventsUnseen       Code = "events-unseen"
	IntentsWaiting     Code = "intents-waiting"
	PlanRunning        Code = "plan-running"
	ResponseIncomplete Code = "response-incomplete"
	Halted             Code = "halted"
	HaltUnknown        Code = "halt-unknown"
)

// Table lists every fault there is, the gravest first.
func Table() []Kind {
	return []Kind{
		{StoreFailing, Error, "what was read cannot be kept; it is tried again, and lines wait in their files",
			"look at the disk of store.dir: space, inodes, read-only remounts, then at the error itself", 0},
		{WorkerStuck, Error, "a part of the daemon has been at one thing for too long; under systemd the watchdog restarts it",
			"look at the disk of store.dir and at the log; if it does not end, restart custom-vault: nothing is lost", 0},
		{SourceUnreadable, Error, "a way in cannot be read",
			"check the path, the manager, and that the daemon's user is in group wazuh", 5 * time.Second},
		{AlertsSilent, Error, "alerts come from the hook only",
			"check wazuh.home and that alerts.json is written (jsonout_output in ossec.conf): without it no event of ours is ever seen, and lines over 64 kB are lost", 0},
		{AnalysisdAway, Error, "analysisd takes no events; they wait",
			"start wazuh-analysisd, or find out what floods it; the sentence says how its socket refuses", 5 * time.Second},
		{EventsUnseen, Error, "events of the last 24 hours were sent and never met again in alerts.json, or could not be sent at all",
			"check that our rules 100630 to 100659 are loaded and that log_alert_level is 3 or less", 0},
		{IntentsWaiting, Error, "a response that was decided on has not begun",
			"look at the log for the responder's error; seal by hand if it is urgent", time.Minute},
		{ResponseIncomplete, Error, "the last response did not prove every node sealed",
			"look at each node's seal status now: vault status -address=…, and seal by hand what is not", 0},
		{Intruder, Error, "within the last 24 hours somebody else used the daemon's own Vault token",
			"revoke it, issue a new one into its file (the daemon takes it up by itself), and find out who could read the old one", 0},
		{TokenInvalid, Error, "Vault does not take our token, or there is none; identities come from the audit record alone",
			"issue a new token into token_file, or a new secret id: the daemon takes it up by itself", 10 * time.Second},
		{VaultUnreachable, Error, "no node of the cluster tells who it was: away, sealed, or not to be trusted; identities come from the audit record alone",
			"unseal it if it is sealed; otherwise check the nodes, the way to them, and ca_file", 10 * time.Second},
		{HaltUnknown, Error, "the halt file cannot be looked at, so nothing is acted on",
			"let the daemon's user search the folder of decide.halt_file", 0},
		{ConfigRefused, Error, "the configuration was not read anew; the old one goes on",
			"run enrich config check, repair the file, and reload again", 0},
		{AlertsLost, Warning, "within the last 24 hours alerts were lost on their way in",
			"look for the event of kind gap: it names the file and the reason", 0},
		{TokenExpiring, Warning, "our own token ends soon and is not being renewed",
			"issue a new one into token_file, best a periodic one", 0},
		{TokenProblem, Warning, "something is wrong with our own token",
			"see the sentence; the policy is ossec-snippets/vault-policies/wazuh-lookup.hcl", 10 * time.Second},
		{VaultNodeAway, Warning, "a node of the cluster tells nothing; others do", "check the node", 30 * time.Second},
		{HookSilent, Warning, "alerts come from alerts.json only: the hook brought none of them",
			"add the <integration> block of ossec-snippets/ossec.conf/manager.xml and restart the manager; look for the hook's errors in logs/ossec.log", 0},
		{SourceBehind, Warning, "lines wait to be read",
			"wait if a flood has just ended; otherwise look at the disk and at the answers of Vault", time.Minute},
		{EventsWaiting, Warning, "events wait to be sent for more than five minutes",
			"a flood, or publish.pace is too low; look at events_dropped of analysisd before you raise it", 0},
		{StoreTooBig, Warning, "the database is over store.max_size, and nothing in it is old enough to be forgotten",
			"raise store.max_size, or find out what floods", 15 * time.Minute},
		{Halted, Warning, "the halt file exists: nothing is acted on", "remove it when you want responses again", 0},
		{PlanRunning, Info, "a response is under way", "nothing; it ends within a minute or so", 0},
	}
}
