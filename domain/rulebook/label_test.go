package rulebook

import (
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

func (w *world) say(id, source string, fraud bool, at time.Time) (LabelResult, error) {
	w.Helper()
	rs, err := w.AddLabels(w.ctx, w.people["ana"], []LabelIn{{Payment: id, Fraud: fraud, Source: source, ReportedAt: at}})
	if err != nil {
		return LabelResult{}, err
	}
	return rs[0], rs[0].Err
}

func (w *world) truth(id string) (fraud, known bool) {
	w.Helper()
	w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
		l, found, err := w.LabelOf(tx, id)
		fraud, known = l.Fraud, found
		return err
	}))
	return fraud, known
}

func TestLatestReportCounts(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.judge("pay-1", "W1", "M1", "dev-1", 2_000)
		w.clock.Advance(10 * 24 * time.Hour)
		day := func(n int) time.Time { return start.Add(time.Duration(n) * 24 * time.Hour) }
		for _, c := range []struct {
			source string
			fraud  bool
			at     time.Time
			again  bool
			truth  bool
		}{
			{"host", true, day(2), false, true},
			{"host", true, day(2), true, true}, // the same
			{"host", true, day(3), true, true}, // it repeats itself
			{"police", false, day(5), false, false},
			{"host", true, day(4), true, false},     // nobody had contradicted it by then
			{"host", true, day(6), false, true},     // it insists
			{"analyst", false, day(1), false, true}, // older than what is known
			{"police", true, day(7), false, true},
		} {
			r, err := w.say("pay-1", c.source, c.fraud, c.at)
			w.ok(err)
			if truth, known := w.truth("pay-1"); r.Again != c.again || truth != c.truth || !known {
				w.Fatalf("%+v: again %v, truth %v", c, r.Again, truth)
			}
		}
		_, err := w.say("pay-1", "host", false, day(6))
		w.want(err, ident.KindConflict, "label_differs")
		all, err := w.Labels(w.ctx, w.people["ana"], "pay-1")
		w.ok(err)
		if len(all) != 5 || all[0].Source != "analyst" || all[4].Source != "police" {
			w.Fatalf("%+v", all)
		}
	})
}

func TestLabelsThatCannotBe(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.judge("pay-1", "W1", "M1", "dev-1", 2_000)
		now := w.clock.Now()
		for _, c := range []struct {
			in   LabelIn
			kind ident.Kind
			code string
		}{
			{LabelIn{Source: "host"}, ident.KindInvalid, "required"},
			{LabelIn{Payment: "pay 1", Source: "host"}, ident.KindInvalid, "bad_character"},
			{LabelIn{Payment: "pay-1"}, ident.KindInvalid, "required"},
			{LabelIn{Payment: "pay-1", Source: "claim"}, ident.KindInvalid, "source_reserved"},
			{LabelIn{Payment: "pay-1", Source: "host", ReportedAt: now.Add(time.Hour)}, ident.KindInvalid, "in_the_future"},
			{LabelIn{Payment: "pay-1", Source: "host", ReportedAt: now.Add(-time.Hour)}, ident.KindInvalid, "before_payment"},
			{LabelIn{Payment: "pay-9", Source: "host"}, ident.KindNotFound, "payment_not_found"},
		} {
			rs, err := w.AddLabels(w.ctx, w.host, []LabelIn{c.in, {Payment: "pay-1", Source: "police"}})
			w.ok(err)
			w.want(rs[0].Err, c.kind, c.code)
			w.ok(rs[1].Err) // one does not hold up the other
		}
		_, err := w.AddLabels(w.ctx, w.people["con"], []LabelIn{{Payment: "pay-1", Source: "host"}})
		w.want(err, ident.KindDenied, "not_allowed")
		_, err = w.AddLabels(w.ctx, w.host, make([]LabelIn, MaxLabels+1))
		w.want(err, ident.KindTooLarge, "too_many_labels")
		if w.count(`select count(*) from risk_label`) != 1 {
			w.Fatal("something that cannot be was kept")
		}
	})
}

func TestLabelWithFaults(t *testing.T) {
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		w.judge("pay-1", "W1", "M1", "dev-1", 2_000)
		f.LoseCommit(1)
		_, err := w.say("pay-1", "host", true, time.Time{})
		w.want(err, ident.KindUnavailable, "fault")
		f.MuteCommit(1)
		_, err = w.say("pay-1", "host", true, time.Time{})
		w.want(err, ident.KindUnknown, "outcome_unknown")
		r, err := w.say("pay-1", "host", true, time.Time{})
		w.ok(err)
		if !r.Again || w.count(`select count(*) from risk_label`) != 1 {
			w.Fatalf("%+v", r)
		}
		w.audited("label.add", "pay-1", "done", 2) // the muted one and its repetition
	})
}

func TestDecidedClaims(t *testing.T) {
	type event = ClaimDecided
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		for _, id := range []string{"pay-1", "pay-2", "pay-3"} {
			w.judge(id, "W1", "M1", "dev-1", 2_000)
		}
		decided := func(key string, e event) {
			w.Helper()
			w.clock.Advance(time.Hour)
			e.At = w.clock.Now()
			w.ok(w.db.Update(w.ctx, func(tx *db.Tx) error { return w.queue.Put(tx, EventClaimDecided, key, e, w.clock.Now()) }))
			_, err := w.queue.Drain(w.ctx)
			w.ok(err)
		}
		is := func(id string, fraud, known bool) {
			w.Helper()
			if f, k := w.truth(id); f != fraud || k != known {
				w.Fatalf("%s: fraud %v known %v", id, f, k)
			}
		}
		decided("c1.1", event{Claim: "c1", Kind: "theft", Decision: "approve_full", Payments: []string{"pay-1", "pay-2", "pay-none"}})
		is("pay-1", true, true)
		is("pay-2", true, true)
		decided("c2.1", event{Claim: "c2", Kind: "wrong_account", Decision: "approve_full", Payments: []string{"pay-3"}})
		is("pay-3", false, false)
		decided("c3.1", event{Claim: "c3", Kind: "theft", Decision: "approve_partial", Payments: []string{"pay-2", "pay-3"}})
		is("pay-3", false, false)
		decided("c4.1", event{Claim: "c4", Kind: "theft", Decision: "refuse", Ground: "not_the_holder", Payments: []string{"pay-3"}})
		is("pay-3", false, false)
		decided("c4.2", event{Claim: "c4", Kind: "theft", Decision: "refuse", Ground: "paid_by_holder", Payments: []string{"pay-1"}})
		is("pay-1", false, true)
		f.MuteCommit(1) // the event's own; the effect is done once
		_ = w.db.Update(w.ctx, func(tx *db.Tx) error {
			return w.queue.Put(tx, EventClaimDecided, "c4.3", event{Claim: "c4", Kind: "theft", Decision: "approve_full", Payments: []string{"pay-1"},
				At: w.clock.Now().Add(time.Minute)}, w.clock.Now())
		})
		w.clock.Advance(time.Hour)
		_, err := w.queue.Drain(w.ctx)
		w.ok(err)
		is("pay-1", true, true)
		w.ok(w.Refresh(w.ctx))
	})
}
