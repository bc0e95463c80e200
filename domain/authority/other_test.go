package authority_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"surety/domain/authority"
	"surety/kernel/ident"
	"surety/kernel/money"
)

func readCSV(b []byte) ([][]string, error) {
	return csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff")))).ReadAll()
}

func TestReports(t *testing.T) {
	rs, err := authority.ReadReports(bytes.NewReader(file(t, "user-reports.csv")), authority.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rs.Rows) != 62 || rs.Read != 60 || rs.Duplicates != 1 || rs.Refused != 0 {
		t.Errorf("rows %d, read %d, duplicates %d, refused %d", len(rs.Rows), rs.Read, rs.Duplicates, rs.Refused)
	}
	r := rs.Rows[1].Read
	if r.ID != "U0001" || r.Account != "W102555" || r.Claimed != money.Of(27005300, money.CNY) || r.Words != "不是本人操作" {
		t.Errorf("%+v", r)
	}
	if d := rs.Rows[24]; d.Kind != authority.RowDuplicate || d.SameAs != 3 {
		t.Errorf("%+v", d)
	}
}

func TestReportsRefused(t *testing.T) {
	const head = "report_id,account,claimed_fen,loss_date,words\n"
	for in, why := range map[string]authority.Reason{
		"U1,W1,-1,2026-05-01,x":                   authority.BadAmountSign,
		"U1,W1,1e9,2026-05-01,x":                  authority.BadAmountInteger,
		"U1,W1,1.5,2026-05-01,x":                  authority.BadAmountInteger,
		"U1,W1,0,2026-05-01,x":                    authority.BadAmountZero,
		"U1,,1,2026-05-01,x":                      authority.BadRequired,
		"U1,W1,1,2026-13-01,x":                    authority.BadDate,
		"U1,W1,1":                                 authority.BadTooFew,
		"U1,W1,1,2026-05-01,x,y":                  authority.BadTooMany,
		",W1,1,2026-05-01,x":                      authority.BadRequired,
		"U1,=W1,1,2026-05-01,x":                   authority.BadAccount,
		"U1,W1,99999999999999999999,2026-05-01,x": authority.BadAmountInteger,
	} {
		rs, err := authority.ReadReports(strings.NewReader(head+in+"\nU2,W1,1,2026-05-01,x\n"), authority.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r := rs.Rows[1]; r.Kind != authority.RowRefused || r.Refused[0].Why != why || rs.Read != 1 {
			t.Errorf("%q: %s %+v, read %d", in, r.Kind, r.Refused, rs.Read)
		}
	}
	if _, err := authority.ReadReports(strings.NewReader("a,b\n1,2\n"), authority.Options{}); ident.CodeOf(err) != "header_missing" {
		t.Errorf("got %v", err)
	}
}

func TestEstate(t *testing.T) {
	e, err := authority.ReadEstate(bytes.NewReader(file(t, "estate.json")), authority.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Holder != "陈国栋" || e.Loss != money.Yuan(2_060_000) || e.Heir.Name != "胡淑芬" || e.Heir.Bank != "建设银行" ||
		e.Heir.BankAccount != "6217000000000000017" || len(e.Heir.Documents) != 3 || e.PoliceReport != "绵公刑〔2026〕0207号" {
		t.Errorf("%+v", e)
	}
}

func TestEstateRefused(t *testing.T) {
	good := string(file(t, "estate.json"))
	for _, c := range []struct{ name, from, to, code, field string }{
		{"minus", "206000000", "-1", "amount_signed", "loss_fen"},
		{"text", "206000000", `"1e9"`, "json", "loss_fen"},
		{"fraction", "206000000", "1.5", "json", "loss_fen"},
		{"unknown field", `"thief"`, `"theif"`, "json", ""},
		{"no heir", "胡淑芬", "", "required", "heir.name"},
		{"no account", "W101043", "", "required", "account"},
		{"no bank account", "建设银行 6217000000000000017", "建设银行", "bank_account_unreadable", "bank_and_account"},
		{"no such day", "2026-05-02", "2026-05-32", "date_unreadable", "died"},
	} {
		_, err := authority.ReadEstate(strings.NewReader(strings.Replace(good, c.from, c.to, 1)), authority.Options{})
		if ident.CodeOf(err) != c.code || !ident.Is(err, ident.KindInvalid) || c.field != "" && !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v (code %s)", c.name, err, ident.CodeOf(err))
		}
	}
	for _, cut := range []string{good[:len(good)/2], good + "{}", "[]", "null"} {
		if _, err := authority.ReadEstate(strings.NewReader(cut), authority.Options{}); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%.20q: %v", cut, err)
		}
	}
	if _, err := authority.ReadEstate(strings.NewReader(strings.Repeat(" ", 2<<20)), authority.Options{}); !ident.Is(err, ident.KindTooLarge) {
		t.Errorf("got %v", err)
	}
}

// Whatever bytes come, the reader ends, accounts for the rows in order, and a
// victim has a name and a positive amount.
func FuzzReadList(f *testing.F) {
	f.Add(file(f, "police-list.csv")[:900])
	f.Add([]byte(header + line(nil) + line(map[string]string{"amount": "１２,３４５.6７"}) + "合计,,,2人,,,,1,,,\n"))
	f.Add([]byte("姓名\t身份证号\t金额\r\r\n田\t1\t2"))
	f.Add([]byte("\xff\xfe\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := authority.ReadList(bytes.NewReader(b), authority.Options{MaxBytes: 1 << 16, MaxRows: 500})
		if err != nil {
			if k := ident.KindOf(err); k != ident.KindInvalid && k != ident.KindTooLarge {
				t.Fatalf("kind %s: %v", k, err)
			}
			return
		}
		var sum int64
		for i, r := range l.Rows {
			if i > 0 && r.Line <= l.Rows[i-1].Line {
				t.Fatalf("line %d after %d", r.Line, l.Rows[i-1].Line)
			}
			if r.Kind == authority.RowVictim {
				if r.Read.Name == "" || r.Read.Amount.Minor <= 0 || len(r.Refused) > 0 {
					t.Fatalf("%+v", r)
				}
				sum += r.Read.Amount.Minor
			}
			if r.Kind == authority.RowRefused && len(r.Refused) == 0 {
				t.Fatalf("row %d is refused without a reason", r.Line)
			}
		}
		if sum != l.Totals.Sum.Minor {
			t.Fatalf("the sum is %d, the totals say %d", sum, l.Totals.Sum.Minor)
		}
		if err := l.WriteTable(&bytes.Buffer{}, "zh"); err != nil {
			t.Fatal(err)
		}
	})
}
