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

	"surety/kernel/ident"
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
