package incident_test

import (
	"bytes"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// payAll releases and pays everybody who can be paid.
func (w *world) payAll() {
	w.Helper()
	w.release()
	_, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.settle()
}

// A later incident with the same list again: nobody is paid twice, a person must look.
func TestSameListInASecondIncident(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100))
	list := [][]string{row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 10, card2)}
	w.sayList(list...)
	w.check()
	w.payAll()
	w.ok(w.Close(w.ctx, w.lead, inc))
	second := declaration()
	second.ID, second.From, second.To = "inc_later", to, to.Add(10*24*time.Hour)
	_, err := w.Declare(w.ctx, w.lead, second)
	w.ok(err)
	_, err = w.ImportList(w.ctx, w.handler, second.ID, "list.csv", bytes.NewReader(say(list...)))
	w.ok(err)
	rep, err := w.Reconcile(w.ctx, w.handler, second.ID)
	w.ok(err)
	if rep.Payable.Minor != 0 || rep.Verdicts[incident.Differs] != 2 || rep.Reasons["claimed_elsewhere"] != 2 {
		t.Fatalf("%+v", rep)
	}
}

// A loss that the customer told without our records, and that was paid singly, is
// the same loss when the police list names it.
func TestPaidSinglyBefore(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100))
	who := w.customer("W1")
	_, err := w.claim.File(w.ctx, who, claim.FileIn{ID: "clm_own", Kind: claim.Theft, Holder: who.ID, Claimant: who.ID, Account: "W1",
		Claimed: money.Yuan(49), Basis: claim.SwornStatement, LossDate: today.Add(-72 * time.Hour), Words: "不是我", PayTo: payTo("宋伟", card1)})
	w.ok(err)
	_, err = w.claim.Move(w.ctx, w.handler, "clm_own", claim.Investigate, "")
	w.ok(err)
	w.ok(w.claim.Decide(w.ctx, w.handler, "clm_own", claim.DecisionIn{Kind: claim.ApproveFull, Amount: money.Yuan(49)}))
	w.ok(w.fund.Create(w.ctx, w.treasurer, fund.Fund{ID: "yearly", NameZH: "年度基金", NameEN: "Yearly fund", Kind: fund.Yearly,
		Currency: money.CNY}))
	w.ok(w.fund.Deposit(w.ctx, w.treasurer, "dep-2", "yearly", money.Yuan(1000), "opening"))
	_, err = w.claim.Pay(w.ctx, w.treasurer, "clm_own", "yearly")
	w.ok(err)
	w.settle()
	w.sayList(row("c1", song, "W1", 100, card1))
	w.check()
	w.is("宋伟", incident.Differs, 0, "paid_already")
}

// One person who takes a claim back after somebody resolved it holds nobody up.
func TestWithdrawnAfterResolve(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W2", 10), theft("P3", "W3", 20))
	w.file("clm_tang", "W2", "P2")
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 12, card2), row("c3", qiu, "W3", 20, card2))
	w.check()
	v := w.is("汤哲绍", incident.Differs, 0)
	w.want(w.Resolve(w.ctx, w.handler, v.ID, money.Of(1000, "USD"), fund.PayTo{}, "x"), ident.KindInvalid, "currency_differs")
	w.ok(w.Resolve(w.ctx, w.handler, v.ID, money.Yuan(10), fund.PayTo{}, "按平台记录"))
	_, err := w.claim.Move(w.ctx, w.customer("W2"), "clm_tang", claim.Withdraw, "不要了")
	w.ok(err)
	if b := w.release(); len(b.Victims) != 2 || len(b.Waiting) != 1 || b.Total != money.Yuan(120) {
		t.Fatalf("%+v", b)
	}
	// A person may decide for them all the same: the claim is a new one.
	w.ok(w.Resolve(w.ctx, w.handler, v.ID, money.Yuan(10), fund.PayTo{}, "本人来电，仍要赔付"))
	if again := w.victim("汤哲绍"); again.Claim == "clm_tang" {
		t.Fatal("the withdrawn claim was taken up again")
	}
	_, err = w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	if b := w.release(); len(b.Victims) != 1 || b.Total != money.Yuan(10) {
		t.Fatalf("%+v", b)
	}
}

// What came back is redirected; a list or a search in between loses nobody.
func TestRedirectedThenReconciled(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100))
	w.sayList(row("c1", song, "W1", 100, card1))
	w.check()
	w.release()
	_, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.settle(w.victim("宋伟").Payout)
	w.ok(w.Redirect(w.ctx, w.handler, w.victim("宋伟").ID, payTo("宋伟", card2), "账号抄错"))
	w.check()
	w.is("宋伟", incident.PoliceConfirmed, 100)
	w.payAll()
	if v := w.victim("宋伟"); v.State != fund.Settled || v.PayTo.Account != card2 {
		t.Fatalf("%+v", v)
	}
	w.booksHold()
}

// A search between two victims' orders does not keep the rest from being ordered.
func TestSearchWhileApproved(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W2", 10))
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 10, card2))
	w.check()
	w.release()
	_, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.gather() // the status goes back to gathering
	rep, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	if rep.Already != 2 {
		t.Fatalf("%+v", rep)
	}
	w.want(w.Close(w.ctx, w.lead, inc), ident.KindState, "payouts_under_way")
}

// A list that gives an unnumbered loss its number says nothing new.
func TestNumberComesLater(t *testing.T) {
	for _, first := range []string{"", "c2"} {
		w := smallWorld(t, theft("P2", "W2", 10))
		w.sayList(row(first, tang, "W2", 10, card2))
		other := map[string]string{"": "c2", "c2": ""}[first]
		w.sayList(row(other, tang, "W2", 10, card2), row("c9", song, "W1", 7, card1))
		w.check()
		w.is("汤哲绍", incident.PoliceConfirmed, 10)
	}
}
