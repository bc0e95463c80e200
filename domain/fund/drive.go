package fund

import (
	"cmp"
	"context"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

// railJob is the body of this package's jobs.
type railJob struct {
	Payout ident.ID `json:"payout"`
	Try    int      `json:"try"` // how often it has been asked about
}

// The waits between two looks at a payout: doubled from the first to the last.
const (
	firstLook = 2 * time.Second
	lastLook  = time.Hour
)

// wait is how long to wait before the n-th look.
func wait(n int) time.Duration {
	d := firstLook
	for ; n > 0 && d < lastLook; n-- {
		d *= 2
	}
	return min(d, lastLook)
}

// jobActor does what nobody ordered anew: a rail's answer, a look.
var jobActor = ident.Job("payout")

// drive brings one payout a step further: it sends what was never sent, asks
// about what was, and sends again, under the same id, only what the rail says it
// has never seen and has never said that it took. It is the handler of the first sending and of every later
// look, so a crash at any point is taken up by the same code:
//
//  1. approved -> sending is written   a crash leaves sending: looked up first
//  2. the rail is called               a crash leaves sending: looked up first
//  3. the answer is written, with the ledger, the event, and the next look
//     a crash leaves 2; asking again gives the same answer
func (s *Service) drive(ctx context.Context, j queue.Job) error {
	var b railJob
	if err := j.Decode(&b); err != nil {
		return err
	}
	p, found, err := s.load(ctx, b.Payout)
	if err != nil || !found || p.State.Final() {
		return err
	}
	if p.To.Rail == RailBank {
		return s.bankIsSilent(ctx, p)
	}
	if s.cfg.Wallet == nil {
		return ident.E(ident.KindState, "rail_missing", "paying by wallet is not set up; payout %s waits", p.ID)
	}
	a, err := s.ask(ctx, &p)
	if mine, yes := err.(ours); yes {
		return mine.error // the job is tried again
	}
	return s.answer(ctx, j, b, p, a, err)
}

// ours marks an error of our own database, which says nothing about the rail.
type ours struct{ error }

// railForgot is the code of a rail that does not know any more what it took.
const railForgot = "rail_forgot"

// ask calls the rail as the payout's state demands.
func (s *Service) ask(ctx context.Context, p *Payout) (Answer, error) {
	if p.State == Approved {
		if err := s.step(ctx, p, access.ActFundPay, Begin); err != nil {
			return Answer{}, ours{err}
		}
		return s.cfg.Wallet.Send(ctx, *p)
	}
	a, err := s.cfg.Wallet.Lookup(ctx, *p)
	if err != nil || a.Status != StatusAbsent {
		return a, err
	}
	if p.State == Sent || !p.Sent.IsZero() { // never again, however often it is asked: it may have been paid
		return Answer{}, ident.E(ident.KindUnknown, railForgot, "the rail had taken it and does not know it any more")
	}
	if p.State == Unknown {
		if err := s.step(ctx, p, access.ActFundReconcile, Resend); err != nil {
			return Answer{}, ours{err}
		}
	}
	return s.cfg.Wallet.Send(ctx, *p)
}

// step is a move in an act of its own.
func (s *Service) step(ctx context.Context, p *Payout, act access.Act, e Event) error {
	var q Payout
	err := s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		q = *p
		return s.move(tx, jobActor, act, &q, e, nil)
	})
	if err == nil {
		*p = q
	}
	return err
}

// answer writes what the rail said, and when to ask again if that is not the end.
func (s *Service) answer(ctx context.Context, j queue.Job, b railJob, p Payout, a Answer, railErr error) error {
	return s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		q, now := p, s.cfg.Clock.Now()
		switch {
		case railErr != nil:
			why := cmp.Or(ident.CodeOf(railErr), "rail_failed")
			if q.State == Sending || q.State == Sent && why == railForgot { // a look that failed tells nothing new of the others
				if err := s.move(tx, jobActor, access.ActFundReconcile, &q, Lose, func(q *Payout) { q.Reason = why }); err != nil {
					return err
				}
			}
		case a.Status == StatusSettled:
			return s.finish(tx, jobActor, &q, Settle, clean(a.Ref, maxID), "")
		case a.Status == StatusRejected:
			return s.finish(tx, jobActor, &q, Reject, clean(a.Ref, maxID), clean(a.Reason, maxText))
		case q.State != Sent: // accepted
			err := s.move(tx, jobActor, access.ActFundSettle, &q, Accept, func(q *Payout) {
				q.Sent, q.RailRef, q.Reason = now, clean(a.Ref, maxID), ""
			})
			if err != nil {
				return err
			}
		}
		// The key names the job that puts it, so that a repeated try puts it once.
		return s.cfg.Queue.Put(tx, jobReconcile, q.ID+"/"+j.ID, railJob{Payout: q.ID, Try: b.Try + 1}, now.Add(wait(b.Try)))
	})
}

// bankIsSilent marks a bank payout that nobody answered for. Only the bank's file
// or a person can resolve it: files cannot be asked.
func (s *Service) bankIsSilent(ctx context.Context, p Payout) error {
	if p.State != Sent {
		return nil
	}
	return s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		q := p
		return s.move(tx, jobActor, access.ActFundReconcile, &q, Lose, func(q *Payout) { q.Reason = "bank_silent" })
	})
}

// Reconcile asks the rail about a payout now, because a person wants to know.
func (s *Service) Reconcile(ctx context.Context, actor ident.Actor, id ident.ID) error {
	return s.cfg.Access.Update(ctx, actor, access.ActFundReconcile, access.Object{ID: id}, nil, func(tx *db.Tx) error {
		p, found, err := s.Payout(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("payout", id)
		}
		if p.To.Rail != RailWallet || p.State == Approved || p.State.Final() {
			return ident.E(ident.KindState, "payout_"+string(p.State),
				"there is nothing to ask about a %s payout that is %s", p.To.Rail, p.State)
		}
		return s.cfg.Queue.Put(tx, jobReconcile, s.cfg.IDs.New("ask"), railJob{Payout: id}, s.cfg.Clock.Now())
	})
}

// load reads a payout in a View.
func (s *Service) load(ctx context.Context, id ident.ID) (p Payout, found bool, err error) {
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		p, found, err = s.Payout(tx, id)
		return err
	})
	return p, found, err
}
