package snippets

import (
	"fmt"
	"strings"
	"testing"
)

// A8: however many keys somebody adds to a record, and wherever Wazuh's 256 fields run out, a grave act
// stays visible: either its own rule fires, or the record is reported as one that could not be read.
func TestFloodedRecordsStayVisible(t *testing.T) {
	t.Parallel()
	manager, err := NewManager(packFiles())
	if err != nil {
		t.Fatal(err)
	}
	for name, flood := range map[string]func(record, keys string) string{
		"keys in the body": func(record, keys string) string {
			return strings.Replace(record, `"headers":`, `"data":{`+strings.TrimSuffix(keys, ",")+`},"headers":`, 1)
		},
		"metadata of the token": func(record, keys string) string {
			return strings.Replace(record, `"policies":`, `"metadata":{`+strings.TrimSuffix(keys, ",")+`},"policies":`, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := passing(t, 100700)
			for n := range 320 {
				v, err := manager.Session().Judge(flood(withoutMetadata(record), keys(n)), noon)
				if err != nil {
					t.Fatal(err)
				}
				if v.Level < 10 {
					t.Errorf("with %d keys the removal of an audit device ends at rule %d, level %d", n, v.Rule, v.Level)
				}
			}
		})
	}
}

func withoutMetadata(record string) string {
	before, rest, found := strings.Cut(record, `"metadata":{`)
	if !found {
		return record
	}
	_, after, _ := strings.Cut(rest, `},`)
	return before + after
}

func keys(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, `"k%03d":"v",`, i)
	}
	return out.String()
}

// A record that was cut, anywhere, is still taken for Vault's and reported.
func TestCutRecordsStayVisible(t *testing.T) {
	t.Parallel()
	manager, err := NewManager(packFiles())
	if err != nil {
		t.Fatal(err)
	}
	record := passing(t, 100700)
	bare := record[strings.IndexByte(record, '{'):]
	for _, log := range []string{record, bare} {
		for cut := len(log) - len(bare) + len(`{"auth":{"accessor"`); cut < len(log)-1; cut += 7 {
			v, err := manager.Session().Judge(log[:cut], noon)
			if err != nil {
				t.Fatal(err)
			}
			if v.Level < 10 {
				t.Errorf("cut after %d bytes the record ends at rule %d, level %d", cut, v.Rule, v.Level)
			}
		}
	}
}
