package authority

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Heir is who takes over the claim of a victim who has died.
type Heir struct {
	Name        string   `json:"name"`
	Relation    string   `json:"relation"`
	Documents   []string `json:"documents"` // the proofs of standing that were shown
	Bank        string   `json:"bank"`
	BankAccount string   `json:"bank_account"`
}

// Estate is the claim of a late victim, taken over by the heir.
type Estate struct {
	Account      string       `json:"account"`
	Holder       string       `json:"holder"`
	Died         time.Time    `json:"died"` // the day, in UTC
	Loss         money.Amount `json:"loss"`
	Thief        string       `json:"thief"` // as the police name them; may be ""
	Heir         Heir         `json:"heir"`
	PoliceReport string       `json:"police_report"`
	Mended       []Mend       `json:"mended"`
	Notes        []Problem    `json:"notes"`
}

// estateFile is the form in which the papers come.
type estateFile struct {
	Account string `json:"account"`
	Holder  string `json:"holder"`
	Died    string `json:"died"`
	LossFen *int64 `json:"loss_fen"`
	Thief   string `json:"thief"`
	Heir    struct {
		Name      string   `json:"name"`
		Relation  string   `json:"relation"`
		Documents []string `json:"documents"`
		PayTo     string   `json:"pay_to"`
	} `json:"heir"`
	PoliceReport string `json:"police_report"`
}

// maxEstate bounds one file.
const maxEstate = 1 << 20

// ReadEstate reads the JSON of an estate. Every fact is needed, so any problem is
// an error; all are named at once. Unknown fields are refused: a misspelt field
// must not pass for a missing one.
func ReadEstate(r io.Reader, o Options) (Estate, error) {
	o = o.filled()
	b, err := readAll(r, maxEstate)
	if err != nil {
		return Estate{}, err
	}
	var f estateFile
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff"))))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return Estate{}, estateJSONError(b, err, dec.InputOffset())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Estate{}, fileError("json", 1, "there is something behind the end of the JSON object; send one object")
	}
	row := Row{Mended: []Mend{}, Notes: []Problem{}}
	rd := &reading{row: &row, opt: o}
	e := Estate{
		Account: rd.account(f.Account), Holder: rd.name("holder", f.Holder), Thief: rd.name("thief", f.Thief),
		PoliceReport: rd.caseNo(f.PoliceReport),
		Heir:         Heir{Name: rd.name("heir.name", f.Heir.Name), Relation: f.Heir.Relation, Documents: f.Heir.Documents},
	}
	e.Died, _ = rd.date("died", f.Died)
	e.Heir.Bank, e.Heir.BankAccount = rd.bankBoth(f.Heir.PayTo)
	e.Loss = estateLoss(rd, f.LossFen)
	for _, must := range []struct {
		field Field
		value string
	}{
		{FieldAccount, f.Account}, {"holder", f.Holder}, {"died", f.Died}, {"heir.name", f.Heir.Name},
		{"heir.relation", f.Heir.Relation}, {"heir.pay_to", f.Heir.PayTo}, {"police_report", f.PoliceReport},
	} {
		if must.value == "" {
			rd.refuse(must.field, BadRequired, "")
		}
	}
	if len(f.Heir.Documents) == 0 {
		rd.refuse("heir.documents", BadRequired, "")
	}
	e.Mended, e.Notes = row.Mended, row.Notes
	var errs []error
	for _, p := range problemErrors(1, row.Refused) {
		errs = append(errs, p)
	}
	if len(errs) > 0 {
		return Estate{}, errors.Join(errs...)
	}
	return e, nil
}

func estateLoss(rd *reading, fen *int64) money.Amount {
	switch {
	case fen == nil:
		rd.refuse("loss_fen", BadRequired, "")
	case *fen < 0:
		rd.refuse("loss_fen", BadAmountSign, fmt.Sprint(*fen))
	case *fen == 0:
		rd.refuse("loss_fen", BadAmountZero, "0")
	default:
		return money.Of(*fen, rd.opt.Currency)
	}
	return money.Amount{}
}

// estateJSONError names the row, and the field where the decoder knows it.
func estateJSONError(b []byte, err error, offset int64) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	e := &ident.Error{Kind: ident.KindInvalid, Code: "json", Err: err,
		Message: "this is not the JSON of an estate: " + err.Error()}
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset, e.Field = kind.Offset, kind.Field
		e.Message = fmt.Sprintf("%s must be a %s", kind.Field, kind.Type)
	case errors.Is(err, io.ErrUnexpectedEOF):
		offset = int64(len(b))
		e.Message = "the file ends in the middle of the JSON; send it again whole"
	}
	e.Row = 1 + bytes.Count(b[:min(int(offset), len(b))], []byte("\n"))
	return e
}
