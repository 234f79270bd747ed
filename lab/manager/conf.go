package manager

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// command is a <command> of ossec.conf.
type command struct {
	Name           string `xml:"name"`
	Executable     string `xml:"executable"`
	TimeoutAllowed string `xml:"timeout_allowed"`
	ExtraArgs      string `xml:"extra_args"`
}

// response is an <active-response> of ossec.conf. Without level, rules_id and rules_group it only registers its command: it never fires by itself.
type response struct {
	Disabled   string `xml:"disabled"`
	Command    string `xml:"command"`
	Location   string `xml:"location"`
	AgentID    string `xml:"agent_id"`
	Level      string `xml:"level"`
	RulesID    string `xml:"rules_id"`
	RulesGroup string `xml:"rules_group"`
	Timeout    int    `xml:"timeout"`

	registered string // its name in ar.conf
	extraArgs  []string
}

// conf is what the stand-in takes from ossec.conf beside <integration>.
type conf struct {
	commands  []command
	responses []response
}

// readConf reads <command> and <active-response>.
func readConf(text string) (c conf, err error) {
	d := xml.NewDecoder(strings.NewReader("<root>" + text + "</root>"))
	d.Strict = false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return c, c.register()
		}
		if err != nil {
			return c, fmt.Errorf("read ossec.conf: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "command":
			var element command
			if err := d.DecodeElement(&element, &start); err != nil {
				return c, fmt.Errorf("read <command>: %w", err)
			}
			c.commands = append(c.commands, element)
		case "active-response":
			var element response
			if err := d.DecodeElement(&element, &start); err != nil {
				return c, fmt.Errorf("read <active-response>: %w", err)
			}
			c.responses = append(c.responses, element)
		case "integration":
			if err := d.Skip(); err != nil {
				return c, fmt.Errorf("read <integration>: %w", err)
			}
		}
	}
}

// register names each response as ar.conf does: command and timeout without a gap (config/active-response.c:245).
func (c *conf) register() error {
	for i := range c.responses {
		r := &c.responses[i]
		if r.Command == "" {
			continue // a block that only says <disabled>
		}
		found := slices.IndexFunc(c.commands, func(k command) bool { return k.Name == r.Command })
		if found < 0 {
			return fmt.Errorf("<active-response> names command %q, which no <command> before it defines", r.Command)
		}
		k := c.commands[found]
		if k.TimeoutAllowed != "yes" {
			r.Timeout = 0
		}
		r.registered = r.Command + strconv.Itoa(r.Timeout)
		r.extraArgs = strings.Fields(k.ExtraArgs)
	}
	return nil
}

// arConf lists the lines of ar.conf: those that are always there, and those of the configuration.
func (c *conf) arConf() []string {
	lines := []string{
		"restart-ossec0 - restart-ossec.sh - 0", "restart-ossec0 - restart-ossec.cmd - 0",
		"restart-wazuh0 - restart-ossec.sh - 0", "restart-wazuh0 - restart-ossec.cmd - 0",
		"restart-wazuh0 - restart-wazuh - 0", "restart-wazuh0 - restart-wazuh.exe - 0",
	}
	for _, r := range c.responses {
		if r.registered == "" {
			continue
		}
		found := slices.IndexFunc(c.commands, func(k command) bool { return k.Name == r.Command })
		line := fmt.Sprintf("%s - %s - %d", r.registered, c.commands[found].Executable, r.Timeout)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// names lists the commands that the API accepts without "!".
func (c *conf) names() []string {
	names := []string{"restart-ossec0", "restart-wazuh0"}
	for _, r := range c.responses {
		if r.registered != "" {
			names = append(names, r.registered)
		}
	}
	return names
}
