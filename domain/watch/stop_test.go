package watch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// One act stops all payments that match, from the commit on; it is taken back by
// one act, and what it alone held goes.
func TestStopAndLift(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		if p := w.assess(nil); p.State != payment.Allowed {
			t.Fatalf("%+v", p.Decision)
		}
		in := order("stop-1", risk.Match{Terminal: "T1"}, 100)
		w.faults.LoseCommit(1)
		_, err := w.MakeStop(w.ctx, w.ana, in)
		w.want(err, ident.KindUnavailable, "fault")
		if p := w.assess(nil); p.State != payment.Allowed {
			t.Fatal("a lost stop is in force")
		}
		w.faults.MuteCommit(1)
		_, err = w.MakeStop(w.ctx, w.ana, in)
		w.want(err, ident.KindUnknown, "outcome_unknown")
		if p := w.assess(nil); p.State != payment.Held { // it happened: it is in force
			t.Fatalf("%+v", p.Decision)
		}
		for range 2 {
			got, err := w.MakeStop(w.ctx, w.ana, in)
			must(t, err)
			if got.Waiting || got.Stop.State != Active || got.Stop.By != w.ana.ID || got.Stop.Version != 1 {
				t.Fatalf("%+v", got)
			}
		}
		other := in
		other.Limit = 99
		_, err = w.MakeStop(w.ctx, w.ana, other)
		w.want(err, ident.KindConflict, "stop_id_taken")

		p := w.assess(nil)
		if p.State != payment.Held || p.Decision.Stop != "stop-1" || len(p.Decision.Reasons) == 0 || p.Decision.Reasons[0].ZH != in.ZH {
			t.Fatalf("%+v", p.Decision)
		}
		if q := w.assess(func(r *payment.Request) { r.Terminal = "T2" }); q.State != payment.Allowed {
			t.Fatal("another terminal is stopped")
		}
		_, err = w.ReleaseStop(w.ctx, w.ana, "stop-1", nil)
		w.want(err, ident.KindState, "stop_active")

		w.liftAndRelease(t)
		again, err := w.MakeStop(w.ctx, w.ana, in) // the old order again revives nothing
		must(t, err)
		if again.Stop.State != Lifted {
			t.Fatalf("%+v", again)
		}
	})
}

// liftAndRelease takes stop-1 back, which has held three payments.
func (w *world) liftAndRelease(t *testing.T) {
	t.Helper()
	w.faults.LoseCommit(1)
	_, err := w.LiftStop(w.ctx, w.lea, "stop-1", "用错了终端号")
	w.want(err, ident.KindUnavailable, "fault")
	if q := w.assess(nil); q.State != payment.Held {
		t.Fatal("it is lifted, and was not")
	}
	w.faults.MuteCommit(1)
	_, err = w.LiftStop(w.ctx, w.lea, "stop-1", "用错了终端号")
	w.want(err, ident.KindUnknown, "outcome_unknown")
	if q := w.assess(nil); q.State != payment.Allowed {
		t.Fatal("it is still in force")
	}
	for range 2 {
		st, err := w.LiftStop(w.ctx, w.lea, "stop-1", "again")
		must(t, err)
		if st.State != Lifted || st.EndedBy != w.lea.ID || st.Words != "用错了终端号" || st.Used != 3 || st.Version != 2 {
			t.Fatalf("%+v", st)
		}
	}
	rep, err := w.ReleaseStop(w.ctx, w.ana, "stop-1", nil)
	must(t, err)
	if rep != (ReleaseReport{Released: 3}) {
		t.Fatalf("%+v", rep)
	}
	rep, err = w.ReleaseStop(w.ctx, w.ana, "stop-1", nil)
	must(t, err)
	if rep != (ReleaseReport{}) {
		t.Fatalf("%+v", rep)
	}
}

func TestStopIsRefused(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		good := order("s", risk.Match{Terminal: "T1"}, 10)
		for code, change := range map[string]func(in *StopIn){
			"required":        func(in *StopIn) { in.ID = "" },
			"bad_character":   func(in *StopIn) { in.ID = "ä" },
			"match_empty":     func(in *StopIn) { in.Match = risk.Match{} },
			"match_invalid":   func(in *StopIn) { in.Match.Device = strings.Repeat("x", 129) },
			"type_unknown":    func(in *StopIn) { in.Match = risk.Match{Type: "gift"} },
			"outcome_invalid": func(in *StopIn) { in.Outcome = risk.Allow },
			"out_of_range":    func(in *StopIn) { in.Limit = MaxStop + 1 },
			"words":           func(in *StopIn) { in.EN = " " },
			"too_long":        func(in *StopIn) { in.Alarm = strings.Repeat("x", 65) },
			"alarm_not_found": func(in *StopIn) { in.Alarm = "alm_none" },
		} {
			in := good
			change(&in)
			if _, err := w.MakeStop(w.ctx, w.ana, in); ident.CodeOf(err) != code {
				t.Errorf("%s: %v", code, err)
			}
		}
		for _, until := range []time.Time{{}, noon, noon.Add(MaxStopTime + time.Second), noon.AddDate(-1, 0, 0)} {
			in := good
			in.Until = until
			_, err := w.MakeStop(w.ctx, w.ana, in)
			w.want(err, ident.KindInvalid, "out_of_range")
		}
		_, err := w.MakeStop(w.ctx, w.other, good)
		w.want(err, ident.KindDenied, "not_allowed")
		for _, do := range []func() error{
			func() error { _, err := w.LiftStop(w.ctx, w.ana, "none", ""); return err },
			func() error { _, err := w.ApproveStop(w.ctx, w.ana, "none"); return err },
			func() error { _, err := w.ExtendStop(w.ctx, w.ana, "none", noon); return err },
			func() error { _, err := w.ReleaseStop(w.ctx, w.ana, "none", nil); return err },
		} {
			w.want(do(), ident.KindNotFound, "stop_not_found")
		}
		if n := len(view(w, func(tx *db.Tx) ([]Stop, error) { return w.Stops(tx, StopFilter{}) })); n != 0 {
			t.Fatalf("%d stops", n)
		}
	})
}

// More than a thousand payments, or blocking a whole channel, takes two people.
func TestTwoPeople(t *testing.T) {
	for _, c := range []struct {
		in  StopIn
		two bool
	}{
		{order("a", risk.Match{Terminal: "T"}, MaxAlone), false},
		{order("a", risk.Match{Terminal: "T"}, MaxAlone+1), true},
		{order("a", risk.Match{Region: "乐山"}, 10), false},
	} {
		if c.in.TwoPeople() != c.two {
			t.Errorf("%+v", c.in)
		}
		c.in.Outcome = risk.Block
		if broad(c.in.Match) != (c.in.Match.Region != "") || c.in.TwoPeople() != (c.two || broad(c.in.Match)) {
			t.Errorf("block: %+v", c.in)
		}
	}
	both(t, func(t *testing.T, w *world) {
		in := order("wide", risk.Match{Channel: "qr"}, 500)
		in.Outcome = risk.Block
		got, err := w.MakeStop(w.ctx, w.ana, in)
		must(t, err)
		if !got.Waiting || got.Stop.State != Proposed || got.Approval == "" {
			t.Fatalf("%+v", got)
		}
		if p := w.assess(nil); p.State != payment.Allowed {
			t.Fatal("one person has blocked a channel")
		}
		for range 2 { // the same person again only waits
			again, err := w.MakeStop(w.ctx, w.ana, in)
			must(t, err)
			if !again.Waiting || again.Approval != got.Approval {
				t.Fatalf("%+v", again)
			}
			again, err = w.ApproveStop(w.ctx, w.ana, "wide")
			must(t, err)
			if !again.Waiting {
				t.Fatalf("%+v", again)
			}
		}
		_, err = w.ApproveStop(w.ctx, w.other, "wide")
		w.want(err, ident.KindDenied, "not_allowed")
		w.clock.Advance(time.Hour)
		w.faults.LoseCommit(1)
		_, err = w.ApproveStop(w.ctx, w.lea, "wide")
		w.want(err, ident.KindUnavailable, "fault")
		w.faults.MuteCommit(1)
		_, err = w.ApproveStop(w.ctx, w.lea, "wide")
		w.want(err, ident.KindUnknown, "outcome_unknown")
		again, err := w.ApproveStop(w.ctx, w.lea, "wide")
		must(t, err)
		if again.Waiting || again.Stop.State != Active || again.Stop.Second != w.lea.ID || !again.Stop.From.Equal(w.clock.Now()) {
			t.Fatalf("%+v", again)
		}
		if p := w.assess(nil); p.State != payment.Blocked {
			t.Fatalf("%s", p.State)
		}
		w.extendByTwo(t)
		w.otherProposals(t)
	})
}

func (w *world) otherProposals(t *testing.T) {
	t.Helper()
	// The second person may also send the same order; a proposal may be taken back.
	in := order("much", risk.Match{Merchant: "M1"}, 5000)
	_, err := w.MakeStop(w.ctx, w.lea, in)
	must(t, err)
	got, err := w.MakeStop(w.ctx, w.ana, in)
	must(t, err)
	if got.Waiting || got.Stop.State != Active || got.Stop.By != w.lea.ID || got.Stop.Second != w.ana.ID {
		t.Fatalf("%+v", got)
	}
	in.ID = "never"
	_, err = w.MakeStop(w.ctx, w.lea, in)
	must(t, err)
	st, err := w.LiftStop(w.ctx, w.lea, "never", "")
	must(t, err)
	if st.State != Lifted {
		t.Fatalf("%+v", st)
	}
	_, err = w.ApproveStop(w.ctx, w.ana, "never")
	w.want(err, ident.KindState, "stop_lifted")
	in.ID = "key" // a program stops nothing
	_, err = w.MakeStop(w.ctx, ident.Actor{Kind: ident.Key, ID: "key_9", Roles: []ident.Role{ident.RoleAnalyst}}, in)
	w.want(err, ident.KindDenied, "not_allowed")
}

func (w *world) extendByTwo(t *testing.T) {
	t.Helper()
	until := w.clock.Now().Add(20 * time.Hour)
	first, err := w.ExtendStop(w.ctx, w.ana, "wide", until)
	must(t, err)
	if !first.Waiting || first.Stop.Until.Equal(until) {
		t.Fatalf("%+v", first)
	}
	if again, err := w.ExtendStop(w.ctx, w.ana, "wide", until); err != nil || !again.Waiting {
		t.Fatalf("%+v %v", again, err)
	}
	second, err := w.ExtendStop(w.ctx, w.lea, "wide", until)
	must(t, err)
	if second.Waiting || !second.Stop.Until.Equal(until) || second.Stop.State != Active {
		t.Fatalf("%+v", second)
	}
	if again, err := w.ExtendStop(w.ctx, w.lea, "wide", until); err != nil || again.Stop.Version != second.Stop.Version {
		t.Fatalf("%+v %v", again, err)
	}
}

// Each state of a stop against each act on it.
func TestStopActs(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		in := map[StopState]string{}
		for _, s := range StopStates() {
			id := "s-" + string(s)
			o := order(id, risk.Match{Terminal: "never-" + id}, 10)
			if s == Proposed {
				o.Limit = 2000
			}
			_, err := w.MakeStop(w.ctx, w.ana, o)
			must(t, err)
			in[s] = id
		}
		_, err := w.LiftStop(w.ctx, w.ana, in[Lifted], "")
		must(t, err)
		must(t, w.db.Update(w.ctx, func(tx *db.Tx) error {
			err := keepUses(tx, "", map[string]int64{in[Exhausted]: 10})
			if err == nil {
				_, err = tx.Exec("update risk_stop set since = since - 10, until = $1 where id = $2", ident.Micros(noon), in[Expired])
			}
			return err
		}))
		w.tick()
		for s, id := range in {
			if got := w.stop(id).State; got != s {
				t.Fatalf("%s is %s", id, got)
			}
		}
		for s, id := range in {
			_, err := w.ExtendStop(w.ctx, w.ana, id, noon.Add(30*time.Hour))
			if _, may := NextStop(s, Extend); (err == nil) != (may == nil) {
				t.Errorf("extend %s: %v", s, err)
			}
			if s != Proposed { // its own test
				if _, err := w.ApproveStop(w.ctx, w.lea, id); ident.CodeOf(err) != "stop_"+string(s) {
					t.Errorf("approve %s: %v", s, err)
				}
			}
			_, err = w.ReleaseStop(w.ctx, w.ana, id, nil)
			if open := s == Active || s == Proposed; open != (ident.CodeOf(err) == "stop_"+string(s)) || !open && err != nil {
				t.Errorf("release %s: %v", s, err)
			}
			_, err = w.LiftStop(w.ctx, w.ana, id, "")
			if _, may := NextStop(s, Lift); (err == nil) != (may == nil || s == Lifted) {
				t.Errorf("lift %s: %v", s, err)
			}
		}
	})
}

func TestExtend(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		_, err := w.MakeStop(w.ctx, w.ana, order("s", risk.Match{Terminal: "T1"}, 10))
		must(t, err)
		for _, until := range []time.Time{noon.Add(-time.Hour), noon.Add(73 * time.Hour)} {
			_, err = w.ExtendStop(w.ctx, w.ana, "s", until)
			w.want(err, ident.KindInvalid, "out_of_range")
		}
		_, err = w.ExtendStop(w.ctx, w.ana, "s", noon.Add(time.Hour))
		w.want(err, ident.KindInvalid, "until_earlier")
		for n := range 3 { // each extension is one more act
			w.clock.Advance(9 * time.Hour)
			until := w.clock.Now().Add(10 * time.Hour)
			got, err := w.ExtendStop(w.ctx, w.ana, "s", until)
			must(t, err)
			if got.Waiting || !got.Stop.Until.Equal(until) || got.Stop.Version != n+2 {
				t.Fatalf("%+v", got)
			}
		}
		if p := w.assess(nil); p.State != payment.Held {
			t.Fatal("the engine was not told")
		}
		w.clock.Advance(10 * time.Hour)
		if p := w.assess(nil); p.State != payment.Allowed { // at the very moment, without a tick
			t.Fatal("it goes on after its end")
		}
		w.tick()
		if st := w.stop("s"); st.State != Expired || st.EndedBy != ticker.ID {
			t.Fatalf("%+v", st)
		}
	})
}

// The limit holds, also over a restart; what was touched is written down at each
// tick and only grows.
func TestLimitHolds(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		_, err := w.MakeStop(w.ctx, w.ana, order("s", risk.Match{Terminal: "T1"}, 5))
		must(t, err)
		for range 3 {
			w.assess(nil)
		}
		w.faults.LoseCommit(1)
		w.want(w.Tick(w.ctx, w.clock.Now()), ident.KindUnavailable, "fault")
		w.faults.MuteCommit(1)
		w.want(w.Tick(w.ctx, w.clock.Now()), ident.KindUnknown, "outcome_unknown")
		w.tick()
		if st := w.stop("s"); st.Used != 3 {
			t.Fatalf("%d", st.Used)
		}
		back := w.again(nil) // the new engine begins where the old one stood
		if got := back.engine.StopUses()["s"]; got != 3 {
			t.Fatalf("%d", got)
		}
		back.pay = paymentOver(t, back)
		held := 0
		for range 6 {
			back.n += 100
			if back.assess(nil).State == payment.Held {
				held++
			}
		}
		if held != 2 {
			t.Fatalf("%d held after the restart, want 2", held)
		}
		back.tick()
		if st := back.stop("s"); st.State != Exhausted || st.Used != 5 {
			t.Fatalf("%+v", st)
		}
		back.tick()
		if len(back.engine.StopUses()) != 0 {
			t.Fatal("an exhausted stop is still in force")
		}
	})
}

// paymentOver is a payment service over the world's newest engine.
func paymentOver(t *testing.T, w *world) *payment.Service {
	t.Helper()
	p, err := payment.New(payment.Config{DB: w.db, Access: w.cfg.Access, Queue: w.queue, Party: w.people, Engine: w.engine, Clock: w.clock})
	must(t, err)
	return p
}

// Several processes: each hears of the others' stops within a tick, and their uses
// add up.
func TestStopsOfOthers(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		other := w.again(func(c *Config) { c.Node = "b" })
		other.pay = paymentOver(t, other)
		other.n = 1000
		_, err := w.MakeStop(w.ctx, w.ana, order("s", risk.Match{Terminal: "T1"}, 10))
		must(t, err)
		if p := other.assess(nil); p.State != payment.Allowed {
			t.Fatal("heard too soon")
		}
		other.tick()
		for range 4 {
			if p := other.assess(nil); p.State != payment.Held {
				t.Fatal("not heard")
			}
			w.assess(nil)
		}
		w.tick()
		other.tick()
		w.tick()
		other.tick()
		if st := w.stop("s"); st.Used != 8 {
			t.Fatalf("%d touched, want 8", st.Used)
		}
		held := 0
		for range 4 {
			if w.assess(nil).State == payment.Held {
				held++
			}
		}
		if held != 2 {
			t.Errorf("%d held, want 2: the others' uses count too", held)
		}
		w.tick()
		other.tick()
		if st := w.stop("s"); st.Used != 10 {
			t.Fatalf("%d touched, want 10", st.Used)
		}
		w.tick()
		if st := w.stop("s"); st.State != Exhausted {
			t.Fatalf("%+v", st)
		}
	})
}

// Release goes on where it stopped, leaves what something else speaks against, and
// lets each payment go once.
func TestReleaseGoesOn(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		_, err := w.MakeStop(w.ctx, w.ana, order("s", risk.Match{Terminal: "T1"}, 100))
		must(t, err)
		var ids []string
		for range 7 {
			p := w.assess(nil)
			ids = append(ids, p.ID)
			w.clock.Advance(time.Minute)
		}
		_, err = w.pay.Advance(w.ctx, w.ana, ids[2], payment.Refuse)
		must(t, err)
		must(t, w.db.Update(w.ctx, func(tx *db.Tx) error { // one that a rule has spoken against, too
			_, err := tx.Exec(`update payment set decision = replace(decision, '"reasons":[', '"reasons":[{"code":"mule","zh":"x","en":"x","weight":1},')
				where id = $1`, ids[4])
			return err
		}))
		_, err = w.LiftStop(w.ctx, w.ana, "s", "")
		must(t, err)
		w.faults.LoseCommit(3)
		rep, err := w.ReleaseStop(w.ctx, w.ana, "s", nil)
		if !ident.Is(err, ident.KindUnavailable) || rep.Released != 1 {
			t.Fatalf("%+v %v", rep, err)
		}
		w.faults.MuteCommit(2)
		rep, err = w.ReleaseStop(w.ctx, w.ana, "s", nil)
		if !ident.Is(err, ident.KindUnknown) || rep.Released != 0 {
			t.Fatalf("%+v %v", rep, err)
		}
		_, err = w.ReleaseStop(w.ctx, w.lea, "s", func(int) {})
		must(t, err)
		rep, err = w.ReleaseStop(w.ctx, w.ana, "s", nil)
		must(t, err)
		if rep != (ReleaseReport{Left: 1}) {
			t.Fatalf("%+v", rep)
		}
		for i, id := range ids {
			want := map[int]payment.State{2: payment.Refused, 4: payment.Held}[i]
			if want == "" {
				want = payment.Allowed
			}
			p := view(w, func(tx *db.Tx) (payment.Payment, error) {
				p, _, err := w.pay.Get(tx, id)
				return p, err
			})
			if p.State != want || want == payment.Allowed && p.Version != 2 {
				t.Errorf("%s is %s, version %d", id, p.State, p.Version)
			}
		}
	})
}

func TestPreview(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		day := 24 * time.Hour
		for i, at := range []time.Duration{-10 * day, -6 * day, -3 * day, -20 * time.Hour, -time.Hour, -time.Minute} {
			w.assess(func(r *payment.Request) {
				r.At, r.Settled, r.Payer = noon.Add(at), true, []string{"W1", "W2"}[i%2]
				r.Amount = money.Of(int64(100*(i+1)), money.CNY)
			})
			w.assess(func(r *payment.Request) {
				r.At, r.Settled, r.Terminal, r.Region = noon.Add(at), true, "T2", "成都"
			})
		}
		w.assess(func(r *payment.Request) { r.At, r.Settled, r.Amount = noon.Add(-time.Second), true, money.Of(5, "USD") })
		got, err := w.PreviewStop(w.ctx, w.ana, StopIn{Match: risk.Match{Terminal: "T1"}})
		must(t, err)
		want := Preview{Day: Disturbed{From: noon.AddDate(0, 0, -1), To: noon, Payments: 4, Payers: 2, Amount: money.Of(1500, money.CNY), Other: 1},
			Week: Disturbed{From: noon.AddDate(0, 0, -7), To: noon, Payments: 6, Payers: 2, Amount: money.Of(2000, money.CNY), Other: 1}}
		got.Day.Stopped, got.Week.Stopped = 0, 0
		if got != want {
			t.Fatalf("%+v\nwant %+v", got, want)
		}
		for m, n := range map[risk.Match]int64{
			{Region: "成都"}: 3, {Region: "乐山"}: 4, {Channel: "qr"}: 7, {Channel: "qr", Terminal: "T2"}: 3, {Payer: "W1", Terminal: "T1"}: 2,
			{Type: "transfer"}: 0, {Device: "dev-1"}: 7, {Merchant: "M1"}: 7, {Payee: "M1"}: 7, {Card: "x"}: 0,
		} {
			got, err := w.PreviewStop(w.ctx, w.ana, StopIn{Match: m})
			must(t, err)
			if got.Day.Payments != n {
				t.Errorf("%+v: %d, want %d", m, got.Day.Payments, n)
			}
		}
		got, err = w.PreviewStop(w.ctx, w.ana, StopIn{Match: risk.Match{Region: "x"}, Outcome: risk.Block})
		if err != nil || !got.TwoPeople {
			t.Errorf("%+v %v", got, err)
		}
		_, err = w.PreviewStop(w.ctx, w.ana, StopIn{})
		w.want(err, ident.KindInvalid, "match_empty")
		_, err = w.PreviewStop(w.ctx, w.host, StopIn{Match: risk.Match{Region: "x"}})
		w.want(err, ident.KindDenied, "not_allowed")
	})
}

// A stop that is made from an alarm moves it; an engine that refuses is told again.
func TestStopFromAlarm(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.warm(dTerminal, "T1", 3)
		w.burst(40, atT1)
		w.tick()
		a := w.alarms(AlarmFilter{})[0]
		in := order("s", a.Match(), 50)
		in.Alarm = a.ID
		push := w.Service.cfg.Push
		w.Service.cfg.Push = func([]risk.Stop) error { return errors.New("not now") }
		got, err := w.MakeStop(w.ctx, w.ana, in)
		w.want(err, ident.KindUnavailable, "stop_not_pushed")
		w.Service.cfg.Push = push
		w.clock.Advance(10 * time.Second)
		w.tick()
		if got.Stop.ID != "s" || w.engine.StopUses()["s"] != 0 || len(w.engine.StopUses()) != 1 {
			t.Fatalf("%+v %+v", got, w.engine.StopUses())
		}
		if b := w.alarms(AlarmFilter{})[0]; b.ID != a.ID || b.State != Acted || b.By != w.ana.ID {
			t.Fatalf("%+v", b)
		}
		for d, key := range map[Dimension]risk.Match{Terminal: {Terminal: "k"}, Merchant: {Merchant: "k"}, Payee: {Payee: "k"}, Device: {Device: "k"},
			Method: {Channel: "k"}, Region: {Region: "k"}, Type: {Type: "k"}, "": {}} {
			if got := (Alarm{Dimension: d, Key: "k"}).Match(); got != key {
				t.Errorf("%s: %+v", d, got)
			}
		}
		// What our own stop holds is no news: no alarm says that much is stopped there.
		for range 12 {
			w.assess(nil)
		}
		w.clock.Advance(time.Minute)
		w.tick()
		for _, x := range w.alarms(AlarmFilter{}) {
			if x.Measure == Stopped || x.Measure == Share {
				t.Errorf("%+v", x)
			}
		}
	})
}

func TestEditWatch(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		all := view(w, w.Watches)
		pack, v, err := ReadPack(packText)
		must(t, err)
		if len(all) != len(pack) || v.Name != "watches" || all[0].Edited {
			t.Fatalf("%d watches", len(all))
		}
		x := all[0]
		x.Ratio, x.Enabled = 500, false
		w.faults.LoseCommit(1)
		_, err = w.EditWatch(w.ctx, w.ana, x)
		w.want(err, ident.KindUnavailable, "fault")
		w.faults.MuteCommit(1)
		_, err = w.EditWatch(w.ctx, w.ana, x)
		w.want(err, ident.KindUnknown, "outcome_unknown")
		got, err := w.EditWatch(w.ctx, w.ana, x) // the same again
		must(t, err)
		if got.Version != 2 || !got.Edited || got.By != w.ana.ID || got.Ratio != 500 || got.Enabled {
			t.Fatalf("%+v", got)
		}
		x.Ratio = 400
		_, err = w.EditWatch(w.ctx, w.ana, x)
		w.want(err, ident.KindConflict, "watch_moved")
		x.ID, x.Version = "mine", 0
		got, err = w.EditWatch(w.ctx, w.lea, x)
		must(t, err)
		if got.Version != 1 {
			t.Fatalf("%+v", got)
		}
		x.ID, x.Version = "gone", 3
		_, err = w.EditWatch(w.ctx, w.lea, x)
		w.want(err, ident.KindNotFound, "watch_not_found")
		x.ID, x.Floor = "bad", 1
		_, err = w.EditWatch(w.ctx, w.lea, x)
		w.want(err, ident.KindInvalid, "out_of_range")
		_, err = w.EditWatch(w.ctx, w.other, all[1])
		w.want(err, ident.KindDenied, "not_allowed")

		// A newer pack changes what nobody has edited, and nothing else.
		newer := strings.Replace(strings.ReplaceAll(packText, "ratio: 300", "ratio: 350"), "number: 1", "number: 2", 1)
		for range 2 {
			must(t, w.loadPack(w.ctx, newer))
		}
		must(t, w.loadPack(w.ctx, packText)) // an older one nothing
		for _, y := range view(w, w.Watches) {
			switch {
			case y.ID == all[0].ID && (y.Ratio != 500 || y.Enabled):
				t.Errorf("an edited watch was changed: %+v", y)
			case y.ID == "terminal-burst" && (y.Ratio != 350 || y.Version != 2):
				t.Errorf("%+v", y)
			}
		}
	})
}

func TestPackErrors(t *testing.T) {
	const head = "pack: {name: watches, number: 1, effective_from: 2013-01-01}\nwatches:\n"
	const good = "  - {id: a, owner: o, dimension: terminal, measure: count, window: 10m, false_alarms: 50, floor: 10, ratio: 300, zh: 甲, en: a}\n"
	if ws, _, err := ReadPack(head + good); err != nil || len(ws) != 1 || ws[0].Window != 10*time.Minute || !ws[0].Enabled {
		t.Fatalf("%+v %v", ws, err)
	}
	for _, c := range []struct{ old, new, says string }{
		{good, good + good, "two of the id"}, {good, "  []", "1 to 200"}, {"10m", "banana", "is not a time"}, {"10m", "7h30m", "window"},
		{"10m", "4m", "window"}, {"10m", "25h", "window"}, {"10m", "90s", "window"}, {"terminal", "planet", "dimension"}, {"measure: count", "measure: luck", "measure"},
		{"measure: count", "measure: labels", "window"}, {"floor: 10", "floor: 4", "floor"}, {"ratio: 300", "ratio: 100", "ratio"},
		{"false_alarms: 50", "false_alarms: 0", "false_alarms"}, {"zh: 甲", "zh: ''", "zh"}, {"owner: o", "owner: ''", "answers"}, {"id: a", "id: 'ä'", "id"},
		{"ratio: 300", "ratio: 300, ration: 4", "line 3"}, {"floor: 10", "floor: ten", "line 3"}, {"watches:", "watchers:", "line 2"},
	} {
		text := strings.Replace(head+good, c.old, c.new, 1)
		_, _, err := ReadPack(text)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q -> %q: %v", c.old, c.new, err)
		}
	}
	labels := strings.Replace(strings.Replace(head+good, "count, window: 10m", "labels", 1), "ratio: 300, ", "", 1)
	if _, _, err := ReadPack(labels); err != nil {
		t.Error(err)
	}
	if _, _, err := ReadPack(strings.Replace(labels, "terminal", "region", 1)); err == nil {
		t.Error("labels by region")
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{}); ident.CodeOf(err) != "config" {
		t.Errorf("%v", err)
	}
}

// What two people sign is bound to the order as it stands.
func TestSignedContent(t *testing.T) {
	s := &Service{}
	st := Stop{StopIn: order("s", risk.Match{Terminal: "T"}, 10), Version: 1}
	seen := map[[32]byte]string{}
	note := func(what string, st Stop, e StopEvent, until time.Time) {
		h, err := s.content(&st, e, until)
		must(t, err)
		if was, twice := seen[h]; twice {
			t.Errorf("%s is signed like %s", what, was)
		}
		seen[h] = what
	}
	note("approve", st, Approve, st.Until)
	note("extend", st, Extend, st.Until)
	note("later", st, Extend, st.Until.Add(time.Hour))
	x := st
	x.Limit++
	note("limit", x, Approve, x.Until)
	x = st
	x.Match.Payee = "W"
	note("match", x, Approve, x.Until)
	x = st
	x.Version++
	note("version", x, Approve, x.Until)
	if !strings.Contains(st.summary(), "hold up to 10 payments with terminal=T until") || !strings.Contains(st.summary(), st.Reason) {
		t.Error(st.summary())
	}
	if object("s") == "s" || fmt.Sprint(access.ActRiskPublish) == "" {
		t.Error("a stop and a pack of one id would share their approvals")
	}
}
