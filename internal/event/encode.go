package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxBody is the longest event, in bytes: analysisd takes 65,535 with the header, which holds the agent's id, name
// and address, and cuts without a word (os_net.c: OS_RecvUnix).
const MaxBody = 64_000

// Bounds on single values, in bytes and items.
const (
	maxText = 2048
	maxItem = 256
	maxList = 64
)

// shortenings are left out one after the other, the least needed first, until an event is short enough.
var shortenings = []struct {
	name string
	drop func(*Event)
}{
	{"actor.token.metadata", func(e *Event) { withActor(e, func(a *Actor) { a.Token.Metadata = nil }) }},
	{"actor.entity.metadata", func(e *Event) { withEntity(e, func(n *Entity) { n.Metadata = nil }) }},
	{"actor.entity.groups", func(e *Event) { withEntity(e, func(n *Entity) { n.Groups = nil }) }},
	{"actor.policies.identity", func(e *Event) { withActor(e, func(a *Actor) { a.Policies.Identity = nil }) }},
	{"actor.policies.token", func(e *Event) { withActor(e, func(a *Actor) { a.Policies.Token = nil }) }},
	{"actor.entity.aliases", func(e *Event) { withEntity(e, func(n *Entity) { n.Aliases = nil }) }},
	{"response.nodes", func(e *Event) {
		if e.Response != nil {
			e.Response.Nodes = nil
		}
	}},
	{"actor.policies.all", func(e *Event) { withActor(e, func(a *Actor) { a.Policies.All = nil }) }},
	{"actor.powers", func(e *Event) { withActor(e, func(a *Actor) { a.Powers = nil }) }},
	{"request.user_agent", func(e *Event) {
		if e.Request != nil {
			e.Request.UserAgent = ""
		}
	}},
	{"rule.description", func(e *Event) {
		if e.Rule != nil {
			e.Rule.Description = ""
		}
	}},
}

func withActor(e *Event, change func(*Actor)) {
	if e.Actor != nil {
		change(e.Actor)
	}
}

func withEntity(e *Event, change func(*Entity)) {
	if e.Actor != nil && e.Actor.Entity != nil {
		change(e.Actor.Entity)
	}
}

// Encode returns the event as the one line of JSON that analysisd's json decoder takes: it begins with {" and is at
// most MaxBody long. What an event holds too much of is left out by whole fields, and named in shortened.
func (e Event) Encode() ([]byte, error) {
	e = e.bounded()
	body, err := marshal(e)
	for i := 0; err == nil && len(body) > MaxBody; i++ {
		if i == len(shortenings) {
			return nil, fmt.Errorf("event %s is %d bytes long with all that can be left out left out, at most %d", e.ID, len(body), MaxBody)
		}
		shortenings[i].drop(&e)
		e.Shortened = append(e.Shortened, shortenings[i].name)
		body, err = marshal(e)
	}
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	return body, nil
}

type envelope struct {
	Integration string `json:"integration"`
	Event       Event  `json:"custom_vault"`
}

func marshal(e Event) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // "<" is one character, not six
	if err := encoder.Encode(envelope{Integration: "custom-vault", Event: e}); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// bounded returns a deep copy whose every text is short, valid, and of one type for analysisd.
func (e Event) bounded() Event {
	e.AlertID, e.Cluster, e.Manager = item(e.AlertID), item(e.Cluster), item(e.Manager)
	e.Agent = Agent{ID: item(e.Agent.ID), Name: item(e.Agent.Name), IP: item(e.Agent.IP)}
	e.Sentence, e.Incident = text(e.Sentence), item(e.Incident)
	e.Rule = changed(e.Rule, func(r *Rule) { r.ID, r.Description = item(r.ID), text(r.Description) })
	e.Actor = changed(e.Actor, boundActor)
	e.Request = changed(e.Request, func(r *Request) {
		r.ID, r.Time, r.Operation, r.Path = item(r.ID), item(r.Time), item(r.Operation), text(r.Path)
		r.Outcome, r.RemoteAddress, r.UserAgent = item(r.Outcome), item(r.RemoteAddress), text(r.UserAgent)
	})
	e.Decision = changed(e.Decision, func(d *Decision) {
		d.Rule, d.Reasons, d.Held = item(d.Rule), texts(d.Reasons), texts(d.Held)
	})
	e.Response = changed(e.Response, func(r *Response) {
		r.Plan, r.State, r.Detail, r.Nodes, r.Ordered = item(r.Plan), item(r.State), text(r.Detail), items(r.Nodes), item(r.Ordered)
	})
	e.Gap = changed(e.Gap, func(g *Gap) { g.Source, g.File, g.Reason = item(g.Source), text(g.File), text(g.Reason) })
	return e
}

func boundActor(a *Actor) {
	a.Name, a.Why, a.Accessor, a.AccessorHash = item(a.Name), item(a.Why), item(a.Accessor), item(a.AccessorHash)
	t := &a.Token
	t.Type, t.DisplayName, t.Path, t.Metadata = item(t.Type), item(t.DisplayName), text(t.Path), items(t.Metadata)
	a.Policies = Policies{All: items(a.Policies.All), Token: items(a.Policies.Token), Identity: items(a.Policies.Identity)}
	a.Powers = items(a.Powers)
	a.Entity = changed(a.Entity, func(n *Entity) {
		n.ID, n.Name = item(n.ID), item(n.Name)
		n.Aliases, n.Groups, n.Metadata = items(n.Aliases), items(n.Groups), items(n.Metadata)
	})
}

func changed[T any](v *T, change func(*T)) *T {
	if v == nil {
		return nil
	}
	c := *v
	change(&c)
	return &c
}

func text(s string) string { return settled(s, maxText) }
func item(s string) string { return settled(s, maxItem) }

func texts(list []string) []string { return each(list, text) }
func items(list []string) []string { return each(list, item) }

func each(list []string, bound func(string) string) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(list), maxList))
	for i, s := range list {
		if i == maxList-1 && len(list) > maxList {
			return append(out, fmt.Sprintf("… and %d more", len(list)-i))
		}
		out = append(out, bound(s))
	}
	return out
}

// settled makes text of at most n bytes that keeps its type: a value that begins with "[" and parses as JSON would come
// out of analysisd as an array (string_op.c:186), and the indexer would refuse the alert; a blank before it prevents
// that. A NUL would end the event.
func settled(s string, n int) string {
	const mark = "…"
	long := len(s) > 4*n
	if long { // bound the work below, too
		s = s[:4*n]
	}
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "�"), "�")
	if strings.HasPrefix(s, "[") {
		s = " " + s
	}
	if len(s) <= n && !long {
		return s
	}
	cut := min(len(s), n-len(mark))
	for cut > 0 && cut < len(s) && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}

// Visible writes every character that does not show itself (control characters, escape sequences, marks that turn
// the writing direction) as a Go escape, so that text from an alert cannot move a cursor or hide a word.
func Visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var out strings.Builder
	for _, r := range s {
		if hidden(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// VisibleJSON does the same for JSON, whose value stays the same: encoding/json escapes what is below a blank and no
// more, yet U+009B alone begins an escape sequence, and U+202E turns the rest of the line.
func VisibleJSON(text []byte) []byte {
	if bytes.IndexFunc(text, hiddenInJSON) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for _, r := range string(text) {
		switch {
		case !hiddenInJSON(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }

// hiddenInJSON leaves alone what is below a blank: it stands between the values only.
func hiddenInJSON(r rune) bool { return r >= ' ' && hidden(r) }
