package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"surety/domain/fund"
	"surety/domain/notice"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// Statement is one version of the public statement, with the figures as the
// books had them when it was written.
type Statement struct {
	Incident ident.ID
	Number   int
	Lang     notice.Lang
	Body     string // Markdown
	Figures  notice.Figures
	Author   ident.ID
	At       time.Time
	// Published is when another person let the public see it; zero for a draft.
	Published time.Time
}

// WriteStatement writes the next version of the statement from the facts in the
// system (A8): what is paid is read from the ledger and must agree with the
// payouts, else nothing is written.
func (s *Service) WriteStatement(ctx context.Context, actor ident.Actor, id ident.ID, lang notice.Lang) (st Statement, err error) {
	err = s.cfg.Access.Update(ctx, actor, access.ActIncidentStatement, access.Object{ID: id}, map[string]string{"lang": string(lang)},
		func(tx *db.Tx) error {
			st, err = s.draft(tx, id, lang)
			if err != nil {
				return err
			}
			st.Author = actor.ID
			figures, err := json.Marshal(st.Figures)
			if err != nil {
				return err
			}
			var n int64
			_, err = tx.Row([]any{&n}, `insert into incident_statement (incident, number, lang, body, figures, author, at, published, published_by)
select cast($1 as text), coalesce(max(number), 0) + 1, cast($2 as text), cast($3 as text), cast($4 as text), cast($5 as text),
cast($6 as bigint), 0, '' from incident_statement where incident = $1 and lang = $2 returning number`,
				id, string(lang), st.Body, string(figures), actor.ID, ident.Micros(st.At))
			st.Number = int(n)
			return err
		})
	return st, err
}

func (s *Service) draft(tx *db.Tx, id ident.ID, lang notice.Lang) (Statement, error) {
	f, err := s.figures(tx, id)
	if err != nil {
		return Statement{}, err
	}
	if name, ok := s.cfg.Operator[string(lang)]; ok {
		f.Operator = name
	}
	body, err := notice.StatementMarkdown(f, lang)
	return Statement{Incident: id, Lang: lang, Body: body, Figures: f, At: s.cfg.Clock.Now()}, err
}

// Publish lets the public see a version. Who wrote it cannot publish it: a
// statement that goes out is read by two people.
func (s *Service) Publish(ctx context.Context, actor ident.Actor, id ident.ID, lang notice.Lang, number int) error {
	return s.cfg.Access.Update(ctx, actor, access.ActIncidentStatement, access.Object{ID: id},
		map[string]any{"lang": string(lang), "publish": number}, func(tx *db.Tx) error {
			all, err := s.Statements(tx, id)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(st Statement) bool { return st.Lang == lang && st.Number == number })
			if i < 0 {
				return ident.NotFound("statement", fmt.Sprintf("%s %d", lang, number))
			}
			if !all[i].Published.IsZero() {
				return nil
			}
			if all[i].Author == actor.ID {
				return ident.E(ident.KindDenied, "written_by_you", "you wrote this version; another person must publish it")
			}
			return tx.ExecOne(ident.E(ident.KindConflict, "statement_moved", "somebody else has just published it"),
				`update incident_statement set published = $4, published_by = $5
where incident = $1 and lang = $2 and number = $3 and published = 0`,
				id, string(lang), number, ident.Micros(s.cfg.Clock.Now()), actor.ID)
		})
}

// Published lists the versions that the public may see, newest first.
func (s *Service) Published(tx *db.Tx, id ident.ID) ([]Statement, error) {
	all, err := s.Statements(tx, id)
	return slices.DeleteFunc(all, func(st Statement) bool { return st.Published.IsZero() }), err
}

// Statements lists the versions, newest first.
func (s *Service) Statements(tx *db.Tx, id ident.ID) (out []Statement, err error) {
	err = tx.Rows(`select incident, number, lang, body, figures, author, at, published from incident_statement where incident = $1
order by at desc, number desc`, []any{id}, func(scan func(...any) error) error {
		var st Statement
		var figures string
		var at, published int64
		if err := scan(&st.Incident, &st.Number, &st.Lang, &st.Body, &figures, &st.Author, &at, &published); err != nil {
			return err
		}
		st.At, st.Published = ident.FromMicros(at), ident.FromMicros(published)
		out = append(out, st)
		return json.Unmarshal([]byte(figures), &out[len(out)-1].Figures)
	})
	return out, err
}

func (s *Service) figures(tx *db.Tx, id ident.ID) (notice.Figures, error) {
	i, err := s.load(tx, id)
	if err != nil {
		return notice.Figures{}, err
	}
	vs, err := s.Victims(tx, id)
	if err != nil {
		return notice.Figures{}, err
	}
	f, err := Tell(i, vs)
	if err != nil {
		return f, err
	}
	books, err := s.cfg.Fund.FiguresTx(tx, i.FundID, id)
	if err != nil {
		return f, err
	}
	if books.PaidFor.Minor != f.PaidAmount.Minor {
		return f, ident.E(ident.KindInternal, "books_differ",
			"the ledger has paid %s and the payouts say %s; find out why before anything is published", books.PaidFor, f.PaidAmount)
	}
	f.FundLeft, f.AsOf = books.Balance, s.cfg.Clock.Now()
	f.ClaimURL = s.cfg.ClaimURL
	return f, nil
}

// Tell counts what a statement says of the victims. Pure.
func Tell(i Incident, vs []Victim) (notice.Figures, error) {
	zero := money.Of(0, money.CNY)
	f := notice.Figures{Incident: i.Title, From: i.From, To: i.To, Deadline: i.Deadline, Fund: i.FundID,
		VictimsAmount: zero, PaidAmount: zero, HeirsAmount: zero, LeftAmount: zero}
	for _, v := range vs {
		f.Reports += v.Reports
		switch {
		case v.Verdict == False:
			f.False++
		case slices.Contains(v.Reasons, "claimed_more"):
			f.Inflated++
		}
		if v.Verdict == Differs { // a victim whose amount a person has still to find
			f.Differing++
			v.Amount = zero
			if err := tellMoney(&f, v); err != nil {
				return f, err
			}
		}
		if !v.Verdict.Payable() {
			continue
		}
		if v.Verdict == PoliceConfirmed {
			f.PoliceConfirmed++
		} else {
			f.Confirmed++
		}
		if f.PoliceCase == "" {
			f.PoliceCase = v.PoliceCase
		}
		if err := tellMoney(&f, v); err != nil {
			return f, err
		}
	}
	return f, nil
}

func tellMoney(f *notice.Figures, v Victim) error {
	add := func(n *int, sum *money.Amount) (err error) {
		*n++
		*sum, err = sum.Add(v.Amount)
		return err
	}
	if err := add(&f.Victims, &f.VictimsAmount); err != nil {
		return err
	}
	if v.State != fund.Settled {
		return add(&f.Left, &f.LeftAmount)
	}
	if v.Estate {
		if err := add(&f.Heirs, &f.HeirsAmount); err != nil {
			return err
		}
	}
	return add(&f.Paid, &f.PaidAmount)
}
