package name

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// special are letters that no decomposition folds.
var special = strings.NewReplacer("ß", "ss", "ẞ", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "ł", "l",
	"þ", "th", "ı", "i", "ħ", "h")

// umlauts are the German way to write marks without marks.
var umlauts = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "å", "aa", "ø", "oe")

// foldLatin lowers case and takes marks from Latin and Greek letters. Marks of
// other scripts are letters of their own (й is not и) and stay.
func foldLatin(s string) string {
	s = special.Replace(strings.ToLower(s))
	var b strings.Builder
	latin := false
	for _, r := range norm.NFD.String(s) {
		if unicode.Is(unicode.Mn, r) {
			if !latin {
				b.WriteRune(r)
			}
			continue
		}
		latin = unicode.In(r, unicode.Latin, unicode.Greek)
		b.WriteRune(r)
	}
	return norm.NFC.String(b.String())
}

// tokens splits a name into folded words: hyphens, dots and commas part them,
// apostrophes do not.
func tokens(folded string) []string {
	return strings.FieldsFunc(strings.Map(func(r rune) rune {
		switch r {
		case '\'', '’', '‘', 'ʼ', '`', '´':
			return -1
		}
		return r
	}, folded), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
}

// compareLatin compares two normalized names word by word. It serves every
// script that writes words; only Latin and Greek lose their marks.
func compareLatin(asked, registered string) (Answer, []Evidence) {
	a, b := tokens(foldLatin(asked)), tokens(foldLatin(registered))
	if len(a) == 0 || len(b) == 0 {
		return NoMatch, []Evidence{{Rule: "empty", Asked: asked, Registered: registered}}
	}
	rule := func(r string) []Evidence { return []Evidence{{Rule: r, Asked: asked, Registered: registered}} }
	if slices.Equal(a, b) {
		return Match, rule("folded")
	}
	if rotated(a, b) {
		return Match, rule("order")
	}
	german := func(s string) []string { return tokens(foldLatin(umlauts.Replace(strings.ToLower(s)))) }
	ua, ub := german(asked), german(registered)
	for _, x := range [][]string{a, ua} {
		for _, y := range [][]string{b, ub} {
			if slices.Equal(x, y) || rotated(x, y) {
				return Match, rule("umlaut")
			}
		}
	}
	if sameWords(a, b) {
		return Close, rule("order")
	}
	if strings.Join(a, "") == strings.Join(b, "") {
		return Close, rule("spacing")
	}
	if r := shortened(a, b); r != "" {
		return Close, rule(r)
	}
	return NoMatch, rule("different")
}

// rotated reports the surname moved from one end to the other.
func rotated(a, b []string) bool {
	n := len(a)
	if n < 2 || n != len(b) {
		return false
	}
	return slices.Equal(a[1:], b[:n-1]) && a[0] == b[n-1] || slices.Equal(b[1:], a[:n-1]) && b[0] == a[n-1]
}

func sameWords(a, b []string) bool {
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// shortened says how one name is a short form of the other: "initial" or
// "middle_name"; "" if it is not. First and last word must be there in both, as
// words or one of them as an initial; only what stands between may be missing.
func shortened(a, b []string) string {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) < 2 {
		return ""
	}
	for _, x := range [][]string{a, append(slices.Clone(a[1:]), a[0]), append([]string{a[len(a)-1]}, a[:len(a)-1]...)} {
		if r := shortForm(x, b); r != "" {
			return r
		}
	}
	return ""
}

// shortForm aligns the words of a to words of b in order.
func shortForm(a, b []string) string {
	full, initials := 0, 0
	at := 0
	for i, w := range a {
		found := false
		for ; at < len(b) && !found; at++ {
			mayEnd := i < len(a)-1 || at == len(b)-1 // the last word is the last word
			switch {
			case mayEnd && w == b[at]:
				found = true
				if len([]rune(w)) > 1 {
					full++
				}
			case mayEnd && isInitial(w, b[at]):
				found = true
				initials++
			}
			if i == 0 && !found {
				return "" // the first word is the first word
			}
			if !found && numeral(b[at]) && (len(b[at]) > 1 || b[at] <= "9") {
				return "" // "Trust Fund" is not "Trust 2 Fund"; one letter is a middle initial
			}
		}
		if !found {
			return ""
		}
	}
	switch {
	case full == 0:
		return ""
	case initials > 0:
		return "initial"
	}
	return "middle_name"
}

// isInitial reports that one of the words is the first letter of the other.
// Numbers have no initials: "Trust I" is not "Trust II".
func isInitial(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) == 0 || len(y) == 0 || x[0] != y[0] || (len(x) == 1) == (len(y) == 1) {
		return false
	}
	return unicode.IsLetter(x[0]) && (!numeral(a) || !numeral(b))
}

// numeral reports digits and Roman numbers up to 39.
func numeral(w string) bool { return w != "" && strings.Trim(w, "ivx0123456789") == "" }
