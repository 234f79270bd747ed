package sealing

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

const program = `"program":"active-response/bin/vault-seal"`

func TestMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line string
		want       Message
	}{
		{"from enrich", `{"version":1,"origin":{"name":"node01","module":"wazuh-execd"},"command":"add","parameters":{"extra_args":["plan=plan-7f.3_A"],"alert":{"data":{}},` + program + `}}`,
			Message{Do, "plan-7f.3_A", 0}},
		{"by a rule or by hand", `{"version":1,"origin":{"name":"","module":"wazuh-execd"},"command":"add","parameters":{"extra_args":[],"alert":{},` + program + `}}`, Message{Do, NoPlan, 0}},
		{"nothing but the command", `{"command":"add"}`, Message{Do, NoPlan, 0}},
		{"end of a registered response", `{"version":1,"command":"delete","parameters":{"extra_args":["plan=p"]}}`, Message{Undo, "p", 0}},
		{"Wazuh 5", `{"command":"enable","wazuh":{"active_response":{"extra_arguments":["plan=p","x"]}},"event":{}}`, Message{Do, "p", 1}},
		{"end, Wazuh 5", `{"command":"disable"}`, Message{Undo, NoPlan, 0}},
		{"spaces", "  { \"command\" : \"add\" , \"parameters\" : { \"extra_args\" : [ \"plan=p\" ] } } \r", Message{Do, "p", 0}},
		{"escapes in the command", `{"command":"\u0061dd"}`, Message{Do, NoPlan, 0}},

		// What switched the published article's script off: it took the first "command" that grep found.
		{"alert with a command, before", `{"parameters":{"alert":{"data":{"command":"delete"}},"extra_args":["plan=p"]},"command":"add"}`, Message{Do, "p", 0}},
		{"alert with a command, after", `{"command":"add","parameters":{"alert":{"command":"delete","extra_args":["plan=evil"],"command":"disable"},"command":"delete"}}`, Message{Do, NoPlan, 0}},
		{"alert with a command, quoted", `{"command":"add","parameters":{"alert":{"full_log":"\"command\":\"delete\""}}}`, Message{Do, NoPlan, 0}},
		{"other spellings", `{"Command":"delete","COMMAND":"delete","command":"add","Parameters":{"extra_args":["plan=evil"]}}`, Message{Do, NoPlan, 0}},
		{"alert that is not UTF-8", "{\"command\":\"add\",\"parameters\":{\"alert\":{\"data\":{\"path\":\"\xff\xfe\"}},\"extra_args\":[\"plan=p\"]}}", Message{Do, "p", 0}},
		{"alert with keys given twice", `{"command":"add","parameters":{"alert":{"a":1,"a":2}}}`, Message{Do, NoPlan, 0}},
		{"alert nested as deep as cJSON goes", `{"command":"add","parameters":{"alert":` + strings.Repeat("[", 990) + strings.Repeat("]", 990) + `}}`, Message{Do, NoPlan, 0}},

		{"arguments of other types", `{"command":"add","parameters":{"extra_args":[1,null,{"plan":"x"},["plan=x"],true,"plan=p",""]}}`, Message{Do, "p", 4}},
		{"arguments that are no list", `{"command":"add","parameters":{"extra_args":"x"}}`, Message{Do, NoPlan, 1}},
		{"parameters that are no object", `{"command":"add","parameters":[]}`, Message{Do, NoPlan, 0}},
		{"unknown arguments", `{"command":"add","parameters":{"extra_args":["plan=p","order=abc","-h"]}}`, Message{Do, "p", 2}},
		{"of two plans the first", `{"command":"add","parameters":{"extra_args":["plan=a","plan=b"]}}`, Message{Do, "a", 1}},
		{"plan with a newline", `{"command":"add","parameters":{"extra_args":["plan=a\nNov 24 15:04:05 h vault-seal: SUCCESS - x"]}}`, Message{Do, NoPlan, 1}},
		{"plan that is empty", `{"command":"add","parameters":{"extra_args":["plan="]}}`, Message{Do, NoPlan, 1}},
		{"plan that is too long", `{"command":"add","parameters":{"extra_args":["plan=` + strings.Repeat("a", 65) + `"]}}`, Message{Do, NoPlan, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseMessage([]byte(c.line))
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, line, why string }{
		{"nothing", "", "not a JSON object"},
		{"text", "hello", "not a JSON object"},
		{"list", `["add"]`, "not a JSON object"},
		{"cut", `{"command":"add","parameters":{"alert":{"a":"`, "not JSON"},
		{"something after it", `{"command":"add"} {"command":"delete"}`, "something follows"},
		{"no command", `{"version":1}`, "no command"},
		{"command is a number", `{"command":5}`, "no command"},
		{"command is null", `{"command":null}`, "execd's command is \"\""},
		{"command is a list", `{"command":["add"]}`, "no command"},
		{"two commands", `{"command":"add","command":"delete"}`, "twice"},
		{"two commands, one escaped", `{"command":"add","\u0063ommand":"add"}`, "twice"},
		{"two parameters", `{"command":"add","parameters":{},"parameters":{}}`, "twice"},
		{"two lists of arguments", `{"command":"add","parameters":{"extra_args":[],"extra_args":[]}}`, "twice"},
		{"other command", `{"command":"continue"}`, `execd's command is "continue"`},
		{"command in capitals", `{"command":"ADD"}`, `execd's command is "ADD"`},
		{"long command", `{"command":"` + strings.Repeat("a\\n", 1000) + `"}`, "known"},
		{"too deep", `{"command":"add","parameters":` + strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000) + `}`, "depth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseMessage([]byte(c.line))
			if err == nil {
				t.Fatalf("taken as %+v", got)
			}
			if !strings.Contains(err.Error(), c.why) || len(err.Error()) > 300 {
				t.Errorf("the error is %q; want one with %q, of bounded length", err, c.why)
			}
		})
	}
}

// execd.jsonl holds what the real wazuh-execd 4.14.4 wrote to a program's stdin.
func TestMessagesOfARealExecd(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/execd.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	seen := map[string]int{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var recorded struct{ Case, Stdin string }
		if err := json.Unmarshal(lines.Bytes(), &recorded); err != nil {
			t.Fatal(err)
		}
		m, err := ParseMessage([]byte(strings.TrimSuffix(recorded.Stdin, "\n")))
		switch {
		case strings.Contains(recorded.Stdin, `"command":"continue"`), strings.Contains(recorded.Stdin, `"command":"abort"`):
			// The second line, of a handshake that vault-seal does not begin.
			if err == nil {
				t.Errorf("%s: %s was taken as %+v", recorded.Case, recorded.Stdin, m)
			}
		case err != nil:
			t.Errorf("%s: %s: %v", recorded.Case, recorded.Stdin, err)
		default:
			seen[string(m.Action)]++
			if undo := strings.Contains(recorded.Stdin, `"command":"delete"`); undo != (m.Action == Undo) || m.Plan != NoPlan {
				t.Errorf("%s: %s was taken as %+v", recorded.Case, recorded.Stdin, m)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if seen["do"] < 10 || seen["undo"] < 3 {
		t.Errorf("the recordings held too little: %v", seen)
	}
}
