package name

import "unicode"

// Answer is how well two names agree, as in EPC Verification of Payee: MTCH, CMTC, NMTC.
type Answer string

// The answers.
const (
	Match   Answer = "match"
	Close   Answer = "close"
	NoMatch Answer = "no_match"
)

// Evidence is one reason for an answer. It holds parts of the registered name:
// it is for staff and the record, never for a payer.
type Evidence struct {
	Rule       string `json:"rule"` // stable, snake_case: "homophone"
	Asked      string `json:"asked,omitempty"`
	Registered string `json:"registered,omitempty"`
	At         int    `json:"at,omitempty"` // character, from 1; 0 if the whole name is meant
}

// Result is the answer with its reasons. The rules are: equal, folded, order,
// umlaut, traditional, pinyin, homophone, look_alike, character, spacing,
// initial, middle_name, surname, length, different, empty, and what lowers a
// Match to Close: invisible, styled, mingled, too_long.
type Result struct {
	Answer   Answer     `json:"answer"`
	Evidence []Evidence `json:"evidence"`
}

// Compare tells whether the name that was asked for is the registered one. It
// never fails; an empty name matches nothing.
func Compare(asked, registered string) Result {
	a, b := Normalize(asked), Normalize(registered)
	if a.Script == Empty || b.Script == Empty {
		return Result{NoMatch, []Evidence{{Rule: "empty", Asked: a.Text, Registered: b.Text}}}
	}
	answer, ev := compare(a, b)
	if answer == NoMatch {
		if sa, sb := Skeleton(a.Text), Skeleton(b.Text); sa == sb {
			answer = Close
			ev = []Evidence{{Rule: "look_alike", Asked: a.Text, Registered: b.Text}}
		}
	}
	if answer == Match && (a.Suspicious() || b.Suspicious()) {
		answer = Close
	}
	return Result{answer, append(append(ev, suspicions(a)...), suspicions(b)...)}
}

func compare(a, b Normal) (Answer, []Evidence) {
	switch {
	case a.Text == b.Text:
		return Match, []Evidence{{Rule: "equal", Asked: a.Text, Registered: b.Text}}
	case a.Script == Han && b.Script == Han:
		return compareHan(a.Text, b.Text)
	case a.Script == Latin && b.Script == Han && spells(a.Text, b.Text),
		a.Script == Han && b.Script == Latin && spells(b.Text, a.Text):
		return Close, []Evidence{{Rule: "pinyin", Asked: a.Text, Registered: b.Text}}
	}
	return compareLatin(a.Text, b.Text)
}

func suspicions(n Normal) []Evidence {
	var ev []Evidence
	for _, s := range []struct {
		is   bool
		rule string
	}{{n.Invisible, "invisible"}, {n.Styled, "styled"}, {n.Mingled, "mingled"}, {n.Cut, "too_long"}} {
		if s.is {
			ev = append(ev, Evidence{Rule: s.rule})
		}
	}
	return ev
}

// Mask hides what a payer need not see, after the habit of Chinese wallets: the
// surname of a Han name ("*和震", "*辰", "**娜娜"), all but the first letter of
// each word otherwise ("J*** S****"). One letter alone is hidden.
func Mask(s string) string {
	n := Normalize(s)
	if n.Script == Han {
		return maskHan([]rune(n.Text))
	}
	out := make([]rune, 0, len(n.Text))
	runes := []rune(n.Text)
	for i, r := range runes {
		first := i == 0 || !partOfWord(runes[i-1])
		alone := first && (i+1 == len(runes) || !partOfWord(runes[i+1]))
		switch {
		case !partOfWord(r):
			out = append(out, r)
		case first && !alone && unicode.IsLetter(r) && !unicode.Is(unicode.Han, r):
			out = append(out, r)
		default:
			out = append(out, '*')
		}
	}
	return string(out)
}

func partOfWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// maskHan hides the surname, or up to the dot in a minority's name.
func maskHan(name []rune) string {
	hide := surnameLen([]rune(simplify(string(name))))
	if hide == 0 {
		for hide < len(name) && name[hide] == '·' {
			hide++
		}
		for hide < len(name) && name[hide] != '·' {
			hide++
		}
	}
	for i := range min(hide, len(name)) {
		name[i] = '*'
	}
	return string(name)
}
