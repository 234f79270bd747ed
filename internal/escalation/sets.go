package escalation

import "fmt"

// Names of the rule sets that come with the program.
const (
	DefaultSet = "default"
	ArticleSet = "article"
)

// The two lowest rungs follow from the level that the rule pack gave: docs/detections.md says what each level means.
var ladder = []Rule{
	{
		Name: "notable", When: `rule.level >= 8`, Action: Watch,
		Reason: "the alert's level asks for a review",
	},
	{
		Name: "incident", When: `rule.level >= 12`, Action: Notify,
		Reason: "the alert's level is that of an incident",
	},
}

// The published article seals on one frequency alert. Whoever holds any token can trip it: that is why the set has
// to be chosen, and the action armed besides.
var article = []Rule{
	{
		Name: "article-exfiltration", When: `rule.id == "100617"`, Action: Seal, Alone: true,
		Reason: "rule 100617: one accessor made ten or more requests within a minute, the last of them a read",
	},
	{
		Name: "article-destruction", When: `rule.id == "100618"`, Action: Seal, Alone: true,
		Reason: "rule 100618: one accessor made ten or more requests within a minute, the last of them a delete",
	},
}

// Embedded compiles one of the sets that come with the program.
func Embedded(name string) (*RuleSet, error) {
	switch name {
	case DefaultSet:
		return Compile(name, ladder)
	case ArticleSet:
		return Compile(name, append(append([]Rule{}, ladder...), article...))
	}
	return nil, fmt.Errorf("no rule set is called %q: it is %q or %q", name, DefaultSet, ArticleSet)
}
