package serverapi

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// schema is the little of JSON Schema that the API's specification uses for these endpoints. Keywords are checked in the order of the
// specification, as jsonschema does: it decides which of several complaints is told.
type schema []keyword

type keyword struct {
	name  string
	value any
}

// complaint is jsonschema's ValidationError.
type complaint struct {
	message  string
	path     []string
	keyword  string
	schema   schema
	instance any
}

var (
	agentID = schema{{"type", "string"}, {"minLength", 3}, {"description", "Agent ID"}, {"format", "numbers"}}

	activeResponseBody = schema{{"type", "object"}, {"properties", properties{
		{"arguments", schema{{"type", "array"}, {"items", schema{{"type", "string"}}}}},
		{"command", schema{{"type", "string"}, {"format", "active_response_command"}}},
		{"alert", schema{{"type", "object"}, {"properties", properties{{"data", schema{{"type", "object"}}}}}}},
	}}, {"required", []string{"command"}}}

	eventsBody = schema{{"type", "object"}, {"properties", properties{
		{"events", schema{{"type", "array"}, {"items", schema{{"type", "string"}}}}},
	}}, {"required", []string{"events"}}}

	logtestBody = schema{{"type", "object"}, {"properties", properties{
		{"token", schema{{"type", "string"}}},
		{"log_format", schema{{"type", "string"}}},
		{"location", schema{{"type", "string"}}},
		{"event", schema{{"type", "string"}}},
	}}, {"required", []string{"event", "log_format", "location"}}}

	policyBody = schema{{"type", "object"}, {"properties", properties{
		{"name", schema{{"type", "string"}, {"maxLength", 64}, {"format", "names"}}},
		{"policy", schema{{"type", "object"}, {"properties", properties{
			{"actions", schema{{"type", "array"}, {"items", schema{{"type", "string"}}}}},
			{"resources", schema{{"type", "array"}, {"items", schema{{"type", "string"}}}}},
			{"effect", schema{{"type", "string"}}},
		}}, {"required", []string{"actions", "resources", "effect"}}}},
	}}, {"required", []string{"name", "policy"}}}

	roleBody = schema{{"type", "object"}, {"properties", properties{
		{"name", schema{{"type", "string"}, {"maxLength", 64}, {"format", "names"}}},
	}}, {"required", []string{"name"}}}

	userBody = schema{{"type", "object"}, {"properties", properties{
		{"username", schema{{"type", "string"}, {"minLength", 4}, {"maxLength", 64}, {"format", "names"}}},
		{"password", schema{{"type", "string"}, {"format", "password"}}},
	}}, {"required", []string{"username", "password"}}}
)

type properties []property

type property struct {
	name   string
	schema schema
}

// best is jsonschema's best_match: of the complaints with the shortest path the first.
func (s schema) best(v any) *complaint {
	var best *complaint
	for _, c := range s.check(v, nil) {
		if best == nil || len(c.path) < len(best.path) {
			best = c
		}
	}
	return best
}

func (s schema) check(v any, path []string) (found []*complaint) {
	complain := func(k keyword, format string, args ...any) {
		found = append(found, &complaint{message: fmt.Sprintf(format, args...), path: path, keyword: k.name, schema: s, instance: v})
	}
	for _, k := range s {
		switch want := k.value.(type) {
		case string:
			text, isText := v.(string)
			switch {
			case k.name == "type" && typeOf(v) != want:
				complain(k, "%s is not of type %s", repr(v), reprString(want))
			case k.name == "format" && isText && !hasFormat(text, want):
				complain(k, "%s is not a %s", repr(v), reprString(want))
			}
		case int:
			text, isText := v.(string)
			switch n := utf8.RuneCountInString(text); {
			case k.name == "minLength" && isText && n < want:
				complain(k, "%s is too short", repr(v))
			case k.name == "maxLength" && isText && n > want:
				complain(k, "%s is too long", repr(v))
			}
		case schema:
			if list, ok := v.([]any); ok && k.name == "items" {
				for i, item := range list {
					found = append(found, want.check(item, join(path, strconv.Itoa(i)))...)
				}
			}
		case properties:
			o, _ := v.(object)
			for _, p := range want {
				if member, ok := o.get(p.name); ok {
					found = append(found, p.schema.check(member, join(path, p.name))...)
				}
			}
		case []string:
			o, isObject := v.(object)
			for _, name := range want {
				if _, ok := o.get(name); isObject && !ok {
					complain(k, "%s is a required property", reprString(name))
				}
			}
		}
	}
	return found
}

func join(path []string, name string) []string {
	return append(append([]string(nil), path...), name)
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case number:
		if strings.ContainsAny(string(v), ".eEN") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

// withPath is how a complaint about a body is told.
func (c *complaint) withPath() string {
	if len(c.path) == 0 {
		return c.message
	}
	return fmt.Sprintf("%s - '%s'", c.message, strings.Join(c.path, "."))
}

// whole is how a complaint about a parameter of the query is told: jsonschema's long form on one line. index is -1 for what is no item of a list.
func (c *complaint) whole(index int) string {
	items, instance := "", ""
	if index >= 0 {
		items, instance = "['items']", fmt.Sprintf("[%d]", index)
	}
	return fmt.Sprintf("%s. Failed validating %s in schema%s: %s. On instance%s: %s",
		c.message, reprString(c.keyword), items, c.schema.repr(), instance, repr(c.instance))
}

// repr is pprint of the schema: keys in alphabetical order.
func (s schema) repr() string {
	keys := append(schema(nil), s...)
	sort.Slice(keys, func(i, j int) bool { return keys[i].name < keys[j].name })
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = reprString(k.name) + ": " + repr(k.value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

var (
	formatNumbers = regexp.MustCompile(`^\d+$`)
	formatNames   = regexp.MustCompile(`^[\w\-.%]+$`)
	// Where the pattern is not said to be of ASCII, a word's letters are those of every script.
	formatCommand      = regexp.MustCompile(`^!?[\p{L}\p{N}_\-.\\/:]+$`)
	formatAlphanumeric = regexp.MustCompile(`^[\p{L}\p{N}_,\-.+\s:]+$`)
	formatGroupNames   = regexp.MustCompile(`^[A-Za-z0-9.\-_]+$`)
)

// safePath is is_safe_path: a path that leads out of its folder is none. Of ".." within a name nothing is said.
func safePath(path string) bool {
	for _, forbidden := range []string{"../", `..\`, "/..", `\..`} {
		if strings.Contains(path, forbidden) {
			return false
		}
	}
	return strings.TrimLeft(path, "/") != ".."
}

// hasFormat is api/api/validator.py.
func hasFormat(text, format string) bool {
	switch format {
	case "numbers":
		return formatNumbers.MatchString(text)
	case "names":
		return formatNames.MatchString(text)
	case "active_response_command":
		return safePath(text) && formatCommand.MatchString(text)
	case "alphanumeric":
		return formatAlphanumeric.MatchString(text)
	case "group_names":
		return formatGroupNames.MatchString(text) && text != "." && text != ".." && text != "all"
	}
	return true
}
