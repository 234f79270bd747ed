package event

import (
	"fmt"
	"strings"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/identity"
)

// sentenceOf says in one sentence who did what to what, how it went, and what follows. It is read in a mail subject
// and on a phone.
func sentenceOf(in escalation.Input, decision escalation.Decision) string {
	var s strings.Builder
	if record := in.Alert.Record; record != nil {
		s.WriteString(actorWords(in.Identity))
		s.WriteByte(' ')
		s.WriteString(actWords(record))
		if record.RemoteAddress != "" {
			fmt.Fprintf(&s, " from %s", record.RemoteAddress)
		}
		if n := in.Seen.Requests; n > 1 {
			fmt.Fprintf(&s, "; %d requests on %d paths within a minute", n, in.Seen.Paths)
		}
	} else {
		s.WriteString(strings.TrimRight(in.Alert.Rule.Description, ". "))
	}
	s.WriteString(". ")
	s.WriteString(decisionWords(decision))
	return Visible(s.String())
}

func actorWords(id identity.Identity) string {
	name := id.Name()
	switch {
	case id.Rung == identity.RungNobody:
		return strings.ToUpper(name[:1]) + name[1:]
	case id.Confidence == identity.Unconfirmed:
		return fmt.Sprintf("%s (not confirmed: %s)", name, id.Why)
	case id.Confidence == identity.Recorded:
		return name + " (by the audit record)"
	case id.Token.State == identity.StateGone:
		return name + " (token is gone)"
	}
	return name
}

var verbs = map[string]string{
	"read": "read", "list": "listed", "create": "created", "update": "updated", "patch": "patched",
	"delete": "deleted", "help": "asked for help on",
}

func actWords(record *alert.Record) string {
	path := record.Path
	if path == "" {
		path = "(no path)"
	}
	verb, known := verbs[record.Operation]
	switch outcome := record.Outcome(); {
	case record.Login():
		return loginWords(outcome) + " at " + path
	case !known:
		return fmt.Sprintf("did %q on %s: %s", record.Operation, path, outcome)
	case outcome == alert.Denied:
		return fmt.Sprintf("was denied to %s %s", orElse(record.Operation, "act on"), path)
	case outcome == alert.Failed:
		return fmt.Sprintf("failed to %s %s", record.Operation, path)
	case outcome == alert.Asked:
		return fmt.Sprintf("asked to %s %s", record.Operation, path)
	default:
		return verb + " " + path
	}
}

func loginWords(outcome alert.Outcome) string {
	switch outcome {
	case alert.Asked:
		return "asked to log in"
	case alert.Denied, alert.Failed:
		return "failed to log in"
	}
	return "logged in"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func decisionWords(d escalation.Decision) string {
	switch {
	case len(d.Held) > 0:
		guards := make([]string, len(d.Held))
		for i, held := range d.Held {
			guards[i] = held.Guard
		}
		return fmt.Sprintf("Would %s by rule %s, held back by %s.", d.Wanted, d.Rule, strings.Join(guards, ", "))
	case d.Action > escalation.Notify && d.Alone:
		return fmt.Sprintf("Decided to %s by rule %s, on this signal alone.", d.Action, d.Rule)
	case d.Action > escalation.Notify:
		return fmt.Sprintf("Decided to %s by rule %s.", d.Action, d.Rule)
	}
	return fmt.Sprintf("Decided: %s.", d.Action)
}
