package incident

import (
	"context"
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// Step is one step of the board: so many people, so much money.
type Step struct {
	Name   string       `json:"name"` // reported, matched, confirmed, approved, paid, certified
	People int          `json:"people"`
	Money  money.Amount `json:"money"`
}

// Board is what everybody in the incident room sees. It holds no names.
type Board struct {
	Incident   ident.ID        `json:"incident"`
	Title      string          `json:"title"`
	Status     Status          `json:"status"`
	Deadline   time.Time       `json:"deadline"`
	Now        time.Time       `json:"now"`
	Minutes    int64           `json:"minutes_left"` // negative when it has passed
	Left       Step            `json:"left"`         // confirmed and not yet paid
	Steps      []Step          `json:"steps"`
	Called     map[string]int  `json:"called"` // reached, no_answer, call_back, not_called: of those to be paid
	Late       int             `json:"late"`   // not paid although the deadline has passed
	Verdicts   map[Verdict]int `json:"verdicts"`
	Unknown    int             `json:"payouts_unknown"` // payouts whose outcome the rail has not told
	Rejected   int             `json:"payouts_rejected"`
	FundFree   money.Amount    `json:"fund_free"`
	Earmarked  money.Amount    `json:"earmarked"`
	Compensate money.Amount    `json:"paid_out"` // by the ledger
}

// Board computes the board from the victims, the payouts and the ledger.
func (s *Service) Board(ctx context.Context, actor ident.Actor, id ident.ID) (b Board, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActIncidentBoard, access.Object{ID: id}, func(tx *db.Tx) error {
		b, err = s.board(tx, id)
		return err
	})
	return b, err
}

func (s *Service) board(tx *db.Tx, id ident.ID) (Board, error) {
	i, err := s.load(tx, id)
	if err != nil {
		return Board{}, err
	}
	vs, err := s.Victims(tx, id)
	if err != nil {
		return Board{}, err
	}
	issued, err := s.cfg.Notice.ByIncident(tx, id)
	if err != nil {
		return Board{}, err
	}
	certified := make(map[ident.ID]bool, len(issued))
	for _, c := range issued {
		certified[c.PayoutID] = true
	}
	b, err := Count(i, vs, certified, s.cfg.Clock.Now())
	if err != nil {
		return b, err
	}
	fig, err := s.cfg.Fund.FiguresTx(tx, i.FundID, id)
	if err != nil {
		return b, err
	}
	b.FundFree, b.Earmarked, b.Compensate = fig.Free, fig.EarmarkedFor, fig.PaidFor
	return b, nil
}

// Count is the board's arithmetic over the victims; certified holds the payouts
// that have a certificate. Pure.
func Count(i Incident, vs []Victim, certified map[ident.ID]bool, now time.Time) (Board, error) {
	b := Board{
		Incident: i.ID, Title: i.Title, Status: i.Status, Deadline: i.Deadline, Now: now,
		Minutes: int64(i.Deadline.Sub(now) / time.Minute), Called: map[string]int{}, Verdicts: map[Verdict]int{},
	}
	names := []string{"reported", "matched", "confirmed", "approved", "paid", "certified"}
	b.Steps = make([]Step, len(names))
	for n, name := range names {
		b.Steps[n] = Step{Name: name, Money: money.Of(0, money.CNY)}
	}
	b.Left = Step{Name: "left", Money: money.Of(0, money.CNY)}
	for _, v := range vs {
		b.Verdicts[v.Verdict]++
		said := v.Police
		if said.IsZero() {
			said = v.Reported
		}
		paid := v.State == fund.Settled
		payable := v.Verdict.Payable()
		reached := []struct {
			yes bool
			sum money.Amount
		}{
			{true, said}, {v.Party != "", said}, {payable, v.Amount}, {v.Approval != "", v.Amount},
			{paid, v.Amount}, {certified[v.Payout], v.Amount},
		}
		for n, r := range reached {
			if err := b.Steps[n].add(r.yes, r.sum); err != nil {
				return b, err
			}
		}
		if err := b.Left.add(payable && !paid, v.Amount); err != nil {
			return b, err
		}
		b.countCalls(v, payable, paid, now.After(i.Deadline))
	}
	return b, nil
}

func (b *Board) countCalls(v Victim, payable, paid, late bool) {
	switch v.State {
	case fund.Unknown:
		b.Unknown++
	case fund.Rejected:
		b.Rejected++
	}
	if !payable {
		return
	}
	if v.Called == NotCalled {
		b.Called["not_called"]++
	} else {
		b.Called[string(v.Called)]++
	}
	if !paid && late {
		b.Late++
	}
}

func (s *Step) add(yes bool, sum money.Amount) error {
	if !yes {
		return nil
	}
	s.People++
	var err error
	s.Money, err = s.Money.Add(sum)
	return err
}
