package oracle

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// compareProgram compares what the program on the agent read.
func (s *apiSession) compareProgram(want [][]json.RawMessage, before int, change Mapping) string {
	if len(want) == 0 && s.condition == "" {
		s.passMarker()
	} else if len(want) == 0 {
		time.Sleep(settle / 2)
	}
	waitFor(patience, func() bool {
		runs, err := probeRuns(s.agentHome)
		return err == nil && len(runs) >= before+len(want) && (len(want) == 0 || len(runs[len(runs)-1].Events) > 1)
	})
	runs, err := probeRuns(s.agentHome)
	if err != nil {
		return err.Error()
	}
	var recorded, lab []string
	for _, lines := range want {
		for _, raw := range lines {
			recorded = append(recorded, change.Text(programLine(raw)))
		}
	}
	for _, r := range runs[before:] {
		for _, e := range r.Events {
			if e.Event != "stdin" {
				continue
			}
			if e.Bytes > 0 {
				lab = append(lab, fmt.Sprintf("%d bytes %s", e.Bytes, e.Head))
			} else {
				lab = append(lab, e.Text)
			}
		}
	}
	return linesDiff("line that the program read", recorded, lab)
}

// markerName is a program that the agent does not have: execd passes it by, and counts it.
const markerName = "oracle-marker"

// passMarker sends the agent's execd a response of the oracle's own and waits until it has been dealt with: so has what was on its way before.
func (s *apiSession) passMarker() {
	passed := func() (n int) {
		for _, r := range s.ResponseRuns("001") {
			if strings.HasSuffix(r.Program, markerName) {
				n++
			}
		}
		return n
	}
	before := passed()
	s.Send("001", []byte(`{"version":1,"command":"!`+markerName+`"}`))
	waitFor(patience, func() bool { return passed() > before })
}

func programLine(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var long struct {
		Bytes int
		Head  string
	}
	if err := json.Unmarshal(raw, &long); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d bytes %s", long.Bytes, long.Head[:min(len(long.Head), headSize)])
}

func (s *apiSession) lateRuns(want int) (string, error) {
	s.heal()
	time.Sleep(settle)
	runs, err := probeRuns(s.agentHome)
	if err != nil {
		return "", err
	}
	return linesDiff("late runs", []string{strconv.Itoa(want)}, []string{strconv.Itoa(len(runs) - s.late)}), nil
}

// mostRequests bounds the requests of a case that counts them.
const mostRequests = 1000

// untilLimit sends requests in a row until one is refused.
func (s *apiSession) untilLimit(t *transcript) (string, error) {
	defer s.clock.stop()() // the count is one within a minute, which is short on a busy machine
	request := transcript{Name: t.Name, Request: &apiRequest{Method: http.MethodGet, Path: "/", Headers: map[string]string{"Authorization": "Bearer <token>"}}}
	body := ""
	if strings.Contains(t.About, eventsLimit) {
		request.Request.Method, request.Request.Path, body = http.MethodPost, "/events", `{"events": ["x"]}`
		request.Request.Headers["Content-Type"] = "application/json"
	}
	u := s.userOf(&request)
	u.token = "" // "one login before"
	s.tokenOf(u)
	for n := 1; n <= mostRequests; n++ {
		response, _, err := s.send(&request, body)
		if err != nil {
			return "", err
		}
		if response.StatusCode == http.StatusTooManyRequests {
			s.limited = allLimit
			if body != "" {
				s.limited = eventsLimit
			}
			return linesDiff("requests until 429", []string{strconv.Itoa(t.UntilLimit)}, []string{strconv.Itoa(n)}), nil
		}
	}
	return "no request was refused", nil
}

// untilBlocked logs in with a wrong password until the answer changes.
func (s *apiSession) untilBlocked(t *transcript) (string, error) {
	s.tokenOf(s.users["wazuh"])
	s.condition = "blocked"
	for n := 1; n <= mostRequests; n++ {
		r, err := http.NewRequest(http.MethodPost, s.URL()+"/security/user/authenticate", nil)
		if err != nil {
			return "", fmt.Errorf("make a request: %w", err)
		}
		r.SetBasicAuth("wazuh", "wrong")
		response, _, err := s.do(r)
		if err != nil {
			return "", err
		}
		if response.StatusCode != http.StatusUnauthorized {
			return linesDiff("wrong logins, then status", []string{fmt.Sprint(t.WrongLogins, " ", t.Status)}, []string{fmt.Sprint(n, " ", response.StatusCode)}), nil
		}
	}
	return "the address was never blocked", nil
}
