package wazuhapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// AgentStatus is what the manager's database says of an agent. "active" may be up to agents_disconnection_time (15
// min) old.
type AgentStatus string

// The statuses that the API has, and one for those that it does not list.
const (
	StatusActive         AgentStatus = "active"
	StatusPending        AgentStatus = "pending"
	StatusNeverConnected AgentStatus = "never_connected"
	StatusDisconnected   AgentStatus = "disconnected"
	StatusUnlisted       AgentStatus = ""
)

// Agent is what the manager knows of one agent.
type Agent struct {
	ID     string
	Status AgentStatus
	// Name, Version ("Wazuh v4.14.4") and Node are bounded and printable; empty when the API does not say.
	Name, Version, Node string
	// LastKeepAlive is the zero time when there was none.
	LastKeepAlive time.Time
	// Problem is why the agent is unlisted (ReasonAgentUnknown, ReasonNotPermitted, ReasonNotListed, …), empty when
	// it is listed.
	Problem Reason
}

// Agents asks what the manager knows of these agents: one entry each, in their order, also for those that it does not
// know. The API user needs agent:read on them.
func (c *Client) Agents(ctx context.Context, agents AgentIDs) ([]Agent, error) {
	if agents.Len() == 0 {
		return nil, ErrNoAgents
	}
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	req := request{method: http.MethodGet, path: "/agents", repeatable: true,
		query: "agents_list=" + agents.String() + "&select=id,name,status,version,node_name,lastKeepAlive"}
	got, failed := c.do(ctx, req)
	if failed != nil {
		return nil, failed
	}
	type item struct {
		ID            string      `json:"id"`
		Name          string      `json:"name"`
		Status        AgentStatus `json:"status"`
		Version       string      `json:"version"`
		Node          string      `json:"node_name"`
		LastKeepAlive string      `json:"lastKeepAlive"`
	}
	affected, refused, err := readItems[item](got.body)
	if err != nil {
		return nil, badAnswer(got.address, req, err.Error())
	}
	listed := make(map[string]item, len(affected))
	for _, a := range affected {
		listed[a.ID] = a
	}
	list := make([]Agent, 0, agents.Len())
	for _, id := range agents.ids {
		a, ok := listed[id]
		if !ok {
			list = append(list, Agent{ID: id, Problem: unlisted(id, refused)})
			continue
		}
		agent := Agent{ID: id, Status: a.Status, Name: printable(a.Name), Version: printable(a.Version), Node: printable(a.Node)}
		switch a.Status {
		case StatusActive, StatusPending, StatusNeverConnected, StatusDisconnected:
		default:
			return nil, badAnswer(got.address, req, "an agent has a status that the API does not document")
		}
		if t, err := time.Parse(time.RFC3339, a.LastKeepAlive); err == nil {
			agent.LastKeepAlive = t
		}
		list = append(list, agent)
	}
	return list, nil
}

func unlisted(id string, refused map[string]failedItem) Reason {
	f, ok := refused[id]
	if !ok {
		return ReasonNotListed
	}
	v, _ := codeVerdict(f.Error.Code)
	return v.reason
}

// Info is what the API says of itself.
type Info struct {
	// Version is the API's, which is the manager's: "4.14.4".
	Version  string
	Hostname string
	// Time is the manager's clock, to the second; the zero time when it does not say.
	Time time.Time
}

// Info asks the API for its version. Any user may.
func (c *Client) Info(ctx context.Context) (Info, error) {
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return Info{}, err
	}
	defer done()
	req := request{method: http.MethodGet, path: "/", repeatable: true}
	got, failed := c.do(ctx, req)
	if failed != nil {
		return Info{}, failed
	}
	var a struct {
		Data struct {
			Version   string `json:"api_version"`
			Hostname  string `json:"hostname"`
			Timestamp string `json:"timestamp"`
		} `json:"data"`
	}
	if json.Unmarshal(got.body, &a) != nil || a.Data.Version == "" {
		return Info{}, badAnswer(got.address, req, "the answer does not name the API's version")
	}
	info := Info{Version: printable(a.Data.Version), Hostname: printable(a.Data.Hostname)}
	if t, err := time.Parse(time.RFC3339, a.Data.Timestamp); err == nil {
		info.Time = t
	}
	return info, nil
}
