package snippets

import (
	"io/fs"
	"os"
	"testing"
)

const packDir = "../../ossec-snippets"

func pack(t *testing.T) *Pack {
	t.Helper()
	p, err := ReadPack(packFiles())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func packFiles() fs.FS { return os.DirFS(packDir) }

func TestLinterFindsNothing(t *testing.T) {
	t.Parallel()
	findings, err := pack(t).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

func TestCasesOfThePack(t *testing.T) {
	t.Parallel()
	cases, err := pack(t).Cases()
	if err != nil {
		t.Fatal(err)
	}
	manager, err := NewManager(packFiles())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if wrong := manager.Check(c); wrong != "" {
			t.Errorf("%s: %s\n%.300s", c.Name(), wrong, c.Log)
		}
	}
}
