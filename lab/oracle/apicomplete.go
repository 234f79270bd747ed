package oracle

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The transcripts are one session, and a folder may hold only some of them. What a transcript builds on, and what the folder does not have, is made
// here: users, roles and policies, limits that are used up, addresses that are blocked. Nothing is made of what a transcript expects of its own answer.

const (
	policiesPath = "/security/policies"
	rolesPath    = "/security/roles"
	usersPath    = "/security/users"
	// firstID is the first id that the API gives to what somebody makes.
	firstID = 100
	// fillerPassword is a password that the API takes.
	fillerPassword = "Oracle-Filler-1!"
)

// complete makes what a transcript builds on, or says why that is not to be had.
func (s *apiSession) complete(t *transcript) (reason string, err error) {
	path, query, _ := strings.Cut(t.Request.Path, "?")
	switch {
	case t.Response.Status == http.StatusTooManyRequests:
		return "", s.useUpLimit(t)
	case t.Response.Status == http.StatusForbidden && strings.Contains(t.Response.Body, `"error": 6000`) && s.condition != "blocked":
		return "", s.block()
	case t.Request.Method != http.MethodPost:
		return "", nil
	case path == policiesPath || path == rolesPath || path == usersPath:
		return s.completeNew(t, path)
	case strings.HasPrefix(path, rolesPath+"/") && strings.Contains(query, "policy_ids="):
		if err = s.completePolicies(); err == nil {
			err = s.fillTo(rolesPath, highest(path)+1, nameIn(t.Response.Body))
		}
		if err == nil {
			err = s.fillTo(policiesPath, highest(query)+1, "")
		}
	case strings.HasPrefix(path, usersPath+"/") && strings.Contains(query, "role_ids="):
		if err = s.fillTo(rolesPath, highest(query)+1, ""); err == nil {
			err = s.fillTo(usersPath, highest(path)+1, nameIn(t.Response.Body))
		}
		if u := s.users[s.newest]; u != nil {
			s.tokenOf(u) // one from before the role is void afterwards
		}
	}
	return "", err
}

// completeNew: what was refused as known must be known. What got a higher id than comes next has others before it that this folder does not have.
func (s *apiSession) completeNew(t *transcript, path string) (reason string, err error) {
	if alreadyThere.MatchString(t.Response.Body) && !s.known[path+*orEmpty(t.Request.Body)] {
		return "", s.post(path, *orEmpty(t.Request.Body))
	}
	if found := firstItem.FindStringSubmatch(t.Response.Body); found != nil && highest(found[1]) > firstID+s.made[path] {
		return "its id counts others that this folder does not have", nil
	}
	return "", nil
}

func orEmpty(body *string) *string {
	if body == nil {
		return new(string)
	}
	return body
}

var (
	alreadyThere = regexp.MustCompile(`"code": (4009|4005|5000)\b`)
	firstItem    = regexp.MustCompile(`"affected_items": \[\{"id": (\d+)`)
	itemName     = regexp.MustCompile(`"affected_items": \[\{"id": \d+, "(?:name|username)": "([^"]*)"`)
	someID       = regexp.MustCompile(`\d+`)
)

func nameIn(body string) string {
	if found := itemName.FindStringSubmatch(body); found != nil {
		return found[1]
	}
	return ""
}

// highest is the highest number in a text.
func highest(text string) (id int) {
	for _, number := range someID.FindAllString(text, -1) {
		if n, err := strconv.Atoi(number); err == nil {
			id = max(id, n)
		}
	}
	return id
}

// fillTo makes policies, roles or users until the next one would get the id next. The last of them gets the name, if there is one.
func (s *apiSession) fillTo(path string, next int, name string) error {
	for s.made[path] < min(next-firstID, mostFillers) {
		filler := fmt.Sprintf("oracle-filler-%d", s.made[path])
		if name != "" && s.made[path] == next-firstID-1 {
			filler = name
		}
		if err := s.make(path, filler); err != nil {
			return err
		}
	}
	return nil
}

// mostFillers bounds what is made for a transcript.
const mostFillers = 50

// make makes a policy, a role or a user of a name.
func (s *apiSession) make(path, name string) error {
	content := map[string]any{"name": name}
	switch path {
	case policiesPath:
		content["policy"] = map[string]any{"actions": []string{"agent:read"}, "resources": []string{"agent:id:" + strconv.Itoa(firstID+s.made[path])}, "effect": "allow"}
	case usersPath:
		content = map[string]any{"username": name, "password": fillerPassword}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("write a request: %w", err)
	}
	return s.post(path, string(body))
}

// post sends a request of the administrator's own, and counts what it made.
func (s *apiSession) post(path, body string) error {
	request := transcript{Name: "oracle", Request: &apiRequest{Method: http.MethodPost, Path: path,
		Headers: map[string]string{"Authorization": "Bearer <token>", "Content-Type": "application/json"}}}
	before := s.made[path]
	response, got, err := s.send(&request, s.change.Text(body))
	if err != nil {
		return err
	}
	request.Request.Body = &body
	s.remember(&request, s.change.Text(body), response.StatusCode, got)
	if (path == policiesPath || path == rolesPath || path == usersPath) && s.made[path] == before {
		s.made[path]++ // refused: it is there already, and must not be tried for ever
		return fmt.Errorf("the lab's API refused what a transcript builds on: %s %s: %s", path, body, got)
	}
	return nil
}

// limitedUser makes the user that the recordings' README speaks of, limited to agent 001, as far as the folder does not show how.
func (s *apiSession) limitedUser(t *transcript) error {
	if s.newest == "" {
		if err := s.make(usersPath, "vault-seal"); err != nil {
			return err
		}
	}
	if strings.Contains(t.Name, "no-role") {
		return nil
	}
	s.tokenOf(s.users[s.newest]) // one from before the role is void afterwards
	return s.linkMissing()
}

// limitedPolicies are what the limited user may do. Those that the folder shows nothing of are added.
func (s *apiSession) limitedPolicies() {
	for _, policy := range [][2]string{{"active-response:command", "vault_seal"}, {"agent:read", "vault_read"}} {
		action, name := policy[0], policy[1]
		if !slices.ContainsFunc(s.policies, func(p json.RawMessage) bool { return strings.Contains(string(p), `"`+action+`"`) }) {
			s.policies = append(s.policies, json.RawMessage(`{"name":"`+name+`","policy":{"actions":["`+action+`"],"resources":["agent:id:001"],"effect":"allow"}}`))
		}
	}
}

// linkMissing links policies to the role, and the role to the user, where the folder does not show that.
func (s *apiSession) linkMissing() error {
	if !s.shows(rolesPath+"/", "/policies") && !s.linked[rolesPath] {
		s.linked[rolesPath] = true
		s.limitedPolicies()
		if err := s.completePolicies(); err != nil {
			return err
		}
		if s.made[rolesPath] == 0 {
			if err := s.make(rolesPath, "vault_seal"); err != nil {
				return err
			}
		}
		var ids []string
		for id := range s.made[policiesPath] {
			ids = append(ids, strconv.Itoa(firstID+id))
		}
		if err := s.post(rolesPath+"/100/policies?policy_ids="+strings.Join(ids, ","), ""); err != nil {
			return err
		}
	}
	if !s.shows(usersPath+"/", "/roles") && !s.linked[usersPath] {
		s.linked[usersPath] = true
		return s.post(fmt.Sprintf("%s/%d/roles?role_ids=100", usersPath, firstID+s.made[usersPath]-1), "")
	}
	return nil
}

// shows says whether the folder has a request that links such things.
func (s *apiSession) shows(before, within string) bool {
	return slices.ContainsFunc(s.shown, func(t transcript) bool {
		return t.Request != nil && t.Request.Method == http.MethodPost && strings.HasPrefix(t.Request.Path, before) && strings.Contains(t.Request.Path, within)
	})
}

// The limits that can be used up.
const (
	allLimit    = "all requests"
	eventsLimit = "/events"
)

// useUpLimit sends requests until the API refuses them, as it did when the transcript was recorded.
func (s *apiSession) useUpLimit(t *transcript) error {
	count := transcript{Name: t.Name, About: allLimit}
	if strings.Contains(t.Response.Body, `"error": 6005`) {
		count.About = eventsLimit
	}
	if s.limited == count.About {
		return nil
	}
	s.clock.turn(apiTurn)
	_, err := s.untilLimit(&count)
	return err
}

// block logs in with wrong passwords until the address is blocked.
func (s *apiSession) block() error {
	s.clock.turn(apiUnblock)
	_, err := s.untilBlocked(&transcript{Name: "block-count"})
	return err
}
