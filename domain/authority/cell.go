package authority

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// cell is one cell on its way to a value: what it was, what it is now and why.
type cell struct {
	field    Field
	raw, now string
	why      []Reason
}

// fold applies one change and remembers the reason if it changed anything.
func (c *cell) fold(why Reason, change func(string) string) {
	if next := change(c.now); next != c.now {
		c.now = next
		c.why = append(c.why, why)
	}
}

// reading is one row while its cells are read.
type reading struct {
	row *Row
	opt Options
}

func (r *reading) keep(c *cell) string {
	for _, why := range c.why {
		r.mend(c.field, c.raw, c.now, why)
	}
	return c.now
}

func (r *reading) mend(f Field, from, to string, why Reason) {
	r.row.Mended = append(r.row.Mended, Mend{Field: f, From: from, To: to, Why: why})
}

func (r *reading) note(f Field, why Reason, value string) {
	r.row.Notes = append(r.row.Notes, Problem{Field: f, Why: why, Value: value})
}

func (r *reading) refuse(f Field, why Reason, value string) string {
	r.row.Refused = append(r.row.Refused, Problem{Field: f, Why: why, Value: value})
	return ""
}

// emptyWords are how people write "nothing here".
var emptyWords = []string{"-", "--", "—", "——", "/", "\\", "无", "不详", "未知", "n/a", "na", "none", "null", "nil"}

// start folds width and surrounding space, and reads the words for "nothing".
func start(f Field, raw string) *cell {
	c := &cell{field: f, raw: raw, now: raw}
	c.fold(MendWidth, norm.NFKC.String)
	// NFKC turns an ideographic space into a plain one: that is white space, not width.
	if len(c.why) == 1 && strings.ReplaceAll(raw, "\u3000", " ") == c.now {
		c.why[0] = MendSpace
	}
	c.fold(MendSpace, func(s string) string { return strings.TrimFunc(s, isSpace) })
	c.fold(MendEmptyWord, func(s string) string {
		if slices.Contains(emptyWords, strings.ToLower(s)) {
			return ""
		}
		return s
	})
	c.why = slices.Compact(c.why)
	return c
}

func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x200b && r <= 0x200d || r == 0x2060 || r == 0xfeff
}

func drop(out func(rune) bool) func(string) string {
	return func(s string) string {
		return strings.Map(func(r rune) rune {
			if out(r) {
				return -1
			}
			return r
		}, s)
	}
}

// isDash is the separators that people put into long numbers.
func isDash(r rune) bool { return strings.ContainsRune("-‐‑‒–—−.()'", r) }

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// name reads the name of a person: letters of any script. White space inside a
// Han name is layout (尹　和震) and goes.
func (r *reading) name(f Field, raw string) string {
	c := start(f, raw)
	if strings.ContainsFunc(c.now, isHan) {
		c.fold(MendSpace, drop(isSpace))
		c.fold(MendWidth, func(s string) string {
			return strings.NewReplacer("•", "·", "・", "·", "‧", "·", ".", "·").Replace(s)
		})
	} else {
		c.fold(MendSpace, func(s string) string { return strings.Join(strings.FieldsFunc(s, isSpace), " ") })
	}
	c.why = slices.Compact(c.why)
	for i, x := range c.now {
		ok := unicode.IsLetter(x) || i > 0 && (unicode.IsMark(x) || strings.ContainsRune("·.'’- ", x))
		if !ok || len(c.now) > 200 {
			return r.refuse(f, BadName, raw)
		}
	}
	return r.keep(c)
}

var caseYear = regexp.MustCompile(`[\[({【〔](\d{4})[\])}】〕]`)

func (r *reading) caseNo(raw string) string {
	c := start(FieldCase, raw)
	c.fold(MendSpace, drop(isSpace))
	c.fold(MendBrackets, func(s string) string { return caseYear.ReplaceAllString(s, "〔$1〕") })
	if c.now == "" {
		r.note(FieldCase, NoteCaseMissing, "")
	}
	for i, x := range c.now {
		ok := unicode.IsLetter(x) || unicode.IsDigit(x) || x == '〔' || i > 0 && strings.ContainsRune("〕-/._:#", x)
		if !ok || len(c.now) > 120 {
			return r.refuse(FieldCase, BadCase, raw)
		}
	}
	return r.keep(c)
}

var dateForm = regexp.MustCompile(
	`^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[\sT]*(\d{1,2})[:时点](\d{1,2})(?:[:分](\d{1,2})秒?)?分?)?$`)

var dateDigits = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})()()()$`)

// date reads the forms of a day, with or without a time of day, in the list's zone.
func (r *reading) date(f Field, raw string) (t time.Time, dayOnly bool) {
	c := start(f, raw)
	if c.now == "" {
		r.note(f, NoteDateMissing, "")
		return t, false
	}
	m := dateForm.FindStringSubmatch(c.now)
	if m == nil {
		m = dateDigits.FindStringSubmatch(c.now)
	}
	if m == nil {
		r.refuse(f, BadDate, raw)
		return t, false
	}
	var n [6]int
	for i, s := range m[1:] {
		fmt.Sscanf("0"+s, "%d", &n[i])
	}
	t = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, r.opt.Zone)
	got := [6]int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}
	if got != n || n[0] < 1990 || n[0] > 2100 {
		r.refuse(f, BadDate, raw)
		return time.Time{}, false
	}
	dayOnly = m[4] == ""
	form := "2006-01-02 15:04"
	if dayOnly {
		form = "2006-01-02"
	} else if n[5] > 0 {
		form += ":05"
	}
	c.fold(MendDate, func(string) string { return t.Format(form) })
	r.keep(c)
	if !r.opt.Now.IsZero() && t.After(r.opt.Now) {
		r.note(f, NoteDateFuture, raw)
	}
	return t.UTC(), dayOnly
}

// idNumber reads a resident identity number (GB 11643: 18 characters; 15 digits
// before 1999). Another document is kept and noted, for foreigners are robbed too.
func (r *reading) idNumber(raw string) string {
	c := start(FieldIDNumber, raw)
	c.fold(MendSpace, drop(isSpace))
	c.fold(MendSeparators, drop(isDash))
	c.fold(MendCase, strings.ToUpper)
	id := c.now
	switch {
	case id == "":
		r.note(FieldIDNumber, NoteIDMissing, "")
	case len(id) == 18 && allDigits(id[:17]) && (id[17] == 'X' || allDigits(id[17:])):
		if !idCheckValid(id) {
			r.note(FieldIDNumber, NoteIDCheck, "")
		}
		if !idBirthValid(id) {
			r.note(FieldIDNumber, NoteIDBirth, "")
		}
	case len(id) == 15 && allDigits(id):
	case otherDocument.MatchString(id):
		r.note(FieldIDNumber, NoteIDOther, "")
	default:
		return r.refuse(FieldIDNumber, BadID, raw)
	}
	return r.keep(c)
}

// otherDocument is a passport or permit: letters first, then digits. Plain digits
// of a wrong length are a mistyped identity number and are refused.
var otherDocument = regexp.MustCompile(`^[A-Z]{1,3}[0-9]{5,17}[A-Z]?$`)

func (r *reading) phone(raw string) string {
	c := start(FieldPhone, raw)
	c.fold(MendSpace, drop(isSpace))
	c.fold(MendSeparators, drop(isDash))
	c.fold(MendCountry, func(s string) string {
		for _, code := range []string{"+86", "0086", "86"} {
			if rest, ok := strings.CutPrefix(s, code); ok && len(rest) == 11 {
				return rest
			}
		}
		return s
	})
	switch {
	case c.now == "":
		r.note(FieldPhone, NotePhoneMissing, "")
	case len(c.now) != 11 || !allDigits(c.now) || c.now[0] != '1':
		return r.refuse(FieldPhone, BadPhone, raw)
	}
	return r.keep(c)
}

func (r *reading) account(raw string) string {
	c := start(FieldAccount, raw)
	c.fold(MendSpace, drop(isSpace))
	if c.now == "" {
		r.note(FieldAccount, NoteNoAccount, "")
	} else if ident.CheckID("account", c.now) != nil {
		return r.refuse(FieldAccount, BadAccount, raw)
	}
	return r.keep(c)
}

// amount reads money in major units; money.Parse is the judge of what is one.
func (r *reading) amount(raw string) money.Amount {
	c := start(FieldAmount, raw)
	if c.now == "" {
		r.refuse(FieldAmount, BadRequired, raw)
		return money.Amount{}
	}
	if strings.ContainsAny(c.now[:1], "+-(") || strings.HasPrefix(c.now, "−") {
		r.refuse(FieldAmount, BadAmountSign, raw)
		return money.Amount{}
	}
	if strings.IndexFunc(c.now, unicode.IsDigit) > 0 { // a sign in front and a word behind say it twice
		c.fold(MendCurrency, func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "整"), "元") })
	}
	a, _, err := money.Parse(c.now, r.opt.Currency)
	if err != nil {
		r.refuse(FieldAmount, BadAmount, raw)
		return money.Amount{}
	}
	if a.Minor <= 0 {
		r.refuse(FieldAmount, BadAmountZero, raw)
		return money.Amount{}
	}
	number := strings.TrimFunc(c.now, func(x rune) bool { return x != '.' && (x < '0' || x > '9') })
	c.fold(MendCurrency, func(string) string { return number })
	c.fold(MendSeparators, drop(func(x rune) bool { return x == ',' }))
	if c.why = slices.Compact(c.why); len(c.why) > 0 {
		c.now = a.Plain()
	}
	r.keep(c)
	return a
}

var bankNumber = regexp.MustCompile(`^(.*?)[\s::,;]*((?:[0-9][\s-]*){7,}[0-9])$`)

// bankBoth reads "农业银行 6270 8993 …": a name, then digits.
func (r *reading) bankBoth(raw string) (bank, account string) {
	c := start(FieldBankBoth, raw)
	if c.now == "" {
		return "", ""
	}
	m := bankNumber.FindStringSubmatch(c.now)
	if m == nil {
		r.refuse(FieldBankBoth, BadBankAccount, raw)
		return "", ""
	}
	name, digits := strings.TrimSpace(m[1]), drop(func(x rune) bool { return isSpace(x) || isDash(x) })(m[2])
	c.now = strings.TrimSpace(name + " " + digits)
	if digits != m[2] {
		c.why = append(c.why, MendSeparators)
	}
	r.keep(c)
	return r.bank(FieldBankBoth, name), r.bankDigits(FieldBankBoth, digits)
}

func (r *reading) bank(f Field, raw string) string {
	c := start(f, raw)
	for i, x := range c.now {
		ok := unicode.IsLetter(x) || i > 0 && (unicode.IsDigit(x) || unicode.IsMark(x) || strings.ContainsRune("()·.,'&-— ", x))
		if !ok || len(c.now) > 200 {
			return r.refuse(f, BadName, raw)
		}
	}
	return r.keep(c)
}

func (r *reading) bankAccount(raw string) string {
	c := start(FieldBankAccount, raw)
	c.fold(MendSpace, drop(isSpace))
	c.fold(MendSeparators, drop(isDash))
	digits := r.bankDigits(FieldBankAccount, c.now)
	if digits != "" {
		r.keep(c)
	}
	return digits
}

func (r *reading) bankDigits(f Field, digits string) string {
	if digits == "" {
		return ""
	}
	if !allDigits(digits) || len(digits) < 8 || len(digits) > 32 {
		return r.refuse(f, BadBankAccount, digits)
	}
	if !luhnValid(digits) {
		r.note(f, NoteLuhn, "")
	}
	return digits
}
