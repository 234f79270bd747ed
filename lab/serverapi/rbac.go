package serverapi

import (
	"slices"
	"strings"
)

// firstCustomID is the first id of a user, role or policy that somebody makes.
const firstCustomID = 100

// Policy allows or denies actions on resources: "agent:id:001", "agent:group:vault", "agent:id:*" or "*:*:*".
type Policy struct {
	Name      string
	Actions   []string
	Resources []string
	// Deny turns the policy around.
	Deny bool
}

// User is somebody who may log in. A user without policies may do nothing; one with Admin everything.
type User struct {
	Name, Password string
	Admin          bool
	Policies       []Policy
}

type user struct {
	id       int
	name     string
	password string
	admin    bool
	roles    []int
}

type role struct {
	id       int
	name     string
	policies []int
}

type policy struct {
	id int
	Policy
}

// access is the API's own database of users, roles and policies.
type access struct {
	users    []*user
	roles    []*role
	policies []*policy
}

// add makes a user, with a role of the user's name that carries the policies.
func (a *access) add(u User) {
	made := &user{id: a.nextUser(), name: u.Name, password: u.Password, admin: u.Admin}
	if u.Admin {
		made.id, made.roles = 1+len(a.users)-countFrom(a.users, func(u *user) int { return u.id }), []int{1}
	} else if len(u.Policies) > 0 {
		r := &role{id: a.nextRole(), name: u.Name}
		for _, p := range u.Policies {
			added := &policy{id: a.nextPolicy(), Policy: p}
			a.policies = append(a.policies, added)
			r.policies = append(r.policies, added.id)
		}
		a.roles = append(a.roles, r)
		made.roles = []int{r.id}
	}
	a.users = append(a.users, made)
}

func (a *access) nextUser() int {
	return firstCustomID + countFrom(a.users, func(u *user) int { return u.id })
}
func (a *access) nextRole() int {
	return firstCustomID + countFrom(a.roles, func(r *role) int { return r.id })
}
func (a *access) nextPolicy() int {
	return firstCustomID + countFrom(a.policies, func(p *policy) int { return p.id })
}

func countFrom[T any](items []T, id func(T) int) (n int) {
	for _, item := range items {
		if id(item) >= firstCustomID {
			n++
		}
	}
	return n
}

func (a *access) user(name string) *user {
	for _, u := range a.users {
		if u.name == name {
			return u
		}
	}
	return nil
}

func find[T any](items []T, is func(T) bool) (found T, ok bool) {
	if i := slices.IndexFunc(items, is); i >= 0 {
		return items[i], true
	}
	return found, false
}

// policiesOf lists a user's policies in the order of the links.
func (a *access) policiesOf(u *user) []*policy {
	var list []*policy
	for _, id := range u.roles {
		r, ok := find(a.roles, func(r *role) bool { return r.id == id })
		if !ok {
			continue
		}
		for _, id := range r.policies {
			if p, ok := find(a.policies, func(p *policy) bool { return p.id == id }); ok {
				list = append(list, p)
			}
		}
	}
	return list
}

// may says whether a user may do an action on an agent. Later policies win over earlier ones; the mode is white: what is not allowed is denied.
func (a *access) may(u *user, action string, agent Agent) bool {
	if u.admin {
		return true
	}
	allowed := false
	for _, p := range a.policiesOf(u) {
		if slices.Contains(p.Actions, action) && slices.ContainsFunc(p.Resources, func(r string) bool { return covers(r, agent) }) {
			allowed = !p.Deny
		}
	}
	return allowed
}

// mayAny is for actions that have no resource ("*:*:*").
func (a *access) mayAny(u *user, action string) bool {
	if u.admin {
		return true
	}
	allowed := false
	for _, p := range a.policiesOf(u) {
		if slices.Contains(p.Actions, action) && slices.Contains(p.Resources, "*:*:*") {
			allowed = !p.Deny
		}
	}
	return allowed
}

func covers(resource string, agent Agent) bool {
	if id, ok := strings.CutPrefix(resource, "agent:id:"); ok {
		return id == "*" || id == agent.ID
	}
	if group, ok := strings.CutPrefix(resource, "agent:group:"); ok {
		return group == "*" && len(agent.Groups) > 0 || slices.Contains(agent.Groups, group)
	}
	return false
}
