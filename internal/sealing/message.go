package sealing

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Action is what a message wants.
type Action string

// Actions.
const (
	Do   Action = "do"   // "add", of Wazuh 5 "enable"
	Undo Action = "undo" // "delete", of Wazuh 5 "disable": sent when a registered response's timeout has passed
)

// NoPlan stands for the plan of an order that names none: a Wazuh rule's, or a person's through the API.
const NoPlan = "none"

// Message is what execd asks for.
type Message struct {
	Action Action
	Plan   string // the plan that this run is a step of, or NoPlan
	// Ignored counts the arguments that mean nothing here.
	Ignored int
}

// ParseMessage reads the line that execd writes. Its command is the one at the top of the object, spelt exactly so
// and given once; whatever the alert below it holds is never looked at, and nested deeper than encoding/json goes
// (10,000) it is an error. Of the arguments only plan=ID has a meaning; one that is malformed is ignored, because an
// order to seal should not fail for its label.
func ParseMessage(line []byte) (Message, error) {
	top, err := members(line)
	if err != nil {
		return Message{}, fmt.Errorf("the line on stdin is not execd's: %w", err)
	}
	m := Message{Plan: NoPlan}
	var command string
	if err := json.Unmarshal(top["command"], &command); err != nil {
		return Message{}, errors.New("the line on stdin is not execd's: it has no command that is a text")
	}
	switch command {
	case "add", "enable":
		m.Action = Do
	case "delete", "disable":
		m.Action = Undo
	default:
		return Message{}, fmt.Errorf("execd's command is %.40q: add, delete, enable and disable are known", command)
	}
	arguments, err := arguments(top)
	if err != nil {
		return Message{}, fmt.Errorf("the line on stdin is not execd's: %w", err)
	}
	m.obey(arguments)
	return m, nil
}

// obey takes the arguments' meaning. Of two plans the first counts.
func (m *Message) obey(arguments []json.RawMessage) {
	for _, raw := range arguments {
		var text string
		err := json.Unmarshal(raw, &text)
		plan, isPlan := strings.CutPrefix(text, "plan=")
		switch {
		case err == nil && text == "": // execd passes on empty ones
		case isPlan && m.Plan == NoPlan && isLabel(plan):
			m.Plan = plan
		default:
			m.Ignored++
		}
	}
}

// arguments finds them where Wazuh 4 puts them, parameters.extra_args, or Wazuh 5, wazuh.active_response.extra_arguments
// (read in the source of 5.0.0-beta4, not seen running). Anything else in their place is one argument, to be ignored.
func arguments(top map[string]json.RawMessage) ([]json.RawMessage, error) {
	found, err := descend(top, "parameters", "extra_args")
	if err == nil && found == nil {
		found, err = descend(top, "wazuh", "active_response", "extra_arguments")
	}
	if err != nil || found == nil {
		return nil, err
	}
	var list []json.RawMessage
	if json.Unmarshal(found, &list) != nil {
		list = []json.RawMessage{found}
	}
	return list, nil
}

// descend follows names through objects; nil if something on the way is missing or no object.
func descend(object map[string]json.RawMessage, names ...string) (json.RawMessage, error) {
	found := object[names[0]]
	switch {
	case len(names) == 1:
		return found, nil
	case !bytes.HasPrefix(found, []byte("{")):
		return nil, nil
	}
	inner, err := members(found)
	if err != nil {
		return nil, err
	}
	return descend(inner, names[1:]...)
}

// members takes an object apart. encoding/json into a struct would take "Command" for "command", and the last of two
// for the one that is meant; here names are exact, and a name given twice is an error.
func members(object []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("it is not a JSON object")
	}
	found := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
		name, ok := token.(string)
		if !ok {
			return nil, errors.New("it is not JSON")
		}
		if _, twice := found[name]; twice {
			return nil, fmt.Errorf("the key %.40q is there twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
		found[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return found, nil
}
