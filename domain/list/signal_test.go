package list_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"surety/domain/list"
	"surety/kernel/ident"
	"surety/platform/db"
)

func sim(id string) list.Signal {
	return list.Signal{ID: id, Signal: "sim_swap", Subject: list.Phone, Value: "+86 170 0001 5947", Source: list.Carrier, Confidence: 950,
		Since: start.Add(-2 * day), Note: "desk 7"}
}

// A signal becomes an entry on the list that the pack names, as long as the pack
// says at most.
func TestReport(t *testing.T) {
	both(t, func(w *world) {
		e, again, err := w.Report(w.ctx, carrier, sim("s-1"))
		w.ok(err)
		if again || e.Kind != list.Watch || !e.Until.Equal(start.Add(5*day)) || e.Reason.ZH == "" || !e.Reported || e.Value != "170****5947" || e.Note != "" {
			w.Errorf("%v %+v", again, e)
		}
		if id, ok := w.Signalled("sim_swap", "phone", w.key(list.Phone, "17000015947"), start); !ok || id != "s-1" {
			w.Errorf("signalled: %q", id)
		}
		if _, ok := w.Signalled("call_forwarding", "phone", w.key(list.Phone, "17000015947"), start); ok {
			w.Error("another signal is in force")
		}
		w.clock.Advance(30 * day) // over, but known
		if _, again, err := w.Report(w.ctx, carrier, sim("s-1")); err != nil || !again {
			w.Errorf("%v %v", again, err)
		}
		other := sim("s-1")
		other.Confidence--
		_, _, err = w.Report(w.ctx, carrier, other)
		w.code(err, ident.KindConflict, "entry_id_taken")
		w.clock.Set(start)

		mule := list.Signal{Signal: "mule_account", Subject: list.Account, Value: "W9", Source: list.Institution}
		for confidence, kind := range map[int]list.Kind{799: list.Watch, 800: list.Deny} {
			mule.ID, mule.Confidence = fmt.Sprint("m-", confidence), confidence
			e, _, err := w.Report(w.ctx, carrier, mule)
			w.ok(err)
			if e.Kind != kind || !e.Until.Equal(start.Add(365*day)) {
				w.Errorf("confidence %d: %+v", confidence, e)
			}
		}
		mule.ID, mule.Until = "m-short", start.Add(time.Hour)
		e, _, err = w.Report(w.ctx, carrier, mule)
		w.ok(err)
		if !e.Until.Equal(start.Add(time.Hour)) {
			w.Errorf("a shorter expiry: %v", e.Until)
		}
	})
}

func (w *world) key(s list.Subject, value string) string {
	w.Helper()
	k, err := w.Key(s, value)
	w.ok(err)
	return k
}

func TestReportChecks(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	for i, c := range []struct {
		change func(*list.Signal)
		code   string
	}{
		{func(s *list.Signal) { s.ID = "" }, "id required"},
		{func(s *list.Signal) { s.Signal = "sim_swop" }, "signal signal_unknown"},
		{func(s *list.Signal) { s.Subject = "sim" }, "subject unknown"},
		{func(s *list.Signal) { s.Subject, s.Value = list.Address, "10.0.0.1" }, "subject subject_unfit"},
		{func(s *list.Signal) { s.Value = "" }, "value phone_digits"},
		{func(s *list.Signal) { s.Source = "" }, "source unknown"},
		{func(s *list.Signal) { s.Signal = "wanted" }, "source source_unfit"},
		{func(s *list.Signal) { s.Confidence = 0 }, "confidence out_of_range"},
		{func(s *list.Signal) { s.Since = start.Add(5*time.Minute + time.Microsecond) }, "since since_ahead"},
		{func(s *list.Signal) { s.Since = start.Add(-7 * day) }, "since signal_stale"},
		{func(s *list.Signal) { s.Until = start }, "until until_past"},
	} {
		sig := sim("s-1")
		c.change(&sig)
		_, _, err := w.Report(w.ctx, carrier, sig)
		var bad *ident.Error
		if !asError(err, &bad) || bad.Kind != ident.KindInvalid || bad.Field+" "+bad.Code != c.code {
			t.Errorf("case %d: %v, want %s", i, err, c.code)
		}
		if bad != nil && bad.Code == "signal_unknown" && !strings.Contains(bad.Message, "sim_swap, device_swap") {
			t.Errorf("it does not say which there are: %s", bad.Message)
		}
	}
	if n := w.rows("risk_list_entry"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// Who sent a signal may take it back; nobody else's, and no entry of the house.
func TestWithdraw(t *testing.T) {
	both(t, func(w *world) {
		_, _, err := w.Report(w.ctx, carrier, sim("s-1"))
		w.ok(err)
		w.add(deny("e-1", "W1"))
		_, err = w.Withdraw(w.ctx, other, "s-1", "x")
		w.code(err, ident.KindNotFound, "signal_not_found")
		_, err = w.Withdraw(w.ctx, analyst, "e-1", "x")
		w.code(err, ident.KindNotFound, "signal_not_found")
		for range 2 {
			e, err := w.Withdraw(w.ctx, carrier, "s-1", "the subscriber asked for it")
			w.ok(err)
			if e.RemovedBy != carrier.ID || e.Version != 2 {
				w.Errorf("%+v", e)
			}
		}
		if got := w.on(w.Service, list.Watch, list.Phone, "17000015947"); got != "" {
			w.Errorf("still listed: %q", got)
		}
	})
}

// A pack that is wrong is refused and says where.
func TestSignalPack(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	const top = "pack: {name: intelligence, number: 2, effective_from: 2026-01-01}\nsignals:\n"
	const one = "  - {id: a, zh: 甲, en: A, on: [{subjects: [phone], kind: watch, days: 3}]}\n"
	for text, want := range map[string]string{
		top + one: "",
		top + strings.Replace(one, "watch", "allow", 1):               "kind",
		top + strings.Replace(one, "days: 3", "days: 367", 1):         "days",
		top + strings.Replace(one, "days: 3", "days: 0", 1):           "days",
		top + strings.Replace(one, "days: 3", "dayz: 3", 1):           "line 3",
		top + strings.Replace(one, "days: 3", "days: 3, sure: 5", 1):  "sure",
		top + strings.Replace(one, "[phone]", "[phone, phone]", 1):    "twice",
		top + strings.Replace(one, "[phone]", "[fax]", 1):             "fax",
		top + strings.Replace(one, "[phone]", "[]", 1):                "at least one",
		top + strings.Replace(one, "en: A", "en: ''", 1):              "zh, en",
		top + strings.Replace(one, "en: A", "en: A, sources: [x]", 1): "source x",
		top + one + one: "two signals",
		top + "  []\n":  "1 to 200",
		"x":             "line 1",
	} {
		cfg := w.cfg
		cfg.Signals = text
		_, err := list.New(cfg)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
	if _, err := list.New(list.Config{}); err == nil {
		t.Error("a service without parts")
	}
}

// What is shared: only what the house found out itself, phones and names hashed as
// the scheme says, in the order of changes, and what was taken back as withdrawn.
func TestShare(t *testing.T) {
	both(t, func(w *world) {
		own := func(id string, kind list.Kind, subject list.Subject, value string) {
			w.clock.Advance(time.Second)
			w.add(list.Statement{ID: id, Kind: kind, Subject: subject, Value: value, Source: list.Own, Confidence: 800,
				Reason: list.Reason{EN: "宋伟 did it"}, Note: "宋伟", Until: start.Add(30 * day), Signal: "mule_account"})
		}
		own("a", list.Deny, list.Account, "W1")
		own("p", list.Watch, list.Phone, "+86 170 0001 5947")
		own("n", list.Deny, list.Name, "宋 伟")
		own("ok", list.Allow, list.Account, "W2")
		w.add(deny("police", "W3"))
		own("ip", list.Watch, list.Address, "10.0.0.0/8")
		first, err := w.Share(w.ctx, carrier, "", 2)
		w.ok(err)
		if got := shared(first); got != "a p" || !first.More {
			w.Fatalf("%s %v", got, first.More)
		}
		second, err := w.Share(w.ctx, carrier, first.Next, 10)
		w.ok(err)
		if got := shared(second); got != "n ip" || second.More {
			w.Fatalf("%s %v", got, second.More)
		}
		salt, err := hex.DecodeString(first.Scheme.Salt)
		w.ok(err)
		for text, got := range map[string]string{"phone:17000015947": first.Items[1].Hash, "name:宋伟": second.Items[0].Hash} {
			mac := hmac.New(sha256.New, salt)
			mac.Write([]byte(text))
			if want := hex.EncodeToString(mac.Sum(nil)); got != want || first.Scheme.Name != "hmac-sha256" {
				w.Errorf("%s: %s, by the scheme %s", text, got, want)
			}
		}
		if text := fmt.Sprintf("%+v %+v", first, second); strings.Contains(text, "17000015947") || strings.Contains(text, "宋伟") {
			w.Errorf("it names people: %s", text)
		}
		if first.Items[0].Value != "W1" || first.Items[0].Signal != "mule_account" || first.Items[1].Value != "" {
			w.Errorf("%+v", first.Items)
		}
		none, err := w.Share(w.ctx, carrier, second.Next, 10)
		w.ok(err)
		if len(none.Items) != 0 || none.Next != second.Next {
			w.Errorf("%+v", none)
		}
		w.clock.Advance(time.Hour)
		_, err = w.Remove(w.ctx, analyst, "p", "cleared")
		w.ok(err)
		_, err = w.Extend(w.ctx, analyst, "a", start.Add(40*day), "more")
		w.ok(err)
		for _, since := range []string{second.Next, w.clock.Now().Format(time.RFC3339)} {
			news, err := w.Share(w.ctx, carrier, since, 10)
			w.ok(err)
			if shared(news) != "p a" || !news.Items[0].Withdrawn || news.Items[1].Withdrawn || !news.Items[1].Until.Equal(start.Add(40*day)) {
				w.Errorf("since %s: %+v", since, news.Items)
			}
		}
		w.clock.Set(start.Add(35 * day)) // all but "a" are over
		all, err := w.Share(w.ctx, carrier, "", 0)
		w.ok(err)
		if got := shared(all); got != "a" {
			w.Errorf("after the end: %s", got)
		}
		for _, since := range []string{"x", "1", "-1~a", "1~a b", "~"} {
			_, err := w.Share(w.ctx, carrier, since, 1)
			w.code(err, ident.KindInvalid, "since_malformed")
		}
		_, err = w.Share(w.ctx, fund, "", 1)
		w.code(err, ident.KindDenied, "not_allowed")
	})
}

func shared(f list.Feed) string {
	var ids []string
	for _, o := range f.Items {
		ids = append(ids, o.ID)
	}
	return strings.Join(ids, " ")
}
