package metrics

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"custom-vault/internal/health"
	"custom-vault/internal/vaultlookup"
)

// WriteReference prints every metric of the program's own as a table in Markdown, from the metrics themselves.
func WriteReference(w io.Writer) error {
	m := New("", nil)
	m.Show(func(context.Context) health.Facts {
		return health.Facts{
			At: time.Now(), Sources: []health.Source{{Name: "alerts"}}, Clusters: []health.Cluster{{Name: "prod", Own: vaultlookup.Own{}}},
		}
	}, func() []health.Fault { return nil })
	families, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	var out strings.Builder
	out.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), namespace+"_") {
			continue
		}
		var labels []string
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if name := "`" + pair.GetName() + "`"; !slices.Contains(labels, name) {
					labels = append(labels, name)
				}
			}
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", family.GetName(), strings.ToLower(family.GetType().String()), strings.Join(labels, " "), family.GetHelp())
	}
	_, err = io.WriteString(w, out.String())
	return err
}
