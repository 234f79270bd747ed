package wazuhapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// meanings is what each of Wazuh's codes means, written down a second time.
func meanings() map[int]AgentOutcome {
	return map[int]AgentOutcome{
		1010: {Delivery: Refused, Reason: "manager-not-ready", Retry: true},
		1014: {Delivery: Refused, Reason: "response-queue", Retry: true},
		1017: {Delivery: Refused, Reason: "manager-not-ready", Retry: true},
		1018: {Delivery: Refused, Reason: "bad-request", Retry: false},
		1116: {Delivery: Refused, Reason: "agent-no-answer", Retry: true},
		1117: {Delivery: Refused, Reason: "agent-no-answer", Retry: true},
		1118: {Delivery: Refused, Reason: "agent-no-answer", Retry: true},
		1121: {Delivery: Refused, Reason: "agent-no-answer", Retry: true},
		1650: {Delivery: Refused, Reason: "command-empty", Retry: false},
		1652: {Delivery: Refused, Reason: "command-unknown", Retry: false},
		1701: {Delivery: Refused, Reason: "agent-unknown", Retry: false},
		1703: {Delivery: Refused, Reason: "agent-is-manager", Retry: false},
		1707: {Delivery: Refused, Reason: "agent-not-active", Retry: true},
		1735: {Delivery: Refused, Reason: "agent-too-old", Retry: false},
		1750: {Delivery: Refused, Reason: "agent-responses-disabled", Retry: false},
		3021: {Delivery: Unknown, Reason: "api-timeout", Retry: true},
		3022: {Delivery: Refused, Reason: "node-away", Retry: true},
		3023: {Delivery: Refused, Reason: "node-away", Retry: true},
		4000: {Delivery: Refused, Reason: "not-permitted", Retry: false},
		6000: {Delivery: Refused, Reason: "login-blocked", Retry: true},
		6001: {Delivery: Refused, Reason: "rate-limited", Retry: true},
		6005: {Delivery: Refused, Reason: "rate-limited", Retry: true},
	}
}

func TestEveryCodeInFailedItems(t *testing.T) {
	t.Parallel()
	for code := range 7000 {
		want, known := meanings()[code]
		if !known {
			want = AgentOutcome{Delivery: Unknown, Reason: "unknown-code", Retry: true}
		}
		want.Agent, want.Code, want.Message = "001", code, "text"
		body := fmt.Sprintf(`{"data":{"affected_items":[],"failed_items":[{"error":{"code":%d,"message":"text"},"id":["001"]}]},"error":1}`, code)
		out, err := readOutcome(agents(t, "001"), answer{body: []byte(body)})
		if err != nil || len(out.Agents) != 1 || out.Agents[0] != want {
			t.Errorf("code %d: %+v, %v; want %+v", code, out, err, want)
		}
	}
}

func TestEveryStatusAndCode(t *testing.T) {
	t.Parallel()
	byStatus := func(status int) (Delivery, Reason, bool) {
		switch {
		case status == 401:
			return Refused, "token-refused", true
		case status == 403:
			return Refused, "not-permitted", false
		case status == 408:
			return Unknown, "server-error", true
		case status == 429:
			return Refused, "rate-limited", true
		case status >= 500:
			return Unknown, "server-error", true
		case status >= 400:
			return Refused, "bad-request", false
		case status >= 300:
			return Refused, "redirected", false
		}
		return Unknown, "bad-answer", true
	}
	codes := []int{0, 1, 999, 5009, 9999}
	for code := range meanings() {
		codes = append(codes, code)
	}
	for status := 100; status < 600; status++ {
		for _, code := range codes {
			delivery, reason, retry := byStatus(status)
			if m, known := meanings()[code]; known && status >= 400 {
				delivery, reason, retry = m.Delivery, m.Reason, m.Retry
			}
			want := verdict{delivery, reason, retry}
			if got := statusVerdict(status, code); got != want {
				t.Errorf("status %d, code %d: %v, want %v", status, code, got, want)
			}
		}
	}
}

// recordedOutcomes is what each recorded answer to PUT /active-response means when it was agent 001 (or as named)
// that was asked.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	type want struct {
		ids      []string
		outcomes string // "agent delivery reason code", separated by ", "
	}
	one := []string{"001"}
	for name, w := range map[string]want{
		"ar-ok":                              {one, "001 sent sent 0"},
		"ar-minimal":                         {one, "001 sent sent 0"},
		"ar-registered":                      {one, "001 sent sent 0"},
		"ar-bang-missing":                    {one, "001 sent sent 0"}, // and nothing ran: sent proves no more
		"ar-000":                             {one, "001 unknown not-listed 0"},
		"ar-unknown":                         {[]string{"999"}, "999 refused agent-unknown 1701"},
		"ar-mixed":                           {[]string{"999", "001", "002"}, "999 refused agent-unknown 1701, 001 sent sent 0, 002 refused agent-not-active 1707"},
		"ar-never":                           {[]string{"002"}, "002 refused agent-not-active 1707"},
		"ar-disconnected":                    {[]string{"003"}, "003 refused agent-not-active 1707"},
		"ar-unregistered":                    {one, "001 refused command-unknown 1652"},
		"ar-registered-bare":                 {one, "001 refused command-unknown 1652"},
		"ar-list-all":                        {one, "001 refused bad-request 0"},
		"ar-args-types":                      {one, "001 refused bad-request 0"},
		"ar-bad-command":                     {one, "001 refused bad-request 0"},
		"ar-unknown-key":                     {one, "001 refused bad-request 0"},
		"ar-bad-json":                        {one, "001 refused bad-request 0"},
		"ar-text-type":                       {one, "001 refused bad-request 0"}, // 415
		"ar-wrong-method":                    {one, "001 refused bad-request 0"}, // 405
		"ar-11mb":                            {one, "001 refused bad-request 0"}, // 413
		"not-found":                          {one, "001 refused bad-request 0"},
		"rbac-no-role":                       {one, "001 refused not-permitted 4000"},
		"rbac-denied":                        {[]string{"002"}, "002 refused not-permitted 4000"},
		"rbac-allowed":                       {one, "001 sent sent 0"},
		"rbac-partly":                        {[]string{"001", "002"}, "001 sent sent 0, 002 refused not-permitted 4000"},
		"fail-ar-disabled":                   {one, "001 refused agent-responses-disabled 1750"},
		"fail-agent-execd-down":              {one, "001 refused agent-no-answer 1116"},
		"fail-agent-execd-stopped":           {one, "001 unknown api-timeout 3021"},
		"fail-agentd-stopped":                {one, "001 unknown api-timeout 3021"},
		"fail-remoted-down":                  {one, "001 refused manager-not-ready 1017"},
		"fail-analysisd-down":                {one, "001 refused manager-not-ready 1017"},
		"fail-agent-execd-restarted":         {one, "001 sent sent 0"}, // and lost: sent proves no more
		"limit-429":                          {one, "001 refused rate-limited 6001"},
		"agents-never" /* items, not ids */ : {one, "001 unknown bad-answer 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec, ok := recordings(t)[name]
			if !ok {
				t.Fatal("no such recording")
			}
			api := newFakeAPI(t, func(w http.ResponseWriter, _ *http.Request) { rec.write(w) })
			out, err := clientOf(t, api, nil).ActiveResponse(t.Context(), agents(t, w.ids...), seal())
			if (err == nil) != (rec.Response.Status == 200 && name != "agents-never") {
				t.Errorf("error %v for status %d", err, rec.Response.Status)
			}
			var told []string
			for _, a := range out.Agents {
				told = append(told, fmt.Sprintf("%s %s %s %d", a.Agent, a.Delivery, a.Reason, a.Code))
			}
			if got := strings.Join(told, ", "); got != w.outcomes {
				t.Errorf("got %s\nwant %s", got, w.outcomes)
			}
			if len(out.Unasked) > 0 {
				t.Errorf("unasked agents %q", out.Unasked)
			}
			if n := api.count(http.MethodPut, "/active-response"); n != 1 {
				t.Errorf("asked %d times, want once", n)
			}
		})
	}
}

func TestBodiesThatSayNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `null`, `[]`, `"001"`, `{}`, `{"error":0}`, `{"data":null,"error":0}`, `{"data":[]}`, `{"data":{"failed_items":[]}}`,
		`{"data":{"affected_items":null}}`, `{"data":{"affected_items":"001"}}`, `{"data":{"affected_items":[1]}}`, `{"data":{"affected_items":[["001"]]}}`,
		`{"data":{"affected_items":["001"]}`, `{"data":{"affected_items":["001"],"failed_items":{}}}`, `{"data":{"affected_items":["001"]}} trailing`,
	} {
		if out, err := readOutcome(agents(t, "001"), answer{body: []byte(body)}); err == nil {
			t.Errorf("%s was read as %+v", body, out)
		}
	}
}

func TestContradictionsAreNotBelieved(t *testing.T) {
	t.Parallel()
	body := `{"data":{"affected_items":["001","001","1","7\u001b[31m"],"failed_items":[{"error":{"code":1707,"message":"x"},"id":["001"]}]},"error":0}`
	out, err := readOutcome(agents(t, "001", "002"), answer{body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if a := out.Agents[0]; a.Delivery != Unknown || a.Reason != ReasonBadAnswer {
		t.Errorf("affected and failed: %+v", a)
	}
	if a := out.Agents[1]; a.Delivery != Unknown || a.Reason != ReasonNotListed {
		t.Errorf("in neither list: %+v", a)
	}
	if fmt.Sprint(out.Unasked) != "[1 7 [31m]" {
		t.Errorf("unasked: %q", out.Unasked)
	}
	if out.All() || (Outcome{}).All() {
		t.Error("All says yes")
	}
}

func TestReasonsAreAClosedSet(t *testing.T) {
	t.Parallel()
	known := map[Reason]bool{}
	hints := map[string]Reason{}
	for _, r := range Reasons() {
		if known[r] {
			t.Errorf("%s is listed twice", r)
		}
		known[r] = true
		if h := r.Hint(); (h == "") != (r == ReasonSent) {
			t.Errorf("%s has hint %q", r, h)
		} else if other, twice := hints[h]; twice {
			t.Errorf("%s and %s give the same hint", r, other)
		} else {
			hints[h] = r
		}
	}
	for code := range 7000 {
		if v, _ := codeVerdict(code); !known[v.reason] {
			t.Errorf("code %d gives %q, which is not listed", code, v.reason)
		}
	}
}

func FuzzOutcome(f *testing.F) {
	for _, r := range recordings(f) {
		f.Add([]byte(r.Response.Body))
	}
	asked, err := NewAgentIDs("001", "002", "999")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		out, err := readOutcome(asked, answer{body: body})
		if err != nil {
			return
		}
		var plain struct {
			Data struct {
				Affected []string `json:"affected_items"`
			} `json:"data"`
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatalf("read although it is not JSON: %v", err)
		}
		if len(out.Agents) != asked.Len() {
			t.Fatalf("%d outcomes for %d agents", len(out.Agents), asked.Len())
		}
		for i, a := range out.Agents {
			if a.Agent != asked.All()[i] {
				t.Errorf("outcome %d is about %s", i, a.Agent)
			}
			listed := false
			for _, id := range plain.Data.Affected {
				listed = listed || id == a.Agent
			}
			if a.Delivery == Sent && !listed {
				t.Errorf("agent %s is not among the affected items, yet sent", a.Agent)
			}
			if !utf8.ValidString(a.Message) || len(a.Message) > maxDetailBytes+len("…") || strings.ContainsAny(a.Message, "\n\x00\x1b") {
				t.Errorf("message %q", a.Message)
			}
		}
	})
}
