package vaultfake

import "slices"

// Token makes the fake know a token; data overrides what a plain userpass token says. nil revokes it.
func (s *Server) Token(accessor string, data map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data == nil {
		delete(s.tokens, accessor)
		return
	}
	full := map[string]any{
		"accessor": accessor, "creation_time": 1795500000, "creation_ttl": 3600, "display_name": "", "entity_id": "",
		"expire_time": "2026-11-24T15:00:00Z", "explicit_max_ttl": 0, "id": "", "issue_time": "2026-11-24T14:00:00Z", "meta": nil,
		"num_uses": 0, "orphan": true, "path": "auth/token/create", "policies": []string{"default"}, "renewable": true, "ttl": 3600, "type": "service",
	}
	for key, value := range data {
		full[key] = value
	}
	s.tokens[accessor] = full
}

// Entity makes the fake know an entity; nil deletes it.
func (s *Server) Entity(id string, data map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data == nil {
		delete(s.entities, id)
		return
	}
	data["id"] = id
	s.entities[id] = data
}

// Group makes the fake know a group.
func (s *Server) Group(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[id] = map[string]any{"id": id, "name": name, "type": "internal"}
}

// Reach sets what a token may do at a path; without it the answer is deny.
func (s *Server) Reach(accessor, path string, capabilities ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reach[accessor] == nil {
		s.reach[accessor] = map[string][]string{}
	}
	s.reach[accessor][path] = capabilities
}

// Device enables an audit device; enabling it again gives it another salt, as Vault does.
func (s *Server) Device(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.salts[name] = newID()
}

// Recorded enables an audit device whose hashes of some values are known from a recording: its salt is not.
func (s *Server) Recorded(name string, hashes map[string]string) {
	s.Device(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recorded[name] = hashes
}

// Hash is what the device writes instead of a value.
func (s *Server) Hash(device, value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return hash(s.salts[device], value)
}

// Own makes one more token a valid one for clients.
func (s *Server) Own(token, accessor string, data map[string]any) {
	s.Token(accessor, data)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own[token] = accessor
}

// RevokeOwn makes a client's token invalid.
func (s *Server) RevokeOwn(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, s.own[token])
	delete(s.own, token)
}

// Role lets a role id and a secret id log in to a token that Own has made.
func (s *Server) Role(role, secret, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[role+"/"+secret] = token
}

// Deny takes the permission for all paths with a prefix away; "" from none.
func (s *Server) Deny(prefixes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = prefixes
}

// Seal seals or unseals the fake.
func (s *Server) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// Standby makes the fake a node that knows no leader.
func (s *Server) Standby(standby bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standby = standby
}

// Requests gives all requests so far, in the order in which they came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count gives how many requests a path had.
func (s *Server) Count(path string) int {
	n := 0
	for _, request := range s.Requests() {
		if request.Path == path {
			n++
		}
	}
	return n
}

// RequestIDs gives the request ids of all successful answers.
func (s *Server) RequestIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}
