package api

import (
	"bytes"
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/ledger"
)

// FundIn opens a fund.
type FundIn struct {
	ID       string `json:"id" doc:"made by the caller: emergency"`
	NameZH   string `json:"name_zh"`
	NameEN   string `json:"name_en"`
	Kind     string `json:"kind" enum:"yearly,emergency,reward"`
	Currency string `json:"currency" example:"CNY"`
}

// Fund is money set aside to make people whole.
type Fund struct {
	FundIn
	FrozenFor string       `json:"frozen_for,omitempty" doc:"the only purpose that money may go out for now"`
	Created   time.Time    `json:"created"`
	Version   int          `json:"version"`
	Figures   fund.Figures `json:"figures" doc:"from the ledger"`
}

// Funds are all of them, by id.
type Funds struct {
	Items []Fund `json:"items"`
}

// DepositIn is money that has come in.
type DepositIn struct {
	ID     string       `json:"id" doc:"made by the caller: the bank's reference"`
	Amount money.Amount `json:"amount"`
	Memo   string       `json:"memo,omitempty"`
}

// Entry is one movement in the books. It is never changed.
type Entry struct {
	ID      string       `json:"id"`
	At      time.Time    `json:"at"`
	Debit   string       `json:"debit"`
	Credit  string       `json:"credit"`
	Amount  money.Amount `json:"amount"`
	Kind    string       `json:"kind" enum:"single,pending,post,void,expire"`
	Pending string       `json:"pending,omitempty" doc:"the pending movement that this one ends"`
	Code    string       `json:"code,omitempty"`
	Ref     string       `json:"ref,omitempty"`
	Memo    string       `json:"memo,omitempty"`
}

// Entries are a fund's latest movements, newest first.
type Entries struct {
	Items []Entry `json:"items"`
}

// Payout is money on its way to somebody.
type Payout struct {
	ID       string       `json:"id"`
	FundID   string       `json:"fund_id"`
	Purpose  string       `json:"purpose"`
	Claim    string       `json:"claim,omitempty"`
	Amount   money.Amount `json:"amount"`
	PayTo    PayTo        `json:"pay_to"`
	Code     string       `json:"code"`
	Basis    string       `json:"basis"`
	Approval string       `json:"approval,omitempty"`
	State    string       `json:"state"`
	Batch    string       `json:"batch,omitempty" doc:"the bank's file that it is in"`
	RailRef  string       `json:"rail_ref,omitempty"`
	// Certificate is the code of the payout's certificate, once it has arrived; in
	// the answer for one payout only.
	Certificate string    `json:"certificate,omitempty" doc:"code of its certificate, see /v1/certificates/{code}; for one payout only"`
	Reason      string    `json:"reason,omitempty"`
	Created     time.Time `json:"created"`
	Sent        time.Time `json:"sent,omitzero"`
	Settled     time.Time `json:"settled,omitzero"`
	Version     int       `json:"version"`
}

// PayoutPage is a page of payouts, by id.
type PayoutPage struct {
	Items []Payout `json:"items"`
	Next  string   `json:"next"`
}

// StatusReport accounts for every entry of a bank's answer.
type StatusReport struct {
	Message   string         `json:"message" doc:"the bank's id of its answer"`
	Entries   int            `json:"entries"`
	Settled   int            `json:"settled" doc:"newly"`
	Rejected  int            `json:"rejected" doc:"newly"`
	Pending   int            `json:"pending" doc:"the bank has it and is not done"`
	Unchanged int            `json:"unchanged" doc:"known before"`
	Problems  []ProblemField `json:"problems"`
}

func (s *server) fundRoutes() []route {
	const one = "/v1/funds/{id}"
	return []route{
		{Method: "POST", Path: "/v1/funds", ID: "fund-create", Act: access.ActFundCreate, Summary: "Open a fund", In: jsonIn[FundIn](),
			Out: created[Fund]("the fund"), Lookup: one, Do: s.createFund},
		{Method: "GET", Path: "/v1/funds", ID: "fund-list", Act: access.ActFundBoard, Summary: "All funds with their figures",
			Out: jsonOut[Funds]("by id"), Do: s.listFunds},
		{Method: "GET", Path: one, ID: "fund-get", Act: access.ActFundBoard, Summary: "One fund with its figures",
			Out: jsonOut[Fund]("the fund"), Do: s.getFund},
		{Method: "POST", Path: one + "/deposits", ID: "fund-deposit", Act: access.ActFundDeposit, Summary: "Book money that has come in",
			In: jsonIn[DepositIn](), Out: created[Fund]("the fund after it"), Lookup: one + "/entries", Do: s.deposit},
		{Method: "GET", Path: one + "/entries", ID: "fund-entries", Act: access.ActFundRead, Summary: "The latest movements",
			Query: []param{{Name: "limit", Kind: "integer"}}, Out: jsonOut[Entries]("newest first"), Do: s.entries},
	}
}

func (s *server) payoutRoutes() []route {
	states := make([]string, 0, len(fund.States()))
	for _, st := range fund.States() {
		states = append(states, string(st))
	}
	return []route{
		{Method: "GET", Path: "/v1/payouts", ID: "payout-list", Act: access.ActFundRead, Summary: "Payouts, by id",
			Query: []param{{Name: "fund"}, {Name: "purpose", Doc: "an incident or a claim"}, {Name: "claim"}, {Name: "batch"},
				{Name: "rail", Enum: []string{fund.RailBank, fund.RailWallet}}, {Name: "state", Enum: states},
				{Name: "cursor"}, {Name: "limit", Kind: "integer"}},
			Out: jsonOut[PayoutPage]("a page"), Do: s.listPayouts},
		{Method: "GET", Path: "/v1/payouts/{id}", ID: "payout-get", Act: access.ActFundRead, Summary: "One payout",
			Out: jsonOut[Payout]("the payout"), Do: s.getPayout},
		{Method: "POST", Path: "/v1/payouts/status", ID: "payout-status-import", Act: access.ActFundSettle, Long: true,
			Summary: "Read the bank's answer", In: fileIn(importLimit, "pain.002 as it came", typeXML, "text/xml"),
			Out: jsonOut[StatusReport]("every payout named in it"), Do: s.importStatus},
		{Method: "POST", Path: "/v1/payouts/{id}/reconcile", ID: "payout-reconcile", Act: access.ActFundReconcile,
			Summary: "Ask the rail what became of a payout of unknown outcome",
			Text:    "The question is put; look at the payout for the answer.", Out: jsonOut[Payout]("the payout as it is now"),
			Lookup: "/v1/payouts/{id}", Do: s.reconcilePayout},
		{Method: "POST", Path: "/v1/payouts/{id}/returns", ID: "payout-give-back", Act: access.ActFundSettle,
			Summary: "Book that a settled payout came back from the payee's bank", In: jsonIn[ReturnIn](),
			Out: jsonOut[Payout]("the payout as it is now"), Lookup: "/v1/payouts/{id}", Do: s.giveBack},
	}
}

func wireFund(f fund.Fund, fig fund.Figures) Fund {
	return Fund{FundIn: FundIn{ID: f.ID, NameZH: f.NameZH, NameEN: f.NameEN, Kind: string(f.Kind), Currency: string(f.Currency)},
		FrozenFor: f.FrozenFor, Created: f.Created, Version: f.Version, Figures: fig}
}

func wirePayout(p fund.Payout) Payout {
	return Payout{
		ID: p.ID, FundID: p.FundID, Purpose: p.Purpose, Claim: p.Claim, Amount: p.Amount, PayTo: wirePayTo(p.To), Code: p.Code,
		Basis: p.Basis, Approval: p.Approval, State: string(p.State), Batch: p.Batch, RailRef: p.RailRef, Reason: p.Reason,
		Created: p.Created, Sent: p.Sent, Settled: p.Settled, Version: p.Version,
	}
}

// readFund is a fund with its figures; the caller's check covers it.
func (s *server) readFund(tx *db.Tx, id ident.ID) (Fund, error) {
	f, found, err := s.cfg.Fund.Get(tx, id)
	if err != nil {
		return Fund{}, err
	}
	if !found {
		return Fund{}, ident.NotFound("fund", id)
	}
	fig, err := s.cfg.Fund.FiguresTx(tx, id, f.FrozenFor)
	return wireFund(f, fig), err
}

// replyFund answers with the fund as it is after what was done.
func (s *server) replyFund(c *call, id ident.ID, again bool) error {
	var out Fund
	err := s.cfg.DB.View(c.ctx, func(tx *db.Tx) (err error) {
		out, err = s.readFund(tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return c.replyAgain(out, again)
}

func (s *server) createFund(c *call) error {
	var in FundIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.ID)
	known := false
	err := s.cfg.DB.View(c.ctx, func(tx *db.Tx) (err error) {
		_, known, err = s.cfg.Fund.Get(tx, in.ID)
		return err
	})
	if err != nil {
		return err
	}
	err = s.cfg.Fund.Create(c.ctx, c.actor, fund.Fund{ID: in.ID, NameZH: in.NameZH, NameEN: in.NameEN, Kind: fund.Kind(in.Kind),
		Currency: money.Currency(in.Currency)})
	if err != nil {
		return err
	}
	return s.replyFund(c, in.ID, known)
}

func (s *server) listFunds(c *call) error {
	out := Funds{}
	err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		out.Items = []Fund{}
		all, err := s.cfg.Fund.Funds(tx)
		if err != nil {
			return err
		}
		for _, f := range all {
			fig, err := s.cfg.Fund.FiguresTx(tx, f.ID, f.FrozenFor)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, wireFund(f, fig))
		}
		return nil
	})
	return done(c, out, err)
}

func (s *server) getFund(c *call) error {
	var out Fund
	err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: c.id("id")}, func(tx *db.Tx) (err error) {
		out, err = s.readFund(tx, c.id("id"))
		return err
	})
	return done(c, out, err)
}

func (s *server) deposit(c *call) error {
	var in DepositIn
	if err := c.json(&in); err != nil {
		return err
	}
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	if err := in.Amount.CheckPositive("amount"); err != nil {
		return err
	}
	if err := s.cfg.Fund.Deposit(c.ctx, c.actor, in.ID, c.id("id"), in.Amount, in.Memo); err != nil {
		return err
	}
	return s.replyFund(c, c.id("id"), false)
}

func wireEntry(t ledger.Transfer) Entry {
	return Entry{ID: t.ID, At: t.At, Debit: t.Debit, Credit: t.Credit, Amount: t.Amount, Kind: string(t.Kind), Pending: t.Pending,
		Code: t.Code, Ref: t.Ref, Memo: t.Memo}
}

func (s *server) entries(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	id := c.id("id")
	out := Entries{}
	err = s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: id}, func(tx *db.Tx) error {
		if _, found, err := s.cfg.Fund.Get(tx, id); err != nil || !found {
			return orAbsent(err, c, id)
		}
		all, err := s.cfg.Fund.Entries(tx, id, limit)
		out.Items = make([]Entry, 0, len(all))
		for _, t := range all {
			out.Items = append(out.Items, wireEntry(t))
		}
		return err
	})
	return done(c, out, err)
}

func (s *server) listPayouts(c *call) error {
	f := fund.Filter{FundID: c.str("fund"), Purpose: c.str("purpose"), Claim: c.str("claim"), Batch: c.str("batch"),
		Rail: c.str("rail"), State: fund.PayoutState(c.str("state"))}
	var err error
	if f.Limit, err = c.limit(); err != nil {
		return err
	}
	if _, f.After, err = openCursor(c.str("cursor")); err != nil {
		return err
	}
	out := PayoutPage{}
	err = s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: f.Purpose}, func(tx *db.Tx) error {
		all, err := s.cfg.Fund.List(tx, f)
		out = PayoutPage{Items: make([]Payout, 0, len(all))}
		for _, p := range all {
			out.Items = append(out.Items, wirePayout(p))
		}
		if len(all) == f.Limit {
			out.Next = cursor(time.Time{}, all[len(all)-1].ID)
		}
		return err
	})
	return done(c, out, err)
}

func (s *server) getPayout(c *call) error {
	p, err := s.cfg.Fund.View(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	out := wirePayout(p)
	err = s.cfg.DB.View(c.ctx, func(tx *db.Tx) error {
		cert, _, err := s.cfg.Notice.ByPayout(tx, p.ID)
		out.Certificate = cert.Code
		return err
	})
	return done(c, out, err)
}

func (s *server) importStatus(c *call) error {
	b, err := c.file()
	if err != nil {
		return err
	}
	rep, err := s.cfg.Fund.ImportStatus(c.ctx, c.actor, bytes.NewReader(b))
	return done(c, StatusReport{Message: rep.Message, Entries: rep.Entries, Settled: rep.Settled, Rejected: rep.Rejected,
		Pending: rep.Pending, Unchanged: rep.Unchanged, Problems: fields(rep.Problems)}, err)
}

// ReturnIn is money that came back.
type ReturnIn struct {
	Amount money.Amount `json:"amount" doc:"the whole payout"`
	Reason string       `json:"reason" doc:"the bank's, for example AC04"`
}

func (s *server) giveBack(c *call) error {
	var in ReturnIn
	if err := c.json(&in); err != nil {
		return err
	}
	p, err := s.cfg.Fund.GiveBack(c.ctx, c.actor, c.id("id"), in.Amount, in.Reason)
	return done(c, wirePayout(p), err)
}

func (s *server) reconcilePayout(c *call) error {
	id := c.id("id")
	if err := s.cfg.Fund.Reconcile(c.ctx, c.actor, id); err != nil {
		return err
	}
	var p fund.Payout
	err := s.cfg.DB.View(c.ctx, func(tx *db.Tx) (err error) {
		p, _, err = s.cfg.Fund.Payout(tx, id)
		return err
	})
	return done(c, wirePayout(p), err)
}
