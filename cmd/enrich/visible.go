package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/event"
)

// What alerts and Vault's answers hold was written by others, and is shown on terminals. Nothing of it may act there.

// printJSON prints a value as indented JSON.
func printJSON(w io.Writer, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(event.VisibleJSON(text), '\n'))
	return err
}

// visibleLines makes a message of several lines visible and keeps its lines.
func visibleLines(message string) string {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		lines[i] = event.Visible(line)
	}
	return strings.Join(lines, "\n")
}

// visibleFormat is logrus's JSON format with nothing hidden in it. Its text format quotes by itself.
type visibleFormat struct{ logrus.JSONFormatter }

// Format implements logrus.Formatter.
func (f *visibleFormat) Format(entry *logrus.Entry) ([]byte, error) {
	line, err := f.JSONFormatter.Format(entry)
	return event.VisibleJSON(line), err
}
