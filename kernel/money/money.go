package money

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strings"

	"surety/kernel/ident"
)

// Currency is an ISO 4217 alphabetic code: "CNY".
type Currency string

// CNY is the yuan, the currency of the accounts that Surety is drawn from.
const CNY Currency = "CNY"

// Amount is a number of minor units (fen, cents) of one currency. The zero
// Amount has no currency and can be added to any.
type Amount struct {
	Minor    int64    `json:"value" doc:"integer minor units, for example fen" example:"24433826"`
	Currency Currency `json:"currency" doc:"ISO 4217 code" example:"CNY" minLength:"3" maxLength:"3"`
}

// Of makes an amount.
func Of(minor int64, c Currency) Amount { return Amount{Minor: minor, Currency: c} }

// Yuan makes an amount from whole yuan; for constants and tests. What comes
// from outside goes through Parse or JSON.
func Yuan(y int64) Amount {
	if y > math.MaxInt64/100 || y < math.MinInt64/100 {
		panic("money: a constant number of yuan overflows") // only a literal in our own source can be wrong here
	}
	return Amount{Minor: y * 100, Currency: CNY}
}

// Check refuses an unknown currency; field names the place in the error.
func (a Amount) Check(field string) error {
	if _, ok := exponents[a.Currency]; !ok {
		return ident.Invalid(field, "currency_unknown", "%s: %.10q is not an ISO 4217 currency", field, string(a.Currency))
	}
	return nil
}

// CheckPositive refuses unknown currencies and amounts of zero or less.
func (a Amount) CheckPositive(field string) error {
	if err := a.Check(field); err != nil {
		return err
	}
	if a.Minor <= 0 {
		return ident.Invalid(field, "amount_not_positive", "%s must be more than zero, it is %s", field, a)
	}
	return nil
}

// IsZero reports whether there is no money in it.
func (a Amount) IsZero() bool { return a.Minor == 0 }

// Add returns a+b, or an error if the currencies differ or the sum overflows.
func (a Amount) Add(b Amount) (Amount, error) {
	c, err := common(a, b)
	if err != nil {
		return Amount{}, err
	}
	sum := a.Minor + b.Minor
	if (a.Minor > 0 && b.Minor > 0 && sum < 0) || (a.Minor < 0 && b.Minor < 0 && sum >= 0) {
		return Amount{}, overflow()
	}
	return Amount{sum, c}, nil
}

// Sub returns a-b, or an error if the currencies differ or it overflows.
func (a Amount) Sub(b Amount) (Amount, error) {
	c, err := common(a, b)
	if err != nil {
		return Amount{}, err
	}
	diff := a.Minor - b.Minor
	if (a.Minor >= 0 && b.Minor < 0 && diff < 0) || (a.Minor < 0 && b.Minor > 0 && diff >= 0) {
		return Amount{}, overflow()
	}
	return Amount{diff, c}, nil
}

// Cmp compares two amounts of one currency: -1, 0 or 1.
func (a Amount) Cmp(b Amount) (int, error) {
	if _, err := common(a, b); err != nil {
		return 0, err
	}
	switch {
	case a.Minor < b.Minor:
		return -1, nil
	case a.Minor > b.Minor:
		return 1, nil
	}
	return 0, nil
}

// Sum adds all; the sum of nothing is the zero Amount.
func Sum(as ...Amount) (Amount, error) {
	var t Amount
	for _, a := range as {
		var err error
		if t, err = t.Add(a); err != nil {
			return Amount{}, err
		}
	}
	return t, nil
}

func common(a, b Amount) (Currency, error) {
	switch {
	case a.Currency == b.Currency:
		return a.Currency, nil
	case a == Amount{}:
		return b.Currency, nil
	case b == Amount{}:
		return a.Currency, nil
	}
	return "", ident.E(ident.KindInvalid, "currency_mixed", "%s and %s cannot be put together", a.Currency, b.Currency)
}

func overflow() error {
	return ident.E(ident.KindInvalid, "amount_overflow", "the amount is larger than any account can hold")
}

// MulDiv returns a*num/den rounded half away from zero, exact in between, or an
// error if it overflows or den is not positive. It is the only rounding there is.
func (a Amount) MulDiv(num, den int64) (Amount, error) {
	if den <= 0 {
		return Amount{}, ident.E(ident.KindInvalid, "share_invalid", "a share needs a positive denominator, got %d", den)
	}
	p := new(big.Int).Mul(big.NewInt(a.Minor), big.NewInt(num))
	neg := p.Sign() < 0
	p.Abs(p).Mul(p, big.NewInt(2)).Add(p, big.NewInt(den))
	p.Div(p, new(big.Int).Mul(big.NewInt(2), big.NewInt(den)))
	if neg {
		p.Neg(p)
	}
	if !p.IsInt64() {
		return Amount{}, overflow()
	}
	return Amount{p.Int64(), a.Currency}, nil
}

// Split divides a non-negative amount by weights so that the parts sum to it
// exactly: largest remainder, ties to the part named first. Weights must not be
// negative and must not all be zero.
func (a Amount) Split(weights ...int64) ([]Amount, error) {
	var total uint64
	for i, w := range weights {
		if w < 0 {
			return nil, ident.E(ident.KindInvalid, "weight_negative", "weight %d is negative", i+1)
		}
		var carry uint64
		if total, carry = bits.Add64(total, uint64(w), 0); carry != 0 {
			return nil, overflow()
		}
	}
	if total == 0 || a.Minor < 0 {
		return nil, ident.E(ident.KindInvalid, "split_invalid", "cannot split %s by these weights", a)
	}
	parts := make([]Amount, len(weights))
	rest := make([]uint64, len(weights))
	left := a.Minor
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(a.Minor), uint64(w))
		q, r := bits.Div64(hi, lo, total) // hi < total because w <= total
		parts[i] = Amount{int64(q), a.Currency}
		rest[i] = r
		left -= int64(q)
	}
	order := make([]int, len(weights)) // by remainder, largest first; fewer units are left than remainders
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(rest[j], rest[i]) })
	for _, i := range order[:left] {
		parts[i].Minor++
	}
	return parts, nil
}

// String is "244,338.26 CNY"; negative amounts have a minus sign.
func (a Amount) String() string {
	if a.Currency == "" {
		return a.Digits()
	}
	return a.Digits() + " " + string(a.Currency)
}

// Digits is the number alone with thousands separators: "244,338.26".
func (a Amount) Digits() string {
	plain := a.Plain()
	sign := ""
	if strings.HasPrefix(plain, "-") {
		sign, plain = "-", plain[1:]
	}
	whole, frac, hasFrac := strings.Cut(plain, ".")
	var b strings.Builder
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if hasFrac {
		b.WriteByte('.')
		b.WriteString(frac)
	}
	return sign + b.String()
}

// Plain is the number for other programs: "244338.26", as ISO 20022 and the
// plain-text ledgers want it.
func (a Amount) Plain() string {
	exp := a.Currency.Exponent()
	u := uint64(a.Minor)
	sign := ""
	if a.Minor < 0 {
		u, sign = -u, "-"
	}
	s := fmt.Sprintf("%0*d", exp+1, u)
	if exp == 0 {
		return sign + s
	}
	return sign + s[:len(s)-exp] + "." + s[len(s)-exp:]
}

// UnmarshalJSON takes {"value": 123, "currency": "CNY"} and nothing else: no
// fractions, no exponents, no strings for numbers, no other or repeated names,
// no other spelling of them. It is written by hand because encoding/json would
// take "VALUE", "123" and the last of two values. The zero Amount, which has no
// currency, is read back as it is written.
func (a *Amount) UnmarshalJSON(b []byte) error {
	malformed := func(err error) error {
		return ident.Invalid("amount", "amount_malformed",
			`an amount is {"value": <integer>, "currency": "CNY"}`).Because(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return malformed(err)
	}
	var value json.Number
	var currency *string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return malformed(err)
		}
		v, err := dec.Token()
		if err != nil {
			return malformed(err)
		}
		n, isNumber := v.(json.Number)
		s, isString := v.(string)
		switch {
		case key == "value" && isNumber && value == "":
			value = n
		case key == "currency" && isString && currency == nil:
			currency = &s
		default:
			return malformed(fmt.Errorf("%.40q is unknown, repeated or of the wrong type", key))
		}
	}
	if _, err := dec.Token(); err != nil || len(bytes.TrimSpace(b[dec.InputOffset():])) > 0 {
		return malformed(err)
	}
	if value == "" || currency == nil {
		return ident.Invalid("amount", "amount_malformed", `an amount needs both "value" and "currency"`)
	}
	n, err := value.Int64()
	if err != nil {
		return ident.Invalid("amount.value", "amount_not_integer",
			"the value %.40s is not a whole number of minor units", value)
	}
	read := Amount{n, Currency(*currency)}
	if read == (Amount{}) {
		*a = read
		return nil
	}
	if err := read.Check("amount.currency"); err != nil {
		return err
	}
	*a = read
	return nil
}
