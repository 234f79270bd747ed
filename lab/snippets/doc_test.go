package snippets

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const docFile = "../../docs/detections.md"

func readDoc(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// rowCounts are the rows of each family, in order.
var rowCounts = map[string]int{"A": 11, "B": 13, "C": 13, "D": 12, "E": 6, "F": 10}

// docRow is one line of the table in docs/detections.md.
type docRow struct {
	row, where, rules, cause, tests string
}

var rowLine = regexp.MustCompile(`(?m)^\| ([A-F]\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)

func docRows(t *testing.T) map[string]docRow {
	t.Helper()
	out := map[string]docRow{}
	for _, m := range rowLine.FindAllStringSubmatch(readDoc(t), -1) {
		if _, twice := out[m[1]]; twice {
			t.Errorf("row %s stands in the table twice", m[1])
		}
		out[m[1]] = docRow{row: m[1], where: m[3], rules: m[4], cause: m[5], tests: m[6]}
	}
	return out
}

func TestTheTableOfDetectionsIsThePack(t *testing.T) {
	t.Parallel()
	p, rows := pack(t), docRows(t)
	for family, n := range rowCounts {
		for i := range n {
			row := fmt.Sprint(family, i+1)
			if _, there := rows[row]; !there {
				t.Errorf("row %s is not in the table", row)
			}
		}
	}
	if len(rows) != 65 {
		t.Errorf("the table has %d rows, want 65", len(rows))
	}
	for _, row := range rows {
		want := rulesOfRow(p, row.row)
		if row.rules != want {
			t.Errorf("row %s: the table says %q, the pack has %q", row.row, row.rules, want)
		}
		if inXML := want != "–"; inXML != strings.Contains(row.where, "XML") {
			t.Errorf("row %s: it says %q, and the rules are %s", row.row, row.where, want)
		}
		wantTestFile(t, p, row)
	}
}

// rulesOfRow is how the table writes the rules of a row.
func rulesOfRow(p *Pack, row string) string {
	var out []string
	byID := slices.SortedFunc(slices.Values(p.Rules), func(a, b Rule) int { return a.ID - b.ID })
	for _, r := range byID {
		if r.Row() == row {
			out = append(out, fmt.Sprintf("%d (%d)", r.ID, r.Level))
		}
	}
	if len(out) == 0 {
		return "–"
	}
	return strings.Join(out, ", ")
}

// wantTestFile checks that the file that a row names has the cases of its rules.
func wantTestFile(t *testing.T, p *Pack, row docRow) {
	t.Helper()
	if row.rules == "–" {
		return
	}
	named := regexp.MustCompile("`([^`]+[.]ini)`").FindStringSubmatch(row.tests)
	if named == nil {
		t.Errorf("row %s names no test file", row.row)
		return
	}
	file := path.Join(testDir, named[1])
	if _, err := fs.Stat(p.Files, file); err != nil {
		t.Errorf("row %s: %v", row.row, err)
		return
	}
	cases, err := p.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Rules {
		if r.Row() == row.row && oneLog(r) && !slices.ContainsFunc(cases, func(c Case) bool { return c.File == file && c.Rule == r.ID }) {
			t.Errorf("row %s: rule %d has no case in %s", row.row, r.ID, file)
		}
	}
}

func TestTheOtherRulesAreDescribed(t *testing.T) {
	t.Parallel()
	doc := readDoc(t)
	for _, r := range pack(t).Rules {
		line := fmt.Sprintf("| %d | %d | %s |", r.ID, r.Level, strings.ReplaceAll(r.Description, "|", `\|`))
		if r.Row() == "" && !strings.Contains(doc, line) {
			t.Errorf("%s lacks this line:\n%s", docFile, line)
		}
	}
}
