package claim_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/queue"
)

func TestFile(t *testing.T) {
	both(t, func(w *world) {
		c := w.file("clm_1", "P1", "P2")
		if c.Status != claim.Received || c.Claimed != money.Yuan(200) || c.Number != "2026-000001-1" || c.Confirmed != money.Of(0, money.CNY) ||
			c.Words != "不是我付的" || c.PayTo != money1 || len(c.Clocks) != 2 || w.letters(w.song.ID, "claim.received") != 1 {
			w.Fatalf("%+v", c)
		}
		again := w.file("clm_1", "P1", "P2")
		if fmt.Sprint(again) != fmt.Sprint(w.get("clm_1")) || w.letters(w.song.ID, "claim.received") != 1 {
			w.Fatalf("%+v", again)
		}
		for _, p := range []string{"P1", "P2"} {
			w.view(func(tx *db.Tx) error {
				x, _, err := w.payment.Get(tx, p)
				if x.ClaimID != "clm_1" {
					w.Errorf("payment %s has claim %q", p, x.ClaimID)
				}
				return err
			})
		}
		_, err := w.File(w.ctx, w.song, w.in("clm_1", "P1"))
		w.want(err, ident.KindConflict, "claim_id_taken")
		_, err = w.File(w.ctx, w.song, w.in("clm_2", "P2", "P3"))
		w.want(err, ident.KindConflict, "payment_claimed")
		if got := w.get("clm_2"); got.ID != "" {
			w.Fatal("half a claim")
		}
		if c := w.file("clm_3", "P3"); c.Number != "2026-000002-9" {
			w.Fatal(c.Number) // a claim that was refused has used up no number
		}
	})
}

// What is another's is refused like what is not there, word for word.
func TestFileOfOthers(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	try := func(actor ident.Actor, change func(*claim.FileIn)) error {
		in := w.in("clm_x")
		in.Claimed = money.Yuan(5)
		change(&in)
		_, err := w.File(w.ctx, actor, in)
		return err
	}
	same := func(what string, a, b error, id1, id2 string) {
		t.Helper()
		if a == nil || b == nil || strings.ReplaceAll(a.Error(), id1, id2) != b.Error() {
			t.Errorf("%s: %v and %v differ", what, a, b)
		}
	}
	same("payment", try(w.song, func(in *claim.FileIn) { in.Payments = []string{"Q1"} }),
		try(w.song, func(in *claim.FileIn) { in.Payments = []string{"Q9"} }), "Q1", "Q9")
	same("account", try(w.song, func(in *claim.FileIn) { in.Account = "W2" }),
		try(w.song, func(in *claim.FileIn) { in.Account = "W9" }), "W2", "W9")
	same("holder", try(w.song, func(in *claim.FileIn) { in.Holder, in.Account = w.tang.ID, "W2" }),
		try(w.song, func(in *claim.FileIn) { in.Holder, in.Account = "pty_none", "W9" }), "W2", "W9")
	_, _, a := w.View(w.ctx, w.tang, "clm_1")
	_, _, b := w.View(w.ctx, w.tang, "clm_9")
	same("claim", a, b, "clm_1", "clm_9")
	w.want(try(w.tang, func(*claim.FileIn) {}), ident.KindNotFound, ident.CodeOf(b)) // for another claimant
	w.want(try(w.song, func(in *claim.FileIn) { in.Incident = "inc_1" }), ident.KindNotFound, "incident_not_found")
	for _, e := range []claim.Event{claim.Answer, claim.Withdraw, claim.Appeal} {
		_, err := w.Move(w.ctx, w.tang, "clm_1", e, "我")
		w.want(err, ident.KindNotFound, ident.CodeOf(b))
	}
	w.want(w.SetPayTo(w.ctx, w.tang, "clm_1", money2), ident.KindNotFound, ident.CodeOf(b))
	_, err := w.AddEvidence(w.ctx, w.tang, "clm_1", "a.txt", strings.NewReader("x"))
	w.want(err, ident.KindNotFound, ident.CodeOf(b))
	for _, e := range []claim.Event{claim.Ask, claim.Investigate, claim.Close} {
		_, err := w.Move(w.ctx, w.song, "clm_1", e, "我")
		w.want(err, ident.KindDenied, "not_allowed")
	}
	w.want(w.Decide(w.ctx, w.song, "clm_1", claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(100)}),
		ident.KindDenied, "not_allowed")
}

func TestFileWithoutPayments(t *testing.T) {
	w := newWorld(t, db.SQLite)
	in := w.in("clm_1")
	in.Claimed, in.Basis, in.PoliceCase, in.Account, in.Source = money.Yuan(900), claim.PoliceConfirmation, "川公刑〔2026〕1185号", "", "police"
	c, err := w.File(w.ctx, w.song, in)
	w.ok(err)
	if c.Claimed != money.Yuan(900) || c.Basis != claim.PoliceConfirmation || c.Source != "portal" || len(c.Payments) != 0 {
		t.Fatalf("%+v", c)
	}
	in = w.in("clm_2")
	in.Claimed = money.Yuan(1)
	if c, err = w.File(w.ctx, w.song, in); err != nil || c.Basis != claim.SwornStatement {
		t.Fatalf("nobody says by themselves that our records show it: %+v %v", c, err)
	}
	for code, spoil := range map[string]func(*claim.FileIn){
		"required": func(in *claim.FileIn) { in.Basis, in.PoliceCase = claim.PoliceConfirmation, "" },
		"unknown":  func(in *claim.FileIn) { in.Kind = "bad" }, "amount_not_positive": func(in *claim.FileIn) { in.Claimed.Minor = -1 },
		"too_long":          func(in *claim.FileIn) { in.Words = strings.Repeat("x", 8001) },
		"twice":             func(in *claim.FileIn) { in.Payments = []string{"P1", "P1"} },
		"too_many":          func(in *claim.FileIn) { in.Payments = make([]string, 201) },
		"bad_character":     func(in *claim.FileIn) { in.ID = "a/b" },
		"payment_not_found": func(in *claim.FileIn) { in.Payments = []string{"P1", "Z"} },
	} {
		bad := w.in("clm_3")
		bad.Claimed = money.Yuan(1)
		spoil(&bad)
		_, err := w.File(w.ctx, w.song, bad)
		w.want(err, ident.KindInvalid, code)
	}
	stopped, err := w.payment.Assess(w.ctx, host, payment.Request{ID: "P9", At: start, Payer: "W1", Payee: "W3", Amount: money.Yuan(1),
		Type: "transfer", Channel: "app", Device: "dev-1", IP: "10.0.0.1", City: "乐山"})
	w.ok(err)
	if stopped.State != payment.Blocked {
		_, err = w.payment.Advance(w.ctx, host, "P9", payment.TakeBack)
		w.ok(err)
	}
	_, err = w.File(w.ctx, w.song, w.in("clm_4", "P9"))
	w.want(err, ident.KindInvalid, "payment_stopped")
}

// Many at once with the same id: one claim, and everybody gets it.
func TestFileTogether(t *testing.T) {
	both(t, func(w *world) {
		var wg sync.WaitGroup
		numbers, errs := make([]string, 16), make([]error, 16)
		for i := range numbers {
			wg.Go(func() {
				in := w.in("clm_1", "P1")
				if i%4 == 3 {
					in = w.in(fmt.Sprintf("clm_%d", i), "P1") // others want the same payment
				}
				c, err := w.File(w.ctx, w.song, in)
				numbers[i], errs[i] = c.Number, err
			})
		}
		wg.Wait()
		winner := ""
		for i, err := range errs {
			if err == nil {
				if winner == "" {
					winner = numbers[i]
				}
				if numbers[i] != winner {
					w.Errorf("two claims have the payment: %s and %s", winner, numbers[i])
				}
			} else if ident.CodeOf(err) != "payment_claimed" {
				w.Errorf("%d: %v", i, err)
			}
		}
		n := 0
		w.view(func(tx *db.Tx) error {
			_, err := tx.Row([]any{&n}, `select count(*) from claim where claimant = $1`, w.song.ID)
			return err
		})
		if winner == "" || n != 1 {
			w.Fatalf("%d claims, winner %q", n, winner)
		}
	})
}

func TestDecide(t *testing.T) {
	both(t, func(w *world) {
		w.file("clm_1", "P1")
		w.want(w.Decide(w.ctx, handler, "clm_1", claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(100)}),
			ident.KindState, "not_triaged")
		w.move(handler, "clm_1", claim.Investigate)
		for _, c := range []struct {
			code string
			kind ident.Kind
			who  ident.Actor
			in   claim.DecisionIn
		}{
			{"required", ident.KindInvalid, handler, claim.DecisionIn{Kind: claim.Refuse, Proofs: []string{"no_record"}}},
			{"required", ident.KindInvalid, handler, claim.DecisionIn{Kind: claim.Refuse, Ground: "paid_by_holder"}},
			{"required", ident.KindInvalid, handler, claim.DecisionIn{Kind: claim.Refuse, Ground: "paid_by_holder", Proofs: []string{" ", ""}}},
			{"refused_by_machine", ident.KindDenied, ident.Job("triage"), claim.DecisionIn{Kind: claim.Refuse, Ground: "x", Proofs: []string{"y"}}},
			{"refused_by_machine", ident.KindDenied, host, claim.DecisionIn{Kind: claim.Refuse, Ground: "x", Proofs: []string{"y"}}},
			{"not_allowed", ident.KindDenied, host, claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(100)}},
			{"unknown", ident.KindInvalid, handler, claim.DecisionIn{Kind: "perhaps"}},
			{"amount_not_positive", ident.KindInvalid, handler, claim.DecisionIn{Kind: claim.ApprovePartial, Amount: money.Yuan(0)}},
			{"not_full", ident.KindInvalid, handler, claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(99)}},
			{"currency_differs", ident.KindInvalid, handler, claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Of(10000, "USD")}},
		} {
			w.want(w.Decide(w.ctx, c.who, "clm_1", c.in), c.kind, c.code)
		}
		if w.get("clm_1").Decision != claim.Undecided {
			w.Fatal("a refused decision was taken")
		}
		w.refuse("clm_1")
		w.move(w.song, "clm_1", claim.Appeal)
		w.approve("clm_1", claim.ApprovePartial, 60)
		var ds []claim.Decision
		w.view(func(tx *db.Tx) (err error) { ds, err = w.Decisions(tx, "clm_1"); return err })
		if len(ds) != 2 || ds[0].Number != 1 || ds[0].Ground != "paid_by_holder" || ds[0].Actor != handler.ID || ds[1].Amount != money.Yuan(60) {
			w.Fatalf("%+v", ds)
		}
		if c := w.get("clm_1"); c.Ground != "" || c.Confirmed != money.Yuan(60) || w.letters(w.song.ID, "claim.refused") != 1 ||
			w.letters(w.song.ID, "claim.confirmed") != 1 {
			w.Fatalf("%+v", c)
		}
		w.unchangeable()
	})
}

func TestDecideWithoutAccount(t *testing.T) {
	w := newWorld(t, db.SQLite)
	in := w.in("clm_1", "P1")
	in.PayTo = fund.PayTo{}
	_, err := w.File(w.ctx, w.song, in)
	w.ok(err)
	w.move(handler, "clm_1", claim.Investigate)
	full := claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(100)}
	w.want(w.Decide(w.ctx, handler, "clm_1", full), ident.KindState, "no_pay_to")
	w.ok(w.SetPayTo(w.ctx, w.song, "clm_1", money1))
	w.ok(w.Decide(w.ctx, handler, "clm_1", full))
}

// unchangeable tries to change what was decided and what happened, through SQL.
func (w *world) unchangeable() {
	w.Helper()
	for _, q := range []string{
		`update claim_decision set amount = 1`, `update claim_decision set words = ''`, `delete from claim_decision`,
		`update claim_event set words = 'x'`, `delete from claim_event`,
	} {
		err := w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := tx.Exec(q); return err })
		if err == nil || !strings.Contains(fmt.Sprint(err, causes(err)), "immutable") {
			w.Errorf("%s: %v", q, err)
		}
	}
}

// causes spells out all that stands behind an error.
func causes(err error) (out string) {
	for err != nil {
		out += " " + err.Error()
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			break
		}
		err = u.Unwrap()
	}
	return out
}

func TestPaidOnceThroughTheBank(t *testing.T) {
	both(t, func(w *world) {
		w.file("clm_1", "P1")
		w.want(w.pay("clm_1", "po_1"), ident.KindState, "not_in_this_state")
		w.move(handler, "clm_1", claim.Investigate)
		w.approve("clm_1", claim.ApproveFull, 100)
		w.ok(w.pay("clm_1", "po_1"))
		w.want(w.pay("clm_1", "po_2"), ident.KindState, "not_in_this_state")
		w.want(w.SetPayTo(w.ctx, w.song, "clm_1", money2), ident.KindState, "not_in_this_state")
		w.settle("po_1")
		if c := w.is("clm_1", claim.Decided); w.letters(w.song.ID, "claim.payment_failed") != 1 || c.Due() == nil {
			w.Fatalf("%+v", c)
		}
		to := money1
		to.Account = "6202996519000655153"
		w.ok(w.SetPayTo(w.ctx, w.song, "clm_1", to))
		w.ok(w.pay("clm_1", "po_2"))
		w.settle()
		w.drain()
		w.is("clm_1", claim.Settled)
		w.view(func(tx *db.Tx) error {
			certs, err := w.notice.ByClaim(tx, "clm_1")
			if len(certs) != 1 || certs[0].PayoutID != "po_2" || certs[0].Amount != money.Yuan(100) ||
				certs[0].Owner != w.song.ID || certs[0].OnBehalfOf != "" {
				w.Errorf("%+v", certs)
			}
			return err
		})
		if w.letters(w.song.ID, "claim.paid") != 1 || !slices.Equal(w.bank.Paid(), []string{"po_2"}) {
			w.Fatalf("%d letters, paid %v", w.letters(w.song.ID, "claim.paid"), w.bank.Paid())
		}
		_, err := w.fund.GiveBack(w.ctx, ident.Job("test"), "po_2", money.Yuan(100), "AC04")
		w.ok(err)
		w.drain()
		w.is("clm_1", claim.Decided)
		w.ok(w.pay("clm_1", "po_3"))
		w.settle()
		w.is("clm_1", claim.Settled)
		w.move(handler, "clm_1", claim.Close)
		w.jobsHold()
	})
}

// jobsHold checks that no handler has failed.
func (w *world) jobsHold() {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		all, err := w.queue.List(tx, queue.Filter{Limit: 1000})
		for _, j := range all {
			if j.Failures > 0 {
				w.Errorf("job %s %s: %s", j.Kind, j.Key, j.LastError)
			}
		}
		return err
	})
}

// A late word about an earlier payout settles nothing: the claim waits for its own.
func TestWordOfAnotherPayout(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	w.move(handler, "clm_1", claim.Investigate)
	w.approve("clm_1", claim.ApproveFull, 100)
	w.ok(w.pay("clm_1", "po_1"))
	w.settle("po_1")
	w.ok(w.pay("clm_1", "po_2"))
	w.ok(w.db.Update(w.ctx, func(tx *db.Tx) error {
		late := fund.PayoutEvent{Payout: "po_1", Claim: "clm_1", Purpose: "claims", Reason: "AC01"}
		if err := w.queue.Put(tx, fund.EventRejected, "late", late, w.clock.Now()); err != nil {
			return err
		}
		return w.queue.Put(tx, fund.EventSettled, "late", late, w.clock.Now())
	}))
	w.drain()
	w.is("clm_1", claim.Paying)
	w.settle()
	w.is("clm_1", claim.Settled)
}

// Many people move a claim at once: it moves once, with one event and one letter.
func TestMoveTogether(t *testing.T) {
	both(t, func(w *world) {
		w.file("clm_1", "P1")
		var wg sync.WaitGroup
		errs := make([]error, 12)
		for i := range errs {
			wg.Go(func() { _, errs[i] = w.Move(w.ctx, handler, "clm_1", claim.Ask, "请补充") })
		}
		wg.Wait()
		moved := 0
		for _, err := range errs {
			switch {
			case err == nil:
				moved++
			case ident.CodeOf(err) != "not_in_this_state" && ident.CodeOf(err) != "claim_moved":
				w.Errorf("%v", err)
			}
		}
		var story []claim.Story
		w.view(func(tx *db.Tx) (err error) { story, err = w.Story(tx, "clm_1"); return err })
		if moved != 1 || len(story) != 2 || w.letters(w.song.ID, "claim.needs_you") != 1 {
			w.Fatalf("moved %d times, %+v", moved, story)
		}
	})
}

// The event that the money arrived is handled once, whichever commit is lost or muted.
func TestSettledOnceLostAndMuted(t *testing.T) {
	for _, muted := range []bool{false, true} {
		both(t, func(w *world) {
			w.file("clm_1", "P1")
			w.move(handler, "clm_1", claim.Investigate)
			w.approve("clm_1", claim.ApproveFull, 100)
			w.ok(w.pay("clm_1", "po_1"))
			w.drain()
			w.answer()
			if muted {
				w.faults.MuteCommit(1)
			} else {
				w.faults.LoseCommit(1)
			}
			w.queue.Drain(w.ctx) // fails, or looks up that it did not
			w.clock.Advance(time.Hour)
			w.drain()
			w.is("clm_1", claim.Settled)
			n := 0
			w.view(func(tx *db.Tx) (err error) { n, err = w.notice.CountCertificates(tx); return err })
			if n != 1 || w.letters(w.song.ID, "claim.paid") != 1 {
				w.Fatalf("muted %v: %d certificates, %d letters", muted, n, w.letters(w.song.ID, "claim.paid"))
			}
		})
	}
}

func TestWhatWasApprovedIsPaid(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	w.move(handler, "clm_1", claim.Investigate)
	w.approve("clm_1", claim.ApproveFull, 100)
	for _, in := range []claim.PayIn{{To: money2}, {Amount: money.Yuan(99)}} {
		in.ID, in.FundID, in.Purpose = "po_1", "yearly", "claims"
		err := w.access.Run(w.ctx, func(tx *db.Tx) error { _, err := w.PayTx(tx, ident.Job("test"), "clm_1", in); return err })
		w.want(err, ident.KindConflict, "not_what_was_approved")
	}
	release := func(actor ident.Actor, in claim.DecisionIn, to fund.PayTo) error {
		return w.access.Run(w.ctx, func(tx *db.Tx) error { return w.ReleaseTx(tx, actor, "clm_1", in, to) })
	}
	full := claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(100)}
	w.want(release(ident.Job("x"), full, money1), ident.KindDenied, "not_released")
	w.want(release(handler, claim.DecisionIn{Kind: claim.Refuse, Ground: "x", Proofs: []string{"y"}}, money1),
		ident.KindDenied, "not_released")
	w.want(release(handler, full, fund.PayTo{}), ident.KindInvalid, "required")
	w.want(release(handler, full, money1), ident.KindState, "not_in_this_state")
}

// Appeals: the part that was approved stays owed; what was paid is not paid again.
func TestAppeal(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	w.move(handler, "clm_1", claim.Investigate)
	w.approve("clm_1", claim.ApprovePartial, 60)
	w.move(w.song, "clm_1", claim.Appeal)
	w.want(w.pay("clm_1", "po_1"), ident.KindState, "not_in_this_state")
	_, err := w.Move(w.ctx, w.song, "clm_1", claim.Withdraw, "好吧")
	w.ok(err)
	w.is("clm_1", claim.Decided)
	w.ok(w.pay("clm_1", "po_1"))
	w.settle()
	w.is("clm_1", claim.Settled)
	w.move(w.song, "clm_1", claim.Appeal)
	w.approve("clm_1", claim.ApproveFull, 100)
	w.want(w.pay("clm_1", "po_2"), ident.KindState, "paid_already")
	w.move(handler, "clm_1", claim.Close)
	for _, words := range []string{"", " \n"} {
		_, err := w.Move(w.ctx, w.song, "clm_1", claim.Appeal, words)
		w.want(err, ident.KindInvalid, "required")
	}
}

// The heir takes over: the claim, its letters and its certificate are theirs, and
// the holder's sign-in sees it no more.
func TestTakeOver(t *testing.T) {
	both(t, func(w *world) {
		c := w.file("clm_1", "P1")
		var heir ident.ID
		take := func(in claim.TakeOverIn) error {
			return w.access.Run(w.ctx, func(tx *db.Tx) (err error) {
				if in.Heir == "new" {
					if heir, err = w.party.Add(tx, "person", "胡淑芬", "", ""); err != nil {
						return err
					}
					in.Heir = heir
				}
				return w.TakeOverTx(tx, handler, "clm_1", in)
			})
		}
		w.want(take(claim.TakeOverIn{Heir: "new", Relation: "配偶", PayTo: money2}), ident.KindInvalid, "standing")
		w.ok(take(claim.TakeOverIn{Heir: "new", Relation: "配偶", Documents: []string{"死亡证明", "结婚证"}, PayTo: money2}))
		her := ident.Actor{Kind: ident.Customer, ID: heir}
		now, story, err := w.View(w.ctx, her, "clm_1")
		w.ok(err)
		if now.Claimant != heir || now.Standing != "配偶" || now.PayTo != money2 || now.Number != c.Number || len(story) != 2 ||
			w.letters(heir, "claim.taken_over") != 1 {
			w.Fatalf("%+v %+v", now, story)
		}
		_, _, err = w.View(w.ctx, w.song, "clm_1")
		w.want(err, ident.KindNotFound, "claim_not_found")
		again, err := w.File(w.ctx, w.song, w.in("clm_1", "P1")) // nor by handing it in again
		w.want(err, ident.KindNotFound, "claim_not_found")
		if again.PayTo.Account != "" {
			w.Fatal("the heir's account was shown")
		}
		w.move(handler, "clm_1", claim.Investigate)
		w.approve("clm_1", claim.ApproveFull, 100)
		w.ok(w.pay("clm_1", "po_1"))
		w.settle()
		w.view(func(tx *db.Tx) error {
			certs, err := w.notice.ByClaim(tx, "clm_1")
			if len(certs) != 1 || certs[0].Owner != heir || certs[0].OnBehalfOf != "宋伟" || certs[0].PayeeName != "胡淑芬" {
				w.Errorf("%+v", certs)
			}
			return err
		})
		if w.letters(heir, "claim.paid") != 1 || w.letters(w.song.ID, "claim.paid") != 0 {
			w.Fatal("the letter went to the wrong one")
		}
	})
}

func TestJoin(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.file("clm_1", "P1")
	w.file("clm_2", "P3")
	join := func(in claim.JoinIn) error {
		return w.access.Run(w.ctx, func(tx *db.Tx) error { return w.JoinTx(tx, handler, "clm_1", in) })
	}
	in := claim.JoinIn{Incident: "inc_1", IncidentName: "案", Payments: []string{"P1", "P2"}, Basis: claim.LedgerRecord,
		Confirmed: money.Yuan(200), Verdict: "confirmed", Reasons: []string{"records_equal_police"}}
	w.ok(join(in))
	first := w.get("clm_1")
	w.ok(join(in))
	if got := w.get("clm_1"); fmt.Sprint(got) != fmt.Sprint(first) || len(got.Payments) != 2 {
		t.Fatalf("joining again changed %+v", got)
	}
	in.Payments = append(in.Payments, "P3")
	w.want(join(in), ident.KindConflict, "payment_claimed")
	in.Payments, in.Confirmed = nil, money.Of(1, "USD")
	w.want(join(in), ident.KindInvalid, "currency_differs")
	w.refuse("clm_1")
	in.Confirmed = money.Yuan(150)
	w.ok(join(in)) // more is known: a refused claim is looked at again
	w.is("clm_1", claim.Triaged)
	w.approve("clm_1", claim.ApproveFull, 150)
	w.want(join(in), ident.KindState, "decided")
}

// Every write, lost and muted: repeating it gives one effect.
func TestWritesLostAndMuted(t *testing.T) {
	both(t, func(w *world) {
		steps := []struct {
			name  string
			again string // what a repetition hears, "" if it is the same answer
			do    func() error
		}{
			{"file", "", func() error { _, err := w.File(w.ctx, w.song, w.in("clm_1", "P1")); return err }},
			{"pay to", "", func() error { return w.SetPayTo(w.ctx, w.song, "clm_1", money2) }},
			{"evidence", "", func() error {
				_, err := w.AddEvidence(w.ctx, w.song, "clm_1", "a.txt", strings.NewReader("聊天记录"))
				return err
			}},
			{"investigate", "not_in_this_state", func() error { _, err := w.Move(w.ctx, handler, "clm_1", claim.Investigate, ""); return err }},
			{"ask", "not_in_this_state", func() error { _, err := w.Move(w.ctx, handler, "clm_1", claim.Ask, "请补充"); return err }},
			{"answer", "not_in_this_state", func() error { _, err := w.Move(w.ctx, w.song, "clm_1", claim.Answer, "好"); return err }},
			{"decide", "not_in_this_state", func() error {
				return w.Decide(w.ctx, handler, "clm_1", claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(100)})
			}},
			{"pay", "not_in_this_state", func() error { return w.pay("clm_1", "po_1") }},
		}
		for _, s := range steps {
			before := w.everything()
			w.faults.LoseCommit(1)
			if err := s.do(); !ident.Is(err, ident.KindUnavailable) {
				w.Fatalf("%s lost: %v", s.name, err)
			}
			if w.everything() != before {
				w.Fatalf("%s was lost and has done something", s.name)
			}
			w.faults.MuteCommit(w.muteAt(s.name))
			if err := s.do(); !ident.Is(err, ident.KindUnknown) {
				w.Fatalf("%s muted: %v", s.name, err)
			}
			after := w.everything()
			err := s.do()
			if s.again == "" && err != nil || s.again != "" && ident.CodeOf(err) != s.again {
				w.Fatalf("%s again: %v", s.name, err)
			}
			if w.everything() != after {
				w.Fatalf("%s happened twice", s.name)
			}
		}
	})
}

// muteAt is which commit of the step carries it: evidence looks first, and the
// look is recorded.
func (w *world) muteAt(step string) int {
	if step == "evidence" {
		return 2
	}
	return 1
}

// everything is the claim with its story, files and letters, and the fund.
func (w *world) everything() (out string) {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		c, _, err := w.Get(tx, "clm_1")
		if err != nil {
			return err
		}
		story, err := w.Story(tx, "clm_1")
		if err != nil {
			return err
		}
		files, err := w.Evidence(tx, "clm_1")
		if err != nil {
			return err
		}
		ds, err := w.Decisions(tx, "clm_1")
		if err != nil {
			return err
		}
		letters, err := w.notice.SentTo(tx, w.song.ID)
		if err != nil {
			return err
		}
		fig, err := w.fund.FiguresTx(tx, "yearly", "claims")
		out = fmt.Sprintf("%+v\n%+v\n%+v\n%+v\n%d\n%+v", c, story, files, ds, len(letters), fig)
		return err
	})
	return out
}

func TestListAndCounts(t *testing.T) {
	w := newWorld(t, db.SQLite)
	for i := range 4 {
		w.file(fmt.Sprintf("clm_%d", i), fmt.Sprintf("P%d", i+1))
		w.clock.Advance(time.Hour)
	}
	w.move(handler, "clm_1", claim.Investigate)
	_, err := w.Move(w.ctx, w.song, "clm_2", claim.Withdraw, "")
	w.ok(err)
	for want, f := range map[string]claim.Filter{
		"3 2 1 0": {}, "3 2": {Limit: 2}, "1 0": {Before: "clm_2"}, "1": {Status: claim.Investigating}, "3 1 0": {Open: true},
		"": {Incident: "inc_1"}, "0 3": {DueBy: start.Add(30 * time.Hour)}, // the soonest promise first; 1 has until the third day
		"3 2 1 0 ": {Party: w.song.ID},
	} {
		w.view(func(tx *db.Tx) error {
			cs, err := w.List(tx, f)
			var got []string
			for _, c := range cs {
				got = append(got, strings.TrimPrefix(c.ID, "clm_"))
			}
			if strings.Join(got, " ") != strings.TrimSpace(want) {
				t.Errorf("%+v: %v, want %s", f, got, want)
			}
			return err
		})
	}
	w.view(func(tx *db.Tx) error {
		n, err := w.Counts(tx)
		if n[claim.Received] != 2 || n[claim.Investigating] != 1 || n[claim.Withdrawn] != 1 {
			t.Errorf("%v", n)
		}
		return err
	})
}
