package oracle

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// Mutator changes recordings so that only an engine, and no table of answers, reproduces them:
// accessors, names, paths, addresses and numbers become others of the same length and form.
type Mutator struct{ seed int64 }

// NewMutator makes a Mutator. The same seed gives the same changes.
func NewMutator(seed int64) *Mutator { return &Mutator{seed} }

// Mapping replaces the words of one case, in inputs and expectations alike. The zero Mapping
// replaces nothing.
type Mapping struct{ replacer *strings.Replacer }

// Text applies the mapping.
func (m Mapping) Text(s string) string {
	if m.replacer == nil {
		return s
	}
	return m.replacer.Replace(s)
}

var (
	uuidWord    = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	tokenWord   = regexp.MustCompile(`\bhv[sb]\.[A-Za-z0-9_-]{20,}|\b[a-z]+_[0-9a-f]{8}\b`)
	hexWord     = regexp.MustCompile(`\b[0-9a-f]{16,128}\b`)
	addressWord = regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`)
	numberWord  = regexp.MustCompile(`\b[1-9]\d{3,8}\b`)
	// namedWord finds what stands behind keys whose values are names and paths.
	namedWord = regexp.MustCompile(`"(?:display_name|name|path|username|user|acc|entity|entity_name)":\s*"([^"\\]+)"`)
	agentWord = regexp.MustCompile(`\] \(([A-Za-z][\w.-]*)\)`)
	part      = regexp.MustCompile(`[A-Za-z][A-Za-z0-9]{2,}`)
)

// reserved holds the words that analysisd itself writes or knows, which stay.
const reserved = `timestamp rule level description id mitre tactic technique cve info frequency firedtimes mail groups
pci_dss gdpr gpg13 hipaa nist_800_53 tsc cis agent name ip labels manager wazuh-manager cluster node previous_output full_log
predecoder program_name hostname decoder parent ftscomment data location agentless script user host syscheck
srcip dstip srcport dstport protocol action srcuser dstuser status url extra_data systemname system_name
true false null 1222 Invalid msg`

// For finds the words to change in the inputs of a case. What occurs in keep, the text of its
// configuration, stays, since patterns there may ask for it.
func (m *Mutator) For(keep string, inputs ...string) Mapping {
	if m == nil {
		return Mapping{}
	}
	words := map[string]bool{}
	add := func(word string) { words[word] = true }
	for _, in := range inputs {
		for _, pattern := range []*regexp.Regexp{uuidWord, tokenWord, hexWord, addressWord, numberWord} {
			for _, word := range pattern.FindAllString(in, -1) {
				// Many digits are a number whose size counts, not an accessor.
				if pattern != hexWord || strings.ContainsAny(word, "abcdef") {
					add(word)
				}
			}
		}
		for _, pattern := range []*regexp.Regexp{namedWord, agentWord} {
			for _, found := range pattern.FindAllStringSubmatch(in, -1) {
				for _, word := range part.FindAllString(found[1], -1) {
					add(word)
				}
			}
		}
	}
	return m.mapping(words, strings.ToLower(keep+reserved))
}

func (m *Mutator) mapping(words map[string]bool, keep string) Mapping {
	var sorted []string
	for word := range words {
		if !strings.Contains(keep, strings.ToLower(word)) && !addressKept(word, keep) {
			sorted = append(sorted, word)
		}
	}
	// Longer words first: a Replacer takes the first pair that matches.
	sort.Slice(sorted, func(i, j int) bool {
		if len(sorted[i]) != len(sorted[j]) {
			return len(sorted[i]) > len(sorted[j])
		}
		return sorted[i] < sorted[j]
	})
	taken := map[string]bool{}
	var pairs []string
	for _, word := range sorted {
		other := m.other(word, taken, words)
		taken[other] = true
		pairs = append(pairs, word, other)
	}
	return Mapping{strings.NewReplacer(pairs...)}
}

// addressKept keeps addresses where the configuration names networks by their first octet.
func addressKept(word, keep string) bool {
	if !addressWord.MatchString(word) {
		return false
	}
	first, _, _ := strings.Cut(word, ".")
	return strings.Contains(keep, first+".")
}

// other makes another word of the same form: digits for digits, hexadecimal for hexadecimal,
// letters for letters of the same case. The first digit of a number stays, so that it keeps its
// size.
func (m *Mutator) other(word string, taken, words map[string]bool) string {
	hex := uuidWord.MatchString(word) || hexWord.MatchString(word)
	number, address := numberWord.MatchString(word), addressWord.MatchString(word)
	for try := 0; ; try++ {
		stream := newStream(fmt.Sprintf("%d %d %s", m.seed, try, word))
		out := []byte(word)
		for i, c := range out {
			switch {
			case number && i == 0, address && (i == 0 || out[i-1] == '.'):
			case hex && c != '-':
				out[i] = "0123456789abcdef"[stream.next(16)]
			case '0' <= c && c <= '9':
				digits := 10
				if address {
					digits = 5 // so that no part exceeds 255
				}
				out[i] = byte('0' + stream.next(digits))
			case 'a' <= c && c <= 'z':
				out[i] = byte('a' + stream.next(26))
			case 'A' <= c && c <= 'Z':
				out[i] = byte('A' + stream.next(26))
			}
		}
		if other := string(out); !taken[other] && !words[other] && (other != word || try > 20) {
			return other
		}
		if try > 100 {
			return word
		}
	}
}

// stream is an endless series of numbers from a text.
type stream struct {
	text  string
	block [sha256.Size]byte
	used  int
	count uint64
}

func newStream(text string) *stream { return &stream{text: text, used: sha256.Size} }

func (s *stream) next(n int) int {
	if s.used+2 > len(s.block) {
		s.block = sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.text), s.count))
		s.count++
		s.used = 0
	}
	v := binary.BigEndian.Uint16(s.block[s.used:])
	s.used += 2
	return int(v) % n
}
