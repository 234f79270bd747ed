package integratord

import (
	"errors"
	"fmt"
	"strings"

	"custom-vault/lab/osregex"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/osxml"
	"custom-vault/lab/release"
)

// Integration is one <integration> block. The zero value of a filter lets everything pass.
type Integration struct {
	Name          string
	HookURL       string
	APIKey        string
	Level         int
	Group         string // comma list, compared exactly and not trimmed
	RuleIDs       []int
	EventLocation string // OSMatch pattern
	AlertFormat   string // begins with "json", or else a text of key='value' lines
	MaxLog        int    // 165 to 1024, for the text form; 0 means 165
	Options       string
	Timeout       *int // seconds, handed over as an argument only; nil means 10
	Retries       *int // handed over as an argument only; nil means 3

	// present has the elements that stood in the file, also those without content: an empty <group> lets nothing pass, and empty <options> are
	// handed over.
	present map[string]bool
}

// has says whether an element was given.
func (b *Integration) has(element, value string) bool { return value != "" || b.present[element] }

const (
	defaultMaxLog  = 165
	defaultTimeout = 10
	defaultRetries = 3
)

// ErrConfig is returned when integratord would not start with its configuration.
var ErrConfig = errors.New("configuration error at 'etc/ossec.conf'")

// LoadConfig reads the <integration> blocks of a piece of ossec.conf for one release, logging as the daemon does. Other elements of the text are
// another daemon's and are passed over.
func LoadConfig(text string, r release.Release, log osseclog.Logger) ([]Integration, error) {
	roots, err := osxml.Read([]byte("<ossec_config>" + text + "</ossec_config>"))
	var fault *osxml.Error
	if errors.As(err, &fault) {
		log.Error("config.c:372 at ReadConfig()", "(1226): Error reading XML file 'etc/ossec.conf': %s (line %d).", fault.Text, fault.Line)
	}
	if err != nil {
		log.Critical("main.c:111 at main()", "(1202): Configuration error at 'etc/ossec.conf'.")
		return nil, fmt.Errorf("read <integration>: %w: %w", ErrConfig, err)
	}
	blocks, invalid := readBlocks(roots, r)
	if invalid != "" {
		log.Error("integrator-config.c:216 at Read_Integrator()", "%s", invalid)
		log.Error("config.c:100 at ReadConfig()", "(1202): Configuration error at 'etc/ossec.conf'.")
		log.Critical("main.c:111 at main()", "(1202): Configuration error at 'etc/ossec.conf'.")
		return nil, fmt.Errorf("read <integration>: %s: %w", invalid, ErrConfig)
	}
	return blocks, nil
}

// readBlocks reads the blocks wherever they stand; invalid is what the daemon says of the first fault.
func readBlocks(elements []*osxml.Element, r release.Release) (blocks []Integration, invalid string) {
	for _, e := range elements {
		if e.Name != "integration" {
			inner, invalid := readBlocks(e.Children, r)
			if invalid != "" {
				return nil, invalid
			}
			blocks = append(blocks, inner...)
			continue
		}
		block := Integration{}
		for _, child := range e.Children {
			if invalid := block.set(child.Name, child.Content, r); invalid != "" {
				return nil, invalid
			}
		}
		if !block.present["name"] {
			return nil, "(5302): Invalid integratord configuration."
		}
		blocks = append(blocks, block)
	}
	return blocks, ""
}

// set takes one element, or says what is wrong with it: the release does not know it, or does not take its value (integrator-config.c). What was
// given twice counts as given last, but rule ids add up.
func (b *Integration) set(element, value string, r release.Release) (invalid string) {
	ok := true
	switch element {
	case "name":
		b.Name = value
	case "hook_url":
		b.HookURL = value
	case "api_key":
		b.APIKey = value
	case "level":
		b.Level, ok = digits(value)
	case "group":
		b.Group = value
	case "rule_id":
		ids, some := ruleIDs(value)
		if !some {
			return "" // as if the element were not there
		}
		b.RuleIDs = append(b.RuleIDs, ids...)
	case "event_location":
		if _, err := osregex.CompileMatch(value); err != nil {
			return fmt.Sprintf("(1450): Syntax error on regex: '%s': %v.", value, err)
		}
		b.EventLocation = value
	case "alert_format":
		b.AlertFormat = value
	case "max_log":
		b.MaxLog, ok = digits(value)
		ok = ok && b.MaxLog >= 165 && b.MaxLog <= 1024
	case "options":
		if !r.AtLeast(7, 0) {
			return invalidElement(element)
		}
		b.Options = value
	case "timeout", "retries":
		if !r.AtLeast(8, 0) {
			return invalidElement(element)
		}
		var n int
		n, ok = digits(value)
		if element == "timeout" {
			b.Timeout = &n
		} else {
			b.Retries = &n
		}
	default:
		return invalidElement(element)
	}
	if !ok {
		return fmt.Sprintf("(1235): Invalid value for element '%s': %s.", element, value)
	}
	if b.present == nil {
		b.present = make(map[string]bool)
	}
	b.present[element] = true
	return ""
}

func invalidElement(element string) string {
	return fmt.Sprintf("(1230): Invalid element in the configuration: '%s'.", element)
}

// digits reads a number as OS_StrIsNum and atoi do: nothing but digits, no text being 0.
func digits(text string) (int, bool) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	return leadingNumber(text), true
}

// ruleIDs reads a list of ids as the daemon does: blanks and commas may stand anywhere, what follows an id up to the next comma is passed over, and
// anything else ends the list. some is false for a list without an id.
func ruleIDs(text string) (ids []int, some bool) {
	for text != "" {
		switch c := text[0]; {
		case c == ' ' || c == ',':
			text = text[1:]
		case c >= '0' && c <= '9':
			if id := leadingNumber(text); id != 0 {
				ids = append(ids, id) // 0 marks the list's end in the daemon's memory
			}
			some = true
			_, text, _ = strings.Cut(text, ",")
		default:
			return ids, some
		}
	}
	return ids, some
}

func (b *Integration) maxLog() int {
	if b.MaxLog == 0 {
		return defaultMaxLog
	}
	return b.MaxLog
}

func orDefault(n *int, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return *n
}
