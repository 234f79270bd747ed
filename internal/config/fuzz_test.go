package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzParse: no text makes the parser fall over, whatever is taken is within bounds, arms nothing that is not written in
// it, and written down again says the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", whole, "a: &a [*a]\n", "clusters: [{nodes: [{}]}]\n", "wazuh: {api: {timeout: 9999999h}}", "- - - -", "? {a: b}\n: c",
		"log: {level: |\n  debug\n}", "decide: {seal: observe, seal: armed}", "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]", "\xff\x00", "wazuh: {home: \"\\x1b[2J\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := Parse(text)
		if err != nil {
			if err.Error() == "" || cfg.Decide.Seal == ModeArmed {
				t.Errorf("refused with %q and %+v", err, cfg)
			}
			return
		}
		if found := cfg.problems(); len(found) > 0 {
			t.Errorf("taken with %v", found)
		}
		if cfg.Decide.Seal == ModeArmed && !bytes.Contains(text, []byte("armed")) && !bytes.Contains(text, []byte(`\`)) {
			t.Error("armed by a text that does not say so")
		}
		again, err := Parse(text)
		if diff := cmp.Diff(cfg, again); err != nil || diff != "" {
			t.Errorf("taken once, and then: %v\n%s", err, diff)
		}
		written, err := yaml.MarshalWithOptions(cfg, yaml.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(written), `\`) || !printable(string(text)) {
			return // the library does not escape as it reads
		}
		again, err = Parse(written)
		if diff := cmp.Diff(cfg, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("written down again: %v\n%s\n%s", err, diff, written)
		}
	})
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') })
}
