package serverapi

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// root answers GET /: anybody who is logged in.
func (s *Server) root(_ context.Context, c *call) answer {
	return ok(object{{"data", object{
		{"title", "Wazuh API REST"},
		{"api_version", s.cfg.Release.String()},
		{"revision", "rc2"},
		{"license_name", "GPL 2.0"},
		{"license_url", "https://github.com/wazuh/wazuh/blob/v" + s.cfg.Release.String() + "/LICENSE"},
		{"hostname", s.cfg.HostName},
		{"timestamp", s.cfg.Now().UTC().Format("2006-01-02T15:04:05Z")},
	}}, {"error", integer(0)}}, c.indent())
}

// maxAgents is the default of the parameter limit.
const maxAgents = 500

// listAgents answers GET /agents. Sorting, searching and the rarer filters are not there: what is asked for by them is refused, not ignored.
func (s *Server) listAgents(_ context.Context, c *call) answer {
	for name := range c.query {
		switch name {
		case "pretty", "wait_for_complete", "agents_list", "select", "status", "limit", "offset", "group", "name":
		default:
			return badRequest("the lab's stand-in does not know how to apply parameter %s", name)
		}
	}
	chosen, denied, a, none := s.choose(c, "agent:read")
	if none {
		return a
	}
	result := &affected{all: "All selected agents information was returned", some: "Some agents information was not returned",
		none: "No agent information was returned"}
	for _, id := range denied {
		result.fail(errDenied("agent:id"), id)
	}
	known := s.cfg.Fleet.Agents()
	statuses, selected := splitList(c.query["status"]), splitList(c.query["select"])
	for _, field := range selected {
		if !slices.Contains(agentFields, field) {
			return badRequest("the lab's stand-in does not know field %s", field)
		}
	}
	if selected != nil {
		selected = append(selected, "id") // min_select_fields of WazuhDBQueryAgents
	}
	for i, status := range statuses {
		statuses[i] = strings.ToLower(status)
	}
	for _, id := range chosen {
		agent, found := find(known, func(a Agent) bool { return a.ID == id })
		if !found {
			result.fail(errUnknownAgent(), id)
			continue
		}
		if statuses != nil && !slices.Contains(statuses, agent.Status) ||
			c.query.Get("group") != "" && !slices.Contains(agent.Groups, c.query.Get("group")) ||
			c.query.Get("name") != "" && c.query.Get("name") != agent.Name {
			continue
		}
		result.items = append(result.items, agent.object(selected))
	}
	result.total = len(result.items)
	limit, offset := intOr(c.query.Get("limit"), maxAgents), intOr(c.query.Get("offset"), 0)
	offset = min(max(offset, 0), len(result.items))
	result.items = result.items[offset:min(offset+max(limit, 0), len(result.items))]
	return ok(result.object(), c.indent())
}

func intOr(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// agentFields are the fields of an agent that are there.
var agentFields = []string{"id", "name", "status", "node_name", "version", "group", "lastKeepAlive"}

// object is what the API shows of an agent. The order of the fields is that of a Python set in the real API, another in each process.
func (a Agent) object(selected []string) object {
	all := object{{"status", a.Status}, {"node_name", a.NodeName}, {"name", a.Name}}
	if a.Version != "" {
		all = append(all, member{"version", a.Version})
	}
	all = append(all, member{"id", a.ID})
	if len(a.Groups) > 0 {
		all = append(all, member{"group", texts(a.Groups)})
	}
	if !a.LastKeepAlive.IsZero() {
		all = append(all, member{"lastKeepAlive", a.LastKeepAlive.UTC().Format("2006-01-02T15:04:05") + "+00:00"})
	}
	if selected == nil {
		return all
	}
	var some object
	for _, m := range all {
		if slices.Contains(selected, m.name) {
			some = append(some, m)
		}
	}
	return some
}

// forever is the last keep-alive of the manager itself.
func forever() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

// Manager is the row of agent 000.
func Manager(name string) Agent {
	return Agent{ID: managerID, Name: name, Status: "active", NodeName: "unknown", LastKeepAlive: forever()}
}

// managerStatus answers GET /manager/status.
func (s *Server) managerStatus(_ context.Context, c *call) answer {
	if !s.permitted(c, "manager:read") {
		return forbidden("*:*")
	}
	var status object
	s.mu.Lock()
	for _, d := range []struct {
		name    string
		running bool
	}{
		{"agentlessd", false}, {"analysisd", true}, {"authd", false}, {"csyslogd", false}, {"dbd", false}, {"monitord", false}, {"execd", true},
		{"integratord", true}, {"logcollector", false}, {"maild", false}, {"remoted", true}, {"reportd", false}, {"syscheckd", false},
		{"clusterd", false}, {"modulesd", true}, {"db", true}, {"apid", true},
	} {
		text := "stopped"
		if d.running && !s.stopped["wazuh-"+d.name] {
			text = "running"
		}
		status = append(status, member{"wazuh-" + d.name, text})
	}
	s.mu.Unlock()
	result := &affected{items: []any{status}, all: "Processes status was successfully read"}
	return ok(result.object(), c.indent())
}

func (s *Server) permitted(c *call, action string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.access.mayAny(c.user, action)
}
