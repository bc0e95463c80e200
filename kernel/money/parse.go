package money

import (
	"math"
	"strings"

	"golang.org/x/text/width"

	"surety/kernel/ident"
)

// Parse reads an amount in major units as people write it: "244338.26",
// "244,338.26", full-width digits, with the currency sign or word in front or
// behind (¥, 元, CNY, RMB). It is strict in what it means: separators must group
// by three, no exponent, no sign, no more decimals than the currency has.
// mended is true if the text had to be folded or stripped to be read.
func Parse(text string, c Currency) (a Amount, mended bool, err error) {
	exp, known := exponents[c]
	if !known {
		return Amount{}, false, Amount{Currency: c}.Check("currency")
	}
	folded := strings.TrimSpace(width.Narrow.String(text))
	s := strings.TrimSpace(stripCurrency(folded, c))
	bad := func(why string) (Amount, bool, error) {
		return Amount{}, false, ident.Invalid("amount", "amount_unreadable", "%q is not an amount: %s", text, why)
	}
	if s == "" {
		return bad("there is no number in it")
	}
	if s[0] == '-' || s[0] == '(' || s[0] == '+' {
		return bad("an amount has no sign and cannot be negative")
	}
	whole, frac, hasFrac := strings.Cut(s, ".")
	digits, why := ungroup(whole)
	if why != "" {
		return bad(why)
	}
	if hasFrac && (frac == "" || !allDigits(frac)) {
		return bad("what follows the decimal point is not digits")
	}
	trimmed := strings.TrimRight(frac, "0")
	if len(trimmed) > exp {
		return bad("it has more decimals than the currency")
	}
	n, ok := parseDigits(digits + trimmed + strings.Repeat("0", exp-len(trimmed)))
	if !ok {
		return bad("it is larger than any account can hold")
	}
	return Amount{n, c}, s != text || strings.Contains(s, ","), nil
}

func stripCurrency(s string, c Currency) string {
	for _, sign := range currencySigns(c) {
		if rest, ok := strings.CutPrefix(s, sign); ok {
			return rest
		}
		if rest, ok := strings.CutSuffix(s, sign); ok {
			return rest
		}
	}
	return s
}

func currencySigns(c Currency) []string {
	if c == CNY {
		return []string{"人民币", "CNY", "RMB", "¥", "¥", "圆", "元"}
	}
	return []string{string(c)}
}

// ungroup removes thousands separators, which must group by three.
func ungroup(whole string) (digits, why string) {
	groups := strings.Split(whole, ",")
	for i, g := range groups {
		if !allDigits(g) || g == "" {
			return "", "it holds something that is not a digit"
		}
		if i > 0 && len(g) != 3 || i == 0 && len(groups) > 1 && len(g) > 3 {
			return "", "its separators do not group by three"
		}
	}
	return strings.Join(groups, ""), ""
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func parseDigits(s string) (int64, bool) {
	var n int64
	for i := 0; i < len(s); i++ {
		d := int64(s[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
