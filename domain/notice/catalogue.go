package notice

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"surety/kernel/ident"
	"surety/kernel/money"
)

//go:embed catalogue.yaml
var catalogueYAML []byte

// Lang is a language: "zh" or "en".
type Lang string

// The languages.
const (
	ZH Lang = "zh"
	EN Lang = "en"
)

// Text is one text in both languages.
type Text struct {
	ZH string `yaml:"zh"`
	EN string `yaml:"en"`
}

// In returns the text in a language; anything but Chinese is English.
func (t Text) In(l Lang) string {
	if l == ZH {
		return t.ZH
	}
	return t.EN
}

type template struct {
	Subject Text `yaml:"subject"`
	Body    Text `yaml:"body"`
}

// Catalogue is all texts. It is read once and never changed.
type Catalogue struct {
	Messages    map[string]template `yaml:"messages"`
	Certificate map[string]Text     `yaml:"certificate"`
	Funds       map[string]Text     `yaml:"funds"`
	Bases       map[string]Text     `yaml:"bases"`
	Statement   map[string]Text     `yaml:"statement"`
}

// loadCatalogue reads the built-in texts and refuses one that is incomplete.
func loadCatalogue() (*Catalogue, error) {
	var c Catalogue
	if err := yaml.UnmarshalWithOptions(catalogueYAML, &c, yaml.Strict()); err != nil {
		return nil, ident.E(ident.KindInternal, "catalogue", "the catalogue of texts cannot be read").Because(err)
	}
	return &c, c.check()
}

// check compares the two languages of every text.
func (c *Catalogue) check() error {
	all := map[string]Text{}
	for k, t := range c.Messages {
		all["messages."+k+".subject"], all["messages."+k+".body"] = t.Subject, t.Body
	}
	for group, texts := range map[string]map[string]Text{
		"certificate": c.Certificate, "funds": c.Funds, "bases": c.Bases, "statement": c.Statement,
	} {
		for k, t := range texts {
			all[group+"."+k] = t
		}
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		t := all[k]
		zh, en := placeholders(t.ZH), placeholders(t.EN)
		if strings.TrimSpace(t.ZH) == "" || strings.TrimSpace(t.EN) == "" {
			return ident.E(ident.KindInternal, "catalogue", "the text %s lacks a language", k)
		}
		if !slices.Equal(zh, en) {
			return ident.E(ident.KindInternal, "catalogue",
				"the text %s has other placeholders in zh %v than in en %v", k, zh, en)
		}
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

func placeholders(s string) []string {
	found := placeholder.FindAllString(s, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// Data is the values of a text's placeholders: strings, whole numbers,
// money.Amount and time.Time, the last two written as the language writes them.
type Data map[string]any

// fill puts the values into a text; each placeholder needs one.
func fill(text string, l Lang, d Data) (string, error) {
	var missing error
	out := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		key := p[1 : len(p)-1]
		v, ok := d[key]
		s, known := format(v, l)
		if !ok || !known {
			missing = ident.Invalid("data."+key, "placeholder",
				"the text needs a value for %s: a text, a number, an amount or a time", p)
		}
		return s
	})
	return out, missing
}

// china is the zone in which times are told to people.
var china = time.FixedZone("UTC+8", 8*3600)

func format(v any, l Lang) (string, bool) {
	switch v := v.(type) {
	case string:
		return strings.Map(func(r rune) rune {
			if r < ' ' && r != '\n' {
				return ' ' // no control characters in a letter
			}
			return r
		}, v), v != ""
	case int:
		return strconv.Itoa(v), true
	case money.Amount:
		if l == ZH && v.Currency == money.CNY {
			return v.Digits() + " 元", true
		}
		return v.String(), v.Currency != ""
	case time.Time:
		if l == ZH {
			return v.In(china).Format("2006年1月2日 15:04"), !v.IsZero()
		}
		return v.In(china).Format("2 January 2006, 15:04"), !v.IsZero()
	}
	return fmt.Sprint(v), false
}

// Render makes the subject and body of a message.
func (c *Catalogue) Render(template string, l Lang, d Data) (subject, body string, err error) {
	t, ok := c.Messages[template]
	if !ok {
		return "", "", ident.Invalid("template", "template_unknown", "there is no template %q", template)
	}
	if l != ZH && l != EN {
		return "", "", ident.Invalid("lang", "lang_unknown", `the language is "zh" or "en", not %q`, l)
	}
	if subject, err = fill(t.Subject.In(l), l, d); err != nil {
		return "", "", err
	}
	if body, err = fill(t.Body.In(l), l, d); err != nil {
		return "", "", err
	}
	return subject, strings.TrimSpace(body), nil
}
