package fund

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"time"
	"unicode/utf8"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// The parts of ISO 20022 pain.001.001.09 (CustomerCreditTransferInitiationV09)
// that Surety writes, in the order of the schema.

type doc001 struct {
	XMLName xml.Name `xml:"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09 Document"`
	Init    init001  `xml:"CstmrCdtTrfInitn"`
}

type init001 struct {
	Header   header001     `xml:"GrpHdr"`
	Payments []payments001 `xml:"PmtInf"`
}

type header001 struct {
	MsgID   string  `xml:"MsgId"`
	Created string  `xml:"CreDtTm"`
	Count   string  `xml:"NbOfTxs"`
	Sum     string  `xml:"CtrlSum"`
	Party   nameXML `xml:"InitgPty"`
}

type payments001 struct {
	ID       string     `xml:"PmtInfId"`
	Method   string     `xml:"PmtMtd"`
	Together bool       `xml:"BtchBookg"`
	Count    string     `xml:"NbOfTxs"`
	Sum      string     `xml:"CtrlSum"`
	Date     string     `xml:"ReqdExctnDt>Dt"`
	Debtor   nameXML    `xml:"Dbtr"`
	Account  accountXML `xml:"DbtrAcct"`
	Agent    agentXML   `xml:"DbtrAgt"`
	Charges  string     `xml:"ChrgBr"`
	Txs      []tx001    `xml:"CdtTrfTxInf"`
}

type tx001 struct {
	InstrID  string     `xml:"PmtId>InstrId"`
	EndToEnd string     `xml:"PmtId>EndToEndId"`
	Amount   amountXML  `xml:"Amt>InstdAmt"`
	Agent    agentXML   `xml:"CdtrAgt"`
	Creditor nameXML    `xml:"Cdtr"`
	Account  accountXML `xml:"CdtrAcct"`
	Text     string     `xml:"RmtInf>Ustrd"`
}

type nameXML struct {
	Name string `xml:"Nm"`
}

type accountXML struct {
	ID string `xml:"Id>Othr>Id"`
}

type agentXML struct {
	Name string `xml:"FinInstnId>Nm"`
}

type amountXML struct {
	Currency string `xml:"Ccy,attr"`
	Value    string `xml:",chardata"`
}

func amountOf(a money.Amount) amountXML { return amountXML{string(a.Currency), a.Plain()} }

// pain001 writes a batch's file. It is a function of what is stored: the same
// batch again is the same bytes. Names longer than the standard's 140 characters
// are cut there (see clean). We pay the bank's charges, so that the payee gets all.
func pain001(b Batch, ps []Payout, zone *time.Location) ([]byte, error) {
	me := nameXML{clean(b.debtor.Name, maxText)}
	count, sum := strconv.Itoa(len(ps)), b.Amount.Plain()
	pay := payments001{
		ID: b.ID, Method: "TRF", Count: count, Sum: sum, Date: b.Created.In(zone).Format(time.DateOnly),
		Debtor: me, Account: accountXML{b.debtor.Account}, Agent: agentXML{clean(b.debtor.Bank, maxText)}, Charges: "DEBT",
	}
	for _, p := range ps {
		pay.Txs = append(pay.Txs, tx001{
			InstrID: p.ID, EndToEnd: p.ID, Amount: amountOf(p.Amount), Agent: agentXML{clean(p.To.Bank, maxText)},
			Creditor: nameXML{clean(p.To.Name, maxText)}, Account: accountXML{p.To.Account}, Text: p.remittance(),
		})
	}
	doc := doc001{Init: init001{
		Header:   header001{MsgID: b.ID, Created: b.Created.UTC().Format(time.RFC3339), Count: count, Sum: sum, Party: me},
		Payments: []payments001{pay},
	}}
	out, err := marshal(doc)
	if err != nil {
		return nil, err
	}
	if _, err := read001(out); err != nil { // what we could not read ourselves, no bank shall get
		return nil, ident.E(ident.KindInternal, "file_invalid", "the file of batch %s would not be valid", b.ID).Because(err)
	}
	return out, nil
}

func marshal(doc any) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(xml.Header)
	enc := xml.NewEncoder(&out)
	enc.Indent("", " ")
	if err := enc.Encode(doc); err != nil {
		return nil, ident.E(ident.KindInternal, "file_invalid", "the message cannot be written").Because(err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// read001 reads a pain.001 as Surety writes it and checks what the schema cannot
// say (counts, sums, ids that repeat) and what it says of the elements in use.
func read001(data []byte) (doc001, error) {
	var doc doc001
	if err := readXML(data, &doc, doc.nameSpace()); err != nil {
		return doc, err
	}
	h := doc.Init.Header
	if err := text("GrpHdr/MsgId", h.MsgID, maxID); err != nil {
		return doc, err
	}
	if _, err := time.Parse(time.RFC3339, h.Created); err != nil {
		return doc, ident.Invalid("GrpHdr/CreDtTm", "time_invalid", "CreDtTm is not a time")
	}
	if err := text("GrpHdr/InitgPty/Nm", h.Party.Name, maxText); err != nil {
		return doc, err
	}
	var all []money.Amount
	seen := map[string]bool{}
	for _, p := range doc.Init.Payments {
		sum, err := p.check(seen)
		if err != nil {
			return doc, err
		}
		all = append(all, sum)
	}
	sum, err := money.Sum(all...)
	if err != nil {
		return doc, err
	}
	if len(all) == 0 || h.Count != strconv.Itoa(len(seen)) || h.Sum != sum.Plain() {
		return doc, ident.Invalid("GrpHdr", "control_sum", "the header's count or control sum is not that of the payments")
	}
	return doc, nil
}

func (doc001) nameSpace() string { return "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09" }

// check looks at one PmtInf and returns the sum of its transactions.
func (p payments001) check(seen map[string]bool) (sum money.Amount, err error) {
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil || p.Method != "TRF" || p.Charges != "DEBT" {
		return sum, ident.Invalid("PmtInf", "payment_invalid", "ReqdExctnDt, PmtMtd or ChrgBr is not what it must be")
	}
	err = texts("PmtInf", field{"PmtInfId", p.ID, maxID}, field{"Dbtr/Nm", p.Debtor.Name, maxText},
		field{"DbtrAcct", p.Account.ID, maxAccount}, field{"DbtrAgt/Nm", p.Agent.Name, maxText})
	if err != nil {
		return sum, err
	}
	for _, t := range p.Txs {
		at := "CdtTrfTxInf " + t.EndToEnd
		err := texts(at, field{"InstrId", t.InstrID, maxID}, field{"EndToEndId", t.EndToEnd, maxID},
			field{"CdtrAgt/Nm", t.Agent.Name, maxText}, field{"Cdtr/Nm", t.Creditor.Name, maxText},
			field{"CdtrAcct", t.Account.ID, maxAccount}, field{"RmtInf/Ustrd", t.Text, maxText})
		if err != nil {
			return sum, err
		}
		if seen[t.EndToEnd] {
			return sum, ident.Invalid(at, "id_repeated", "%s stands in the file twice", t.EndToEnd)
		}
		seen[t.EndToEnd] = true
		a, err := t.Amount.read(at)
		if err != nil {
			return sum, err
		}
		if sum, err = sum.Add(a); err != nil {
			return sum, err
		}
	}
	if len(p.Txs) == 0 || p.Count != strconv.Itoa(len(p.Txs)) || p.Sum != sum.Plain() {
		return sum, ident.Invalid("PmtInf", "control_sum", "the count or control sum is not that of the transactions")
	}
	return sum, nil
}

// read takes the amount as the standard writes it: digits, a point, a currency.
func (a amountXML) read(at string) (money.Amount, error) {
	sum, mended, err := money.Parse(a.Value, money.Currency(a.Currency))
	if err == nil && mended {
		err = ident.Invalid(at, "amount_unreadable", "%.40q is not an amount of ISO 20022", a.Value)
	}
	if err == nil {
		err = sum.CheckPositive(at)
	}
	return sum, err
}

// field is an element that must hold 1 to limit characters.
type field struct {
	name, value string
	limit       int
}

func texts(at string, fs ...field) error {
	for _, f := range fs {
		if err := text(at+"/"+f.name, f.value, f.limit); err != nil {
			return err
		}
	}
	return nil
}

func text(name, value string, limit int) error {
	if n := utf8.RuneCountInString(value); n < 1 || n > limit {
		return ident.Invalid(name, "text_length", "%s has %d characters, it must have 1 to %d", name, n, limit)
	}
	return nil
}
