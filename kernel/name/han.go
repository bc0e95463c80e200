package name

import (
	"slices"
	"strings"
	"unicode"

	"github.com/mozillazg/go-pinyin"
)

// maxReadings bounds the readings of one character that are tried.
const maxReadings = 6

// simplify writes each character in its simplified form.
func simplify(s string) string {
	return strings.Map(func(r rune) rune {
		if t, ok := toSimplified[r]; ok {
			return t
		}
		return r
	}, s)
}

// surnameLen is how many characters of a simplified Han name are the surname:
// none in a name of a minority, which is written with "·".
func surnameLen(name []rune) int {
	switch {
	case len(name) == 0 || slices.Contains(name, '·'):
		return 0
	case len(name) >= 3 && isCompound[string(name[:2])]:
		return 2
	}
	return 1
}

// readings lists the toneless readings of a character; "lü" is written "lv".
// A surname is read as a surname.
func readings(r rune, surname bool) []string {
	if s, ok := surnameSound[r]; ok && surname {
		return []string{s}
	}
	var out []string
	for one := range strings.SplitSeq(pinyin.PinyinDict[int(r)], ",") {
		if p := toneless(one); p != "" && !slices.Contains(out, p) && len(out) < maxReadings {
			out = append(out, p)
		}
	}
	return out
}

// toneless takes the tone mark from a syllable: "zēng" becomes "zeng".
func toneless(s string) string {
	return strings.Map(func(r rune) rune {
		if t, ok := toPlainVowel[r]; ok {
			return t
		}
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
}

// sameSound reports whether two characters can be read alike.
func sameSound(a, b rune, surname bool) bool {
	for _, x := range readings(a, surname) {
		if slices.Contains(readings(b, surname), x) {
			return true
		}
	}
	return false
}

// similar reports whether two characters look alike.
func similar(a, b rune) bool { return look(a) == look(b) }

func look(r rune) rune {
	if t, ok := toLookalike[r]; ok {
		return t
	}
	return r
}

// compareHan compares two normalized Han names that are not equal.
func compareHan(asked, registered string) (Answer, []Evidence) {
	a, b := []rune(simplify(asked)), []rune(simplify(registered))
	if slices.Equal(a, b) {
		return Close, []Evidence{{Rule: "traditional", Asked: asked, Registered: registered}}
	}
	if len(a) != len(b) {
		return compareHanLength(a, b)
	}
	n := surnameLen(a)
	if surnameLen(b) != n {
		return NoMatch, []Evidence{{Rule: "surname", Asked: asked, Registered: registered}}
	}
	var ev []Evidence
	other := 0
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		e := Evidence{Asked: string(a[i]), Registered: string(b[i]), At: i + 1}
		switch {
		case sameSound(a[i], b[i], i < n):
			e.Rule = "homophone"
		case similar(a[i], b[i]):
			e.Rule = "look_alike"
		case i < n:
			e.Rule = "surname"
			return NoMatch, append(ev, e)
		default:
			e.Rule = "character"
			other++
		}
		ev = append(ev, e)
	}
	// In a name of two characters the given name is one: another given name is
	// another person. Homophones everywhere and another character is too far.
	if other == 0 || other == 1 && len(ev) == 1 && len(a) >= 3 {
		return Close, ev
	}
	return NoMatch, ev
}

// compareHanLength allows one character too many or too few, but only in names
// of four or more, as names of minorities and foreigners are: 王明 and 王小明
// are two people.
func compareHanLength(a, b []rune) (Answer, []Evidence) {
	e := Evidence{Rule: "length", Asked: string(a), Registered: string(b)}
	long, short := a, b
	if len(a) < len(b) {
		long, short = b, a
	}
	if len(long)-len(short) != 1 || len(short) < 4 {
		return NoMatch, []Evidence{e}
	}
	i := 0
	for i < len(short) && short[i] == long[i] {
		i++
	}
	if i == 0 || !slices.Equal(short[i:], long[i+1:]) {
		return NoMatch, []Evidence{e}
	}
	e.Rule, e.At = "character", i+1
	return Close, []Evidence{e}
}

// spells reports whether Latin letters are the pinyin of a Han name, the
// surname first or last; spaces, hyphens and apostrophes do not count. Each
// character keeps all its readings: the positions in the letters that the
// characters so far can reach are carried along, so the time is bounded.
func spells(latin, han string) bool {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, foldLatin(latin))
	name := []rune(simplify(han))
	n := surnameLen(name)
	if len(name) < 2 || len(letters) > 8*len(name) {
		return false
	}
	if reaches(letters, name, 0, n) {
		return true
	}
	last := append(slices.Clone(name[n:]), name[:n]...)
	return n > 0 && reaches(letters, last, len(name)-n, len(name))
}

// reaches reports whether the characters can be read as the letters; those from
// index from to index to are the surname.
func reaches(letters string, name []rune, from, to int) bool {
	at := make([]bool, len(letters)+1)
	at[0] = true
	for i, r := range name {
		if !unicode.Is(unicode.Han, r) {
			continue
		}
		next := make([]bool, len(letters)+1)
		for _, p := range readings(r, i >= from && i < to) {
			for _, form := range romanised(p) {
				for start, ok := range at {
					if ok && strings.HasPrefix(letters[start:], form) {
						next[start+len(form)] = true
					}
				}
			}
		}
		at = next
	}
	return at[len(letters)]
}

// romanised gives the ways a syllable with ü is written: passports say LYU, banks LV and LU.
func romanised(p string) []string {
	if before, after, ok := strings.Cut(p, "v"); ok {
		return []string{before + "v" + after, before + "u" + after, before + "yu" + after}
	}
	return []string{p}
}
