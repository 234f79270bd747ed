package escalation

import (
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// Rule asks for an action when its condition holds.
type Rule struct {
	Name     string
	When     string // expr over Facts
	Action   Action
	Severity int // 0: the alert's own level
	Reason   string
	Alone    bool // acts on one signal without corroboration, and says so wherever it appears
}

// Facts is what a condition may name. Its fields are attacker-written values or counts of them: data to an
// expression, never part of one.
type Facts struct {
	Rule      RuleFacts  `expr:"rule"`
	Kind      string     `expr:"kind"`
	Operation string     `expr:"operation"`
	Path      string     `expr:"path"`
	Outcome   string     `expr:"outcome"`
	Actor     ActorFacts `expr:"actor"`
	Seen      SeenFacts  `expr:"seen"`
}

// RuleFacts is the Wazuh rule of the alert.
type RuleFacts struct {
	ID    string `expr:"id"`
	Level int    `expr:"level"`
}

// ActorFacts is who acted.
type ActorFacts struct {
	Name     string   `expr:"name"`
	Rung     string   `expr:"rung"`
	Policies []string `expr:"policies"`
}

// SeenFacts is what the actor did within the last minute.
type SeenFacts struct {
	Requests int `expr:"requests"`
	Reads    int `expr:"reads"`
	Deletes  int `expr:"deletes"`
	Denied   int `expr:"denied"`
	Paths    int `expr:"paths"`
}

// RuleSet is compiled rules. It may be used by any number of goroutines.
type RuleSet struct {
	name  string
	rules []compiled
}

type compiled struct {
	Rule
	program *vm.Program
}

// Compile checks every rule against Facts; a rule that names what does not exist is an error with its position.
func Compile(name string, rules []Rule) (*RuleSet, error) {
	set := &RuleSet{name: name}
	for _, rule := range rules {
		program, err := expr.Compile(rule.When, expr.Env(Facts{}), expr.AsBool())
		if err != nil {
			return nil, fmt.Errorf("rule %q of set %q: %w", rule.Name, name, err)
		}
		set.rules = append(set.rules, compiled{Rule: rule, program: program})
	}
	return set, nil
}

// Name is the set's name.
func (s *RuleSet) Name() string { return s.name }

// ask evaluates every rule. The highest action wins, among equals the graver, then the earlier rule.
func (s *RuleSet) ask(in Input) Decision {
	decision := Decision{Rule: "none", Severity: in.Alert.Rule.Level}
	facts := factsOf(in)
	for _, rule := range s.rules {
		result, err := expr.Run(rule.program, facts)
		if err != nil {
			decision.Problems = append(decision.Problems, fmt.Sprintf("rule %q: %v", rule.Name, err))
			continue
		}
		if matched, _ := result.(bool); !matched {
			continue
		}
		decision.Matched = append(decision.Matched, rule.Name)
		severity := rule.Severity
		if severity == 0 {
			severity = in.Alert.Rule.Level
		}
		if rule.Action > decision.Wanted || rule.Action == decision.Wanted && decision.Rule == "none" {
			decision.Wanted, decision.Rule, decision.Severity, decision.Alone = rule.Action, rule.Name, severity, rule.Alone
			decision.Reasons = []string{rule.Reason}
		}
	}
	return decision
}

func factsOf(in Input) Facts {
	facts := Facts{
		Rule:  RuleFacts{ID: in.Alert.Rule.ID, Level: in.Alert.Rule.Level},
		Kind:  string(in.Alert.Kind),
		Actor: ActorFacts{Name: in.Identity.Name(), Rung: in.Identity.Rung.String(), Policies: in.Identity.Policies.All},
		Seen: SeenFacts{
			Requests: in.Seen.Requests, Reads: in.Seen.Reads, Deletes: in.Seen.Deletes,
			Denied: in.Seen.Denied, Paths: in.Seen.Paths,
		},
	}
	if record := in.Alert.Record; record != nil {
		facts.Operation, facts.Path, facts.Outcome = record.Operation, record.Path, string(record.Outcome())
	}
	return facts
}
