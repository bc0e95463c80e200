package fund

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Every state with every event, as the table in the package comment says.
func TestNextOfAll(t *testing.T) {
	want := map[PayoutState]string{ // in the order of Events: begin accept lose resend settle reject return
		Approved: "sending - - - - - -",
		Sending:  "- sent unknown - settled rejected -",
		Sent:     "- - unknown - settled rejected -",
		Unknown:  "- sent - sending settled rejected -",
		Settled:  "- - - - - - returned",
		Rejected: "- - - - - - -",
		Returned: "- - - - - - -",
	}
	if len(want) != len(States()) || len(moves) != 5 {
		t.Fatal("a state is missing here")
	}
	for _, s := range States() {
		row := strings.Fields(want[s])
		for i, e := range Events() {
			to, err := Next(s, e)
			if row[i] == "-" {
				if !ident.Is(err, ident.KindState) || ident.CodeOf(err) != "payout_"+string(s) || to != s {
					t.Errorf("%s %s gives %s, %v", s, e, to, err)
				}
			} else if err != nil || string(to) != row[i] {
				t.Errorf("%s %s gives %s, %v; want %s", s, e, to, err, row[i])
			}
		}
		if final := s == Settled || s == Rejected || s == Returned; s.Final() != final {
			t.Errorf("%s: Final is %v", s, s.Final())
		}
	}
	if _, err := Next("", "nonsense"); err == nil {
		t.Error("nonsense moves something")
	}
}

func TestPayInCheck(t *testing.T) {
	for _, c := range []struct {
		field, code string
		bad         func(*PayIn)
	}{
		{"id", "required", func(p *PayIn) { p.ID = "" }},
		{"id", "payout_id", func(p *PayIn) { p.ID = strings.Repeat("a", 36) }},
		{"id", "payout_id", func(p *PayIn) { p.ID = ".." }},
		{"id", "bad_character", func(p *PayIn) { p.ID = "a/b" }},
		{"fund", "fund_id", func(p *PayIn) { p.FundID = "a:b" }},
		{"fund", "fund_id", func(p *PayIn) { p.FundID = "" }},
		{"purpose", "required", func(p *PayIn) { p.Purpose = "" }},
		{"purpose", "too_long", func(p *PayIn) { p.Purpose = strings.Repeat("a", 60) }},
		{"claim", "bad_character", func(p *PayIn) { p.Claim = "a b" }},
		{"amount", "amount_not_positive", func(p *PayIn) { p.Amount = money.Yuan(0) }},
		{"amount", "amount_not_positive", func(p *PayIn) { p.Amount = money.Yuan(-1) }},
		{"amount", "currency_unknown", func(p *PayIn) { p.Amount.Currency = "XXQ" }},
		{"amount", "amount_too_large", func(p *PayIn) { p.Amount.Minor = maxMinor + 1 }},
		{"code", "unknown", func(p *PayIn) { p.Code = "gift" }},
		{"ref", "too_long", func(p *PayIn) { p.Ref = strings.Repeat("a", 501) }},
		{"pay_to.name", "required", func(p *PayIn) { p.To.Name = " \t\x01 " }},
		{"pay_to.name", "too_long", func(p *PayIn) { p.To.Name = strings.Repeat("a", 1001) }},
		{"pay_to.account", "required", func(p *PayIn) { p.To.Account = "" }},
		{"pay_to.account", "too_long", func(p *PayIn) { p.To.Account = strings.Repeat("1", 35) }},
		{"pay_to.account", "bad_character", func(p *PayIn) { p.To.Account = "6270 8993" }},
		{"pay_to.bank", "required", func(p *PayIn) { p.To.Bank = "" }},
		{"pay_to.rail", "unknown", func(p *PayIn) { p.To.Rail = "pigeon" }},
	} {
		in := order(1, 10, RailBank)
		c.bad(&in)
		err := in.Check()
		var e *ident.Error
		if ident.CodeOf(err) != c.code || !asError(err, &e) || e.Field != c.field || e.Kind != ident.KindInvalid {
			t.Errorf("%s %s: %v", c.field, c.code, err)
		}
	}
	wallet := order(1, 10, RailWallet)
	wallet.To.Bank = ""
	if err := wallet.Check(); err != nil {
		t.Error(err)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"尹　和震": "尹 和震", " a\n\tb ": "a b", "a\x00\x08b": "ab", "a\xff\xfeb": "ab", "x\uFFFEy\uFFFDz": "xyz", "evil\u202Etxt": "eviltxt",
		"<&>\"'": "<&>\"'", strings.Repeat("震", 141): strings.Repeat("震", 140), strings.Repeat("a", 139) + " b": strings.Repeat("a", 139), "": "",
	} {
		if got := clean(in, maxText); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 50).Draw(t, "limit")
		s := clean(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))+rapid.String().Draw(t, "text"), limit)
		if utf8.RuneCountInString(s) > limit || !utf8.ValidString(s) || clean(s, limit) != s || strings.TrimSpace(s) != s {
			t.Fatalf("%q", s)
		}
	})
}
