package oracle

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing/fstest"

	"custom-vault/lab/analysisd"
)

// body rebuilds a request's body. A long one is recorded by its beginning and its length.
func (r *apiRequest) body(about string) string {
	if r.Body != nil {
		return *r.Body
	}
	if r.BodyBytes == 0 {
		return ""
	}
	if sizes := sizesIn(about); strings.HasPrefix(r.Path, "/events") && len(sizes) > 0 {
		var events []string
		for _, n := range sizes {
			events = append(events, strings.Repeat("x", n))
		}
		data, err := json.Marshal(events)
		if err != nil {
			return ""
		}
		return `{"events": ` + strings.ReplaceAll(string(data), `","`, `", "`) + "}"
	}
	return stretch(r.BodyHead, closing(r.BodyHead), r.BodyBytes)
}

func sizesIn(about string) (sizes []int) {
	for _, text := range regexp.MustCompile(`\d{4,}`).FindAllString(about, -1) {
		n, err := strconv.Atoi(text)
		if err == nil {
			sizes = append(sizes, n)
		}
	}
	return sizes
}

// closing is what ends the JSON that a text begins, which breaks off within a string.
func closing(head string) string {
	end, inString := "", false
	for i := 0; i < len(head); i++ {
		switch c := head[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && c == '{':
			end = "}" + end
		case !inString && c == '[':
			end = "]" + end
		case !inString && (c == '}' || c == ']'):
			end = end[1:]
		}
	}
	return `"` + end
}

// masks takes out of an answer what differs between two runs of the same API: tokens, the clock, the offset in an alert's id, and a logtest
// session's name. All else is compared byte by byte.
func masks(body string) string {
	body = jsonWebToken.ReplaceAllString(body, "<token>")
	body = clockText.ReplaceAllString(body, "<time>")
	body = alertID.ReplaceAllString(body, `"id": "<id>"`)
	if found := sessionName.FindStringSubmatch(body); found != nil {
		body = strings.ReplaceAll(body, found[1], "<session>")
	}
	return body
}

var (
	jsonWebToken = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)
	clockText    = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)`)
	alertID      = regexp.MustCompile(`"id": "\d{6,}\.\d+"`)
	sessionName  = regexp.MustCompile(`Session initialized with token '([0-9a-f]+)'`)
	cutBody      = regexp.MustCompile(`…\((\d+)( bytes)?\)$`)
)

// compareBodies compares a recorded body with the lab's. The fields of an agent come in the order of a Python set, which is another in each process:
// there the members' order is not compared.
func compareBodies(want, got string, agents bool) string {
	if found := cutBody.FindStringSubmatch(want); found != nil {
		head := strings.TrimSuffix(want, found[0])
		if n, err := strconv.Atoi(found[1]); err == nil && n != len(got) {
			return fmt.Sprintf("body: the lab's is %d bytes long, the recorded one %d", len(got), n)
		}
		want, got = head, got[:min(len(head), len(got))]
	}
	want, got = masks(want), masks(got)
	if agents {
		want, got = sorted(want), sorted(got)
	}
	return linesDiff("body", []string{want}, []string{got})
}

// lengthOf is a content-length beside the length of the body, where the body is there whole: a clock or offset in it may have more or fewer digits.
// Of a token only the length is compared.
func lengthOf(header, body string) string {
	n, err := strconv.Atoi(header)
	if err != nil || cutBody.MatchString(body) || len(body) > longBody {
		return header
	}
	if masked := jsonWebToken.ReplaceAllString(body, "<token>"); strings.Contains(masked, "<token>") {
		return fmt.Sprintf("%d with its token", n)
	}
	return fmt.Sprintf("%d more than the body", n-len(body))
}

// longBody is the length up to which a body was recorded whole.
const longBody = 3000

func sorted(body string) string {
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	data, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return string(data)
}

// minimalRules stands in where the recordings of the engine are not at hand.
func minimalRules() analysisd.Sources {
	return analysisd.Sources{
		Files: fstest.MapFS{
			"decoders/unused.xml": {Data: []byte(`<decoder name="unused"><program_name>^unused$</program_name></decoder>`)},
			"rules/unused.xml":    {Data: []byte(`<group name="unused,"><rule id="200000" level="0"><decoded_as>unused</decoded_as><description>unused</description></rule></group>`)},
		},
		DecoderDirs: []string{"decoders"}, RuleDirs: []string{"rules"}, Stock: true,
	}
}
