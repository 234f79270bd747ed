package analysisd

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"custom-vault/lab/osxml"
	"custom-vault/lab/pcre2"
)

// Sources says what a ruleset is loaded from: the part of ossec.conf that <ruleset> is, and two
// of the internal options.
type Sources struct {
	// Files is the manager's home. The names below are relative to it, with slashes.
	Files fs.FS
	// DecoderDirs and RuleDirs hold *.xml. Over all folders, files load by the order of their
	// base names.
	DecoderDirs, RuleDirs []string
	// Lists are the declared CDB lists, as rules name them ("etc/lists/own").
	Lists []string
	// Stock adds the few stock decoders and rules of Wazuh that the lab has (folder stock).
	Stock bool
	// DecoderOrderSize is analysisd.decoder_order_size, 32 to 1024; 0 stands for 256.
	DecoderOrderSize int
	// DefaultTimeframe is analysisd.default_timeframe, 60 to 3600 s; 0 stands for 360.
	DefaultTimeframe int
}

// Ruleset is what decoders, rules and lists were loaded. It is not changed after Load, and may
// be shared by engines.
type Ruleset struct {
	plainDecoders   []*decoder // without program_name
	programDecoders []*decoder // with one

	roots        []*node
	rules        []*rule
	maxFields    int
	maxFrequency int
	fieldNames   map[string]int // number of each name that rules ask for, in lower case
}

// HasRule reports whether a rule of that id is loaded.
func (rs *Ruleset) HasRule(id int) bool {
	for _, r := range rs.rules {
		if r.id == id {
			return true
		}
	}
	return false
}

const (
	// defaultOrderSize is analysisd.decoder_order_size as shipped.
	defaultOrderSize = 256
	// defaultTimeframe is analysisd.default_timeframe as shipped, in seconds.
	defaultTimeframe = 360
)

// ErrLacking is what Load returns for a ruleset that asks for something of analysisd's that the lab
// does not have.
var ErrLacking = errors.New("the lab does not have")

// Load reads a ruleset as analysisd does when it starts. The lines are what it would log; an
// error means that it would not start, and carries the last of the lines.
func Load(src Sources) (*Ruleset, []string, error) {
	l := &loader{
		src:       src,
		decoderID: map[string]int{},
		lists:     map[string]map[string]string{},
		compiler:  &compiler{perl: map[string]*pcre2.Regexp{}},
		set:       &Ruleset{maxFields: src.DecoderOrderSize, fieldNames: map[string]int{}},
		rulesByID: map[int]*rule{},
	}
	if l.set.maxFields == 0 {
		l.set.maxFields = defaultOrderSize
	}
	if l.src.DefaultTimeframe == 0 {
		l.src.DefaultTimeframe = defaultTimeframe
	}
	if err := l.load(); err != nil {
		return nil, l.lines, err
	}
	return l.set, l.lines, nil
}

// errRefused marks a fault that has been logged and that keeps analysisd from starting.
var errRefused = errors.New("refused")

type loader struct {
	src       Sources
	set       *Ruleset
	lines     []string
	decoderID map[string]int               // by name, from 1
	lists     map[string]map[string]string // by declared name
	compiler  *compiler
	rulesByID map[int]*rule
	fileStart int // of lines, where those of the file at hand begin
}

// maxMessage is the longest message about a ruleset, in bytes (OS_BUFFER_SIZE - 1).
const maxMessage = 2047

func message(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	return text[:min(len(text), maxMessage)]
}

func (l *loader) warn(format string, args ...any) {
	l.lines = append(l.lines, "wazuh-analysisd: WARNING: "+message(format, args...))
}

func (l *loader) info(format string, args ...any) {
	l.lines = append(l.lines, "wazuh-analysisd: INFO: "+fmt.Sprintf(format, args...))
}

// refuse logs an error after which the file is given up.
func (l *loader) refuse(format string, args ...any) error {
	l.lines = append(l.lines, "wazuh-analysisd: ERROR: "+message(format, args...))
	return errRefused
}

// refuseAtOnce is refuse for what analysisd logs directly: it comes before what else there is to say
// of the file, which is said when the file has been read.
func (l *loader) refuseAtOnce(format string, args ...any) error {
	l.lines = slices.Insert(l.lines, l.fileStart, "wazuh-analysisd: ERROR: "+fmt.Sprintf(format, args...))
	l.fileStart++
	return errRefused
}

// lack gives a ruleset up for what the lab does not have.
func (l *loader) lack(format string, args ...any) error {
	return fmt.Errorf("%w %s", ErrLacking, fmt.Sprintf(format, args...))
}

// exit logs the last line of an analysisd that does not start.
func (l *loader) exit(format string, args ...any) error {
	line := "wazuh-analysisd: CRITICAL: " + fmt.Sprintf(format, args...)
	l.lines = append(l.lines, line)
	return errors.New(line)
}

func (l *loader) load() error {
	decoders, err := l.files(l.src.DecoderDirs, "decoders")
	if err != nil {
		return err
	}
	for _, f := range decoders {
		l.fileStart = len(l.lines)
		if err := l.loadDecoders(f); errors.Is(err, ErrLacking) {
			return err
		} else if err != nil {
			return l.exit("(1202): Configuration error at '%s'.", f.label)
		}
	}
	if !l.numberDecoders() {
		_ = l.refuse("(2106): Error adding decoder plugin.")
		return l.exit("(2105): Error loading decoder options.")
	}
	l.loadLists()
	rules, err := l.files(l.src.RuleDirs, "rules")
	if err != nil {
		return err
	}
	for _, f := range rules {
		l.fileStart = len(l.lines)
		if err := l.loadRules(f); err != nil {
			return l.exit("(1220): Error loading the rules: '%s'.", f.label)
		}
	}
	l.info("Total rules enabled: '%d'", settle(l.set.roots))
	return nil
}

// file is a file of decoders or rules.
type file struct {
	label string // as analysisd names it
	data  []byte
}

// files reads the *.xml of the folders, in the order of their base names.
func (l *loader) files(dirs []string, kind string) ([]file, error) {
	var out []file
	read := func(from fs.FS, dir, labelDir string) error {
		entries, err := fs.ReadDir(from, dir)
		if err != nil {
			return fmt.Errorf("read the folder %s of %s: %w", dir, kind, err)
		}
		for _, entry := range entries {
			if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".xml") {
				continue
			}
			data, err := fs.ReadFile(from, path.Join(dir, entry.Name()))
			if err != nil {
				return fmt.Errorf("read a file of %s: %w", kind, err)
			}
			out = append(out, file{path.Join(labelDir, entry.Name()), data})
		}
		return nil
	}
	if l.src.Stock {
		if err := read(stockFiles, "stock/"+kind, "ruleset/"+kind); err != nil {
			return nil, err
		}
	}
	for _, dir := range dirs {
		if err := read(l.src.Files, dir, dir); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b file) int { return strings.Compare(path.Base(a.label), path.Base(b.label)) })
	return out, nil
}

// readXML reads a file and applies its variables.
func (l *loader) readXML(f file) ([]*osxml.Element, error) {
	roots, err := osxml.Read(f.data)
	if err != nil {
		var fault *osxml.Error
		if errors.As(err, &fault) {
			return nil, l.refuse("(1226): Error reading XML file '%s': %s (line %d).", f.label, fault.Text, fault.Line)
		}
		return nil, err
	}
	if roots, err = osxml.ApplyVariables(roots); err != nil {
		var fault *osxml.Error
		if errors.As(err, &fault) {
			return nil, l.refuse("(1227): Error applying XML variables '%s': %s.", f.label, fault.Text)
		}
		return nil, err
	}
	return roots, nil
}

// concat appends a text to another, within limits of the C code: a first text of limit bytes
// and more is dropped with an error, and so is what would make the whole too long.
func (l *loader) concat(have text, add string, limit int) text {
	if !have.has && len(add) < limit || have.has && len(have.s) <= limit && len(add) <= limit {
		return some(have.s + add)
	}
	_ = l.refuse("(1104): Maximum string size reached for: %s.", add)
	return text{}
}
