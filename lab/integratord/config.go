package integratord

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"custom-vault/lab/osseclog"
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
}

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
	blocks, invalid, err := readBlocks(text, r)
	if err != nil {
		log.Critical("integrator-config.c:40 at OS_ReadIntegratorConf()", "(1202): Configuration error at 'etc/ossec.conf'.")
		return nil, fmt.Errorf("read <integration>: %w", err)
	}
	if invalid != "" {
		log.Error("integrator-config.c:216 at Read_Integrator()", "(1230): Invalid element in the configuration: '%s'.", invalid)
		log.Error("config.c:100 at ReadConfig()", "(1202): Configuration error at 'etc/ossec.conf'.")
		log.Critical("main.c:111 at main()", "(1202): Configuration error at 'etc/ossec.conf'.")
		return nil, fmt.Errorf("element <%s>: %w", invalid, ErrConfig)
	}
	return blocks, nil
}

func readBlocks(text string, r release.Release) (blocks []Integration, invalid string, err error) {
	d := xml.NewDecoder(strings.NewReader("<root>" + text + "</root>"))
	d.Strict = false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return blocks, "", nil
		}
		if err != nil {
			return nil, "", err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "integration" {
			continue
		}
		block, invalid, err := readBlock(d, r)
		if err != nil || invalid != "" {
			return nil, invalid, err
		}
		blocks = append(blocks, block)
	}
}

func readBlock(d *xml.Decoder, r release.Release) (block Integration, invalid string, err error) {
	for {
		token, err := d.Token()
		if err != nil {
			return block, "", err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return block, "", nil
		case xml.StartElement:
			var value string
			if err := d.DecodeElement(&value, &t); err != nil {
				return block, "", err
			}
			if !block.set(t.Name.Local, value, r) {
				return block, t.Name.Local, nil
			}
		}
	}
}

// set is false for an element that the release does not know, or a value that it does not take.
func (b *Integration) set(element, value string, r release.Release) bool {
	number := func(lowest, highest int) (int, bool) {
		n, err := strconv.Atoi(value)
		return n, err == nil && n >= lowest && n <= highest
	}
	ok := true
	switch element {
	case "name":
		b.Name = value
	case "hook_url":
		b.HookURL = value
	case "api_key":
		b.APIKey = value
	case "level":
		b.Level, ok = number(0, 16)
	case "group":
		b.Group = value
	case "rule_id":
		for _, id := range strings.Split(value, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(id))
			if err != nil {
				return false
			}
			b.RuleIDs = append(b.RuleIDs, n)
		}
	case "event_location":
		b.EventLocation = value
	case "alert_format":
		b.AlertFormat = value
	case "max_log":
		b.MaxLog, ok = number(165, 1024)
	case "options":
		b.Options, ok = value, r.AtLeast(7, 0)
	case "timeout", "retries":
		n, inRange := number(0, 1<<31-1)
		if element == "timeout" {
			b.Timeout = &n
		} else {
			b.Retries = &n
		}
		ok = inRange && r.AtLeast(8, 0)
	default:
		ok = false
	}
	return ok
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
