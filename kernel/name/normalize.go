package name

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// MaxLen is how many characters of a name are read, as in ISO 20022 (Max140Text).
// What is longer is cut and never a Match.
const MaxLen = 140

// Script says how a name is written.
type Script string

// The scripts that are told apart.
const (
	Empty Script = ""      // no letter at all
	Han   Script = "han"   // Han characters and no other letters
	Latin Script = "latin" // Latin letters and no others
	Mixed Script = "mixed" // more than one script
	Other Script = "other" // one other script
)

// Normal is a name made fit to be compared and indexed, and what was found wrong with it.
type Normal struct {
	Text      string // NFKC; one space between words; none inside a Han name; case kept
	Script    Script
	Invisible bool // it held characters that nobody sees: zero-width, direction, filler, control
	Styled    bool // it held characters that only look like letters: 𝐉, ⓙ, ⼈, ﬁ
	Mingled   bool // one word mixes Latin, Greek and Cyrillic letters
	Cut       bool // it was longer than MaxLen
}

// Suspicious reports whether something in the name forbids a Match.
func (n Normal) Suspicious() bool { return n.Invisible || n.Styled || n.Mingled || n.Cut }

// Normalize folds a name: full width to half, compatibility characters to plain
// ones, white space, and the dots inside names of minorities to "·". Invisible
// characters are taken out and reported. It never fails.
func Normalize(s string) Normal {
	var n Normal
	s, n.Cut = cut(s)
	s, n.Invisible = stripInvisible(s)
	s, stacked := unstack(s)
	n.Styled = styled(s) || stacked
	s = norm.NFKC.String(s)
	// Compatibility decomposition can bring out what was hidden before it and
	// can make one character eighteen; so look again.
	s, hidden := stripInvisible(s)
	s, long := cut(s)
	n.Invisible, n.Cut = n.Invisible || hidden, n.Cut || long
	s = foldDots(s)
	n.Script = scriptOf(s)
	words := strings.Fields(s)
	if n.Script == Han {
		n.Text = strings.Join(words, "")
	} else {
		n.Text = strings.Join(words, " ")
	}
	n.Text = norm.NFKC.String(n.Text) // joining words may let marks combine
	for _, w := range words {
		n.Mingled = n.Mingled || mingled(w)
	}
	return n
}

// cut keeps the first MaxLen characters; it looks at no more bytes than that.
func cut(s string) (string, bool) {
	if len(s) <= MaxLen {
		return s, false
	}
	count := 0
	for i := range s {
		if count == MaxLen {
			return s[:i], true
		}
		count++
	}
	return s, false
}

// stripInvisible removes what nobody sees and turns each white space into " ".
func stripInvisible(s string) (string, bool) {
	clean := true
	for _, r := range s {
		if r >= 0x7f || r < 0x20 {
			clean = false
			break
		}
	}
	if clean {
		return s, false
	}
	found := false
	out := strings.Map(func(r rune) rune {
		switch {
		case invisible(r):
			found = true
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
	return out, found
}

// invisible reports characters that leave no mark on a screen, or none of their
// own: format and control characters, fillers, variation selectors, private use
// and broken UTF-8.
func invisible(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r' || r == ' ':
		return false
	case r == utf8.RuneError, r == 0x034f, r == 0x2800: // grapheme joiner, empty braille
		return true
	case r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0: // Hangul fillers
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef, r >= 0x180b && r <= 0x180f: // selectors
		return true
	case r == 0x17b4 || r == 0x17b5 || r == 0x2028 || r == 0x2029: // Khmer vowels, separators
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) || r >= 0xfff0 && r <= 0xffff
}

// styled reports characters that NFKC would turn into another letter, and that
// no keyboard for names gives: mathematical and circled letters, ligatures,
// radicals. Full and half width, CJK compatibility ideographs and letters that
// are merely composed are honest.
func styled(s string) bool {
	for _, r := range s {
		if r < 0x80 || unicode.IsSpace(r) {
			continue
		}
		p := norm.NFKC.PropertiesString(string(r))
		if p.Decomposition() == nil {
			continue
		}
		one := string(r)
		if norm.NFD.String(one) == norm.NFKD.String(one) {
			continue // a canonical composition
		}
		if k := width.LookupRune(r).Kind(); k == width.EastAsianFullwidth || k == width.EastAsianHalfwidth {
			continue
		}
		return true
	}
	return false
}

// maxMarks is how many marks one letter may carry; Vietnamese needs two, a
// vocalised Arabic or Hebrew letter three.
const maxMarks = 4

// unstack drops marks piled up on one letter, which no name has.
func unstack(s string) (string, bool) {
	run, dropped := 0, false
	out := strings.Map(func(r rune) rune {
		if !unicode.Is(unicode.M, r) {
			run = 0
			return r
		}
		if run++; run > maxMarks {
			dropped = true
			return -1
		}
		return r
	}, s)
	return out, dropped
}

// foldDots makes the many dots that people type inside a name one: "·".
func foldDots(s string) string {
	if !strings.ContainsAny(s, "•‧∙⋅・᛫●") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("•‧∙⋅・᛫●", r) {
			return '·'
		}
		return r
	}, s)
}

func scriptOf(s string) Script {
	var found Script
	for _, r := range s {
		if r == '·' || !unicode.IsLetter(r) {
			continue
		}
		this := Other
		switch {
		case unicode.Is(unicode.Han, r):
			this = Han
		case unicode.Is(unicode.Latin, r):
			this = Latin
		}
		if found != Empty && found != this {
			return Mixed
		}
		found = this
	}
	return found
}

// mingled reports a word with letters of two of the scripts that look alike.
func mingled(word string) bool {
	var latin, greek, cyrillic bool
	for _, r := range word {
		latin = latin || unicode.Is(unicode.Latin, r)
		greek = greek || unicode.Is(unicode.Greek, r)
		cyrillic = cyrillic || unicode.Is(unicode.Cyrillic, r)
	}
	return latin && greek || latin && cyrillic || greek && cyrillic
}
