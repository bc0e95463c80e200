package money

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"surety/kernel/ident"
)

var readable = []struct {
	text   string
	c      Currency
	minor  int64
	mended bool
}{
	{"244338.26", CNY, 24433826, false},
	{"0", CNY, 0, false},
	{"007", CNY, 700, false},
	{"244,338.26", CNY, 24433826, true},
	{"１２,３４５.6７", CNY, 1234567, true},
	{"１２，３４５．６７", CNY, 1234567, true},
	{"88,430.00元", CNY, 8843000, true},
	{"￥88,430", CNY, 8843000, true},
	{"¥ 88430", CNY, 8843000, true},
	{"人民币88,430.00元整", CNY, 8843000, true},
	{"RMB 1", CNY, 100, true},
	{"1 CNY", CNY, 100, true},
	{"　５　", CNY, 500, true},
	{"1.230", CNY, 123, false},
	{"1.5", "JOD", 1500, false},
	{"1.000", "JPY", 1, false},
	{"1,234 USD", "USD", 123400, true},
	{"92233720368547758.07", CNY, math.MaxInt64, false},
}

func TestParse(t *testing.T) {
	for _, c := range readable {
		a, mended, err := Parse(c.text, c.c)
		if err != nil || a != Of(c.minor, c.c) || mended != c.mended {
			t.Errorf("%q: %v mended=%v %v, want %d mended=%v", c.text, a, mended, err, c.minor, c.mended)
		}
	}
}

// unreadable amounts are refused with a reason that says what is wrong.
var unreadable = []struct{ text, why string }{
	{"", "no number"}, {"元", "no number"}, {" ", "no number"}, {"¥元", "no number"},
	{"-1", "no sign"}, {"+1", "no sign"}, {"－１", "no sign"}, {"＋１", "no sign"}, {"(5)", "no sign"}, {"¥-1",
		"no sign"}, {"-¥1", "no sign"},
	{"−1", "not a digit"}, {"1-", "not a digit"}, {"1e9", "not a digit"}, {"１ｅ９", "not a digit"}, {"0x10", "not a digit"},
	{"1 000", "not a digit"}, {"1_000", "not a digit"}, {"1'000", "not a digit"}, {"NaN", "not a digit"}, {"Inf",
		"not a digit"},
	{"1.5万元", "not digits"}, {"一百", "not a digit"}, {"١٢", "not a digit"}, {"①", "not a digit"}, {"USD 1", "not a digit"},
	{"12,34.5", "by three"}, {"1,2345", "by three"}, {"1234,567", "by three"}, {"1,,234", "not a digit"}, {",123",
		"not a digit"},
	{"1,234,", "not a digit"}, {"0,123", "begin with zero"}, {"012,345", "begin with zero"},
	{"1.234", "more decimals"}, {"1.2.3", "not digits"}, {"1.", "not digits"}, {".5", "not a digit"}, {"1.2,3",
		"not digits"},
	{"12345678901234567890", "larger"}, {"92233720368547758.08", "larger"}, {"¥¥1", "not a digit"},
	{"1\x00", "not a digit"}, {"\xff1", "not a digit"}, {"1\u200b", "not a digit"},
	{strings.Repeat("9", 1<<20), "too long"},
}

func TestParseRefuses(t *testing.T) {
	for _, c := range unreadable {
		a, _, err := Parse(c.text, CNY)
		if ident.CodeOf(err) != "amount_unreadable" || !strings.Contains(err.Error(), c.why) || a != (Amount{}) {
			t.Errorf("%.40q: %v, %v, want %q", c.text, a, err, c.why)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%.40q: the message has %d bytes", c.text, len(err.Error()))
		}
	}
	if _, _, err := Parse("1.5", "JPY"); err == nil || !strings.Contains(err.Error(), "more decimals") {
		t.Errorf("half a yen: %v", err)
	}
	if _, _, err := Parse("1", "XXX"); ident.CodeOf(err) != "currency_unknown" {
		t.Errorf("unknown currency: %v", err)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		a               Amount
		str, dig, plain string
	}{
		{Of(24433826, CNY), "244,338.26 CNY", "244,338.26", "244338.26"},
		{Of(-5, CNY), "-0.05 CNY", "-0.05", "-0.05"},
		{Of(0, CNY), "0.00 CNY", "0.00", "0.00"},
		{Amount{}, "0.00", "0.00", "0.00"},
		{Of(1234567, "JPY"), "1,234,567 JPY", "1,234,567", "1234567"},
		{Of(1234567, "KWD"), "1,234.567 KWD", "1,234.567", "1234.567"},
		{Of(100000, CNY), "1,000.00 CNY", "1,000.00", "1000.00"},
		{Of(math.MinInt64, CNY), "-92,233,720,368,547,758.08 CNY", "-92,233,720,368,547,758.08", "-92233720368547758.08"},
		{Yuan(3), "3.00 CNY", "3.00", "3.00"},
	} {
		if c.a.String() != c.str || c.a.Digits() != c.dig || c.a.Plain() != c.plain {
			t.Errorf("%d %s: %q %q %q", c.a.Minor, c.a.Currency, c.a.String(), c.a.Digits(), c.a.Plain())
		}
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		a    Amount
		code string
	}{
		{Yuan(1), ""}, {Yuan(0), "amount_not_positive"}, {Yuan(-1), "amount_not_positive"},
		{Of(1, "cny"), "currency_unknown"},
		{Of(-1, ""), "currency_unknown"},
	} {
		if got := ident.CodeOf(c.a.CheckPositive("amount")); got != c.code {
			t.Errorf("%v: %q, want %q", c.a, got, c.code)
		}
	}
	if len(exponents) < 150 || Currency("JPY").Exponent() != 0 || Currency("BHD").Exponent() != 3 ||
		Currency("???").Exponent() != 2 {
		t.Errorf("%d currencies", len(exponents))
	}
	for c := range exponents {
		if len(c) != 3 || strings.ToUpper(string(c)) != string(c) || strings.ContainsAny(string(c), " \n") {
			t.Errorf("%q is not a code", c)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a constant that overflows went through")
		}
	}()
	Yuan(math.MaxInt64)
}

func TestJSON(t *testing.T) {
	for _, good := range []string{`{"value":24433826,"currency":"CNY"}`, ` { "currency" : "CNY" , "value" : -5 } `,
		`{"value":0,"currency":""}`} {
		var a Amount
		if err := json.Unmarshal([]byte(good), &a); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, code := range map[string]string{
		`{"value":1.5,"currency":"CNY"}`:                 "amount_not_integer",
		`{"value":1.0,"currency":"CNY"}`:                 "amount_not_integer",
		`{"value":1e2,"currency":"CNY"}`:                 "amount_not_integer",
		`{"value":9223372036854775808,"currency":"CNY"}`: "amount_not_integer",
		`{"value":"1","currency":"CNY"}`:                 "amount_malformed",
		`{"VALUE":1,"currency":"CNY"}`:                   "amount_malformed",
		`{"value":1,"value":2,"currency":"CNY"}`:         "amount_malformed",
		`{"value":1,"currency":"CNY","currency":"USD"}`:  "amount_malformed",
		`{"value":1,"currency":"CNY","minor":1}`:         "amount_malformed",
		`{"value":1}`:                                    "amount_malformed",
		`{"currency":"CNY"}`:                             "amount_malformed",
		`{"value":null,"currency":"CNY"}`:                "amount_malformed",
		`{"value":1,"currency":null}`:                    "amount_malformed",
		`{"value":{"a":1},"currency":"CNY"}`:             "amount_malformed",
		`{"value":true,"currency":"CNY"}`:                "amount_malformed",
		`null`:                                           "amount_malformed",
		`12.50`:                                          "amount_malformed",
		`"12.50"`:                                        "amount_malformed",
		`[1,"CNY"]`:                                      "amount_malformed",
		`{}`:                                             "amount_malformed",
		`{"value":1,"currency":"cny"}`:                   "currency_unknown",
		`{"value":1,"currency":""}`:                      "currency_unknown",
		`{"value":1,"currency":"元"}`:                     "currency_unknown",
		`{"value":1,"currency":"` + strings.Repeat("C", 9999) + `"}`: "currency_unknown",
	} {
		a := Yuan(7)
		err := json.Unmarshal([]byte(bad), &a)
		if ident.CodeOf(err) != code || a != Yuan(7) {
			t.Errorf("%.60s: %v, %v, want %s", bad, a, err, code)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%.60s: the message has %d bytes", bad, len(err.Error()))
		}
	}
	var a Amount // called without encoding/json's own check before it
	for _, bad := range []string{``, `{`, `{"value":1,"currency":"CNY"`, `{"value":1,"currency":"CNY"}x`,
		`{"value":1,"currency":"CNY"}{}`} {
		if err := a.UnmarshalJSON([]byte(bad)); ident.CodeOf(err) != "amount_malformed" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func amounts(c Currency) *rapid.Generator[Amount] {
	edge := rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, 100})
	return rapid.Map(rapid.OneOf(rapid.Int64(), edge), func(n int64) Amount { return Of(n, c) })
}

// agree checks a result against exact arithmetic: the same number, or an
// overflow error exactly when 64 bits do not hold it.
func agree(t *rapid.T, got Amount, err error, want *big.Int) {
	t.Helper()
	if !want.IsInt64() {
		if ident.CodeOf(err) != "amount_overflow" || got != (Amount{}) {
			t.Fatalf("got %v, %v for %v", got, err, want)
		}
		return
	}
	if err != nil || got.Minor != want.Int64() || got.Currency != CNY {
		t.Fatalf("got %v, %v, want %v", got, err, want)
	}
}

func TestArithmeticAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := amounts(CNY).Draw(t, "a"), amounts(CNY).Draw(t, "b")
		x, y := big.NewInt(a.Minor), big.NewInt(b.Minor)
		got, err := a.Add(b)
		agree(t, got, err, new(big.Int).Add(x, y))
		got, err = a.Sub(b)
		agree(t, got, err, new(big.Int).Sub(x, y))
		if c, err := a.Cmp(b); err != nil || c != x.Cmp(y) {
			t.Fatalf("Cmp = %d, %v", c, err)
		}
		if s, err := Sum(a, Amount{}, b); err == nil {
			agree(t, s, err, new(big.Int).Add(x, y))
		}
	})
}

func TestMulDivAgainstBig(t *testing.T) {
	small, edge := rapid.Int64Range(-1000, 1000), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64})
	numbers := rapid.OneOf(rapid.Int64(), small, edge)
	rapid.Check(t, func(t *rapid.T) {
		a := Of(numbers.Draw(t, "a"), CNY)
		num, den := numbers.Draw(t, "num"), numbers.Draw(t, "den")
		got, err := a.MulDiv(num, den)
		if den <= 0 {
			if ident.CodeOf(err) != "share_invalid" {
				t.Fatalf("denominator %d: %v", den, err)
			}
			return
		}
		// Half away from zero, said another way than in the code: truncate, then
		// step away from zero if twice the rest reaches the denominator.
		p := new(big.Int).Mul(big.NewInt(a.Minor), big.NewInt(num))
		q, r := new(big.Int).QuoRem(p, big.NewInt(den), new(big.Int))
		if r.Abs(r).Lsh(r, 1).Cmp(big.NewInt(den)) >= 0 {
			q.Add(q, big.NewInt(int64(p.Sign())))
		}
		agree(t, got, err, q)
	})
	const most = math.MaxInt64
	for _, c := range [][4]int64{{5, 1, 2, 3}, {-5, 1, 2, -3}, {5, -1, 2, -3}, {4, 1, 3, 1},
		{most, most, most, most}} {
		if got, err := Of(c[0], CNY).MulDiv(c[1], c[2]); err != nil || got.Minor != c[3] {
			t.Errorf("%d*%d/%d = %v, %v, want %d", c[0], c[1], c[2], got, err, c[3])
		}
	}
}

func TestSplitSumsExactly(t *testing.T) {
	weight := rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, math.MaxInt64))
	rapid.Check(t, func(t *rapid.T) {
		a := Of(rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "a"), CNY)
		weights := rapid.SliceOfN(weight, 1, 20).Draw(t, "weights")
		total := new(big.Int)
		for _, w := range weights {
			total.Add(total, big.NewInt(w))
		}
		parts, err := a.Split(weights...)
		if total.Sign() == 0 || !total.IsUint64() {
			if err == nil {
				t.Fatalf("weights that sum to %v were taken", total)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := new(big.Int)
		for i, p := range parts {
			sum.Add(sum, big.NewInt(p.Minor))
			// No part is a whole unit or more away from its exact share.
			gap := new(big.Int).Mul(big.NewInt(p.Minor), total)
			gap.Sub(gap, new(big.Int).Mul(big.NewInt(a.Minor), big.NewInt(weights[i])))
			if gap.CmpAbs(total) >= 0 || p.Currency != CNY || p.Minor < 0 || weights[i] == 0 && p.Minor != 0 {
				t.Fatalf("part %d of %v by %v is %v", i, a, weights, p)
			}
		}
		if !sum.IsInt64() || sum.Int64() != a.Minor {
			t.Fatalf("parts sum to %v, not %v", sum, a)
		}
	})
}

func TestSplitTies(t *testing.T) {
	parts, err := Of(5, CNY).Split(1, 1, 1)
	if err != nil || parts[0].Minor != 2 || parts[1].Minor != 2 || parts[2].Minor != 1 {
		t.Errorf("5 by three = %v, %v", parts, err)
	}
	for _, c := range []struct {
		a       Amount
		weights []int64
		code    string
	}{
		{Yuan(1), nil, "split_invalid"}, {Yuan(1), []int64{0, 0}, "split_invalid"}, {Yuan(-1), []int64{1}, "split_invalid"},
		{Yuan(1), []int64{1, -1}, "weight_negative"}, {Yuan(1), []int64{math.MaxInt64, math.MaxInt64, 2}, "amount_overflow"},
	} {
		if _, err := c.a.Split(c.weights...); ident.CodeOf(err) != c.code {
			t.Errorf("%v by %v: %v, want %s", c.a, c.weights, err, c.code)
		}
	}
}

func TestCurrenciesDoNotMix(t *testing.T) {
	usd := Of(1, "USD")
	_, e1 := Yuan(1).Add(usd)
	_, e2 := Yuan(1).Sub(usd)
	_, e3 := Yuan(1).Cmp(usd)
	_, e4 := Sum(Yuan(1), usd)
	_, e5 := Of(0, CNY).Add(usd) // zero yuan is yuan; only the zero Amount is nothing
	_, e6 := Of(1, "").Add(usd)
	for i, err := range []error{e1, e2, e3, e4, e5, e6} {
		if ident.CodeOf(err) != "currency_mixed" {
			t.Errorf("case %d: %v", i+1, err)
		}
	}
	if s, err := Sum(); err != nil || !s.IsZero() || s.Currency != "" {
		t.Errorf("the sum of nothing is %v, %v", s, err)
	}
	if s, err := (Amount{}).Sub(usd); err != nil || s != Of(-1, "USD") {
		t.Errorf("nothing less a cent is %v, %v", s, err)
	}
}

func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]Currency{CNY, "JPY", "KWD", "USD"}).Draw(t, "currency")
		a := amounts(c).Draw(t, "a")
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back Amount
		if err := json.Unmarshal(data, &back); err != nil || back != a {
			t.Fatalf("%s is read as %v, %v", data, back, err)
		}
		if a.Minor < 0 {
			return
		}
		for _, text := range []string{a.String(), a.Digits(), a.Plain()} {
			if back, _, err := Parse(text, c); err != nil || back != a {
				t.Fatalf("%q is read as %v, %v", text, back, err)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, c := range readable {
		f.Add(c.text)
	}
	for _, c := range unreadable {
		f.Add(c.text[:min(len(c.text), 100)])
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, mended, err := Parse(text, CNY)
		if err != nil {
			if ident.KindOf(err) != ident.KindInvalid || a != (Amount{}) {
				t.Errorf("%q: %v, %v", text, a, err)
			}
			return
		}
		if a.Minor < 0 || a.Currency != CNY {
			t.Errorf("%q was read as %v", text, a)
		}
		back, _, err := Parse(a.Digits(), CNY)
		if err != nil || back != a {
			t.Errorf("%q was read as %v, which is read as %v, %v", text, a, back, err)
		}
		if !mended && strings.Trim(text, "0123456789.") != "" {
			t.Errorf("%q was mended silently", text)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"value":1,"currency":"CNY"}`, `{"value":1.5}`, `null`,
		`{"value":1,"currency":"CNY"}}`, `{"value":-0,"currency":"CNY"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a Amount
		if err := json.Unmarshal(data, &a); err != nil {
			return
		}
		if a != (Amount{}) && a.Check("amount") != nil {
			t.Errorf("%s was taken as %v", data, a)
		}
		var loose map[string]any
		if json.Unmarshal(data, &loose) != nil || len(loose) != 2 {
			t.Errorf("%s is no amount", data)
		}
	})
}
