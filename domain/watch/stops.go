package watch

import (
	"bytes"
	"context"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// StopResult is what became of an order.
type StopResult struct {
	Stop     Stop
	Waiting  bool     // a second person must agree
	Approval ident.ID // the request that both sign, "" if one person is enough
	Again    bool     // the order was known, and this call has changed nothing
}

// object is what an approval of a stop is about.
func object(id ident.ID) ident.ID { return "stop." + id }

const approveTTL = 24 * time.Hour

// MakeStop orders a stop. Where one person is enough it is active at once;
// otherwise it is proposed, and the same order by another one, or ApproveStop,
// makes it active. The same order again changes nothing.
func (s *Service) MakeStop(ctx context.Context, actor ident.Actor, in StopIn) (StopResult, error) {
	var out StopResult
	now := s.cfg.Clock.Now()
	in.Until = in.Until.UTC().Truncate(time.Microsecond)
	detail := map[string]any{"order": in}
	err := s.cfg.Access.Update(ctx, actor, access.ActWatchStop, access.Object{ID: in.ID}, detail, func(tx *db.Tx) error {
		out = StopResult{}
		have, found, err := s.Stop(tx, in.ID)
		if err != nil {
			return err
		}
		if found {
			out, err = s.again(tx, actor, have, in)
			return err
		}
		if err := in.check(now); err != nil {
			return err
		}
		st := Stop{StopIn: in, State: Active, From: now, By: actor.ID, Created: now, Version: 1}
		if st.body, err = in.hash(); err != nil {
			return err
		}
		if in.TwoPeople() {
			st.State = Proposed
		}
		if err := insertStop(tx, &st); err != nil {
			return err
		}
		out.Stop = st
		if st.State == Proposed {
			if out.Approval, err = s.ask(tx, actor, &st, Approve, st.Until); err != nil {
				return err
			}
			out.Waiting = true
			return nil
		}
		return s.actedOn(tx, actor, in.Alarm, now)
	})
	return out, s.after(ctx, err)
}

// again answers an order that is known; of a proposed stop it is the signature of
// whoever has not signed.
func (s *Service) again(tx *db.Tx, actor ident.Actor, have Stop, in StopIn) (StopResult, error) {
	body, err := in.hash()
	if err != nil {
		return StopResult{}, err
	}
	if !bytes.Equal(body, have.body) {
		return StopResult{}, ident.E(ident.KindConflict, "stop_id_taken", "there is another stop %s; use a new id", in.ID)
	}
	if have.State == Proposed {
		return s.approve(tx, actor, have)
	}
	return StopResult{Stop: have, Again: true}, nil
}

// ApproveStop is the second person's word on a proposed stop as it stands. The
// first person again is told that it waits.
func (s *Service) ApproveStop(ctx context.Context, actor ident.Actor, id ident.ID) (StopResult, error) {
	var out StopResult
	detail := map[string]any{"event": Approve}
	err := s.cfg.Access.Update(ctx, actor, access.ActWatchStop, access.Object{ID: id}, detail, func(tx *db.Tx) error {
		out = StopResult{}
		st, err := s.needStop(tx, id)
		if err != nil {
			return err
		}
		if st.State == Active && st.Second == actor.ID { // the same word again
			out.Stop = st
			return nil
		}
		out, err = s.approve(tx, actor, st)
		return err
	})
	return out, s.after(ctx, err)
}

func (s *Service) approve(tx *db.Tx, actor ident.Actor, st Stop) (StopResult, error) {
	now := s.cfg.Clock.Now()
	to, err := NextStop(st.State, Approve)
	if err != nil {
		return StopResult{}, err
	}
	if !st.Until.After(now) {
		return StopResult{}, ident.E(ident.KindState, "stop_expired", "the time of stop %s is over; order another", st.ID)
	}
	out := StopResult{Stop: st}
	if out.Waiting, out.Approval, err = s.sign(tx, actor, &st, Approve, st.Until); err != nil || out.Waiting {
		return out, err
	}
	st.State, st.Second, st.From = to, actor.ID, now
	if err := updateStop(tx, &st); err != nil {
		return out, err
	}
	out.Stop = st
	return out, s.actedOn(tx, actor, st.Alarm, now)
}

// signed is what two people sign: the order, what is to happen to it, and the
// version that they looked at.
type signed struct {
	Stop    StopIn    `json:"stop"`
	Event   StopEvent `json:"event"`
	Until   time.Time `json:"until"`
	Version int       `json:"version"`
}

func (s *Service) content(st *Stop, e StopEvent, until time.Time) ([32]byte, error) {
	return access.ContentHash(signed{st.StopIn, e, until, st.Version})
}

// ask opens the request and signs it first. A stop has no row of its own in the
// table of acts that two people approve: like a pack it puts rules into force, so
// the act is access.ActRiskPublish, on the object "stop.ID".
func (s *Service) ask(tx *db.Tx, actor ident.Actor, st *Stop, e StopEvent, until time.Time) (ident.ID, error) {
	hash, err := s.content(st, e, until)
	if err != nil {
		return "", err
	}
	words := st.summary()
	if e == Extend {
		words = "extend until " + until.Format(time.RFC3339) + ": " + words
	}
	a, err := s.cfg.Access.Ask(tx, actor, access.Request{ID: s.cfg.IDs.New("apr"), Act: access.ActRiskPublish, Object: object(st.ID),
		Hash: hash, Summary: words, TTL: approveTTL})
	return a.ID, err
}

// sign puts the actor's signature under it; waiting is true until there are two,
// and then they are used. A request that ran out is asked for anew.
func (s *Service) sign(tx *db.Tx, actor ident.Actor, st *Stop, e StopEvent, until time.Time) (waiting bool, id ident.ID, err error) {
	hash, err := s.content(st, e, until)
	if err != nil {
		return false, "", err
	}
	all, err := s.cfg.Access.For(tx, object(st.ID))
	if err != nil {
		return false, "", err
	}
	for _, a := range all {
		if a.Act != access.ActRiskPublish || a.State != access.Open || a.Hash != hash {
			continue
		}
		if a.SignedBy(actor.ID) && len(a.Signatures) < 2 {
			return true, a.ID, nil
		}
		if !a.SignedBy(actor.ID) {
			if _, err := s.cfg.Access.Sign(tx, actor, a.ID, hash); err != nil {
				return false, a.ID, err
			}
		}
		return false, a.ID, s.cfg.Access.Require(tx, access.ActRiskPublish, object(st.ID), hash)
	}
	id, err = s.ask(tx, actor, st, e, until)
	return true, id, err
}

// ExtendStop lets an active stop go on until a later time, at most 72 hours from
// now. What took two people takes two again.
func (s *Service) ExtendStop(ctx context.Context, actor ident.Actor, id ident.ID, until time.Time) (StopResult, error) {
	var out StopResult
	until = until.UTC().Truncate(time.Microsecond)
	detail := map[string]any{"event": Extend, "until": until}
	err := s.cfg.Access.Update(ctx, actor, access.ActWatchStop, access.Object{ID: id}, detail, func(tx *db.Tx) error {
		out = StopResult{}
		st, err := s.needStop(tx, id)
		if err != nil {
			return err
		}
		out.Stop = st
		to, err := NextStop(st.State, Extend)
		if err != nil || st.Until.Equal(until) { // it has been done
			return err
		}
		if err := checkUntil(until, s.cfg.Clock.Now()); err != nil {
			return err
		}
		if until.Before(st.Until) {
			return ident.Invalid("until", "until_earlier", "the stop ends at %s already; lift it to end it sooner", st.Until.Format(time.RFC3339))
		}
		if st.TwoPeople() {
			if out.Waiting, out.Approval, err = s.sign(tx, actor, &st, Extend, until); err != nil || out.Waiting {
				return err
			}
		}
		st.State, st.Until = to, until
		err = updateStop(tx, &st)
		out.Stop = st
		return err
	})
	return out, s.after(ctx, err)
}

// LiftStop takes a stop back: from the commit on it touches nothing more. What it
// has held is let go by Release.
func (s *Service) LiftStop(ctx context.Context, actor ident.Actor, id ident.ID, words string) (Stop, error) {
	var out Stop
	if len(words) > 4*maxReason || !plain(words) {
		return out, ident.Invalid("words", "too_long", "say it in at most %d characters", maxReason)
	}
	detail := map[string]any{"event": Lift, "words": words}
	err := s.cfg.Access.Update(ctx, actor, access.ActWatchStop, access.Object{ID: id}, detail, func(tx *db.Tx) error {
		st, err := s.needStop(tx, id)
		if out = st; err != nil || st.State == Lifted {
			return err
		}
		if st.State, err = NextStop(st.State, Lift); err != nil {
			return err
		}
		st.Ended, st.EndedBy, st.Words = s.cfg.Clock.Now(), actor.ID, words
		err = updateStop(tx, &st)
		out = st
		return err
	})
	return out, s.after(ctx, err)
}

// ReleaseReport says what a call of Release did.
type ReleaseReport struct {
	Released int // let go by this call
	Left     int // still held, for something else speaks against them too: a person looks at each
	Moved    int // somebody else has moved them meanwhile
}

// ReleaseStop lets the payments go that an ended stop alone has held, one by one, as
// the actor. What a crash or a lost answer leaves is whole payments: those that went
// are held no more, so calling again goes on with the rest. progress, if not nil,
// is told after each.
func (s *Service) ReleaseStop(ctx context.Context, actor ident.Actor, id ident.ID, progress func(done int)) (ReleaseReport, error) {
	var rep ReleaseReport
	var st Stop
	detail := map[string]any{"event": "release"}
	err := s.cfg.Access.Update(ctx, actor, access.ActWatchStop, access.Object{ID: id}, detail, func(tx *db.Tx) (err error) {
		if st, err = s.needStop(tx, id); err == nil && (st.State == Active || st.State == Proposed) {
			err = ident.E(ident.KindState, "stop_"+string(st.State), "stop %s is %s; lift it before what it holds is let go", id, st.State)
		}
		return err
	})
	if err != nil {
		return rep, err
	}
	f := payment.Filter{Outcome: string(risk.Hold), State: payment.Held, From: st.From, To: st.Until, Limit: 200}
	for {
		var page []payment.Payment
		err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
			page, err = s.cfg.Payment.List(tx, f)
			return err
		})
		if err != nil || len(page) == 0 {
			return rep, err
		}
		for _, p := range page {
			if p.Decision.Stop != id {
				continue
			}
			if !alone(&p.Decision) {
				rep.Left++
				continue
			}
			_, err := s.cfg.Payment.Advance(ctx, actor, p.ID, payment.Release)
			switch {
			case ident.Is(err, ident.KindState) || ident.Is(err, ident.KindConflict):
				rep.Moved++
			case err != nil:
				return rep, err
			default:
				rep.Released++
			}
			if progress != nil {
				progress(rep.Released + rep.Moved)
			}
		}
		last := page[len(page)-1]
		f.Before, f.BeforeAt = last.ID, last.At
	}
}

// alone says that nothing but the stop spoke against the payment.
func alone(d *risk.Decision) bool {
	if d.Outcome != risk.Hold || d.Stop == "" {
		return false
	}
	for _, r := range d.Reasons {
		if r.Code != risk.ReasonStop {
			return false
		}
	}
	return true
}

// Disturbed is what a stop would have touched in a time.
type Disturbed struct {
	From, To time.Time
	Payments int64
	Payers   int64        // different ones
	Amount   money.Amount // in the house's currency
	Other    int64        // payments in other currencies, not in Amount
	Stopped  int64        // of the payments: those that were stopped anyway
}

// Preview is what a stop would have done.
type Preview struct {
	Day, Week Disturbed
	// TwoPeople says that it would take two for what Limit and Outcome were given.
	TwoPeople bool
}

// PreviewStop counts the payments of the past 24 hours and 7 days that the order
// would have touched, whatever its limit. It reads table payment, so those of the
// last seconds may be missing. With a payer, payee, device, terminal, merchant or
// card it is quick; a whole region or channel takes as long as reading the week.
func (s *Service) PreviewStop(ctx context.Context, actor ident.Actor, in StopIn) (Preview, error) {
	var out Preview
	now := s.cfg.Clock.Now()
	probe := in // what is not known yet must not be in the way
	probe.ID, probe.Reason, probe.ZH, probe.EN, probe.Until = "preview", "preview", "预览", "preview", now.Add(time.Hour)
	if probe.Limit == 0 {
		probe.Limit = 1
	}
	if probe.Outcome == "" {
		probe.Outcome = risk.Hold
	}
	if err := probe.check(now); err != nil {
		return out, err
	}
	err := s.cfg.Access.View(ctx, actor, access.ActWatchRead, access.Object{}, func(tx *db.Tx) (err error) {
		out = Preview{TwoPeople: probe.TwoPeople()}
		if out.Day, err = s.disturbed(tx, in.Match, now.AddDate(0, 0, -1), now); err != nil {
			return err
		}
		out.Week, err = s.disturbed(tx, in.Match, now.AddDate(0, 0, -7), now)
		return err
	})
	return out, err
}

// disturbed reads table payment itself: it is one statement, a figure of ours.
func (s *Service) disturbed(tx *db.Tx, m risk.Match, from, to time.Time) (Disturbed, error) {
	where, args := matching(m, from, to)
	d := Disturbed{From: from, To: to, Amount: money.Of(0, s.currency())}
	args = append(args, string(s.currency()))
	cur := "$" + itoa(int64(len(args)))
	_, err := tx.Row([]any{&d.Payments, &d.Payers, &d.Amount.Minor, &d.Other, &d.Stopped},
		`select count(*), count(distinct payer), cast(coalesce(sum(case when currency = `+cur+` then amount else 0 end), 0) as bigint),
cast(coalesce(sum(case when currency = `+cur+` then 0 else 1 end), 0) as bigint),
cast(coalesce(sum(case when outcome = 'allow' then 0 else 1 end), 0) as bigint) from payment where `+where, args...)
	return d, err
}
