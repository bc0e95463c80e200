package authority_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"surety/domain/authority"
	"surety/kernel/ident"
	"surety/kernel/money"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t testing.TB, b []byte) authority.List {
	t.Helper()
	l, err := authority.ReadList(bytes.NewReader(b), authority.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The list as the police sent it: 46 victims, 11,240,000.00, one row said twice,
// and every row accounted for.
func TestTheRealList(t *testing.T) {
	b := file(t, "police-list.csv")
	l := read(t, b)
	if l.Encoding != "GB18030" || !strings.Contains(l.Title, "系列盗窃案受害人名单") {
		t.Errorf("encoding %q, title %q", l.Encoding, l.Title)
	}
	count := map[authority.Kind]int{}
	for i, r := range l.Rows {
		if r.Line != i+1 {
			t.Fatalf("row %d has line %d", i, r.Line)
		}
		count[r.Kind]++
	}
	want := map[authority.Kind]int{
		authority.RowTitle: 1, authority.RowHeader: 1, authority.RowVictim: 46, authority.RowDuplicate: 1, authority.RowTotal: 1,
	}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("kinds: got %v, want %v", count, want)
	}
	if len(l.Rows) != bytes.Count(b, []byte("\n")) {
		t.Errorf("%d rows for %d lines", len(l.Rows), bytes.Count(b, []byte("\n")))
	}
	tt := l.Totals
	if tt.Victims != 46 || tt.Sum != money.Yuan(11_240_000) || tt.Duplicates != 1 || tt.Refused != 0 {
		t.Errorf("totals: %+v", tt)
	}
	if !tt.Agrees() || tt.StatedCount != 46 || tt.StatedSum != money.Yuan(11_240_000) || tt.StatedLine != 50 {
		t.Errorf("the total row: %+v", tt)
	}
	if got := tt.Text("en"); !strings.HasSuffix(got, "the total row agrees.") {
		t.Error(got)
	}
}

func TestTheRealRows(t *testing.T) {
	l := read(t, file(t, "police-list.csv"))
	first := l.Victims()[0]
	v := first.Read
	if v.Name != "尹和震" || v.Phone != "17000088892" || v.IDNumber != "51991619610411501X" || v.Account != "W102751" ||
		v.Amount != money.Of(11282800, money.CNY) || v.Bank != "农业银行" || v.BankAccount != "6270899306786900075" ||
		v.CaseNo != "川公刑〔2026〕1180号" || !v.DayOnly || v.Payee != v.Name {
		t.Errorf("first victim: %+v", v)
	}
	if want := time.Date(2026, 5, 25, 16, 0, 0, 0, time.UTC); !v.ReportedAt.Equal(want) {
		t.Errorf("reported %v, want %v", v.ReportedAt, want)
	}
	confirmed, noAccount, notes := 0, 0, map[authority.Reason]int{}
	for _, r := range l.Victims() {
		if r.Read.Confirmed {
			confirmed++
		}
		if r.Read.Account == "" {
			noAccount++
		}
		for _, n := range r.Notes {
			notes[n.Why]++
		}
		if len(r.Read.Phone) != 11 || r.Read.BankAccount == "" || r.Read.ReportedAt.IsZero() || strings.ContainsAny(r.Read.Name, " \u3000") {
			t.Errorf("row %d: %+v", r.Line, r.Read)
		}
	}
	if confirmed != 3 || noAccount != 2 {
		t.Errorf("confirmed %d, without account %d", confirmed, noAccount)
	}
	t.Logf("notes: %v", notes)
	for _, r := range l.Rows {
		if r.Kind == authority.RowDuplicate && (r.Line != 33 || r.SameAs != 14) {
			t.Errorf("duplicate at %d of %d", r.Line, r.SameAs)
		}
	}
}

// The same list in every encoding that a spreadsheet saves is read the same.
func TestEncodings(t *testing.T) {
	gb := file(t, "police-list.csv")
	want := read(t, gb)
	utf8, err := simplifiedchinese.GB18030.NewDecoder().Bytes(gb)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(e unicode.Endianness) []byte {
		out, err := unicode.UTF16(e, unicode.UseBOM).NewEncoder().Bytes(utf8)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, b := range map[string][]byte{
		"UTF-8":     utf8,
		"UTF-8 BOM": append([]byte("\ufeff"), utf8...),
		"UTF-16LE":  encode(unicode.LittleEndian),
		"UTF-16BE":  encode(unicode.BigEndian),
	} {
		got := read(t, b)
		if got.Encoding != name {
			t.Errorf("%s was taken for %s", name, got.Encoding)
		}
		if fmt.Sprint(got.Rows) != fmt.Sprint(want.Rows) || fmt.Sprint(got.Totals) != fmt.Sprint(want.Totals) {
			t.Errorf("%s is read differently", name)
		}
	}
}

const header = "序号,报案编号,报案时间,姓名,身份证号,手机号,账户,被盗金额（元）,收款人,收款银行及账号,备注\n"

func line(cells map[string]string) string {
	base := []struct{ k, v string }{
		{"no", "1"}, {"case", "川公刑〔2026〕1号"}, {"date", "2026-05-21"}, {"name", "田学健"}, {"id", "519929195611115871"},
		{"phone", "17000075100"}, {"account", "W102394"}, {"amount", "100.00"}, {"payee", "田学健"},
		{"bank", "四川农信 6245384506366534122"}, {"remark", ""},
	}
	var out []string
	for _, b := range base {
		if v, ok := cells[b.k]; ok {
			b.v = v
		}
		out = append(out, `"`+strings.ReplaceAll(b.v, `"`, `""`)+`"`)
	}
	return strings.Join(out, ",") + "\n"
}

// A cell that cannot be read refuses its row, by field and reason; its
// neighbours are read.
func TestRefusedRows(t *testing.T) {
	for _, c := range []struct {
		name  string
		cells map[string]string
		field authority.Field
		why   authority.Reason
	}{
		{"minus", map[string]string{"amount": "-1"}, authority.FieldAmount, authority.BadAmountSign},
		{"full-width minus", map[string]string{"amount": "－１"}, authority.FieldAmount, authority.BadAmountSign},
		{"exponent", map[string]string{"amount": "1e9"}, authority.FieldAmount, authority.BadAmount},
		{"zero", map[string]string{"amount": "0.00"}, authority.FieldAmount, authority.BadAmountZero},
		{"no amount", map[string]string{"amount": " "}, authority.FieldAmount, authority.BadRequired},
		{"wrong groups", map[string]string{"amount": "1,23,456"}, authority.FieldAmount, authority.BadAmount},
		{"three decimals", map[string]string{"amount": "1.234"}, authority.FieldAmount, authority.BadAmount},
		{"too much", map[string]string{"amount": "99999999999999999999"}, authority.FieldAmount, authority.BadAmount},
		{"wan", map[string]string{"amount": "12万"}, authority.FieldAmount, authority.BadAmount},
		{"formula", map[string]string{"name": `=cmd|' /C calc'!A0`}, authority.FieldName, authority.BadName},
		{"no name", map[string]string{"name": "　"}, authority.FieldName, authority.BadRequired},
		{"short phone", map[string]string{"phone": "1700007510"}, authority.FieldPhone, authority.BadPhone},
		{"short id", map[string]string{"id": "51992919561111587"}, authority.FieldIDNumber, authority.BadID},
		{"no such day", map[string]string{"date": "2026-02-30"}, authority.FieldReported, authority.BadDate},
		{"bank without account", map[string]string{"bank": "四川农信"}, authority.FieldBankBoth, authority.BadBankAccount},
		{"nobody", map[string]string{"id": "", "phone": "无", "account": "-"}, authority.FieldRow, authority.BadNobody},
		{"damaged", map[string]string{"name": "田\ufffd健"}, authority.FieldName, authority.BadDamaged},
		{"control", map[string]string{"name": "田\x07健"}, authority.FieldName, authority.BadControl},
		{"long", map[string]string{"remark": strings.Repeat("长", 501)}, authority.FieldRemark, authority.BadTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := line(map[string]string{"id": "519901195511059853", "account": "W9", "bank": "工商银行 6202996519000655153"})
			l := read(t, []byte(header+line(c.cells)+other))
			r := l.Rows[1]
			if r.Kind != authority.RowRefused || len(r.Refused) != 1 || r.Refused[0].Field != c.field || r.Refused[0].Why != c.why {
				t.Fatalf("got %s %+v, want %s %s", r.Kind, r.Refused, c.field, c.why)
			}
			if e := l.Errors()[0]; e.Row != 2 || e.Field != string(c.field) || e.Kind != ident.KindInvalid {
				t.Errorf("error: %+v", e)
			}
			if l.Totals.Victims != 1 || l.Totals.Refused != 1 {
				t.Errorf("the neighbour was not read: %+v", l.Totals)
			}
		})
	}
}

// What is only badly written is mended, and the table says from what to what.
func TestMendedCells(t *testing.T) {
	for _, c := range []struct {
		key, in string
		get     func(authority.Victim) any
		want    any
		why     []authority.Reason
	}{
		{"amount", "１２,３４５.6７", func(v authority.Victim) any { return v.Amount.Plain() }, "12345.67",
			[]authority.Reason{authority.MendWidth, authority.MendSeparators}},
		{"amount", "￥ 1,000元", func(v authority.Victim) any { return v.Amount.Plain() }, "1000.00", nil},
		{"amount", "88,430.00元", func(v authority.Victim) any { return v.Amount.Plain() }, "88430.00",
			[]authority.Reason{authority.MendCurrency, authority.MendSeparators}},
		{"name", "尹　和震", func(v authority.Victim) any { return v.Name }, "尹和震", []authority.Reason{authority.MendSpace}},
		{"name", "Anne  Marie O'Neil", func(v authority.Victim) any { return v.Name }, "Anne Marie O'Neil", []authority.Reason{authority.MendSpace}},
		{"phone", "+86 170-0007-5100", func(v authority.Victim) any { return v.Phone }, "17000075100", nil},
		{"id", "５１９９１６19610411501x", func(v authority.Victim) any { return v.IDNumber }, "51991619610411501X",
			[]authority.Reason{authority.MendWidth, authority.MendCase}},
		{"date", "2026年5月9日 8时05分", func(v authority.Victim) any { return v.ReportedAt }, time.Date(2026, 5, 9, 0, 5, 0, 0, time.UTC),
			[]authority.Reason{authority.MendDate}},
		{"case", "川公刑[2026]1号", func(v authority.Victim) any { return v.CaseNo }, "川公刑〔2026〕1号", []authority.Reason{authority.MendBrackets}},
		{"account", "无", func(v authority.Victim) any { return v.Account }, "", []authority.Reason{authority.MendEmptyWord}},
		{"bank", "农业银行：6270 8993 0678 6900 075", func(v authority.Victim) any { return v.Bank + "/" + v.BankAccount }, "农业银行/6270899306786900075", nil},
	} {
		l := read(t, []byte(header+line(map[string]string{c.key: c.in})))
		r := l.Rows[1]
		if r.Kind != authority.RowVictim {
			t.Errorf("%q: %s %+v", c.in, r.Kind, r.Refused)
			continue
		}
		if got := c.get(r.Read); got != c.want {
			t.Errorf("%q: got %v, want %v", c.in, got, c.want)
		}
		var why []authority.Reason
		for _, m := range r.Mended {
			why = append(why, m.Why)
			if m.From != c.in {
				t.Errorf("%q: mended from %q", c.in, m.From)
			}
		}
		if len(why) == 0 || c.why != nil && fmt.Sprint(why) != fmt.Sprint(c.why) {
			t.Errorf("%q: mended because %v, want %v", c.in, why, c.why)
		}
	}
}

// One person twice: the same case and amount is a duplicate; anything else is
// kept, and both rows say so.
func TestOnePersonTwice(t *testing.T) {
	l := read(t, []byte(header+line(nil)+line(nil)+line(map[string]string{"amount": "200", "case": "川公刑〔2026〕2号"})+
		line(map[string]string{"amount": "200", "case": "川公刑〔2026〕2号", "remark": "重复报送"})))
	var kinds []string
	for _, r := range l.Rows[1:] {
		kinds = append(kinds, fmt.Sprint(r.Kind, r.SameAs))
	}
	if got := strings.Join(kinds, " "); got != "victim0 duplicate2 victim0 duplicate4" {
		t.Error(got)
	}
	if !l.Rows[1].Has(authority.NoteSamePerson) || !l.Rows[3].Has(authority.NoteSamePerson) {
		t.Error("two losses of one person are not marked")
	}
	if l.Totals.Victims != 2 || l.Totals.Sum != money.Yuan(300) {
		t.Errorf("%+v", l.Totals)
	}
}

func TestNotes(t *testing.T) {
	second := map[string]string{"id": "519901195511059853", "name": "彭辰"}
	l := read(t, []byte(header+line(nil)+line(second)))
	for _, why := range []authority.Reason{authority.NoteSameAccount, authority.NoteSamePayTo} {
		if !l.Rows[1].Has(why) || !l.Rows[2].Has(why) {
			t.Errorf("%s is not on both rows", why)
		}
	}
	if !l.Rows[2].Has(authority.NotePayeeOther) {
		t.Error("another payee is not marked")
	}
	for remark, want := range map[string]bool{
		"商户系统未查到记录，我局已核实": true, "系统无记录，已经我局核实": true, "No record in system, confirmed by us": true,
		"商户系统未查到记录，尚未核实": false, "系统无记录，待核实": false, "已核实": false, "": false,
	} {
		l := read(t, []byte(header+line(map[string]string{"remark": remark})))
		if got := l.Rows[1].Read.Confirmed; got != want {
			t.Errorf("%q: confirmed %v", remark, got)
		}
	}
}

// A list whose total does not fit says so, whatever is missing.
func TestTotalDiffers(t *testing.T) {
	l := read(t, []byte("名单\n\n"+header+line(nil)+"合计,,,2人,,,,\"300.00\",,,\n制表人：王某,,,,,,,,,,\n\n"))
	var kinds []string
	for _, r := range l.Rows {
		kinds = append(kinds, string(r.Kind))
	}
	if got := strings.Join(kinds, " "); got != "title blank header victim total footer blank" {
		t.Error(got)
	}
	if tt := l.Totals; tt.Agrees() || !tt.CountDiffers || !tt.SumDiffers || !strings.Contains(tt.Text("zh"), "不一致") {
		t.Errorf("%+v %s", tt, tt.Text("zh"))
	}
}

// Headers in other words, other orders, other separators.
func TestHeaders(t *testing.T) {
	l := read(t, []byte("Victim Name;ID Number;Mobile;Account;Amount (CNY);Beneficiary;Bank;Bank Account;Case No.;colour\n"+
		"Anne Marie;519929195611115871;17000075100;W1;\"1,000.50\";Anne Marie;ICBC;6245384506366534122;A-1;red\n"))
	v := l.Victims()[0].Read
	if v.Name != "Anne Marie" || v.Amount != money.Of(100050, money.CNY) || v.Bank != "ICBC" || v.CaseNo != "A-1" {
		t.Errorf("%+v", v)
	}
	if l.Columns[9].Field != "" || l.Columns[9].Title != "colour" {
		t.Errorf("%+v", l.Columns[9])
	}
}

// Files that cannot be read as a whole.
func TestRefusedFiles(t *testing.T) {
	gb := file(t, "police-list.csv")
	big5 := []byte("\xa9\x6d\xa6\x57,\xa8\xad\xa5\xf7\xc3\xd2,\xaa\xf7\xc3\x42\n\xa4\xfd\xa4\x4a,1,2\n")
	for _, c := range []struct {
		name string
		in   []byte
		code string
		row  int
		kind ident.Kind
	}{
		{"empty", nil, "file_empty", 1, ident.KindInvalid},
		{"broken UTF-8", []byte(header + line(nil) + line(map[string]string{"name": "田\xff健"})), "encoding", 3, ident.KindInvalid},
		{"broken GB18030", append(bytes.Clone(gb[:2000]), "\xff\xff\n"...), "encoding", 0, ident.KindInvalid},
		{"Big5", big5, "", 0, ident.KindInvalid},
		{"UTF-16 without mark", []byte("n\x00a\x00m\x00e\x00"), "nul_byte", 1, ident.KindInvalid},
		{"NUL", []byte(header + line(map[string]string{"remark": "a\x00b"})), "nul_byte", 2, ident.KindInvalid},
		{"workbook", []byte("PK\x03\x04..."), "file_is_workbook", 1, ident.KindInvalid},
		{"no header", []byte("田学健,519929195611115871,100\n"), "header_missing", 1, ident.KindInvalid},
		{"no amount column", []byte("姓名,身份证号,手机号\n"), "column_missing", 1, ident.KindInvalid},
		{"two amount columns", []byte("姓名,身份证号,金额,被盗金额\n"), "column_twice", 1, ident.KindInvalid},
		{"other unit", []byte("姓名,身份证号,金额（万元）\n"), "unit", 1, ident.KindInvalid},
		{"bare quote", []byte(header + line(nil) + `2,a"b,c` + "\n"), "csv_quoting", 3, ident.KindInvalid},
		{"open quote", []byte(header + line(nil) + `2,"ab,c` + "\n" + line(nil)), "csv_quoting", 3, ident.KindInvalid},
		{"too large", bytes.Repeat([]byte("a"), 16<<20+1), "file_too_large", 0, ident.KindTooLarge},
		{"too many rows", []byte(header + strings.Repeat("\n", 20_001)), "too_many_rows", 0, ident.KindTooLarge},
	} {
		l, err := authority.ReadList(bytes.NewReader(c.in), authority.Options{})
		var e *ident.Error
		if err == nil {
			t.Errorf("%s: was read", c.name)
			continue
		}
		e, ok := err.(*ident.Error)
		if !ok || e.Kind != c.kind || c.code != "" && e.Code != c.code || c.row > 0 && e.Row != c.row || len(l.Rows) > 0 {
			t.Errorf("%s: %v (code %s, row %d, %d rows)", c.name, err, ident.CodeOf(err), e.Row, len(l.Rows))
		}
	}
}

// A row cut off, and a row whose amount lost its quotes.
func TestWrongLength(t *testing.T) {
	for in, why := range map[string]authority.Reason{
		"1,川公刑〔2026〕1号,2026-05-21,田": authority.BadTooFew,
		"1,川公刑〔2026〕1号,2026-05-21,田学健,519929195611115871,17000075100,W102394,88,430.00,田学健,四川农信 6245384506366534122,x": authority.BadTooMany,
	} {
		l := read(t, []byte(header+in))
		if r := l.Rows[1]; r.Kind != authority.RowRefused || r.Refused[0].Why != why {
			t.Errorf("%q: %s %+v", in, r.Kind, r.Refused)
		}
	}
}

// The table of what was done is safe to open in a spreadsheet.
func TestWriteTable(t *testing.T) {
	l := read(t, []byte(header+line(map[string]string{"remark": `=HYPERLINK("http://x","y")`})+
		line(map[string]string{"name": "@SUM(1)", "id": "1"})))
	for _, lang := range []string{"zh", "en"} {
		var b bytes.Buffer
		if err := l.WriteTable(&b, lang); err != nil {
			t.Fatal(err)
		}
		again, err := readCSV(b.Bytes())
		if err != nil || len(again) != len(l.Rows)+1 {
			t.Fatalf("%d rows, %v", len(again), err)
		}
		for _, row := range again {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					t.Errorf("%s: a spreadsheet would run %q", lang, cell)
				}
			}
		}
		if got := again[2][6]; got != "'519929195611115871" {
			t.Errorf("identity number %q", got)
		}
	}
}

// Every reason has words in both languages.
func TestReasonWords(t *testing.T) {
	for _, r := range authority.Reasons() {
		if r.Text("zh") == "" || r.Text("en") == "" || r.Text("zh") == r.Text("en") {
			t.Errorf("%s has no words", r)
		}
	}
}
