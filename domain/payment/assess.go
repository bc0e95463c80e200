package payment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"surety/domain/party"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
)

// Result is the answer for one payment of a batch.
type Result struct {
	Payment Payment
	Err     error
	Again   bool // the answer was recorded before
}

// Assess judges one payment and answers once the answer is durable.
func (s *Service) Assess(ctx context.Context, actor ident.Actor, r Request) (Payment, error) {
	res, err := s.AssessBatch(ctx, actor, []Request{r})
	if err != nil {
		return Payment{}, err
	}
	return res[0].Payment, res[0].Err
}

// maxBatch bounds one batch, so that its neighbours in the commit do not wait.
const maxBatch = 1000

// AssessBatch judges payments in the order given, in one act: all that are new
// and well-formed are made durable together or not at all. What was recorded
// before is answered again; what is malformed gets its own error. The package
// comment has the critical sequence.
//
// Errors of the whole batch: KindDenied; KindTooLarge; KindUnavailable (nothing was
// done: send the same again; code busy if the database is too far behind);
// KindUnknown (it may have happened: send the same again, with the same ids).
func (s *Service) AssessBatch(ctx context.Context, actor ident.Actor, reqs []Request) ([]Result, error) {
	if len(reqs) > maxBatch {
		return nil, ident.E(ident.KindTooLarge, "batch_too_large", "at most %d payments in one batch, got %d", maxBatch, len(reqs))
	}
	reqs = s.hidePhones(reqs)
	if s.cfg.Journal != nil {
		return s.assessJournal(ctx, actor, reqs)
	}
	return s.assessDirect(ctx, actor, reqs)
}

// hidePhones puts the keyed index in the place of each telephone number, before
// anything is made of the requests: a hash of a number could be guessed.
func (s *Service) hidePhones(reqs []Request) []Request {
	given := func(r Request) bool { return r.Phone != "" }
	if !slices.ContainsFunc(reqs, given) {
		return reqs
	}
	reqs = slices.Clone(reqs)
	for i := range reqs {
		index := s.cfg.Party.PhoneIndex(reqs[i].Phone)
		if len(reqs[i].Phone) <= maxText && len(index) > 0 { // others are refused by check
			reqs[i].Phone = hex.EncodeToString(index)
		}
	}
	return reqs
}

// batchAct is the act that a call is.
func batchAct(reqs []Request) (access.Act, access.Object) {
	if len(reqs) == 1 && ident.CheckID("id", reqs[0].ID) == nil {
		return access.ActPaymentAssess, access.Object{ID: reqs[0].ID}
	}
	return access.ActPaymentImport, access.Object{}
}

// outside begins the name of an account that is not the wallet's own: a bank's.
const outside = "BANK:"

// known refuses an account that nobody has imported: a mistyped one would be
// judged as a stranger, and nobody could ever claim the payment.
func (r *Request) known(payer, payee *party.Facts) error {
	for _, f := range [...]struct {
		field, account string
		known          bool
	}{{"payer", r.Payer, payer.Known()}, {"payee", r.Payee, payee.Known()}} {
		if !f.known && !strings.HasPrefix(f.account, outside) {
			return ident.Invalid(f.field, "account_not_found",
				"there is no account %s; import it first, or write %s and the number for one outside", f.account, outside)
		}
	}
	return nil
}

func conflict(id string) error {
	return ident.E(ident.KindConflict, "payment_id_taken", "payment %s was assessed before with other contents; use a new id", id)
}

// decided is one payment that the engine has judged and counted. The text of the
// decision is not in its row yet.
type decided struct {
	row
	place    int // in the batch
	decision risk.Decision
}

func (d *decided) payment() Payment {
	return Payment{Request: d.Request, State: d.state, Decision: d.decision, Created: ident.FromMicros(d.created), Version: 1}
}

// decide judges the requests at the places in their order and lets the engine see
// each, so that the next is judged with it. Those that name an unknown account, and
// what the engine finds wrong in itself, get their error in out.
func (s *Service) decide(ctx context.Context, reqs []Request, hashes func(i int) [sha256.Size]byte, fresh []int,
	out []Result) ([]decided, error) {
	accounts := make([]string, 0, 2*len(fresh))
	for _, i := range fresh {
		accounts = append(accounts, reqs[i].Payer, reqs[i].Payee)
	}
	known := make([]party.Facts, len(accounts))
	if err := s.cfg.Party.Facts(ctx, s.cfg.DB, accounts, known); err != nil {
		return nil, err
	}
	j := judging{s: s, events: make([]risk.Event, 0, len(fresh)), facts: make([]risk.Facts, 0, len(fresh))}
	places := make([]int, 0, len(fresh))
	for n, i := range fresh {
		payer, payee := &known[2*n], &known[2*n+1]
		if err := reqs[i].known(payer, payee); err != nil {
			out[i].Err = err
			continue
		}
		places = append(places, i)
		j.add(&reqs[i], payer, payee)
	}
	j.run()
	now := ident.Micros(s.cfg.Clock.Now())
	ds := make([]decided, 0, len(places))
	for n, i := range places {
		if j.errs[n] != nil {
			out[i].Err = j.errs[n]
			continue
		}
		d := decided{place: i, row: row{Request: reqs[i], hash: hashes(i), created: now}, decision: j.out[n]}
		d.At, d.outcome, d.score = j.events[n].At, string(d.decision.Outcome), d.decision.Score
		d.state = firstState(&d.Request, &d.decision)
		ds = append(ds, d)
	}
	return ds, nil
}

// judging is what the engine is asked in one batch, in order.
type judging struct {
	s       *Service
	events  []risk.Event
	facts   []risk.Facts
	history []bool // it has gone already
	out     []risk.Decision
	errs    []error
}

func (j *judging) add(r *Request, payer, payee *party.Facts) {
	j.events = append(j.events, r.event())
	j.facts = append(j.facts, risk.Facts{Payer: riskAccount(payer), Payee: riskAccount(payee)})
	j.history = append(j.history, r.Settled)
}

// run decides and counts, payments that follow each other together. History stands
// whatever the decision says of it.
func (j *judging) run() {
	n := len(j.events)
	j.out, j.errs = make([]risk.Decision, n), make([]error, n)
	for from := 0; from < n; {
		to := from
		for to < n && !j.history[to] {
			to++
		}
		switch to - from {
		case 0:
		case 1:
			j.out[from], j.errs[from] = j.s.cfg.Engine.Assess(j.events[from], j.facts[from])
		default:
			j.s.cfg.Engine.AssessBatch(j.events[from:to], j.facts[from:to], j.out[from:to], j.errs[from:to])
		}
		for ; to < n && j.history[to]; to++ {
			if j.out[to], j.errs[to] = j.s.cfg.Engine.Decide(j.events[to], j.facts[to]); j.errs[to] == nil {
				j.errs[to] = j.s.cfg.Engine.Observe(j.events[to])
			}
		}
		from = to
	}
}

func decodeDecision(text string, d *risk.Decision) error { return json.Unmarshal([]byte(text), d) }

func riskAccount(f *party.Facts) risk.Account {
	return risk.Account{
		Opened: f.Opened, Device: f.Device, City: f.City, Verification: string(f.Verification), Kind: string(f.Kind),
		NameIndex: f.NameIndex, PhoneIndex: f.PhoneIndex,
	}
}

func (r *Request) event() risk.Event {
	return risk.Event{
		ID: r.ID, At: r.At.UTC().Truncate(time.Microsecond), Payer: r.Payer, Payee: r.Payee, Amount: r.Amount, Type: risk.Type(r.Type),
		Channel: r.Channel, Device: r.Device, IP: r.IP, City: r.City, Terminal: r.Terminal, Merchant: r.Merchant, Card: r.Card,
		Phone: r.Phone, Region: r.Region, Place: risk.Place{Lat: r.Lat.Micro, Lon: r.Lon.Micro, Given: r.Lat.Given},
	}
}

// count lets the engine know a recorded payment; a second time changes nothing.
func (s *Service) count(r *Request, st State) error {
	if stands(st) {
		return s.cfg.Engine.Observe(r.event())
	}
	return s.cfg.Engine.Refuse(r.event())
}
