package claim_test

import (
	"testing"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// staff makes two people who may pay.
func (w *world) staff() (one, two ident.Actor) {
	w.Helper()
	admin, err := w.access.Bootstrap(w.ctx, "admin@x.example", "甲", "correct horse battery")
	w.ok(err)
	boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
	for i, into := range []*ident.Actor{&one, &two} {
		s, err := w.access.AddStaff(w.ctx, boss, access.NewStaff{ID: []string{"stf_1", "stf_2"}[i],
			Email: []string{"a@x.example", "b@x.example"}[i], Name: "乙", Roles: []ident.Role{ident.RoleFund}, Password: "correct horse battery"})
		w.ok(err)
		*into = ident.Actor{Kind: ident.Staff, ID: s.ID, Name: s.Name, Roles: s.Roles}
	}
	return one, two
}

func onBoth(t *testing.T, fn func(w *world)) {
	for _, d := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(d), func(t *testing.T) { fn(newWorld(t, d)) })
	}
}

// A claim filed in the portal is paid out of a fund: once, by one person under
// the limit, again only after the bank has sent the money back.
func TestPayOneClaim(t *testing.T) {
	onBoth(t, func(w *world) {
		one, _ := w.staff()
		w.file("C1", "P1")
		_, err := w.Pay(w.ctx, one, "C1", "yearly")
		w.want(err, ident.KindState, "not_in_this_state")
		w.move(handler, "C1", claim.Investigate)
		w.approve("C1", claim.ApproveFull, 100)
		_, err = w.Pay(w.ctx, w.song, "C1", "yearly")
		if err == nil {
			w.Fatal("a customer paid themselves")
		}
		both := handler // who decided it has the fund's role too
		both.Roles = []ident.Role{ident.RoleHandler, ident.RoleFund}
		_, err = w.Pay(w.ctx, both, "C1", "yearly")
		w.want(err, ident.KindDenied, "decided_by_you")
		first, err := w.Pay(w.ctx, one, "C1", "yearly")
		w.ok(err)
		again, err := w.Pay(w.ctx, one, "C1", "yearly")
		w.ok(err)
		if first.Waiting || again.Payout.ID != first.Payout.ID {
			w.Fatalf("%+v %+v", first, again)
		}
		w.settle(first.Payout.ID)
		w.is("C1", claim.Decided)
		next, err := w.Pay(w.ctx, one, "C1", "yearly")
		w.ok(err)
		if next.Payout.ID == first.Payout.ID || len(next.Payout.ID) > 35 {
			w.Fatalf("second payout %s", next.Payout.ID)
		}
		w.settle()
		w.is("C1", claim.Settled)
		var f fund.Figures
		w.view(func(tx *db.Tx) (err error) { f, err = w.fund.FiguresTx(tx, "yearly", next.Payout.Purpose); return err })
		if f.PaidFor != money.Yuan(100) || f.EarmarkedFor.Minor != 0 {
			w.Fatalf("paid %s, still set aside %s", f.PaidFor, f.EarmarkedFor)
		}
	})
}

// Over the limit nothing goes before two people have given the same order.
func TestPayOneClaimOverTheLimit(t *testing.T) {
	onBoth(t, func(w *world) {
		one, two := w.staff()
		w.ok(w.fund.Deposit(w.ctx, ident.Job("test"), "dep-2", "yearly", money.Yuan(100_000), "more"))
		in := w.in("C1")
		in.Claimed, in.Basis, in.PoliceCase = money.Yuan(60_000), claim.PoliceConfirmation, "川公刑〔2026〕1号"
		_, err := w.File(w.ctx, host, in)
		w.ok(err)
		w.move(handler, "C1", claim.Investigate)
		w.approve("C1", claim.ApproveFull, 60_000)
		for range 3 { // one person, however often
			rep, err := w.Pay(w.ctx, one, "C1", "yearly")
			w.ok(err)
			if !rep.Waiting {
				w.Fatal("one person released it alone")
			}
		}
		w.is("C1", claim.Decided)
		rep, err := w.Pay(w.ctx, two, "C1", "yearly")
		w.ok(err)
		if rep.Waiting || rep.Payout.Amount != money.Yuan(60_000) {
			w.Fatalf("%+v", rep)
		}
		w.settle()
		w.is("C1", claim.Settled)
	})
}
