package snippets

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"custom-vault/lab/osxml"
)

// Finding is something that is wrong with a snippet, with the file that it stands in.
type Finding struct {
	File, Text string
}

func (f Finding) String() string { return f.File + ": " + f.Text }

// The ids that the project uses (docs/detections.md). The range 100000 to 120000 is Wazuh's for custom rules.
const (
	firstID = 100600
	lastID  = 100899
)

// techniques are the ATT&CK techniques that rules name, each looked up in ATT&CK 13, the version that
// Wazuh 4.14 carries: an id that is not in it is a warning at start and an alert without a mitre block.
// T1555.006, for one, came with version 14.
var techniques = []string{
	"T1021.004", "T1059", "T1069", "T1070", "T1078", "T1078.001", "T1098", "T1098.001", "T1110.001", "T1136", "T1485", "T1484.002", "T1489",
	"T1490", "T1499", "T1505", "T1526", "T1528", "T1531", "T1537", "T1550.001", "T1552", "T1552.004", "T1555", "T1556", "T1556.006",
	"T1562.001", "T1562.006", "T1562.008", "T1565.001", "T1606", "T1649",
}

// anchored are the fields whose values are a closed set or a path from the root: a pattern that is not
// anchored matches values that its author did not think of ("update" in "sys/updates").
var anchored = regexp.MustCompile(`^(type|request\.operation|request\.mount_type|request\.mount_class|vault_level|vault_seal_level|integration|` +
	`custom_vault\.event|custom_vault\.decision\.action|custom_vault\.response\.state|auth\.policy_results\.allowed)$`)

// Lint looks for what analysisd refuses, silently ignores, or understands differently from how it reads.
func (p *Pack) Lint() ([]Finding, error) {
	var out []Finding
	out = append(out, p.lintOrder()...)
	for _, r := range p.Rules {
		texts := lintRule(r)
		if r.Level == 0 && childText(r.Element, "decoded_as") == "" && !p.hasFallback(r.ID) {
			texts = append(texts, "level 0 silences what it matches, because none of its children takes everything")
		}
		for _, text := range texts {
			out = append(out, Finding{r.File, fmt.Sprintf("rule %d: %s", r.ID, text)})
		}
	}
	out = append(out, p.lintDecoders()...)
	text, err := p.lintTexts()
	if err != nil {
		return nil, err
	}
	out = append(out, text...)
	blocks, err := p.lintConfig()
	return append(out, blocks...), err
}

// lintOrder checks ids and that every parent is loaded before its child: analysisd leaves out a rule
// whose parent it does not know yet, with one warning (rules_list.c:217).
func (p *Pack) lintOrder() []Finding {
	var out []Finding
	loaded := map[int]bool{}
	for _, r := range p.Rules {
		say := func(format string, args ...any) {
			out = append(out, Finding{r.File, fmt.Sprintf("rule %d: ", r.ID) + fmt.Sprintf(format, args...)})
		}
		if loaded[r.ID] {
			say("the id is used twice, the second rule is ignored")
		}
		if r.ID < firstID || r.ID > lastID {
			say("the id is outside %d to %d", firstID, lastID)
		}
		for _, parent := range r.Parents() {
			if !loaded[parent] {
				say("its parent %d is not loaded before it", parent)
			}
		}
		if len(r.Parents()) == 0 && childText(r.Element, "decoded_as") == "" {
			say("it has neither a parent nor a decoder, so it is tried on every event of the manager")
		}
		loaded[r.ID] = true
	}
	return out
}

func lintRule(r Rule) []string {
	var out []string
	if r.Description == "" {
		out = append(out, "no description")
	}
	if !strings.HasSuffix(r.Outer, ",") {
		out = append(out, fmt.Sprintf("the file's group %q does not end with a comma, so that the rule's own runs into it", r.Outer))
	}
	for _, c := range r.Fields {
		out = append(out, lintCondition(c)...)
	}
	for _, id := range r.MITRE {
		if !slices.Contains(techniques, id) {
			out = append(out, id+" is not known to be in ATT&CK 13")
		}
	}
	for _, c := range r.Element.Children {
		out = append(out, lintElement(c)...)
	}
	if slices.Contains(r.Groups, "vault") && slices.ContainsFunc(r.Groups, func(g string) bool { return g == "vault_enriched" || g == "vault_response" }) {
		out = append(out, "an event of our own in the group vault would come back to the hook for ever")
	}
	return out
}

// hasFallback reports whether a child of the rule, above level 0, has no condition of its own.
func (p *Pack) hasFallback(id int) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return r.Level > 0 && r.Frequency == 0 && slices.Contains(r.IfSID, id) && !slices.ContainsFunc(r.Element.Children, isCondition)
	})
}

// isCondition reports whether an element of a rule can keep it from firing.
func isCondition(e *osxml.Element) bool {
	return !slices.Contains([]string{"if_sid", "description", "group", "mitre", "options", "info"}, e.Name)
}

func lintCondition(c Condition) []string {
	var out []string
	if c.Negated { // any field of ours may be absent, and then the rule fails (rules.c:2727)
		out = append(out, fmt.Sprintf("negate on %s never matches where the field is absent", c.Name))
	}
	if strings.Contains(","+staticNames+",", ","+strings.ToLower(c.Name)+",") {
		out = append(out, fmt.Sprintf("%s is a static field: analysisd does not start, or never matches it", c.Name))
	}
	if anchored.MatchString(c.Name) && !isAnchored(c) {
		out = append(out, fmt.Sprintf("the pattern %q of %s is not anchored", c.Pattern, c.Name))
	}
	if c.Type != "pcre2" && strings.ContainsAny(c.Pattern, "[]{}?") || c.Type == "" && strings.Contains(c.Pattern, ".") {
		out = append(out, fmt.Sprintf("the pattern %q of %s means something else in OS_Regex: use pcre2", c.Pattern, c.Name))
	}
	return out
}

// staticNames are the names that <field> must not have (rules.c:3189).
// systemname loads, and never matches.
const staticNames = "srcip,dstip,srcport,dstport,protocol,action,srcuser,dstuser,user,id,status,url,data,extra_data,system_name,systemname"

// isAnchored reports whether every alternative is bound to the beginning, and to the end unless the
// value goes on freely by intent (hashes).
func isAnchored(c Condition) bool {
	if c.Type == "pcre2" {
		// \S stands for "there is one".
		return c.Pattern == `\S` || strings.HasPrefix(c.Pattern, "^") && strings.HasSuffix(c.Pattern, "$") && !hasAlternatives(c.Pattern)
	}
	for alternative := range strings.SplitSeq(c.Pattern, "|") {
		if !strings.HasPrefix(alternative, "^") || !strings.HasSuffix(alternative, "$") {
			return false
		}
	}
	return true
}

// hasAlternatives reports whether a "|" stands outside all parentheses, where "^a|b$" binds each side at
// one end only.
func hasAlternatives(pattern string) bool {
	depth := 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				return true
			}
		}
	}
	return false
}

func lintElement(e *osxml.Element) []string {
	var out []string
	if e.Name == "group" && !strings.HasSuffix(e.Content, ",") {
		out = append(out, "its group does not end with a comma, so that it runs into the next one")
	}
	if e.Name == "if_group" || e.Name == "if_level" || e.Name == "if_matched_group" {
		out = append(out, e.Name+" depends on other people's rules")
	}
	if e.Name == "list" {
		out = append(out, "a list has to be declared in the manager's <ruleset>, or the rule is left out")
	}
	return out
}

func (p *Pack) lintDecoders() []Finding {
	var out []Finding
	parents := map[string]bool{}
	for _, d := range p.Decoders {
		parents[d.Parent] = true
	}
	for _, d := range p.Decoders {
		if d.Parent == "json" {
			out = append(out, Finding{d.File, "a child of the stock decoder json stops it from decoding: " + d.Name})
		}
		if parents[d.Name] && childText(d.Element, "plugin_decoder") != "" {
			out = append(out, Finding{d.File, d.Name + " has children and a plugin: the plugin never runs"})
		}
		for _, c := range d.Element.Children {
			kind, _ := c.Attribute("type")
			if kind == "" && strings.Contains(c.Content, `\[`) {
				out = append(out, Finding{d.File, d.Name + `: \[ is an error in OS_Regex, where brackets are literal`})
			}
		}
	}
	return out
}

// entity is what an XML author writes and Wazuh's reader leaves as it is.
var entity = regexp.MustCompile(`&(#\d+|#x[0-9A-Fa-f]+|lt|gt|amp|quot|apos);`)

// lintTexts reads the files as text, for what is gone once they are parsed.
func (p *Pack) lintTexts() ([]Finding, error) {
	var out []Finding
	err := fs.WalkDir(p.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".xml" {
			return err
		}
		data, err := fs.ReadFile(p.Files, name)
		if err != nil {
			return err
		}
		text := string(data)
		for _, pattern := range []struct{ found, why string }{
			{entity.FindString(text), "an entity is not decoded"},
			{find(text, "<?xml"), "an XML declaration stops analysisd"},
			{find(text, "<var "), "with a variable in the file every $name must be one"},
		} {
			if pattern.found != "" {
				out = append(out, Finding{name, fmt.Sprintf("%q: %s", pattern.found, pattern.why)})
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the snippets: %w", err)
	}
	return out, nil
}

func find(text, part string) string {
	if strings.Contains(text, part) {
		return part
	}
	return ""
}

// lintConfig reads the blocks for ossec.conf.
func (p *Pack) lintConfig() ([]Finding, error) {
	var out []Finding
	err := p.readEach(configDir, func(file string, roots []*osxml.Element) error {
		for _, root := range roots {
			if root.Name != "ossec_config" {
				out = append(out, Finding{file, "the outer element is " + root.Name + ", not ossec_config"})
			}
			for _, block := range root.Children {
				for _, text := range lintBlock(block) {
					out = append(out, Finding{file, text})
				}
			}
		}
		return nil
	})
	return out, err
}

func lintBlock(block *osxml.Element) []string {
	var out []string
	switch block.Name {
	case "ruleset":
		out = append(out, "a second <ruleset> block replaces the manager's whole ruleset")
	case "active-response":
		for _, c := range block.Children {
			if c.Name == "rules_id" || c.Name == "rules_group" || c.Name == "level" {
				out = append(out, "the active response fires by itself, by "+c.Name)
			}
		}
	case "integration":
		if group := childText(block, "group"); group != "vault" {
			out = append(out, fmt.Sprintf("the integration's group is %q: groups are compared exactly, without trimming", group))
		}
	}
	return out
}
