package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/analysisd"
	"custom-vault/lab/cjson"
	"custom-vault/lab/execd"
	"custom-vault/lab/serverapi"
)

const (
	managerID = "000"
	// messagePrefix goes before a message for execd on its way to the agent.
	messagePrefix = "#!-execd "
	// messageLimit is the longest message that remoted encrypts (src/os_crypto/shared/msgs.c:557).
	messageLimit = 65408
	// bufferLimit is what analysisd's buffer for a response holds.
	bufferLimit = 65534
	// waiting bounds the messages on their way to one agent.
	waiting = 256
)

// respondTo starts the <active-response> blocks that an event fires (analysisd.c:2164-2230), and refuses them when srcip or dstuser hold characters
// that a shell might act on: whoever can write such a value disarms the rule.
func (m *Manager) respondTo(event analysisd.Result) {
	for _, r := range m.conf.responses {
		if r.registered == "" || r.Disabled == "yes" || !r.fires(event) || !m.harmless(event) {
			continue
		}
		alert, _, err := cjson.Parse(event.Alert)
		if err != nil {
			continue // no alert, nothing to hand over
		}
		message := ruleMessage(r, alert)
		for _, id := range m.targets(r, event.AgentID) {
			m.Send(id, m.bounded(id, message))
		}
	}
}

// bounded cuts a message to what analysisd's buffer holds with its header before it; what is left is no JSON, and too long for remoted anyway.
func (m *Manager) bounded(id string, message []byte) []byte {
	room := bufferLimit - len("(local_source) [] NNS "+id+" ")
	if len(message) <= room {
		return message
	}
	m.logger("wazuh-analysisd").Warning("string_op.c:500 at os_snprintf()", "String may be truncated because it is too long.")
	return message[:room]
}

// fires: a block without level, rules_id and rules_group only registers its command.
func (r response) fires(event analysisd.Result) bool {
	if r.Level == "" && r.RulesID == "" && r.RulesGroup == "" {
		return false
	}
	if r.Level != "" {
		if level, err := strconv.Atoi(r.Level); err != nil || event.Level < level {
			return false
		}
	}
	if r.RulesID != "" && !slices.ContainsFunc(strings.Split(r.RulesID, ","), func(id string) bool {
		return strings.TrimSpace(id) == strconv.Itoa(event.RuleID)
	}) {
		return false
	}
	return r.RulesGroup == "" || slices.ContainsFunc(strings.Split(r.RulesGroup, "|"), func(g string) bool {
		return strings.Contains(event.GroupText, g)
	})
}

// harmless is the check of analysisd.c:2176-2186.
func (m *Manager) harmless(event analysisd.Result) bool {
	allowed := func(text, others string) bool {
		return !strings.ContainsFunc(text, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
		})
	}
	if !allowed(event.SourceIP, ".:_-") {
		m.logger("wazuh-analysisd").Warning("exec.c:60 at OS_Exec()", "(1271): Invalid ip address '%s'. Possible logging attack.", event.SourceIP)
		return false
	}
	if !allowed(event.TargetUser, "._@?-") {
		m.logger("wazuh-analysisd").Warning("exec.c:70 at OS_Exec()", "(1272): Invalid username '%s'. Possible logging attack.", event.TargetUser)
		return false
	}
	return true
}

// ruleMessage is what analysisd sends: the whole alert.
func ruleMessage(r response, alert *cjson.Value) []byte {
	arguments := &cjson.Value{Kind: cjson.Array}
	for _, a := range r.extraArgs {
		arguments.Items = append(arguments.Items, cjson.Text(a))
	}
	origin, parameters, message := &cjson.Value{Kind: cjson.Object}, &cjson.Value{Kind: cjson.Object}, &cjson.Value{Kind: cjson.Object}
	origin.Add("name", cjson.Text("undefined")) // the node's name without a cluster
	origin.Add("module", cjson.Text("wazuh-analysisd"))
	parameters.Add("extra_args", arguments)
	parameters.Add("alert", alert)
	message.Add("version", &cjson.Value{Kind: cjson.Number, Number: 1})
	message.Add("origin", origin)
	message.Add("command", cjson.Text(r.registered))
	message.Add("parameters", parameters)
	return message.Print()
}

// targets are the agents of a response; 000 is the manager's own execd.
func (m *Manager) targets(r response, agentID string) []string {
	switch r.Location {
	case "local":
		return []string{agentID}
	case "defined-agent":
		return []string{r.AgentID}
	case "all":
		var ids []string
		for _, c := range m.fleet() {
			ids = append(ids, c.agent.ID())
		}
		return ids
	}
	return nil
}

// courier carries messages to one agent, in order.
type courier struct {
	agent    *agent.Agent
	messages chan []byte
}

func (m *Manager) deliver(ctx context.Context, c *courier) {
	for {
		select {
		case <-ctx.Done():
			return
		case message := <-c.messages:
			c.agent.Receive(ctx, message)
		}
	}
}

// Send implements serverapi.Fleet: remoted's way of a message to an agent's execd. It tells nobody what became of it: a message that is too long is
// an error in the manager's log, one for an agent that is away is nothing at all.
func (m *Manager) Send(id string, message []byte) {
	if m.cfg.OnOrder != nil {
		m.cfg.OnOrder(id, message)
	}
	if id == managerID {
		m.sendToOwnExecd(message)
		return
	}
	if n := len(messagePrefix) + len(message); n > messageLimit {
		m.logger("wazuh-remoted").Error("msgs.c:560 at CreateSecMSG()", "Incorrect message size: %d", n)
		m.logger("wazuh-remoted").Error("sendmsg.c:120 at send_msg()", "(1217): Error creating encrypted message.")
		return
	}
	for _, c := range m.fleet() {
		if connected, _ := c.agent.Connected(); c.agent.ID() != id || !connected {
			continue
		}
		select {
		case c.messages <- message:
		default:
			m.logger("wazuh-remoted").Error("sendmsg.c:125 at send_msg()", "Message queue of agent '%s' is full.", id)
		}
	}
}

// sendToOwnExecd is analysisd's way to the manager's own execd: no remoted lies between.
func (m *Manager) sendToOwnExecd(message []byte) {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: filepath.Join(m.cfg.Home, execd.SocketPath), Net: "unixgram"})
	if err == nil {
		if err = conn.SetWriteDeadline(time.Now().Add(remotedTimeout)); err == nil {
			_, err = conn.Write(message)
		}
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		m.logger("wazuh-analysisd").Error("exec.c:150 at OS_Exec()", "(1210): Queue '%s' not accessible: '%v'", execd.SocketPath, err)
	}
}

// Agents implements serverapi.Fleet.
func (m *Manager) Agents() []serverapi.Agent {
	rows := append([]serverapi.Agent(nil), m.cfg.OtherAgents...)
	if !slices.ContainsFunc(rows, func(a serverapi.Agent) bool { return a.ID == managerID }) {
		rows = append(rows, serverapi.Manager(m.cfg.HostName))
	}
	for _, c := range m.fleet() {
		a := c.agent
		row := serverapi.Agent{ID: a.ID(), Name: a.Name(), Groups: a.Groups(), Version: a.Version(), Status: "active", NodeName: "undefined"}
		connected, last := a.Connected()
		if row.LastKeepAlive = last; !connected {
			row.Status = "disconnected"
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b serverapi.Agent) int { return strings.Compare(a.ID, b.ID) })
	return rows
}

// ActiveResponseDisabled implements serverapi.Fleet.
func (m *Manager) ActiveResponseDisabled(ctx context.Context, id string) (bool, error) {
	a := m.Agent(id)
	if a == nil {
		return false, serverapi.ErrNoComponent
	}
	disabled, err := a.ResponsesDisabled(ctx)
	if errors.Is(err, agent.ErrNoComponent) || errors.Is(err, agent.ErrDisconnected) {
		return false, fmt.Errorf("agent %s: %w", id, serverapi.ErrNoComponent)
	}
	return disabled, err
}

// Commands implements serverapi.Fleet.
func (m *Manager) Commands() []string { return m.conf.names() }
