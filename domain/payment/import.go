package payment

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// csvColumns is the host's own export of its payments.
var csvColumns = []string{"payment_id", "time", "payer", "payee", "amount_fen", "currency", "type", "channel", "device", "ip", "city"}

// maxImport bounds one file; more come as several files.
const maxImport = 5_000_000

// ReadCSV reads the host's export. Every row is either a request or a problem
// that names row and column. History: the payments have gone already.
func ReadCSV(r io.Reader) (out []Request, problems []*ident.Error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = len(csvColumns)
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil || !slices.Equal(header, csvColumns) {
		return nil, []*ident.Error{{Kind: ident.KindInvalid, Code: "header", Row: 1, Err: err,
			Message: "the first row must be payment_id,time,payer,payee,amount_fen,currency,type,channel,device,ip,city"}}
	}
	for line := 2; ; line++ {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out, problems
		}
		if err != nil {
			return out, append(problems, &ident.Error{Kind: ident.KindInvalid, Code: "csv", Row: line, Err: err,
				Message: "this row is not well-formed CSV with 11 columns"})
		}
		if len(out) >= maxImport {
			return out, append(problems, ident.E(ident.KindTooLarge, "too_many_rows", "at most %d rows in one file", maxImport))
		}
		req, err := readRecord(rec)
		var bad *ident.Error
		if errors.As(err, &bad) {
			bad.Row = line
			problems = append(problems, bad)
			continue
		}
		out = append(out, req)
	}
}

func readRecord(rec []string) (Request, error) {
	at, err := time.Parse(time.RFC3339Nano, rec[1])
	if err != nil {
		return Request{}, ident.Invalid("time", "time", "%q is not a time like 2026-05-30T09:00:00+08:00", rec[1])
	}
	fen, err := strconv.ParseInt(rec[4], 10, 64)
	if err != nil {
		return Request{}, ident.Invalid("amount_fen", "amount_not_integer", "%q is not a whole number of fen", rec[4])
	}
	r := Request{
		ID: rec[0], At: at.UTC().Truncate(time.Microsecond), Payer: rec[2], Payee: rec[3],
		Amount: money.Of(fen, money.Currency(rec[5])), Type: rec[6], Channel: rec[7], Device: rec[8], IP: rec[9],
		City: rec[10], Settled: true,
	}
	return r, r.Check()
}

// ImportReport accounts for every row of an import.
type ImportReport struct {
	Rows     int            `json:"rows"`
	Assessed int            `json:"assessed"` // new
	Again    int            `json:"again"`    // known with the same body
	Outcomes map[string]int `json:"outcomes"`
	Refused  []*ident.Error `json:"refused"`
}

// ImportBatch is how many payments share one act of an import.
const ImportBatch = 500

// ImportCSV reads the host's export and assesses each payment in the order of
// the file. If any row cannot be read, nothing is written and every problem is
// named. progress, if not nil, is told after each act.
func (s *Service) ImportCSV(ctx context.Context, actor ident.Actor, r io.Reader,
	progress func(done, total int)) (ImportReport, error) {
	reqs, problems := ReadCSV(r)
	rep := ImportReport{Rows: len(reqs) + len(problems), Outcomes: map[string]int{}, Refused: problems}
	if len(problems) > 0 {
		return rep, ident.Join(problems)
	}
	problems, err := s.unknown(ctx, reqs)
	if rep.Refused = problems; err != nil || len(problems) > 0 {
		return rep, errors.Join(ident.Join(problems), err)
	}
	for done := 0; done < len(reqs); {
		n := min(ImportBatch, len(reqs)-done)
		results, err := s.AssessBatch(ctx, actor, reqs[done:done+n])
		if err != nil {
			return rep, err
		}
		for i, res := range results {
			rep.add(res, done+i+2)
		}
		done += n
		if progress != nil {
			progress(done, len(reqs))
		}
	}
	return rep, s.Await(ctx)
}

// unknown finds the rows that name an account that nobody has imported, before
// anything is written.
func (s *Service) unknown(ctx context.Context, reqs []Request) (problems []*ident.Error, err error) {
	accounts, facts := make([]string, 0, 2*ImportBatch), make([]party.Facts, 2*ImportBatch)
	for done := 0; done < len(reqs); {
		part := reqs[done:min(done+ImportBatch, len(reqs))]
		accounts = accounts[:0]
		for i := range part {
			accounts = append(accounts, part[i].Payer, part[i].Payee)
		}
		if err := s.cfg.Party.Facts(ctx, s.cfg.DB, accounts, facts[:len(accounts)]); err != nil {
			return nil, err
		}
		for i := range part {
			var bad *ident.Error
			if errors.As(part[i].known(&facts[2*i], &facts[2*i+1]), &bad) {
				bad.Row = done + i + 2
				problems = append(problems, bad)
			}
		}
		done += len(part)
	}
	return problems, nil
}

func (rep *ImportReport) add(res Result, row int) {
	switch {
	case res.Err != nil:
		var bad *ident.Error
		if !errors.As(res.Err, &bad) {
			bad = ident.E(ident.KindInternal, "internal", "the row could not be written").Because(res.Err)
		}
		named := *bad
		named.Row = row
		rep.Refused = append(rep.Refused, &named)
	case res.Again:
		rep.Again++
	default:
		rep.Assessed++
		rep.Outcomes[string(res.Payment.Decision.Outcome)]++
	}
}
