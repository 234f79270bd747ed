package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxFrame is the longest datagram that analysisd receives whole, in bytes. It cuts longer ones without a word
	// (os_net.c:522-536).
	MaxFrame = 65535
	// MaxHeader is the most that Frame puts before a body, so that a body of MaxFrame-MaxHeader bytes always fits.
	MaxHeader = 352
	// Location is what the alerts about our events have as their location.
	Location = "custom-vault"

	maxNameBytes = 128 // authd's own bound for agent names
	maxIDDigits  = 9
	manager      = "000"
)

// What Frame can refuse.
var (
	ErrTooLong = errors.New("the event is too long for analysisd's socket")
	ErrBody    = errors.New("the event is not one line of JSON that begins with {\"")
	ErrAgentID = errors.New("the agent's id is not a number")
)

// AgentRef is the agent in whose name an event is published. The zero value and id 000 are the manager.
type AgentRef struct {
	ID, Name, IP string
}

// Dialect is how analysisd reads the header.
type Dialect int

// The dialects.
const (
	// Escaped is 4.4 and later: | escapes | and : (cleanevent.c:44-51).
	Escaped Dialect = iota
	// Plain is 4.3: the first colon ends the location, and nothing escapes it.
	Plain
)

// DialectOf is the dialect of a Wazuh version, written "4.3.11", "v4.3.11" or "Wazuh v4.3.11". What cannot be read
// counts as a version of today.
func DialectOf(version string) Dialect {
	version = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(version), "Wazuh "), "v")
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return Escaped
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 == nil && err2 == nil && major == 4 && minor <= 3 {
		return Plain
	}
	return Escaped
}

// Frame is the datagram for one event: "1:[001] (vault-1) any->custom-vault:{…}", or "1:custom-vault:{…}" for the
// manager.
//
// An agent's name comes from alerts and is not trusted: characters with which it could end its place in the header
// become "_", and it is cut at 128 bytes. An address that is none becomes "any", as real agents have it. It refuses
// with ErrAgentID, ErrBody or ErrTooLong.
func Frame(agent AgentRef, body []byte, dialect Dialect) ([]byte, error) {
	if err := checkBody(body); err != nil {
		return nil, err
	}
	head := "1:" + Location + ":"
	if agent.ID != "" && agent.ID != manager {
		if !isID(agent.ID) {
			return nil, fmt.Errorf("%w: %.20q", ErrAgentID, agent.ID)
		}
		name, ip := safeName(agent.Name), safeIP(agent.IP)
		if dialect == Plain {
			name = strings.ReplaceAll(name, ":", "_")
			if strings.Contains(ip, ":") {
				ip = "any"
			}
		} else {
			name, ip = escape(name), escape(ip)
		}
		head = "1:[" + agent.ID + "] (" + name + ") " + ip + "->" + Location + ":"
	}
	if n := len(head) + len(body); n > MaxFrame {
		return nil, fmt.Errorf("%w: %d bytes with its header, at most %d are received", ErrTooLong, n, MaxFrame)
	}
	frame := make([]byte, 0, len(head)+len(body))
	return append(append(frame, head...), body...), nil
}

// checkBody wants what Wazuh's json decoder takes (prematch ^{\s*", 0006-json_decoders.xml), on one line and without
// NUL, which would end it.
func checkBody(body []byte) error {
	if len(body) > MaxFrame {
		return fmt.Errorf("%w: %d bytes, at most %d are received", ErrTooLong, len(body), MaxFrame)
	}
	if len(body) < 2 || body[0] != '{' || body[1] != '"' || !utf8.Valid(body) || !json.Valid(body) {
		return ErrBody
	}
	for _, c := range body {
		if c < ' ' {
			return fmt.Errorf("%w: a control character", ErrBody)
		}
	}
	return nil
}

func isID(id string) bool {
	if len(id) < 3 || len(id) > maxIDDigits {
		return false
	}
	for _, c := range []byte(id) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func safeName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune("()[]<>", r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if len(name) > maxNameBytes {
		name = name[:maxNameBytes]
		for !utf8.ValidString(name) {
			name = name[:len(name)-1]
		}
	}
	if name == "" {
		return "_"
	}
	return name
}

// safeIP is the address if it is one. A zone is not: it can be any text.
func safeIP(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" {
		return "any"
	}
	return a.String()
}

func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "|", "||"), ":", "|:")
}
