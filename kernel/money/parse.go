package money

import (
	"math"
	"strings"

	"golang.org/x/text/width"

	"surety/kernel/ident"
)

// maxText bounds what Parse looks at, in bytes: 20 full-width digits with signs
// take less.
const maxText = 200

// Parse reads an amount in major units as people write it: "244338.26",
// "244,338.26", full-width digits, with the currency sign or word in front or
// behind (¥, 人民币, CNY, RMB; 元, 圆, 元整). It is strict in what it means: separators
// must group by three, a grouped number does not begin with zero ("0,123" may be
// meant as a decimal), no exponent, no sign, no more decimals than the currency
// has. mended is true if the text had to be folded or stripped to be read.
func Parse(text string, c Currency) (a Amount, mended bool, err error) {
	exp, known := exponents[c]
	if !known {
		return Amount{}, false, Amount{Currency: c}.Check("currency")
	}
	bad := func(why string) (Amount, bool, error) {
		return Amount{}, false, ident.Invalid("amount", "amount_unreadable", "%.40q is not an amount: %s", text, why)
	}
	if len(text) > maxText {
		return bad("it is far too long")
	}
	s := stripCurrency(strings.TrimSpace(width.Narrow.String(text)), c)
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

// stripCurrency takes one sign or word from the front and one from behind:
// "人民币88,430.00元" has both.
func stripCurrency(s string, c Currency) string {
	front, behind := []string{string(c)}, []string{string(c)}
	if c == CNY {
		front = []string{"人民币", "CNY", "RMB", "¥"} // the full-width ￥ is narrowed before
		behind = []string{"元整", "圆整", "元人民币", "元", "圆", "人民币", "CNY", "RMB"}
	}
	for _, sign := range front {
		if rest, ok := strings.CutPrefix(s, sign); ok {
			s = strings.TrimSpace(rest)
			break
		}
	}
	for _, sign := range behind {
		if rest, ok := strings.CutSuffix(s, sign); ok {
			s = strings.TrimSpace(rest)
			break
		}
	}
	return s
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
	if len(groups) > 1 && groups[0][0] == '0' {
		return "", "a grouped number cannot begin with zero"
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
