package authority

import (
	"fmt"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Kind says what a physical row is.
type Kind string

// The kinds of rows.
const (
	RowTitle     Kind = "title"     // above the header
	RowHeader    Kind = "header"    // column titles, also where a page repeats them
	RowBlank     Kind = "blank"     // nothing in it
	RowVictim    Kind = "victim"    // read; also a report in a file of reports
	RowDuplicate Kind = "duplicate" // the same person, case and amount as an earlier row
	RowTotal     Kind = "total"     // a sum, compared and not counted
	RowFooter    Kind = "footer"    // a line of text under the total
	RowRefused   Kind = "refused"   // not read; Row.Refused says why
)

// Field names a column by its meaning.
type Field string

// The fields of a police list and of a report.
const (
	FieldRow         Field = "row" // the row as a whole
	FieldNumber      Field = "no"
	FieldCase        Field = "case_no"
	FieldReported    Field = "reported_at"
	FieldName        Field = "name"
	FieldIDNumber    Field = "id_number"
	FieldPhone       Field = "phone"
	FieldAccount     Field = "account"
	FieldAmount      Field = "amount"
	FieldPayee       Field = "payee"
	FieldBank        Field = "bank"
	FieldBankAccount Field = "bank_account"
	FieldBankBoth    Field = "bank_and_account" // both in one cell
	FieldRemark      Field = "remark"
	FieldReportID    Field = "report_id"
	FieldClaimed     Field = "claimed_fen"
	FieldLossDate    Field = "loss_date"
	FieldWords       Field = "words"
)

// Mend is a change that was needed to read a cell.
type Mend struct {
	Field Field  `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
	Why   Reason `json:"why"`
}

// Problem is a reason why a row was refused, or, among the notes, a doubt.
type Problem struct {
	Field Field  `json:"field"`
	Why   Reason `json:"why"`
	Value string `json:"value,omitempty"` // the text in question
	Line  int    `json:"line,omitempty"`  // another row that it is about
}

// Victim is one person of a police list, as read.
type Victim struct {
	Number      string       `json:"no"`
	CaseNo      string       `json:"case_no"`
	ReportedAt  time.Time    `json:"reported_at"` // zero if the list does not say
	DayOnly     bool         `json:"day_only"`    // the list gave no time of day
	Name        string       `json:"name"`
	IDNumber    string       `json:"id_number"` // "" if missing
	Phone       string       `json:"phone"`     // 11 digits or ""
	Account     string       `json:"account"`   // the host's id or ""
	Amount      money.Amount `json:"amount"`
	Payee       string       `json:"payee"`
	Bank        string       `json:"bank"`
	BankAccount string       `json:"bank_account"` // digits or ""
	Remark      string       `json:"remark"`
	// Confirmed: the remark says that the police checked the loss although our
	// records do not show it.
	Confirmed bool `json:"confirmed_without_record"`
	// Deceased: the remark says that the victim has died.
	Deceased bool `json:"deceased"`
}

// Row is one physical row and all that was found out about it.
type Row struct {
	Line    int       `json:"line"` // of the file, counted from 1
	Kind    Kind      `json:"kind"`
	Raw     []string  `json:"raw"`
	Read    Victim    `json:"read"`
	Mended  []Mend    `json:"mended"`
	Notes   []Problem `json:"notes"`
	Refused []Problem `json:"refused"`
	SameAs  int       `json:"same_as,omitempty"` // the earlier row that a duplicate repeats
}

// Has reports whether the row carries the note.
func (r Row) Has(note Reason) bool {
	for _, n := range r.Notes {
		if n.Why == note {
			return true
		}
	}
	return false
}

// Errors are the refusals as errors that name row and field.
func (r Row) Errors() []*ident.Error { return problemErrors(r.Line, r.Refused) }

func problemErrors(line int, ps []Problem) []*ident.Error {
	var out []*ident.Error
	for _, p := range ps {
		msg := fmt.Sprintf("%s: %s", p.Field, p.Why.Text("en"))
		if p.Value != "" {
			msg += fmt.Sprintf(" (it says %q)", clip(p.Value))
		}
		out = append(out, &ident.Error{
			Kind: ident.KindInvalid, Code: string(p.Why), Field: string(p.Field), Row: line, Message: msg,
		})
	}
	return out
}

// Column is one column of the list.
type Column struct {
	Title string `json:"title"`
	Field Field  `json:"field"` // "" if its meaning is not known: its cells stay in Raw
}

// Totals is what was read beside what the list says of itself.
type Totals struct {
	Victims    int          `json:"victims"`
	Sum        money.Amount `json:"sum"`
	Duplicates int          `json:"duplicates"`
	Refused    int          `json:"refused"`

	StatedLine   int          `json:"stated_line"`  // 0 if there is no total row
	StatedCount  int          `json:"stated_count"` // -1 if it gives none
	StatedSum    money.Amount `json:"stated_sum"`   // zero Amount if it gives none
	CountDiffers bool         `json:"count_differs"`
	SumDiffers   bool         `json:"sum_differs"`
}

// Agrees reports whether the list has a total row and it fits what was read.
func (t Totals) Agrees() bool { return t.StatedLine > 0 && !t.CountDiffers && !t.SumDiffers }

// List is a police list, read.
type List struct {
	Title    string   `json:"title"`
	Encoding string   `json:"encoding"` // "UTF-8", "UTF-8 BOM", "GB18030", "UTF-16LE", "UTF-16BE"
	SHA256   string   `json:"sha256"`   // of the bytes as they came
	Columns  []Column `json:"columns"`
	Rows     []Row    `json:"rows"`
	Totals   Totals   `json:"totals"`
}

// Victims are the rows to act on, in the order of the list.
func (l List) Victims() []Row {
	var out []Row
	for _, r := range l.Rows {
		if r.Kind == RowVictim {
			out = append(out, r)
		}
	}
	return out
}

// Errors are all refusals of the list, in order.
func (l List) Errors() []*ident.Error {
	var out []*ident.Error
	for _, r := range l.Rows {
		out = append(out, r.Errors()...)
	}
	return out
}

// Options tune a reading; the zero value is right for China.
type Options struct {
	Currency money.Currency // CNY if ""
	Zone     *time.Location // of dates; UTC+8 if nil
	MaxBytes int64          // 16 MiB if zero
	MaxRows  int            // 20,000 if zero
	Now      time.Time      // if set, a date after it is noted
}

func (o Options) filled() Options {
	if o.Currency == "" {
		o.Currency = money.CNY
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("UTC+8", 8*3600)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 20
	}
	if o.MaxRows == 0 {
		o.MaxRows = 20_000
	}
	return o
}

// clip keeps messages short when a cell is long.
func clip(s string) string {
	r := []rune(s)
	if len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
