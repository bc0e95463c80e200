package api

import (
	"errors"
	"io"
	"mime"
	"slices"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/party"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

// PayTo is where money shall go.
type PayTo struct {
	Name    string `json:"name" doc:"of who holds the account"`
	Bank    string `json:"bank" doc:"the bank's name"`
	Account string `json:"account" doc:"in answers only its end is shown"`
	Rail    string `json:"rail" enum:"bank,wallet"`
}

// ClaimIn is a claim as it is handed in.
type ClaimIn struct {
	ID         string       `json:"id" doc:"made by the caller"`
	Kind       string       `json:"kind" enum:"theft,face_payment,impostor,deceived,paid_then_blocked,wrong_account"`
	Account    string       `json:"account" doc:"the account that lost the money; its holder is the claimant"`
	Payments   []string     `json:"payments,omitempty" doc:"ids of the payments that were not the holder's; the claim is their sum"`
	Claimed    money.Amount `json:"claimed,omitzero" doc:"what is claimed, if no payments are named"`
	Basis      string       `json:"basis,omitempty" doc:"what it rests on; left out: ledger_record if payments are named"`
	PoliceCase string       `json:"police_case,omitempty"`
	LossDate   time.Time    `json:"loss_date,omitzero"`
	Words      string       `json:"words,omitempty" doc:"the claimant's own"`
	PayTo      PayTo        `json:"pay_to,omitzero"`
}

// Clock is a promise with a date and who holds the ball.
type Clock struct {
	Name   string    `json:"name" enum:"first_answer,decision,payment,claimant_answer"`
	Owner  string    `json:"owner" enum:"us,claimant,police,payee_psp,insurer"`
	Due    time.Time `json:"due"`
	Paused time.Time `json:"paused,omitzero" doc:"since when it stands still"`
	Done   time.Time `json:"done,omitzero" doc:"when it was met or given up"`
}

// Claim is one person's loss and what is done about it.
type Claim struct {
	ID         string       `json:"id"`
	Number     string       `json:"number" doc:"for people"`
	Kind       string       `json:"kind"`
	Source     string       `json:"source"`
	Holder     string       `json:"holder"`
	Claimant   string       `json:"claimant"`
	Standing   string       `json:"standing,omitempty" doc:"why the claimant may act, if they are not the holder"`
	Account    string       `json:"account,omitempty"`
	Payments   []string     `json:"payments"`
	Claimed    money.Amount `json:"claimed"`
	Confirmed  money.Amount `json:"confirmed"`
	Basis      string       `json:"basis"`
	PoliceCase string       `json:"police_case,omitempty"`
	LossDate   time.Time    `json:"loss_date,omitzero"`
	Words      string       `json:"words,omitempty"`
	PayTo      PayTo        `json:"pay_to,omitzero"`
	Incident   string       `json:"incident,omitempty"`
	Verdict    string       `json:"verdict,omitempty"`
	Reasons    []string     `json:"reasons"`
	Status     string       `json:"status"`
	Decision   string       `json:"decision"`
	Ground     string       `json:"ground,omitempty"`
	Advance    string       `json:"advance"`
	Recovery   string       `json:"recovery"`
	Payout     string       `json:"payout,omitempty"`
	Clocks     []Clock      `json:"clocks"`
	Filed      time.Time    `json:"filed"`
	Version    int          `json:"version"`
}

// ClaimStory is one thing that happened to a claim.
type ClaimStory struct {
	Event string    `json:"event"`
	By    string    `json:"by" enum:"us,claimant,police,system"`
	Words string    `json:"words,omitempty"`
	At    time.Time `json:"at"`
}

// ClaimDecision is one version of what was decided; it is never changed.
type ClaimDecision struct {
	Number int          `json:"number"`
	Kind   string       `json:"kind"`
	Amount money.Amount `json:"amount"`
	Ground string       `json:"ground,omitempty"`
	Proofs []string     `json:"proofs"`
	Words  string       `json:"words,omitempty"`
	At     time.Time    `json:"at"`
}

// Evidence is one file handed in with a claim.
type Evidence struct {
	ID     string    `json:"id"`
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"`
	Type   string    `json:"type" doc:"as found in the bytes"`
	Name   string    `json:"name"`
	Source string    `json:"source"`
	At     time.Time `json:"at"`
}

// ClaimFull is a claim with all about it.
type ClaimFull struct {
	Claim
	Story     []ClaimStory    `json:"story"`
	Decisions []ClaimDecision `json:"decisions"`
	Evidence  []Evidence      `json:"evidence"`
}

// ClaimPage is a page of claims; they are without their payments.
type ClaimPage struct {
	Items []Claim `json:"items"`
	Next  string  `json:"next"`
}

// ClaimEvent moves a claim.
type ClaimEvent struct {
	Event string `json:"event" enum:"ask,answer,investigate,close,withdraw,appeal"`
	Words string `json:"words,omitempty" doc:"required for ask, answer and appeal"`
}

// DecisionIn is a decision by a person. A refusal needs a ground and proofs.
type DecisionIn struct {
	Kind   string       `json:"kind" enum:"approve_full,approve_partial,refuse"`
	Amount money.Amount `json:"amount,omitzero" doc:"for approvals"`
	Ground string       `json:"ground,omitempty" doc:"for refusals"`
	Proofs []string     `json:"proofs,omitempty"`
	Words  string       `json:"words,omitempty"`
}

// Move is one row of the table of legal moves.
type Move struct {
	From  string `json:"from"`
	Event string `json:"event"`
	To    string `json:"to"`
}

// Transitions is the table of legal moves of a claim's status.
type Transitions struct {
	Statuses []string `json:"statuses"`
	Events   []string `json:"events"`
	Moves    []Move   `json:"moves"`
}

func (s *server) claimRoutes() []route {
	const claimPath = "/v1/claims/{id}"
	statuses := make([]string, 0, len(claim.Statuses()))
	for _, st := range claim.Statuses() {
		statuses = append(statuses, string(st))
	}
	return []route{
		{Method: "POST", Path: "/v1/claims", ID: "claim-file", Act: access.ActClaimFile, Summary: "\"This was not me\"",
			In: jsonIn[ClaimIn](), Out: created[Claim]("the claim with its promises"), Lookup: claimPath, Do: s.fileClaim},
		{Method: "GET", Path: "/v1/claims", ID: "claim-list", Act: access.ActClaimList, Summary: "Claims, newest first",
			Text: "A customer sees their own. With due_by, those whose promise runs out first, on one page.",
			Query: []param{{Name: "status", Enum: statuses}, {Name: "incident"}, {Name: "party", Doc: "holder or claimant"},
				{Name: "open", Enum: []string{"true"}}, {Name: "due_by", Kind: "time"}, {Name: "cursor"}, {Name: "limit", Kind: "integer"}},
			Out: jsonOut[ClaimPage]("a page"), Do: s.listClaims},
		{Method: "GET", Path: "/v1/claims/transitions", ID: "claim-transitions", Act: access.ActClaimList,
			Summary: "Which event moves a claim from which status to which", Out: jsonOut[Transitions]("the table"), Do: s.transitions},
		{Method: "GET", Path: claimPath, ID: "claim-get", Act: access.ActClaimRead, Summary: "One claim with all about it",
			Out: jsonOut[ClaimFull]("the claim"), Do: s.getClaim},
		{Method: "POST", Path: claimPath + "/evidence", ID: "claim-evidence-add", Act: access.ActClaimEvidenceAdd,
			Summary: "Hand in a file", Query: []param{{Name: "filename", Doc: "its name, unless it is sent as multipart"}},
			In: fileIn(claim.MaxEvidence+mib, "a picture, a PDF or plain text, raw or as multipart/form-data",
				typeAny, "multipart/form-data"),
			Out:    created[Evidence]("the file as it is kept; the same bytes again are the same file"),
			Lookup: claimPath, Do: s.addEvidence},
		{Method: "GET", Path: claimPath + "/evidence/{eid}", ID: "claim-evidence-get", Act: access.ActClaimEvidenceRead,
			Summary: "Open a file", Out: answer{Type: typeAny, Doc: "the bytes, checked against their hash"}, Do: s.getEvidence},
		{Method: "POST", Path: claimPath + "/events", ID: "claim-event", Act: access.ActClaimAsk,
			Also:    []access.Act{access.ActClaimFile, access.ActClaimAssign, access.ActClaimWithdraw, access.ActClaimAppeal},
			Summary: "Ask, answer, investigate, close, withdraw, appeal",
			In:      jsonIn[ClaimEvent](), Out: jsonOut[Claim]("the claim after it"), Lookup: claimPath, Do: s.moveClaim},
		{Method: "POST", Path: claimPath + "/decisions", ID: "claim-decide", Act: access.ActClaimDecide, Summary: "Accept or refuse",
			In: jsonIn[DecisionIn](), Out: created[Claim]("the claim after it"), Lookup: claimPath, Do: s.decideClaim},
		{Method: "POST", Path: claimPath + "/payouts", ID: "claim-pay", Act: access.ActFundPay, Summary: "Pay a decided claim out of a fund",
			Text: "For a claim that belongs to no incident. Over the limit of one person the first call asks and signs first " +
				"(waiting is true); the same call of a second person signs and pays.",
			In: jsonIn[ClaimPayIn](), Out: created[ClaimPay]("what became of the order"), Lookup: claimPath, Do: s.payClaim},
		{Method: "PUT", Path: claimPath + "/pay-to", ID: "claim-pay-to", Act: access.ActClaimFile, Summary: "Name the account to be paid to",
			In: jsonIn[PayTo](), Out: nothing("it is set"), Lookup: claimPath, Do: s.setPayTo},
	}
}

func wirePayTo(p fund.PayTo) PayTo {
	return PayTo{Name: p.Name, Bank: p.Bank, Account: vault.MaskAccount(p.Account), Rail: p.Rail}
}

func (p PayTo) plain() fund.PayTo {
	return fund.PayTo{Name: p.Name, Bank: p.Bank, Account: p.Account, Rail: p.Rail}
}

func wireClaim(c claim.Claim) Claim {
	out := Claim{
		ID: c.ID, Number: c.Number, Kind: string(c.Kind), Source: c.Source, Holder: c.Holder, Claimant: c.Claimant,
		Standing: c.Standing, Account: c.Account, Payments: list(c.Payments), Claimed: c.Claimed, Confirmed: c.Confirmed,
		Basis: string(c.Basis), PoliceCase: c.PoliceCase, LossDate: c.LossDate, Words: c.Words, PayTo: wirePayTo(c.PayTo),
		Incident: c.Incident, Verdict: c.Verdict, Reasons: list(c.Reasons), Status: string(c.Status), Decision: string(c.Decision),
		Ground: c.Ground, Advance: string(c.Advance), Recovery: string(c.Recovery), Payout: c.Payout, Clocks: []Clock{},
		Filed: c.Filed, Version: c.Version,
	}
	for _, k := range c.Clocks {
		out.Clocks = append(out.Clocks, Clock{Name: k.Name, Owner: string(k.Owner), Due: k.Due, Paused: k.Paused, Done: k.Done})
	}
	return out
}

// list is never null in JSON.
func list[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

func (s *server) fileClaim(c *call) error {
	var in ClaimIn
	if err := c.json(&in); err != nil {
		return err
	}
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	c.subject(in.ID)
	holder, known, err := s.holderOf(c, in.Account, in.ID)
	if err != nil {
		return err
	}
	basis := claim.Basis(in.Basis)
	if basis == "" && len(in.Payments) > 0 {
		basis = claim.LedgerRecord
	} else if basis == "" {
		basis = claim.SwornStatement
	}
	got, err := s.cfg.Claim.File(c.ctx, c.actor, claim.FileIn{
		ID: in.ID, Kind: claim.Kind(in.Kind), Holder: holder, Claimant: holder, Account: in.Account, Payments: in.Payments,
		Claimed: in.Claimed, Basis: basis, PoliceCase: in.PoliceCase, LossDate: in.LossDate, Words: in.Words,
		PayTo: in.PayTo.plain(), Source: source(c.actor),
	})
	if err != nil {
		return err
	}
	return c.replyAgain(wireClaim(got), known)
}

func source(a ident.Actor) string {
	switch a.Kind {
	case ident.Customer:
		return "portal"
	case ident.Key:
		return "host"
	}
	return "staff"
}

// holderOf finds whose account it is. To a customer another's account looks like
// none. known says that the claim's id is in use already.
func (s *server) holderOf(c *call, account, id string) (holder ident.ID, known bool, err error) {
	if err := ident.CheckID("account", account); err != nil {
		return "", false, err
	}
	var a party.Account
	var found bool
	err = s.cfg.DB.View(c.ctx, func(tx *db.Tx) error {
		if _, known, err = s.cfg.Claim.Get(tx, id); err != nil {
			return err
		}
		a, found, err = s.cfg.Party.Account(tx, account)
		return err
	})
	if err != nil {
		return "", false, err
	}
	if !found || c.actor.Kind == ident.Customer && a.PartyID != c.actor.ID {
		return "", false, ident.Invalid("account", "account_not_found", "there is no account %s", account)
	}
	return a.PartyID, known, nil
}

func (s *server) listClaims(c *call) error {
	f := claim.Filter{Status: claim.Status(c.str("status")), Incident: c.str("incident"), Party: c.str("party"), Open: c.str("open") != ""}
	var err error
	if f.DueBy, err = c.when("due_by"); err != nil {
		return err
	}
	if f.Limit, err = c.limit(); err != nil {
		return err
	}
	if _, f.Before, err = openCursor(c.str("cursor")); err != nil {
		return err
	}
	obj := access.Object{}
	if c.actor.Kind == ident.Customer {
		f.Party, obj.Owner = c.actor.ID, c.actor.ID
	}
	page := ClaimPage{}
	err = s.cfg.Access.View(c.ctx, c.actor, access.ActClaimList, obj, func(tx *db.Tx) error {
		cs, err := s.cfg.Claim.List(tx, f)
		if err != nil {
			return err
		}
		page = ClaimPage{Items: make([]Claim, 0, len(cs))}
		for _, one := range cs {
			page.Items = append(page.Items, wireClaim(one))
		}
		if len(cs) == f.Limit && f.DueBy.IsZero() {
			page.Next = cursor(cs[len(cs)-1].Filed, cs[len(cs)-1].ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.reply(page)
}

// transitions shows the one table of moves. What also depends on the decision is
// said in the error when it is tried.
func (s *server) transitions(c *call) error {
	obj := access.Object{}
	if c.actor.Kind == ident.Customer {
		obj.Owner = c.actor.ID
	}
	if err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, obj, func(*db.Tx) error { return nil }); err != nil {
		return err
	}
	out := Transitions{Moves: []Move{}}
	for _, e := range claim.Events() {
		out.Events = append(out.Events, string(e))
	}
	for _, from := range claim.Statuses() {
		out.Statuses = append(out.Statuses, string(from))
		for _, e := range claim.Events() {
			// One of the two decisions lets the event through if the table has it.
			for _, d := range []claim.DecisionKind{claim.ApproveFull, claim.Refuse} {
				if to, err := claim.Next(claim.Claim{Status: from, Decision: d}, e, s.cfg.Clock.Now()); err == nil {
					out.Moves = append(out.Moves, Move{From: string(from), Event: string(e), To: string(to.Status)})
					break
				}
			}
		}
	}
	return c.reply(out)
}

func (s *server) getClaim(c *call) error {
	got, story, err := s.cfg.Claim.View(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	out := ClaimFull{Claim: wireClaim(got)}
	err = s.cfg.DB.View(c.ctx, func(tx *db.Tx) error {
		out.Story, out.Decisions, out.Evidence = []ClaimStory{}, []ClaimDecision{}, []Evidence{}
		for _, e := range story {
			out.Story = append(out.Story, ClaimStory{Event: string(e.Event), By: e.By, Words: e.Words, At: e.At})
		}
		ds, err := s.cfg.Claim.Decisions(tx, got.ID)
		if err != nil {
			return err
		}
		for _, d := range ds {
			out.Decisions = append(out.Decisions, ClaimDecision{Number: d.Number, Kind: string(d.Kind), Amount: d.Amount, Ground: d.Ground,
				Proofs: list(d.Proofs), Words: d.Words, At: d.At})
		}
		files, err := s.cfg.Claim.Evidence(tx, got.ID)
		for _, e := range files {
			out.Evidence = append(out.Evidence, wireEvidence(e))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(out)
}

func wireEvidence(e claim.Evidence) Evidence {
	return Evidence{ID: e.ID, SHA256: e.SHA256, Size: e.Size, Type: e.Type, Name: e.Name, Source: e.Source, At: e.At}
}

// addEvidence takes a file. The same bytes twice are one file; that they were
// there shows in the header alone, and only to whom the service has let in.
func (s *server) addEvidence(c *call) error {
	name, r, err := c.upload()
	if err != nil {
		return err
	}
	var had []claim.Evidence
	err = s.view(c, func(tx txn) (err error) {
		had, err = s.cfg.Claim.Evidence(tx, c.id("id"))
		return err
	})
	if err != nil {
		return err
	}
	got, err := s.cfg.Claim.AddEvidence(c.ctx, c.actor, c.id("id"), name, r)
	if err != nil {
		return err
	}
	again := slices.ContainsFunc(had, func(e claim.Evidence) bool { return e.SHA256 == got.SHA256 })
	return c.replyAgain(wireEvidence(got), again)
}

// upload is a file with its name: the first file of a form, or the body itself.
func (c *call) upload() (string, io.Reader, error) {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		name, err := c.filename()
		return name, bodyReader{c.r.Body}, err
	}
	form, err := c.r.MultipartReader()
	if err != nil {
		return "", nil, ident.Invalid("", "body_malformed", "the form cannot be read").Because(err)
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return "", nil, ident.Invalid("file", "required", "there is no file in the form")
		}
		if err != nil {
			return "", nil, readError(err)
		}
		if part.FileName() != "" {
			return part.FileName(), bodyReader{part}, nil
		}
	}
}

// bodyReader gives the errors of a body their kind, wherever it is read.
type bodyReader struct{ r io.Reader }

// Read implements io.Reader.
func (b bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = readError(err)
	}
	return n, err
}

func (s *server) getEvidence(c *call) error {
	e, b, err := s.cfg.Claim.OpenEvidence(c.ctx, c.actor, c.id("id"), c.id("eid"))
	if err != nil {
		return err
	}
	return c.replyFile(b, e.Type, e.Name)
}

func (s *server) moveClaim(c *call) error {
	var in ClaimEvent
	if err := c.json(&in); err != nil {
		return err
	}
	got, err := s.cfg.Claim.Move(c.ctx, c.actor, c.id("id"), claim.Event(in.Event), in.Words)
	if err != nil {
		return err
	}
	return c.reply(wireClaim(got))
}

func (s *server) decideClaim(c *call) error {
	var in DecisionIn
	if err := c.json(&in); err != nil {
		return err
	}
	err := s.cfg.Claim.Decide(c.ctx, c.actor, c.id("id"), claim.DecisionIn{
		Kind: claim.DecisionKind(in.Kind), Amount: in.Amount, Ground: in.Ground, Proofs: in.Proofs, Words: in.Words,
	})
	if err != nil {
		return err
	}
	var got claim.Claim // who decides has just been let at this claim
	err = s.cfg.DB.View(c.ctx, func(tx *db.Tx) (err error) {
		got, _, err = s.cfg.Claim.Get(tx, c.id("id"))
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(wireClaim(got))
}

// ClaimPayIn orders the payout of one claim.
type ClaimPayIn struct {
	FundID string `json:"fund_id" doc:"the fund that pays"`
}

// ClaimPay is what became of the order.
type ClaimPay struct {
	Waiting  bool    `json:"waiting" doc:"the amount is over the limit of one person: a second one must give the same order"`
	Approval string  `json:"approval,omitempty"`
	Payout   *Payout `json:"payout,omitempty"`
}

func (s *server) payClaim(c *call) error {
	var in ClaimPayIn
	if err := c.json(&in); err != nil {
		return err
	}
	rep, err := s.cfg.Claim.Pay(c.ctx, c.actor, c.id("id"), in.FundID)
	if err != nil {
		return err
	}
	out := ClaimPay{Waiting: rep.Waiting, Approval: rep.Approval}
	if !rep.Waiting {
		p := wirePayout(rep.Payout)
		out.Payout = &p
	}
	return c.reply(out)
}

func (s *server) setPayTo(c *call) error {
	var in PayTo
	if err := c.json(&in); err != nil {
		return err
	}
	return c.empty(s.cfg.Claim.SetPayTo(c.ctx, c.actor, c.id("id"), in.plain()))
}
