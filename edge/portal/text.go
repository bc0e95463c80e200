package portal

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maskName shows of a person's name what is enough to recognise somebody one
// knows, and too little to look a stranger up: 王建国 is 王**, Ann Lee is A** L**.
func maskName(name string) string {
	var out []string
	for _, word := range strings.Fields(name) {
		first, _ := utf8.DecodeRuneInString(word)
		stars := "**"
		if unicode.Is(unicode.Han, first) {
			stars = strings.Repeat("*", max(1, utf8.RuneCountInString(word)-1))
		}
		out = append(out, string(first)+stars)
	}
	return strings.Join(out, " ")
}

// digits folds an account number as people type it: full width, blanks, dashes.
// What is not a digit stays, so that a check finds it.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Dash, r) {
			return -1
		}
		return r
	}, norm.NFKC.String(s))
}

// fold is a line of text as it is kept: composed, no control characters, no
// white space around it; line breaks stay.
func fold(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return ' '
		}
		return r
	}, norm.NFC.String(s)))
}

// piece is a heading (1 or 2) or a paragraph (0) of a statement.
type piece struct {
	heading int
	text    string
}

// pieces reads the Markdown that notice.StatementMarkdown writes: headings,
// paragraphs, marks escaped by a backslash. Nothing else has a meaning.
func pieces(markdown string) (out []piece) {
	for _, block := range strings.Split(markdown, "\n\n") {
		block = strings.TrimSpace(block)
		if block == "" {
			continue
		}
		p := piece{text: block}
		if marks, rest, ok := strings.Cut(block, " "); ok && strings.Trim(marks, "#") == "" {
			p.heading, p.text = min(len(marks), 2), rest
		}
		p.text = plain(p.text)
		out = append(out, p)
	}
	return out
}

// plain takes the escapes of Markdown away.
func plain(s string) string {
	var b strings.Builder
	escaped := false
	for _, r := range s {
		if r == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		b.WriteRune(r)
	}
	return html.UnescapeString(b.String())
}
