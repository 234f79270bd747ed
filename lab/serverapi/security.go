package serverapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The endpoints with which an operator makes a user that may command one agent and nothing else.

func (c *call) text(name string) string {
	body, _ := c.body.(object)
	v, _ := body.get(name)
	s, _ := v.(string)
	return s
}

func (s *Server) createPolicy(_ context.Context, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.access.mayAny(c.user, "security:create") {
		return forbidden("*:*")
	}
	result := &affected{all: "Policy was successfully created", none: "Policy was not created"}
	name := c.text("name")
	if _, exists := find(s.access.policies, func(p *policy) bool { return p.Name == name }); exists {
		result.fail(failure{4009, "The specified name or policy already exists", ""}, name)
		return ok(result.object(), c.indent())
	}
	body, _ := c.body.(object)
	v, _ := body.get("policy")
	content, _ := v.(object)
	p := &policy{id: s.access.nextPolicy(), Policy: Policy{Name: name, Actions: stringsOf(content, "actions"), Resources: stringsOf(content, "resources")}}
	effect, _ := content.get("effect")
	p.Deny = effect == "deny"
	s.access.policies = append(s.access.policies, p)
	result.items = []any{append(p.object(), member{"roles", []any{}})}
	return ok(result.object(), c.indent())
}

func stringsOf(o object, name string) (list []string) {
	v, _ := o.get(name)
	items, _ := v.([]any)
	for _, item := range items {
		if s, isText := item.(string); isText {
			list = append(list, s)
		}
	}
	return list
}

func (p *policy) object() object {
	effect := "allow"
	if p.Deny {
		effect = "deny"
	}
	return object{{"id", integer(p.id)}, {"name", p.Name}, {"policy", object{
		{"actions", texts(p.Actions)}, {"resources", texts(p.Resources)}, {"effect", effect},
	}}}
}

func (s *Server) createRole(_ context.Context, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.access.mayAny(c.user, "security:create") {
		return forbidden("*:*")
	}
	result := &affected{all: "Role was successfully created", none: "Role was not created"}
	name := c.text("name")
	if _, exists := find(s.access.roles, func(r *role) bool { return r.name == name }); exists {
		result.fail(failure{4005, "The specified role name already exists", ""}, name)
		return ok(result.object(), c.indent())
	}
	r := &role{id: s.access.nextRole(), name: name}
	s.access.roles = append(s.access.roles, r)
	result.items = []any{r.object()}
	return ok(result.object(), c.indent())
}

func (r *role) object() object {
	return object{{"id", integer(r.id)}, {"name", r.name}, {"policies", integers(r.policies)}, {"users", []any{}}, {"rules", []any{}}}
}

func integers(list []int) []any {
	items := make([]any, len(list))
	for i, n := range list {
		items[i] = integer(n)
	}
	return items
}

func (s *Server) createUser(_ context.Context, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.access.mayAny(c.user, "security:create_user") {
		return forbidden("*:*")
	}
	name, password := c.text("username"), c.text("password")
	if remediation := weakness(password); remediation != "" {
		return problem{status: http.StatusBadRequest, title: "Bad Request", detail: "Insecure user password provided", remediation: remediation,
			node: "node01", code: 5009}.answer()
	}
	result := &affected{all: "User was successfully created", none: "User could not be created"}
	if s.access.user(name) != nil {
		result.fail(failure{5000, "The user could not be created because it already exists", ""}, name)
		return ok(result.object(), c.indent())
	}
	u := &user{id: s.access.nextUser(), name: name, password: password}
	s.access.users = append(s.access.users, u)
	result.items = []any{u.object()}
	return ok(result.object(), c.indent())
}

func (u *user) object() object {
	return object{{"id", integer(u.id)}, {"username", u.name}, {"allow_run_as", false}, {"roles", integers(u.roles)}}
}

// weakness says what is wrong with a password: 8 to 64 characters, of four kinds.
func weakness(password string) string {
	if n := len([]rune(password)); n < 8 || n > 64 {
		return "The password must contain a length between 8 and 64 characters."
	}
	upper := strings.ContainsFunc(password, unicode.IsUpper)
	lower := strings.ContainsFunc(password, unicode.IsLower)
	digit := strings.ContainsFunc(password, unicode.IsDigit)
	symbol := strings.ContainsFunc(password, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if !upper || !lower || !digit || !symbol {
		return "The password must contain at least one upper and lower case letter, a number and a symbol."
	}
	return ""
}

// link appends the ids of the query to a list, and says which of them were not known or linked already.
func link(list *[]int, ids []string, exists func(int) bool, result *affected, already, unknown failure) {
	for _, text := range ids {
		id, err := strconv.Atoi(text)
		switch {
		case err != nil || !exists(id):
			result.fail(unknown, text)
		case slices.Contains(*list, id):
			result.fail(already, text)
		default:
			*list = append(*list, id)
			result.total++
		}
	}
}

func (c *call) segment(i int) int {
	parts := strings.Split(c.r.URL.Path, "/")
	return intOr(parts[i], -1)
}

func (s *Server) linkPolicies(_ context.Context, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.access.mayAny(c.user, "security:update") {
		return forbidden("*:*")
	}
	id := c.segment(3)
	result := &affected{all: "All policies were linked to role " + strconv.Itoa(id), some: "Some policies were not linked to role " + strconv.Itoa(id),
		none: "No policy was linked to role " + strconv.Itoa(id)}
	r, exists := find(s.access.roles, func(r *role) bool { return r.id == id })
	if !exists {
		result.fail(failure{4002, "The specified role does not exist", ""}, strconv.Itoa(id))
		return ok(result.object(), c.indent())
	}
	link(&r.policies, splitList(c.query["policy_ids"]), func(id int) bool {
		_, exists := find(s.access.policies, func(p *policy) bool { return p.id == id })
		return exists
	}, result, failure{4011, "The specified policy is already linked to the role", ""}, failure{4007, "The specified policy does not exist", ""})
	if result.total > 0 {
		result.items = []any{r.object()}
		for _, u := range s.access.users {
			if slices.Contains(u.roles, id) {
				s.tokens.since[u.name] = s.cfg.Now().Unix()
			}
		}
	}
	return ok(result.object(), c.indent())
}

func (s *Server) linkRoles(_ context.Context, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.access.mayAny(c.user, "security:update") {
		return forbidden("*:*")
	}
	id := c.segment(3)
	u, exists := find(s.access.users, func(u *user) bool { return u.id == id })
	if !exists {
		result := &affected{none: "No role was linked to user " + strconv.Itoa(id)}
		result.fail(failure{5001, "The user does not exist", ""}, strconv.Itoa(id))
		return ok(result.object(), c.indent())
	}
	result := &affected{all: "All roles were linked to user " + u.name, some: "Some roles were not linked to user " + u.name,
		none: "No role was linked to user " + u.name}
	link(&u.roles, splitList(c.query["role_ids"]), func(id int) bool {
		_, exists := find(s.access.roles, func(r *role) bool { return r.id == id })
		return exists
	}, result, failure{4017, "The specified user-role relation already exists", ""}, failure{4002, "The specified role does not exist", ""})
	if result.total > 0 {
		result.items = []any{u.object()}
		s.tokens.since[u.name] = s.cfg.Now().Unix()
	}
	return ok(result.object(), c.indent())
}

// me answers GET /security/users/me.
func (s *Server) me(_ context.Context, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	roles := []any{}
	for _, id := range c.user.roles {
		r, exists := find(s.access.roles, func(r *role) bool { return r.id == id })
		if !exists {
			continue
		}
		policies := []any{}
		for _, id := range r.policies {
			if p, exists := find(s.access.policies, func(p *policy) bool { return p.id == id }); exists {
				policies = append(policies, p.object())
			}
		}
		roles = append(roles, object{{"id", integer(r.id)}, {"name", r.name}, {"policies", policies}, {"rules", []any{}}})
	}
	u := c.user.object()
	u[len(u)-1].value = roles
	result := &affected{items: []any{u}, all: "Current user information was returned"}
	return ok(result.object(), c.indent())
}

// myPolicies answers GET /security/users/me/policies.
func (s *Server) myPolicies(_ context.Context, c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := object{}
	for _, p := range s.access.policiesOf(c.user) {
		effect := "allow"
		if p.Deny {
			effect = "deny"
		}
		for _, action := range p.Actions {
			v, _ := data.get(action)
			resources, _ := v.(object)
			for _, r := range p.Resources {
				resources = resources.set(r, effect)
			}
			data = data.set(action, resources)
		}
	}
	data = append(data, member{"rbac_mode", "white"})
	return ok(object{{"data", data}, {"message", "Current user processed policies information was returned"}, {"error", integer(0)}}, c.indent())
}
