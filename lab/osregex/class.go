package osregex

// escapes lists the characters that may follow a backslash; the class number of
// each is its place, counted from one.
const escapes = "dwsp()\\DWS.t$|<"

const (
	classDigit = iota + 1
	classWord
	classSpace
	classPunct
	classOpen
	classClose
	classBackslash
	classNotDigit
	classNotWord
	classNotSpace
	classAny
	classTab
	classDollar
	classPipe
	classLess
)

// in reports whether c belongs to a class. The end of the text, a NUL, belongs
// to the negative classes and to \. as it does in the C tables.
func in(class, c byte) bool {
	switch class {
	case classDigit:
		return isDigit(c)
	case classWord:
		return isWord(c)
	case classSpace:
		return c == ' '
	case classPunct:
		return isPunct(c)
	case classOpen:
		return c == '('
	case classClose:
		return c == ')'
	case classBackslash:
		return c == '\\'
	case classNotDigit:
		return !isDigit(c)
	case classNotWord:
		return !isWord(c)
	case classNotSpace:
		return c != ' '
	case classAny:
		return true
	case classTab:
		return c == '\t'
	case classDollar:
		return c == '$'
	case classPipe:
		return c == '|'
	case classLess:
		return c == '<'
	}
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isWord knows more characters than other dialects: - @ and _ (os_regex_maps.c).
func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '@' || c == '_'
}

// isPunct leaves out / \ ^ ` and ~ (os_regex_maps.c).
func isPunct(c byte) bool {
	return '!' <= c && c <= '.' || ':' <= c && c <= '?' || c == '[' || c == ']' || '{' <= c && c <= '}'
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// literal compares a pattern byte with a text byte. The C code compares a signed
// with an unsigned char: bytes above 0x7f are never equal.
func literal(pattern, text byte) bool {
	return pattern < 0x80 && pattern == lower(text)
}
