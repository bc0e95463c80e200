package incident_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// A small town: who robs whom is in each test. 宋伟 has two accounts.
const town = `account,name,id_number,phone,city,device,verification,opened,kind
W1,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W1B,宋伟,519906195802016636,17000015947,乐山,dev-1b,full,2024-06-16,person
W2,汤哲绍,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
W3,邱光发,519929198301193755,17000029901,乐山,dev-3,full,2024-05-07,person
W4,吴敬坚,51992519670311180X,17000080097,乐山,dev-4,full,2024-05-07,person
W5,武树和,519930195808237982,17000054465,乐山,dev-5,full,2024-05-07,person
T1,石言,519924197604160380,17000087046,成都,dev-t,full,2026-05-10,person
`

const (
	card1 = "6270899306786900075"
	card2 = "6202996519000655153"
)

var (
	song = []string{"宋伟", "519906195802016636", "17000015947"}
	tang = []string{"汤哲绍", "519911195009143841", "17000024755"}
	qiu  = []string{"邱光发", "519929198301193755", "17000029901"}
	wu   = []string{"吴敬坚", "51992519670311180X", "17000080097"}
	wang = []string{"武树和", "519930195808237982", "17000054465"}
)

// row is a row of a police list.
func row(caseNo string, who []string, account string, yuan int, card string) []string {
	return []string{caseNo, who[0], who[1], who[2], account, fmt.Sprintf("%d.00", yuan), who[0], card, ""}
}

// smallWorld has the town, the thefts and a declared incident.
func smallWorld(t *testing.T, thefts ...payment.Request) *world {
	t.Helper()
	w := newWorld(t, db.SQLite)
	_, err := w.party.ImportAccounts(w.ctx, w.host, strings.NewReader(town))
	w.ok(err)
	w.live(thefts)
	w.declare(1_000_000)
	return w
}

// theft is money moved by the thief's device.
func theft(id, payer string, yuan int64) payment.Request {
	return payment.Request{ID: id, At: today.Add(-72 * time.Hour), Payer: payer, Payee: "T1", Amount: money.Yuan(yuan), Type: "transfer",
		Channel: "app", Device: "dev-thief", IP: "10.0.0.1", City: "成都", Settled: true}
}

func (w *world) is(who string, want incident.Verdict, yuan int64, reasons ...string) incident.Victim {
	w.Helper()
	v := w.victim(who)
	if v.Verdict != want || v.Amount.Minor != yuan*100 {
		w.Fatalf("%s: %s %v %s, want %s %d", who, v.Verdict, v.Reasons, v.Amount, want, yuan)
	}
	for _, r := range reasons {
		if !slices.Contains(v.Reasons, r) {
			w.Fatalf("%s: %v lacks %s", who, v.Reasons, r)
		}
		if claim.Words(r, "en") == r {
			w.Errorf("%s has no words", r)
		}
	}
	return v
}

func (w *world) check() incident.ReconcileReport { w.gather(); return w.reconcile() }

func TestOnePersonTwoAccounts(t *testing.T) {
	own := theft("P9", "W1", 500) // from one of their accounts to the other, with their other telephone
	own.Device, own.Payee = "dev-1b", "W1B"
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W1B", 50), theft("P3", "W2", 10), theft("P4", "W3", 20), own)
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", song, "W1B", 50, card1),
		row("c3", tang, "", 10, card2), row("c4", qiu, "W3", 20, card2))
	w.check()
	v := w.is("宋伟", incident.Confirmed, 150, "records_equal_police")
	if v.PoliceCase != "c1, c2" || len(v.Payments) != 2 || len(w.victims()) != 3 {
		t.Fatalf("%+v", v)
	}
	w.is("汤哲绍", incident.Confirmed, 10)
}

func TestRowWithoutAccountOfOneWithTwo(t *testing.T) {
	w := smallWorld(t, theft("P2", "W1B", 50), theft("P3", "W2", 10), theft("P4", "W3", 20))
	w.sayList(row("c2", song, "", 50, card1), row("c3", tang, "W2", 10, card2), row("c4", qiu, "W3", 20, card2))
	w.check()
	v := w.is("宋伟", incident.Confirmed, 50)
	w.ok(w.reportOf("U1", "W1B", 5000))
	w.check()
	if v = w.is("宋伟", incident.Confirmed, 50); v.Account != "W1B" || v.Reports != 1 || len(w.victims()) != 3 {
		t.Fatalf("%+v", v)
	}
}

func (w *world) reportOf(id, account string, fen int) error {
	_, err := w.ImportReports(w.ctx, w.handler, inc, id, strings.NewReader(fmt.Sprintf(
		"report_id,account,claimed_fen,loss_date,words\n%s,%s,%d,2026-05-27,不是本人操作\n", id, account, fen)))
	return err
}

func TestTwoPayeesForOnePerson(t *testing.T) {
	w := smallWorld(t)
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", song, "W1", 50, card2))
	w.check()
	v := w.is("宋伟", incident.Differs, 0, "two_payees")
	w.ok(w.Resolve(w.ctx, w.handler, v.ID, money.Yuan(150), payTo("宋伟", card2), "两笔均已核实"))
	if b := w.release(); len(b.Victims) != 1 || b.Victims[0].PayTo.Account != card2 {
		t.Fatalf("%+v", b)
	}
}

func payTo(name, account string) fund.PayTo {
	return fund.PayTo{Name: name, Bank: "农业银行", Account: account, Rail: fund.RailBank}
}

// Money never goes to the holder of an account because somebody else is listed with it.
func TestAccountOfAnother(t *testing.T) {
	stranger := []string{"方从云", "519925198202276744", "17000011111"}
	wrongID := []string{"武树和", "519925198202276744", "17000054465"} // their telephone and name, another's identity
	w := smallWorld(t, theft("P3", "W3", 20))
	rep := w.sayList(row("c1", tang, "W3", 100, card1), row("c2", stranger, "W4", 60, card2), row("c3", wrongID, "", 70, card2))
	if rep.Matched["id_number"] != 1 || rep.Matched["nobody"] != 1 || rep.Matched["phone_and_name"] != 1 {
		t.Fatalf("%v", rep.Matched)
	}
	w.check()
	w.is("汤哲绍", incident.Differs, 0, "account_of_another")
	w.is("武树和", incident.Differs, 0, "identity_differs")
	v := w.is("方从云", incident.Unmatched, 0, "nobody_found")
	for _, v := range w.victims() {
		if v.Account == "W3" || v.Account == "W4" {
			t.Fatalf("the holder of %s became a victim by another's row", v.Account)
		}
	}
	_, _, err := w.Propose(w.ctx, w.lead, inc)
	w.want(err, ident.KindState, "nobody_to_pay")
	w.want(w.Resolve(w.ctx, w.handler, v.ID, money.Yuan(60), fund.PayTo{}, "x"), ident.KindState, "nobody_found")
	w.sayList(row("c2", stranger, "W4", 60, card2), row("c9", qiu, "W3", 20, card2)) // named again: nobody is added
	if n := len(w.victims()); n != 4 {
		t.Fatalf("%d victims", n)
	}
	w.want(w.Assign(w.ctx, w.handler, v.ID, "W2"), ident.KindConflict, "victim_known")
	w.want(w.Assign(w.ctx, w.handler, v.ID, "W99"), ident.KindNotFound, "account_not_found")
	w.ok(w.Assign(w.ctx, w.handler, v.ID, "W4"))
	w.check()
	w.is("方从云", incident.Differs, 0, "account_of_another")
}

func TestThiefReportsToo(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W2", 10), theft("P3", "W3", 20))
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 10, card2), row("c3", qiu, "W3", 20, card2))
	w.ok(w.reportOf("U1", "T1", 90000))
	w.ok(w.reportOf("U2", "W4", 90000))
	w.check()
	v := w.is("石言", incident.False, 0, "received_stolen_money")
	w.want(w.Refuse(w.ctx, w.analyst, v.ID, "收到过被盗资金"), ident.KindDenied, "not_allowed")
	w.ok(w.Refuse(w.ctx, w.handler, v.ID, "收到过被盗资金"))
	w.ok(w.Refuse(w.ctx, w.handler, w.is("吴敬坚", incident.False, 0).ID, "没有损失"))
	w.want(w.Refuse(w.ctx, w.handler, w.victim("宋伟").ID, "x"), ident.KindState, "not_false")
	w.check() // refused claims stay refused, and hold nobody up
	if c := w.claimOf(w.is("石言", incident.False, 0)); c.Decision != claim.Refuse || c.Status != claim.Decided {
		t.Fatalf("%+v", c)
	}
	// The police name one of the refused after all: the claim is looked at again and paid.
	w.sayList(row("c7", wu, "W4", 900, card1), row("c8", []string{"石言", "519924197604160380", ""}, "T1", 5, card1))
	w.check()
	w.is("吴敬坚", incident.PoliceConfirmed, 900)
	w.is("石言", incident.Differs, 0, "received_stolen_money")
	if b := w.release(); len(b.Victims) != 4 {
		t.Fatal(len(b.Victims))
	}
}

func TestFoundThenListed(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W2", 10), theft("P3", "W3", 20), theft("P4", "W4", 30))
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 10, card2), row("c3", qiu, "W3", 20, card2))
	if rep := w.gather(); !slices.Equal(rep.Found, []string{"W4"}) {
		t.Fatalf("%+v", rep)
	}
	w.reconcile()
	v := w.is("吴敬坚", incident.FoundByUs, 0, "not_on_police_list")
	w.sayList(row("c4", wu, "W4", 30, card2))
	w.check()
	if now := w.is("吴敬坚", incident.Confirmed, 30); now.ID != v.ID || len(w.victims()) != 4 {
		t.Fatalf("%+v", now)
	}
	// A blocked attempt finds nobody.
	held := theft("P5", "W5", 4000)
	held.Settled = false
	w.clock.Set(held.At)
	p, err := w.payment.Assess(w.ctx, w.host, held)
	w.ok(err)
	if p.State == payment.Allowed {
		_, err = w.payment.Advance(w.ctx, w.host, p.ID, payment.Refuse)
	} else if p.State != payment.Blocked {
		_, err = w.payment.Advance(w.ctx, w.lead, p.ID, payment.Refuse)
	}
	w.ok(err)
	w.clock.Set(today)
	if rep := w.gather(); len(rep.Found) != 0 {
		t.Fatalf("a payment that never went found %v", rep.Found)
	}
}

func TestListsAgainAndAmended(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W2", 10), theft("P3", "W3", 20))
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 11, card2), row("c3", qiu, "W3", 20, card2),
		row("", wu, "W4", 7, card1))
	w.check()
	w.is("汤哲绍", incident.Differs, 0, "records_differ_from_police")
	w.is("吴敬坚", incident.PoliceConfirmed, 7)
	// The second edition of the list: the same people, one amount put right, one case more.
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 10, card2), row("c3", qiu, "W3", 20, card2),
		row("", wu, "W4", 7, card1),
		row("c5", wang, "W5", 3, card1))
	w.check()
	w.is("宋伟", incident.Confirmed, 100)
	w.is("汤哲绍", incident.Confirmed, 10)
	w.is("吴敬坚", incident.PoliceConfirmed, 7)
	if b := w.release(); b.Total != money.Yuan(140) || len(b.Victims) != 5 {
		t.Fatalf("%+v", b.Total)
	}
	rep, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	w.settle()
	// More is named after the payment: nothing is paid silently, and it is seen.
	w.sayList(row("c9", song, "W1", 40, card1))
	w.check()
	w.is("宋伟", incident.Confirmed, 100, "more_after_payment")
	if rep.Ordered != 5 || len(w.bank.Paid()) != 5 {
		t.Fatalf("%+v", rep)
	}
	w.want(w.Resolve(w.ctx, w.handler, w.victim("宋伟").ID, money.Yuan(140), fund.PayTo{}, "x"), ident.KindState, "approved")
}

// A customer's own claims, before and beside the incident's.
func TestCustomersOwnClaims(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W2", 10), theft("P2b", "W2", 5), theft("P3", "W3", 20))
	one := w.file("clm_song", "W1", "P1")
	w.file("clm_tang1", "W2", "P2")
	w.file("clm_tang2", "W2", "P2b")
	w.file("clm_qiu", "W3", "P3")
	w.sayList(row("c1", song, "W1", 100, card1), row("c2", tang, "W2", 15, card2), row("c3", qiu, "W3", 20, card2))
	w.check()
	if v := w.is("宋伟", incident.Confirmed, 100); v.Claim != one.ID {
		t.Fatalf("a second claim for the same loss: %s", v.Claim)
	}
	w.is("汤哲绍", incident.Differs, 0, "claimed_elsewhere")
	qiuWas := w.is("邱光发", incident.Confirmed, 20)
	_, err := w.claim.Move(w.ctx, w.customer("W3"), qiuWas.Claim, claim.Withdraw, "不要了")
	w.ok(err)
	w.check() // who has withdrawn holds nobody up
	w.is("邱光发", incident.Differs, 0, "claim_withdrawn")
	// Somebody in the customer's session wants another account: what two people see is what is paid.
	w.want(w.claim.SetPayTo(w.ctx, w.customer("W1"), one.ID, payTo("石言", card2)), ident.KindState, "pay_to_approved")
	w.release()
	if c := w.claimOf(w.victim("宋伟")); c.PayTo.Account != card1 {
		t.Fatalf("approved %s, to be paid %s", card1, c.PayTo.Account)
	}
	w.want(w.claim.SetPayTo(w.ctx, w.customer("W1"), one.ID, payTo("石言", card2)), ident.KindState, "pay_to_approved")
	_, err = w.PayAll(w.ctx, w.treasurer, inc, nil)
	w.ok(err)
	w.settle()
	if w.inc().Status != incident.Paid {
		t.Fatal(w.inc().Status)
	}
}

// Who told us in the portal and by telephone has one claim.
func TestToldTwice(t *testing.T) {
	w := smallWorld(t)
	who := w.customer("W5")
	c, err := w.claim.File(w.ctx, who, claim.FileIn{ID: "clm_wang", Kind: claim.Theft, Holder: who.ID, Claimant: who.ID,
		Claimed: money.Yuan(40), Basis: claim.SwornStatement, LossDate: today.Add(-72 * time.Hour), Words: "不是我", PayTo: payTo("武树和", card2)})
	w.ok(err)
	w.ok(w.reportOf("U1", "W5", 5000))
	if v := w.victim("W5"); v.Claim != c.ID || v.Reported != money.Yuan(50) {
		t.Fatalf("%+v", v)
	}
	w.check()
	v := w.is("W5", incident.False, 0)
	w.ok(w.Resolve(w.ctx, w.handler, v.ID, money.Yuan(40), fund.PayTo{}, "已核实"))
	if b := w.release(); len(b.Victims) != 1 || b.Victims[0].PayTo.Account != card2 {
		t.Fatalf("the account that the customer named is not used: %+v", b)
	}
}

func (w *world) customer(account string) ident.Actor {
	w.Helper()
	var id ident.ID
	w.view(func(tx *db.Tx) error { a, _, err := w.party.Account(tx, account); id = a.PartyID; return err })
	return ident.Actor{Kind: ident.Customer, ID: id}
}

func (w *world) file(id, account string, payments ...string) claim.Claim {
	w.Helper()
	who := w.customer(account)
	c, err := w.claim.File(w.ctx, who, claim.FileIn{ID: id, Kind: claim.Theft, Holder: who.ID, Claimant: who.ID, Account: account,
		Payments: payments, Basis: claim.LedgerRecord, LossDate: today.Add(-72 * time.Hour), Words: "不是我"})
	w.ok(err)
	return c
}

func TestDeadWithoutHeirAndTwoHeirs(t *testing.T) {
	w := smallWorld(t, theft("P1", "W1", 100), theft("P2", "W2", 10), theft("P3", "W3", 20))
	dead := row("c1", song, "W1", 100, card1)
	dead[8] = "受害人已去世"
	w.sayList(dead, row("c2", tang, "W2", 10, card2), row("c3", qiu, "W3", 20, card2))
	w.check()
	w.is("宋伟", incident.Differs, 0, "heir_unknown")
	estate := `{"account":"W1","holder":"%s","died":"2026-05-02","loss_fen":10000,"thief":"","heir":{"name":"%s","relation":"配偶",
"documents":["死亡证明"],"pay_to":"建设银行 6217000000000000017"},"police_report":"c1"}`
	add := func(holder, heir string) error {
		_, err := w.AddEstate(w.ctx, w.handler, inc, "e.json", strings.NewReader(fmt.Sprintf(estate, holder, heir)))
		return err
	}
	w.want(add("汤哲绍", "胡淑芬"), ident.KindInvalid, "holder_differs")
	w.ok(add("宋伟", "胡淑芬"))
	w.want(add("宋 伟", "胡小芬"), ident.KindConflict, "another_heir")
	heir := w.victim("宋伟").Claimant
	w.ok(add("宋　伟", "胡淑芬")) // the same heir with papers written anew
	w.check()
	v := w.is("宋伟", incident.Inherited, 100)
	if v.Claimant != heir || v.Police != money.Yuan(100) || v.PayTo.Name != "胡淑芬" {
		t.Fatalf("%+v", v)
	}
	w.sayList(dead, row("c8", wang, "W5", 3, card2)) // a later list names the dead holder's own card again
	w.check()
	if v = w.is("宋伟", incident.Inherited, 100); v.PayTo.Name != "胡淑芬" || w.claimOf(v).PayTo.Name != "胡淑芬" {
		t.Fatalf("%+v", v)
	}
}
