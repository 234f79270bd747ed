package wazuhapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of one order.
const (
	// MaxMessageBytes bounds the message as it reaches the agent. Above about 65.4 kB the manager drops it, and the
	// API answers 200 all the same.
	MaxMessageBytes = 60_000
	// MaxArguments bounds the number of arguments.
	MaxArguments = 64
	// MaxCommandBytes bounds the command: execd keeps a program's path, "active-response/bin/" included, in 256
	// characters (exec.c:159-190).
	MaxCommandBytes = 200
	// MaxAlertDepth bounds the nesting of the alert. The API decodes it recursively.
	MaxAlertDepth = 100
)

// envelopeBytes is more than all that the manager and execd put around the order: version, origin with a node's name,
// module, program.
const envelopeBytes = 1024

// ErrOrder is what every order that is refused before anything is sent wraps.
var ErrOrder = errors.New("the order cannot be sent")

// Order is what the agent's execd is to run.
type Order struct {
	// Command is "!name" for the program active-response/bin/name on the agent, or a name with its timeout as the
	// manager's etc/shared/ar.conf has it ("vault-seal0").
	Command string
	// Arguments reach the program as parameters.extra_args.
	Arguments []string
	// Alert reaches the program as parameters.alert, without members that are null (the API removes them). It is one
	// JSON object, or empty for none.
	Alert json.RawMessage
}

// body is the request's body. The API refuses keys that it does not know (400 "Invalid field found").
func (o Order) body() ([]byte, error) {
	if err := checkCommand(o.Command); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	if err := checkArguments(o.Arguments); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	alert, err := checkAlert(o.Alert)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err = enc.Encode(struct {
		Command   string          `json:"command"`
		Arguments []string        `json:"arguments,omitempty"`
		Alert     json.RawMessage `json:"alert,omitempty"`
	}{o.Command, o.Arguments, alert})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if n := agentBytes(body) + envelopeBytes; n > MaxMessageBytes {
		return nil, fmt.Errorf("%w: the agent's message could be %d bytes, at most %d are sure to arrive", ErrOrder, n, MaxMessageBytes)
	}
	return body, nil
}

// checkCommand holds the command to the API's own pattern, ^!?[\w\-.\\/:]+$ without ".." (api/validator.py:40,53),
// and to ASCII.
func checkCommand(command string) error {
	name := strings.TrimPrefix(command, "!")
	switch {
	case name == "":
		return errors.New("the command is empty")
	case len(command) > MaxCommandBytes:
		return fmt.Errorf("the command is of %d bytes, at most %d can be", len(command), MaxCommandBytes)
	case strings.Contains(command, ".."):
		return fmt.Errorf("the command %q has \"..\" in it", command)
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune(`_-.\/:`, rune(c)) {
			return fmt.Errorf("the command %q has a character that the API does not take", command)
		}
	}
	return nil
}

func checkArguments(arguments []string) error {
	if len(arguments) > MaxArguments {
		return fmt.Errorf("%d arguments, at most %d can be", len(arguments), MaxArguments)
	}
	for i, a := range arguments {
		if len(a) > MaxMessageBytes {
			return fmt.Errorf("argument %d is of %d bytes, the whole message has at most %d", i+1, len(a), MaxMessageBytes)
		}
		if !utf8.ValidString(a) {
			return fmt.Errorf("argument %d is not UTF-8", i+1)
		}
		if strings.IndexFunc(a, unicode.IsControl) >= 0 {
			return fmt.Errorf("argument %d has a control character", i+1)
		}
	}
	return nil
}

func checkAlert(alert json.RawMessage) (json.RawMessage, error) {
	if len(alert) == 0 {
		return nil, nil
	}
	if len(alert) > MaxMessageBytes {
		return nil, fmt.Errorf("the alert is of %d bytes, the whole message has at most %d", len(alert), MaxMessageBytes)
	}
	if !utf8.Valid(alert) {
		return nil, errors.New("the alert is not UTF-8")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, alert); err != nil {
		return nil, fmt.Errorf("the alert is not JSON: %w", err)
	}
	if b.Len() == 0 || b.Bytes()[0] != '{' {
		return nil, errors.New("the alert is not a JSON object")
	}
	if d := depth(b.Bytes()); d > MaxAlertDepth {
		return nil, fmt.Errorf("the alert is nested %d deep, at most %d can be", d, MaxAlertDepth)
	}
	return b.Bytes(), nil
}

// depth is how deep valid JSON is nested.
func depth(valid []byte) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(valid); i++ {
		switch c := valid[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// agentBytes is an upper bound of the length of the same JSON once the API has written it: Python puts a space behind
// each comma and colon, and writes what is not ASCII as \uXXXX, twice where it lies outside the basic plane.
func agentBytes(body []byte) int {
	n := 0
	for _, r := range string(body) {
		switch {
		case r > 0xFFFF:
			n += 12
		case r >= utf8.RuneSelf:
			n += 6
		case r == ',' || r == ':':
			n += 2
		default:
			n++
		}
	}
	return n
}
