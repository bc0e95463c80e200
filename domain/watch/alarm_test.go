package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/audit"
	"surety/platform/db"
)

// The tables of states and events, written down a second time.
func TestStates(t *testing.T) {
	alarm := `
open         acknowledge acknowledged
open         act         acted
open         close       closed
open         calm        closed
acknowledged act         acted
acknowledged close       closed
acknowledged calm        closed
acted        act         acted
acted        close       closed
acted        calm        closed`
	stop := `
proposed approve active
proposed lift    lifted
proposed expire  expired
active   extend  active
active   lift    lifted
active   expire  expired
active   exhaust exhausted`
	read := func(text string) map[[2]string]string {
		out := map[[2]string]string{}
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			f := strings.Fields(line)
			out[[2]string{f[0], f[1]}] = f[2]
		}
		return out
	}
	moves, n := read(alarm), 0
	for _, s := range AlarmStates() {
		if s.Name("zh") == "" || s.Name("en") == "" {
			t.Errorf("%s has no name", s)
		}
		for _, e := range AlarmEvents() {
			to, err := NextAlarm(s, e)
			want, ok := moves[[2]string{string(s), string(e)}]
			if ok != (err == nil) || ok && string(to) != want || !ok && (to != s || ident.CodeOf(err) != "alarm_"+string(s)) {
				t.Errorf("alarm %s, %s: %s %v", s, e, to, err)
			}
			n++
		}
	}
	moves = read(stop)
	for _, s := range StopStates() {
		if s.Name("zh") == "" || s.Name("en") == "" {
			t.Errorf("%s has no name", s)
		}
		for _, e := range StopEvents() {
			to, err := NextStop(s, e)
			want, ok := moves[[2]string{string(s), string(e)}]
			if ok != (err == nil) || ok && string(to) != want || !ok && (to != s || ident.CodeOf(err) != "stop_"+string(s)) {
				t.Errorf("stop %s, %s: %s %v", s, e, to, err)
			}
			n++
		}
	}
	if n != 4*4+5*5 {
		t.Errorf("%d cases", n)
	}
	for _, d := range Dimensions() {
		if d.Name("zh") == "" || d.Name("en") == "" {
			t.Errorf("%s has no name", d)
		}
	}
	for _, x := range Measures() {
		if x.Name("zh") == "" || x.Name("en") == "" {
			t.Errorf("%s has no name", x)
		}
	}
}

func atT1(e *risk.Event) { e.Terminal = "T1" }

// A rise is raised once, grows, is not repeated, and closes itself when it has been
// calm for an hour; lost and muted writes change nothing of that.
func TestRise(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.warm(dTerminal, "T1", 3)
		w.tick()
		if got := w.alarms(AlarmFilter{}); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
		w.burst(30, atT1)
		w.clock.Advance(10 * time.Second)
		news := w.Changes()
		w.faults.LoseCommit(1)
		w.want(w.Tick(w.ctx, w.clock.Now()), ident.KindUnavailable, "fault")
		if got := w.alarms(AlarmFilter{}); len(got) != 0 {
			t.Fatal("a lost alarm is there")
		}
		w.faults.MuteCommit(1)
		w.want(w.Tick(w.ctx, w.clock.Now()), ident.KindUnknown, "outcome_unknown")
		for range 3 {
			w.tick()
			w.clock.Advance(10 * time.Second)
		}
		all := w.alarms(AlarmFilter{})
		if len(all) != 1 {
			t.Fatalf("%d alarms: %+v", len(all), all)
		}
		a := all[0]
		if a.Watch != "terminal-burst" || a.Dimension != Terminal || a.Key != "T1" || a.State != Open || a.Observed != 30 || a.Expected > 2000 ||
			a.Payments != 30 || a.Payers != 30 || len(a.Examples) != mostExamples || a.Since.After(noon) || a.Surprise < 20_000 ||
			!strings.Contains(a.EN, "terminal T1: 30 payments in 10 minutes") || !strings.Contains(a.ZH, "终端 T1：10 分钟内 30 笔") {
			t.Fatalf("%+v", a)
		}
		select {
		case <-news:
		default:
			t.Error("nobody was told")
		}

		w.burst(30, atT1)
		w.tick()
		if b := w.alarms(AlarmFilter{})[0]; b.ID != a.ID || b.Observed != 60 || b.State != Open {
			t.Fatalf("%+v", b)
		}
		w.clock.Advance(59 * time.Minute)
		w.tick()
		if b := w.alarms(AlarmFilter{})[0]; b.State != Open {
			t.Fatal("closed too soon")
		}
		w.clock.Advance(70 * time.Minute)
		w.tick()
		if b := w.alarms(AlarmFilter{})[0]; b.State != Closed || b.By != "" || b.Closed.IsZero() {
			t.Fatalf("%+v", b)
		}
		w.burst(40, atT1) // another rise
		w.tick()
		if got := w.alarms(AlarmFilter{}); len(got) != 2 || got[0].ID == a.ID || got[0].State != Open {
			t.Fatalf("%+v", got)
		}
		recorded(w, a.ID, 2)
	})
}

// recorded counts the entries of the log about an object.
func recorded(w *world, id ident.ID, want int) {
	w.Helper()
	all := view(w, func(tx *db.Tx) ([]audit.Record, error) { return w.log.Find(tx, audit.Filter{Object: id, Limit: 100}) })
	if len(all) != want {
		w.Errorf("%d entries in the log about %s, want %d: %+v", len(all), id, want, all)
	}
}

// Two processes that see the same rise tell it once.
func TestTwoProcesses(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		other := w.again(func(c *Config) { c.Node = "b" })
		for _, x := range []*world{w, other} {
			x.warm(dTerminal, "T1", 3)
			x.n = 0
			x.burst(30, atT1)
		}
		w.clock.Advance(5 * time.Second)
		w.tick()
		other.tick()
		w.clock.Advance(5 * time.Second)
		other.tick()
		w.tick()
		if got := w.alarms(AlarmFilter{}); len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		news := other.Changes()
		_, err := w.MoveAlarm(w.ctx, w.ana, w.alarms(AlarmFilter{})[0].ID, AlarmIn{Event: Acknowledge})
		must(t, err)
		w.clock.Advance(10 * time.Second)
		other.tick()
		select {
		case <-news:
		default:
			t.Error("the other process did not hear of it")
		}
	})
}

func TestMoveAlarm(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.warm(dTerminal, "T1", 3)
		w.warm(dMerchant, "M1", 3)
		w.burst(40, func(e *risk.Event) { e.Terminal, e.Merchant = "T1", "M1" })
		w.tick()
		heads := w.alarms(AlarmFilter{Heads: true})
		all := w.alarms(AlarmFilter{})
		if len(heads) != 1 || len(all) != 2 || heads[0].Also != 1 {
			t.Fatalf("%d heads of %d: %+v", len(heads), len(all), all)
		}
		id := heads[0].ID
		if got := w.alarms(AlarmFilter{Cause: id}); len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		w.cannotMove(id)
		w.faults.LoseCommit(1)
		_, err := w.MoveAlarm(w.ctx, w.ana, id, AlarmIn{Event: Acknowledge})
		w.want(err, ident.KindUnavailable, "fault")
		w.faults.MuteCommit(1)
		_, err = w.MoveAlarm(w.ctx, w.ana, id, AlarmIn{Event: Acknowledge})
		w.want(err, ident.KindUnknown, "outcome_unknown")
		for range 2 {
			a, err := w.MoveAlarm(w.ctx, w.ana, id, AlarmIn{Event: Acknowledge})
			must(t, err)
			if a.State != Acknowledged || a.By != w.ana.ID || a.Version != 2 {
				t.Fatalf("%+v", a)
			}
		}
		for _, a := range w.alarms(AlarmFilter{}) {
			if a.State != Acknowledged {
				t.Fatal("what shares the cause is not acknowledged with it")
			}
		}
		a, err := w.MoveAlarm(w.ctx, w.lea, id, AlarmIn{Event: Close, Words: "开业促销", Verdict: Ordinary, Quiet: 2 * time.Hour})
		must(t, err)
		if a.State != Closed || a.Verdict != Ordinary || a.Words != "开业促销" || !a.Quiet.Equal(w.clock.Now().Add(2*time.Hour)) {
			t.Fatalf("%+v", a)
		}
		_, err = w.MoveAlarm(w.ctx, w.lea, id, AlarmIn{Event: Close}) // the same word again
		must(t, err)
		_, err = w.MoveAlarm(w.ctx, w.ana, id, AlarmIn{Event: Acknowledge})
		w.want(err, ident.KindState, "alarm_closed")

		// It goes on, and is quiet until it is twice what it was.
		w.burst(20, func(e *risk.Event) { e.Terminal, e.Merchant = "T1", "M1" })
		w.tick()
		if got := w.alarms(AlarmFilter{Live: true}); len(got) != 0 {
			t.Fatalf("told again: %+v", got)
		}
		w.burst(60, func(e *risk.Event) { e.Terminal, e.Merchant = "T1", "M1" })
		w.clock.Advance(time.Minute)
		w.tick()
		if got := w.alarms(AlarmFilter{Live: true}); len(got) != 2 {
			t.Fatalf("not told when it doubled: %+v", got)
		}
		if got := w.alarms(AlarmFilter{State: Closed}); len(got) != 2 {
			t.Fatal("the closed ones were opened again")
		}
	})
}

// cannotMove tries what is refused.
func (w *world) cannotMove(id ident.ID) {
	w.Helper()
	for _, c := range []struct {
		in   AlarmIn
		code string
	}{
		{AlarmIn{}, "event_unknown"}, {AlarmIn{Event: Calm}, "event_unknown"}, {AlarmIn{Event: Act}, "event_unknown"},
		{AlarmIn{Event: Acknowledge, Verdict: Theft}, "verdict_unknown"}, {AlarmIn{Event: Close, Verdict: "x"}, "verdict_unknown"},
		{AlarmIn{Event: Close, Words: strings.Repeat("x", 2000)}, "too_long"}, {AlarmIn{Event: Close, Words: "a\x00b"}, "too_long"},
		{AlarmIn{Event: Close, Quiet: 100 * time.Hour}, "out_of_range"}, {AlarmIn{Event: Close, Quiet: -1}, "out_of_range"},
	} {
		_, err := w.MoveAlarm(w.ctx, w.ana, id, c.in)
		w.want(err, ident.KindInvalid, c.code)
	}
	_, err := w.MoveAlarm(w.ctx, w.ana, "alm_none", AlarmIn{Event: Close})
	w.want(err, ident.KindNotFound, "alarm_not_found")
	_, err = w.MoveAlarm(w.ctx, w.other, id, AlarmIn{Event: Close})
	w.want(err, ident.KindDenied, "not_allowed")
}

// Rises of other payments are other causes; a storm of them is limited, and the rest
// is one alarm.
func TestStorm(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.Service.cfg.MaxAlarms = 10
		w.warm(dTerminal, "", 1)
		for i := range 30 {
			w.burst(40, func(e *risk.Event) { e.Terminal = fmt.Sprint("T", i) })
		}
		w.clock.Advance(10 * time.Second)
		for range 3 {
			w.tick()
		}
		all := w.alarms(AlarmFilter{Limit: 500})
		storm := slices.IndexFunc(all, func(a Alarm) bool { return a.Watch == over })
		if len(all) != 11 || storm < 0 || all[storm].Observed < 20 || all[storm].Dimension != "" || all[storm].ZH == "" || all[storm].EN == "" {
			t.Fatalf("%d alarms: %+v", len(all), all)
		}
		// One cause may touch many keys: they are one, whatever their number.
		w.warm(dDevice, "", 1)
		for i := range 40 {
			w.burst(16, func(e *risk.Event) { e.Device, e.Payee = fmt.Sprint("farm-", i), "mule" })
		}
		w.clock.Advance(2 * time.Hour)
		w.tick()
		w.clock.Advance(time.Hour)
		w.warm(dPayee, "mule", 1)
		for i := range 40 {
			w.burst(16, func(e *risk.Event) { e.Device, e.Payee = fmt.Sprint("gang-", i), "mule" })
		}
		w.tick()
		heads := w.alarms(AlarmFilter{Live: true, Heads: true})
		for _, a := range heads {
			if a.Watch == over {
				continue
			}
			if a.Key != "mule" || a.Also < mostMembers {
				t.Errorf("%+v", a)
			}
			if got := w.alarms(AlarmFilter{Cause: a.ID, Limit: 500}); len(got) != mostMembers {
				t.Errorf("%d of one cause are told one by one", len(got))
			}
		}
	})
}

// Labels: found at the next tick after the second label, told once, closed after
// three days without another.
func TestLabelsAlarm(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		e := labelled("A", "T1")
		w.Label(e, true)
		w.tick()
		if got := w.alarms(AlarmFilter{}); len(got) != 0 {
			t.Fatalf("one label is none: %+v", got)
		}
		w.Label(labelled("B", "T1"), true)
		w.Label(labelled("C", "T1"), true)
		w.clock.Advance(10 * time.Second)
		w.tick()
		find := func() (a Alarm) {
			for _, x := range w.alarms(AlarmFilter{}) {
				if x.Watch == "terminal-labels" {
					a = x
				}
			}
			return a
		}
		a := find()
		if a.Key != "T1" || a.Observed != 3 || a.State != Open || !strings.Contains(a.EN, "3 payments are confirmed frauds") {
			t.Fatalf("%+v", a)
		}
		w.clock.Advance(50 * time.Hour)
		w.tick()
		w.Label(labelled("D", "T1"), true)
		w.tick()
		if b := find(); b.ID != a.ID || b.State != Open || b.Observed != 4 {
			t.Fatalf("%+v", b)
		}
		w.clock.Advance(80 * time.Hour)
		w.tick()
		w.clock.Advance(time.Minute)
		w.tick()
		if b := find(); b.ID != a.ID || b.State != Closed {
			t.Fatalf("%+v", b)
		}
	})
}

// What the meter has learned survives a restart, whatever happens to the writes.
func TestMeterSurvives(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.warm(dTerminal, "T1", 7)
		w.warm(dMerchant, "M1", 3)
		w.tick()
		w.Label(labelled("A", "T1"), true)
		w.clock.Advance(125 * time.Minute)
		w.faults.LoseCommit(1)
		if err := w.Tick(w.ctx, w.clock.Now()); !ident.Is(err, ident.KindUnavailable) {
			t.Fatalf("%v", err)
		}
		w.faults.MuteCommit(1)
		if err := w.Tick(w.ctx, w.clock.Now()); !ident.Is(err, ident.KindUnknown) {
			t.Fatalf("%v", err)
		}
		w.tick()
		back := w.again(nil)
		k, _ := back.cfg.Meter.lookup(dTerminal, "T1")
		was, _ := w.cfg.Meter.lookup(dTerminal, "T1")
		if k == nil || k.past != was.past || k.past.sum.count < 100 {
			t.Fatal("the past of T1 is lost")
		}
		if s, ok := scoreOf(back.cfg.Meter, dTerminal, "T1"); !ok || s.labels != 1 {
			t.Error("the suspect is lost")
		}
		if other := w.again(func(c *Config) { c.Node = "b" }); len(other.cfg.Meter.tick.keys[dTerminal]) != 0 {
			t.Error("another process took over the meter of this one")
		}
		back.burst(40, atT1) // and it goes on
		back.tick()
		if got := w.alarms(AlarmFilter{}); len(got) == 0 || got[0].Key != "T1" {
			t.Errorf("%+v", got)
		}
	})
}

// A start replays from table payment what came after the last writing, or all of 28
// days if nothing was written.
func TestLoadReplays(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for range 9 {
			w.assess(nil)
			w.clock.Advance(5 * time.Minute)
		}
		back := w.again(func(c *Config) { c.History = FromPayments(w.pay) })
		k, tr := back.cfg.Meter.lookup(dTerminal, "T1")
		if k == nil || back.cfg.Meter.window(k, tr, noon.Unix()/60).count != 9 {
			t.Fatal("the payments of the last hour are not known")
		}
		back.clock.Advance(3 * time.Hour)
		back.tick() // writes down what it knows
		w.assess(nil)
		w.clock.Advance(time.Second)
		third := w.again(func(c *Config) { c.History = FromPayments(w.pay) })
		k, tr = third.cfg.Meter.lookup(dTerminal, "T1")
		if k == nil || third.cfg.Meter.window(k, tr, noon.Unix()/60/60*60).count != 10 {
			t.Fatalf("%+v", third.cfg.Meter.window(k, tr, noon.Unix()/60/60*60))
		}
	})
}
