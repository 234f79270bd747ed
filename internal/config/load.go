package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
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

// readChecked refuses a file that somebody other than its owner or root could have written: whoever writes it arms
// the seal.
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
	case info.Size() > maxFile:
		return nil, fmt.Errorf("configuration %s is larger than %d bytes", path, maxFile)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return text, nil
}

// Parse reads a configuration from YAML: unknown and doubled keys, wrong types and values out of bounds are errors.
func Parse(text []byte) (Config, error) {
	cfg := Default()
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := decoder.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, explain(err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("more than one YAML document in the file: keep only one")
	}
	if problems := cfg.problems(); len(problems) > 0 {
		return Config{}, annotate(text, problems)
	}
	return cfg, nil
}

// explain gives the parser's error with its excerpt of the source, and for a mistyped key the nearest right one.
func explain(err error) error {
	message := strings.TrimSpace(yaml.FormatError(err, false, true))
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		if _, field, ok := strings.Cut(unknown.Message, `unknown field "`); ok {
			field = strings.TrimSuffix(field, `"`)
			if near := nearest(field); near != "" {
				message += fmt.Sprintf("\n\ndid you mean %q?", near)
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
