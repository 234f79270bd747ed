package snippets

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"custom-vault/lab/analysisd"
)

// source is the header of a log that the agent of the recordings read from Vault's audit file.
const source = "1:[001] (vault-1) any->/var/log/vault_audit.log:"

// Verdict is where a log ended.
type Verdict struct {
	// Rule and Level are 0 for an event that a rule of level 0 took, or none.
	Rule, Level int
	// Decoder is "" if none took the log.
	Decoder     string
	Description string
	// Fields is the decoded event, as alerts show it.
	Fields map[string]any
}

// Manager is an analysisd with the pack and the little of the stock ruleset that the lab has.
type Manager struct {
	rules *analysisd.Ruleset
}

// NewManager loads decoders and rules from a folder, as analysisd does. What analysisd would only
// warn of is an error here.
func NewManager(files fs.FS) (*Manager, error) {
	rules, log, err := analysisd.Load(analysisd.Sources{
		Files:       files,
		DecoderDirs: []string{decoderDir},
		RuleDirs:    []string{ruleDir},
		Stock:       true,
	})
	if err != nil {
		return nil, fmt.Errorf("load the pack: %w: %s", err, strings.Join(log, "; "))
	}
	for _, line := range log {
		if !strings.Contains(line, "INFO") {
			return nil, fmt.Errorf("load the pack: analysisd says: %s", line)
		}
	}
	return &Manager{rules: rules}, nil
}

// Session is a run of analysisd with its memory of events. It belongs to one goroutine.
type Session struct{ engine *analysisd.Engine }

// Session starts without memory.
func (m *Manager) Session() *Session {
	return &Session{analysisd.NewEngine(m.rules, analysisd.Options{})}
}

// Judge processes one log, received at a time.
func (s *Session) Judge(log string, at time.Time) (Verdict, error) {
	result, err := s.process(log, at)
	v := Verdict{Rule: result.RuleID, Level: result.Level, Description: result.Description}
	if err != nil {
		return v, err
	}
	var event struct {
		Decoder struct{ Name string }
		Data    map[string]any
	}
	if err := json.Unmarshal(result.Archive, &event); err != nil {
		return v, fmt.Errorf("read the archived event: %w", err)
	}
	v.Decoder, v.Fields = event.Decoder.Name, event.Data
	return v, nil
}

func (s *Session) process(log string, at time.Time) (analysisd.Result, error) {
	result := s.engine.Process([]byte(source+log), at)
	if len(result.Archive) == 0 {
		return result, fmt.Errorf("analysisd refused the log: %s", strings.Join(result.Log, "; "))
	}
	return result, nil
}

// noon is when a case's log is received: the format has no time of its own.
var noon = time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC)

// Check runs one case in a session of its own and says what is wrong, or nothing.
func (m *Manager) Check(c Case) string {
	v, err := m.Session().Judge(c.Log, noon)
	if err != nil {
		return err.Error()
	}
	want := Verdict{Rule: c.Rule, Level: c.Level}
	if c.Level == 0 {
		want.Rule = 0 // analysisd does not tell which rule of level 0 it was
	}
	same := v.Rule == want.Rule && v.Level == want.Level && v.Decoder == c.Decoder
	switch {
	case c.Must && !same:
		return fmt.Sprintf("want rule %d, level %d, decoder %s; it ended at rule %d, level %d, decoder %s", c.Rule, c.Level, c.Decoder, v.Rule, v.Level, v.Decoder)
	case !c.Must && same:
		return fmt.Sprintf("a near miss, but it fires rule %d", c.Rule)
	}
	return ""
}
