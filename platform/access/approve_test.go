package access_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
)

func content(v any) [32]byte {
	h, err := access.ContentHash(v)
	if err != nil {
		panic(err)
	}
	return h
}

func (h *house) ask(actor ident.Actor, r access.Request) (ap access.Approval, err error) {
	err = h.a.Run(h.ctx, func(tx *db.Tx) (err error) { ap, err = h.a.Ask(tx, actor, r); return err })
	return ap, err
}

func (h *house) sign(actor ident.Actor, id ident.ID, hash [32]byte) (ap access.Approval, err error) {
	err = h.a.Run(h.ctx, func(tx *db.Tx) (err error) { ap, err = h.a.Sign(tx, actor, id, hash); return err })
	return ap, err
}

func (h *house) withdraw(actor ident.Actor, id ident.ID) (ap access.Approval, err error) {
	err = h.a.Run(h.ctx, func(tx *db.Tx) (err error) { ap, err = h.a.Withdraw(tx, actor, id); return err })
	return ap, err
}

// use does the act with its approval, as a job of the product would.
func (h *house) use(r access.Request) error {
	return h.a.Update(h.ctx, ident.Job("pay"), access.ActIncidentPay, access.Object{ID: r.Object}, nil,
		func(tx *db.Tx) error { return h.a.Require(tx, r.Act, r.Object, r.Hash) })
}

func batch(id string) access.Request {
	return access.Request{ID: id, Act: access.ActIncidentApprove, Object: "inc_1", Hash: content("47 people"),
		Summary: "pay 47 people 13,300,000.00 CNY", Amount: money.Yuan(13_300_000), TTL: time.Hour}
}

func TestApprovalByTwo(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		lea, fay, ana := h.hire("lea", "lead"), h.hire("fay", "fund"), h.hire("ana", "analyst")
		r := batch("apr_1")
		h.want(h.use(r), ident.KindState, "approval_missing")
		ap, err := h.ask(lea, r)
		h.ok(err)
		if ap.State != access.Open || len(ap.Signatures) != 1 || !ap.SignedBy(lea.ID) || ap.Amount != r.Amount {
			t.Fatalf("%+v", ap)
		}
		if n := h.pending(); n != 1 {
			t.Fatalf("%d are pending", n)
		}
		h.want(h.use(r), ident.KindState, "approval_incomplete")

		program := ident.Actor{Kind: ident.Key, ID: fay.ID, Roles: []ident.Role{"fund", "lead"}}
		victim := ident.Actor{Kind: ident.Customer, ID: fay.ID}
		posing := ana
		posing.Roles = []ident.Role{"lead", "fund", "compliance"} // what the actor says of itself does not count
		for _, c := range []struct {
			actor ident.Actor
			kind  ident.Kind
			code  string
		}{
			{lea, ident.KindDenied, "second_person_needed"},
			{ana, ident.KindDenied, "not_allowed"},
			{posing, ident.KindDenied, "not_allowed"},
			{h.admin, ident.KindDenied, "not_allowed"},
			{program, ident.KindDenied, "not_allowed"},
			{ident.Job("pay"), ident.KindDenied, "not_allowed"},
			{victim, ident.KindNotFound, "approval_not_found"}, // as if there were none
			{ident.Actor{}, ident.KindUnsignedIn, "not_signed_in"},
		} {
			err := h.logged(access.ActApprovalSign, audit.Refused, func() error {
				return errOf(h.sign(c.actor, r.ID, r.Hash))
			})
			h.want(err, c.kind, c.code)
			if c.kind == ident.KindNotFound && err.Error() != access.Absent(access.ActApprovalRead, r.ID).Error() {
				t.Fatalf("%v tells that there is one", err)
			}
		}
		_, err = h.sign(fay, r.ID, content("48 people"))
		h.want(err, ident.KindConflict, "content_changed")
		_, err = h.sign(fay, "apr_none", r.Hash)
		h.want(err, ident.KindNotFound, "approval_not_found")
		h.want(h.use(r), ident.KindState, "approval_incomplete")

		h.ok(h.logged(access.ActApprovalSign, audit.Done, func() (err error) {
			ap, err = h.sign(fay, r.ID, r.Hash)
			return err
		}))
		if len(ap.Signatures) != 2 || ap.Signatures[0].Staff != lea.ID || ap.Signatures[1].Name != "fay" {
			t.Fatalf("%+v", ap)
		}
		other := r
		other.Hash = content("48 people")
		h.want(h.use(other), ident.KindState, "approval_other_content")
		other = r
		other.Object = "inc_2"
		h.want(h.use(other), ident.KindState, "approval_missing")
		other = r
		other.Act = access.ActFundPay
		h.want(h.use(other), ident.KindState, "approval_missing")

		h.ok(h.logged(access.ActIncidentPay, audit.Done, func() error { return h.use(r) }))
		h.want(h.use(r), ident.KindState, "approval_missing")
		h.want(errOf(h.withdraw(lea, r.ID)), ident.KindState, "approval_used")
	})
}

func (h *house) pending() (n int) {
	h.Helper()
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
		all, err := h.a.Pending(tx)
		n = len(all)
		return err
	}))
	return n
}

func TestApprovalRequests(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		lea, fay := h.hire("lea", "lead"), h.hire("fay", "fund")
		for _, c := range []struct {
			code string
			bad  func(*access.Request)
		}{
			{"required", func(r *access.Request) { r.ID = "" }},
			{"required", func(r *access.Request) { r.Object = "" }},
			{"required", func(r *access.Request) { r.Hash = [32]byte{} }},
			{"summary_length", func(r *access.Request) { r.Summary = "" }},
			{"ttl_out_of_range", func(r *access.Request) { r.TTL = 8 * 24 * time.Hour }},
			{"ttl_out_of_range", func(r *access.Request) { r.TTL = -1 }},
			{"act_needs_no_approval", func(r *access.Request) { r.Act = access.ActClaimDecide }},
			{"act_needs_no_approval", func(r *access.Request) { r.Act = access.ActApprovalSign }},
			{"act_needs_no_approval", func(r *access.Request) { r.Act = "incident.invented" }},
			{"currency_unknown", func(r *access.Request) { r.Amount.Currency = "XXQ" }},
		} {
			r := batch("apr_1")
			c.bad(&r)
			_, err := h.ask(lea, r)
			h.want(err, ident.KindInvalid, c.code)
		}
		r := batch("apr_1")
		_, err := h.ask(h.admin, r)
		h.want(err, ident.KindDenied, "not_allowed")
		h.ok(h.logged(access.ActApprovalAsk, audit.Done, func() error { _, err := h.ask(lea, r); return err }))
		again, err := h.ask(lea, r)
		h.ok(err)
		if len(again.Signatures) != 1 {
			t.Fatalf("%+v", again)
		}
		_, err = h.ask(fay, r) // another asker is another body
		h.want(err, ident.KindConflict, "approval_exists")
		_, err = h.ask(fay, batch("apr_2"))
		h.want(err, ident.KindConflict, "already_asked")

		changed := batch("apr_3")
		changed.Hash = content("46 people")
		_, err = h.ask(fay, changed)
		h.ok(err)
		_, err = h.sign(fay, r.ID, r.Hash)
		h.want(err, ident.KindState, "approval_superseded")
		h.want(h.use(r), ident.KindState, "approval_other_content")

		h.clock.Advance(time.Hour)
		_, err = h.sign(lea, changed.ID, changed.Hash)
		h.want(err, ident.KindState, "approval_expired")
		h.want(h.use(changed), ident.KindState, "approval_expired")
		fresh := batch("apr_4")
		_, err = h.ask(lea, fresh)
		h.ok(err)
		h.ok(h.logged(access.ActApprovalWithdraw, audit.Done, func() error { return errOf(h.withdraw(fay, fresh.ID)) }))
		_, err = h.withdraw(lea, fresh.ID)
		h.want(err, ident.KindState, "approval_withdrawn")
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			all, err := h.a.For(tx, "inc_1")
			got := ""
			for _, a := range all {
				got += string(a.State) + " "
			}
			if got != "superseded expired withdrawn " {
				t.Fatal(got)
			}
			return err
		}))
	})
}

// Many at once: one request, one signature each, one use.
func TestApprovalInParallel(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		lea, fay := h.hire("lea", "lead"), h.hire("fay", "fund")
		many := func(what string, want int, fn func(i int) error) {
			h.Helper()
			var wg sync.WaitGroup
			errs := make([]error, 12)
			for i := range errs {
				wg.Add(1)
				go func() { defer wg.Done(); errs[i] = fn(i) }()
			}
			wg.Wait()
			done := 0
			for _, err := range errs {
				switch ident.KindOf(err) {
				case "":
					done++
				case ident.KindConflict, ident.KindState:
				default:
					t.Fatalf("%s: %v", what, err)
				}
			}
			if done != want && want >= 0 {
				t.Fatalf("%s happened %d times, want %d: %v", what, done, want, errs)
			}
		}
		many("asking", 1, func(i int) error { _, err := h.ask(lea, batch(fmt.Sprintf("apr_%d", i))); return err })
		var open access.Approval
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			all, err := h.a.Pending(tx)
			open = all[0]
			return err
		}))
		many("signing", -1, func(int) error { _, err := h.sign(fay, open.ID, open.Hash); return err })
		many("using", 1, func(int) error { return h.use(batch("")) })
	})
}

// Each write of an approval both ways, and again.
func TestApprovalWritesLostAndMuted(t *testing.T) {
	each(t, true, func(h *house, f *db.Faults) {
		lea, fay := h.hire("lea", "lead"), h.hire("fay", "fund")
		r := batch("apr_1")
		twice := func(what string, do func() error) {
			h.Helper()
			before := h.rows()
			f.LoseCommit(1)
			h.want(do(), ident.KindUnavailable, "fault")
			if h.rows() != before {
				t.Fatalf("%s: lost, but logged", what)
			}
			f.MuteCommit(1)
			h.want(do(), ident.KindUnknown, "outcome_unknown")
			if h.rows() != before+1 {
				t.Fatalf("%s: %d records", what, h.rows()-before)
			}
		}
		ask := func() error { _, err := h.ask(lea, r); return err }
		sign := func() error { _, err := h.sign(fay, r.ID, r.Hash); return err }
		twice("ask", ask)
		h.ok(ask())
		h.want(h.use(r), ident.KindState, "approval_incomplete")
		twice("sign", sign)
		h.ok(sign())
		twice("use", func() error { return h.use(r) })
		h.want(h.use(r), ident.KindState, "approval_missing") // it was used: what was muted had happened
		h.ok(ask())                                           // the same answers as ever
		h.ok(sign())

		r = batch("apr_2")
		h.ok(ask())
		withdraw := func() error { _, err := h.withdraw(fay, r.ID); return err }
		twice("withdraw", withdraw)
		h.ok(withdraw())
	})
}

// model is an independent account of who may do what: it knows the rule of two
// people, not how the package keeps it.
type model struct {
	may  map[ident.ID]bool // roles allow incident.approve, and not disabled
	asks map[ident.ID]*asked
}

type asked struct {
	object, by ident.ID
	hash       [32]byte
	signers    map[ident.ID]bool
	until      time.Time
	over       bool
	withdrawn  ident.ID // by whom
}

// passes says whether the act may go through: some open request for exactly this
// has two different people who may, both then and now.
func (m *model) passes(object ident.ID, hash [32]byte, now time.Time) *asked {
	for _, a := range m.asks {
		if a.over || a.object != object || a.hash != hash || !now.Before(a.until) {
			continue
		}
		n := 0
		for s := range a.signers {
			if m.may[s] {
				n++
			}
		}
		if n >= 2 {
			return a
		}
	}
	return nil
}

// Random sequences of asking, signing, editing, changing roles, disabling,
// waiting, withdrawing and replaying: nothing passes without two.
func TestFourEyesProperty(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		people := []ident.Actor{h.hire("p0", "lead"), h.hire("p1", "lead"), h.hire("p2", "lead"), h.hire("p3", "lead")}
		passed := 0
		for range 5 { // a hundred random sequences may all end without two signatures
			if rapid.Check(t, func(rt *rapid.T) { passed += h.fourEyes(rt, people) }); passed > 0 {
				return
			}
		}
		if passed == 0 {
			t.Fatal("nothing ever passed: the test shows nothing")
		}
	})
}

// run is one random sequence under way.
type run struct {
	*house
	rt     *rapid.T
	m      *model
	people []ident.Actor
	ids    []ident.ID // of all requests that were ever asked
	passed int
}

func (h *house) fourEyes(rt *rapid.T, people []ident.Actor) (passed int) {
	r := &run{house: h, rt: rt, people: people, m: &model{may: map[ident.ID]bool{}, asks: map[ident.ID]*asked{}}}
	r.startOver()
	objects := []ident.ID{h.ids.New("inc"), h.ids.New("inc")}
	for range rapid.IntRange(4, 24).Draw(rt, "steps") {
		p := rapid.SampledFrom(people).Draw(rt, "person")
		object := rapid.SampledFrom(objects).Draw(rt, "object")
		hash := content(rapid.IntRange(1, 2).Draw(rt, "content"))
		do := rapid.SampledFrom([]string{"ask", "ask", "sign", "sign", "sign", "use", "use", "use", "withdraw",
			"pose", "self", "roles", "disable", "enable", "wait"}).Draw(rt, "do")
		switch do {
		case "roles", "disable", "enable":
			r.change(do, p)
		case "wait":
			h.clock.Advance(time.Duration(rapid.IntRange(1, 3).Draw(rt, "thirds of an hour")) * 20 * time.Minute)
		default:
			r.approve(do, p, object, hash)
		}
	}
	return r.passed
}

// startOver makes every person a lead again: a sequence must not depend on the one before.
func (r *run) startOver() {
	var all []access.Staff
	r.ok(r.d.View(r.ctx, func(tx *db.Tx) (err error) { all, err = r.a.StaffList(tx); return err }))
	for _, s := range all {
		if s.ID == r.admin.ID {
			continue
		}
		r.m.may[s.ID] = true
		if !s.Disabled.IsZero() {
			r.ok(errOf(r.a.Enable(r.ctx, r.admin, s.ID)))
		}
		if s.Roles[0] != "lead" {
			r.ok(errOf(r.a.SetRoles(r.ctx, r.admin, s.ID, []ident.Role{"lead"})))
		}
	}
}

func (r *run) agree(what string, err error, want bool) {
	if (err == nil) != want {
		r.rt.Fatalf("%s: got %v, the model says %v", what, err, want)
	}
}

// change is a step of the administrator's.
func (r *run) change(do string, p ident.Actor) {
	var s access.Staff
	var err error
	switch do {
	case "roles":
		all := []ident.Role{"lead", "fund", "compliance", "handler", "analyst", "admin"}
		role := rapid.SampledFrom(all).Draw(r.rt, "role")
		s, err = r.a.SetRoles(r.ctx, r.admin, p.ID, []ident.Role{role})
	case "disable":
		s, err = r.a.Disable(r.ctx, r.admin, p.ID)
	case "enable":
		s, err = r.a.Enable(r.ctx, r.admin, p.ID)
	}
	r.agree(do, err, true)
	role := s.Roles[0]
	r.m.may[p.ID] = s.Disabled.IsZero() && (role == "lead" || role == "fund" || role == "compliance")
}

// approve is a step of somebody who asks, signs, uses or tries to cheat.
func (r *run) approve(do string, p ident.Actor, object ident.ID, hash [32]byte) {
	now := r.clock.Now()
	pick := ident.ID("apr_none")
	if len(r.ids) > 0 {
		pick = rapid.SampledFrom(r.ids).Draw(r.rt, "request")
	}
	a := r.m.asks[pick]
	switch do {
	case "ask":
		id := r.house.ids.New("apr")
		_, err := r.ask(p, access.Request{ID: id, Act: access.ActIncidentApprove, Object: object, Hash: hash,
			Summary: "s", TTL: time.Hour})
		r.agree(do, err, r.m.ask(id, p.ID, object, hash, now))
		r.ids = append(r.ids, id)
	case "sign":
		_, err := r.sign(p, pick, hash)
		r.agree(do, err, r.m.sign(a, p.ID, hash, now))
	case "self":
		if a != nil {
			_, err := r.sign(ident.Actor{Kind: ident.Staff, ID: a.by, Roles: []ident.Role{"lead"}}, pick, a.hash)
			r.agree(do, err, false)
		}
	case "pose":
		p.Kind = rapid.SampledFrom([]ident.ActorKind{ident.Key, ident.System, ident.Customer, ""}).Draw(r.rt, "kind")
		_, err := r.sign(p, pick, hash)
		r.agree(do, err, false)
	case "use":
		err := r.use(access.Request{Act: access.ActIncidentApprove, Object: object, Hash: hash})
		a := r.m.passes(object, hash, now)
		r.agree(do, err, a != nil)
		if a != nil {
			a.over = true
			r.passed++
		}
	case "withdraw":
		_, err := r.withdraw(p, pick)
		r.agree(do, err, r.m.withdraw(a, p.ID, now))
	}
}

// ask is what a new request does to the model, and whether it is taken.
func (m *model) ask(id, by, object ident.ID, hash [32]byte, now time.Time) bool {
	if !m.may[by] {
		return false
	}
	for _, a := range m.asks {
		if a.object == object && !a.over && a.hash == hash && now.Before(a.until) {
			return false
		}
	}
	for _, a := range m.asks {
		if a.object == object {
			a.over = true // edited, or too old
		}
	}
	m.asks[id] = &asked{object: object, by: by, hash: hash, until: now.Add(time.Hour),
		signers: map[ident.ID]bool{by: true}}
	return true
}

// sign is what a signature does to the model, and whether it is taken.
func (m *model) sign(a *asked, by ident.ID, hash [32]byte, now time.Time) bool {
	if a == nil || !m.may[by] || by == a.by || hash != a.hash {
		return false
	}
	if a.signers[by] {
		return true // the same answer as before
	}
	if a.over || !now.Before(a.until) {
		return false
	}
	a.signers[by] = true
	return true
}

// withdraw is what taking back does to the model, and whether it is taken.
func (m *model) withdraw(a *asked, by ident.ID, now time.Time) bool {
	if a == nil || !m.may[by] {
		return false
	}
	if a.over || !now.Before(a.until) {
		return a.withdrawn == by
	}
	a.over, a.withdrawn = true, by
	return true
}

func errOf[T any](_ T, err error) error { return err }
