package payment

import (
	"bytes"
	"context"
	"embed"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"surety/domain/party"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Config is what the package needs; all of it is required.
type Config struct {
	DB     *db.DB
	Access *access.Access
	Queue  *queue.Queue
	Party  *party.Service
	Engine *risk.Engine
	Clock  ident.Clock
}

// Service judges payments and keeps their state.
type Service struct {
	cfg Config

	mu     sync.Mutex
	doubt  map[string]Request // outcome unknown, engine has them; guarded by mu
	flight map[string]bool    // ids being assessed in this process; guarded by mu
	landed *sync.Cond         // on mu: some ids have left flight
}

// New refuses a missing part. Call Rebuild before the first Assess.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Queue == nil || cfg.Party == nil || cfg.Engine == nil || cfg.Clock == nil {
		return nil, ident.E(ident.KindInternal, "config", "payment needs DB, Access, Queue, Party, Engine and Clock")
	}
	s := &Service{cfg: cfg, doubt: map[string]Request{}, flight: map[string]bool{}}
	s.landed = sync.NewCond(&s.mu)
	return s, nil
}

// take waits until none of the ids is being assessed by another caller, takes
// them all, and returns what gives them back. So an id is judged once at a time
// in this process, and the engine never forgets what another caller has counted.
func (s *Service) take(reqs []Request) (give func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	busy := func(r Request) bool { return s.flight[r.ID] }
	for slices.ContainsFunc(reqs, busy) {
		s.landed.Wait()
	}
	for _, r := range reqs {
		s.flight[r.ID] = true
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range reqs {
			delete(s.flight, r.ID)
		}
		s.landed.Broadcast()
	}
}

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
// and well-formed are written together or not at all. What was recorded before
// is answered again; what is malformed gets its own error.
//
// The critical sequence, and what a crash leaves:
//  1. look up which ids are recorded        (nothing)
//  2. decide and observe in memory          (nothing: memory goes with the process)
//  3. one durable act: rows, audit entry    (all or nothing)
//  4. on failure forget what was observed   (restart replays the journal: same state)
func (s *Service) AssessBatch(ctx context.Context, actor ident.Actor, reqs []Request) ([]Result, error) {
	if len(reqs) > maxBatch {
		return nil, ident.E(ident.KindTooLarge, "batch_too_large", "at most %d payments in one batch, got %d", maxBatch, len(reqs))
	}
	defer s.take(reqs)()
	if err := s.settleDoubt(ctx); err != nil {
		return nil, err
	}
	out := make([]Result, len(reqs))
	fresh, facts, err := s.sort(ctx, reqs, out)
	if err != nil {
		return nil, err
	}
	decided, fresh := s.decide(reqs, fresh, facts, out)
	written, err := s.write(ctx, actor, decided)
	if err != nil {
		s.undo(decided, err)
		return nil, err
	}
	for i, p := range decided {
		if written[p.ID] {
			out[fresh[i]].Payment = p
			continue
		}
		s.cfg.Engine.Forget(p.event()) // another process was first with this id
		out[fresh[i]].Again = true
	}
	return out, s.answerAgain(ctx, reqs, out)
}

// sort finds malformed requests, recorded ones and doubles within the batch,
// and returns the positions of the rest with the facts to judge them by.
func (s *Service) sort(ctx context.Context, reqs []Request, out []Result) (fresh []int, facts map[string]risk.Account, err error) {
	ids := make([]string, 0, len(reqs))
	for i, r := range reqs {
		if out[i].Err = r.Check(); out[i].Err == nil {
			ids = append(ids, r.ID)
		}
	}
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		have, err := recorded(tx, ids)
		if err != nil {
			return err
		}
		fresh, facts = nil, map[string]risk.Account{}
		first := map[string]int{}
		for i, r := range reqs {
			if out[i].Err != nil {
				continue
			}
			known, exists := have[r.ID]
			if j, twice := first[r.ID]; twice {
				known, exists = reqs[j].hash(), true
			}
			if exists {
				out[i].Again = true
				if !bytes.Equal(known, r.hash()) {
					out[i].Err = conflict(r.ID)
				}
				continue
			}
			first[r.ID] = i
			if err := s.facts(tx, facts, r.Payer, r.Payee); err != nil {
				return err
			}
			if out[i].Err = r.known(facts); out[i].Err == nil {
				fresh = append(fresh, i)
			}
		}
		return nil
	})
	return fresh, facts, err
}

// outside begins the name of an account that is not the wallet's own: a bank's.
const outside = "BANK:"

// known refuses an account that nobody has imported: a mistyped one would be
// judged as a stranger, and nobody could ever claim the payment.
func (r Request) known(facts map[string]risk.Account) error {
	for _, f := range []struct{ field, account string }{{"payer", r.Payer}, {"payee", r.Payee}} {
		if !strings.HasPrefix(f.account, outside) && facts[f.account] == (risk.Account{}) {
			return ident.Invalid(f.field, "account_not_found",
				"there is no account %s; import it first, or write %s and the number for one outside", f.account, outside)
		}
	}
	return nil
}

func conflict(id string) error {
	return ident.E(ident.KindConflict, "payment_id_taken", "payment %s was assessed before with other contents; use a new id", id)
}

func (s *Service) facts(tx *db.Tx, into map[string]risk.Account, accounts ...string) error {
	for _, id := range accounts {
		if _, done := into[id]; done {
			continue
		}
		a, found, err := s.cfg.Party.Account(tx, id)
		if err != nil {
			return err
		}
		if found {
			into[id] = risk.Account{
				Opened: a.Opened, Device: a.Device, City: a.City, Verification: string(a.Verification), Kind: string(a.Kind),
			}
		} else {
			into[id] = risk.Account{} // a stranger, such as a bank
		}
	}
	return nil
}

// decide judges the fresh requests one after another and lets the engine see
// each, so that the next is judged with it. What the engine finds wrong in itself
// gets its error; the positions of the others are returned with them.
func (s *Service) decide(reqs []Request, fresh []int, facts map[string]risk.Account, out []Result) ([]Payment, []int) {
	now := s.cfg.Clock.Now()
	var ps []Payment
	var kept []int
	for _, i := range fresh {
		r := reqs[i]
		r.At = r.At.UTC().Truncate(time.Microsecond)
		d, err := s.judge(r, risk.Facts{Payer: facts[r.Payer], Payee: facts[r.Payee]})
		if err != nil {
			out[i].Err = err
			continue
		}
		kept = append(kept, i)
		ps = append(ps, Payment{Request: r, Decision: d, State: firstState(r, d), Created: now, Version: 1})
	}
	return ps, kept
}

// judge decides and counts. History stands whatever the decision says of it.
func (s *Service) judge(r Request, f risk.Facts) (risk.Decision, error) {
	if !r.Settled {
		return s.cfg.Engine.Assess(r.event(), f)
	}
	d, err := s.cfg.Engine.Decide(r.event(), f)
	if err != nil {
		return d, err
	}
	return d, s.cfg.Engine.Observe(r.event())
}

func (r Request) event() risk.Event {
	return risk.Event{
		ID: r.ID, At: r.At, Payer: r.Payer, Payee: r.Payee, Amount: r.Amount, Type: risk.Type(r.Type), Channel: r.Channel,
		Device: r.Device, IP: r.IP, City: r.City,
	}
}

// firstState is where the decision puts the payment; history has gone already.
func firstState(r Request, d risk.Decision) State {
	if r.Settled {
		return Settled
	}
	switch d.Outcome {
	case risk.Allow:
		return Allowed
	case risk.Challenge:
		return Challenged
	case risk.Hold:
		return Held
	}
	return Blocked
}

// write puts the payments and one audit entry into one durable act.
func (s *Service) write(ctx context.Context, actor ident.Actor, ps []Payment) (written map[string]bool, err error) {
	act, object := access.ActPaymentImport, access.Object{}
	if len(ps) == 1 {
		act, object = access.ActPaymentAssess, access.Object{ID: ps[0].ID}
	}
	detail := make([][2]string, len(ps))
	for i, p := range ps {
		detail[i] = [2]string{p.ID, string(p.Decision.Outcome)}
	}
	err = s.cfg.Access.Update(ctx, actor, act, object, detail, func(tx *db.Tx) error {
		written, err = insert(tx, ps)
		return err
	})
	return written, err
}

// undo lets the engine forget what was not written; what may have been written
// is looked up before the next decision.
func (s *Service) undo(ps []Payment, cause error) {
	unknown := ident.Is(cause, ident.KindUnknown)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range ps {
		if unknown {
			s.doubt[p.ID] = p.Request
		} else {
			s.cfg.Engine.Forget(p.event())
		}
	}
}

// settleDoubt looks up the payments whose commit's answer was lost.
func (s *Service) settleDoubt(ctx context.Context) error {
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.doubt))
	s.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	var have map[string][]byte
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		have, err = recorded(tx, ids)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if _, kept := have[id]; !kept {
			s.cfg.Engine.Forget(s.doubt[id].event())
		}
		delete(s.doubt, id)
	}
	return nil
}

// answerAgain fills in the recorded answers.
func (s *Service) answerAgain(ctx context.Context, reqs []Request, out []Result) error {
	again := false
	for _, r := range out {
		again = again || r.Again && r.Err == nil
	}
	if !again {
		return nil
	}
	return s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		for i := range out {
			if !out[i].Again || out[i].Err != nil {
				continue
			}
			p, found, err := s.Get(tx, reqs[i].ID)
			if err != nil {
				return err
			}
			if !found || !bytes.Equal(p.Request.hash(), reqs[i].hash()) {
				out[i].Err = conflict(reqs[i].ID)
				continue
			}
			if err := s.count(p.Request, p.State); err != nil { // counted once, whoever wrote it
				return err
			}
			out[i].Payment = p
		}
		return nil
	})
}

// Advance moves a payment by an event. Repeating the event that brought it where
// it is changes nothing and answers the same.
func (s *Service) Advance(ctx context.Context, actor ident.Actor, id string, e Event) (out Payment, err error) {
	err = s.cfg.Access.Update(ctx, actor, actOf(e), access.Object{ID: id}, map[string]string{"event": string(e)},
		func(tx *db.Tx) error {
			p, found, err := s.Get(tx, id)
			if err != nil {
				return err
			}
			if !found {
				return ident.NotFound("payment", id)
			}
			if arrived(p, e) {
				out = p
				return nil
			}
			to, err := Next(p.State, e)
			if err != nil {
				return err
			}
			p.State, p.Version = to, p.Version+1
			out = p
			return tx.ExecOne(
				ident.E(ident.KindConflict, "payment_moved", "payment %s was changed by somebody else; look again", id),
				`update payment set state = $2, version = version + 1 where id = $1 and version = $3`, id, string(to), p.Version-1)
		})
	if err == nil && !stands(out.State) {
		err = s.cfg.Engine.Refuse(out.event())
	}
	return out, err
}

// arrived reports whether the event has already brought the payment where it is,
// so that a repeated call gets the same answer.
func arrived(p Payment, e Event) bool {
	switch e {
	case Settle:
		return p.State == Settled
	case TakeBack:
		return p.State == Returned
	case Refuse, FailChallenge:
		return p.State == Refused
	case PassChallenge:
		return p.State == Allowed && p.Decision.Outcome == risk.Challenge
	case Release:
		return p.State == Allowed && p.Decision.Outcome == risk.Hold
	}
	return false
}

func actOf(e Event) access.Act {
	if e == Release || e == Refuse {
		return access.ActPaymentDecide
	}
	return access.ActPaymentSettle
}

// ReportTx marks a payment as one that a claim says was not the payer's. A
// payment belongs to one claim at most. The caller's own check covers it.
func (s *Service) ReportTx(tx *db.Tx, id string, claim ident.ID) error {
	return tx.ExecOne(
		ident.E(ident.KindConflict, "payment_claimed", "payment %s does not exist or belongs to another claim already", id),
		`update payment set claim_id = $2, version = version + 1 where id = $1 and (claim_id = '' or claim_id = $2)`, id, claim)
}

// UnreportTx unties the payments of a claim that was withdrawn.
func (s *Service) UnreportTx(tx *db.Tx, claim ident.ID) error {
	_, err := tx.Exec(`update payment set claim_id = '', version = version + 1 where claim_id = $1`, claim)
	return err
}

// View shows a payment to an actor; a customer sees only their own.
func (s *Service) View(ctx context.Context, actor ident.Actor, id string) (p Payment, err error) {
	var owner ident.ID
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		var found bool
		if p, found, err = s.Get(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("payment", id)
		}
		a, _, err := s.cfg.Party.Account(tx, p.Payer)
		owner = a.PartyID
		return err
	})
	if err != nil {
		return Payment{}, err
	}
	err = s.cfg.Access.View(ctx, actor, access.ActPaymentRead, access.Object{ID: id, Owner: owner},
		func(*db.Tx) error { return nil })
	if err != nil {
		return Payment{}, err
	}
	return p, nil
}

// Rebuild replays the journal into the engine, as a start does. It returns how
// many payments there were.
func (s *Service) Rebuild(ctx context.Context) (n int, err error) {
	var reqs []Request
	var states []State
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		reqs, states = nil, nil
		return tx.Rows(`select id, at, payer, payee, amount, currency, type, channel, device, ip, city, state
from payment order by at, id`, nil, func(scan func(...any) error) error {
			var r Request
			var at int64
			var st State
			if err := scan(&r.ID, &at, &r.Payer, &r.Payee, &r.Amount.Minor, &r.Amount.Currency, &r.Type, &r.Channel,
				&r.Device, &r.IP, &r.City, &st); err != nil {
				return err
			}
			r.At = ident.FromMicros(at)
			reqs, states = append(reqs, r), append(states, st)
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	for i, r := range reqs {
		if err := s.count(r, states[i]); err != nil {
			return i, err
		}
	}
	return len(reqs), nil
}

// count lets the engine know a payment of the journal; a second time changes nothing.
func (s *Service) count(r Request, st State) error {
	if stands(st) {
		return s.cfg.Engine.Observe(r.event())
	}
	return s.cfg.Engine.Refuse(r.event())
}

// stands reports a state in which the payment's money went or may still go.
func stands(s State) bool { return s != Blocked && s != Refused && s != Returned }
