package web

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"surety/kernel/ident"
)

// Lang is the language of a page, as a BCP 47 tag.
type Lang string

// The languages of the product.
const (
	ZH Lang = "zh"
	EN Lang = "en"
)

// langCookie keeps a person's choice for a year; it holds nothing else.
const langCookie = "surety_lang"

// Langs lists the languages in the order of the switch.
func Langs() []Lang { return []Lang{ZH, EN} }

// ParseLang accepts "zh" and "en".
func ParseLang(s string) (Lang, bool) {
	l := Lang(s)
	return l, slices.Contains(Langs(), l)
}

// Tag is what the html element's lang attribute says: Han letters need to know
// which of their shapes is meant.
func (l Lang) Tag() string {
	if l == ZH {
		return "zh-CN"
	}
	return string(l)
}

// PickLang chooses by ?lang=, then by the cookie, then by Accept-Language, then zh.
func PickLang(r *http.Request) Lang {
	if l, ok := ParseLang(r.URL.Query().Get("lang")); ok {
		return l
	}
	if c, err := r.Cookie(langCookie); err == nil {
		if l, ok := ParseLang(c.Value); ok {
			return l
		}
	}
	header := r.Header.Get("Accept-Language")
	if header == "" {
		return ZH
	}
	m := language.NewMatcher([]language.Tag{language.SimplifiedChinese, language.English})
	_, i := language.MatchStrings(m, header)
	return Langs()[i]
}

// Catalogue holds the words of one package in all languages. It is fixed after
// NewCatalogue and safe for many goroutines.
type Catalogue struct {
	words map[Lang]map[string]string
}

// NewCatalogue reads zh.json and en.json from the root of files: flat objects of
// key to text. A text may have {0}, {1} … for values, and {0#item|items} which
// chooses the first word if value 0 is 1.
func NewCatalogue(files fs.FS) (*Catalogue, error) {
	c := &Catalogue{words: map[Lang]map[string]string{}}
	for _, l := range Langs() {
		raw, err := fs.ReadFile(files, string(l)+".json")
		if err != nil {
			return nil, fmt.Errorf("catalogue: %w", err)
		}
		m := map[string]string{}
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("catalogue %s.json: %w", l, err)
		}
		c.words[l] = m
	}
	return c, nil
}

// MustCatalogue is NewCatalogue for embedded files, which a build has either
// right or wrong: it panics. sub is the folder inside files.
func MustCatalogue(files fs.FS, sub string) *Catalogue {
	dir, err := fs.Sub(files, sub)
	if err != nil {
		panic(err) // the files are embedded: a build has them right or wrong
	}
	c, err := NewCatalogue(dir)
	if err != nil {
		panic(err) // the files are embedded: a build has them right or wrong
	}
	return c
}

// T is the text of key in lang with the values put in. A key that this catalogue
// lacks is looked up among the shared words; one that nobody has comes back as
// it is, in brackets, so that it is seen.
func (c *Catalogue) T(lang Lang, key string, args ...any) string {
	if s, ok := c.find(lang, key); ok {
		return fill(s, args)
	}
	if s, ok := shared().find(lang, key); ok {
		return fill(s, args)
	}
	return "[" + key + "]"
}

// Say is T in the language of the context's View.
func (c *Catalogue) Say(ctx context.Context, key string, args ...any) string {
	return c.T(ViewOf(ctx).Lang, key, args...)
}

// Has reports whether key is in this catalogue or among the shared words.
func (c *Catalogue) Has(key string) bool {
	_, mine := c.find(EN, key)
	_, theirs := shared().find(EN, key)
	return mine || theirs
}

// HasPrefix reports whether some key here or among the shared words begins so.
func (c *Catalogue) HasPrefix(prefix string) bool {
	for _, m := range []map[string]string{c.words[EN], shared().words[EN]} {
		for k := range m {
			if strings.HasPrefix(k, prefix) {
				return true
			}
		}
	}
	return false
}

// Explain is what a person reads about an error: the word for its code
// ("error.amount_negative") if there is one, else the error's own message. The
// chain of causes stays with the operator, and a defect of ours says only that.
func (c *Catalogue) Explain(lang Lang, err error) string {
	var e *ident.Error
	if !errors.As(err, &e) || e.Kind == ident.KindInternal {
		return T(lang, "error.internal.text")
	}
	if s, ok := c.find(lang, "error."+e.Code); ok {
		return s
	}
	if s, ok := shared().find(lang, "error."+e.Code); ok {
		return s
	}
	return e.Message
}

func (c *Catalogue) find(lang Lang, key string) (string, bool) {
	s, ok := c.words[lang][key]
	return s, ok
}

// Problems lists what is wrong with the catalogue itself: a key that one
// language lacks, an empty text, places for values that differ.
func (c *Catalogue) Problems() []string {
	var out []string
	keys := map[string]bool{}
	for _, l := range Langs() {
		for k := range c.words[l] {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		for _, l := range Langs() {
			s, ok := c.words[l][k]
			switch {
			case !ok:
				out = append(out, fmt.Sprintf("%s.json lacks %q", l, k))
			case strings.TrimSpace(s) == "":
				out = append(out, fmt.Sprintf("%s.json: %q is empty", l, k))
			}
		}
		zh, en := places(c.words[ZH][k]), places(c.words[EN][k])
		if !slices.Equal(zh, en) {
			out = append(out, fmt.Sprintf("%q takes values %v in zh and %v in en", k, zh, en))
		}
	}
	return out
}

// T is a shared word in lang.
func T(lang Lang, key string, args ...any) string { return shared().T(lang, key, args...) }

// Say is a shared word in the language of the context's View.
func Say(ctx context.Context, key string, args ...any) string {
	return shared().T(ViewOf(ctx).Lang, key, args...)
}

// Shared is the catalogue of the words that all pages share.
func Shared() *Catalogue { return shared() }

//go:embed catalogue
var catalogueFiles embed.FS

var shared = sync.OnceValue(func() *Catalogue { return MustCatalogue(catalogueFiles, "catalogue") })

// fill puts the values into their places. A brace that is no place stays.
func fill(s string, args []any) string {
	if !strings.ContainsRune(s, '{') {
		return s
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		inside, after, ok := strings.Cut(rest, "}")
		n, words, isPlace := place(inside)
		switch {
		case !ok || !isPlace || n >= len(args):
			b.WriteByte('{')
			s = rest
			continue
		case words == nil:
			fmt.Fprint(&b, args[n])
		case fmt.Sprint(args[n]) == "1":
			b.WriteString(words[0])
		default:
			b.WriteString(words[1])
		}
		s = after
	}
}

// place reads "0" or "0#one|many".
func place(s string) (n int, words []string, ok bool) {
	num, choice, plural := strings.Cut(s, "#")
	n, err := strconv.Atoi(num)
	if err != nil || n < 0 {
		return 0, nil, false
	}
	if plural {
		one, many, both := strings.Cut(choice, "|")
		if !both {
			return 0, nil, false
		}
		words = []string{one, many}
	}
	return n, words, true
}

// places lists the numbers of the values a text takes, sorted, each once.
func places(s string) []int {
	var out []int
	for {
		_, rest, ok := strings.Cut(s, "{")
		if !ok {
			slices.Sort(out)
			return slices.Compact(out)
		}
		inside, _, _ := strings.Cut(rest, "}")
		if n, _, isPlace := place(inside); isPlace {
			out = append(out, n)
		}
		s = rest
	}
}
