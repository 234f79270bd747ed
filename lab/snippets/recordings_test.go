package snippets

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// update writes testdata/recordings.txt anew. Read the difference before you believe it: each count
// there says that the rule's description is true of that many records.
var update = flag.Bool("update", false, "write testdata/recordings.txt anew")

const (
	recordingDir = "testdata/recordings"
	goldenFile   = "testdata/recordings.txt"
	articleDir   = "testdata/article"
)

// replay passes one recording through a manager.
func replay(t *testing.T, m *Manager, file string) Tally {
	t.Helper()
	tally, err := m.ReplayFile(filepath.Join(recordingDir, file))
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

func recordings(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(recordingDir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func managerOf(t *testing.T, dir string) *Manager {
	t.Helper()
	m, err := NewManager(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRecordings passes every recording through the pack once, and asks different things of the counts.
func TestRecordings(t *testing.T) {
	t.Parallel()
	m := managerOf(t, packDir)
	tallies := map[string]Tally{}
	for _, file := range recordings(t) {
		tallies[file] = replay(t, m, file)
	}
	t.Run("raise what they show", func(t *testing.T) { wantGolden(t, tallies) })
	t.Run("show each rule on a real record", func(t *testing.T) { wantEachRule(t, tallies) })
	t.Run("raise the rows of their story", func(t *testing.T) { wantAttackRows(t, tallies) })
	t.Run("lose nothing against the article's rules", func(t *testing.T) { wantVolume(t, tallies) })
}

func wantGolden(t *testing.T, tallies map[string]Tally) {
	t.Helper()
	var lines []string
	for _, file := range slices.Sorted(maps.Keys(tallies)) {
		tally := tallies[file]
		line := fmt.Sprintf("%s %d", file, tally.Lines)
		for _, rule := range slices.Sorted(maps.Keys(tally.ByRule)) {
			line += fmt.Sprintf(" %d:%d", rule, tally.ByRule[rule])
		}
		lines = append(lines, line)
	}
	if *update {
		if err := os.WriteFile(goldenFile, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(golden)), "\n")
	if len(want) != len(lines) {
		t.Fatalf("%d recordings, %s has %d", len(lines), goldenFile, len(want))
	}
	for i := range want {
		if want[i] != lines[i] {
			t.Errorf("want %s\n got %s", want[i], lines[i])
		}
	}
}

// unrecorded are the rules that no recording fires, with the reason. Their logs in the tests are real
// records with another path, or written by hand.
var unrecorded = map[int]string{
	100601: "the recordings are at level info",
	100609: "other types of record are Enterprise's",
	100621: "no report of the active response is among the recordings",
	100622: "the same",
	100623: "the same",
	100712: "nobody padded a record to just that length",
	100742: "OpenBao",
	100747: "Enterprise",
	100750: "Enterprise",
	100751: "Enterprise",
	100767: "the lab's auth methods have no configuration",
	100780: "Enterprise",
}

func wantEachRule(t *testing.T, tallies map[string]Tally) {
	t.Helper()
	var all Tally
	for _, tally := range tallies {
		all.Add(tally)
	}
	for _, r := range pack(t).Rules {
		own := slices.Contains(r.Groups, "vault_enriched") || slices.Contains(r.Groups, "vault_response")
		if r.Level == 0 || own {
			continue
		}
		_, excused := unrecorded[r.ID]
		switch fired := all.ByRule[r.ID] > 0; {
		case !fired && !excused:
			t.Errorf("rule %d fires on no recording: record one, or say in unrecorded why there is none", r.ID)
		case fired && excused:
			t.Errorf("rule %d is in unrecorded, but fires", r.ID)
		}
	}
}

// attacks says of each recorded scenario which rows of docs/detections.md its records raise in XML.
// rows are alerts of level 5 and above; the rest of a story is the daemon's (D1, F4, …).
var attacks = map[string]string{
	"audit-device-then-plugin":    "A2 A3 C11 F10",
	"batch-token-exfiltration":    "",
	"delayed-destroy":             "E3",
	"four-wrong-passwords":        "F1",
	"generate-root-loops":         "B3",
	"iac-apply-policies":          "C1",
	"insider-list-then-read":      "",
	"new-service-first-day":       "",
	"planned-root-ceremony":       "B1 B3 C1",
	"replayed-old-breach":         "A1 A2 B1 B2 C10",
	"responders-revoke-20":        "",
	"root-reminted-after-revoke":  "B1 B2 C10 E1",
	"snapshot-by-stranger":        "B9",
	"stolen-approle-two-networks": "",
}

func wantAttackRows(t *testing.T, tallies map[string]Tally) {
	t.Helper()
	p := pack(t)
	seen := map[string]Tally{}
	for file, tally := range tallies {
		name, isAttack := strings.CutPrefix(file, "attack-")
		if !isAttack {
			continue
		}
		name, _, _ = strings.Cut(name, ".")
		story := seen[name]
		story.Add(tally)
		seen[name] = story
	}
	for name, want := range attacks {
		rows := map[string]bool{}
		for rule := range seen[name].ByRule {
			r, _ := p.Rule(rule)
			for _, row := range r.Rows() {
				if r.Level >= 5 {
					rows[row] = true
				}
			}
		}
		if got := strings.Join(slices.Sorted(maps.Keys(rows)), " "); got != want {
			t.Errorf("%s raises %q, want %q", name, got, want)
		}
	}
	if len(seen) != len(attacks) {
		t.Errorf("%d attacks are recorded, %d are described", len(seen), len(attacks))
	}
}

// wantVolume holds the pack to the article's rules (a log that makes those raise something grave makes
// the pack do so too) and docs/detections.md to the counts.
func wantVolume(t *testing.T, tallies map[string]Tally) {
	t.Helper()
	article := managerOf(t, articleDir)
	ours, theirs := map[string]Tally{}, map[string]Tally{}
	add := func(sums map[string]Tally, group string, one Tally) {
		sum := sums[group]
		sum.Add(one)
		sums[group] = sum
	}
	for file, tally := range tallies {
		published := replay(t, article, file)
		if published.AtLeast(9) > 0 && tally.AtLeast(9) == 0 {
			t.Errorf("%s: the article's rules raise %d alerts of level 9 and above, ours none", file, published.AtLeast(9))
		}
		for _, group := range []string{kindOf(file), "all"} {
			add(ours, group, tally)
			add(theirs, group, published)
		}
	}
	doc := readDoc(t)
	for _, group := range slices.Sorted(maps.Keys(ours)) {
		our, their := ours[group], theirs[group]
		row := fmt.Sprintf("| `%s` | %d | %.0f | %.0f | %.1f | %.1f | %.1f | %.1f |", group, our.Lines, their.PerThousand(3), our.PerThousand(3),
			their.PerThousand(7), our.PerThousand(7), their.PerThousand(12), our.PerThousand(12))
		if !strings.Contains(doc, row) {
			t.Errorf("%s lacks this line:\n%s", docFile, row)
		}
	}
}

// kindOf is the first part of a recording's name.
func kindOf(file string) string {
	kind, _, _ := strings.Cut(file, "-")
	kind, _, _ = strings.Cut(kind, ".")
	return kind
}
