package fund

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
)

func TestNewRefusesMissingParts(t *testing.T) {
	if _, err := New(Config{}); ident.CodeOf(err) != "config" {
		t.Fatal(err)
	}
}

func TestFundsAndEarmarks(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(100, 50)
		h.rich(100, 50) // the same calls again
		h.wantFigures(100, 50, 0, 0)
		other := Fund{ID: "emergency", NameZH: "应急", NameEN: "Other", Kind: Emergency, Currency: money.CNY}
		h.want(h.Create(h.ctx, tester, other), ident.KindConflict, "fund_exists")
		h.want(h.Deposit(h.ctx, tester, "dep-1", "emergency", money.Yuan(1), ""), ident.KindConflict, "transfer_exists")
		h.want(h.Deposit(h.ctx, tester, "dep-2", "none", money.Yuan(1), ""), ident.KindNotFound, "fund_not_found")
		h.want(h.Deposit(h.ctx, tester, "dep-2", "emergency", money.Of(1, "USD"), ""), ident.KindInvalid, "currency_differs")
		h.want(h.Earmark(h.ctx, tester, "ear-2", "emergency", "inc_1", money.Yuan(101)), ident.KindLimit, "balance_too_low")
		h.want(h.Earmark(h.ctx, tester, "ear-1", "emergency", "inc_1", money.Yuan(1)), ident.KindConflict, "transfer_exists")
		h.ok(h.Recover(h.ctx, tester, "rec-1", "emergency", "clm_9", money.Yuan(5), "from the bank of the thief"))
		h.ok(h.ReleaseEarmark(h.ctx, tester, "rel-1", "emergency", "inc_1"))
		h.ok(h.ReleaseEarmark(h.ctx, tester, "rel-1", "emergency", "inc_1"))
		h.ok(h.ReleaseEarmark(h.ctx, tester, "rel-2", "emergency", "inc_none"))
		h.want(h.ReleaseEarmark(h.ctx, tester, "rel-1", "emergency", "inc_none"), ident.KindConflict, "release_exists")
		h.wantFigures(155, 0, 0, 0)
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			fs, err := h.Funds(tx)
			if err != nil || len(fs) != 1 || fs[0].NameZH != "应急基金" {
				h.Fatalf("%v %v", fs, err)
			}
			es, err := h.Entries(tx, "emergency", 3)
			if err != nil || len(es) != 3 {
				h.Fatalf("%v %v", es, err)
			}
			return nil
		}))
		h.cleanBooks()
	})
}

func TestFreeze(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(100, 50)
		h.ok(h.Earmark(h.ctx, tester, "ear-3", "emergency", "inc_2", money.Yuan(10)))
		h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error {
			return h.FreezeTx(tx, ident.Actor{Kind: ident.Staff, ID: "stf_1", Roles: []ident.Role{ident.RoleLead}}, "emergency", "inc_1")
		}))
		frozen := func(err error) {
			h.Helper()
			h.want(err, ident.KindState, "fund_frozen")
			if !strings.Contains(err.Error(), "inc_1") {
				h.Fatalf("%v does not name the incident", err)
			}
		}
		in := order(1, 5, RailBank)
		in.Purpose = "inc_2"
		_, err := h.pay(in)
		frozen(err)
		frozen(h.Earmark(h.ctx, tester, "ear-4", "emergency", "inc_2", money.Yuan(1)))
		frozen(h.ReleaseEarmark(h.ctx, tester, "rel-4", "emergency", "inc_2"))
		frozen(h.Freeze(h.ctx, tester, "emergency", "inc_2"))
		frozen(h.Unfreeze(h.ctx, tester, "emergency", "inc_2"))
		h.ok(h.Earmark(h.ctx, tester, "ear-3", "emergency", "inc_2", money.Yuan(10))) // the same answer again
		h.ok(h.Deposit(h.ctx, tester, "dep-9", "emergency", money.Yuan(1), ""))       // money may come in
		h.ok(h.Freeze(h.ctx, tester, "emergency", "inc_1"))
		_, err = h.pay(order(2, 5, RailBank))
		h.ok(err)
		customer := ident.Actor{Kind: ident.Customer, ID: "pty_1", Roles: []ident.Role{ident.RoleCustomer}}
		err = h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error { return h.UnfreezeTx(tx, customer, "emergency", "inc_1") })
		if err == nil {
			h.Fatal("a customer unfreezes a fund")
		}
		h.ok(h.Unfreeze(h.ctx, tester, "emergency", "inc_1"))
		h.ok(h.Unfreeze(h.ctx, tester, "emergency", "inc_1"))
		_, err = h.pay(in)
		h.ok(err)
		h.want(h.Freeze(h.ctx, tester, "none", "inc_1"), ident.KindNotFound, "fund_not_found")
	})
}

func TestPayOnce(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(100, 50)
		in := order(1, 40, RailBank)
		p, err := h.pay(in)
		h.ok(err)
		again, err := h.pay(in)
		h.ok(err)
		if again != p || again.To != in.To {
			h.Fatalf("%+v is not %+v", again, p)
		}
		other := in
		other.To.Account = "1234"
		_, err = h.pay(other)
		h.want(err, ident.KindConflict, "payout_exists")
		second := order(2, 1, RailBank)
		second.Claim = in.Claim
		_, err = h.pay(second)
		h.want(err, ident.KindConflict, "claim_paid")
		_, err = h.pay(order(3, 11, RailBank))
		h.want(err, ident.KindLimit, "balance_too_low")
		missing := order(4, 1, RailBank)
		missing.Purpose = "inc_none"
		_, err = h.pay(missing)
		h.want(err, ident.KindState, "earmark_missing")
		dollars := order(5, 1, RailBank)
		dollars.Amount.Currency = "USD"
		_, err = h.pay(dollars)
		h.want(err, ident.KindInvalid, "currency_differs")
		_, err = h.pay(order(6, 1, RailWallet))
		h.want(err, ident.KindState, "rail_missing")
		h.wantFigures(100, 50, 40, 0)
		var sealed []byte
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			_, err := tx.Row([]any{&sealed}, "select sealed from fund_payout where id = $1", in.ID)
			return err
		}))
		if strings.Contains(string(sealed), "6270899") || strings.Contains(string(sealed), "尹") {
			h.Fatal("who is paid is not sealed")
		}
	})
}

func TestFourEyes(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(100_000, 900_000)
		admin, err := h.cfg.Access.Bootstrap(h.ctx, "a@example.org", "Admin", "correct horse battery")
		h.ok(err)
		boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
		hire := func(name string, r ident.Role) ident.Actor {
			s, err := h.cfg.Access.AddStaff(h.ctx, boss, access.NewStaff{Email: name + "@example.org", Name: name, Roles: []ident.Role{r}, Password: "correct horse battery"})
			h.ok(err)
			return ident.Actor{Kind: ident.Staff, ID: s.ID, Name: name, Roles: s.Roles}
		}
		lea, fay := hire("lea", ident.RoleLead), hire("fay", ident.RoleFund)
		both := func(r access.Request) {
			h.Helper()
			h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error { _, err := h.cfg.Access.Ask(tx, lea, r); return err }))
			h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error { _, err := h.cfg.Access.Sign(tx, fay, r.ID, r.Hash); return err }))
		}
		_, err = h.pay(order(1, 50_000, RailBank)) // the limit itself needs nobody
		h.ok(err)
		big := order(2, 50_000, RailBank)
		big.Amount.Minor++
		_, err = h.pay(big)
		h.want(err, ident.KindState, "approval_missing")
		hash, err := big.Hash()
		h.ok(err)
		both(access.Request{ID: "apr_1", Act: access.ActFundPay, Object: big.ID, Hash: hash, Summary: "pay one", Amount: big.Amount})
		changed := big
		changed.To.Account = "1234"
		_, err = h.pay(changed)
		h.want(err, ident.KindState, "approval_other_content")
		_, err = h.pay(big)
		h.ok(err)
		_, err = h.pay(big) // the answer again needs no second approval
		h.ok(err)

		// An incident's approval releases what was approved, for its purpose, once used.
		both(access.Request{ID: "apr_2", Act: access.ActIncidentApprove, Object: "inc_1", Hash: [32]byte{7}, Summary: "pay all", Amount: money.Yuan(200_000)})
		in := order(3, 150_000, RailBank)
		in.Approval = "apr_2"
		_, err = h.pay(in)
		h.want(err, ident.KindState, "approval_other_content") // not used yet
		h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error {
			return h.cfg.Access.Require(tx, access.ActIncidentApprove, "inc_1", [32]byte{7})
		}))
		in.Approval = "apr_1" // used, but of another act
		_, err = h.pay(in)
		h.want(err, ident.KindState, "approval_other_content")
		in.Approval = "apr_none"
		_, err = h.pay(in)
		h.want(err, ident.KindNotFound, "approval_not_found")
		in.Approval = "apr_2"
		_, err = h.pay(in)
		h.ok(err)
		more := order(4, 60_000, RailBank)
		more.Approval = "apr_2"
		_, err = h.pay(more)
		h.want(err, ident.KindLimit, "approval_exhausted")
		elsewhere := more
		elsewhere.Purpose = "inc_2"
		_, err = h.pay(elsewhere)
		h.want(err, ident.KindState, "approval_other_content")
		h.drain()
		answer, err := h.bank.AnswerAll([]byte(h.oneFile()), map[string]string{in.ID: "AC04"}, h.clock.Now())
		h.ok(err)
		_, err = h.importStatus(string(answer))
		h.ok(err)
		_, err = h.pay(more) // what came back may be paid again
		h.ok(err)
	})
}

func TestBankFromOrderToEnd(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(100, 900)
		for n := 1; n <= 3; n++ {
			_, err := h.pay(order(n, int64(100*n), RailBank))
			h.ok(err)
		}
		h.drain()
		file := h.oneFile()
		if err := validate(h, schema001, file); err != nil {
			h.Fatal(err)
		}
		first := h.is(order(1, 0, "").ID, Sent)
		h.wantFigures(100, 900, 600, 0)
		info, err := os.Stat(filepath.Join(h.dir, first.Batch+".xml"))
		if err != nil || info.Mode().Perm() != 0o600 {
			h.Fatal(info, err)
		}
		answer, err := h.bank.AnswerAll([]byte(file), map[string]string{order(2, 0, "").ID: "AC01"}, h.clock.Now())
		h.ok(err)
		rep, err := h.importStatus(string(answer))
		if err != nil || rep.Entries != 3 || rep.Settled != 2 || rep.Rejected != 1 || len(rep.Problems) != 0 {
			h.Fatalf("%+v %v", rep, err)
		}
		rep, err = h.importStatus(string(answer))
		if err != nil || rep.Unchanged != 3 || len(rep.Problems) != 0 {
			h.Fatalf("%+v %v", rep, err)
		}
		h.drain()
		h.wantFigures(100, 500, 0, 400)
		if p := h.is(order(2, 0, "").ID, Rejected); p.Reason != "AC01: the account number is wrong" {
			h.Fatal(p.Reason)
		}
		if p := h.is(order(3, 0, "").ID, Settled); p.RailRef != "BANK-3" || !p.Settled.Equal(h.clock.Now()) || p.To != order(3, 0, RailBank).To {
			h.Fatalf("%+v", p)
		}
		want := PayoutEvent{Payout: order(2, 0, "").ID, Claim: "clm_2", Purpose: "inc_1", Reason: "AC01: the account number is wrong"}
		if len(h.events[EventSettled]) != 2 || len(h.events[EventRejected]) != 1 || h.events[EventRejected][0] != want {
			h.Fatalf("%+v", h.events)
		}
		h.recorded(order(1, 0, "").ID, 4)
		retry := order(4, 200, RailBank) // another account, under another id
		retry.Claim, retry.To.Account = "clm_2", "62000000000000009"
		_, err = h.pay(retry)
		h.ok(err)
		h.drain()
		if n := len(h.files()); n != 2 {
			h.Fatalf("%d files", n)
		}
		// Later one comes back.
		_, err = h.GiveBack(h.ctx, tester, order(3, 0, "").ID, money.Yuan(1), "account closed")
		h.want(err, ident.KindInvalid, "amount_differs")
		for range 2 {
			p, err := h.GiveBack(h.ctx, tester, order(3, 0, "").ID, money.Yuan(300), "account closed")
			h.ok(err)
			if p.State != Returned {
				h.Fatal(p.State)
			}
		}
		h.wantFigures(100, 800, 200, 100)
		_, err = h.GiveBack(h.ctx, tester, order(1, 0, "").ID, money.Yuan(100), "")
		h.want(err, ident.KindInvalid, "required")
		h.cleanBooks()
	})
}

// recorded demands one audit record for each change of state, and nothing else.
func (h *house) recorded(id ident.ID, changes int) {
	h.Helper()
	version := h.get(id).Version
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
		rs, err := h.log.History(tx, id)
		if err == nil && (len(rs) != changes || version != changes) {
			h.Fatalf("%d records for version %d, want %d", len(rs), version, changes)
		}
		return err
	}))
}

// Files that are wrong in part: the good rest is taken, each problem is named.
func TestImportStatusProblems(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(100, 900)
		for n := 1; n <= 4; n++ {
			_, err := h.pay(order(n, 100, RailBank))
			h.ok(err)
		}
		h.drain()
		b, err := h.bank.AnswerAll([]byte(h.oneFile()), nil, h.clock.Now())
		h.ok(err)
		answer := string(b)
		id := func(n int) string { return order(n, 0, "").ID }
		bad := strings.Replace(answer, `<OrgnlEndToEndId>`+id(1), `<OrgnlEndToEndId>po_nobody`, 1)
		parts := strings.Split(bad, "<TxInfAndSts>")
		parts[2] = strings.Replace(parts[2], ">100.00<", ">100.01<", 1)
		parts[3] = strings.Replace(parts[3], ">ACSC<", ">WHAT<", 1)
		bad = strings.Join(parts, "<TxInfAndSts>")
		rep, err := h.importStatus(bad)
		if err != nil || rep.Settled != 1 || len(rep.Problems) != 3 || rep.Entries != 4 {
			h.Fatalf("%+v %v", rep, err)
		}
		for i, want := range []string{"payout_not_found", "amount_differs", "status_unknown"} {
			p := rep.Problems[i]
			if p.Code != want || p.Row != i+1 || i > 0 && p.Field != id(i+1) {
				h.Fatalf("%+v", p)
			}
		}
		h.is(id(1), Sent)
		h.is(id(4), Settled)
		// The bank's word against its word: nothing moves, a person is told.
		rep, err = h.importStatus(strings.ReplaceAll(answer, ">ACSC<", ">RJCT<"))
		if err != nil || rep.Rejected != 3 || len(rep.Problems) != 1 || rep.Problems[0].Code != "status_contradicts" {
			h.Fatalf("%+v %v", rep, err)
		}
		rep, err = h.importStatus(answer)
		if err != nil || rep.Unchanged != 1 || len(rep.Problems) != 3 || rep.Problems[0].Code != "status_contradicts" {
			h.Fatalf("%+v %v", rep, err)
		}
		rep, err = h.importStatus(strings.ReplaceAll(answer, ">ACSC<", ">PDNG<"))
		if err != nil || rep.Unchanged != 4 {
			h.Fatalf("%+v %v", rep, err)
		}
		other := h.get(id(1)).Batch
		rep, err = h.importStatus(strings.ReplaceAll(answer, other, "bat_other"))
		if err != nil || len(rep.Problems) != 4 || rep.Problems[0].Code != "other_message" {
			h.Fatalf("%+v %v", rep, err)
		}
		for _, junk := range []string{"", "junk", strings.Replace(answer, "<Document", "<!DOCTYPE x><Document", 1), strings.Repeat("x", maxMessage+1)} {
			if _, err := h.importStatus(junk); err == nil {
				h.Fatalf("%.20q was taken", junk)
			}
		}
		nobody := ident.Actor{Kind: ident.Staff, ID: "stf_1", Roles: []ident.Role{ident.RoleHandler}}
		_, err = h.ImportStatus(h.ctx, nobody, strings.NewReader(answer))
		h.want(err, ident.KindDenied, "not_allowed")
		h.wantFigures(100, 800, 0, 100)
		h.cleanBooks()
	})
}

// A bank that speaks of the file as a whole speaks of every payout in it.
func TestImportGroupStatus(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 900)
		for n := 1; n <= 2; n++ {
			_, err := h.pay(order(n, 100, RailBank))
			h.ok(err)
		}
		h.drain()
		batch := h.get(order(1, 0, "").ID).Batch
		group := func(id, count, sum, status string) string {
			return fmt.Sprintf(`<Document xmlns="%s"><CstmrPmtStsRpt><GrpHdr><MsgId>m1</MsgId><CreDtTm>2026-05-30T10:00:00Z</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>%s</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><OrgnlNbOfTxs>%s</OrgnlNbOfTxs>
<OrgnlCtrlSum>%s</OrgnlCtrlSum><GrpSts>%s</GrpSts><StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>`,
				space002, id, count, sum, status)
		}
		for _, c := range []struct{ file, code string }{
			{group("bat_none", "2", "200.00", "RJCT"), "batch_not_found"}, {group(batch, "3", "200.00", "RJCT"), "control_sum"},
			{group(batch, "2", "200.01", "RJCT"), "control_sum"},
		} {
			rep, err := h.importStatus(c.file)
			if err != nil || rep.Entries != 1 || len(rep.Problems) != 1 || rep.Problems[0].Code != c.code {
				h.Fatalf("%s: %+v %v", c.code, rep, err)
			}
		}
		rep, err := h.importStatus(group(batch, "2", "200.00", "ACSP"))
		if err != nil || rep.Pending != 2 {
			h.Fatalf("%+v %v", rep, err)
		}
		rep, err = h.importStatus(group(batch, "2", "200.00", "RJCT"))
		if err != nil || rep.Rejected != 2 {
			h.Fatalf("%+v %v", rep, err)
		}
		if p := h.is(order(1, 0, "").ID, Rejected); p.Reason != "AM04: there is not enough money on our account" {
			h.Fatal(p.Reason)
		}
		_, err = h.importStatus(`<Document xmlns="` + space002 + `"><CstmrPmtStsRpt/></Document>`)
		h.want(err, ident.KindInvalid, "status_empty")
	})
}

// A bank that is silent: the outcome counts as unknown, until the bank speaks.
func TestBankIsSilent(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 900)
		in := order(1, 100, RailBank)
		_, err := h.pay(in)
		h.ok(err)
		h.drain()
		h.clock.Advance(24 * time.Hour)
		h.drain()
		if p := h.is(in.ID, Unknown); p.Reason != "bank_silent" {
			h.Fatal(p.Reason)
		}
		answer, err := h.bank.AnswerAll([]byte(h.oneFile()), nil, h.clock.Now())
		h.ok(err)
		rep, err := h.importStatus(strings.Replace(string(answer), ">ACSC<", ">PDNG<", 1))
		if err != nil || rep.Pending != 1 {
			h.Fatalf("%+v %v", rep, err)
		}
		h.is(in.ID, Sent)
		h.clock.Advance(24 * time.Hour)
		h.drain()
		h.is(in.ID, Unknown)
		_, err = h.importStatus(string(answer))
		h.ok(err)
		h.is(in.ID, Settled)
		h.want(h.Reconcile(h.ctx, tester, in.ID), ident.KindState, "payout_settled")
		h.want(h.Reconcile(h.ctx, tester, "po_none"), ident.KindNotFound, "payout_not_found")
	})
}

// Every commit on the way of a bank payout is lost once, and muted once: the file
// is the same file, the money leaves once.
func TestBankFaultsEverywhere(t *testing.T) {
	both(t, nil, func(h *house, f *db.Faults) {
		h.rich(0, 100_000)
		n := 0
		for _, set := range []func(int){f.LoseCommit, f.MuteCommit} {
			for at := 1; at <= 12; at++ {
				n++
				in := order(n, 100, RailBank)
				set(at)
				for try := 0; ; try++ {
					if _, err := h.pay(in); err == nil {
						break
					} else if try > 3 || !ident.Is(err, ident.KindUnknown) && !ident.Is(err, ident.KindUnavailable) {
						h.Fatal(err)
					}
				}
				for range 4 {
					h.cfg.Queue.Drain(h.ctx)
					h.clock.Advance(time.Minute)
				}
				p := h.is(in.ID, Sent)
				file := h.files()[p.Batch+".xml"]
				answer, err := h.bank.AnswerAll([]byte(file), nil, h.clock.Now())
				h.ok(err)
				for try := 0; ; try++ {
					rep, err := h.importStatus(string(answer))
					if err == nil && rep.Settled+rep.Unchanged == 1 {
						break
					} else if try > 3 {
						h.Fatal(rep, err)
					}
				}
				for range 2 {
					h.cfg.Queue.Drain(h.ctx)
					h.clock.Advance(time.Minute)
				}
				h.is(in.ID, Settled)
			}
		}
		sum, times := h.ledgerPaid("inc_1")
		if sum != int64(n)*10_000 || len(times) != n || len(h.files()) != n || len(h.bank.Paid()) != n {
			h.Fatalf("%d paid %d times, %d files, the bank paid %d", sum, len(times), len(h.files()), len(h.bank.Paid()))
		}
		h.wantFigures(0, 100_000-100*int64(n), 0, 100*int64(n))
		h.cleanBooks()
	})
}

// The crash between writing the file and noting it: the very same bytes again.
func TestFileIsWrittenAgain(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 900)
		in := order(1, 100, RailBank)
		_, err := h.pay(in)
		h.ok(err)
		h.ok(h.compose(h.ctx, money.CNY))
		h.ok(h.compose(h.ctx, money.CNY)) // nothing is left to gather
		p := h.is(in.ID, Sending)
		b, ps, err := h.batch(h.ctx, p.Batch)
		h.ok(err)
		file, err := pain001(b, ps, h.cfg.Zone)
		h.ok(err)
		h.ok(writeFile(h.dir, b.File, file)) // and now the process dies
		h.clock.Advance(time.Hour)
		h.cfg.Debtor.Name = "renamed meanwhile"
		_, err = h.pay(order(2, 100, RailBank)) // another file
		h.ok(err)
		h.drain()
		if fs := h.files(); len(fs) != 2 || fs[b.File] != string(file) {
			h.Fatalf("%d files, or not the same bytes", len(fs))
		}
		h.is(in.ID, Sent)
		// A file of the name with other bytes is never overwritten.
		third := order(3, 100, RailBank)
		_, err = h.pay(third)
		h.ok(err)
		h.ok(h.compose(h.ctx, money.CNY))
		name := h.get(third.ID).Batch + ".xml"
		h.ok(os.WriteFile(filepath.Join(h.dir, name), []byte("other"), 0o600))
		err = h.sendBatch(h.ctx, queue.Job{Body: []byte(`{"payout":"` + third.ID + `"}`)})
		h.want(err, ident.KindInternal, "file_differs")
		h.is(third.ID, Sending)
		h.ok(os.Remove(filepath.Join(h.dir, name)))
		h.ok(h.sendBatch(h.ctx, queue.Job{Body: []byte(`{"payout":"` + third.ID + `"}`)}))
		h.is(third.ID, Sent)
		for name := range h.files() {
			if strings.HasPrefix(name, ".") {
				h.Fatal("a temporary file stayed")
			}
		}
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			bs, err := h.Batches(tx, 0)
			if err != nil || len(bs) != 3 || !bs[0].Written || bs[0].Amount != money.Yuan(100) {
				h.Fatalf("%+v %v", bs, err)
			}
			return nil
		}))
	})
}
