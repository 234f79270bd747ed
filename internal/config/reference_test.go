package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Every field is a key with a name and a meaning, and every key is in the reference, with the default that holds.
func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	keys := make(map[string]Key)
	for _, key := range Reference() {
		keys[key.Path] = key
	}
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for i := range of.NumField() {
			field := of.Field(i)
			key, there := keys[prefix+field.Tag.Get("yaml")]
			delete(keys, key.Path)
			switch {
			case !there:
				t.Errorf("%s.%s is not in the reference", of.Name(), field.Name)
			case field.Tag.Get("yaml") == "" || key.Type == "":
				t.Errorf("%s.%s has no name or type", of.Name(), field.Name)
			case len(key.Doc) < 5 || strings.ContainsAny(key.Doc, "|\n") || !strings.HasSuffix(key.Doc, "."):
				t.Errorf("%s: %q is no sentence that fits a table", key.Path, key.Doc)
			}
			for inner, suffix := field.Type, "."; ; inner, suffix = inner.Elem(), "[]." {
				if inner.Kind() == reflect.Struct {
					walk(key.Path+suffix, inner)
				}
				if inner.Kind() != reflect.Slice {
					break
				}
			}
		}
	}
	walk("", reflect.TypeFor[Config]())
	for path := range keys {
		t.Errorf("the reference has %s, which is no key", path)
	}
}

func TestTheReferenceSaysWhatHolds(t *testing.T) {
	t.Parallel()
	want := map[string]Key{
		"wazuh.home":                 {Type: "text", Default: "/var/ossec"},
		"wazuh.api.addresses":        {Type: "list of texts"},
		"wazuh.api.timeout":          {Type: "duration", Default: (15 * time.Second).String()},
		"clusters":                   {Type: "list"},
		"clusters[].name":            {Type: "text", Required: true},
		"clusters[].nodes[].address": {Type: "text", Required: true},
		"decide":                     {Type: "section"},
		"decide.observe_only":        {Type: "true or false", Default: "false"},
		"decide.seal":                {Type: "text", Default: "observe"},
		"publish.pace":               {Type: "number", Default: "1500"},
	}
	for _, key := range Reference() {
		if w, ok := want[key.Path]; ok {
			if key.Type != w.Type || key.Default != w.Default || key.Required != w.Required {
				t.Errorf("%+v, want %+v", key, w)
			}
			delete(want, key.Path)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

const configure = "../../docs/configure.md"

var update = flag.Bool("update", false, "write the reference into docs/configure.md")

// docs/configure.md holds the reference between two marks; go test ./internal/config -update puts it there.
func TestTheDocumentationHoldsTheReference(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- reference: enrich config reference -->\n", "<!-- end of reference -->\n"
	text, err := os.ReadFile(configure)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no marks", configure)
	}
	var want bytes.Buffer
	if err := WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(configure, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want.String() {
		t.Errorf("%s is not up to date (-update mends it):\n%s", configure, cmp.Diff(want.String(), got))
	}
}

// Every example in the documentation is a good configuration, as far as it goes.
func TestTheExamplesInTheDocumentationAreGood(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(configure)
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(text), "```yaml\n")[1:]
	if len(examples) == 0 {
		t.Fatal("there is none")
	}
	for i, rest := range examples {
		example, _, _ := strings.Cut(rest, "```")
		if _, err := Parse([]byte(example)); err != nil {
			t.Error(fmt.Errorf("example %d: %w", i+1, err))
		}
	}
}
