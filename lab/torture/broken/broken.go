// Package broken builds the product with one of its promises taken out, so that the torture can be seen to notice. The
// product itself has no such switch: its sources are changed on the way to the compiler (go build -overlay).
package broken

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// change replaces text in one source file of the product. The text must be there exactly once.
type change struct{ file, from, to string }

func ways() map[string][]change {
	return map[string][]change{
		// No line is known from before, and an event that is there already is published again.
		"dedupe": {
			{"internal/store/commit.go", `		known[alert.Key(key)] = true`, `		_ = key`},
			{"internal/store/commit.go", `'pending',0,$7,0,0,0,'') ON CONFLICT DO NOTHING`,
				`'pending',0,$7,0,0,0,'') ON CONFLICT (event_id) DO UPDATE SET state='pending', attempts=0, due=0, body=excluded.body`},
		},
		// The bookmark is committed before what the lines led to.
		"bookmark": {
			{"internal/pipeline/job.go", `	if j.step == fresh {
`, `	if j.step == fresh {
		if j.Source != "" && j.Bookmark != "" {
			early := store.Commit{At: time.Now(), Bookmarks: map[string]string{j.Source: j.Bookmark}}
			if err := p.deps.Store.Commit(ctx, early); err != nil {
				return err
			}
		}
`},
		},
		// alerts.json is followed for our own events only, and the hook does not close a torn line.
		"torn": {
			{"internal/journal/torn.go", `return n == 1 && last[0] != '\n', nil`, `return n == 1 && last[0] == 0, nil`},
			{"cmd/enrich/sources.go", `Keep: alert.MayConcern,`, `Keep: func(line []byte) bool {
				a, err := alert.Parse(line)
				return err == nil && (source == follow.Journal || a.Kind == alert.KindOwn)
			},`},
		},
	}
}

// Ways lists the names.
func Ways() []string { return slices.Sorted(maps.Keys(ways())) }

// programs are what is built, by their packages.
func programs() []string {
	return []string{"./cmd/enrich", "./cmd/vault-seal", "./integrations/custom-vault"}
}

// Build builds the product, broken in one way, below dir, and returns the folder of the binaries.
func Build(ctx context.Context, repository, way, dir string) (string, error) {
	changes, ok := ways()[way]
	if !ok {
		return "", fmt.Errorf("there is no way %q to break the product: %s", way, strings.Join(Ways(), ", "))
	}
	repository, err := filepath.Abs(repository)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	overlay, err := writeOverlay(repository, dir, changes)
	if err != nil {
		return "", fmt.Errorf("break the product (%s): %w", way, err)
	}
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-overlay", overlay, "-o", bin + "/"}, programs()...)...)
	build.Dir = repository
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the product broken (%s): %w\n%s", way, err, out)
	}
	return bin, nil
}

func writeOverlay(repository, dir string, changes []change) (string, error) {
	texts := make(map[string]string)
	for _, c := range changes {
		text, ok := texts[c.file]
		if !ok {
			content, err := os.ReadFile(filepath.Join(repository, c.file))
			if err != nil {
				return "", err
			}
			text = string(content)
		}
		if n := strings.Count(text, c.from); n != 1 {
			return "", fmt.Errorf("%s has %d times what is to be replaced, once was expected: %s", c.file, n, c.from)
		}
		texts[c.file] = strings.Replace(text, c.from, c.to, 1)
	}
	replace := make(map[string]string)
	for file, text := range texts {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(changed, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(repository, file)] = changed
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}
