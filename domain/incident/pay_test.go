package incident_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// five is a town of which five are robbed and listed.
func five(t *testing.T, dialect db.Dialect) *world {
	t.Helper()
	w := newWorld(t, dialect)
	_, err := w.party.ImportAccounts(w.ctx, w.host, strings.NewReader(town))
	w.ok(err)
	w.live(nil)
	w.declare(1_000_000)
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 10, card2), row("c3", qiu, "W3", 20, card2),
		row("c4", wu, "W4", 30, card1), row("c5", wang, "W5", 40, card1))
	w.check()
	return w
}

// Each commit of the pay-out is lost once and muted once; paying is repeated until
// it says that all is ordered. Everybody is paid once.
func TestPayAllLostAndMuted(t *testing.T) {
	for _, d := range []db.Dialect{db.SQLite, db.Postgres} {
		for _, muted := range []bool{false, true} {
			for n := 1; n <= 7; n++ {
				t.Run(fmt.Sprintf("%s muted=%v commit %d", d, muted, n), func(t *testing.T) { payWithFault(t, d, muted, n) })
			}
		}
	}
}

func payWithFault(t *testing.T, d db.Dialect, muted bool, n int) {
	w := five(t, d)
	w.release()
	if muted {
		w.faults.MuteCommit(n)
	} else {
		w.faults.LoseCommit(n)
	}
	rep, err := w.PayAll(w.ctx, w.lead, inc, nil)
	if n <= 6 && err == nil || n == 7 && err != nil && !ident.Is(err, ident.KindUnknown) && !ident.Is(err, ident.KindUnavailable) {
		t.Fatalf("%+v %v", rep, err)
	}
	if kind := ident.KindOf(err); err != nil && muted != (kind == ident.KindUnknown) {
		t.Fatalf("muted %v, and the caller hears %v", muted, err)
	}
	ordered := 0
	for _, v := range w.victims() {
		if c := w.claimOf(v); (v.Payout != "") != (c.Status == claim.Paying) || (v.Payout != "") != (c.Payout == v.Payout && v.Payout != "") {
			t.Fatalf("half of an order: payout %q, claim %s", v.Payout, c.Status)
		}
		if v.Payout != "" {
			ordered++
		}
	}
	rep, err = w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	if rep.Already != ordered || rep.Ordered != 5-ordered {
		t.Fatalf("%d were ordered; then %+v", ordered, rep)
	}
	w.settle()
	paid := w.bank.Paid()
	slices.Sort(paid)
	if len(slices.Compact(paid)) != 5 || len(w.bank.Paid()) != 5 || w.inc().Status != incident.Paid || w.figures().PaidFor != money.Yuan(200) {
		t.Fatalf("%v %s %s", paid, w.inc().Status, w.figures().PaidFor)
	}
	w.booksHold()
}

// The approval is one act: whatever statement of it fails, nothing of it happened.
func TestApproveIsAtomic(t *testing.T) {
	both(t, func(w *world) {
		_, err := w.party.ImportAccounts(w.ctx, w.host, strings.NewReader(town))
		w.ok(err)
		w.declare(1000)
		w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 10, card2))
		w.check()
		b, _, err := w.Propose(w.ctx, w.lead, inc)
		w.ok(err)
		for _, statement := range []string{"insert into claim_decision", "insert into ledger_transfers", "update incident_victim",
			"update incident set", "insert into claim_event", "insert into audit_"} {
			w.faults.FailStatement(statement)
			if _, err = w.Approve(w.ctx, w.second, inc, b.Hash); err == nil {
				w.faults.FailStatement("\x00 nothing")
				t.Logf("%s is not a statement of the approval", statement)
				break
			}
			if w.figures().Earmarked.Minor != 0 || w.inc().Status != incident.Proposed {
				t.Fatalf("half an approval after %q", statement)
			}
			for _, v := range w.victims() {
				if c := w.claimOf(v); v.Approval != "" || c.Decision != claim.Undecided {
					t.Fatalf("half an approval after %q: %+v", statement, c)
				}
			}
		}
		if w.inc().Status == incident.Proposed {
			_, err = w.Approve(w.ctx, w.second, inc, b.Hash)
			w.ok(err)
		}
		w.want(errOf(w.Approve(w.ctx, w.second, inc, b.Hash)), ident.KindState, "not_in_this_state")
		if w.figures().EarmarkedFor != money.Yuan(110) {
			t.Fatal(w.figures())
		}
	})
}

func errOf[T any](_ T, err error) error { return err }

func TestProposalsChangeExpireAndGoBack(t *testing.T) {
	w := five(t, db.SQLite)
	b, _, err := w.Propose(w.ctx, w.lead, inc)
	w.ok(err)
	w.ok(w.Redirect(w.ctx, w.handler, w.victim("宋伟").ID, payTo("宋伟", card2), "旧卡已销户"))
	_, err = w.Approve(w.ctx, w.second, inc, b.Hash)
	w.want(err, ident.KindConflict, "batch_changed")
	now, err := incident.BatchOf(w.victims())
	w.ok(err)
	_, err = w.Approve(w.ctx, w.second, inc, now.Hash) // the second may not approve alone what the first never saw
	w.want(err, ident.KindConflict, ident.CodeOf(err))
	w.ok(w.WithdrawProposal(w.ctx, w.lead, inc))
	b, _, err = w.Propose(w.ctx, w.lead, inc)
	w.ok(err)
	w.clock.Advance(9 * time.Hour)
	_, err = w.Approve(w.ctx, w.second, inc, b.Hash)
	w.want(err, ident.KindState, "approval_expired")
	w.ok(w.WithdrawProposal(w.ctx, w.second, inc))
	w.want(w.WithdrawProposal(w.ctx, w.second, inc), ident.KindState, "not_in_this_state")
	b, apr, err := w.Propose(w.ctx, w.second, inc)
	w.ok(err)
	w.ok(w.access.Run(w.ctx, func(tx *db.Tx) error { _, err := w.access.Withdraw(tx, w.lead, apr); return err })) // on the page of approvals
	w.ok(w.WithdrawProposal(w.ctx, w.second, inc))
	b = w.release()
	if b.Total != money.Yuan(200) {
		t.Fatal(b.Total)
	}
}

// A rejected payout is paid again to another account, after two have signed again,
// out of the money that is set aside already.
func TestRejectedIsRedirected(t *testing.T) {
	w := five(t, db.SQLite)
	w.release()
	_, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	bad := w.victim("宋伟")
	w.want(w.Redirect(w.ctx, w.handler, bad.ID, payTo("宋伟", card2), "x"), ident.KindState, "payout_approved")
	w.settle(bad.Payout)
	if bad = w.victim("宋伟"); bad.State != fund.Rejected || w.claimOf(bad).Status != claim.Decided || w.inc().Status != incident.Paying {
		t.Fatalf("%s %s %s", bad.State, w.claimOf(bad).Status, w.inc().Status)
	}
	w.want(w.claim.SetPayTo(w.ctx, w.customer("W1"), bad.Claim, payTo("石言", card2)), ident.KindState, "pay_to_approved")
	w.ok(w.Redirect(w.ctx, w.handler, bad.ID, payTo("宋伟", card2), "账号抄错"))
	rep, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	if rep != (incident.PayReport{Already: 4, Waiting: 1}) {
		t.Fatalf("paid without a second signature: %+v", rep)
	}
	if b := w.release(); len(b.Victims) != 1 || b.Total != money.Yuan(100) || b.Victims[0].PayTo.Account != card2 {
		t.Fatalf("%+v", b)
	}
	if f := w.figures(); f.EarmarkedFor != money.Yuan(100) || f.Free != money.Yuan(1_000_000-200) {
		t.Fatalf("set aside twice: %+v", f)
	}
	_, err = w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.settle()
	if v := w.victim("宋伟"); v.Payout == bad.Payout || v.State != fund.Settled || w.inc().Status != incident.Paid || len(w.bank.Paid()) != 5 {
		t.Fatalf("%+v %s", v, w.inc().Status)
	}
	// Later the bank sends one back.
	back := w.victim("汤哲绍")
	_, err = w.fund.GiveBack(w.ctx, w.treasurer, back.Payout, money.Yuan(10), "AC04")
	w.ok(err)
	w.drain()
	if c := w.claimOf(back); c.Status != claim.Decided {
		t.Fatalf("%+v", c)
	}
	w.ok(w.Redirect(w.ctx, w.handler, back.ID, payTo("汤哲绍", card1), "账户已销户"))
	w.release()
	_, err = w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.settle()
	if f := w.figures(); f.Free != money.Yuan(1_000_000-200) || f.EarmarkedFor.Minor != 0 || w.inc().Status != incident.Paid {
		t.Fatalf("%+v %s", f, w.inc().Status)
	}
	w.booksHold()
	w.ok(w.Close(w.ctx, w.lead, inc))
}

// What is decided or arrives while the money goes out holds nobody up and is paid
// only after its own two signatures.
func TestLaterVictims(t *testing.T) {
	w := five(t, db.SQLite)
	w.ok(w.reportOf("U1", "T1", 5000))
	w.check()
	w.release()
	w.ok(w.Resolve(w.ctx, w.handler, w.victim("T1").ID, money.Yuan(50), payTo("石言", card2), "事后查明"))
	rep, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	if rep != (incident.PayReport{Ordered: 5, Waiting: 1}) {
		t.Fatalf("%+v", rep)
	}
	w.settle()
	if w.inc().Status != incident.Paying {
		t.Fatal("paid, although one who can be paid is not")
	}
	w.sayList(row("c9", []string{"方从云", "519925198202276744", ""}, "", 60, card2)) // a later list, while one waits
	w.check()
	if b := w.release(); len(b.Victims) != 1 || b.Total != money.Yuan(50) {
		t.Fatalf("%+v", b)
	}
	w.want(w.Close(w.ctx, w.lead, inc), ident.KindState, ident.CodeOf(w.Close(w.ctx, w.lead, inc)))
	_, err = w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.settle()
	if w.inc().Status != incident.Paid || len(w.bank.Paid()) != 6 {
		t.Fatal(w.inc().Status)
	}
}

// Whatever becomes of a victim between the signatures and the order: only what was
// signed is paid, and the others are.
func TestOnlyWhatWasSigned(t *testing.T) {
	w := five(t, db.SQLite)
	w.release()
	vs := w.victims()
	w.ok(w.db.Update(w.ctx, func(tx *db.Tx) error { return w.claim.RedirectTx(tx, vs[0].Claim, payTo("石言", card2)) }))
	rep, err := w.PayAll(w.ctx, w.lead, inc, func(done, _ int) {
		if done == 2 { // a clerk finds another account while the others are being paid
			w.ok(w.Redirect(w.ctx, w.handler, vs[4].ID, payTo(vs[4].Name, card2), "旧卡已销户"))
		}
	})
	if rep != (incident.PayReport{Ordered: 3, Failed: 2}) || !strings.Contains(err.Error(), "have it approved again") {
		t.Fatalf("%+v %v", rep, err)
	}
	w.settle()
	if len(w.bank.Paid()) != 3 || w.inc().Status != incident.Paying {
		t.Fatal(w.bank.Paid())
	}
	w.ok(w.Redirect(w.ctx, w.handler, vs[0].ID, vs[0].PayTo, "原账户无误"))
	if b := w.release(); b.Total.Minor != vs[0].Amount.Minor+vs[4].Amount.Minor {
		t.Fatal(b.Total)
	}
	_, err = w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.settle()
	if f := w.figures(); w.inc().Status != incident.Paid || f.PaidFor != money.Yuan(200) || f.EarmarkedFor.Minor != 0 {
		t.Fatalf("%s %+v", w.inc().Status, f)
	}
}

// One person's unusable account does not hold up the others.
func TestUnusableAccountWaits(t *testing.T) {
	w := smallWorld(t)
	none := row("c1", song, "W1", 100, "")
	rep, err := w.ImportList(w.ctx, w.handler, inc, "l.csv", bytes.NewReader(say(none, row("c2", tang, "W2", 10, card2))))
	w.ok(err)
	w.check()
	if rep.List.Totals.Refused > 0 { // the list's reader refuses the row: it waits for a person
		if b := w.release(); len(b.Victims) != 1 {
			t.Fatalf("%+v", b)
		}
		return
	}
	b, _, err := w.Propose(w.ctx, w.lead, inc)
	w.ok(err)
	if len(b.Victims) != 1 || len(b.Waiting) != 1 {
		t.Fatalf("%d %d", len(b.Victims), len(b.Waiting))
	}
}

func TestBadFiles(t *testing.T) {
	w := smallWorld(t)
	before := fmt.Sprintf("%+v", w.inc())
	for name, do := range map[string]func() error{
		"noise": func() error {
			return errOf(w.ImportList(w.ctx, w.handler, inc, "x", strings.NewReader("\x00\xff\xfe\x81")))
		},
		"empty": func() error { return errOf(w.ImportList(w.ctx, w.handler, inc, "x", strings.NewReader(""))) },
		"latin": func() error {
			return errOf(w.ImportList(w.ctx, w.handler, inc, "x", strings.NewReader("caf\xe9,\xff\n1,2\n")))
		},
		"truncated": func() error {
			return errOf(w.AddEstate(w.ctx, w.handler, inc, "x", strings.NewReader(`{"account":"W1","hol`)))
		},
		"unknown field": func() error {
			return errOf(w.AddEstate(w.ctx, w.handler, inc, "x", strings.NewReader(`{"account":"W1","holde":"宋伟"}`)))
		},
		"reports without header": func() error {
			return errOf(w.ImportReports(w.ctx, w.handler, inc, "x", strings.NewReader("U1,W1,1000,2026-05-27,x\n")))
		},
		"large": func() error {
			return errOf(w.ImportReports(w.ctx, w.handler, inc, "x", strings.NewReader(strings.Repeat("x", 65<<20))))
		},
		"no rights": func() error {
			return errOf(w.ImportList(w.ctx, w.analyst, inc, "x", bytes.NewReader(say(row("c", song, "", 1, card1)))))
		},
		"no incident": func() error {
			return errOf(w.ImportList(w.ctx, w.handler, "inc_9", "x", bytes.NewReader(say(row("c", song, "", 1, card1)))))
		},
	} {
		err := do()
		if k := ident.KindOf(err); err == nil || k == ident.KindInternal || k == ident.KindUnknown {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := fmt.Sprintf("%+v", w.inc()); after != before || len(w.victims()) != 0 {
		t.Fatalf("a bad file has left something: %s", after)
	}
	// Rows that nobody can act on are kept, with the reason.
	rep, err := w.ImportReports(w.ctx, w.handler, inc, "r.csv", strings.NewReader("report_id,account,claimed_fen,loss_date,words\n"+
		"U1,W404,1000,2026-05-27,x\nU2,W1,-1,2026-05-27,x\nU3,W1,1e9,2026-05-27,x\nU4,W1,1000,2026-05-27,x\n"))
	w.ok(err)
	if !slices.Equal(rep.Unknown, []string{"U1"}) || rep.Filed != 1 || rep.Reports.Refused != 2 {
		t.Fatalf("%+v", rep)
	}
	var sources []incident.Source
	w.view(func(tx *db.Tx) (err error) { sources, err = w.Sources(tx, inc); return err })
	rows, err := w.RowsOf(w.ctx, w.lead, inc, sources[0].ID)
	w.ok(err)
	var how []string
	for _, r := range rows {
		how = append(how, r.Kind+" "+r.How)
	}
	if want := []string{"header ", "victim nobody", "refused ", "refused ", "victim account"}; !slices.Equal(how, want) {
		t.Fatalf("%q", how)
	}
}

func TestDeclare(t *testing.T) {
	both(t, func(w *world) {
		w.declare(1000)
		_, err := w.Declare(w.ctx, w.lead, declaration())
		w.ok(err)
		other := declaration()
		other.Title = "别的"
		_, err = w.Declare(w.ctx, w.lead, other)
		w.want(err, ident.KindConflict, "incident_id_taken")
		other.ID = "inc_2"
		_, err = w.Declare(w.ctx, w.lead, other) // its fund is frozen for the first
		w.want(err, ident.KindState, "fund_frozen")
		w.view(func(tx *db.Tx) error {
			if _, found, err := w.Get(tx, "inc_2"); found || err != nil {
				t.Errorf("%v %v", found, err)
			}
			return nil
		})
		other.FundID = "nothing"
		_, err = w.Declare(w.ctx, w.lead, other)
		w.want(err, ident.KindNotFound, ident.CodeOf(err))
		_, err = w.Declare(w.ctx, w.handler, declaration())
		w.want(err, ident.KindDenied, "not_allowed")
		for field, spoil := range map[string]func(*incident.DeclareIn){
			"id": func(d *incident.DeclareIn) { d.ID = "a b" }, "title": func(d *incident.DeclareIn) { d.Title = " " },
			"fund_id": func(d *incident.DeclareIn) { d.FundID = "" }, "from": func(d *incident.DeclareIn) { d.To = d.From },
			"deadline": func(d *incident.DeclareIn) { d.Deadline = time.Time{} },
		} {
			d := declaration()
			spoil(&d)
			if err := d.Check(); !ident.Is(err, ident.KindInvalid) || !strings.Contains(fmt.Sprintf("%+v", err), field) {
				t.Errorf("%s: %v", field, err)
			}
		}
	})
}

// Every write of an incident, lost and muted: repeating it gives the same answer.
func TestWritesLostAndMuted(t *testing.T) {
	both(t, func(w *world) {
		_, err := w.party.ImportAccounts(w.ctx, w.host, strings.NewReader(town))
		w.ok(err)
		w.declare(1000)
		list := say(row("c1", song, "W1", 100, card1))
		steps := []struct {
			name string
			do   func() error
		}{
			{"list", func() error { return errOf(w.ImportList(w.ctx, w.handler, inc, "l", bytes.NewReader(list))) }},
			{"reports", func() error { return w.reportOf("U1", "W2", 5000) }},
			{"gather", func() error { return errOf(w.Gather(w.ctx, w.analyst, inc)) }},
			{"reconcile", func() error { return errOf(w.Reconcile(w.ctx, w.analyst, inc)) }},
			{"call", func() error { return w.Call(w.ctx, w.handler, w.victim("W1").ID, incident.Reached, "已联系") }},
		}
		for _, s := range steps {
			before := fmt.Sprintf("%+v %+v", w.inc(), w.victims())
			w.faults.LoseCommit(1)
			if err := s.do(); !ident.Is(err, ident.KindUnavailable) {
				t.Fatalf("%s lost: %v", s.name, err)
			}
			if after := fmt.Sprintf("%+v %+v", w.inc(), w.victims()); after != before {
				t.Fatalf("%s was lost and has done something", s.name)
			}
			w.faults.MuteCommit(1)
			if err := s.do(); !ident.Is(err, ident.KindUnknown) {
				t.Fatalf("%s muted: %v", s.name, err)
			}
			w.ok(s.do())
		}
		vs := w.victims()
		if len(vs) != 2 || w.is("W1", incident.PoliceConfirmed, 100).Called != incident.Reached || w.victim("W2").Reports != 1 {
			t.Fatalf("%+v", vs)
		}
		b, err := w.Board(w.ctx, w.analyst, inc)
		w.ok(err)
		if b.Called["reached"] != 1 {
			t.Fatalf("%+v", b.Called)
		}
	})
}
