package payment

import (
	"context"
	"embed"
	"io/fs"
	"sync"

	"surety/domain/party"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/journal"
	"surety/platform/queue"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Config is what the package needs; all of it is required but what says otherwise.
type Config struct {
	DB     *db.DB
	Access *access.Access
	Queue  *queue.Queue
	Party  *party.Service
	Engine *risk.Engine
	Clock  ident.Clock
	// Journal makes decisions durable before they are in the database, which is many
	// times faster; Run moves them there. One process at a time may have it, so it
	// is nil where several processes share a database: each act then writes into the
	// table before it is answered.
	Journal *journal.Journal
	// Backlog is how many decisions may wait in the journal for the database, at some
	// 100 bytes of memory and 1,500 of disk each; 4,000,000 if zero. Past it, Assess
	// goes at the speed of the database and in the end says busy.
	Backlog int
}

// Service judges payments and keeps their state. It is safe for many goroutines.
type Service struct {
	cfg Config

	mu     sync.Mutex
	doubt  map[string]Request // outcome unknown, engine has them; guarded by mu
	flight map[string]bool    // ids being assessed in this process; guarded by mu
	landed *sync.Cond         // on mu: some ids have left flight

	poster
}

// New refuses a missing part. Call Rebuild before the first Assess, and Run for as
// long as there is a Journal.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Queue == nil || cfg.Party == nil || cfg.Engine == nil || cfg.Clock == nil {
		return nil, ident.E(ident.KindInternal, "config", "payment needs DB, Access, Queue, Party, Engine and Clock")
	}
	if cfg.Backlog == 0 {
		cfg.Backlog = 4_000_000
	}
	s := &Service{cfg: cfg, doubt: map[string]Request{}, flight: map[string]bool{}}
	s.landed = sync.NewCond(&s.mu)
	s.poster.init()
	return s, nil
}

// Advance moves a payment by an event. Repeating the event that brought it where
// it is changes nothing and answers the same.
func (s *Service) Advance(ctx context.Context, actor ident.Actor, id string, e Event) (out Payment, err error) {
	if err := s.awaitOne(ctx, id); err != nil {
		return Payment{}, err
	}
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
// payment belongs to one claim at most. The caller's own check covers it; Await
// before the transaction, or a payment of a moment ago is not found.
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
	if err := s.awaitOne(ctx, id); err != nil {
		return Payment{}, err
	}
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

// stands reports a state in which the payment's money went or may still go.
func stands(s State) bool { return s != Blocked && s != Refused && s != Returned }
