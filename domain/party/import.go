package party

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"surety/kernel/ident"
)

// importColumns is the host's own export of its accounts.
var importColumns = []string{"account", "name", "id_number", "phone", "city", "device", "verification", "opened", "kind"}

// china is the zone of dates without one.
var china = time.FixedZone("UTC+8", 8*3600)

// maxField bounds one field.
const maxField = 300

// maxRows bounds one file; more come as several files.
const maxRows = 1_000_000

// ImportAccounts reads the host's accounts from CSV (UTF-8, the header
// account,name,id_number,phone,city,device,verification,opened,kind) and writes
// them. The whole file is read and checked first: if any row is wrong, nothing
// is written, and the error names each wrong row and field.
func (s *Service) ImportAccounts(ctx context.Context, actor ident.Actor, r io.Reader) (ImportReport, error) {
	rows, problems := ReadAccounts(r)
	if len(problems) > 0 {
		return ImportReport{Rows: len(rows), Refused: problems}, ident.Join(problems)
	}
	return s.ImportRows(ctx, actor, rows)
}

// maxProblems is how many wrong rows are named before the rest is not looked at.
const maxProblems = 1000

// withoutMark leaves out the mark that some programs put before UTF-8.
func withoutMark(r io.Reader) io.Reader {
	in := bufio.NewReader(r)
	if head, err := in.Peek(3); err == nil && string(head) == "\xef\xbb\xbf" {
		in.Discard(3) // cannot fail: they were just seen
	}
	return in
}

// ReadAccounts reads the CSV without writing anything.
func ReadAccounts(r io.Reader) (rows []Row, problems []*ident.Error) {
	in := csv.NewReader(withoutMark(r))
	in.FieldsPerRecord = len(importColumns)
	header, err := in.Read()
	if err != nil || !slices.Equal(header, importColumns) {
		return nil, []*ident.Error{{Kind: ident.KindInvalid, Code: "header", Row: 1, Err: err,
			Message: "the first row must be account,name,id_number,phone,city,device,verification,opened,kind"}}
	}
	seen := map[string]int{}
	for line := 2; ; line++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return rows, problems
		}
		if err != nil {
			problems = append(problems, &ident.Error{Kind: ident.KindInvalid, Code: "csv", Row: line, Err: err,
				Message: "this row is not well-formed CSV with 9 columns"})
			if errors.Is(err, csv.ErrFieldCount) && len(problems) < maxProblems {
				continue // the rows after it can be read
			}
			return rows, problems
		}
		if len(rows) >= maxRows {
			return rows, append(problems, ident.E(ident.KindTooLarge, "too_many_rows", "at most %d rows in one file", maxRows))
		}
		row, bad := readRow(rec)
		if first, twice := seen[row.Account]; twice && bad == nil {
			bad = ident.Invalid("account", "twice", "account %s stands in row %d already", row.Account, first)
		}
		if bad != nil {
			bad.Row = line
			if problems = append(problems, bad); len(problems) >= maxProblems {
				return rows, problems
			}
			continue
		}
		seen[row.Account] = line
		rows = append(rows, row)
	}
}

func readRow(rec []string) (Row, *ident.Error) {
	r := Row{
		Account: rec[0], Name: rec[1], IDNumber: rec[2], Phone: rec[3], City: rec[4], Device: rec[5],
		Verification: Verification(rec[6]), Kind: Kind(rec[8]),
	}
	for i, text := range rec {
		if !utf8.ValidString(text) {
			return r, ident.Invalid(importColumns[i], "encoding", "this is not UTF-8; save the file as UTF-8 and import it again")
		}
		if len(text) > maxField || strings.ContainsFunc(text, unicode.IsControl) {
			return r, ident.Invalid(importColumns[i], "text", "a field is one line of at most %d bytes", maxField)
		}
	}
	var known *ident.Error
	if err := ident.CheckID("account", r.Account); errors.As(err, &known) {
		return r, known
	}
	if NormalName(r.Name) == "" {
		return r, ident.Invalid("name", "required", "the name is missing")
	}
	if r.Kind != Person && r.Kind != Merchant {
		return r, ident.Invalid("kind", "unknown", `kind is %q; it must be "person" or "merchant"`, rec[8])
	}
	switch r.Verification {
	case Unverified, Basic, Full:
	default:
		return r, ident.Invalid("verification", "unknown", `verification is %q; it must be "none", "basic" or "full"`, rec[6])
	}
	opened, err := time.ParseInLocation("2006-01-02", rec[7], china)
	if err != nil {
		return r, ident.Invalid("opened", "date", "%q is not a date like 2026-05-30", rec[7])
	}
	r.Opened = opened.UTC()
	return r, nil
}
