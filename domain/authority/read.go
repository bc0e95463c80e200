package authority

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"surety/kernel/ident"
)

// headerWithin is how far down a header may stand: under a title and a few
// lines of address.
const headerWithin = 30

// maxCell bounds one cell, in characters.
const maxCell = 500

// ReadList reads a police list. A file that cannot be read as a whole (encoding,
// quoting, size, no header) is an error that names the row, and nothing of it is
// returned; a row that cannot be read is in the list as refused, and its
// neighbours are read.
func ReadList(r io.Reader, o Options) (List, error) {
	o = o.filled()
	b, err := readAll(r, o.MaxBytes)
	if err != nil {
		return List{}, err
	}
	text, enc, err := decode(b)
	if err != nil {
		return List{}, err
	}
	sum := sha256.Sum256(b)
	l := List{Encoding: enc, SHA256: hex.EncodeToString(sum[:])}
	records, err := split(text, o.MaxRows)
	if err != nil {
		return List{}, err
	}
	at, cols, err := findHeader(records)
	if err != nil {
		return List{}, err
	}
	l.Columns = cols
	for i, rec := range records {
		l.Rows = append(l.Rows, readRow(rec, i-at, cols, o))
	}
	l.Title = title(l.Rows)
	linkPersons(l.Rows)
	l.Totals = total(l.Rows, cols, o)
	return l, nil
}

// record is one row of a file as it stands.
type record struct {
	line  int
	cells []string
}

// split parses the CSV, strictly: after a quoting error no border between cells
// can be trusted, so it is an error of the whole file that names the row. Empty
// lines are kept, for every row is to be accounted for.
func split(text string, maxRows int) ([]record, error) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	in := csv.NewReader(strings.NewReader(text))
	in.Comma = comma(text)
	in.FieldsPerRecord = -1
	var out []record
	tooMany := ident.E(ident.KindTooLarge, "too_many_rows", "the file has more than %d rows; split it", maxRows)
	afterLast := 2 + strings.Count(strings.TrimSuffix(text, "\n"), "\n")
	next, done, lines := 1, 0, 0 // the next line; how far the text was read, in bytes and lines
	for {
		cells, err := in.Read()
		line := afterLast
		if err == nil {
			line, _ = in.FieldPos(0)
		} else if !errors.Is(err, io.EOF) {
			return nil, quoting(err)
		}
		for ; next < line; next++ {
			if out = append(out, record{line: next}); len(out) > maxRows {
				return nil, tooMany
			}
		}
		if err != nil {
			return out, nil
		}
		if out = append(out, record{line: line, cells: cells}); len(out) > maxRows {
			return nil, tooMany
		}
		end := int(in.InputOffset())
		lines += strings.Count(text[done:end], "\n")
		if next, done = lines+1, end; !strings.HasSuffix(text[:end], "\n") {
			next++ // the last row has no line end
		}
	}
}

func quoting(err error) error {
	var pe *csv.ParseError
	row := 0
	if errors.As(err, &pe) {
		row = pe.StartLine
	}
	return fileError("csv_quoting", row, `the quotes of this row are not closed or stand inside a cell; `+
		`a cell with a comma or a quote is written "…" with inner quotes doubled`).Because(err)
}

// comma finds the separator: spreadsheets write tabs or semicolons too.
func comma(text string) rune {
	head := text
	if len(head) > 4096 {
		head = head[:4096]
	}
	best, most := ',', strings.Count(head, ",")
	for _, c := range "\t;" {
		if n := strings.Count(head, string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

func findHeader(records []record) (at int, cols []Column, err error) {
	for i, rec := range records {
		if i >= headerWithin {
			break
		}
		cols, ok, err := mapHeader(rec.cells, rec.line)
		if ok || err != nil {
			return i, cols, err
		}
	}
	return 0, nil, fileError("header_missing", 1,
		"no header row was found in the first 30 rows: it needs titles such as 姓名, 身份证号, 被盗金额 (name, id number, amount)")
}

// readRow classifies one row and, if it is a victim, reads it. below is how far
// under the header it stands; 0 is the header itself.
func readRow(rec record, below int, cols []Column, o Options) Row {
	row := Row{Line: rec.line, Raw: rec.cells, Mended: []Mend{}, Notes: []Problem{}, Refused: []Problem{}}
	filled := 0
	for _, c := range rec.cells {
		if strings.TrimFunc(c, isSpace) != "" {
			filled++
		}
	}
	switch {
	case filled == 0:
		row.Kind = RowBlank
	case below < 0:
		row.Kind = RowTitle
	case below == 0 || sameHeader(rec.cells, cols):
		row.Kind = RowHeader
	case isTotal(rec.cells):
		row.Kind = RowTotal
	default:
		readVictim(&row, cols, o)
	}
	return row
}

func readVictim(row *Row, cols []Column, o Options) {
	row.Kind = RowVictim
	r := &reading{row: row, opt: o}
	if checkShape(r, cols) {
		r.victim(cols)
	}
	if len(row.Refused) > 0 {
		row.Kind = RowRefused
	}
}

// checkShape refuses rows whose cells may not stand under their titles, and
// cells that no person typed.
func checkShape(r *reading, cols []Column) bool {
	cells := r.row.Raw
	if len(cells) < len(cols) {
		r.refuse(FieldRow, BadTooFew, "")
		return false
	}
	for _, extra := range cells[len(cols):] {
		if strings.TrimFunc(extra, isSpace) != "" {
			r.refuse(FieldRow, BadTooMany, extra)
			return false
		}
	}
	for i, c := range cells {
		f := FieldRow
		if i < len(cols) && cols[i].Field != "" {
			f = cols[i].Field
		}
		switch {
		case utf8.RuneCountInString(c) > maxCell:
			r.refuse(f, BadTooLong, clip(c))
		case strings.ContainsRune(c, utf8.RuneError):
			r.refuse(f, BadDamaged, c)
		case strings.ContainsFunc(c, func(x rune) bool { return unicode.IsControl(x) && !unicode.IsSpace(x) }):
			r.refuse(f, BadControl, strings.ToValidUTF8(c, ""))
		}
	}
	return len(r.row.Refused) == 0
}

// victim reads the cells of a row. Problems are found in the order of the fields
// here, whatever the order of the columns.
func (r *reading) victim(cols []Column) {
	get := func(f Field) (string, bool) {
		for i, c := range cols {
			if c.Field == f {
				return r.row.Raw[i], true
			}
		}
		return "", false
	}
	text := func(f Field) string { s, _ := get(f); return s }
	v := &r.row.Read
	v.Number = start(FieldNumber, text(FieldNumber)).now
	v.CaseNo = r.caseNo(text(FieldCase))
	v.ReportedAt, v.DayOnly = r.date(FieldReported, text(FieldReported))
	if v.Name = r.name(FieldName, text(FieldName)); start(FieldName, text(FieldName)).now == "" {
		r.refuse(FieldName, BadRequired, "")
	}
	v.IDNumber = r.idNumber(text(FieldIDNumber))
	v.Phone = r.phone(text(FieldPhone))
	v.Account = r.account(text(FieldAccount))
	v.Amount = r.amount(text(FieldAmount))
	v.Payee = r.name(FieldPayee, text(FieldPayee))
	if both, have := get(FieldBankBoth); have {
		v.Bank, v.BankAccount = r.bankBoth(both)
	}
	if s, have := get(FieldBank); have {
		v.Bank = r.bank(FieldBank, s)
	}
	if s, have := get(FieldBankAccount); have {
		v.BankAccount = r.bankAccount(s)
	}
	v.Remark = strings.TrimFunc(text(FieldRemark), isSpace)
	r.whole(v)
}

// whole checks what no cell shows alone.
func (r *reading) whole(v *Victim) {
	if len(r.row.Refused) > 0 {
		return
	}
	if v.IDNumber == "" && v.Phone == "" && v.Account == "" {
		r.refuse(FieldRow, BadNobody, "")
		return
	}
	if v.BankAccount == "" {
		r.note(FieldBankAccount, NotePayTo, "")
	}
	if v.Payee != "" && v.Payee != v.Name {
		r.note(FieldPayee, NotePayeeOther, v.Payee)
	}
	v.Confirmed = remarkSays(v.Remark, remarkConfirmed)
	v.Deceased = remarkSays(v.Remark, remarkDeceased)
	if v.Confirmed {
		r.note(FieldRemark, NoteConfirmed, v.Remark)
	}
	if v.Deceased {
		r.note(FieldRemark, NoteDeceased, v.Remark)
	}
}

// The words of remarks. A remark means something if it holds every word of one
// of the groups; words, not sentences, for each office writes its own.
var (
	remarkConfirmed = [][]string{
		{"未查到", "核实"}, {"无记录", "核实"}, {"查无", "核实"}, {"未查到", "确认"}, {"无记录", "确认"},
		{"no record", "confirm"}, {"no record", "verif"},
	}
	remarkDuplicate = [][]string{{"重复"}, {"duplicate"}}
	remarkDeceased  = [][]string{{"已故"}, {"死亡"}, {"去世"}, {"deceased"}, {"died"}}
	remarkDenied    = [][]string{{"未核实"}, {"未经核实"}, {"尚未"}, {"待核实"}, {"not confirm"}, {"unconfirm"}, {"not verif"}, {"unverif"}}
)

// remarkSays looks for the words; a confirmation that is denied is none.
func remarkSays(remark string, groups [][]string) bool {
	remark = strings.ToLower(remark)
	if hasGroup(remark, remarkDenied) {
		return false
	}
	return hasGroup(remark, groups)
}

func hasGroup(s string, groups [][]string) bool {
	for _, g := range groups {
		all := true
		for _, w := range g {
			all = all && strings.Contains(s, w)
		}
		if all {
			return true
		}
	}
	return false
}

func title(rows []Row) string {
	for _, r := range rows {
		if r.Kind == RowTitle {
			for _, c := range r.Raw {
				if c = strings.TrimFunc(c, isSpace); c != "" {
					return c
				}
			}
		}
	}
	return ""
}
