package wazuhapi

// Delivery says whether an order went on its way to an agent. No answer of the API says more than that: "sent" means
// that a datagram was handed to the manager's remoted, not that a program ran.
type Delivery string

// The three deliveries.
const (
	// Sent: the agent's id is among the API's affected_items.
	Sent Delivery = "sent"
	// Refused: the order surely did not leave for this agent.
	Refused Delivery = "refused"
	// Unknown: the order may have been delivered. After code 3021 the manager may still work on it
	// (wazuh_apid.py:140-141).
	Unknown Delivery = "unknown"
)

// Reason says why, in a word that is stable: it is a log field, a metric's label and part of what is stored.
type Reason string

// Every reason there is.
const (
	ReasonSent Reason = "sent"

	// Nothing reached the API, or nothing came back.
	ReasonUnreachable Reason = "unreachable"
	ReasonTLS         Reason = "tls-failed"
	ReasonNoAnswer    Reason = "no-answer"
	ReasonCancelled   Reason = "cancelled"
	ReasonHeldBack    Reason = "held-back"

	// The API as a whole said no.
	ReasonBadAnswer        Reason = "bad-answer"
	ReasonRedirected       Reason = "redirected"
	ReasonCredentials      Reason = "credentials-refused"
	ReasonLoginBlocked     Reason = "login-blocked"
	ReasonSecretUnreadable Reason = "secret-unreadable"
	ReasonTokenRefused     Reason = "token-refused"
	ReasonNotPermitted     Reason = "not-permitted"
	ReasonBadRequest       Reason = "bad-request"
	ReasonRateLimited      Reason = "rate-limited"
	ReasonNotReady         Reason = "manager-not-ready"
	ReasonTimeout          Reason = "api-timeout"
	ReasonServerError      Reason = "server-error"
	ReasonNodeAway         Reason = "node-away"

	// The manager said no for this agent.
	ReasonAgentUnknown   Reason = "agent-unknown"
	ReasonAgentNotActive Reason = "agent-not-active"
	ReasonAgentIsManager Reason = "agent-is-manager"
	ReasonAgentTooOld    Reason = "agent-too-old"
	ReasonAgentDisabled  Reason = "agent-responses-disabled"
	ReasonAgentNoAnswer  Reason = "agent-no-answer"
	ReasonCommandUnknown Reason = "command-unknown"
	ReasonCommandEmpty   Reason = "command-empty"
	ReasonQueue          Reason = "response-queue"
	ReasonNotListed      Reason = "not-listed"
	ReasonUnknownCode    Reason = "unknown-code"
)

// Reasons is the closed set, for metrics that start at zero.
func Reasons() []Reason {
	return []Reason{
		ReasonSent,
		ReasonUnreachable, ReasonTLS, ReasonNoAnswer, ReasonCancelled, ReasonHeldBack,
		ReasonBadAnswer, ReasonRedirected, ReasonCredentials, ReasonLoginBlocked, ReasonSecretUnreadable, ReasonTokenRefused, ReasonNotPermitted,
		ReasonBadRequest, ReasonRateLimited, ReasonNotReady, ReasonTimeout, ReasonServerError, ReasonNodeAway,
		ReasonAgentUnknown, ReasonAgentNotActive, ReasonAgentIsManager, ReasonAgentTooOld, ReasonAgentDisabled, ReasonAgentNoAnswer,
		ReasonCommandUnknown, ReasonCommandEmpty, ReasonQueue, ReasonNotListed, ReasonUnknownCode,
	}
}

// Hint says what the operator can do. It is empty for ReasonSent alone.
func (r Reason) Hint() string {
	switch r {
	case ReasonSent:
		return ""
	case ReasonUnreachable:
		return "check that wazuh-apid runs there and that its port (55000) can be reached from here"
	case ReasonTLS:
		return "check the CA file, and the server name: Wazuh's own certificate names only localhost"
	case ReasonNoAnswer:
		return "look at the Vault's seal status before you ask again: the order may have been carried out"
	case ReasonCancelled:
		return "the caller gave up; ask again if it is still wanted"
	case ReasonHeldBack:
		return "this program reached its own limit of API requests a minute; wait, or raise the limit beside the API's max_request_per_minute"
	case ReasonBadAnswer:
		return "check that the address is a Wazuh 4.x server API and not something in front of it"
	case ReasonRedirected:
		return "name the API's own address: redirects are not followed"
	case ReasonCredentials:
		return "check user name and password file; 50 wrong logins block this address for 300 s"
	case ReasonLoginBlocked:
		return "correct the password and wait 300 s: the API blocks logins from here"
	case ReasonSecretUnreadable:
		return "check the password file, its owner and its mode"
	case ReasonTokenRefused:
		return "ask again: tokens die when the user's roles change"
	case ReasonNotPermitted:
		return "give the API user active-response:command (and agent:read) on these agents"
	case ReasonBadRequest:
		return "the API does not take this request; check the manager's version (4.3 to 4.14)"
	case ReasonRateLimited:
		return "wait a minute, find out who else uses the API, or raise max_request_per_minute"
	case ReasonNotReady:
		return "start the manager's daemons that the answer names"
	case ReasonTimeout:
		return "the agent or the manager hangs; look at the Vault's seal status, the order may still arrive"
	case ReasonServerError:
		return "see logs/api.log on the manager; the order may have been carried out"
	case ReasonNodeAway:
		return "check the Wazuh cluster: the agent's node is not connected"
	}
	return r.agentHint()
}

func (r Reason) agentHint() string {
	switch r {
	case ReasonAgentUnknown:
		return "correct the agent's id in the configuration: the manager has no such agent"
	case ReasonAgentNotActive:
		return "start the agent or seal that node by hand"
	case ReasonAgentIsManager:
		return "name an agent: the manager takes no active response"
	case ReasonAgentTooOld:
		return "upgrade the agent"
	case ReasonAgentDisabled:
		return "enable active-response in the agent's ossec.conf"
	case ReasonAgentNoAnswer:
		return "restart the agent (wazuh-agentd with wazuh-execd): it does not answer"
	case ReasonCommandUnknown:
		return "add the <command> and <active-response> blocks to the ossec.conf of every manager node, or use the form with \"!\""
	case ReasonCommandEmpty:
		return "name a command"
	case ReasonQueue:
		return "check wazuh-remoted and queue/alerts/ar on the manager"
	case ReasonNotListed:
		return "look at the Vault's seal status: the API said neither yes nor no for this agent"
	case ReasonUnknownCode:
		return "look up the code in Wazuh's documentation; the order may have been carried out"
	}
	return ""
}

// AgentOutcome is what became of an order for one agent.
type AgentOutcome struct {
	Agent    string
	Delivery Delivery
	Reason   Reason
	// Code is Wazuh's error code, 0 where there is none.
	Code int
	// Message is Wazuh's text, bounded, without control characters.
	Message string
	// Retry says whether the same call can go better a while later with nobody changing anything.
	Retry bool
}

// Outcome is what became of an order, agent by agent, in the order in which they were asked for.
type Outcome struct {
	Agents []AgentOutcome
	// Unasked are agents that the API says it sent the order to although nobody asked for them.
	Unasked []string
}

// All says whether the order was sent to every agent that was asked for.
func (o Outcome) All() bool {
	for _, a := range o.Agents {
		if a.Delivery != Sent {
			return false
		}
	}
	return len(o.Agents) > 0
}

// verdict is what a status or a code means.
type verdict struct {
	delivery Delivery
	reason   Reason
	retry    bool
}

// codeVerdict is what Wazuh's error codes mean for an active response. The round trip to the agent (getconfig) comes
// before anything is sent, so what fails there was not sent (active_response.py:42-69).
func codeVerdict(code int) (verdict, bool) {
	switch code {
	case 1010, 1017: // remoted's socket cannot be connected; daemons not ready
		return verdict{Refused, ReasonNotReady, true}, true
	case 1014:
		return verdict{Refused, ReasonQueue, true}, true
	case 1018:
		return verdict{Refused, ReasonBadRequest, false}, true
	case 1116, 1117, 1118, 1121:
		return verdict{Refused, ReasonAgentNoAnswer, true}, true
	case 1650:
		return verdict{Refused, ReasonCommandEmpty, false}, true
	case 1652:
		return verdict{Refused, ReasonCommandUnknown, false}, true
	case 1701:
		return verdict{Refused, ReasonAgentUnknown, false}, true
	case 1703:
		return verdict{Refused, ReasonAgentIsManager, false}, true
	case 1707:
		return verdict{Refused, ReasonAgentNotActive, true}, true
	case 1735:
		return verdict{Refused, ReasonAgentTooOld, false}, true
	case 1750:
		return verdict{Refused, ReasonAgentDisabled, false}, true
	case 3021:
		return verdict{Unknown, ReasonTimeout, true}, true
	case 3022, 3023:
		return verdict{Refused, ReasonNodeAway, true}, true
	case 4000:
		return verdict{Refused, ReasonNotPermitted, false}, true
	case 6000:
		return verdict{Refused, ReasonLoginBlocked, true}, true
	case 6001, 6005:
		return verdict{Refused, ReasonRateLimited, true}, true
	}
	return verdict{Unknown, ReasonUnknownCode, true}, false
}

// statusVerdict is what an answer means that is not 200: the code decides where it is known, the status where it is
// not.
func statusVerdict(status, code int) verdict {
	if v, known := codeVerdict(code); known && status >= 400 {
		return v
	}
	switch {
	case status == 401:
		return verdict{Refused, ReasonTokenRefused, true}
	case status == 403:
		return verdict{Refused, ReasonNotPermitted, false}
	case status == 429:
		return verdict{Refused, ReasonRateLimited, true}
	case status == 408: // not Wazuh's: something in front of it, which may have passed the request on
		return verdict{Unknown, ReasonServerError, true}
	case status >= 300 && status < 400:
		return verdict{Refused, ReasonRedirected, false}
	case status >= 400 && status < 500:
		return verdict{Refused, ReasonBadRequest, false}
	case status >= 500 && status < 600:
		return verdict{Unknown, ReasonServerError, true}
	}
	return verdict{Unknown, ReasonBadAnswer, true}
}
