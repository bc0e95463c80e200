package fund

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

// Batch is one file for the bank. ID is also the message's id (MsgId), by which
// the bank knows a file that it gets twice.
type Batch struct {
	ID      ident.ID     `json:"id"`
	Count   int          `json:"count"`
	Amount  money.Amount `json:"amount"`
	Written bool         `json:"written"` // the file is in the folder
	Created time.Time    `json:"created"`
	File    string       `json:"file"` // its name in Config.OutDir

	debtor Debtor
}

// maxBatch bounds a file, and so the act that composes it.
const maxBatch = 500

// sendBatch sees to it that the payout of the job is in a file. The first such
// job gathers all payouts that wait; the jobs of the others find them gathered.
//
//  1. the batch is composed: its payouts, id and time are stored, in one act
//  2. the file is written    a crash before 3 writes the very same bytes again
//  3. the batch is marked written and its payouts sent, in one act
func (s *Service) sendBatch(ctx context.Context, j queue.Job) error {
	var b railJob
	if err := j.Decode(&b); err != nil {
		return err
	}
	p, found, err := s.load(ctx, b.Payout)
	for found && err == nil && p.State == Approved { // more than once if very many wait
		err = s.compose(ctx, p.Amount.Currency)
		if err == nil || ident.CodeOf(err) == "batch_busy" { // the other process has moved some of them
			p, found, err = s.load(ctx, b.Payout)
		}
	}
	if err != nil || !found || p.Batch == "" {
		return err
	}
	batch, payouts, err := s.batch(ctx, p.Batch)
	if err != nil || batch.Written {
		return err
	}
	if s.cfg.OutDir == "" {
		return ident.E(ident.KindState, "rail_missing", "paying by bank is not set up; batch %s waits", batch.ID)
	}
	file, err := pain001(batch, payouts, s.cfg.Zone)
	if err != nil {
		return err
	}
	if err := writeFile(s.cfg.OutDir, batch.File, file); err != nil {
		return err
	}
	return s.written(ctx, batch)
}

// compose gathers the approved bank payouts of a currency into a batch. Payouts
// that another process takes at the same time are left to it.
func (s *Service) compose(ctx context.Context, c money.Currency) error {
	debtor, err := json.Marshal(s.cfg.Debtor)
	if err != nil {
		return err
	}
	return s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		waiting, err := s.payouts(tx, `where p.state = 'approved' and p.rail = 'bank' and p.currency = $1 order by p.id limit $2`,
			string(c), maxBatch)
		if err != nil {
			return err
		}
		id, now, sum, n := s.cfg.IDs.New("bat"), s.cfg.Clock.Now(), money.Of(0, c), 0
		for _, p := range waiting {
			err := s.move(tx, jobActor, access.ActFundPay, &p, Begin, func(p *Payout) { p.Batch = id })
			if ident.CodeOf(err) == "payout_moved" {
				return ident.E(ident.KindUnavailable, "batch_busy",
					"another process is composing a batch; it is looked at again").Because(err)
			}
			if err != nil {
				return err
			}
			if sum, err = sum.Add(p.Amount); err != nil {
				return err
			}
			n++
		}
		if n == 0 {
			return nil
		}
		_, err = tx.Exec(`insert into fund_batch (id, currency, count, amount, debtor, state, created, written)
			values ($1, $2, $3, $4, $5, 'composed', $6, 0)`, id, string(c), n, sum.Minor, string(debtor), ident.Micros(now))
		return err
	})
}

// batch reads a batch and its payouts, by id, as they were composed: all that
// stands in the file is of fields that never change.
func (s *Service) batch(ctx context.Context, id ident.ID) (b Batch, ps []Payout, err error) {
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		bs, err := batches(tx, "where id = $1", id)
		if err != nil {
			return err
		}
		if len(bs) == 0 {
			return ident.NotFound("batch", id)
		}
		b = bs[0]
		ps, err = s.payouts(tx, "where p.batch = $1 order by p.id", id)
		return err
	})
	if err == nil && len(ps) != b.Count {
		err = ident.E(ident.KindInternal, "batch_changed",
			"batch %s was composed of %d payouts and has %d", id, b.Count, len(ps))
	}
	return b, ps, err
}

// written marks that the file is there, once.
func (s *Service) written(ctx context.Context, b Batch) error {
	return s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		now := s.cfg.Clock.Now()
		n, err := tx.Exec("update fund_batch set state = 'written', written = $1 where id = $2 and state = 'composed'",
			ident.Micros(now), b.ID)
		if err != nil || n == 0 {
			return err
		}
		// A quick bank may have answered some already: those are not sending any more.
		ps, err := s.payouts(tx, "where p.batch = $1 and p.state = 'sending' order by p.id", b.ID)
		if err != nil {
			return err
		}
		for _, p := range ps {
			if err := s.move(tx, jobActor, access.ActFundSettle, &p, Accept, func(p *Payout) { p.Sent = now }); err != nil {
				return err
			}
			if err := s.cfg.Queue.Put(tx, jobReconcile, p.ID, railJob{Payout: p.ID}, now.Add(s.cfg.BankSilence)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Batches lists the latest batches, newest first; 100 if limit is zero.
func (s *Service) Batches(tx *db.Tx, limit int) ([]Batch, error) {
	if limit <= 0 {
		limit = 100
	}
	return batches(tx, "order by created desc, id desc limit $1", limit)
}

func batches(tx *db.Tx, where string, args ...any) ([]Batch, error) {
	var out []Batch
	err := tx.Rows("select id, currency, count, amount, debtor, state, created from fund_batch "+where, args,
		func(scan func(...any) error) error {
			var b Batch
			var minor, created int64
			var currency, debtor, state string
			if err := scan(&b.ID, &currency, &b.Count, &minor, &debtor, &state, &created); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(debtor), &b.debtor); err != nil {
				return ident.E(ident.KindInternal, "batch_debtor", "the debtor of batch %s cannot be read", b.ID)
			}
			b.Amount, b.Written = money.Of(minor, money.Currency(currency)), state == "written"
			b.Created, b.File = ident.FromMicros(created), b.ID+".xml"
			out = append(out, b)
			return nil
		})
	return slices.Clip(out), err
}
