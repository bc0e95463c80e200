package api

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// PaymentIn is a payment to be judged.
type PaymentIn struct {
	ID      string       `json:"id" doc:"made by the caller, for ever this payment's"`
	At      time.Time    `json:"at" doc:"when the payer made it"`
	Payer   string       `json:"payer" doc:"account, or BANK:… for money from outside"`
	Payee   string       `json:"payee" doc:"account, or BANK:… for money that leaves"`
	Amount  money.Amount `json:"amount"`
	Type    string       `json:"type" enum:"transfer,purchase,deposit,withdrawal"`
	Channel string       `json:"channel,omitempty" doc:"app, qr, face …"`
	Device  string       `json:"device,omitempty"`
	IP      string       `json:"ip,omitempty"`
	City    string       `json:"city,omitempty"`
	Settled bool         `json:"settled,omitempty" doc:"history: the host has carried it out already"`
}

// Reason is why a payment was judged as it was.
type Reason struct {
	Code   string `json:"code"`
	ZH     string `json:"zh"`
	EN     string `json:"en"`
	Weight int    `json:"weight" doc:"permille that it alone gives to the score"`
}

// Decision is what was said of a payment. A customer sees the outcome and the
// proofs, not what was measured: it would teach thieves.
type Decision struct {
	Outcome  string         `json:"outcome" enum:"allow,challenge,hold,block"`
	Score    int            `json:"score" doc:"permille"`
	Reasons  []Reason       `json:"reasons"`
	Proofs   []string       `json:"proofs" doc:"any one of them will do"`
	Features map[string]any `json:"features,omitempty" doc:"what was measured"`
	Pack     string         `json:"pack,omitempty" doc:"the rules that decided, with version"`
	Degraded bool           `json:"degraded" doc:"a rule could not be judged"`
}

// Payment is a payment with what became of it.
type Payment struct {
	PaymentIn
	State    string    `json:"state" enum:"allowed,challenged,held,blocked,settled,returned,refused"`
	Decision Decision  `json:"decision"`
	ClaimID  string    `json:"claim_id,omitempty" doc:"the claim that says it was not the payer's"`
	Created  time.Time `json:"created"`
	Version  int       `json:"version"`
}

// PaymentEvent is what happened to a payment after its decision.
type PaymentEvent struct {
	Event string `json:"event" enum:"settle,pass_challenge,fail_challenge,release,refuse,take_back"`
}

// BatchLine is the answer to one line of a batch: one of the two is set.
type BatchLine struct {
	Line    int      `json:"line" doc:"counted from 1"`
	Again   bool     `json:"again,omitempty" doc:"the answer was recorded before"`
	Payment *Payment `json:"payment,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}

// PaymentPage is a page of payments, newest first.
type PaymentPage struct {
	Items []Payment `json:"items"`
	Next  string    `json:"next"`
}

// ImportReport accounts for every row of a file.
type ImportReport struct {
	Rows     int            `json:"rows"`
	Assessed int            `json:"assessed" doc:"new"`
	Again    int            `json:"again" doc:"known already, with the same contents"`
	Outcomes map[string]int `json:"outcomes"`
	Refused  []ProblemField `json:"refused"`
}

func (s *server) paymentRoutes() []route {
	states := make([]string, 0, len(payment.States()))
	for _, st := range payment.States() {
		states = append(states, string(st))
	}
	return []route{
		{Method: "POST", Path: "/v1/payments/assess", ID: "payment-assess", Act: access.ActPaymentAssess,
			Summary: "Judge a payment before it goes", In: jsonIn[PaymentIn](), Out: jsonOut[Payment]("the decision; it is durable"),
			Text:   "The same id and body gets the recorded decision again, whatever has happened since.",
			Lookup: "/v1/payments/{id}", Do: s.assess},
		{Method: "POST", Path: "/v1/payments/assess-batch", ID: "payment-assess-batch", Act: access.ActPaymentAssess,
			Summary: "Judge many payments, one a line", Long: true, In: body{Types: []string{typeNDJSON}, Limit: importLimit,
				Doc: "one PaymentIn a line", JSON: jsonIn[PaymentIn]().JSON},
			Out: answer{Type: typeNDJSON, JSON: jsonOut[BatchLine]("").JSON,
				Doc: "one BatchLine for each line, in the same order, while the body is still being sent"},
			Text: "Blank lines are passed over. If the database cannot be reached, the lines under way get that problem and the " +
				"stream ends: lines without an answer were not judged.", Do: s.assessBatch},
		{Method: "POST", Path: "/v1/payments/import", ID: "payment-import", Act: access.ActPaymentImport,
			Summary: "Take over past payments from the host's CSV export", Long: true, In: fileIn(importLimit,
				"payment_id,time,payer,payee,amount_fen,currency,type,channel,device,ip,city in UTF-8", typeCSV),
			Out: jsonOut[ImportReport]("every row accounted for"),
			Text: "If any row cannot be read, nothing is written and every problem is named. With Accept: application/x-ndjson the " +
				"answer is a stream of {\"done\",\"total\"} and, last, {\"report\"} or {\"problem\"}. Sending the file again completes it.",
			Do: s.importPayments},
		{Method: "GET", Path: "/v1/payments", ID: "payment-list", Act: access.ActPaymentList, Summary: "Payments, newest first",
			Text: "A customer names one of their own accounts.",
			Query: []param{{Name: "account", Doc: "payer or payee"}, {Name: "device"},
				{Name: "outcome", Enum: []string{"allow", "challenge", "hold", "block", "stopped"}, Doc: "stopped: all but allow"},
				{Name: "state", Enum: states}, {Name: "from", Kind: "time"}, {Name: "to", Kind: "time"},
				{Name: "cursor"}, {Name: "limit", Kind: "integer"}},
			Out: jsonOut[PaymentPage]("a page"), Do: s.listPayments},
		{Method: "GET", Path: "/v1/payments/{id}", ID: "payment-get", Act: access.ActPaymentRead, Summary: "One payment",
			Out: jsonOut[Payment]("the payment"), Do: s.getPayment},
		{Method: "POST", Path: "/v1/payments/{id}/events", ID: "payment-event", Act: access.ActPaymentSettle,
			Summary: "Say what became of a payment", In: jsonIn[PaymentEvent](), Out: jsonOut[Payment]("the payment after it"),
			Text: "The host settles, passes, fails and takes back; a person of the operator releases and refuses. An event that has " +
				"already brought the payment where it is changes nothing.",
			Also: []access.Act{access.ActPaymentDecide}, Lookup: "/v1/payments/{id}", Do: s.advancePayment},
	}
}

func (in PaymentIn) request() payment.Request { return payment.Request(in) }

func wirePayment(p payment.Payment, actor ident.Actor) Payment {
	out := Payment{
		PaymentIn: PaymentIn(p.Request), State: string(p.State), ClaimID: p.ClaimID, Created: p.Created, Version: p.Version,
		Decision: Decision{Outcome: string(p.Decision.Outcome), Reasons: []Reason{}, Proofs: p.Decision.Proofs,
			Degraded: p.Decision.Degraded()},
	}
	if out.Decision.Proofs == nil {
		out.Decision.Proofs = []string{}
	}
	if actor.Kind == ident.Customer {
		return out
	}
	d := &out.Decision
	d.Score, d.Pack, d.Features = p.Decision.Score, p.Decision.Pack.String(), map[string]any{}
	for _, r := range p.Decision.Reasons {
		d.Reasons = append(d.Reasons, Reason(r))
	}
	for _, v := range p.Decision.Features {
		d.Features[v.Name] = v.Value
	}
	return out
}

func (s *server) assess(c *call) error {
	var in PaymentIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.ID)
	res, err := s.cfg.Payment.AssessBatch(c.ctx, c.actor, []payment.Request{in.request()})
	if err != nil {
		return err
	}
	if res[0].Err != nil {
		return res[0].Err
	}
	s.count(res)
	return c.replyAgain(wirePayment(res[0].Payment, c.actor), res[0].Again)
}

func (s *server) count(res []payment.Result) {
	n := map[risk.Outcome]int{}
	for _, r := range res {
		if r.Err == nil && !r.Again {
			n[r.Payment.Decision.Outcome]++
		}
	}
	for outcome, times := range n {
		s.meters.decided(string(outcome), times)
	}
}

func (s *server) getPayment(c *call) error {
	p, err := s.cfg.Payment.View(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	return c.reply(wirePayment(p, c.actor))
}

func (s *server) advancePayment(c *call) error {
	var in PaymentEvent
	if err := c.json(&in); err != nil {
		return err
	}
	known := false
	for _, e := range payment.Events() {
		known = known || string(e) == in.Event
	}
	if !known {
		return ident.Invalid("event", "unknown", "there is no event %q; see the document", clip(in.Event))
	}
	p, err := s.cfg.Payment.Advance(c.ctx, c.actor, c.id("id"), payment.Event(in.Event))
	if err != nil {
		return err
	}
	return c.reply(wirePayment(p, c.actor))
}

func (s *server) listPayments(c *call) error {
	f := payment.Filter{Account: c.str("account"), Device: c.str("device"), Outcome: c.str("outcome"),
		State: payment.State(c.str("state"))}
	var err error
	if f.From, err = c.when("from"); err != nil {
		return err
	}
	if f.To, err = c.when("to"); err != nil {
		return err
	}
	if f.Limit, err = c.limit(); err != nil {
		return err
	}
	if f.BeforeAt, f.Before, err = openCursor(c.str("cursor")); err != nil {
		return err
	}
	obj := access.Object{}
	if c.actor.Kind == ident.Customer {
		if obj, err = s.ownAccount(c, f.Account); err != nil {
			return err
		}
	}
	page := PaymentPage{Items: []Payment{}}
	err = s.cfg.Access.View(c.ctx, c.actor, access.ActPaymentList, obj, func(tx *db.Tx) error {
		ps, err := s.cfg.Payment.List(tx, f)
		if err != nil {
			return err
		}
		page = PaymentPage{Items: make([]Payment, 0, len(ps))}
		for _, p := range ps {
			page.Items = append(page.Items, wirePayment(p, c.actor))
		}
		if len(ps) == f.Limit {
			last := ps[len(ps)-1]
			page.Next = cursor(last.At, last.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.reply(page)
}

// ownAccount is the account that a customer's list is about. Another's account
// has another owner, so that access answers as for none.
func (s *server) ownAccount(c *call, account string) (access.Object, error) {
	if err := ident.CheckID("account", account); err != nil {
		return access.Object{}, err
	}
	obj := access.Object{ID: account}
	err := s.cfg.DB.View(c.ctx, func(tx *db.Tx) error {
		a, _, err := s.cfg.Party.Account(tx, account)
		obj.Owner = a.PartyID
		return err
	})
	return obj, err
}

// cursor names a place in a list; callers do not look into it.
func cursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(ident.Micros(at), 10) + " " + id))
}

func openCursor(s string) (at time.Time, id string, err error) {
	if s == "" {
		return at, "", nil
	}
	bad := ident.Invalid("cursor", "cursor_malformed", "this cursor is not one that was given out; begin at the first page")
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return at, "", bad
	}
	us, id, ok := strings.Cut(string(raw), " ")
	n, err := strconv.ParseInt(us, 10, 64)
	if err != nil || !ok || ident.CheckID("cursor", id) != nil {
		return at, "", bad
	}
	return ident.FromMicros(n), id, nil
}
