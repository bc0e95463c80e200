package fund

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/kernel/money"
)

func asError(err error, e **ident.Error) bool { return errors.As(err, e) }

// validate runs the schema of testdata over a message. A missing xmllint fails.
func validate(t testing.TB, schema, message string) error {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatal("xmllint is needed (Debian: libxml2-utils)")
	}
	file := filepath.Join(t.TempDir(), "message.xml")
	if err := os.WriteFile(file, []byte(message), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(lint, "--nonet", "--noout", "--schema", schema, file).CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

const (
	schema001 = "testdata/pain.001.001.09.subset.xsd"
	schema002 = "testdata/pain.002.001.10.subset.xsd"
)

func testBatch(t testing.TB, ps []Payout) Batch {
	t.Helper()
	clock := newClock(t)
	b := Batch{ID: ident.NewMaker(clock).New("bat"), Count: len(ps), Created: clock.Now(),
		debtor: Debtor{Name: "某某钱包有限公司", Account: "6200000000000000001", Bank: "中国工商银行"}}
	for _, p := range ps {
		var err error
		if b.Amount, err = b.Amount.Add(p.Amount); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func payoutsOf(ins ...PayIn) (ps []Payout) {
	for _, in := range ins {
		ps = append(ps, Payout{PayIn: in})
	}
	return ps
}

func TestFileFitsSchema(t *testing.T) {
	long := order(2, 514_386, RailBank)
	long.To.Name, long.To.Bank, long.Ref = strings.Repeat("欧阳 ", 100)+"\x01", "<银行> & \"Söhne\"", ""
	long.To.Account = strings.Repeat("9", 34)
	one := order(1, 1, RailBank)
	one.Amount = money.Of(1, money.CNY)
	ps := payoutsOf(one, long)
	file, err := pain001(testBatch(t, ps), ps, newConfigZone())
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	if err := validate(t, schema001, text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		`<InstdAmt Ccy="CNY">0.01</InstdAmt>`, `<InstdAmt Ccy="CNY">514386.00</InstdAmt>`, "<CtrlSum>514386.01</CtrlSum>", "<NbOfTxs>2</NbOfTxs>",
		"<Nm>尹和震</Nm>", "<EndToEndId>" + one.ID + "</EndToEndId>", "<InstrId>" + one.ID + "</InstrId>", "<Ustrd>2026-000123</Ustrd>",
		"<Ustrd>clm_2 inc_1</Ustrd>", "<Dt>2026-05-30</Dt>", "<ChrgBr>DEBT</ChrgBr>", "<Nm>&lt;银行&gt; &amp; &#34;Söhne&#34;</Nm>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the file has no %s", want)
		}
	}
	// The schema in use must be able to say no.
	for _, c := range [][2]string{
		{"<ChrgBr>DEBT</ChrgBr>", "<ChrgBr>ALL</ChrgBr>"}, {"<Ustrd>2026-000123</Ustrd>", "<Ustrd></Ustrd>"},
		{`Ccy="CNY">0.01`, `Ccy="CNY">0,01`}, {"<PmtMtd>TRF</PmtMtd>", ""}, {"<Nm>尹和震</Nm>", "<Nm>" + strings.Repeat("尹", 141) + "</Nm>"},
	} {
		bad := strings.Replace(text, c[0], c[1], 1)
		if bad == text || validate(t, schema001, bad) == nil {
			t.Errorf("the schema accepts %s", c[1])
		}
	}
	if extra := os.Getenv("SURETY_PAIN001_XSD"); extra != "" { // the official schema, for who has it
		if err := validate(t, extra, text); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever names people have, the file is valid and says the same amounts.
func TestFileOfAnything(t *testing.T) {
	var last string
	rapid.Check(t, func(rt *rapid.T) {
		var ps []Payout
		for n := range rapid.IntRange(1, 5).Draw(rt, "n") {
			in := order(n, 1, RailBank)
			in.Amount.Minor = rapid.Int64Range(1, maxMinor).Draw(rt, "minor")
			in.To.Name, in.To.Bank, in.Ref = rapid.String().Draw(rt, "name"), rapid.String().Draw(rt, "bank"), rapid.String().Draw(rt, "ref")
			if len(in.Ref) > 500 || in.Check() != nil {
				continue
			}
			ps = append(ps, Payout{PayIn: in})
		}
		if len(ps) == 0 {
			return
		}
		b := testBatch(t, ps)
		file, err := pain001(b, ps, newConfigZone())
		if err != nil {
			rt.Fatal(err)
		}
		doc, err := read001(file)
		if err != nil || len(doc.Init.Payments[0].Txs) != len(ps) || doc.Init.Header.Sum != b.Amount.Plain() {
			rt.Fatal(err, doc)
		}
		last = string(file)
	})
	if err := validate(t, schema001, last); err != nil {
		t.Fatal(err)
	}
}

func TestBankPlaysABank(t *testing.T) {
	ps := payoutsOf(order(1, 10, RailBank), order(2, 20, RailBank))
	file, err := pain001(testBatch(t, ps), ps, newConfigZone())
	if err != nil {
		t.Fatal(err)
	}
	var bank Bank
	answer, err := bank.AnswerAll(file, map[string]string{ps[1].ID: "AC01"}, newClock(t).Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, schema002, string(answer)); err != nil {
		t.Fatal(err)
	}
	again, err := bank.AnswerAll(file, map[string]string{ps[1].ID: "AC01"}, newClock(t).Now())
	if err != nil || string(again) != string(answer) || len(bank.Paid()) != 1 {
		t.Fatalf("%v: paid %v", err, bank.Paid())
	}
	if extra := os.Getenv("SURETY_PAIN002_XSD"); extra != "" {
		if err := validate(t, extra, string(answer)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range [][2]string{
		{"<NbOfTxs>2</NbOfTxs>", "<NbOfTxs>3</NbOfTxs>"}, {"<CtrlSum>30.00</CtrlSum>", "<CtrlSum>31.00</CtrlSum>"},
		{ps[1].ID + "</EndToEndId>", ps[0].ID + "</EndToEndId>"}, {`">10.00<`, `">-10.00<`}, {`">10.00<`, `">1e1<`}, {"pain.001.001.09", "pain.001.001.03"},
	} {
		if _, err := new(Bank).AnswerAll([]byte(strings.Replace(string(file), c[0], c[1], 1)), nil, newClock(t).Now()); err == nil {
			t.Errorf("the bank takes %s", c[1])
		}
	}
}

// What is not one plain message of the right kind is refused whole.
func TestReadXMLRefuses(t *testing.T) {
	good := `<?xml version="1.0"?><Document xmlns="` + space002 + `"><CstmrPmtStsRpt/></Document>`
	var doc doc002
	if err := readXML([]byte("\uFEFF"+good), &doc, space002); err != nil {
		t.Fatal(err)
	}
	bomb := `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>`
	for name, bad := range map[string]string{
		"empty": "", "no XML": "PK\x03\x04", "two": good + good[21:], "cut": good[:60], "doctype": `<!DOCTYPE x>` + good[21:],
		"bomb":   bomb + strings.Replace(good[21:], "<CstmrPmtStsRpt/>", "<CstmrPmtStsRpt>&b;</CstmrPmtStsRpt>", 1),
		"entity": strings.Replace(good, "<CstmrPmtStsRpt/>", "<CstmrPmtStsRpt>&xxe;</CstmrPmtStsRpt>", 1),
		"deep":   strings.Replace(good, "<CstmrPmtStsRpt/>", strings.Repeat("<a>", 40)+strings.Repeat("</a>", 40), 1),
		"other":  strings.Replace(good, "pain.002", "pain.001", 1), "html": "<html></html>", "instruction": `<?php x?>` + good[21:],
		"latin": strings.Replace(good, `version="1.0"`, `version="1.0" encoding="ISO-8859-1"`, 1), "bytes": strings.Replace(good, "<Cstmr", "\xff<Cstmr", 1),
	} {
		if err := readXML([]byte(bad), &doc, space002); ident.CodeOf(err) != "xml_invalid" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := readXML(make([]byte, maxMessage+1), &doc, space002); ident.CodeOf(err) != "file_too_large" {
		t.Error(err)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add([]byte(`<Document xmlns="` + space002 + `"><CstmrPmtStsRpt><OrgnlPmtInfAndSts><TxInfAndSts><TxSts>ACSC</TxSts></TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var doc doc002
		if readXML(data, &doc, space002) != nil {
			return
		}
		for _, p := range doc.Report.Payments {
			for n, tx := range p.Txs {
				_, err := tx.entry(n, "bat_1", p.Reasons)
				var e *ident.Error
				if err != nil && !asError(err, &e) {
					t.Fatal(err)
				}
			}
		}
	})
}
