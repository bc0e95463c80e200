package list_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/list"
	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/audit"
	"surety/platform/db"
)

const day = 24 * time.Hour

// The life of an entry: put on, found, extended, taken off; all of it in the record.
func TestLife(t *testing.T) {
	both(t, func(w *world) {
		st := list.Statement{ID: "e-1", Kind: list.Watch, Subject: list.Phone, Value: "+86 170-0001-5947", Source: list.Carrier, Confidence: 700,
			Reason: list.Reason{EN: "SIM changed"}, Note: "call from the carrier's desk", Until: start.Add(10 * day)}
		e := w.add(st)
		if !e.Masked || e.Value != "170****5947" || e.Note != "" || e.Reason.ZH != "SIM changed" || !e.From.Equal(start) || e.Version != 1 {
			w.Errorf("%+v", e)
		}
		full, also, err := w.View(w.ctx, handler, "e-1")
		w.ok(err)
		if full.Value != "17000015947" || full.Masked || full.Note != st.Note || len(also) != 0 || full.AddedBy != analyst.ID {
			w.Errorf("%+v %v", full, also)
		}
		if got := w.on(w.Service, list.Watch, list.Phone, "17000015947"); got != "e-1" {
			w.Errorf("listed: %q", got)
		}
		w.clock.Advance(9 * day)
		_, err = w.Extend(w.ctx, analyst, "e-1", start.Add(20*day), "not over yet")
		w.ok(err)
		again, err := w.Extend(w.ctx, analyst, "e-1", start.Add(20*day), "not over yet")
		w.ok(err)
		if again.Version != 2 {
			w.Errorf("the same extension made version %d", again.Version)
		}
		w.clock.Advance(2 * day)
		if got := w.on(w.Service, list.Watch, list.Phone, "17000015947"); got != "e-1" {
			w.Errorf("after the extension: %q", got)
		}
		for range 2 {
			e, err := w.Remove(w.ctx, analyst, "e-1", "the customer showed a new contract")
			w.ok(err)
			if e.Version != 3 || e.RemovedBy != analyst.ID || e.At(w.clock.Now()) != list.Removed {
				w.Errorf("%+v", e)
			}
		}
		_, err = w.Remove(w.ctx, analyst, "e-1", "another reason")
		w.code(err, ident.KindState, "entry_removed")
		_, err = w.Extend(w.ctx, analyst, "e-1", start.Add(30*day), "x")
		w.code(err, ident.KindState, "entry_removed")
		if got := w.on(w.Service, list.Watch, list.Phone, "17000015947"); got != "" {
			w.Errorf("after the removal: %q", got)
		}
		h, err := w.History(w.ctx, handler, "e-1")
		w.ok(err)
		var told []string
		for _, ev := range h {
			told = append(told, fmt.Sprintf("%d %s %s %s %s>%s", ev.Version, ev.What, ev.By, ev.Why, ev.UntilBefore.Format("0102"), ev.UntilAfter.Format("0102")))
		}
		want := "1 added stf_ana  0528>0528; 2 extended stf_ana not over yet 0528>0607; 3 removed stf_ana the customer showed a new contract 0607>0607"
		if got := strings.Join(told, "; "); got != want {
			w.Errorf("history\n%s\nwant\n%s", got, want)
		}
	})
}

// The same id and body is the same entry, also when its time is over; another
// body is a conflict. Neither writes anything.
func TestAgain(t *testing.T) {
	both(t, func(w *world) {
		st := list.Statement{ID: "e-1", Kind: list.Allow, Subject: list.Name, Value: "Anna  Müller", Source: list.Own, Confidence: 1000,
			Reason: list.Reason{ZH: "员工", EN: "staff"}, Until: start.Add(5 * day)}
		w.add(st)
		w.clock.Advance(50 * day)
		for _, remove := range []bool{false, true} {
			if remove {
				_, err := w.Remove(w.ctx, analyst, "e-1", "left")
				w.ok(err)
			}
			e, again, err := w.Add(w.ctx, analyst, st)
			w.ok(err)
			if !again || e.At(w.clock.Now()) == list.Live {
				w.Errorf("%v %+v", again, e)
			}
			other := st
			other.Confidence--
			_, _, err = w.Add(w.ctx, analyst, other)
			w.code(err, ident.KindConflict, "entry_id_taken")
		}
		if n := w.rows("risk_list_entry"); n != 1 {
			w.Errorf("%d rows", n)
		}
	})
}

// wrongs are what can be wrong with a statement, in the order in which it is told.
var wrongs = []struct {
	change func(*list.Statement)
	code   string
}{
	{func(s *list.Statement) { s.ID = "" }, "id required"},
	{func(s *list.Statement) { s.ID = "a b" }, "id bad_character"},
	{func(s *list.Statement) { s.Kind = "black" }, "kind unknown"},
	{func(s *list.Statement) { s.Subject = "person" }, "subject unknown"},
	{func(s *list.Statement) { s.Value = "" }, "value required"},
	{func(s *list.Statement) { s.Value = "W 1" }, "value bad_character"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Phone, "1234" }, "value phone_digits"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Phone, "a17000015947" }, "value phone_digits"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Phone, "١٧٠٠٠٠١" }, "value phone_digits"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Name, " \u200b " }, "value name_text"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Device, " dev" }, "value device_text"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Device, "de\nv" }, "value device_text"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Device, strings.Repeat("机", 43) }, "value device_text"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Address, "10.0.0" }, "value address"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Address, "fe80::1%eth0" }, "value address"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Address, "10.0.0.1/8" }, "value address_bits"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Address, "0.0.0.0/0" }, "value address_wide"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Address, "2000::/12" }, "value address_wide"},
	{func(s *list.Statement) { s.Subject, s.Value = list.Address, "::ffff:0.0.0.0/96" }, "value address_wide"},
	{func(s *list.Statement) { s.Reason = list.Reason{} }, "reason reason_text"},
	{func(s *list.Statement) { s.Reason.EN = "a|b" }, "reason reason_text"},
	{func(s *list.Statement) { s.Reason.ZH = strings.Repeat("字", 201) }, "reason reason_text"},
	{func(s *list.Statement) { s.Source = "rumour" }, "source unknown"},
	{func(s *list.Statement) { s.Confidence = 0 }, "confidence out_of_range"},
	{func(s *list.Statement) { s.Confidence = 1001 }, "confidence out_of_range"},
	{func(s *list.Statement) { s.Note = "a\tb" }, "note note_text"},
	{func(s *list.Statement) { s.Signal = "bad_breath" }, "signal signal_unknown"},
	{func(s *list.Statement) { s.From = start.Add(367 * day) }, "from from_range"},
	{func(s *list.Statement) { s.From = start.AddDate(-11, 0, 0) }, "from from_range"},
	{func(s *list.Statement) { s.Until = start }, "until until_past"},
	{func(s *list.Statement) { s.From, s.Until = start.Add(2*day), start.Add(2*day) }, "until until_before_from"},
	{func(s *list.Statement) { s.Kind = list.Watch }, "until until_required"},
	{func(s *list.Statement) { s.Kind = list.Allow }, "until until_required"},
	{func(s *list.Statement) { s.Kind, s.Until = list.Watch, start.Add(366*day+time.Microsecond) }, "until until_too_late"},
	{func(s *list.Statement) { s.Kind, s.Until = list.Allow, start.Add(90*day+time.Microsecond) }, "until until_too_late"},
	{func(s *list.Statement) { s.Until = start.AddDate(200, 0, 0) }, "until until_too_late"},
}

// What is wrong is told in a fixed order, with the field; nothing is written.
func TestChecks(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	for i, c := range wrongs {
		st := deny("e-1", "W1")
		c.change(&st)
		_, _, err := w.Add(w.ctx, analyst, st)
		var bad *ident.Error
		if !asError(err, &bad) || bad.Kind != ident.KindInvalid || bad.Field+" "+bad.Code != c.code {
			t.Errorf("case %d: %v, want %s", i, err, c.code)
		}
	}
	if n := w.rows("risk_list_entry"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// How long an entry may last, to the microsecond, and what cannot be extended.
func TestTerms(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	for i, ok := range []list.Statement{
		{Kind: list.Watch, Until: start.Add(366 * day)}, {Kind: list.Allow, Until: start.Add(90 * day)}, {Kind: list.Deny},
		{Kind: list.Watch, From: start.Add(100 * day), Until: start.Add(466 * day)}, {Kind: list.Watch, From: start.Add(-100 * day), Until: start.Add(366 * day)},
	} {
		st := deny(fmt.Sprintf("ok-%d", i), "W1")
		st.Kind, st.From, st.Until = ok.Kind, ok.From, ok.Until
		w.add(st)
	}
	_, err := w.Extend(w.ctx, analyst, "ok-0", start.Add(367*day), "longer")
	w.code(err, ident.KindInvalid, "until_too_late")
	_, err = w.Extend(w.ctx, analyst, "ok-0", start.Add(5*day), "shorter")
	w.code(err, ident.KindInvalid, "until_earlier")
	_, err = w.Extend(w.ctx, analyst, "ok-2", start.Add(5*day), "an end")
	w.code(err, ident.KindState, "entry_endless")
	_, err = w.Extend(w.ctx, analyst, "none", start.Add(5*day), "x")
	w.code(err, ident.KindNotFound, "entry_not_found")
	_, err = w.Remove(w.ctx, analyst, "none", "x")
	w.code(err, ident.KindNotFound, "entry_not_found")
	_, err = w.Remove(w.ctx, analyst, "ok-2", " ")
	w.code(err, ident.KindInvalid, "why_text")
	w.clock.Advance(91 * day)
	_, err = w.Extend(w.ctx, analyst, "ok-1", start.Add(120*day), "x")
	w.code(err, ident.KindState, "entry_expired")
}

func asError(err error, into **ident.Error) bool {
	e, ok := err.(*ident.Error)
	*into = e
	return ok && e != nil
}

// Who may not, cannot, and each refusal and each look is in the log.
func TestAccess(t *testing.T) {
	both(t, func(w *world) {
		w.add(deny("e-1", "W1"))
		_, _, err := w.Add(w.ctx, handler, deny("e-2", "W2"))
		w.code(err, ident.KindDenied, "not_allowed")
		_, _, err = w.Add(w.ctx, carrier, deny("e-2", "W2"))
		w.code(err, ident.KindDenied, "not_allowed")
		_, err = w.Remove(w.ctx, handler, "e-1", "x")
		w.code(err, ident.KindDenied, "not_allowed")
		_, err = w.Find(w.ctx, fund, list.Filter{})
		w.code(err, ident.KindDenied, "not_allowed")
		_, _, err = w.View(w.ctx, fund, "e-1")
		w.code(err, ident.KindDenied, "not_allowed")
		_, err = w.Import(w.ctx, handler, list.CSV, strings.NewReader(head+"deny,account,W2,x,police,900,\n"), nil)
		w.code(err, ident.KindDenied, "not_allowed")
		_, err = w.Export(w.ctx, handler, list.Export{Format: list.CSV, Personal: true}, &strings.Builder{})
		w.code(err, ident.KindDenied, "not_allowed")
		_, _, err = w.Report(w.ctx, handler, list.Signal{ID: "s-1", Signal: "sim_swap", Subject: list.Account, Value: "W1", Source: list.Carrier, Confidence: 900})
		w.code(err, ident.KindDenied, "not_allowed")
		if n := w.rows("risk_list_entry"); n != 1 {
			w.Errorf("%d rows", n)
		}
		_, _, err = w.View(w.ctx, handler, "e-1")
		w.ok(err)
		_, err = w.Find(w.ctx, handler, list.Filter{Value: "W1"})
		w.ok(err)
		var log []string
		w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
			all, err := w.audit.Find(tx, audit.Filter{Act: "list.read"})
			for _, r := range all {
				log = append(log, string(r.Outcome)+" "+r.Object+" "+r.Actor)
			}
			return err
		}))
		if got := strings.Join(log, "; "); got != "read  stf_han; read e-1 stf_han; refused e-1 stf_fun; refused  stf_fun" {
			w.Errorf("the log says %s", got)
		}
	})
}

// people are entries of every subject, state and list.
func (w *world) people(until time.Time) {
	w.Helper()
	add := func(id string, kind list.Kind, subject list.Subject, value string) {
		w.clock.Advance(time.Second)
		w.add(list.Statement{ID: id, Kind: kind, Subject: subject, Value: value, Source: list.Own, Confidence: 500,
			Reason: list.Reason{ZH: "因", EN: "why"}, Until: until, Signal: map[bool]string{true: "phishing"}[subject == list.Address]})
	}
	add("a", list.Deny, list.Account, "W1")
	add("d", list.Deny, list.Device, "W1")
	add("p", list.Watch, list.Phone, "0086 170 0001 5947")
	add("n", list.Watch, list.Name, "Anna Müller")
	add("net", list.Deny, list.Address, "203.0.113.0/24")
	add("ip", list.Allow, list.Address, "::ffff:203.0.113.7")
	add("six", list.Watch, list.Address, "2001:DB8:0:0::/32")
	st := deny("later", "W9")
	st.From = start.Add(10 * day)
	w.add(st)
	w.add(deny("off", "W8"))
	_, err := w.Remove(w.ctx, analyst, "off", "wrong")
	w.ok(err)
}

// Values are found however they are written, and shown masked.
func TestFind(t *testing.T) {
	both(t, func(w *world) {
		until := start.Add(30 * day)
		w.people(until)
		for _, c := range []struct {
			f    list.Filter
			want string
		}{
			{list.Filter{Value: "W1"}, "d a"},
			{list.Filter{Value: "W1", Subject: list.Device}, "d"},
			{list.Filter{Value: "17000015947"}, "p"},
			{list.Filter{Value: "+86 170-0001-5947", Subject: list.Phone}, "p"},
			{list.Filter{Value: "ANNA　MÜLLER"}, "n"},
			{list.Filter{Value: "203.0.113.7"}, "ip net"},
			{list.Filter{Value: "203.0.113.0/24"}, "net"},
			{list.Filter{Value: "203.0.113.8"}, "net"},
			{list.Filter{Value: "2001:db8::1"}, "six"},
			{list.Filter{Value: "2001:db9::1"}, ""},
			{list.Filter{Value: "nobody"}, ""},
			{list.Filter{Value: "x", Subject: list.Phone}, ""},
			{list.Filter{Kind: list.Watch}, "six n p"},
			{list.Filter{Source: list.Police}, "off later"},
			{list.Filter{Signal: "phishing", Kind: list.Deny}, "net"},
			{list.Filter{State: list.Waiting}, "later"},
			{list.Filter{State: list.Removed}, "off"},
			{list.Filter{State: list.Live, Subject: list.Account}, "a"},
			{list.Filter{State: list.Expired}, ""},
			{list.Filter{Ending: until.Add(time.Microsecond), Kind: list.Deny}, "net d a"},
			{list.Filter{Ending: until}, ""},
		} {
			if got := w.ids(c.f); got != c.want {
				w.Errorf("%+v finds %q, want %q", c.f, got, c.want)
			}
		}
		es, err := w.Find(w.ctx, handler, list.Filter{Kind: list.Watch})
		w.ok(err)
		if es[1].Value != "A*** M*****" || es[2].Value != "170****5947" || !es[2].Masked || es[0].Masked || es[0].Value != "2001:db8::/32" {
			w.Errorf("%+v", es)
		}
		var paged []string
		f := list.Filter{Limit: 2}
		for {
			es, err := w.Find(w.ctx, handler, f)
			w.ok(err)
			for _, e := range es {
				paged = append(paged, e.ID)
			}
			if len(es) < 2 {
				break
			}
			f.Before, f.BeforeAt = es[1].ID, es[1].AddedAt
		}
		if got := strings.Join(paged, " "); got != "six off later ip net n p d a" {
			w.Errorf("pages: %s", got)
		}
		w.clock.Set(until)
		if got := w.ids(list.Filter{State: list.Expired}); got != "six ip net n p d a" {
			w.Errorf("expired: %s", got)
		}
		for _, f := range []list.Filter{{Kind: "x"}, {Subject: "x"}, {Source: "x"}, {State: "x"}} {
			_, err := w.Find(w.ctx, handler, f)
			w.code(err, ident.KindInvalid, "unknown")
		}
	})
}

func (w *world) ids(f list.Filter) string {
	w.Helper()
	es, err := w.Find(w.ctx, handler, f)
	w.ok(err)
	var out []string
	for _, e := range es {
		out = append(out, e.ID)
	}
	return strings.Join(out, " ")
}

// An allow entry hides no deny entry: each list answers for itself, and whoever
// looks at the one is told of the other.
func TestAllowHidesNoDeny(t *testing.T) {
	both(t, func(w *world) {
		w.add(deny("no", "W1"))
		yes := deny("yes", "W1")
		yes.Kind, yes.Until = list.Allow, start.Add(day)
		w.add(yes)
		surer := deny("surer", "W1")
		surer.Confidence = 950
		w.add(surer)
		if said := w.Said("account", "W1", start); said != (list.Said{Allow: "yes", Deny: "surer"}) {
			w.Errorf("%+v", said)
		}
		for kind, want := range map[list.Kind]string{list.Allow: "yes", list.Deny: "surer", list.Watch: ""} {
			if got := w.on(w.Service, kind, list.Account, "W1"); got != want {
				w.Errorf("%s: %q, want %q", kind, got, want)
			}
		}
		_, also, err := w.View(w.ctx, analyst, "yes")
		w.ok(err)
		if len(also) != 2 || also[0].Kind != list.Deny {
			w.Errorf("%+v", also)
		}
		w.clock.Advance(day)
		if said := w.Said("account", "W1", w.clock.Now()); said != (list.Said{Deny: "surer"}) {
			w.Errorf("the allow entry is over: %+v", said)
		}
	})
}

// The index of a phone or name is that of package party, so that what the engine
// knows of an account can be asked for.
func TestKeysAreThoseOfTheParties(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	for subject, c := range map[list.Subject][2]string{list.Phone: {"170 0001 5947", "phone"}, list.Name: {"Anna  MÜLLER", "name"}} {
		folded := party.NormalPhone(c[0])
		if subject == list.Name {
			folded = party.NormalName(c[0])
		}
		key, err := w.Key(subject, c[0])
		w.ok(err)
		if want := fmt.Sprintf("%x", w.vault.Index(c[1], folded)); key != want {
			t.Errorf("%s: %s, party has %s", subject, key, want)
		}
	}
	if _, err := w.Key("x", "y"); err == nil {
		t.Error("a key of nothing")
	}
}

// Nothing personal stands in the tables as it is.
func TestSealed(t *testing.T) {
	both(t, func(w *world) {
		w.add(list.Statement{ID: "p", Kind: list.Deny, Subject: list.Phone, Value: "17000015947", Source: list.Own, Confidence: 1, Reason: list.Reason{EN: "r"}, Note: "宋伟 called"})
		w.add(list.Statement{ID: "n", Kind: list.Deny, Subject: list.Name, Value: "宋伟", Source: list.Own, Confidence: 1, Reason: list.Reason{EN: "r"}})
		w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
			return tx.Rows(`select value, value_sealed, value_index, same, body, note_sealed from risk_list_entry`, nil, func(scan func(...any) error) error {
				var text string
				cells := make([][]byte, 5)
				err := scan(&text, &cells[0], &cells[1], &cells[2], &cells[3], &cells[4])
				for _, c := range append(cells, []byte(text)) {
					if strings.Contains(string(c), "17000015947") || strings.Contains(string(c), "宋伟") {
						w.Errorf("the table shows %q", c)
					}
				}
				return err
			})
		}))
	})
}

// writes are all writes of the package, each about whether W1 is denied.
var writes = []struct {
	name string
	prep func(w *world)
	do   func(w *world) error
	on   bool // whether W1 is denied after it
}{
	{"add", func(*world) {}, func(w *world) error { _, _, err := w.Add(w.ctx, analyst, deny("e-1", "W1")); return err }, true},
	{"remove", func(w *world) { w.add(deny("e-1", "W1")) }, func(w *world) error { _, err := w.Remove(w.ctx, analyst, "e-1", "wrong"); return err }, false},
	{"report", func(*world) {}, func(w *world) error {
		_, _, err := w.Report(w.ctx, carrier, list.Signal{ID: "e-1", Signal: "mule_account", Subject: list.Account, Value: "W1", Source: list.Police, Confidence: 900})
		return err
	}, true},
	{"withdraw", func(w *world) {
		_, _, err := w.Report(w.ctx, carrier, list.Signal{ID: "e-1", Signal: "mule_account", Subject: list.Account, Value: "W1", Source: list.Police, Confidence: 900})
		w.ok(err)
	}, func(w *world) error { _, err := w.Withdraw(w.ctx, carrier, "e-1", "mistaken"); return err }, false},
	{"import", func(*world) {}, func(w *world) error {
		_, err := w.Import(w.ctx, analyst, list.CSV, strings.NewReader(head+"deny,account,W1,x,police,900,\n"), nil)
		return err
	}, true},
	{"extend", func(w *world) {
		st := deny("e-1", "W1")
		st.Until = start.Add(day)
		w.add(st)
		w.clock.Advance(day - time.Second)
	}, func(w *world) error {
		_, err := w.Extend(w.ctx, analyst, "e-1", start.Add(2*day), "longer")
		w.clock.Set(start.Add(day + time.Hour))
		defer w.clock.Set(start.Add(day - time.Second))
		return err
	}, true},
}

// Every write, lost: nothing happened. Every write, muted: it happened, memory has
// it though the outcome is unknown, and the same call again answers.
func TestLostAndMuted(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		for _, c := range writes {
			for _, mute := range []bool{false, true} {
				w := newWorld(t, dialect, 1)
				c.prep(w)
				if mute {
					w.faults.MuteCommit(1)
				} else {
					w.faults.LoseCommit(1)
				}
				err := c.do(w)
				want := ident.KindUnavailable
				if mute {
					want = ident.KindUnknown
				}
				if !ident.Is(err, want) {
					t.Errorf("%s, %s, muted %v: %v", dialect, c.name, mute, err)
				}
				at := w.clock.Now()
				if c.name == "extend" {
					at = start.Add(day + time.Hour)
				}
				if id, on := w.Listed("deny", "account", "W1", at); on != (c.on == mute) {
					t.Errorf("%s, %s, muted %v: %q %v", dialect, c.name, mute, id, on)
				}
				if err := c.do(w); err != nil {
					t.Errorf("%s, %s again, muted %v: %v", dialect, c.name, mute, err)
				}
				if _, on := w.Listed("deny", "account", "W1", at); on != c.on {
					t.Errorf("%s, %s again, muted %v: %v", dialect, c.name, mute, on)
				}
				if n := w.rows("risk_list_entry"); n != 1 {
					t.Errorf("%s, %s, muted %v: %d rows", dialect, c.name, mute, n)
				}
				if st := w.Stats(); st.Behind != nil || st.Entries > 1 {
					t.Errorf("%+v", st)
				}
			}
		}
	}
}

// What another process changes comes with Refresh; what a process missed since it
// lost the database, too.
func TestRefresh(t *testing.T) {
	both(t, func(w *world) {
		second := w.process()
		w.add(deny("e-1", "W1"))
		w.add(deny("e-2", "W2"))
		if got := w.on(second, list.Deny, list.Account, "W1"); got != "" {
			w.Errorf("before the refresh: %q", got)
		}
		for _, want := range []bool{true, false} {
			changed, err := second.Refresh(w.ctx)
			w.ok(err)
			if changed != want {
				w.Errorf("changed: %v", changed)
			}
		}
		_, err := w.Remove(w.ctx, analyst, "e-1", "wrong")
		w.ok(err)
		hung, hang := context.WithCancel(w.ctx)
		hang()
		if _, err := second.Refresh(hung); err == nil || second.Stats().Behind == nil {
			w.Errorf("a refresh that failed says %v", err)
		}
		if got := w.on(second, list.Deny, list.Account, "W1"); got != "e-1" {
			w.Errorf("memory was spoilt: %q", got)
		}
		_, err = second.Refresh(w.ctx)
		w.ok(err)
		if a, b := w.on(second, list.Deny, list.Account, "W1"), w.on(second, list.Deny, list.Account, "W2"); a != "" || b != "e-2" {
			w.Errorf("%q %q", a, b)
		}
		if st := second.Stats(); st.Behind != nil || st.Changes != 3 || st.Entries != 1 || !st.Fresh.Equal(start) {
			w.Errorf("%+v", st)
		}
		// Who hangs up after the commit does not keep it from memory.
		hung, hang = context.WithCancel(w.ctx)
		e, _, err := w.Add(hung, analyst, deny("e-3", "W3"))
		hang()
		w.ok(err)
		if got := w.on(w.Service, list.Deny, list.Account, "W3"); got != e.ID {
			w.Errorf("after the commit: %q", got)
		}
		never, err := list.New(w.cfg)
		w.ok(err)
		if _, ok := never.Listed("deny", "account", "W3", start); ok || never.Stats().Loaded {
			w.Error("a service that was never loaded lists something")
		}
	})
}

// A database that was restored to an earlier day has fewer changes than memory has
// seen: memory begins anew.
func TestRestored(t *testing.T) {
	both(t, func(w *world) {
		w.add(deny("e-1", "W1"))
		w.add(deny("e-2", "W2"))
		w.ok(w.db.Update(w.ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(`delete from risk_list_entry where id = $1`, "e-2"); err != nil {
				return err
			}
			_, err := tx.Exec(`update risk_list_state set seq = $1`, 1)
			return err
		}))
		_, err := w.Refresh(w.ctx)
		w.ok(err)
		if a, b := w.on(w.Service, list.Deny, list.Account, "W1"), w.on(w.Service, list.Deny, list.Account, "W2"); a != "e-1" || b != "" {
			w.Errorf("%q %q", a, b)
		}
	})
}

// A refresh reads what many changes left in pages, and misses none of it.
func TestRefreshInPages(t *testing.T) {
	both(t, func(w *world) {
		second := w.process()
		var b strings.Builder
		b.WriteString(head)
		for i := range 10_001 { // two pages are full, and one act spans their border
			fmt.Fprintf(&b, "deny,account,W%d,x,police,900,\n", i)
		}
		w.load(list.CSV, b.String())
		_, err := second.Refresh(w.ctx)
		w.ok(err)
		if n := second.Stats().Entries; n != 10_001 {
			w.Errorf("%d entries", n)
		}
	})
}

// Writers of two processes and readers: in the end both memories are the tables.
func TestConcurrent(t *testing.T) {
	both(t, func(w *world) {
		second := w.process()
		done := make(chan error)
		stop := make(chan struct{})
		for g, s := range []*list.Service{w.Service, second, w.Service} {
			go func() {
				for i := range 30 {
					id := fmt.Sprintf("e-%d-%d", g, i)
					if _, _, err := s.Add(w.ctx, analyst, deny(id, "W"+id)); err != nil {
						done <- err
						return
					}
					if i%3 == 0 {
						if _, err := s.Remove(w.ctx, analyst, id, "wrong"); err != nil {
							done <- err
							return
						}
					}
				}
				done <- nil
			}()
		}
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					second.Said("account", "We-0-1", start)
					if _, err := second.Refresh(context.Background()); err != nil {
						w.Error(err)
					}
				}
			}
		}()
		for range 3 {
			w.ok(<-done)
		}
		close(stop)
		for _, s := range []*list.Service{w.Service, second, w.process()} {
			_, err := s.Refresh(w.ctx)
			w.ok(err)
			for g := range 3 {
				for i := range 30 {
					id := fmt.Sprintf("e-%d-%d", g, i)
					want := id
					if i%3 == 0 {
						want = ""
					}
					if got := w.on(s, list.Deny, list.Account, "W"+id); got != want {
						w.Errorf("%s: %q", id, got)
					}
				}
			}
		}
	})
}

// A replay meets what a past payment would have met: an entry counts from when it
// was known until it was removed.
func TestPast(t *testing.T) {
	both(t, func(w *world) {
		st := deny("e-1", "W1")
		st.From = start.Add(-10 * day)
		w.add(st)
		w.clock.Advance(day)
		_, err := w.Remove(w.ctx, analyst, "e-1", "wrong")
		w.ok(err)
		w.clock.Advance(100 * day)
		x, err := w.Past(w.ctx)
		w.ok(err)
		for _, c := range []struct {
			at time.Time
			on bool
		}{{start.Add(-time.Microsecond), false}, {start, true}, {start.Add(day - time.Microsecond), true}, {start.Add(day), false}} {
			if _, on := x.Listed("deny", "account", "W1", c.at); on != c.on {
				w.Errorf("at %v: %v", c.at, on)
			}
		}
	})
}

// Memory forgets what is over only after 48 hours: a late payment is judged by what
// held when it was made.
func TestLatePayments(t *testing.T) {
	both(t, func(w *world) {
		st := deny("e-1", "W1")
		st.Until = start.Add(day)
		w.add(st)
		w.clock.Advance(2 * day)
		for _, s := range []*list.Service{w.Service, w.process()} {
			if _, on := s.Listed("deny", "account", "W1", start.Add(time.Hour)); !on {
				w.Error("a late payment meets nothing")
			}
			if _, on := s.Listed("deny", "account", "W1", start.Add(day)); on {
				w.Error("the entry is over")
			}
		}
		w.clock.Advance(day + time.Microsecond)
		if n := w.process().Stats().Entries; n != 0 {
			w.Errorf("%d entries are kept", n)
		}
	})
}

func TestCounts(t *testing.T) {
	both(t, func(w *world) {
		for i, c := range []struct{ from, until time.Duration }{{0, 0}, {0, 7 * day}, {0, 7*day + time.Microsecond}, {day, 3 * day}} {
			st := deny(fmt.Sprintf("e-%d", i), fmt.Sprintf("W%d", i))
			if st.From = start.Add(c.from); c.until > 0 {
				st.Until = start.Add(c.until)
			}
			w.add(st)
		}
		st := deny("w", "dev")
		st.Kind, st.Subject, st.Until = list.Watch, list.Device, start.Add(time.Hour)
		w.add(st)
		w.add(deny("off", "W7"))
		_, err := w.Remove(w.ctx, analyst, "off", "x")
		w.ok(err)
		counts := func() (out []list.Count) {
			w.ok(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
				out, err = w.Counts(tx)
				return err
			}))
			return out
		}
		want := []list.Count{{Kind: list.Deny, Subject: list.Account, Live: 3, Waiting: 1, Ending: 2}, {Kind: list.Watch, Subject: list.Device, Live: 1, Ending: 1}}
		if got := counts(); !reflect.DeepEqual(got, want) {
			w.Errorf("%+v", got)
		}
		w.clock.Advance(time.Hour)
		want[0].Ending = 3
		if got := counts(); !reflect.DeepEqual(got, want[:1]) {
			w.Errorf("an hour later %+v", got)
		}
	})
}

// Everything that has a code has words in both languages.
func TestWords(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	v := reflect.ValueOf(w.Words())
	for i := range v.NumField() {
		words := v.Field(i).Interface().([]list.Word)
		if len(words) < 3 {
			t.Errorf("%s: %v", v.Type().Field(i).Name, words)
		}
		for _, word := range words {
			if word.Code == "" || word.ZH == "" || word.EN == "" || word.ZH == word.EN {
				t.Errorf("%+v", word)
			}
		}
	}
	signals, version := w.Signals()
	if version.Name != "intelligence" || len(signals) < 8 || !slices.ContainsFunc(signals, func(s list.SignalInfo) bool { return s.ID == "lost_phone" }) {
		t.Errorf("%v %v", version, signals)
	}
}
