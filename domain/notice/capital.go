package notice

import (
	"strings"

	"surety/kernel/money"
)

// capital writes an amount of yuan in the capital numerals that Chinese papers of
// money carry so that a figure cannot be altered: 人民币壹佰万元整. The rules are
// those of the Payment and Settlement Measures (支付结算办法, 1997), annex 1: one 零
// for any run of zeros inside, 整 after 元 or 角, and after 分 nothing.
// It returns "" for another currency or an amount that is not positive.
func capital(a money.Amount) string {
	if a.Currency != money.CNY || a.Minor <= 0 {
		return ""
	}
	yuan, jiao, fen := a.Minor/100, a.Minor/10%10, a.Minor%10
	var b strings.Builder
	b.WriteString("人民币")
	if yuan > 0 {
		b.WriteString(capitalWhole(yuan))
		b.WriteString("元")
	}
	switch {
	case jiao == 0 && fen == 0:
		b.WriteString("整")
	case fen == 0:
		b.WriteString(capitalDigits[jiao] + "角整")
	default:
		if jiao > 0 {
			b.WriteString(capitalDigits[jiao] + "角")
		} else if yuan > 0 {
			b.WriteString("零")
		}
		b.WriteString(capitalDigits[fen] + "分")
	}
	return b.String()
}

var (
	capitalDigits = [10]string{"零", "壹", "贰", "叁", "肆", "伍", "陆", "柒", "捌", "玖"}
	capitalPlaces = [4]string{"", "拾", "佰", "仟"}
)

// capitalWhole writes a positive whole number: what is over 10^8 before 亿, then
// what is over 10^4 before 万, then the rest.
func capitalWhole(n int64) string {
	for _, g := range []struct {
		unit int64
		name string
	}{{100_000_000, "亿"}, {10_000, "万"}} {
		if n < g.unit {
			continue
		}
		s, rest := capitalWhole(n/g.unit)+g.name, n%g.unit
		if rest == 0 {
			return s
		}
		if rest < g.unit/10 {
			s += "零"
		}
		return s + capitalWhole(rest)
	}
	var b strings.Builder
	gap := false // a zero stands between what was written and what comes
	for p, div := 3, int64(1000); p >= 0; p, div = p-1, div/10 {
		d := n / div % 10
		if d == 0 {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteString("零")
		}
		gap = false
		b.WriteString(capitalDigits[d] + capitalPlaces[p])
	}
	return b.String()
}
