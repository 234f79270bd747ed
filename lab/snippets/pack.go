package snippets

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"custom-vault/lab/osxml"
)

// The folders of a pack.
const (
	decoderDir = "decoders"
	ruleDir    = "rules"
	testDir    = "tests"
	configDir  = "ossec.conf"
)

// Pack is a folder of snippets, read.
type Pack struct {
	// Files holds the whole folder.
	Files fs.FS
	// Decoders and Rules stand in the order in which analysisd loads them: files by name, then from the top.
	Decoders []Decoder
	Rules    []Rule
}

// Decoder is one decoder element.
type Decoder struct {
	File    string
	Name    string
	Parent  string
	Element *osxml.Element
}

// Rule is one rule element.
type Rule struct {
	File  string
	ID    int
	Level int
	// IfSID holds the rules that it is a child of, MatchedSID the one whose events it counts.
	IfSID      []int
	MatchedSID int
	// Frequency is 0 for a rule that counts nothing.
	Frequency int
	// Groups are the file's outer group and the rule's own. Outer is how the file writes its own.
	Groups      []string
	Outer       string
	Description string
	MITRE       []string
	Fields      []Condition
	Element     *osxml.Element
}

// Condition is one <field> of a rule.
type Condition struct {
	Name, Type, Pattern string
	Negated             bool
}

// ReadPack reads a folder such as ossec-snippets.
func ReadPack(files fs.FS) (*Pack, error) {
	p := &Pack{Files: files}
	if err := p.readEach(decoderDir, p.addDecoders); err != nil {
		return nil, err
	}
	if err := p.readEach(ruleDir, p.addRules); err != nil {
		return nil, err
	}
	return p, nil
}

// readEach reads the XML files of a folder in the order of their names (rules-config.c:381).
func (p *Pack) readEach(dir string, add func(file string, roots []*osxml.Element) error) error {
	names, err := fs.Glob(p.Files, path.Join(dir, "*.xml"))
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	slices.Sort(names)
	for _, name := range names {
		data, err := fs.ReadFile(p.Files, name)
		if err != nil {
			return fmt.Errorf("read a snippet: %w", err)
		}
		roots, err := osxml.Read(data)
		if err != nil {
			return fmt.Errorf("read %s as Wazuh reads XML: %w", name, err)
		}
		if err := add(name, roots); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *Pack) addDecoders(file string, roots []*osxml.Element) error {
	for _, e := range roots {
		name, _ := e.Attribute("name")
		p.Decoders = append(p.Decoders, Decoder{File: file, Name: name, Parent: childText(e, "parent"), Element: e})
	}
	return nil
}

func (p *Pack) addRules(file string, roots []*osxml.Element) error {
	for _, group := range roots {
		outer, _ := group.Attribute("name")
		for _, e := range group.Children {
			if e.Name != "rule" {
				continue
			}
			r, err := readRule(e, outer)
			if err != nil {
				return err
			}
			r.File = file
			p.Rules = append(p.Rules, r)
		}
	}
	return nil
}

func readRule(e *osxml.Element, outer string) (Rule, error) {
	r := Rule{Element: e, Outer: outer, Description: childText(e, "description")}
	var err error
	if r.ID, err = attributeNumber(e, "id"); err != nil {
		return r, err
	}
	if r.Level, err = attributeNumber(e, "level"); err != nil {
		return r, fmt.Errorf("rule %d: %w", r.ID, err)
	}
	if _, counts := e.Attribute("frequency"); counts {
		if r.Frequency, err = attributeNumber(e, "frequency"); err != nil {
			return r, fmt.Errorf("rule %d: %w", r.ID, err)
		}
	}
	groups := outer
	for _, c := range e.Children {
		switch c.Name {
		case "group":
			groups += c.Content
		case "if_sid":
			r.IfSID, err = numbers(c.Content)
		case "if_matched_sid":
			r.MatchedSID, err = strconv.Atoi(c.Content)
		case "field":
			r.Fields = append(r.Fields, readCondition(c))
		case "mitre":
			for _, id := range c.Children {
				r.MITRE = append(r.MITRE, id.Content)
			}
		}
		if err != nil {
			return r, fmt.Errorf("rule %d, %s %q: %w", r.ID, c.Name, c.Content, err)
		}
	}
	r.Groups = splitList(groups)
	return r, nil
}

func readCondition(e *osxml.Element) Condition {
	c := Condition{Pattern: e.Content}
	c.Name, _ = e.Attribute("name")
	c.Type, _ = e.Attribute("type")
	negate, _ := e.Attribute("negate")
	c.Negated = strings.EqualFold(negate, "yes")
	return c
}

// Parents are the rules that must be loaded before this one.
func (r Rule) Parents() []int {
	if r.MatchedSID != 0 {
		return append(slices.Clone(r.IfSID), r.MatchedSID)
	}
	return r.IfSID
}

// rowGroup is how a rule of the pack names its row in docs/detections.md.
var rowGroup = regexp.MustCompile(`^vault_([a-f]\d+)$`)

// Rows are the rows of docs/detections.md that the rule's alerts speak of, such as "A1", the one that it
// is for first.
func (r Rule) Rows() []string {
	var out []string
	for _, g := range r.Groups {
		if m := rowGroup.FindStringSubmatch(g); m != nil {
			out = append(out, strings.ToUpper(m[1]))
		}
	}
	return out
}

// Row is the row that the rule is for, or "".
func (r Rule) Row() string {
	if rows := r.Rows(); len(rows) > 0 {
		return rows[0]
	}
	return ""
}

// Rule finds a rule by its id.
func (p *Pack) Rule(id int) (Rule, bool) {
	i := slices.IndexFunc(p.Rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return p.Rules[i], true
}

func childText(e *osxml.Element, name string) string {
	for _, c := range e.Children {
		if c.Name == name {
			return c.Content
		}
	}
	return ""
}

func attributeNumber(e *osxml.Element, name string) (int, error) {
	text, _ := e.Attribute(name)
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("attribute %s of a rule: %w", name, err)
	}
	return n, nil
}

func numbers(list string) ([]int, error) {
	var out []int
	for _, item := range splitList(list) {
		n, err := strconv.Atoi(item)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func splitList(list string) []string {
	var out []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
