package serverapi

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// activeResponse answers PUT /active-response. Without agents_list it goes to every agent that the user may command. HTTP 200 only means that
// the request was understood; an affected item only that its message was handed to the local remoted.
func (s *Server) activeResponse(ctx context.Context, c *call) answer {
	const action = "active-response:command"
	chosen, denied, a, none := s.choose(c, action)
	if none {
		return a
	}
	result := &affected{all: "AR command was sent to all agents", some: "AR command was not sent to some agents", none: "AR command was not sent to any agent"}
	for _, id := range denied {
		result.fail(errDenied("agent:id"), id)
	}
	forced, delivered := s.forcedTimeout()
	message := activeResponseMessage(c.body)
	command, _ := commandOf(c.body)
	for _, id := range chosen {
		if id == managerID && s.cfg.Release.AtLeast(14, 0) {
			continue // dropped without a word: nothing affected, nothing failed
		}
		if f, failed := s.refuses(ctx, id, command); failed {
			result.fail(f, id)
			continue
		}
		if !forced || delivered {
			s.cfg.Fleet.Send(id, message)
		}
		result.items = append(result.items, id)
	}
	if forced {
		return timedOut()
	}
	return ok(result.object(), c.indent())
}

const managerID = "000"

func (s *Server) forcedTimeout() (forced, delivered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.timeouts) == 0 {
		return false, false
	}
	delivered = s.timeouts[0]
	s.timeouts = s.timeouts[1:]
	return true, delivered
}

// choose splits what was asked for into what the user may and what not. It is all over when the user may nothing of it.
func (s *Server) choose(c *call, action string) (chosen, denied []string, a answer, none bool) {
	agents := s.cfg.Fleet.Agents()
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := splitList(c.query["agents_list"])
	if asked == nil {
		for _, agent := range agents {
			if s.access.may(c.user, action, agent) {
				chosen = append(chosen, agent.ID)
			}
		}
	}
	for _, id := range asked {
		agent, known := find(agents, func(a Agent) bool { return a.ID == id })
		if !known {
			agent = Agent{ID: id}
		}
		switch {
		case slices.Contains(chosen, id) || slices.Contains(denied, id):
		case s.access.may(c.user, action, agent):
			chosen = append(chosen, id)
		default:
			denied = append(denied, id)
		}
	}
	if len(chosen) == 0 && !c.user.admin {
		return nil, nil, forbidden("agent:id"), true
	}
	slices.Sort(chosen)
	return chosen, denied, answer{}, false
}

// refuses goes through what the API looks at before it sends (core/active_response.py).
func (s *Server) refuses(ctx context.Context, id, command string) (failure, bool) {
	agent, known := find(s.cfg.Fleet.Agents(), func(a Agent) bool { return a.ID == id })
	switch {
	case !known:
		return errUnknownAgent(), true
	case id == managerID:
		return errManager(), true
	case agent.Status != "active":
		return errNotActive(), true
	}
	disabled, err := s.cfg.Fleet.ActiveResponseDisabled(ctx, id)
	switch {
	case errors.Is(err, ErrNoComponent) || err != nil:
		return errNoComponent(), true
	case disabled:
		return errDisabled(), true
	case strings.HasPrefix(command, "!") || !s.cfg.Release.AtLeast(8, 0):
		return failure{}, false // up to 4.7 a name is not looked at for agents from 4.2 on
	case !slices.Contains(s.cfg.Fleet.Commands(), command):
		return errUndefinedCommand(), true
	}
	return failure{}, false
}

func commandOf(body any) (string, bool) {
	o, _ := body.(object)
	v, found := o.get("command")
	text, isText := v.(string)
	return text, found && isText
}

// activeResponseMessage is what remoted is handed for the agent's execd.
func activeResponseMessage(body any) []byte {
	o, _ := body.(object)
	command, _ := commandOf(body)
	var arguments, alert any = []any{}, object{}
	if v, found := o.get("arguments"); found {
		arguments = v
	}
	if v, found := o.get("alert"); found {
		alert = withoutNulls(v)
	}
	return dumps(object{
		{"version", integer(1)},
		{"origin", object{{"name", nil}, {"module", "API"}}},
		{"command", command},
		{"parameters", object{{"extra_args", arguments}, {"alert", alert}}},
	}, 0)
}

// withoutNulls leaves out members that are null, at every depth of objects, not within arrays (api/util.py).
func withoutNulls(v any) any {
	o, isObject := v.(object)
	if !isObject {
		return v
	}
	kept := object{}
	for _, m := range o {
		if m.value != nil {
			kept = append(kept, member{m.name, withoutNulls(m.value)})
		}
	}
	return kept
}
