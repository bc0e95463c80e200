package party

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"surety/kernel/ident"
	"surety/kernel/name"
)

// Kind of a party.
type Kind string

// The kinds of parties.
const (
	Person   Kind = "person"
	Merchant Kind = "merchant"
)

// Verification is how far the host knows the holder, after the levels of the
// non-bank payment rules.
type Verification string

// The levels of verification.
const (
	Unverified Verification = "none"
	Basic      Verification = "basic"
	Full       Verification = "full"
)

// Party is a person or a merchant, opened from its seals.
type Party struct {
	ID       ident.ID
	Kind     Kind
	Name     string
	IDNumber string // "" for a merchant
	Phone    string // "" if the host has none
	City     string
	Created  time.Time
}

// Account is one account at the host wallet. Its ID is the host's.
type Account struct {
	ID           string // "W100043"
	PartyID      ident.ID
	Kind         Kind
	Verification Verification
	Opened       time.Time // the day, midnight in China
	Device       string    // the device enrolled for it, "" if none
	City         string
}

// NormalName folds a name for the blind index: width, case and white space.
func NormalName(s string) string {
	return strings.ToLower(strings.Join(strings.Fields(name.Normalize(s).Text), ""))
}

// NormalIDNumber folds an identity number: width, white space, the letter X.
func NormalIDNumber(s string) string {
	return strings.ToUpper(keep(s, func(r rune) bool { return unicode.IsDigit(r) || r == 'X' || r == 'x' }))
}

// NormalPhone folds a telephone number to its digits, without the country code
// of China.
func NormalPhone(s string) string {
	digits := keep(s, unicode.IsDigit)
	if rest, ok := strings.CutPrefix(digits, "0086"); ok && len(rest) == 11 {
		return rest
	}
	if rest, ok := strings.CutPrefix(digits, "86"); ok && len(rest) == 11 {
		return rest
	}
	return digits
}

func keep(s string, want func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if want(r) {
			return r
		}
		return -1
	}, norm.NFKC.String(s))
}
