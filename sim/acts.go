package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// act is one kind of thing that happens, as often as its weight.
type act struct {
	name   string
	weight int
	do     func() error
}

func (l *life) acts() []act {
	return []act{
		{"deposit", 5, l.deposit}, {"earmark", 6, l.earmark}, {"release", 2, l.release}, {"freeze", 2, l.freeze},
		{"unfreeze", 4, l.unfreeze}, {"file", 14, l.file}, {"triage", 12, l.triage}, {"decide", 12, l.decide},
		{"heir", 2, l.heir}, {"move", 4, l.move}, {"pay", 18, l.pay}, {"bank", 8, l.toBank}, {"work", 10, l.work},
		{"wait", 6, l.wait}, {"crash", 4, l.restart}, {"assess", 6, l.assess}, {"race", 3, l.race}, {"incident", 2, l.incident},
		{"redirect", 6, l.redirect},
	}
}

func (l *life) anyFund() string { return []string{"yearly", "emergency"}[l.rnd.IntN(2)] }

// anySpot is an earmark that there may be, or may not.
func (l *life) anySpot() spot {
	return spot{l.anyFund(), fmt.Sprintf("purpose-%d", l.rnd.IntN(3))}
}

func (l *life) deposit() error {
	f, id, n := l.anyFund(), l.id("dep"), int64(1+l.rnd.IntN(3_000_000))
	put := func(n int64) func() error {
		return func() error { return l.a.Fund.Deposit(l.ctx, l.p.fund, id, f, money.Of(n, money.CNY), "m") }
	}
	if l.want("deposit", "", put(n)) {
		l.au.deposit(f, n)
	}
	if l.rnd.IntN(3) == 0 && ident.KindOf(l.call("deposit again", put(n+1))) != ident.KindConflict {
		l.problem("deposit %s was taken again with another amount", id)
	}
	return nil
}

func (l *life) earmark() error {
	at := l.anySpot()
	l.setAside(at, int64(1+l.rnd.IntN(5_000_000)))
	return nil
}

// setAside earmarks and reports whether it was done.
func (l *life) setAside(at spot, n int64) bool {
	id := l.id("ear")
	return l.want("earmark", l.au.earmark(at, n), func() error {
		return l.a.Fund.Earmark(l.ctx, l.p.fund, id, at.fund, at.purpose, money.Of(n, money.CNY))
	})
}

func (l *life) release() error {
	at, id := l.anySpot(), l.id("rel")
	if _, have := l.au.ear[at]; !have {
		return nil
	}
	l.want("release", l.au.release(at), func() error { return l.a.Fund.ReleaseEarmark(l.ctx, l.p.fund, id, at.fund, at.purpose) })
	return nil
}

func (l *life) freeze() error {
	at := l.anySpot()
	l.want("freeze", l.au.freeze(at), func() error { return l.a.Fund.Freeze(l.ctx, l.p.compliance, at.fund, at.purpose) })
	return nil
}

func (l *life) unfreeze() error {
	at := l.anySpot()
	if now := l.au.frozen[at.fund]; now != "" && l.rnd.IntN(4) > 0 {
		if now == l.incidentID() {
			return nil // closing the incident does that
		}
		at.purpose = now
	}
	l.want("unfreeze", l.au.unfreeze(at), func() error { return l.a.Fund.Unfreeze(l.ctx, l.p.compliance, at.fund, at.purpose) })
	return nil
}

// party is the n-th customer's party.
func (l *life) party(n int) (id ident.ID, err error) {
	err = l.a.DB.View(l.ctx, func(tx *db.Tx) error {
		acc, found, err := l.a.Party.Account(tx, person(n).Account)
		if err == nil && !found {
			err = ident.NotFound("account", person(n).Account)
		}
		id = acc.PartyID
		return err
	})
	return id, err
}

// file is a customer who hands in a claim: with own payments, with another's,
// with one that is claimed already, or with none and the word of the police.
func (l *life) file() error {
	n := 1 + l.rnd.IntN(customers)
	holder, err := l.party(n)
	if err != nil {
		return err
	}
	customer := ident.Actor{Kind: ident.Customer, ID: holder, Roles: []ident.Role{ident.RoleCustomer}, Session: "ses_c"}
	kinds := []claim.Kind{claim.Theft, claim.FacePayment, claim.Impostor, claim.Deceived, claim.PaidThenBlocked, claim.WrongAccount}
	in := claim.FileIn{ID: l.id("clm"), Kind: kinds[l.rnd.IntN(len(kinds))], Holder: holder, Claimant: holder,
		Account: person(n).Account, Basis: claim.LedgerRecord, LossDate: start.AddDate(0, 0, -1), Words: "不是本人操作",
		Source: "portal", PayTo: l.payTo(n)}
	code := ""
	switch l.rnd.IntN(6) {
	case 0:
		in.Basis, in.PoliceCase = claim.PoliceConfirmation, "绵公刑〔2026〕0001号"
		in.Claimed = money.Of(int64(50_000+l.rnd.IntN(900_000)), money.CNY)
	case 1:
		in.Payments, code = []string{theft(n%customers+1, 2, money.Amount{}).ID}, "payment_not_found"
	default:
		id := theft(n, 1+l.rnd.IntN(4), money.Amount{}).ID
		if in.Payments = []string{id}; l.au.stolen[id] != "" {
			code = "payment_claimed"
		}
	}
	if !l.want("file", code, func() error { _, err := l.a.Claim.File(l.ctx, customer, in); return err }) {
		return nil
	}
	l.au.claims[in.ID] = &dossier{status: "received", decision: "none"}
	for _, p := range in.Payments {
		l.au.stolen[p] = in.ID
	}
	if l.rnd.IntN(3) == 0 {
		in.Words = "something else"
		l.want("file again", "claim_id_taken", func() error { _, err := l.a.Claim.File(l.ctx, customer, in); return err })
	}
	return nil
}

func (l *life) payTo(n int) fund.PayTo {
	if l.rnd.IntN(2) == 0 {
		return fund.PayTo{Name: person(n).Name, Account: person(n).Account, Rail: fund.RailWallet}
	}
	return fund.PayTo{Name: person(n).Name, Bank: "农业银行", Account: fmt.Sprintf("62708993067869%05d", n), Rail: fund.RailBank}
}

// pick is a claim that stands so, "" if there is none; incidents have their own way.
func (l *life) pick(fits func(*dossier) bool) string {
	var ids []string
	for _, id := range sortedKeys(l.au.claims) {
		if c := l.au.claims[id]; !c.incident && fits(c) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[l.rnd.IntN(len(ids))]
}

func in(statuses ...string) func(*dossier) bool {
	return func(c *dossier) bool { return slices.Contains(statuses, c.status) }
}

// see is the claim as the house shows it to a handler.
func (l *life) see(id string) (claim.Claim, error) {
	c, _, err := l.a.Claim.View(l.ctx, l.p.handler, id)
	return c, err
}

// stands returns a look: whether the claim has come to a status.
func (l *life) stands(id, status string) func() (bool, error) {
	return func() (bool, error) {
		c, err := l.see(id)
		return string(c.Status) == status, err
	}
}

// triage checks a claim against the records; after that it can be decided.
func (l *life) triage() error {
	id := l.pick(in("received"))
	if id == "" {
		return nil
	}
	c, err := l.see(id)
	if err != nil {
		return err
	}
	err = l.once("triage", l.stands(id, "triaged"), func() error {
		return l.a.Access.Run(l.ctx, func(tx *db.Tx) error {
			return l.a.Claim.JoinTx(tx, l.p.handler, id, claim.JoinIn{Basis: c.Basis, Confirmed: c.Claimed,
				Verdict: "confirmed", Reasons: []string{"records_equal_claim"}})
		})
	})
	if err != nil {
		l.problem("triage %s: %v", id, err)
		return nil
	}
	l.au.claims[id].status = "triaged"
	return nil
}

func (l *life) decide() error {
	id := l.pick(in("received", "triaged", "investigating", "appealed"))
	if id == "" {
		return nil
	}
	c, err := l.see(id)
	if err != nil {
		return err
	}
	in, actor, code := claim.DecisionIn{Kind: claim.ApproveFull, Amount: c.Claimed, Words: "ok"}, l.p.handler, ""
	switch l.rnd.IntN(6) {
	case 0:
		in = claim.DecisionIn{Kind: claim.Refuse, Ground: "no_loss_found", Proofs: []string{"no_record"}, Words: "no"}
	case 1:
		in.Kind, in.Amount.Minor = claim.ApprovePartial, c.Claimed.Minor/2+1
	case 2: // a machine refuses
		in, actor = claim.DecisionIn{Kind: claim.Refuse, Ground: "no_loss_found", Proofs: []string{"x"}}, ident.Job("robot")
		code = "refused_by_machine"
	}
	if code == "" && l.au.claims[id].status == "received" {
		code = "not_triaged"
	}
	err = l.once("decide", l.stands(id, "decided"), func() error { return l.a.Claim.Decide(l.ctx, actor, id, in) })
	if ident.CodeOf(err) != code {
		l.problem("decide %s, %s: want %q, got %v", id, l.au.claims[id].status, code, err)
	}
	if err == nil {
		f := l.au.claims[id]
		f.status, f.decision, f.amount = "decided", string(in.Kind), in.Amount.Minor
	}
	return nil
}

// heir takes over a claim that is not decided.
func (l *life) heir() error {
	id := l.pick(in("received", "triaged", "investigating"))
	if id == "" {
		return nil
	}
	var heir ident.ID
	happened := func() (bool, error) {
		c, err := l.see(id)
		return c.Standing == "配偶", err
	}
	if yes, err := happened(); err != nil || yes {
		return err
	}
	err := l.once("heir", happened, func() error {
		return l.a.Access.Run(l.ctx, func(tx *db.Tx) (err error) {
			if heir, err = l.a.Party.Add(tx, "person", "胡淑芬", "", ""); err != nil {
				return err
			}
			return l.a.Claim.TakeOverTx(tx, l.p.handler, id, claim.TakeOverIn{Heir: heir, Relation: "配偶",
				Documents: []string{"死亡证明", "结婚证"}, PayTo: l.payTo(99)})
		})
	})
	if err != nil {
		l.problem("heir of %s: %v", id, err)
	}
	return nil
}

// move asks, answers, withdraws and appeals.
func (l *life) move() error {
	for _, m := range []struct {
		from  []string
		e     claim.Event
		to    string
		other func(*dossier) bool
	}{
		{[]string{"triaged"}, claim.Ask, "awaiting_claimant", nil},
		{[]string{"awaiting_claimant"}, claim.Answer, "investigating", nil},
		{[]string{"decided"}, claim.Appeal, "appealed", func(c *dossier) bool { return c.decision == "refuse" }},
		{[]string{"received"}, claim.Withdraw, "withdrawn", func(*dossier) bool { return l.rnd.IntN(3) == 0 }},
	} {
		id := l.pick(func(c *dossier) bool { return in(m.from...)(c) && (m.other == nil || m.other(c)) })
		if id == "" || l.rnd.IntN(2) == 0 {
			continue
		}
		err := l.once(string(m.e), l.stands(id, m.to), func() error {
			_, err := l.a.Claim.Move(l.ctx, l.p.handler, id, m.e, "please")
			return err
		})
		if err != nil {
			l.problem("%s of %s: %v", m.e, id, err)
			return nil
		}
		l.au.claims[id].status = m.to
		if m.to == "withdrawn" { // its payments can be claimed again
			maps.DeleteFunc(l.au.stolen, func(_, claim string) bool { return claim == id })
		}
	}
	return nil
}

// pay pays a claim that was approved: from an earmark of its own, over the limit
// with a second person, after everybody has tried to do without.
func (l *life) pay() error {
	id := l.pick(func(c *dossier) bool { return c.status == "decided" && c.decision != "refuse" })
	if id == "" {
		return nil
	}
	c, err := l.see(id)
	if err != nil || c.Status != claim.Decided { // the event of a rejection is still under way
		return err
	}
	at := spot{l.anyFund(), id}
	if l.rnd.IntN(8) > 0 {
		l.setAside(at, c.Confirmed.Minor+int64(l.rnd.IntN(2)))
	}
	in := claim.PayIn{ID: l.id("po"), FundID: at.fund, Purpose: id}
	code := l.au.mayPay(order{at: at, amount: c.Confirmed.Minor})
	if over := c.Confirmed.Minor > 50_000_00; over && !l.au.stopped(at) {
		if err := l.fourEyes(c, in); err != nil {
			return err
		}
	}
	err = l.once("pay", func() (bool, error) { return l.ordered(in.ID) }, func() error {
		return l.a.Access.Run(l.ctx, func(tx *db.Tx) error {
			_, err := l.a.Claim.PayTx(tx, l.p.fund, id, in)
			return err
		})
	})
	if ident.CodeOf(err) != code {
		l.problem("pay %s by %s: the auditor says %q, the house says %v", id, in.ID, code, err)
	}
	if err == nil {
		l.au.pay(in.ID, order{at: at, claim: id, amount: c.Confirmed.Minor, rail: c.PayTo.Rail})
	}
	return nil
}

// ordered reports whether there is such a payout.
func (l *life) ordered(id string) (found bool, err error) {
	err = l.a.DB.View(l.ctx, func(tx *db.Tx) error {
		_, found, err = l.a.Fund.Payout(tx, id)
		return err
	})
	return found, err
}

// fourEyes gets a payout approved, and tries every way around it before.
func (l *life) fourEyes(c claim.Claim, in claim.PayIn) error {
	hash, err := fund.PayIn{ID: in.ID, FundID: in.FundID, Purpose: in.Purpose, Claim: c.ID, Ref: c.Number, Amount: c.Confirmed, To: c.PayTo,
		Code: fund.CodeCompensation, Basis: string(c.Basis)}.Hash()
	if err != nil {
		return err
	}
	run := func(fn func(tx *db.Tx) error) func() error {
		return func() error { return l.a.Access.Run(l.ctx, fn) }
	}
	pay := run(func(tx *db.Tx) error { _, err := l.a.Claim.PayTx(tx, l.p.fund, c.ID, in); return err })
	l.want("pay alone", "approval_missing", pay)
	apr := l.id("apr")
	if !l.want("ask", "", run(func(tx *db.Tx) error {
		_, err := l.a.Access.Ask(tx, l.p.fund, access.Request{ID: apr, Act: access.ActFundPay, Object: in.ID, Hash: hash,
			Summary: "pay", Amount: c.Confirmed})
		return err
	})) {
		return nil
	}
	sign := func(who ident.Actor, hash [32]byte) func() error {
		return run(func(tx *db.Tx) error { _, err := l.a.Access.Sign(tx, who, apr, hash); return err })
	}
	other := hash
	other[0]++
	key := ident.Actor{Kind: ident.Key, ID: "key_x", Roles: []ident.Role{ident.RoleCompliance, ident.RoleFund}}
	posing := ident.Actor{Kind: ident.Staff, ID: l.p.handler.ID, Roles: []ident.Role{ident.RoleCompliance}}
	l.want("pay with one", "approval_incomplete", pay)
	l.want("sign for oneself", "second_person_needed", sign(l.p.fund, hash))
	l.want("sign something else", "content_changed", sign(l.p.compliance, other))
	for _, who := range []ident.Actor{key, posing, ident.Job("robot")} {
		if err := l.call("sign without standing", sign(who, hash)); ident.KindOf(err) != ident.KindDenied {
			l.problem("%s %s could sign: %v", who.Kind, who.ID, err)
		}
	}
	l.want("pay with one still", "approval_incomplete", pay)
	l.want("sign second", "", sign(l.p.compliance, hash))
	return nil
}

// toBank brings files to the bank, late, twice, with refusals among them, and
// its answers back.
func (l *life) toBank() error { return l.bankDay(l.rnd.IntN(3) > 0) }

func (l *life) bankDay(again bool) error {
	names, err := bankFiles(l.a)
	if err != nil {
		return err
	}
	for _, name := range names {
		if l.desk[name] && !again {
			continue
		}
		text, err := os.ReadFile(filepath.Join(l.a.BankOut(), name))
		if err != nil {
			return err
		}
		answer, err := l.bank.AnswerAll(text, l.refusals(), l.clock.Now())
		if err != nil {
			l.problem("the bank refuses %s: %v", name, err)
			return nil
		}
		l.desk[name] = true
		var rep fund.StatusReport
		err = l.call("status", func() (err error) {
			rep, err = l.a.Fund.ImportStatus(l.ctx, l.p.fund, bytes.NewReader(answer))
			return err
		})
		if err != nil || len(rep.Problems) > 0 {
			l.problem("the bank's answer to %s: %v %v", name, err, rep.Problems)
		}
	}
	return nil
}

// refusals are the payouts that the bank will not do; it decides once for each.
func (l *life) refusals() map[string]string {
	for _, id := range sortedKeys(l.au.payouts) {
		if o := l.au.payouts[id]; o.rail == fund.RailBank && l.no[id] == "" {
			l.no[id] = "-"
			if l.rnd.IntN(4) == 0 {
				l.no[id] = "AC04"
			}
		}
	}
	out := map[string]string{}
	for id, code := range l.no {
		if code != "-" {
			out[id] = code
		}
	}
	return out
}

// work lets the queue do what is due; a fault in it is the queue's to live with.
func (l *life) work() error {
	l.arm()
	defer l.disarm()
	_, err := l.a.Queue.Drain(l.ctx)
	if doubtful(err) {
		return l.restart()
	}
	return err
}

func (l *life) wait() error {
	l.clock.Advance(time.Duration(1+l.rnd.IntN(20)) * time.Minute)
	return nil
}

// assess judges a payment, again and with another body.
func (l *life) assess() error {
	n := 1 + l.rnd.IntN(customers)
	req := payment.Request{ID: l.id("new"), At: l.clock.Now(), Payer: person(n).Account, Payee: person(n%customers + 1).Account,
		Amount: money.Of(int64(100+l.rnd.IntN(100_000)), money.CNY), Type: "transfer", Channel: "app", Device: person(n).Device, City: "绵阳"}
	if l.rnd.IntN(3) == 0 {
		req.Payee, req.Device, req.City = "W900001", "dev-thief", "广州"
	}
	var first []byte
	l.want("assess", "", func() error {
		p, err := l.a.Payment.Assess(l.ctx, host, req)
		if err != nil {
			return err
		}
		text, err := json.Marshal(p.Decision)
		if err == nil && first != nil && !bytes.Equal(text, first) {
			l.problem("payment %s was judged %s and then %s", req.ID, first, text)
		}
		first = text
		return err
	})
	req.Amount.Minor++
	err := l.call("assess another", func() error { _, err := l.a.Payment.Assess(l.ctx, host, req); return err })
	if ident.KindOf(err) != ident.KindConflict {
		l.problem("payment %s was judged again with another amount: %v", req.ID, err)
	}
	return nil
}

// race lets six want the last yuan at once, of a fund and then of an earmark, and
// six send one order at once.
func (l *life) race() error {
	f, n := l.id("r"), int64(1000+l.rnd.IntN(1000))
	if err := openFund(l.ctx, l.a, l.p, f, fund.Reward, money.Of(n, money.CNY)); err != nil {
		return err
	}
	l.au.deposit(f, n)
	won := l.together("balance_too_low", func(i int) error {
		return l.a.Fund.Earmark(l.ctx, l.p.fund, fmt.Sprintf("%s-e%d", f, i), f, fmt.Sprintf("%s-p%d", f, i), money.Of(n, money.CNY))
	})
	if len(won) != 1 {
		l.problem("%d of six got the last yuan of fund %s", len(won), f)
		return nil
	}
	at := spot{f, fmt.Sprintf("%s-p%d", f, won[0])}
	l.au.earmark(at, n)
	reward := func(id string) error {
		return l.a.Access.Run(l.ctx, func(tx *db.Tx) error {
			_, err := l.a.Fund.PayTx(tx, l.p.fund, fund.PayIn{ID: id, FundID: f, Purpose: at.purpose, Amount: money.Of(n, money.CNY),
				To: fund.PayTo{Name: "线人", Account: "W000001", Rail: fund.RailWallet}, Code: fund.CodeReward})
			return err
		})
	}
	if won = l.together("balance_too_low", func(i int) error { return reward(fmt.Sprintf("%s-o%d", f, i)) }); len(won) != 1 {
		l.problem("%d of six got the last yuan of earmark %s", len(won), at.purpose)
		return nil
	}
	id := fmt.Sprintf("%s-o%d", f, won[0])
	l.au.pay(id, order{at: at, amount: n, rail: fund.RailWallet})
	if won = l.together("", func(int) error { return reward(id) }); len(won) != 6 {
		l.problem("order %s was sent six times and taken %d times", id, len(won))
	}
	return nil
}

// together runs six calls at once, each until it is answered, and returns who
// was answered well; the others must have been refused with code.
func (l *life) together(code string, fn func(i int) error) (won []int) {
	l.arm()
	defer l.disarm()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			err := fn(i)
			for range tries {
				if !doubtful(err) {
					break
				}
				err = fn(i)
			}
			mu.Lock()
			defer mu.Unlock()
			l.rep.Calls++
			switch {
			case err == nil:
				won = append(won, i)
			case ident.CodeOf(err) != code:
				l.problem("at once: want %q, got %v", code, err)
			}
		})
	}
	wg.Wait()
	return won
}

// look is a client who looks at every payout that is under way: what has ended
// must have ended as the rail says.
func (l *life) look() error {
	for _, id := range sortedKeys(l.au.payouts) {
		o := l.au.payouts[id]
		if o.state != "open" {
			continue
		}
		p, err := l.a.Fund.View(l.ctx, l.p.fund, id)
		if err != nil {
			return fmt.Errorf("payout %s: %w", id, err)
		}
		if p.State == fund.Settled || p.State == fund.Rejected {
			if wrong := l.au.end(id, string(p.State), l.truth(id, o)); wrong != "" {
				l.problem("%s", wrong)
			}
		}
	}
	return nil
}

// truth is what the rail did with a payout.
func (l *life) truth(id string, o *order) string {
	if o.rail == fund.RailWallet {
		return l.wallet.status(id)
	}
	if slices.Contains(l.bank.Paid(), id) {
		return "settled"
	}
	if code := l.no[id]; code != "" && code != "-" {
		return "rejected"
	}
	return ""
}

func (l *life) incidentID() string { return fmt.Sprintf("inc-%d", l.cfg.Seed) }

// incident is a mass theft from the list to the order of all payouts, once a life.
func (l *life) incident() error {
	id := l.incidentID()
	at := spot{"emergency", id}
	if _, have := l.au.ear[at]; have || l.au.frozen["emergency"] != "" {
		return nil
	}
	const first, victims = 1001, 4
	if err := settle(l.ctx, l.a, first, victims); err != nil {
		return err
	}
	l.want("declare", l.au.freeze(at), func() error { _, err := l.a.Incident.Declare(l.ctx, l.p.lead, declaration(id)); return err })
	list := policeList(first, victims)
	l.want("list", "", func() error {
		_, err := l.a.Incident.ImportList(l.ctx, l.p.lead, id, "list.csv", bytes.NewReader(list))
		return err
	})
	l.want("gather", "", func() error { _, err := l.a.Incident.Gather(l.ctx, l.p.lead, id); return err })
	l.want("reconcile", "", func() error { _, err := l.a.Incident.Reconcile(l.ctx, l.p.lead, id); return err })
	if len(l.rep.Problems) > 0 {
		return nil
	}
	return l.release4(id, at)
}

// release4 is the batch's way through two people, past those who try alone.
func (l *life) release4(id string, at spot) error {
	status := func(s incident.Status) func() (bool, error) {
		return func() (bool, error) {
			i, _, err := l.a.Incident.View(l.ctx, l.p.lead, id)
			return i.Status == s, err
		}
	}
	propose := func() error { _, _, err := l.a.Incident.Propose(l.ctx, l.p.lead, id); return err }
	if err := l.once("propose", status(incident.Proposed), propose); err != nil {
		l.problem("propose: %v", err)
		return nil
	}
	_, vs, err := l.a.Incident.View(l.ctx, l.p.lead, id)
	if err != nil {
		return err
	}
	b, err := incident.BatchOf(vs)
	if err != nil {
		return err
	}
	approve := func(who ident.Actor, hash [32]byte) func() error {
		return func() error { _, err := l.a.Incident.Approve(l.ctx, who, id, hash); return err }
	}
	other := b.Hash
	other[5]++
	l.want("approve alone", "second_person_needed", approve(l.p.lead, b.Hash))
	l.want("approve another batch", "batch_changed", approve(l.p.compliance, other))
	code := ""
	if need := b.Total.Minor - (l.au.ear[at] - l.au.held[at]); need > 0 { // what came back is still there
		code = l.au.earmark(at, need)
	}
	err = l.once("approve", status(incident.Approved), approve(l.p.compliance, b.Hash))
	if ident.CodeOf(err) != code {
		l.problem("approve: the auditor says %q, the house says %v", code, err)
	}
	if err != nil {
		return nil
	}
	return l.payAll(id, at)
}

func (l *life) payAll(id string, at spot) error {
	err := l.call("pay all", func() error { _, err := l.a.Incident.PayAll(l.ctx, l.p.lead, id, nil); return err })
	if err != nil {
		l.problem("pay all: %v", err)
		return nil
	}
	_, vs, err := l.a.Incident.View(l.ctx, l.p.lead, id)
	for _, v := range vs {
		if v.Payout == "" || l.au.payouts[v.Payout] != nil { // on no list, or ordered before
			continue
		}
		l.au.claims[v.Claim] = &dossier{status: "decided", decision: "approve_full", amount: v.Amount.Minor, incident: true}
		l.au.pay(v.Payout, order{at: at, claim: v.Claim, amount: v.Amount.Minor, rail: fund.RailBank})
	}
	return err
}

// redirect gives the incident's victims whom the bank has refused another account,
// and pays them, through two people again.
func (l *life) redirect() error {
	id := l.incidentID()
	at := spot{"emergency", id}
	if _, have := l.au.ear[at]; !have {
		return nil
	}
	_, vs, err := l.a.Incident.View(l.ctx, l.p.lead, id)
	if err != nil {
		return err
	}
	n := 0
	for _, v := range vs {
		if o := l.au.payouts[v.Payout]; o == nil || o.state != "rejected" {
			continue
		}
		if c, err := l.see(v.Claim); err != nil || c.Status != claim.Decided { // the event is still under way
			return err
		}
		to := v.PayTo
		to.Account = fmt.Sprintf("62708993067869%05d", 50_000+l.rnd.IntN(40_000))
		l.want("redirect", "", func() error { return l.a.Incident.Redirect(l.ctx, l.p.handler, v.ID, to, "the first was closed") })
		n++
	}
	if n == 0 || len(l.rep.Problems) > 0 {
		return nil
	}
	return l.release4(id, at)
}

// end lets everything come to its end: nobody lies any more, time goes on.
func (l *life) end() error {
	l.disarm()
	l.wallet.beHonest()
	for range 60 {
		l.clock.Advance(10 * time.Minute)
		if _, err := l.a.Queue.Drain(l.ctx); err != nil {
			return err
		}
		if err := l.bankDay(true); err != nil {
			return err
		}
		if _, err := l.a.Queue.Drain(l.ctx); err != nil {
			return err
		}
		if err := l.look(); err != nil {
			return err
		}
		open := 0
		for _, o := range l.au.payouts {
			if o.state == "open" {
				open++
			}
		}
		if open == 0 {
			return nil
		}
		l.clock.Advance(time.Hour)
	}
	l.problem("some payouts never came to an end")
	return nil
}

// compare is the auditor's day: every balance, payout and claim; then the house's
// own verification, the explanation of each cent, and the trail.
func (l *life) compare() error {
	if len(l.rep.Problems) > 0 {
		return nil
	}
	if err := l.restart(); err != nil { // what is only in memory does not count
		return err
	}
	if l.cfg.broken != "" {
		err := l.a.DB.Update(l.ctx, func(tx *db.Tx) error { _, err := tx.Exec(l.cfg.broken); return err })
		if err != nil {
			return err
		}
	}
	if err := l.a.DB.View(l.ctx, l.compareTx); err != nil {
		return fmt.Errorf("the house cannot be read: %w", err)
	}
	l.compareRails()
	v, err := l.a.Verify(l.ctx)
	if err != nil {
		return err
	}
	if !v.OK {
		l.problem("verify: %v %v %v", v.Problems, v.Books.Problems, v.Audit.Problems)
	}
	l.rep.Audited = v.Audit.Entries
	for _, check := range []func(context.Context, *db.DB) ([]string, error){Walk, Trail} {
		found, err := check(l.ctx, l.a.DB)
		if err != nil {
			return err
		}
		for _, f := range found {
			l.problem("%s", f)
		}
	}
	return nil
}

func (l *life) compareTx(tx *db.Tx) error {
	want := l.au.accounts()
	have, err := l.a.Ledger.Balances(tx, "")
	if err != nil {
		return err
	}
	for _, b := range have {
		if b.Posted.Minor != want[b.Account.ID] || b.Pending.Minor != 0 {
			l.problem("account %s has %s (%s pending), the auditor says %d", b.Account.ID, b.Posted, b.Pending, want[b.Account.ID])
		}
		delete(want, b.Account.ID)
	}
	for id, n := range want {
		if n != 0 {
			l.problem("the auditor has %d on account %s, which is not in the books", n, id)
		}
	}
	all, err := l.a.Fund.List(tx, fund.Filter{Limit: 10_000})
	if err != nil {
		return err
	}
	for _, p := range all {
		o := l.au.payouts[p.ID]
		if o == nil || o.state != string(p.State) || o.amount != p.Amount.Minor || o.claim != p.Claim {
			l.problem("payout %s (%s, %s) is not what the auditor has: %+v", p.ID, p.State, p.Amount, o)
		}
	}
	l.rep.Payouts, l.rep.Claims = len(all), len(l.au.claims)
	if len(all) != len(l.au.payouts) {
		l.problem("there are %d payouts, the auditor has %d", len(all), len(l.au.payouts))
	}
	for _, id := range sortedKeys(l.au.claims) {
		f := l.au.claims[id]
		c, found, err := l.a.Claim.Get(tx, id)
		if err != nil {
			return err
		}
		if !found || string(c.Status) != f.status || string(c.Decision) != f.decision || f.payout != c.Payout {
			l.problem("claim %s is %s/%s/%s, the auditor says %+v", id, c.Status, c.Decision, c.Payout, f)
		}
	}
	return nil
}

// compareRails compares what the world paid with what the client saw.
func (l *life) compareRails() {
	world := l.wallet.paid()
	for _, id := range l.bank.Paid() {
		if _, twice := world[id]; twice {
			l.problem("payout %s was paid twice", id)
		}
		world[id] = -1
	}
	for _, id := range sortedKeys(l.au.payouts) {
		o := l.au.payouts[id]
		n, paid := world[id]
		delete(world, id)
		if paid != (o.state == "settled") || paid && n >= 0 && n != o.amount {
			l.problem("payout %s of %d is %s, the %s paid: %v %d", id, o.amount, o.state, o.rail, paid, n)
		}
		switch o.state {
		case "settled":
			l.rep.Settled++
			l.rep.Paid += o.amount
		case "rejected":
			l.rep.Rejected++
		}
	}
	for id := range world {
		l.problem("the world paid %s, which nobody ordered", id)
	}
	if l.wallet.forged+l.wallet.differs > 0 {
		l.problem("the wallet got %d forged calls and %d ids with two bodies", l.wallet.forged, l.wallet.differs)
	}
}
