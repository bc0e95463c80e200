package boost

import (
	"bytes"
	"encoding/json"
	"strconv"

	"surety/kernel/ident"
)

// scan reads JSON from memory without building it: model files are a few long
// arrays of numbers, and each number must be told by tree and node when it is
// wrong. Two things differ from JSON: a key may stand only once in an object,
// and NaN and Infinity are numbers, because XGBoost writes them so.
type scan struct {
	b     []byte
	i     int
	depth int
}

// maxNesting is how deep objects and arrays may stand in each other.
const maxNesting = 64

func (s *scan) fail(format string, args ...any) error {
	e := ident.Invalid("", "model_json", format, args...)
	e.Message = "byte " + strconv.Itoa(s.i) + " of the model file: " + e.Message
	return e
}

// next skips space and returns the next byte, or an error at the end.
func (s *scan) next() (byte, error) {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return s.b[s.i], nil
		}
	}
	return 0, s.fail("the file ends too early, it is cut short")
}

// want takes the byte c.
func (s *scan) want(c byte) error {
	got, err := s.next()
	if err != nil {
		return err
	}
	if got != c {
		return s.fail("%q was expected, here is %q", c, got)
	}
	s.i++
	return nil
}

// list reads items between two brackets; item is called at the start of each.
func (s *scan) list(first, last byte, item func(i int) error) error {
	if err := s.want(first); err != nil {
		return err
	}
	if s.depth++; s.depth > maxNesting {
		return s.fail("objects and arrays stand deeper than %d in each other", maxNesting)
	}
	defer func() { s.depth-- }()
	for i := 0; ; i++ {
		c, err := s.next()
		if err != nil {
			return err
		}
		if c == last && i == 0 {
			s.i++
			return nil
		}
		if err := item(i); err != nil {
			return err
		}
		if c, err = s.next(); err != nil {
			return err
		}
		switch c {
		case ',':
			s.i++
		case last:
			s.i++
			return nil
		default:
			return s.fail("a comma or %q was expected, here is %q", last, c)
		}
	}
}

// object calls field for each key; field must read the value.
func (s *scan) object(field func(key string) error) error {
	seen := map[string]bool{}
	return s.list('{', '}', func(int) error {
		key, err := s.text()
		if err != nil {
			return err
		}
		if seen[key] {
			return s.fail("the key %q stands twice", key)
		}
		seen[key] = true
		if err := s.want(':'); err != nil {
			return err
		}
		return field(key)
	})
}

// array calls item at the start of each item; item must read it.
func (s *scan) array(item func(i int) error) error { return s.list('[', ']', item) }

// raw takes a string with its quotes.
func (s *scan) raw() ([]byte, error) {
	if err := s.want('"'); err != nil {
		return nil, err
	}
	start := s.i - 1
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '\\':
			s.i += 2
		case '"':
			s.i++
			return s.b[start:s.i], nil
		default:
			s.i++
		}
	}
	s.i = len(s.b)
	return nil, s.fail("the file ends inside a text, it is cut short")
}

// text reads a string.
func (s *scan) text() (string, error) {
	raw, err := s.raw()
	if err != nil {
		return "", err
	}
	if plain := raw[1 : len(raw)-1]; bytes.IndexByte(plain, '\\') < 0 && printable(plain) {
		return string(plain), nil
	}
	var out string
	if err := json.Unmarshal(raw, &out); err != nil {
		return "", s.fail("this is not a JSON text: %v", err)
	}
	return out, nil
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// token takes a number or a word (true, false, null, NaN, Infinity).
func (s *scan) token() ([]byte, error) {
	if _, err := s.next(); err != nil {
		return nil, err
	}
	start := s.i
	for s.i < len(s.b) && wordByte(s.b[s.i]) {
		s.i++
	}
	switch {
	case s.i == len(s.b):
		return nil, s.fail("the file ends too early, it is cut short")
	case s.i == start:
		return nil, s.fail("a number was expected, here is %q", s.b[s.i])
	case s.i-start > 64:
		return nil, s.fail("a number of more than 64 characters")
	}
	return s.b[start:s.i], nil
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}

// number reads a float as XGBoost does: rounded once, to 32 bits. A number too
// large for 32 bits is infinite and left to the caller to refuse.
func (s *scan) number() (float32, error) {
	tok, err := s.token()
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(string(tok), 32)
	switch string(tok) {
	case "NaN", "Infinity", "-Infinity":
		return float32(x), nil
	}
	if first := tok[0]; first != '-' && (first < '0' || first > '9') || bytes.ContainsAny(tok, "xXpPnN") {
		return 0, s.fail("%q is not a number", tok)
	}
	if err != nil && x-x == 0 {
		return 0, s.fail("%q is not a number", tok)
	}
	return float32(x), nil
}

// integer reads a whole number of 32 bits.
func (s *scan) integer() (int32, error) {
	tok, err := s.token()
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseInt(string(tok), 10, 32)
	if err != nil {
		return 0, s.fail("%q is not a whole number of 32 bits", tok)
	}
	return int32(x), nil
}

// flag reads true, false, 1 or 0; word says that it was true or false.
func (s *scan) flag() (yes, word bool, err error) {
	tok, err := s.token()
	if err != nil {
		return false, false, err
	}
	switch string(tok) {
	case "true":
		return true, true, nil
	case "false":
		return false, true, nil
	case "1":
		return true, false, nil
	case "0":
		return false, false, nil
	}
	return false, false, s.fail("%q is neither 0, 1, true nor false", tok)
}

// skip passes over any value.
func (s *scan) skip() error {
	c, err := s.next()
	if err != nil {
		return err
	}
	switch c {
	case '{':
		return s.object(func(string) error { return s.skip() })
	case '[':
		return s.array(func(int) error { return s.skip() })
	case '"':
		_, err = s.text()
		return err
	}
	tok, err := s.token()
	if err != nil {
		return err
	}
	switch string(tok) {
	case "true", "false", "null", "NaN", "Infinity", "-Infinity":
		return nil
	}
	if _, err := strconv.ParseFloat(string(tok), 64); err != nil {
		return s.fail("%q is not a JSON value", tok)
	}
	return nil
}

// end checks that nothing but space follows.
func (s *scan) end() error {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
		default:
			return s.fail("something follows after the model")
		}
	}
	return nil
}
