package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/sirupsen/logrus"
)

const planted = "hvs.PLANTEDplantedPLANTED"

func TestTextNeverShowsItself(t *testing.T) {
	t.Parallel()
	text := New([]byte(planted))
	type document struct{ Token Text }
	type holder struct {
		Exported   Text
		Pointer    *Text
		unexported Text
		list       []Text
		byName     map[string]Text
	}
	hold := holder{Exported: text, Pointer: &text, unexported: text, list: []Text{text}, byName: map[string]Text{"token": text}}
	shown := map[string]string{"String": text.String(), "error": fmt.Errorf("try %v: %w", text, os.ErrInvalid).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%50v"} {
		shown["Text "+verb] = fmt.Sprintf(verb, text)
		shown["*Text "+verb] = fmt.Sprintf(verb, &text)
		shown["holder "+verb] = fmt.Sprintf(verb, hold)
		shown["*holder "+verb] = fmt.Sprintf(verb, &hold)
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal, "xml": xml.Marshal} {
		for _, value := range []any{text, &text, document{text}} {
			out, err := marshal(value)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !bytes.Contains(out, []byte(redacted)) {
				t.Errorf("%s of %T = %s, wanted %s in it", name, value, out, redacted)
			}
			shown[fmt.Sprintf("%s %T", name, value)] = string(out)
		}
	}
	for name, formatter := range map[string]logrus.Formatter{"logrus json": &logrus.JSONFormatter{}, "logrus text": &logrus.TextFormatter{}} {
		var out bytes.Buffer
		log := logrus.New()
		log.SetOutput(&out)
		log.SetFormatter(formatter)
		log.WithFields(logrus.Fields{"token": text, "holder": &hold}).Error(text)
		shown[name] = out.String()
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Error("x", "token", text)
	slog.New(slog.NewTextHandler(&out, nil)).Error("x", "token", text)
	shown["slog"] = out.String()

	hex := fmt.Sprintf("%x", planted)
	for how, what := range shown {
		lower := strings.ToLower(what)
		if strings.Contains(lower, strings.ToLower(planted)) || strings.Contains(lower, hex) || strings.Contains(what, "104 118 115") {
			t.Errorf("%s shows the secret: %s", how, what)
		}
	}
	if got := string(text.Reveal()); got != planted {
		t.Errorf("Reveal() = %q", got)
	}
}

func TestTextOwnsItsBytes(t *testing.T) {
	t.Parallel()
	from := []byte(planted)
	text := New(from)
	from[0] = 'X'
	text.Reveal()[1] = 'X'
	if got := string(text.Reveal()); got != planted {
		t.Errorf("Reveal() = %q after the caller's bytes changed", got)
	}
	var zero Text
	if !zero.Empty() || zero.Reveal() != nil || text.Empty() {
		t.Error("the zero Text must be empty, and no other")
	}
	if !text.Equal(New([]byte(planted))) || text.Equal(zero) || text.Equal(New([]byte("other"))) || !zero.Equal(Text{}) {
		t.Error("Equal compares the secrets")
	}
}

func TestReadFileChecksTheFile(t *testing.T) {
	t.Parallel()
	write := func(content string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, want string // want: a piece of the error; empty for success
		make       func(*testing.T, string)
	}{
		{"0400", "", write(planted+"\n", 0o400)},
		{"0600", "", write(planted, 0o600)},
		{"line end of DOS", "", write(planted+"\r\n", 0o600)},
		{"readable by the group", "mode 0440", write(planted, 0o440)},
		{"readable by all", "mode 0644", write(planted, 0o644)},
		{"writable by others", "mode 0602", write(planted, 0o602)},
		{"executable", "mode 0700", write(planted, 0o700)},
		{"setuid", "mode", write(planted, 0o600|os.ModeSetuid)},
		{"empty", "is empty", write("", 0o600)},
		{"only a newline", "is empty", write("\n", 0o600)},
		{"two lines", "control character", write(planted+"\n"+planted+"\n", 0o600)},
		{"two newlines at the end", "control character", write(planted+"\n\n", 0o600)},
		{"carriage return inside", "control character", write("a\rb", 0o600)},
		{"NUL", "control character", write("a\x00b", 0o600)},
		{"too large", "larger than", write(strings.Repeat("x", MaxFile+1), 0o600)},
		{"missing", "no such file", func(*testing.T, string) {}},
		{"folder", "not a regular file", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"FIFO", "not a regular file", func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"symbolic link", "symbolic link", func(t *testing.T, path string) {
			write(planted, 0o600)(t, path+".real")
			if err := os.Symlink(path+".real", path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "token")
			c.make(t, path)
			text, err := ReadFile(path)
			if c.want == "" {
				if err != nil || string(text.Reveal()) != planted {
					t.Fatalf("ReadFile = %q, %v", text.Reveal(), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, wanted one with %q", err, c.want)
			}
			if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), planted) {
				t.Errorf("error %q must name the file and not its content", err)
			}
			if !text.Empty() {
				t.Error("a refused file must give nothing")
			}
		})
	}
}

func TestReadKeyFileTakesManyLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte("line\nline\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	text, err := ReadKeyFile(path)
	if err != nil || string(text.Reveal()) != "line\nline\n" {
		t.Fatalf("ReadKeyFile = %q, %v", text.Reveal(), err)
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(path); err == nil {
		t.Error("a key that all may read was taken")
	}
}

// file is a FileInfo of a regular file with a given owner: only root could make a real one.
type file struct{ owner uint32 }

func (file) Name() string       { return "token" }
func (file) Size() int64        { return 1 }
func (file) Mode() fs.FileMode  { return 0o400 }
func (file) ModTime() time.Time { return time.Time{} }
func (file) IsDir() bool        { return false }
func (f file) Sys() any         { return &syscall.Stat_t{Uid: f.owner} }
func TestOwnerMustBeRootOrOurselves(t *testing.T) {
	t.Parallel()
	for owner, fine := range map[uint32]bool{0: true, 990: true, 991: false} {
		if err := check("token", file{owner}, 990); (err == nil) != fine {
			t.Errorf("owner %d as user 990: %v", owner, err)
		}
	}
}
