package payment

import (
	"strconv"
	"strings"

	"surety/kernel/ident"
)

// Degree is a geographical latitude or longitude, exact to a millionth of a
// degree (11 cm). In JSON it is a decimal number; the zero Degree is none.
type Degree struct {
	Micro int32 // millionths of a degree, north and east positive
	Given bool  // false: unknown, and Micro is 0
}

// IsZero reports whether it is unknown; encoding/json leaves it out by it.
func (d Degree) IsZero() bool { return !d.Given }

// MarshalJSON writes a decimal number with as many digits as it needs.
func (d Degree) MarshalJSON() ([]byte, error) { return d.append(nil), nil }

func (d Degree) append(b []byte) []byte {
	if !d.Given {
		return append(b, "null"...)
	}
	n := int64(d.Micro)
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendInt(b, n/1e6, 10)
	if rest := n % 1e6; rest > 0 {
		digits := strconv.Itoa(int(1e6 + rest))[1:]
		b = append(append(b, '.'), strings.TrimRight(digits, "0")...)
	}
	return b
}

// UnmarshalJSON takes a decimal number, without an exponent, and rounds it to the
// nearest millionth; null is none.
func (d *Degree) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*d = Degree{}
		return nil
	}
	got, ok := ParseDegree(string(b))
	if !ok {
		return ident.Invalid("degree", "degree_malformed", "this must be a number of degrees like 29.552106")
	}
	*d = got
	return nil
}

// ParseDegree reads a decimal number of degrees, at most 180 and without an
// exponent; ok is false if it is none.
func ParseDegree(s string) (d Degree, ok bool) {
	number, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(number, ".")
	if len(whole) == 0 || len(whole) > 3 || len(fraction) > 32 || strings.HasSuffix(number, ".") || !isDigits(whole) || !isDigits(fraction) {
		return Degree{}, false
	}
	micro := int64(0)
	for _, c := range []byte(whole) {
		micro = micro*10 + int64(c-'0')
	}
	for i := range 6 {
		micro *= 10
		if i < len(fraction) {
			micro += int64(fraction[i] - '0')
		}
	}
	if len(fraction) > 6 && fraction[6] >= '5' {
		micro++
	}
	if micro > 180_000_000 {
		return Degree{}, false
	}
	if negative {
		micro = -micro
	}
	return Degree{Micro: int32(micro), Given: true}, true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// checkPlace refuses half a place and one that is not on the earth.
func checkPlace(lat, lon Degree) error {
	switch {
	case lat.Given != lon.Given:
		return ident.Invalid("lat", "place_incomplete", "lat and lon are given both or not at all")
	case lat.Micro < -90_000_000 || lat.Micro > 90_000_000:
		return ident.Invalid("lat", "place_out_of_range", "lat must be from -90 to 90 degrees")
	case lon.Micro < -180_000_000 || lon.Micro > 180_000_000:
		return ident.Invalid("lon", "place_out_of_range", "lon must be from -180 to 180 degrees")
	}
	return nil
}
