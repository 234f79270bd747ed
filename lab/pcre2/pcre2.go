// Package pcre2 matches with PCRE2 itself, as go.elara.ws/pcre translated it from
// C to Go. That module's own Regexp leaves out empty matches and empty subjects,
// which Wazuh's rules tell apart, and hands the C code memory of Go's heap, which
// the race detector's pointer checks forbid. So this package calls the library
// below it.
package pcre2

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"go.elara.ws/pcre/lib"
	"modernc.org/libc"
	"modernc.org/libc/sys/types"
)

// unset is what PCRE2 reports for the place of a group that took no part.
const unset = ^lib.Tsize_t(0)

// Regexp is a compiled pattern. It may be shared: matches wait for each other,
// since the C code's memory belongs to one caller at a time.
type Regexp struct {
	mu      sync.Mutex
	memory  *memory
	subject uintptr // C memory for subjects
	size    int     // its size in bytes
}

// memory is what has to be given back to C when the Regexp is gone.
type memory struct {
	tls             *libc.TLS
	code, matchData uintptr
}

// Compile compiles a pattern without options, as Wazuh does: sensitive to case,
// bytes instead of characters.
func Compile(pattern string) (*Regexp, error) {
	tls := libc.NewTLS()
	text, err := libc.CString(pattern)
	if err != nil {
		return nil, fmt.Errorf("no memory for a pattern: %w", err)
	}
	defer libc.Xfree(tls, text)
	failure := libc.Xcalloc(tls, 2, 8)
	defer libc.Xfree(tls, failure)

	code := lib.Xpcre2_compile_8(tls, text, lib.Tsize_t(len(pattern)), 0, failure, failure+8, 0)
	if code == 0 {
		number := *(*int32)(pointer(failure))
		tls.Close()
		return nil, fmt.Errorf("PCRE2 refuses the pattern %q with its error %d", pattern, number)
	}
	m := &memory{tls: tls, code: code, matchData: lib.Xpcre2_match_data_create_from_pattern_8(tls, code, 0)}
	re := &Regexp{memory: m}
	re.grow(256)
	runtime.AddCleanup(re, (*memory).free, m)
	return re, nil
}

// pointer turns an address of C memory, which Go's collector neither moves nor
// frees, into a pointer.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

func (m *memory) free() {
	lib.Xpcre2_match_data_free_8(m.tls, m.matchData)
	lib.Xpcre2_code_free_8(m.tls, m.code)
	m.tls.Close()
}

func (re *Regexp) grow(size int) {
	if re.subject != 0 {
		libc.Xfree(re.memory.tls, re.subject)
	}
	re.subject = libc.Xmalloc(re.memory.tls, types.Size_t(size))
	re.size = size
}

// MatchString reports whether the pattern matches anywhere in s. A match that
// exceeds PCRE2's limits is none.
func (re *Regexp) MatchString(s string) bool {
	re.mu.Lock()
	defer re.mu.Unlock()
	return re.match(s) > 0
}

// Result is where a match ended and what its groups held.
type Result struct {
	End int
	// Groups goes up to the last group that took part; one before it that did
	// not is empty.
	Groups []string
}

// Find matches s.
func (re *Regexp) Find(s string) (Result, bool) {
	re.mu.Lock()
	defer re.mu.Unlock()
	pairs := re.match(s)
	if pairs <= 0 {
		return Result{}, false
	}
	vector := unsafe.Slice((*lib.Tsize_t)(pointer(lib.Xpcre2_get_ovector_pointer_8(re.memory.tls, re.memory.matchData))), 2*pairs)
	res := Result{End: int(vector[1])}
	for i := 1; i < pairs; i++ {
		from, to := vector[2*i], vector[2*i+1]
		if from == unset || to == unset {
			res.Groups = append(res.Groups, "")
			continue
		}
		res.Groups = append(res.Groups, s[from:to])
	}
	return res, true
}

func (re *Regexp) match(s string) int {
	if len(s) > re.size {
		re.grow(2 * len(s))
	}
	copy(unsafe.Slice((*byte)(pointer(re.subject)), re.size), s)
	n := lib.Xpcre2_match_8(re.memory.tls, re.memory.code, re.subject, lib.Tsize_t(len(s)), 0, 0, re.memory.matchData, 0)
	return int(n)
}
