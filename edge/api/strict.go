package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// maxDepth is how deep JSON may nest. Nothing of ours is deeper than six.
const maxDepth = 32

// decodeStrict reads one JSON value into the struct that v points to. What
// encoding/json lets pass (unknown names, names twice or in another case, text
// that is not UTF-8) is refused here, with the place of it.
func decodeStrict(data []byte, v any) error {
	if err := checkText(data); err != nil {
		return err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return ident.Invalid("", "body_empty", "the body is empty; send a JSON object")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return malformed(err, len(data))
	}
	w := walker{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	w.dec.UseNumber()
	if err := w.value(reflect.TypeOf(v).Elem(), "", 1); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return wrongType("", err)
	}
	return nil
}

// checkText refuses bytes that are not UTF-8, such as a body in GB18030.
func checkText(data []byte) error {
	if utf8.Valid(data) {
		return nil
	}
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return ident.Invalid("", "not_utf8", "byte %d of the body is not UTF-8; send JSON in UTF-8", at+1)
}

func malformed(err error, size int) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return ident.Invalid("", "json_malformed", "the body is not JSON").Because(err)
	}
	if int(syntax.Offset) >= size && strings.Contains(syntax.Error(), "unexpected end") {
		return ident.Invalid("", "json_truncated", "the JSON ends too early, after byte %d; was the body cut off?", size).Because(err)
	}
	return ident.Invalid("", "json_malformed", "the body is not JSON: %s at byte %d", syntax.Error(), syntax.Offset).Because(err)
}

// walker goes through a value that is known to be JSON, beside the type it is
// meant for.
type walker struct {
	data []byte
	dec  *json.Decoder
}

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	timeType    = reflect.TypeFor[time.Time]()
)

// value checks the next value. t is nil where any value will do.
func (w *walker) value(t reflect.Type, path string, depth int) error {
	if depth > maxDepth {
		return ident.Invalid(path, "json_too_deep", "the JSON nests more than %d levels", maxDepth)
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	start := w.next()
	own := t != nil && reflect.PointerTo(t).Implements(unmarshaler)
	inner := t
	if own {
		inner = nil
	}
	tok, err := w.dec.Token()
	if err != nil {
		return malformed(err, len(w.data))
	}
	switch tok {
	case json.Delim('{'):
		err = w.object(inner, path, depth)
	case json.Delim('['):
		err = w.array(inner, path, depth)
	default:
		err = scalar(inner, path, tok)
	}
	if err != nil || !own {
		return err
	}
	raw := w.data[start:w.dec.InputOffset()]
	if err := json.Unmarshal(raw, reflect.New(t).Interface()); err != nil {
		if t == timeType {
			return ident.Invalid(path, "time_malformed", "%s must be a time like \"2026-05-30T09:00:00+08:00\"", path).Because(err)
		}
		return wrongType(path, err)
	}
	return nil
}

// next is where the next value begins.
func (w *walker) next() int64 {
	at := w.dec.InputOffset()
	for at < int64(len(w.data)) && strings.IndexByte(" \t\r\n:,", w.data[at]) >= 0 {
		at++
	}
	return at
}

func (w *walker) object(t reflect.Type, path string, depth int) error {
	if t != nil && t.Kind() != reflect.Struct && t.Kind() != reflect.Map && t.Kind() != reflect.Interface {
		return expected(path, t)
	}
	fields := map[string]reflect.Type{}
	if t != nil && t.Kind() == reflect.Struct {
		jsonFields(t, fields)
	}
	seen := map[string]bool{}
	for w.dec.More() {
		tok, err := w.dec.Token()
		if err != nil {
			return malformed(err, len(w.data))
		}
		name, _ := tok.(string)
		at := join(path, name)
		if seen[name] {
			return ident.Invalid(at, "field_twice", "%s stands twice in one object; say which one is meant", clip(at))
		}
		seen[name] = true
		var ft reflect.Type
		switch {
		case t == nil || t.Kind() == reflect.Interface:
		case t.Kind() == reflect.Map:
			ft = t.Elem()
		default:
			known := false
			if ft, known = fields[name]; !known {
				return ident.Invalid(clip(at), "field_unknown", "there is no field %s here; check its spelling", clip(at))
			}
		}
		if err := w.value(ft, at, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *walker) array(t reflect.Type, path string, depth int) error {
	var elem reflect.Type
	if t != nil && t.Kind() != reflect.Interface {
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return expected(path, t)
		}
		elem = t.Elem()
	}
	for i := 0; w.dec.More(); i++ {
		if err := w.value(elem, path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// scalar checks a string, number, boolean or null. A null is a field left out.
func scalar(t reflect.Type, path string, tok json.Token) error {
	if s, ok := tok.(string); ok && strings.ContainsRune(s, 0) {
		return ident.Invalid(path, "control_character", "%s holds a NUL character", path)
	}
	if t == nil || tok == nil || t.Kind() == reflect.Interface {
		return nil
	}
	ok := false
	switch v := tok.(type) {
	case string:
		ok = t.Kind() == reflect.String
	case bool:
		ok = t.Kind() == reflect.Bool
	case json.Number:
		switch t.Kind() {
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			_, err := strconv.ParseInt(v.String(), 10, t.Bits())
			ok = err == nil
		}
	}
	if !ok {
		return expected(path, t)
	}
	return nil
}

func expected(path string, t reflect.Type) error {
	what := map[reflect.Kind]string{
		reflect.String: "a text", reflect.Bool: "true or false", reflect.Slice: "a list", reflect.Struct: "an object",
		reflect.Map: "an object", reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Int32: "a whole number",
	}[t.Kind()]
	if what == "" {
		what = "of another type"
	}
	if path == "" {
		return ident.Invalid("", "type_wrong", "the body must be %s", what)
	}
	return ident.Invalid(path, "type_wrong", "%s must be %s", clip(path), what)
}

// wrongType names the place of an error of a type that reads itself; what such a
// type calls "amount" is the field at path.
func wrongType(path string, err error) error {
	var known *ident.Error
	if !errors.As(err, &known) {
		return ident.Invalid(path, "type_wrong", "%s cannot be read", clip(path)).Because(err)
	}
	named := *known
	if _, rest, found := strings.Cut(known.Field, "."); found {
		named.Field = join(path, rest)
	} else {
		named.Field = path
	}
	return &named
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// clip keeps a stranger's text short in our answers.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// jsonFields collects the names of a struct's fields with those of the structs
// that are embedded in it.
func jsonFields(t reflect.Type, into map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			jsonFields(f.Type, into)
		case name != "-" && f.IsExported():
			if name == "" {
				name = f.Name
			}
			into[name] = f.Type
		}
	}
}

// decodePayment reads a payment as decodeStrict does, to the letter, and ten times
// as fast: what is written as programs write it is read by hand, and whatever is
// unusual, wrong or escaped is left to decodeStrict, which also says what is wrong.
func decodePayment(data []byte) (PaymentIn, error) {
	if utf8.Valid(data) {
		p := paymentParser{s: string(data)}
		var in PaymentIn
		if p.payment(&in) {
			return in, nil
		}
	}
	var in PaymentIn
	err := decodeStrict(data, &in)
	return in, err
}

// paymentParser reads the plain form of a PaymentIn. Its methods are false for
// anything else, also for what is right but unusual. Texts share the memory of s.
type paymentParser struct {
	s    string
	i    int
	seen uint32 // a bit for each name
}

func (p *paymentParser) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\n' || p.s[p.i] == '\t' || p.s[p.i] == '\r') {
		p.i++
	}
}

// is passes over white space and the character, if it is next.
func (p *paymentParser) is(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

// text reads a string without escapes.
func (p *paymentParser) text(into *string) bool {
	if !p.is('"') {
		return false
	}
	start := p.i
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			*into = p.s[start:p.i]
			p.i++
			return true
		case c < ' ' || c == '\\':
			return false
		}
		p.i++
	}
	return false
}

// number reads the characters of a number without exponent, as JSON has it.
func (p *paymentParser) number() (string, bool) {
	p.space()
	start := p.i
	if p.i < len(p.s) && p.s[p.i] == '-' {
		p.i++
	}
	whole := p.digits()
	if whole == 0 || whole > 1 && p.s[p.i-whole] == '0' {
		return "", false
	}
	if p.i < len(p.s) && p.s[p.i] == '.' {
		if p.i++; p.digits() == 0 {
			return "", false
		}
	}
	return p.s[start:p.i], true
}

func (p *paymentParser) digits() (n int) {
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		p.i++
		n++
	}
	return n
}

// once notes a name; false if it was there before.
func (p *paymentParser) once(bit int) bool {
	fresh := p.seen>>bit&1 == 0
	p.seen |= 1 << bit
	return fresh
}

func (p *paymentParser) payment(in *PaymentIn) bool {
	if !p.is('{') {
		return false
	}
	for first := true; ; first = false {
		if p.is('}') {
			if !first { // a comma went before
				return false
			}
			break
		}
		var name string
		if !p.text(&name) || !p.is(':') || !p.field(name, in) {
			return false
		}
		if p.is(',') {
			continue
		}
		if p.is('}') {
			break
		}
		return false
	}
	p.space()
	return p.i == len(p.s)
}

// field reads the value of a name.
func (p *paymentParser) field(name string, in *PaymentIn) bool {
	texts := [...]struct {
		name string
		into *string
	}{
		{"id", &in.ID}, {"payer", &in.Payer}, {"payee", &in.Payee}, {"type", &in.Type}, {"channel", &in.Channel}, {"device", &in.Device},
		{"ip", &in.IP}, {"city", &in.City}, {"terminal", &in.Terminal}, {"merchant", &in.Merchant}, {"card", &in.Card},
		{"phone", &in.Phone}, {"region", &in.Region},
	}
	for bit := range texts {
		if texts[bit].name == name {
			return p.once(bit) && p.text(texts[bit].into)
		}
	}
	bit := len(texts)
	switch name {
	case "at":
		var text string
		return p.once(bit) && p.text(&text) && parseTime(text, &in.At)
	case "amount":
		return p.once(bit+1) && p.amount(&in.Amount)
	case "settled":
		return p.once(bit+2) && p.truth(&in.Settled)
	case "lat":
		return p.once(bit+3) && p.degree(&in.Lat)
	case "lon":
		return p.once(bit+4) && p.degree(&in.Lon)
	}
	return false
}

func (p *paymentParser) truth(into *bool) bool {
	p.space()
	for _, v := range [...]bool{true, false} {
		if rest, ok := strings.CutPrefix(p.s[p.i:], strconv.FormatBool(v)); ok {
			p.i, *into = len(p.s)-len(rest), v
			return true
		}
	}
	return false
}

func (p *paymentParser) degree(into *Degree) bool {
	number, ok := p.number()
	if !ok {
		return false
	}
	d, ok := payment.ParseDegree(number)
	*into = Degree(d)
	return ok
}

// amount reads {"value": …, "currency": …} in any order.
func (p *paymentParser) amount(into *money.Amount) bool {
	var currency string
	value := int64(-1)
	if !p.is('{') {
		return false
	}
	for n := range 2 {
		var name string
		if n == 1 && !p.is(',') || !p.text(&name) || !p.is(':') {
			return false
		}
		switch {
		case name == "value" && value < 0:
			p.space()
			start := p.i
			if d := p.digits(); d == 0 || d > 18 || d > 1 && p.s[start] == '0' {
				return false
			}
			for _, c := range []byte(p.s[start:p.i]) {
				value = max(value, 0)*10 + int64(c-'0')
			}
		case name == "currency" && currency == "":
			if !p.text(&currency) {
				return false
			}
		default:
			return false
		}
	}
	*into = money.Of(value, money.Currency(currency))
	return p.is('}') && value >= 0 && into.Check("amount") == nil
}

// parseTime reads RFC 3339 as programs write it; false for the rest.
func parseTime(s string, into *time.Time) bool {
	const form = "2006-01-02T15:04:05"
	if len(s) < len(form)+1 {
		return false
	}
	var n [19]int
	for i := range form {
		c := s[i]
		if form[i] >= '0' && form[i] <= '9' {
			if c < '0' || c > '9' {
				return false
			}
			n[i] = int(c - '0')
		} else if c != form[i] {
			return false
		}
	}
	year, month, day := n[0]*1000+n[1]*100+n[2]*10+n[3], time.Month(n[5]*10+n[6]), n[8]*10+n[9]
	hour, minute, second := n[11]*10+n[12], n[14]*10+n[15], n[17]*10+n[18]
	if month < 1 || month > 12 || day < 1 || day > 28 && day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return false
	}
	nanos, rest := 0, s[len(form):]
	if rest[0] == '.' {
		digits := 0
		for digits+1 < len(rest) && rest[digits+1] >= '0' && rest[digits+1] <= '9' {
			nanos = nanos*10 + int(rest[digits+1]-'0')
			if digits++; digits > 9 {
				return false
			}
		}
		if digits == 0 {
			return false
		}
		for range 9 - digits {
			nanos *= 10
		}
		rest = rest[digits+1:]
	}
	offset, ok := parseZone(rest)
	*into = time.Date(year, month, day, hour, minute, second, nanos, time.UTC).Add(-offset)
	return ok
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parseZone reads Z or an offset like +08:00.
func parseZone(s string) (offset time.Duration, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	hours, minutes := int(s[1]-'0')*10+int(s[2]-'0'), int(s[4]-'0')*10+int(s[5]-'0')
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if s[0] == '-' {
		offset = -offset
	}
	return offset, hours <= 23 && minutes <= 59
}
