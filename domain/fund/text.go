package fund

import (
	"strings"
	"unicode"
)

// maxText is Max140Text of ISO 20022, in characters.
const maxText = 140

// clean makes a text fit for an XML element of at most limit characters: what
// XML 1.0 cannot carry is removed, runs of white space become one space, and
// what is too long is cut behind its limit-th character. Nothing is put in place
// of what goes: a bank compares names, and a dot would be part of one.
func clean(s string, limit int) string {
	s = strings.ToValidUTF8(s, "")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r == '\uFFFD', r == '\uFEFF', r >= 0xFFFE && r&0xFFFE == 0xFFFE, r >= 0xD800 && r <= 0xDFFF:
			return -1
		case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069: // would turn the line around for who reads it
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	n := 0
	for i := range s {
		if n == limit {
			return strings.TrimSpace(s[:i])
		}
		n++
	}
	return s
}
