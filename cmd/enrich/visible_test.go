package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/config"
)

// hostile holds what a terminal or a reader can be misled by: escape sequences, the one-character CSI, marks that turn the
// writing direction, a character of no width, one beyond the basic plane, DEL and a newline.
const hostile = "a\x1b[31mb\u009b31mc\u202ed\u200be\U000e0041f\x7fg\nh \u00e9\U0001f512"

func acts(text string) bool {
	return strings.ContainsFunc(strings.TrimSuffix(text, "\n"), func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' })
}

func TestPrintedJSONHidesNothingAndMeansTheSame(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := printJSON(&out, map[string]string{"key" + hostile: hostile}); err != nil {
		t.Fatal(err)
	}
	if acts(out.String()) {
		t.Errorf("printed %q", out.String())
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["key"+hostile] != hostile {
		t.Errorf("read back %q, %v", back, err)
	}
	if !strings.Contains(out.String(), "\u00e9\U0001f512") {
		t.Errorf("what shows itself was escaped, too: %s", out.String())
	}
}

func TestLogLinesHideNothing(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log, end := newLog(config.Config{Log: config.Log{Level: "info", Format: format}}, &out)
		log.WithField("path", hostile).WithFields(logrus.Fields{"list": []string{hostile}}).Warn(hostile)
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if acts(out.String()) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: %q", format, out.String())
		}
	}
}

func TestErrorsKeepTheirLinesAndHideNothing(t *testing.T) {
	t.Parallel()
	if got := visibleLines("one\x1b[31m\n  two\u009b"); got != `one\x1b[31m`+"\n"+`  two\u009b` {
		t.Errorf("%q", got)
	}
}
