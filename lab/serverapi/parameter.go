package serverapi

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parameter is one parameter of the query that is checked before anything else happens.
type parameter struct {
	name string
	kind string // boolean, integer, array or string
	// lowest and highest bound an integer; schema is how a complaint shows it.
	lowest, highest int
	enum            []string
	schema          schema // of the value, or of an array's items
}

// queryParameters are those of all endpoints: a name means the same everywhere.
var queryParameters = []parameter{
	{name: "pretty", kind: "boolean"},
	{name: "wait_for_complete", kind: "boolean"},
	{name: "raw", kind: "boolean"},
	{name: "agents_list", kind: "array", schema: agentID},
	{name: "offset", kind: "integer", highest: 1<<31 - 1,
		schema: schema{{"type", "integer"}, {"format", "int32"}, {"default", 0}, {"minimum", 0}}},
	{name: "limit", kind: "integer", lowest: 1, highest: 100000,
		schema: schema{{"type", "integer"}, {"format", "int32"}, {"default", 500}, {"minimum", 1}, {"maximum", 100000}}},
	{name: "select", kind: "array", schema: schema{{"type", "string"}, {"format", "names"}}},
	{name: "status", kind: "array", enum: []string{"active", "pending", "never_connected", "disconnected"}, schema: schema{{"type", "string"}}},
	{name: "name", kind: "string", schema: schema{{"type", "string"}, {"format", "alphanumeric"}}},
	{name: "group", kind: "string", schema: schema{{"type", "string"}, {"description", "Group name"}, {"format", "group_names"}}},
}

// complaint says what is wrong with the parameter's value, in connexion's words, or nothing.
func (p parameter) complaint(query url.Values) string {
	values := query[p.name]
	if len(values) == 0 {
		return ""
	}
	value := values[len(values)-1]
	switch p.kind {
	case "boolean":
		if !isTrue(value) && !strings.EqualFold(value, "false") {
			return p.wrongType()
		}
	case "integer":
		return p.integer(value)
	case "string":
		if c := p.schema.best(value); c != nil {
			return c.whole(-1)
		}
	case "array":
		for i, item := range splitList(values) {
			if c := p.schema.best(item); c != nil {
				return c.whole(i)
			}
			if item = strings.ToLower(item); p.enum != nil && !slices.Contains(p.enum, item) { // uri_parser.py lowers a status first
				c := complaint{message: reprString(item) + " is not one of " + repr(texts(p.enum)), keyword: "enum", instance: item,
					schema: append(slices.Clone(p.schema), keyword{"enum", texts(p.enum)})}
				return c.whole(i)
			}
		}
	}
	return ""
}

func (p parameter) wrongType() string {
	return fmt.Sprintf("Wrong type, expected '%s' for query parameter '%s'", p.kind, p.name)
}

func (p parameter) integer(text string) string {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	switch c := (complaint{schema: p.schema, instance: n}); {
	case err != nil:
		return p.wrongType()
	case n < p.lowest:
		c.keyword, c.message = "minimum", fmt.Sprintf("%d is less than the minimum of %d", n, p.lowest)
		return c.whole(-1)
	case n > p.highest:
		c.keyword, c.message = "maximum", fmt.Sprintf("%d is greater than the maximum of %d", n, p.highest)
		return c.whole(-1)
	}
	return ""
}
