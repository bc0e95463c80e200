package name

import "strings"

// Skeleton reduces a name to what the eye takes in, after the idea of Unicode
// TS 39: two names that a hurried reader would confuse have the same skeleton.
// Case, marks, white space, invisible characters, traditional forms and
// look-alikes of our own table are folded. It is a key to find imitations, not
// a name, and is never shown.
func Skeleton(s string) string {
	s = foldLatin(deceptive(Normalize(s).Text))
	var b strings.Builder
	for _, r := range s {
		if t, ok := toLatin[r]; ok {
			r = t
		}
		if t, ok := toSimplified[r]; ok {
			r = t
		}
		switch r = look(r); r {
		case ' ', '.', '\'', '’', '·':
		case 'i': // with l, I, 1 and |: one stroke
			b.WriteByte('l')
		case 'm':
			b.WriteString("rn")
		case 'w':
			b.WriteString("vv")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// deceptive replaces capitals of other scripts before case is folded: Cyrillic
// В looks like B, but its small form в does not look like b.
func deceptive(s string) string {
	return strings.Map(func(r rune) rune {
		if t, ok := toLatin[r]; ok {
			return t
		}
		return r
	}, s)
}
