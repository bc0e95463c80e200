package rulebook

import (
	"strings"
	"testing"

	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// The tables of what may follow what hold every pair, none by accident.
func TestPublicationTable(t *testing.T) {
	want := map[PublicationState]map[PublicationEvent]PublicationState{
		Asked: {Sign: InForce, Withdraw: Withdrawn}, InForce: {Replace: Replaced, TakeBack: TakenBack, Fail: Failed},
		Replaced: {Restore: InForce}, TakenBack: {}, Failed: {}, Withdrawn: {},
	}
	if len(want) != len(PublicationStates()) {
		t.Fatal("a state is not in the table of this test")
	}
	for _, s := range PublicationStates() {
		for _, e := range PublicationEvents() {
			got, err := NextPublication(s, e)
			to, may := want[s][e]
			if may != (err == nil) || may && got != to || !may && (got != s || !ident.Is(err, ident.KindState)) {
				t.Errorf("%s by %s: %s, %v", s, e, got, err)
			}
		}
	}
}

func TestReplayTable(t *testing.T) {
	want := map[ReplayState]map[ReplayEvent]ReplayState{
		Waiting: {Take: Running, Cancel: Cancelled}, Running: {Lapse: Waiting, Finish: Done, Break: Broken, Cancel: Cancelled},
		Done: {}, Broken: {}, Cancelled: {},
	}
	if len(want) != len(ReplayStates()) {
		t.Fatal("a state is not in the table of this test")
	}
	for _, s := range ReplayStates() {
		for _, e := range ReplayEvents() {
			got, err := NextReplay(s, e)
			to, may := want[s][e]
			if may != (err == nil) || may && got != to || !may && (got != s || !ident.Is(err, ident.KindState)) {
				t.Errorf("%s by %s: %s, %v", s, e, got, err)
			}
		}
	}
}

func TestTwoPeoplePublish(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		was := w.running()
		p := w.save(w.text(7, "limit.large", "limit.small"))
		in := PublishIn{ID: "pub-1", Pack: p.Version.SHA256, Note: "earlier in the day"}

		_, err := w.Ask(w.ctx, w.people["han"], in)
		w.want(err, ident.KindDenied, "not_allowed")
		_, err = w.Ask(w.ctx, ident.Actor{Kind: ident.Key, ID: "key_a", Roles: []ident.Role{ident.RoleAnalyst}}, in)
		w.want(err, ident.KindDenied, "not_allowed")
		ask, err := w.Ask(w.ctx, w.people["ana"], in)
		w.ok(err)
		again, err := w.Ask(w.ctx, w.people["ana"], in)
		w.ok(err)
		if again.Approval != ask.Approval || again.Hash != ask.Hash || again.Summary != ask.Summary {
			w.Fatalf("asked twice: %+v and %+v", ask, again)
		}
		if !strings.Contains(ask.Summary, "limit.small") || !strings.Contains(ask.Summary, "earlier in the day") {
			w.Fatalf("the second person reads too little: %s", ask.Summary)
		}
		other := in
		other.Note = "something else"
		_, err = w.Ask(w.ctx, w.people["ana"], other)
		w.want(err, ident.KindConflict, "publication_exists")

		_, err = w.Sign(w.ctx, w.people["ana"], "pub-1", ask.Hash)
		w.want(err, ident.KindDenied, "second_person_needed")
		_, err = w.Sign(w.ctx, w.people["han"], "pub-1", ask.Hash)
		w.want(err, ident.KindDenied, "not_allowed")
		_, err = w.Sign(w.ctx, w.people["con"], "pub-1", [32]byte{1})
		w.want(err, ident.KindConflict, "content_changed")
		if w.running() != was || w.count(`select count(*) from risk_force`) != 0 {
			w.Fatal("something came into force without two people")
		}

		got, err := w.Sign(w.ctx, w.people["con"], "pub-1", ask.Hash)
		w.ok(err)
		if got.State != InForce || w.running() != 7 {
			w.Fatalf("%s, pack %d runs", got.State, w.running())
		}
		got, err = w.Sign(w.ctx, w.people["con"], "pub-1", ask.Hash)
		w.ok(err)
		if got.State != InForce || w.count(`select count(*) from risk_force`) != 1 {
			w.Fatal("signing again did something")
		}
		_, err = w.Sign(w.ctx, w.people["lea"], "pub-1", ask.Hash)
		w.want(err, ident.KindState, "publication_in_force")
		_, err = w.Ask(w.ctx, w.people["ana"], PublishIn{ID: "pub-2", Pack: p.Version.SHA256})
		w.want(err, ident.KindState, "in_force_already")
		w.audited("risk.publish", "pub-1", "done", 1)
	})
}

// audited counts the entries of the log about an act.
func (w *world) audited(act, object, outcome string, want int) {
	w.Helper()
	n := w.count(`select count(*) from audit_leaf where act = $1 and object = $2 and outcome = $3`, act, object, outcome)
	if n != want {
		w.Fatalf("the log has %d entries of %s on %s (%s), want %d", n, act, object, outcome, want)
	}
}

func TestTakeBackIsOneAct(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		was := w.running()
		w.published("pub-1", PublishIn{Pack: w.save(w.text(7)).Version.SHA256})
		w.published("pub-2", PublishIn{Pack: w.save(w.text(8)).Version.SHA256})
		_, err := w.TakeBack(w.ctx, w.people["lea"], "pub-1", "wrong one")
		w.want(err, ident.KindState, "publication_replaced")
		_, err = w.TakeBack(w.ctx, w.people["lea"], "pub-2", " ")
		w.want(err, ident.KindInvalid, "required")
		_, err = w.TakeBack(w.ctx, w.people["han"], "pub-2", "no right")
		w.want(err, ident.KindDenied, "not_allowed")
		for range 2 { // the same call again is the same answer
			p, err := w.TakeBack(w.ctx, w.people["lea"], "pub-2", "it stops the market")
			w.ok(err)
			if p.State != TakenBack || w.running() != 7 {
				w.Fatalf("%s, pack %d runs", p.State, w.running())
			}
		}
		one, err := w.publication(w.ctx, "pub-1")
		w.ok(err)
		if one.State != InForce {
			w.Fatalf("the one before is %s", one.State)
		}
		_, err = w.TakeBack(w.ctx, w.people["lea"], "pub-1", "this one too")
		w.ok(err)
		if w.running() != was {
			w.Fatalf("pack %d runs, want the one that came with the program", w.running())
		}
		st, err := w.Status(w.ctx, w.people["lea"])
		w.ok(err)
		var acts []string
		for _, f := range st.History {
			acts = append(acts, string(f.Act)+" "+f.Publication)
		}
		if got := strings.Join(acts, ", "); got != "take_back , take_back pub-1, publish pub-2, publish pub-1" || len(st.Troubles) > 0 {
			w.Fatalf("history: %s; troubles %v", got, st.Troubles)
		}
	})
}

func TestPublicationOutdatedAndWithdrawn(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		a, b := w.save(w.text(7)), w.save(w.text(8))
		pa, err := w.Ask(w.ctx, w.people["ana"], PublishIn{ID: "pub-a", Pack: a.Version.SHA256})
		w.ok(err)
		w.published("pub-b", PublishIn{Pack: b.Version.SHA256})
		_, err = w.Sign(w.ctx, w.people["con"], "pub-a", pa.Hash)
		w.want(err, ident.KindConflict, "publication_outdated")
		_, err = w.WithdrawPublication(w.ctx, w.people["han"], "pub-a")
		w.want(err, ident.KindDenied, "not_allowed")
		for range 2 {
			p, err := w.WithdrawPublication(w.ctx, w.people["ben"], "pub-a")
			w.ok(err)
			if p.State != Withdrawn {
				w.Fatal(p.State)
			}
		}
		_, err = w.Sign(w.ctx, w.people["con"], "pub-a", pa.Hash)
		w.want(err, ident.KindState, "publication_withdrawn")
		ap := access.Approval{}
		w.ok(w.db.View(w.ctx, func(tx *db.Tx) (err error) { ap, err = w.access.Approval(tx, pa.Approval); return err }))
		if ap.State != access.Withdrawn {
			w.Fatalf("the request is %s", ap.State)
		}
	})
}

// Other processes hear of it, and a start runs what is in force.
func TestOtherProcesses(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		o := w.another()
		w.ok(o.Load(w.ctx))
		w.published("pub-1", PublishIn{Pack: w.save(w.text(7)).Version.SHA256})
		if o.running() == 7 {
			w.Fatal("it knew before it looked")
		}
		w.ok(o.Refresh(w.ctx))
		n := w.another()
		w.ok(n.Load(w.ctx))
		if o.running() != 7 || n.running() != 7 {
			w.Fatalf("the others run %d and %d", o.running(), n.running())
		}
	})
}

// What is damaged in the database stops nothing.
func TestDamageStopsNothing(t *testing.T) {
	each(t, func(w *world, _ *db.Faults) {
		w.ok(w.Load(w.ctx))
		was := w.running()
		w.published("pub-1", PublishIn{Pack: w.save(w.text(7)).Version.SHA256})
		bad := w.save(w.text(8))
		w.published("pub-2", PublishIn{Pack: bad.Version.SHA256})
		w.damage(`update risk_pack set text = 'pack: {name: risk' where sha256 = $1`, bad.Version.SHA256)
		o := w.another()
		w.ok(o.Load(w.ctx))
		if o.running() != 7 || len(o.Problems()) != 1 || o.Problems()[0].Code != "engine_refused" {
			w.Fatalf("pack %d runs, %+v", o.running(), o.Problems())
		}
		w.damage(`update risk_pack set text = text || ' ' where number = 7`)
		o = w.another()
		w.ok(o.Load(w.ctx))
		if o.running() != was || len(o.Problems()) == 0 {
			w.Fatalf("pack %d runs, %+v", o.running(), o.Problems())
		}
		if o.judge("pay-1", "W1", "M1", "dev-1", 100).State != payment.Allowed {
			w.Fatal("the house does not judge")
		}
		w.ok(w.Refresh(w.ctx)) // the process that has it goes on with it
		if w.running() != 8 {
			w.Fatal("a running pack was lost")
		}
	})
}

// Each commit of asking, signing and taking back is lost once and muted once; the
// same call again ends where it would have.
func TestPublishWithFaults(t *testing.T) {
	steps := []struct {
		name string
		do   func(w *world, p Pack, hash *[32]byte) error
	}{
		{"ask", func(w *world, p Pack, hash *[32]byte) error {
			ask, err := w.Ask(w.ctx, w.people["ana"], PublishIn{ID: "pub-1", Pack: p.Version.SHA256})
			*hash = ask.Hash
			return err
		}},
		{"sign", func(w *world, _ Pack, hash *[32]byte) error {
			_, err := w.Sign(w.ctx, w.people["con"], "pub-1", *hash)
			return err
		}},
		{"take back", func(w *world, _ Pack, _ *[32]byte) error {
			_, err := w.TakeBack(w.ctx, w.people["lea"], "pub-1", "to see that it can be")
			return err
		}},
	}
	each(t, func(w *world, f *db.Faults) {
		w.ok(w.Load(w.ctx))
		was := w.running()
		p := w.save(w.text(7))
		var hash [32]byte
		for i, step := range steps {
			f.LoseCommit(1)
			w.want(step.do(w, p, &hash), ident.KindUnavailable, "fault")
			f.MuteCommit(1)
			w.want(step.do(w, p, &hash), ident.KindUnknown, "outcome_unknown")
			if runs := w.running() == 7; runs != (i == 1) {
				w.Fatalf("after a muted %s, pack %d runs", step.name, w.running())
			}
			w.ok(step.do(w, p, &hash))
		}
		if w.running() != was || w.count(`select count(*) from risk_force`) != 2 {
			w.Fatalf("pack %d runs; %d entries", w.running(), w.count(`select count(*) from risk_force`))
		}
	})
}
