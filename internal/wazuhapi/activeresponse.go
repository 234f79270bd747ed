package wazuhapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// ActiveResponse asks the API to have the named agents run an order, once. The Outcome has one entry for each of them
// in every case but two: an order that cannot be sent (ErrOrder, ErrNoAgents) and a closed client (ErrClosed). The
// error is nil when the API answered agent by agent, and then each agent's entry says what became of it; otherwise it
// is an *Error, and every entry carries its reason.
//
// Sent proves no more than that the manager passed the order on. An Unknown order may have been delivered; the next
// call begins at another address, if there is one.
func (c *Client) ActiveResponse(ctx context.Context, agents AgentIDs, order Order) (Outcome, error) {
	if agents.Len() == 0 {
		return Outcome{}, ErrNoAgents
	}
	body, err := order.body()
	if err != nil {
		return Outcome{}, err
	}
	ctx, done, err := c.begin(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer done()
	// The commas stay as they are: this is the form that was seen to work.
	req := request{method: http.MethodPut, path: "/active-response", query: "agents_list=" + agents.String(), body: body, urgent: true}
	got, failed := c.do(ctx, req)
	if failed != nil {
		return allFailed(agents, failed), failed
	}
	out, err := readOutcome(agents, got)
	if err != nil {
		failed = badAnswer(got.address, req, err.Error())
		return allFailed(agents, failed), failed
	}
	return out, nil
}

func allFailed(agents AgentIDs, failed *Error) Outcome {
	var out Outcome
	for _, id := range agents.ids {
		out.Agents = append(out.Agents, AgentOutcome{Agent: id, Delivery: failed.Delivery, Reason: failed.Reason,
			Code: failed.Code, Message: failed.Detail, Retry: failed.Retry})
	}
	return out
}

// items is the part of a 200 that counts. Its members error, message and total_* say nothing more: a request for
// agent 000 alone has error 0 and nobody affected.
type items[T any] struct {
	Data *struct {
		Affected *[]T         `json:"affected_items"`
		Failed   []failedItem `json:"failed_items"`
	} `json:"data"`
}

// failedItem is one error with all the agents that it applies to.
type failedItem struct {
	Error struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	ID []string `json:"id"`
}

var errNotItems = errors.New("the answer does not list affected items as the API documents")

func readItems[T any](body []byte) (affected []T, failed map[string]failedItem, err error) {
	var got items[T]
	if json.Unmarshal(body, &got) != nil || got.Data == nil || got.Data.Affected == nil {
		return nil, nil, errNotItems
	}
	failed = map[string]failedItem{}
	for _, f := range got.Data.Failed {
		for _, id := range f.ID {
			if _, twice := failed[id]; !twice {
				failed[id] = f
			}
		}
	}
	return *got.Data.Affected, failed, nil
}

func readOutcome(agents AgentIDs, got answer) (Outcome, error) {
	affected, failed, err := readItems[string](got.body)
	if err != nil {
		return Outcome{}, err
	}
	sent := make(map[string]bool, len(affected))
	for _, id := range affected {
		sent[id] = true
	}
	var out Outcome
	for _, id := range agents.ids {
		out.Agents = append(out.Agents, agentOutcome(id, sent[id], failed, got.token))
		delete(sent, id)
	}
	for _, id := range affected {
		if sent[id] && len(out.Unasked) < MaxAgents {
			out.Unasked = append(out.Unasked, printable(without(id, got.token)))
			delete(sent, id)
		}
	}
	return out, nil
}

func agentOutcome(id string, sent bool, failed map[string]failedItem, token string) AgentOutcome {
	f, isFailed := failed[id]
	switch {
	case sent && isFailed:
		return AgentOutcome{Agent: id, Delivery: Unknown, Reason: ReasonBadAnswer, Retry: true, Code: f.Error.Code,
			Message: "the API lists the agent as affected and as failed"}
	case sent:
		return AgentOutcome{Agent: id, Delivery: Sent, Reason: ReasonSent}
	case isFailed:
		v, _ := codeVerdict(f.Error.Code)
		return AgentOutcome{Agent: id, Delivery: v.delivery, Reason: v.reason, Retry: v.retry, Code: f.Error.Code,
			Message: printable(without(f.Error.Message, token))}
	}
	return AgentOutcome{Agent: id, Delivery: Unknown, Reason: ReasonNotListed, Retry: true, Message: "the API lists the agent neither as affected nor as failed"}
}
