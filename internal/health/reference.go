package health

import (
	"fmt"
	"io"
	"strings"
)

// WriteReference prints the table of faults in Markdown.
func WriteReference(w io.Writer) error {
	var out strings.Builder
	out.WriteString("| fault | severity | meaning | what to do |\n|---|---|---|---|\n")
	for _, kind := range Table() {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", kind.Code, kind.Severity, kind.Meaning, kind.Do)
	}
	_, err := io.WriteString(w, out.String())
	return err
}
