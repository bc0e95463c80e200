package authority

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// reportColumns is the host's own export of what its users reported.
var reportColumns = []string{"report_id", "account", "claimed_fen", "loss_date", "words"}

// Report is what one user said.
type Report struct {
	ID      string       `json:"report_id"`
	Account string       `json:"account"`
	Claimed money.Amount `json:"claimed"`
	LostOn  time.Time    `json:"loss_date"` // the day, midnight in the list's zone, in UTC
	Words   string       `json:"words"`
}

// ReportRow is one physical row of a file of reports. Its kinds are header,
// blank, victim, duplicate (the same account, amount and day again) and refused.
type ReportRow struct {
	Line    int       `json:"line"`
	Kind    Kind      `json:"kind"`
	Raw     []string  `json:"raw"`
	Read    Report    `json:"read"`
	Mended  []Mend    `json:"mended"`
	Notes   []Problem `json:"notes"`
	Refused []Problem `json:"refused"`
	SameAs  int       `json:"same_as,omitempty"`
}

// Errors are the refusals as errors that name row and field.
func (r ReportRow) Errors() []*ident.Error { return problemErrors(r.Line, r.Refused) }

// Reports is a file of reports, read.
type Reports struct {
	Encoding   string       `json:"encoding"`
	Rows       []ReportRow  `json:"rows"`
	Read       int          `json:"read"`
	Duplicates int          `json:"duplicates"`
	Refused    int          `json:"refused"`
	Claimed    money.Amount `json:"claimed"` // of the rows read, duplicates left out
}

// ReadReports reads the host's file of user reports: CSV with the header
// report_id,account,claimed_fen,loss_date,words. It is a machine's file, so its
// columns and numbers are taken strictly; only white space and width are mended.
func ReadReports(in io.Reader, o Options) (Reports, error) {
	o = o.filled()
	b, err := readAll(in, o.MaxBytes)
	if err != nil {
		return Reports{}, err
	}
	text, enc, err := decode(b)
	if err != nil {
		return Reports{}, err
	}
	records, err := split(text, o.MaxRows)
	if err != nil {
		return Reports{}, err
	}
	first := slices.IndexFunc(records, func(r record) bool { return len(r.cells) > 0 })
	if first < 0 || !slices.Equal(records[first].cells, reportColumns) {
		return Reports{}, fileError("header_missing", 1, "the first row must be "+strings.Join(reportColumns, ","))
	}
	out := Reports{Encoding: enc, Claimed: money.Of(0, o.Currency)}
	ids, said := map[string]int{}, map[Report]int{}
	for i, rec := range records {
		row := ReportRow{Line: rec.line, Raw: rec.cells, Kind: RowHeader,
			Mended: []Mend{}, Notes: []Problem{}, Refused: []Problem{}}
		switch {
		case len(rec.cells) == 0:
			row.Kind = RowBlank
		case i != first:
			readReport(&row, o)
			out.count(&row, ids, said)
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

func (out *Reports) count(row *ReportRow, ids map[string]int, said map[Report]int) {
	if row.Kind == RowVictim {
		if line, twice := ids[row.Read.ID]; twice {
			row.Kind = RowRefused
			row.Refused = append(row.Refused, Problem{Field: FieldReportID, Why: BadReportTwice, Value: row.Read.ID, Line: line})
		} else if sum, err := out.Claimed.Add(row.Read.Claimed); err != nil {
			row.Kind = RowRefused
			row.Refused = append(row.Refused, Problem{Field: FieldClaimed, Why: BadAmount, Value: row.Read.Claimed.Digits()})
		} else {
			ids[row.Read.ID] = row.Line
			key := Report{Account: row.Read.Account, Claimed: row.Read.Claimed, LostOn: row.Read.LostOn}
			if line, again := said[key]; again {
				row.Kind, row.SameAs = RowDuplicate, line
				out.Duplicates++
				return
			}
			said[key] = row.Line
			out.Claimed = sum
			out.Read++
			return
		}
	}
	out.Refused++
}

// readReport reuses the cell readers of a list on a scratch row.
func readReport(row *ReportRow, o Options) {
	scratch := Row{Line: row.Line, Raw: row.Raw}
	r := &reading{row: &scratch, opt: o}
	cols := []Column{
		{Field: FieldReportID}, {Field: FieldAccount}, {Field: FieldClaimed}, {Field: FieldLossDate}, {Field: FieldWords},
	}
	if checkShape(r, cols) {
		row.Read.ID = r.reportID(row.Raw[0])
		if row.Read.Account = r.account(row.Raw[1]); strings.TrimFunc(row.Raw[1], isSpace) == "" {
			r.refuse(FieldAccount, BadRequired, "")
		}
		row.Read.Claimed = r.fen(row.Raw[2])
		if row.Read.LostOn, _ = r.date(FieldLossDate, row.Raw[3]); strings.TrimFunc(row.Raw[3], isSpace) == "" {
			r.refuse(FieldLossDate, BadRequired, "")
		}
		row.Read.Words = strings.TrimFunc(row.Raw[4], unicode.IsSpace)
	}
	row.Mended = append(row.Mended, scratch.Mended...)
	row.Notes = append(row.Notes, scratch.Notes...)
	row.Refused = append(row.Refused, scratch.Refused...)
	row.Kind = RowVictim
	if len(row.Refused) > 0 {
		row.Kind = RowRefused
	}
}

func (r *reading) reportID(raw string) string {
	c := start(FieldReportID, raw)
	if ident.CheckID("report_id", c.now) != nil {
		return r.refuse(FieldReportID, BadRequired, raw)
	}
	return r.keep(c)
}

// fen reads minor units: digits and nothing else, for 1,000 fen and 1.000 yuan
// must not be taken for each other.
func (r *reading) fen(raw string) money.Amount {
	c := start(FieldClaimed, raw)
	n, err := strconv.ParseInt(c.now, 10, 64)
	switch {
	case c.now == "":
		r.refuse(FieldClaimed, BadRequired, raw)
	case strings.ContainsAny(c.now[:1], "+-"):
		r.refuse(FieldClaimed, BadAmountSign, raw)
	case err != nil || !allDigits(c.now):
		r.refuse(FieldClaimed, BadAmountInteger, raw)
	case n == 0:
		r.refuse(FieldClaimed, BadAmountZero, raw)
	default:
		r.keep(c)
		return money.Of(n, r.opt.Currency)
	}
	return money.Amount{}
}
