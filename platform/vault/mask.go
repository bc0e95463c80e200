package vault

import "strings"

// MaskPhone shows a telephone number as "170****8892": the first three and the
// last four of a number of eleven digits or more (a leading 86 or 0086 of a Chinese
// mobile number is left out), the last four of eight to ten, the last two of
// five to seven, and nothing of a shorter one. Four stars always, so that its length
// does not show. Only digits are ever shown.
func MaskPhone(phone string) string {
	d := keep(phone, isDigit)
	if short := strings.TrimPrefix(strings.TrimPrefix(d, "00"), "86"); len(short) == 11 && short[0] == '1' {
		d = short
	}
	n := len(d)
	switch {
	case n >= 11:
		return d[:3] + "****" + d[n-4:]
	case n >= 8:
		return "****" + d[n-4:]
	case n >= 5:
		return "****" + d[n-2:]
	case n > 0:
		return "****"
	}
	return ""
}

// MaskIDNumber shows an identity number. Of a resident identity number (18 places,
// GB 11643-1999, or 15 of the old form) it shows the first four (province and city)
// and the last four, never the date of birth whole: "5199**********501X". Of
// any other document it shows the last two of at least seven places, and else
// nothing. The number of stars is that of the hidden places.
func MaskIDNumber(id string) string {
	s := strings.ToUpper(keep(id, func(c byte) bool { return isDigit(c) || isLetter(c) }))
	n := len(s)
	switch {
	case n == 18 || n == 15:
		return s[:4] + strings.Repeat("*", n-8) + s[n-4:]
	case n >= 7:
		return strings.Repeat("*", n-2) + s[n-2:]
	}
	return strings.Repeat("*", n)
}

// MaskAccount shows the last four of a bank account or card number of at least
// ten places ("****8892"), the last two of one of at least six, and else nothing.
func MaskAccount(account string) string {
	s := strings.ToUpper(keep(account, func(c byte) bool { return isDigit(c) || isLetter(c) }))
	n := len(s)
	switch {
	case n >= 10:
		return "****" + s[n-4:]
	case n >= 6:
		return "****" + s[n-2:]
	case n > 0:
		return "****"
	}
	return ""
}

// keep narrows full-width characters (as Chinese lists have them) and drops all
// that ok refuses: a mask must not let through what it does not know.
func keep(s string, ok func(byte) bool) string {
	var out strings.Builder
	for _, r := range s {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		if r < 0x80 && ok(byte(r)) {
			out.WriteByte(byte(r))
		}
	}
	return out.String()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
