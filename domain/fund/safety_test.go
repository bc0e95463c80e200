package fund

import (
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// said is a bank's answer about a batch: of the group, the payment information or
// one transaction, whichever statuses are given.
type said struct {
	batch, info, tx         string // ids; info is the batch's if ""
	group, payment, status  string // statuses
	code, own               string // the reason, at the deepest level that has a status
	groupReason, infoReason string // reasons above it
}

func (s said) file() string {
	why := "<StsRsnInf><Rsn><Cd>" + s.code + "</Cd></Rsn></StsRsnInf>"
	if s.own != "" {
		why = "<StsRsnInf><Rsn><Prtry>" + s.own + "</Prtry></Rsn></StsRsnInf>"
	}
	if s.code == "" && s.own == "" {
		why = ""
	}
	above := func(code string) string {
		if code == "" {
			return ""
		}
		return "<StsRsnInf><Rsn><Cd>" + code + "</Cd></Rsn></StsRsnInf>"
	}
	if s.info == "" {
		s.info = s.batch
	}
	f := `<Document xmlns="` + space002 + `"><CstmrPmtStsRpt><GrpHdr><MsgId>A</MsgId><CreDtTm>2026-05-30T09:00:00Z</CreDtTm></GrpHdr>` +
		`<OrgnlGrpInfAndSts><OrgnlMsgId>` + s.batch + `</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>`
	if s.group != "" {
		f += "<GrpSts>" + s.group + "</GrpSts>"
		if s.payment == "" && s.tx == "" {
			f += why
		}
	}
	f += above(s.groupReason) + "</OrgnlGrpInfAndSts>"
	if s.payment != "" || s.tx != "" {
		f += "<OrgnlPmtInfAndSts><OrgnlPmtInfId>" + s.info + "</OrgnlPmtInfId>"
		if s.payment != "" {
			f += "<PmtInfSts>" + s.payment + "</PmtInfSts>"
			if s.tx == "" {
				f += why
			}
		}
		f += above(s.infoReason)
		if s.tx != "" {
			f += "<TxInfAndSts><OrgnlEndToEndId>" + s.tx + "</OrgnlEndToEndId><TxSts>" + s.status + "</TxSts>" + why + "</TxInfAndSts>"
		}
		f += "</OrgnlPmtInfAndSts>"
	}
	return f + "</CstmrPmtStsRpt></Document>"
}

// sentToBank orders one payout and lets its file be written.
func (h *house) sentToBank(n int) Payout {
	h.Helper()
	in := order(n, 10, RailBank)
	_, err := h.pay(in)
	h.ok(err)
	h.drain()
	return h.is(in.ID, Sent)
}

// told imports an answer that has one entry, which must be one problem.
func (h *house) told(s said, code string) {
	h.Helper()
	rep, err := h.importStatus(s.file())
	if err != nil || rep.Entries != 1 || len(rep.Problems) != 1 || rep.Problems[0].Code != code || rep.Rejected != 0 || rep.Settled != 0 {
		h.Fatalf("%+v: %+v %v, want %s", s, rep, err, code)
	}
}

// The same file reaches the bank twice and the refusal of the second copy comes
// first: nothing is rejected, so nothing is paid again, and the first copy settles.
func TestDuplicateIsNoRefusal(t *testing.T) {
	var cases []said
	for _, code := range []string{"AM05", "DUPL", "DU01", "DU02", "DU03", "DU04", "DU05"} {
		cases = append(cases, said{group: "RJCT", code: code}, said{payment: "RJCT", code: code},
			said{tx: "x", status: "RJCT", code: code})
	}
	cases = append(cases,
		said{tx: "x", status: "RJCT", own: "dupl"},
		said{tx: "x", status: "RJCT", groupReason: "AM05"},
		said{tx: "x", status: "RJCT", code: "NARR", infoReason: "DU01"},
		said{payment: "RJCT", groupReason: "AM05"})
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 900)
		for i, c := range cases {
			p := h.sentToBank(i + 1)
			if c.batch = p.Batch; c.tx != "" {
				c.tx = p.ID
			}
			for range 2 {
				h.told(c, "status_duplicate")
				if q := h.is(p.ID, Unknown); q.Reason != bankDuplicate || q.Version != p.Version+1 {
					h.Fatalf("%+v", q)
				}
			}
			second := order(1000+i, 10, RailBank)
			second.Claim = p.Claim
			_, err := h.pay(second)
			h.want(err, ident.KindConflict, "claim_paid")
			if i%2 == 0 { // first it says that the first copy is under way, and then refuses the second once more
				rep, err := h.importStatus(said{batch: p.Batch, group: "PDNG"}.file())
				if err != nil || rep.Pending != 1 {
					h.Fatalf("%+v %v", rep, err)
				}
				h.is(p.ID, Sent)
				h.told(c, "status_duplicate")
			}
			rep, err := h.importStatus(said{batch: p.Batch, group: "ACSC"}.file())
			if err != nil || rep.Settled != 1 {
				h.Fatalf("%+v %v", rep, err)
			}
			rep, err = h.importStatus(c.file()) // late: it contradicts nothing
			if err != nil || rep.Unchanged != 1 || len(rep.Problems) != 0 {
				h.Fatalf("%+v %v", rep, err)
			}
			h.is(p.ID, Settled)
		}
		if _, times := h.ledgerPaid("inc_1"); len(times) != len(cases) || len(h.events[EventRejected]) != 0 {
			h.Fatalf("%v %v", times, h.events)
		}
		// A clear refusal after that of the copy is one.
		p := h.sentToBank(500)
		h.told(said{batch: p.Batch, group: "RJCT", code: "AM05"}, "status_duplicate")
		rep, err := h.importStatus(said{batch: p.Batch, group: "RJCT", code: "AC04"}.file())
		if err != nil || rep.Rejected != 1 {
			h.Fatalf("%+v %v", rep, err)
		}
		h.cleanBooks()
	})
}

// The crash between writing and noting the file: the refusal of a copy may come
// while the payout still counts as on its way.
func TestDuplicateWhileSending(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 100)
		in := order(1, 10, RailBank)
		_, err := h.pay(in)
		h.ok(err)
		h.ok(h.compose(h.ctx, money.CNY))
		h.told(said{batch: h.is(in.ID, Sending).Batch, group: "RJCT", code: "DUPL"}, "status_duplicate")
		h.is(in.ID, Unknown)
		h.drain()
		p := h.is(in.ID, Unknown)
		answer, err := h.bank.AnswerAll([]byte(h.oneFile()), nil, h.clock.Now())
		h.ok(err)
		_, err = h.importStatus(string(answer))
		h.ok(err)
		h.is(p.ID, Settled)
	})
}

// The bank says "paid" of what it refused: the claim is not paid again.
func TestContradictedIsNotPaidAgain(t *testing.T) {
	both(t, nil, func(h *house, f *db.Faults) {
		h.rich(0, 100)
		p := h.sentToBank(1)
		_, err := h.importStatus(said{batch: p.Batch, group: "RJCT", code: "MS03"}.file())
		h.ok(err)
		h.is(p.ID, Rejected)
		yes := said{batch: p.Batch, tx: p.ID, status: "ACSC"}
		f.LoseCommit(2) // the first is the record of the import itself
		if _, err := h.importStatus(yes.file()); err == nil || h.get(p.ID).Contradicted {
			h.Fatal("a lost commit marked it")
		}
		f.MuteCommit(2)
		if _, err := h.importStatus(yes.file()); err == nil {
			h.Fatal("no error")
		}
		for range 2 {
			h.told(yes, "status_contradicts")
			if q := h.is(p.ID, Rejected); !q.Contradicted || q.Version != 5 {
				h.Fatalf("%+v", q)
			}
		}
		h.recorded(p.ID, 5)
		second := order(2, 10, RailBank)
		second.Claim = p.Claim
		_, err = h.pay(second)
		h.want(err, ident.KindState, "payout_contradicted")
		if !strings.Contains(err.Error(), p.ID) {
			h.Fatalf("%v does not name the payout", err)
		}
		again, err := h.pay(p.PayIn) // the order itself again: its answer, not a new payout
		if err != nil || again.State != Rejected {
			h.Fatal(again, err)
		}
		for _, claim := range []string{"", "clm_other"} { // nobody else is held up
			in := order(3+len(claim), 10, RailBank)
			in.Claim = claim
			_, err = h.pay(in)
			h.ok(err)
		}
	})
}

// What is said of another payment information is not said of ours.
func TestOtherPaymentInformation(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 100)
		p := h.sentToBank(1)
		for _, s := range []said{{payment: "RJCT", code: "AC01"}, {payment: "ACSC"}, {tx: p.ID, status: "RJCT", code: "AC01"}, {tx: p.ID, status: "ACSC"}} {
			for _, info := range []string{"SOMEBODY-ELSES", " ", p.ID} {
				s.batch, s.info = p.Batch, info
				h.told(s, "other_payment_information")
				h.is(p.ID, Sent)
			}
		}
		rep, err := h.importStatus(said{batch: p.Batch, payment: "RJCT", code: "AC01"}.file())
		if err != nil || rep.Rejected != 1 {
			h.Fatalf("%+v %v", rep, err)
		}
	})
}

// people are three members of staff, of whom the first two may resolve.
func (h *house) people() (fay, finn, lea ident.Actor) {
	h.Helper()
	admin, err := h.cfg.Access.Bootstrap(h.ctx, "a@example.org", "Admin", "correct horse battery")
	h.ok(err)
	boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
	hire := func(name string, r ident.Role) ident.Actor {
		s, err := h.cfg.Access.AddStaff(h.ctx, boss, access.NewStaff{Email: name + "@example.org", Name: name, Roles: []ident.Role{r}, Password: "correct horse battery"})
		h.ok(err)
		return ident.Actor{Kind: ident.Staff, ID: s.ID, Name: name, Roles: s.Roles}
	}
	return hire("fay", ident.RoleFund), hire("finn", ident.RoleFund), hire("lea", ident.RoleLead)
}

func TestResolve(t *testing.T) {
	both(t, nil, func(h *house, f *db.Faults) {
		h.rich(0, 900)
		fay, finn, lea := h.people()
		for n, settled := range []bool{true, false} {
			p := h.sentToBank(10 * (n + 1))
			p = h.cannotResolve(p, settled, fay, lea)
			h.resolveByTwo(f, p, settled, fay, finn)
			second := order(10*(n+1)+1, 10, RailBank)
			second.Claim = p.Claim
			if _, err := h.pay(second); settled {
				h.want(err, ident.KindConflict, "claim_paid")
			} else {
				h.ok(err)
			}
		}
		h.wantFigures(0, 890, 10, 10)
		h.cleanBooks()
	})
}

// cannotResolve tries what is refused, and returns the payout when it is unknown.
func (h *house) cannotResolve(p Payout, settled bool, fay, lea ident.Actor) Payout {
	h.Helper()
	_, err := h.Resolve(h.ctx, fay, p.ID, settled, "statement 7")
	h.want(err, ident.KindState, "payout_sent") // the bank may still answer
	h.clock.Advance(25 * time.Hour)             // the bank is silent
	h.drain()
	p = h.is(p.ID, Unknown)
	_, err = h.Resolve(h.ctx, fay, p.ID, settled, " \n")
	h.want(err, ident.KindInvalid, "proof_length")
	_, err = h.Resolve(h.ctx, fay, p.ID, settled, strings.Repeat("a", maxProof)+" b")
	h.want(err, ident.KindInvalid, "proof_length")
	_, err = h.Resolve(h.ctx, fay, "po_none", settled, "x")
	h.want(err, ident.KindNotFound, "payout_not_found")
	for _, who := range []ident.Actor{lea, tester, {Kind: ident.Key, ID: "key_1", Roles: []ident.Role{ident.RoleHost, ident.RoleFund}}} {
		_, err = h.Resolve(h.ctx, who, p.ID, settled, "statement 7")
		h.want(err, ident.KindDenied, "not_allowed")
	}
	return p
}

// resolveByTwo lets two people resolve a payout, with commits lost and muted.
func (h *house) resolveByTwo(f *db.Faults, p Payout, settled bool, fay, finn ident.Actor) {
	h.Helper()
	f.MuteCommit(1)
	_, err := h.Resolve(h.ctx, fay, p.ID, settled, "statement 7")
	h.want(err, ident.KindUnknown, ident.CodeOf(err))
	var asked ident.ID
	for range 3 { // one person alone, however often
		r, err := h.Resolve(h.ctx, fay, p.ID, settled, "statement 7")
		h.ok(err)
		if !r.Waiting || r.Approval == "" || asked != "" && asked != r.Approval || r.Payout != p {
			h.Fatalf("%+v", r)
		}
		asked = r.Approval
		h.is(p.ID, Unknown)
	}
	// Another word of the second person, on the end or on the proof, is a request of its own.
	r, err := h.Resolve(h.ctx, finn, p.ID, !settled, "statement 7")
	if err != nil || !r.Waiting || r.Approval == asked {
		h.Fatalf("%+v %v", r, err)
	}
	r, err = h.Resolve(h.ctx, fay, p.ID, settled, "statement 7")
	if err != nil || !r.Waiting {
		h.Fatalf("%+v %v", r, err)
	}
	h.is(p.ID, Unknown)
	f.LoseCommit(1)
	if _, err = h.Resolve(h.ctx, finn, p.ID, settled, "statement 7"); err == nil {
		h.Fatal("no error")
	}
	h.is(p.ID, Unknown)
	f.MuteCommit(1)
	if _, err = h.Resolve(h.ctx, finn, p.ID, settled, "statement 7"); err == nil {
		h.Fatal("no error")
	}
	want := Rejected
	if settled {
		want = Settled
	}
	for _, who := range []ident.Actor{finn, fay} {
		r, err = h.Resolve(h.ctx, who, p.ID, settled, "statement 7")
		if err != nil || r.Waiting || r.Payout.State != want {
			h.Fatalf("%+v %v", r, err)
		}
	}
	if q := h.is(p.ID, want); q.Version != p.Version+1 {
		h.Fatalf("%+v", q)
	}
	_, err = h.Resolve(h.ctx, finn, p.ID, !settled, "statement 7")
	h.want(err, ident.KindState, "payout_"+string(want))
}

// A finding counts for what two people looked at: not after the payout has moved.
func TestResolveAfterAMove(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 100)
		fay, finn, _ := h.people()
		p := h.sentToBank(1)
		h.told(said{batch: p.Batch, group: "RJCT", code: "AM05"}, "status_duplicate")
		_, err := h.Resolve(h.ctx, fay, p.ID, false, "call with the bank")
		h.ok(err)
		_, err = h.importStatus(said{batch: p.Batch, group: "ACSP"}.file())
		h.ok(err)
		_, err = h.Resolve(h.ctx, finn, p.ID, false, "call with the bank")
		h.want(err, ident.KindState, "payout_sent")
		h.told(said{batch: p.Batch, group: "RJCT", code: "AM05"}, "status_duplicate")
		r, err := h.Resolve(h.ctx, finn, p.ID, false, "call with the bank")
		if err != nil || !r.Waiting {
			h.Fatalf("%+v %v", r, err)
		}
		r, err = h.Resolve(h.ctx, fay, p.ID, false, "call with the bank")
		if err != nil || r.Waiting || r.Payout.State != Rejected {
			h.Fatalf("%+v %v", r, err)
		}
		// And the bank pays after all: nothing is paid again.
		h.told(said{batch: p.Batch, group: "ACSC"}, "status_contradicts")
		second := order(2, 10, RailBank)
		second.Claim = p.Claim
		_, err = h.pay(second)
		h.want(err, ident.KindState, "payout_contradicted")
	})
}

// One person does not take away what two have released.
func TestReleaseOfApproved(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 300)
		fay, _, lea := h.people()
		hash := [32]byte{7}
		h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error {
			_, err := h.cfg.Access.Ask(tx, lea, access.Request{ID: "apr_1", Act: access.ActIncidentApprove, Object: "inc_1", Hash: hash, Summary: "pay all", Amount: money.Yuan(200)})
			return err
		}))
		h.ok(h.ReleaseEarmark(h.ctx, fay, "rel-1", "emergency", "inc_1")) // nobody has released anything yet
		h.ok(h.Earmark(h.ctx, fay, "ear-2", "emergency", "inc_1", money.Yuan(250)))
		h.ok(h.Earmark(h.ctx, fay, "ear-3", "emergency", "inc_2", money.Yuan(50)))
		h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error { _, err := h.cfg.Access.Sign(tx, fay, "apr_1", hash); return err }))
		h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error {
			return h.cfg.Access.Require(tx, access.ActIncidentApprove, "inc_1", hash)
		}))
		refused := func(free, earmarked, paid int64) {
			h.Helper()
			for _, who := range []ident.Actor{fay, lea, tester} {
				h.want(h.ReleaseEarmark(h.ctx, who, "rel-2", "emergency", "inc_1"), ident.KindState, "earmark_approved")
			}
			h.ok(h.ReleaseEarmark(h.ctx, fay, "rel-1", "emergency", "inc_1")) // what was done before: the same answer
			if f := h.figures("inc_1"); f.EarmarkedFor != money.Yuan(earmarked) || f.Free != money.Yuan(free) || f.PaidFor != money.Yuan(paid) {
				h.Fatalf("%+v", f)
			}
		}
		refused(0, 250, 0) // approved, nothing ordered
		in := order(1, 200, RailBank)
		in.Approval = "apr_1"
		_, err := h.pay(in)
		h.ok(err)
		refused(0, 250, 0)
		h.drain()
		answer, err := h.bank.AnswerAll([]byte(h.oneFile()), nil, h.clock.Now())
		h.ok(err)
		_, err = h.importStatus(string(answer))
		h.ok(err)
		refused(0, 50, 200)                                               // all is paid; the noun's end gives the rest back
		h.ok(h.ReleaseEarmark(h.ctx, fay, "rel-3", "emergency", "inc_2")) // another purpose
		h.ok(h.cfg.Access.Run(h.ctx, func(tx *db.Tx) error { return h.ReleaseEarmarkTx(tx, lea, "rel-4", "emergency", "inc_1") }))
		h.wantFigures(100, 0, 0, 200)
		h.cleanBooks()
	})
}
