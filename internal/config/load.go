package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"golang.org/x/sys/unix"
)

// maxFile is the largest configuration that is read, in bytes.
const maxFile = 1 << 20

// Load reads, checks and completes a configuration file. Errors name the file, and where they can the line, with a
// caret below the place.
func Load(path string) (Config, error) {
	text, err := readChecked(path)
	if err != nil {
		return Config{}, err
	}
	cfg, err := Parse(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return cfg, nil
}

// readChecked refuses a file that somebody other than root and the user of this process could have written: whoever
// writes it arms the seal.
func readChecked(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at configuration %s: %w", path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("configuration %s is not a regular file", path)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("configuration %s has mode %04o, so others can change it: chmod 0640 it", path, info.Mode().Perm())
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fmt.Errorf("configuration %s: its owner cannot be told on this system", path)
	}
	if err := checkOwner(path, int(stat.Uid), os.Geteuid()); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("configuration %s is larger than %d bytes", path, maxFile)
	}
	return text, nil
}

func checkOwner(path string, owner, euid int) error {
	if owner != 0 && owner != euid {
		return fmt.Errorf("configuration %s belongs to user id %d, who can change it: chown root it", path, owner)
	}
	return nil
}

// Parse reads a configuration from YAML: unknown and doubled keys, wrong types and values out of bounds are errors. An
// empty document is the default.
func Parse(text []byte) (Config, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Config{}, explain(err)
	}
	cfg := Default()
	switch documents := slices.DeleteFunc(file.Docs, empty); len(documents) {
	case 0:
	case 1:
		if err := decode(text, documents[0].Body, &cfg); err != nil {
			return Config{}, err
		}
	default:
		return Config{}, errors.New("more than one YAML document in the file: keep only one")
	}
	if problems := cfg.problems(); len(problems) > 0 {
		return Config{}, annotate(text, problems)
	}
	return cfg, nil
}

func empty(document *ast.DocumentNode) bool {
	_, onlyComments := document.Body.(*ast.CommentGroupNode)
	return document.Body == nil || onlyComments
}

func decode(text []byte, body ast.Node, cfg *Config) error {
	c := new(checker)
	body = c.shape("$", body, reflect.TypeFor[Config]())
	if len(c.found) > 0 {
		return annotate(text, c.found)
	}
	if err := yaml.NodeToValue(body, cfg, yaml.Strict()); err != nil {
		return explain(err)
	}
	return nil
}

// explain gives the parser's error with its excerpt of the source, and for an unknown key the nearest known one.
func explain(err error) error {
	message := strings.TrimSpace(yaml.FormatError(err, false, true))
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		if _, field, ok := strings.Cut(unknown.Message, `unknown field "`); ok {
			if near := nearest(strings.TrimSuffix(field, `"`)); near != "" {
				message += "\n\n" + near
			}
		}
	}
	return errors.New(message)
}

// problem is a value that is wrong for a reason that its type cannot express.
type problem struct {
	path string // YAML path, such as $.clusters[0].name
	text string
}

func annotate(text []byte, problems []problem) error {
	var all []string
	for _, p := range problems {
		message := strings.TrimPrefix(p.path, "$.") + ": " + p.text
		if path, err := yaml.PathString(p.path); err == nil {
			if source, err := path.AnnotateSource(text, false); err == nil {
				message += "\n" + strings.TrimRight(string(source), "\n")
			}
		}
		all = append(all, message)
	}
	return errors.New(strings.Join(all, "\n\n"))
}
