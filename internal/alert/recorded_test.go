package alert

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The recordings below testdata/vault are audit logs of a real Vault 1.21.4 (device with hmac_accessor=false), and
// beside each who really made each request.
type truth struct {
	Actors map[string]struct {
		Accessor string `json:"accessor"`
		EntityID string `json:"entity_id"`
		Kind     string `json:"kind"`
	} `json:"actors"`
	Requests []struct {
		ID     string `json:"id"`
		Who    string `json:"who"`
		Path   string `json:"path"`
		Op     string `json:"op"`
		Status *int   `json:"http_status"`
	} `json:"requests"`
}

func unzip(t testing.TB, path string) []string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	scanner := bufio.NewScanner(zip)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// asAlert wraps an audit line as analysisd does with option no_full_log unset.
func asAlert(t testing.TB, line string) *Alert {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"timestamp": "2026-11-24T14:39:31.266+0000", "id": "1795531171.6019439",
		"rule":    map[string]any{"level": 3, "id": "100611", "groups": []string{"vault"}},
		"agent":   map[string]any{"id": "001", "name": "vault-1"},
		"manager": map[string]any{"name": "m"}, "decoder": map[string]any{"name": "vault-audit"},
		"full_log": line, "location": "/var/log/vault_audit.log",
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestActorIsWhoReallyMadeTheRequest(t *testing.T) {
	logs, err := filepath.Glob("testdata/vault/*.raw.log.gz")
	if err != nil || len(logs) < 20 {
		t.Fatalf("recordings are missing: %d, %v", len(logs), err)
	}
	for _, log := range logs {
		name := strings.TrimSuffix(filepath.Base(log), ".raw.log.gz")
		t.Run(name, func(t *testing.T) {
			var known truth
			if err := json.Unmarshal([]byte(strings.Join(unzip(t, strings.Replace(log, ".raw.log.", ".truth.json.", 1)), "\n")), &known); err != nil {
				t.Fatal(err)
			}
			who := make(map[string]string)
			status := make(map[string]int)
			for _, request := range known.Requests {
				who[request.ID] = request.Who
				if request.Status != nil {
					status[request.ID] = *request.Status
				}
			}
			for _, line := range unzip(t, log) {
				record := asAlert(t, line).Record
				if record == nil || record.Path == "sys/audit/test" {
					continue
				}
				checkActor(t, known, who[record.RequestID], record)
				checkOutcome(t, status[record.RequestID], record)
			}
		})
	}
}

func checkActor(t *testing.T, known truth, name string, record *Record) {
	t.Helper()
	actor := record.Actor()
	if user, isLogin := strings.CutPrefix(name, "(login) "); isLogin {
		switch {
		case record.MountPoint == "" || record.Operation != "update": // nobody asked for a password there
		case record.Type == "request" && actor.Acting != ActingLogin:
			t.Errorf("login request of %s: acting %q", user, actor.Acting)
		case record.Type == "response" && record.Outcome() != Done && actor.Acting != ActingLogin:
			t.Errorf("refused login of %s: acting %q", user, actor.Acting)
		case record.Type == "response" && record.Outcome() == Done && record.Response.AuthDisplayName != "" && actor.Acting != ActingLoggedIn:
			t.Errorf("login of %s: acting %q", user, actor.Acting)
		}
		return
	}
	actual, ok := known.Actors[name]
	if !ok || actor.Acting == ActingInvalidToken || actor.Acting == ActingUnauthenticated {
		// Nobody, or a token that is no more: the log cannot tell whose it was.
		if actor.Accessor != "" {
			t.Errorf("%s %s by %q: accessor %q of nobody", record.Operation, record.Path, name, actor.Accessor)
		}
		return
	}
	if strings.Contains(actual.Kind, "batch") {
		if actor.Accessor != "" || actor.Acting != ActingToken && actor.Acting != ActingHeldBack {
			t.Errorf("batch token of %s: %+v", name, actor)
		}
		return
	}
	if actor.Accessor != actual.Accessor {
		t.Errorf("%s %s by %q: accessor %q, want %q (%+v)", record.Operation, record.Path, name, actor.Accessor, actual.Accessor, actor)
	}
}

// checkOutcome holds the record to the status that the client got.
func checkOutcome(t *testing.T, status int, record *Record) {
	t.Helper()
	outcome := record.Outcome()
	bad := outcome == Denied || outcome == Failed
	switch {
	case record.Type != "response" || status == 0:
	case status == 403 && outcome != Denied:
		t.Errorf("%s %s answered 403: outcome %q", record.Operation, record.Path, outcome)
	case status == 400 && !bad, status < 300 && outcome != Done:
		t.Errorf("%s %s answered %d: outcome %q", record.Operation, record.Path, status, outcome)
	}
}
