package api

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

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

	Terminal string `json:"terminal,omitempty" doc:"the till or the reader"`
	Merchant string `json:"merchant,omitempty" doc:"the shop, where it is not the payee itself"`
	Card     string `json:"card,omitempty" doc:"the host's own name for the card; a card's number is refused"`
	Phone    string `json:"phone,omitempty" doc:"the telephone number that is used; it is kept as a keyed index only and never told back"`
	Region   string `json:"region,omitempty" doc:"as fine as watches need it; the city if left out"`
	Lat      Degree `json:"lat,omitzero" doc:"where it is made, degrees north; with lon or not at all"`
	Lon      Degree `json:"lon,omitzero" doc:"degrees east"`
}

// Degree is a latitude or longitude, exact to a millionth of a degree.
type Degree payment.Degree

// IsZero reports whether it is unknown.
func (d Degree) IsZero() bool { return !d.Given }

// MarshalJSON writes a decimal number.
func (d Degree) MarshalJSON() ([]byte, error) { return payment.Degree(d).MarshalJSON() }

// UnmarshalJSON reads a decimal number, rounded to the nearest millionth.
func (d *Degree) UnmarshalJSON(b []byte) error { return (*payment.Degree)(d).UnmarshalJSON(b) }

// Schema implements huma.SchemaProvider: a number.
func (Degree) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "number", Minimum: pointer(-180.0), Maximum: pointer(180.0), Examples: []any{29.552106}}
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
		s.ingestRoute(),
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

func (in *PaymentIn) request() payment.Request {
	return payment.Request{ID: in.ID, At: in.At, Payer: in.Payer, Payee: in.Payee, Amount: in.Amount, Type: in.Type, Channel: in.Channel,
		Device: in.Device, IP: in.IP, City: in.City, Settled: in.Settled, Terminal: in.Terminal, Merchant: in.Merchant, Card: in.Card,
		Phone: in.Phone, Region: in.Region, Lat: payment.Degree(in.Lat), Lon: payment.Degree(in.Lon)}
}

// wireRequest is a payment as it came, but for the telephone number, of which only
// an index is kept.
func wireRequest(r payment.Request) PaymentIn {
	return PaymentIn{ID: r.ID, At: r.At, Payer: r.Payer, Payee: r.Payee, Amount: r.Amount, Type: r.Type, Channel: r.Channel,
		Device: r.Device, IP: r.IP, City: r.City, Settled: r.Settled, Terminal: r.Terminal, Merchant: r.Merchant, Card: r.Card,
		Region: r.Region, Lat: Degree(r.Lat), Lon: Degree(r.Lon)}
}

func wirePayment(p payment.Payment, actor ident.Actor) Payment {
	out := Payment{
		PaymentIn: wireRequest(p.Request), State: string(p.State), ClaimID: p.ClaimID, Created: p.Created, Version: p.Version,
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
	for v := range p.Decision.Features.All() {
		d.Features[v.Name] = v.Value
	}
	return out
}

// appendPayment writes what json.Marshal writes of wirePayment for a program of the
// host, but for the order of the features: without reflection, for it is done for
// every payment.
func appendPayment(b []byte, p *payment.Payment) []byte {
	b = appendRequest(append(b, '{'), &p.Request)
	b = appendText(append(b, `,"state":`...), string(p.State))
	d := &p.Decision
	b = appendText(append(b, `,"decision":{"outcome":`...), string(d.Outcome))
	b = strconv.AppendInt(append(b, `,"score":`...), int64(d.Score), 10)
	b = append(b, `,"reasons":[`...)
	for i := range d.Reasons {
		r := &d.Reasons[i]
		b = appendText(append(comma(b, i), `{"code":`...), r.Code)
		b = appendText(append(b, `,"zh":`...), r.ZH)
		b = appendText(append(b, `,"en":`...), r.EN)
		b = append(strconv.AppendInt(append(b, `,"weight":`...), int64(r.Weight), 10), '}')
	}
	b = append(b, `],"proofs":[`...)
	for i, proof := range d.Proofs {
		b = appendText(comma(b, i), proof)
	}
	b = append(b, ']')
	if d.Features.Len() > 0 {
		b = d.Features.AppendJSON(append(b, `,"features":`...))
	}
	if pack := d.Pack.String(); pack != "" {
		b = appendText(append(b, `,"pack":`...), pack)
	}
	b = strconv.AppendBool(append(b, `,"degraded":`...), d.Degraded())
	b = append(b, '}')
	if p.ClaimID != "" {
		b = appendText(append(b, `,"claim_id":`...), p.ClaimID)
	}
	b = appendTime(append(b, `,"created":`...), p.Created)
	return append(strconv.AppendInt(append(b, `,"version":`...), int64(p.Version), 10), '}')
}

// appendRequest writes the fields of a PaymentIn.
func appendRequest(b []byte, r *payment.Request) []byte {
	b = appendText(append(b, `"id":`...), r.ID)
	b = appendTime(append(b, `,"at":`...), r.At)
	b = appendText(append(b, `,"payer":`...), r.Payer)
	b = appendText(append(b, `,"payee":`...), r.Payee)
	b = strconv.AppendInt(append(b, `,"amount":{"value":`...), r.Amount.Minor, 10)
	b = appendText(append(b, `,"currency":`...), string(r.Amount.Currency))
	b = appendText(append(b, `},"type":`...), r.Type)
	for _, f := range [...]struct {
		name string
		v    *string
	}{{`,"channel":`, &r.Channel}, {`,"device":`, &r.Device}, {`,"ip":`, &r.IP}, {`,"city":`, &r.City}} {
		if *f.v != "" {
			b = appendText(append(b, f.name...), *f.v)
		}
	}
	if r.Settled {
		b = append(b, `,"settled":true`...)
	}
	for _, f := range [...]struct {
		name string
		v    *string
	}{{`,"terminal":`, &r.Terminal}, {`,"merchant":`, &r.Merchant}, {`,"card":`, &r.Card}, {`,"region":`, &r.Region}} {
		if *f.v != "" {
			b = appendText(append(b, f.name...), *f.v)
		}
	}
	for _, f := range [...]struct {
		name string
		d    payment.Degree
	}{{`,"lat":`, r.Lat}, {`,"lon":`, r.Lon}} {
		if text, _ := f.d.MarshalJSON(); f.d.Given {
			b = append(append(b, f.name...), text...)
		}
	}
	return b
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// appendText writes a JSON text.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= 0x7f {
			text, err := json.Marshal(s)
			if err != nil { // a string always encodes
				return append(b, `""`...)
			}
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func (s *server) assess(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := decodePayment(body)
	if err != nil {
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
	if res[0].Again || c.actor.Kind == ident.Customer {
		return c.replyAgain(wirePayment(res[0].Payment, c.actor), res[0].Again)
	}
	buf := c.s.buffer()
	defer c.s.release(buf)
	*buf = append(appendPayment((*buf)[:0], &res[0].Payment), '\n')
	c.replyBytes(*buf)
	return nil
}

func (s *server) count(res []payment.Result) {
	outcomes := [...]risk.Outcome{risk.Allow, risk.Challenge, risk.Hold, risk.Block}
	var n [len(outcomes)]int
	for i := range res {
		if res[i].Err != nil || res[i].Again {
			continue
		}
		for k, o := range outcomes {
			if o == res[i].Payment.Decision.Outcome {
				n[k]++
			}
		}
	}
	for k, times := range n {
		if times > 0 {
			s.meters.decided(string(outcomes[k]), times)
		}
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
