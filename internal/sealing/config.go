package sealing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"
)

// Where things are unless said otherwise.
const (
	DefaultConfigFile = "/etc/vault.d/vault-seal.yml"
	// DefaultReportFile is relative to the agent's home, which is the working folder that execd gives.
	DefaultReportFile = "logs/active-responses.log"
)

// Bounds of a configuration.
const (
	maxConfigFile  = 64 << 10 // bytes
	maxNodes       = 32
	defaultTimeout = 20 * time.Second // a crash election of raft takes up to 17 s
	minTimeout     = time.Second
	maxTimeout     = 2 * time.Minute // execd runs nothing else meanwhile
)

// Config says which nodes of Vault this host answers for.
type Config struct {
	Nodes      []Node        `yaml:"nodes"`
	CAFile     string        `yaml:"ca_file"`    // certificates in PEM that the nodes' must descend from
	TokenFile  string        `yaml:"token_file"` // of mode 0600 or 0400
	Timeout    time.Duration `yaml:"timeout"`    // for all of it
	ReportFile string        `yaml:"report_file"`
	MemoryDir  string        `yaml:"memory_dir"` // of the plans that were obeyed
}

// Node is one server of Vault.
type Node struct {
	Name       string `yaml:"name"`
	Address    string `yaml:"address"`     // its own: https://HOST:PORT
	ServerName string `yaml:"server_name"` // in its certificate, if not the address's host
}

// LoadConfig reads and checks a configuration file, which nobody but its owner may be able to change, and which must
// belong to root or to the user that this runs as: it says where the sealer's token is sent.
func LoadConfig(path string) (Config, error) {
	text, err := readConfig(path, os.Geteuid())
	if err != nil {
		return Config{}, err
	}
	cfg, err := ParseConfig(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return cfg, nil
}

func readConfig(path string, euid int) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0) // a FIFO must not hang us
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer file.Close() // only read from
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at configuration: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !info.Mode().IsRegular():
		return nil, fmt.Errorf("configuration %s is not a regular file", path)
	case int(stat.Uid) != 0 && int(stat.Uid) != euid:
		return nil, fmt.Errorf("configuration %s belongs to user id %d: it must belong to root or to user id %d, which this runs as", path, stat.Uid, euid)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("configuration %s has mode %04o, so others can change it: chmod 0640 it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxConfigFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxConfigFile {
		return nil, fmt.Errorf("configuration %s is larger than %d bytes", path, maxConfigFile)
	}
	return text, nil
}

// ParseConfig reads a configuration from YAML, completes it, and refuses what it does not know.
func ParseConfig(text []byte) (Config, error) {
	cfg := Config{Timeout: defaultTimeout, ReportFile: DefaultReportFile, MemoryDir: DefaultMemoryDir}
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := decoder.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false))) // "[line:column] …"
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("more than one YAML document: keep only one")
	}
	return cfg, cfg.check()
}

func (c Config) check() error {
	switch {
	case len(c.Nodes) == 0:
		return errors.New("nodes: none is there: name each Vault server of this host, with its address")
	case len(c.Nodes) > maxNodes:
		return fmt.Errorf("nodes: there are %d, at most %d can be", len(c.Nodes), maxNodes)
	case !filepath.IsAbs(c.CAFile):
		return errors.New("ca_file: an absolute path is wanted")
	case !filepath.IsAbs(c.TokenFile):
		return errors.New("token_file: an absolute path is wanted")
	case c.Timeout < minTimeout || c.Timeout > maxTimeout:
		return fmt.Errorf("timeout: from %s to %s can be, such as 20s", minTimeout, maxTimeout)
	case c.ReportFile == "":
		return errors.New("report_file: it is empty")
	case c.MemoryDir == "":
		return errors.New("memory_dir: it is empty")
	}
	seen := map[string]bool{}
	for i, node := range c.Nodes {
		switch {
		case !isLabel(node.Name) || node.Name == NoNode:
			return fmt.Errorf("nodes[%d].name: up to 64 of the characters A-Z a-z 0-9 . _ - are wanted, and not %q", i, NoNode)
		case seen[node.Name]:
			return fmt.Errorf("nodes[%d].name: %s is there twice", i, node.Name)
		case !strings.HasPrefix(node.Address, "https://"):
			return fmt.Errorf("nodes[%d].address: https://HOST:PORT is wanted; tokens do not travel in clear", i)
		}
		seen[node.Name] = true
	}
	return nil
}
