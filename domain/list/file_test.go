package list_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/list"
	"surety/kernel/ident"
	"surety/platform/db"
)

const head = "kind,subject,value,reason,source,confidence,until\n"

func (w *world) load(format list.Format, text string) list.ImportReport {
	w.Helper()
	rep, err := w.Import(w.ctx, analyst, format, strings.NewReader(text), nil)
	w.ok(err)
	return rep
}

func told(rep list.ImportReport) string {
	return fmt.Sprintf("%d rows: %d added, %d renewed, %d unchanged, %d kept off", rep.Rows, rep.Added, rep.Renewed, rep.Unchanged, rep.KeptOff)
}

const policeFile = head + `deny,account,W1,涉案 | in a case,police,900,
deny,phone,170-0001-5947,涉案 | in a case,police,900,2026-12-31
watch,name,宋伟,涉案 | in a case,police,500,2026-12-31T00:00:00+08:00
deny,address,198.51.100.0/24,attack,police,700,2026-06-18
`

// The same file again changes nothing; a newer one renews; what a person took off
// stays off for a year.
func TestImport(t *testing.T) {
	both(t, func(w *world) {
		if got := told(w.load(list.CSV, "\xef\xbb\xbf"+policeFile)); got != "4 rows: 4 added, 0 renewed, 0 unchanged, 0 kept off" {
			w.Fatal(got)
		}
		if got := told(w.load(list.CSV, policeFile)); got != "4 rows: 0 added, 0 renewed, 4 unchanged, 0 kept off" {
			w.Fatal(got)
		}
		if a, b := w.on(w.Service, list.Deny, list.Phone, "17000015947"), w.on(w.Service, list.Deny, list.Address, "198.51.100.9"); a == "" || b == "" {
			w.Errorf("%q %q", a, b)
		}
		newer := strings.NewReplacer("W1,涉案 | in a case,police,900,", "W1,涉案,police,950,2027-05-01", "500,2026-12-31T", "500,2027-01-31T").Replace(policeFile)
		if got := told(w.load(list.CSV, newer)); got != "4 rows: 0 added, 2 renewed, 2 unchanged, 0 kept off" {
			w.Fatal(got)
		}
		id := w.on(w.Service, list.Deny, list.Account, "W1")
		e, _, err := w.View(w.ctx, analyst, id)
		w.ok(err)
		if e.Confidence != 950 || e.Reason != (list.Reason{ZH: "涉案", EN: "涉案"}) || !e.Until.Equal(time.Date(2027, 4, 30, 16, 0, 0, 0, time.UTC)) || e.Version != 2 {
			w.Errorf("%+v", e)
		}
		h, err := w.History(w.ctx, analyst, id)
		w.ok(err)
		if len(h) != 2 || h[1].What != list.EventRenewed || h[1].ReasonBefore != "涉案 | in a case" || h[1].ConfidenceBefore != 900 || !h[1].UntilBefore.IsZero() || !h[0].UntilAfter.IsZero() {
			w.Errorf("%+v", h)
		}
		_, err = w.Remove(w.ctx, analyst, id, "mistaken identity")
		w.ok(err)
		rep := w.load(list.CSV, newer)
		if got := told(rep); got != "4 rows: 0 added, 0 renewed, 3 unchanged, 1 kept off" {
			w.Fatal(got)
		}
		if len(rep.Kept) != 1 || rep.Kept[0] != (list.KeptOff{Row: 2, Entry: id, Why: "mistaken identity"}) {
			w.Errorf("%+v", rep.Kept)
		}
		w.clock.Advance(366 * day)
		if got := told(w.load(list.CSV, head+"deny,account,W1,x,police,900,\n")); got != "1 rows: 1 added, 0 renewed, 0 unchanged, 0 kept off" {
			w.Fatal(got)
		}
		// What ended is added anew; another source is another statement.
		two := head + "deny,address,198.51.100.0/24,attack,police,700,\ndeny,address,198.51.100.0/24,attack,own,700,\n"
		if got := told(w.load(list.CSV, two)); got != "2 rows: 2 added, 0 renewed, 0 unchanged, 0 kept off" {
			w.Fatal(got)
		}
	})
}

// An entry that waits begins when its source says so, earlier but never later; of
// several the one that is just so is left as it is.
func TestImportMeetsWaiting(t *testing.T) {
	both(t, func(w *world) {
		st := deny("e-1", "W1")
		st.From, st.Reason = start.Add(10*day), list.Reason{EN: "x"}
		w.add(st)
		const later = "kind,subject,value,reason,source,confidence,until,from\ndeny,account,W1,x,police,900,,2026-06-20\n"
		if got := told(w.load(list.CSV, later)); got != "1 rows: 0 added, 0 renewed, 1 unchanged, 0 kept off" {
			w.Error(got)
		}
		if got := w.on(w.Service, list.Deny, list.Account, "W1"); got != "" {
			w.Errorf("it waits, but %q", got)
		}
		if got := told(w.load(list.CSV, head+"deny,account,W1,x,police,900,\n")); got != "1 rows: 0 added, 1 renewed, 0 unchanged, 0 kept off" {
			w.Error(got)
		}
		if got := w.on(w.Service, list.Deny, list.Account, "W1"); got != "e-1" {
			w.Errorf("it has begun, but %q", got)
		}
		st = deny("e-2", "W1")
		st.Until = start.Add(day)
		w.add(st)
		if got := told(w.load(list.CSV, head+"deny,account,W1,涉案收款账户 | receives stolen money,police,900,"+st.Until.Format(time.RFC3339)+"\n")); got !=
			"1 rows: 0 added, 0 renewed, 1 unchanged, 0 kept off" {
			w.Error(got)
		}
	})
}

// Every wrong row is named with its column, and nothing is written.
func TestImportRefuses(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	file := head + strings.Join([]string{
		"deny,account,W1,x,police,900,", // 2: good
		"black,account,W1,x,police,900,",
		"deny,person,W1,x,police,900,",
		"deny,account,W 1,x,police,900,",
		"deny,account,W1,,police,900,",
		"deny,account,W1,x,rumour,900,",
		"deny,account,W1,x,police,9e2,",
		"deny,account,W1,x,police,0,",
		"deny,account,W1,x,police,900,tomorrow",
		"watch,account,W1,x,police,900,",
		"allow,account,W1,x,police,900,2027-01-01",
		"deny,account,W1,x,police,900,2020-01-01",
		"deny,address,10.0.0.1/8,x,police,900,",
		"deny,account,W1,y,police,800,", // says the same as row 2
		"deny,account,W1,x,police",      // too few
		"deny,account,W5,x\xff,police,900,",
		"deny,account,W6," + strings.Repeat("x", 2001) + ",police,900,",
		"deny,phone,12ab34567,x,police,900,",
	}, "\n") + "\n"
	rep, err := w.Import(w.ctx, analyst, list.CSV, strings.NewReader(file), nil)
	if !ident.Is(err, ident.KindInvalid) || rep.Rows != 18 {
		t.Errorf("%v %d", err, rep.Rows)
	}
	var got []string
	for _, p := range rep.Refused {
		got = append(got, fmt.Sprintf("%d %s %s", p.Row, p.Field, p.Code))
	}
	want := []string{"3 kind unknown", "4 subject unknown", "5 value bad_character", "6 reason reason_text", "7 source unknown",
		"8 confidence not_whole", "9 confidence out_of_range", "10 until time", "11 until until_required", "12 until until_too_late",
		"13 until until_past", "14 value address_bits", "15 value twice", "16  csv", "17 reason encoding", "18 reason text", "19 value phone_digits"}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
	for _, file := range []string{"", "kind\n", strings.Replace(head, "kind", "Kind", 1), head + "\"deny,x", "\xff\xfe\x00"} {
		if _, err := w.Import(w.ctx, analyst, list.CSV, strings.NewReader(file), nil); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, err := w.Import(w.ctx, analyst, "xls", strings.NewReader(""), nil); !ident.Is(err, ident.KindInvalid) {
		t.Error(err)
	}
	rep, _ = w.Import(w.ctx, analyst, list.CSV, strings.NewReader(head+strings.Repeat("x,,,,,,\n", 5000)), nil)
	if len(rep.Refused) != 1000 {
		t.Errorf("%d problems are named", len(rep.Refused))
	}
	cut := errors.New("cut off")
	if rep, err := w.Import(w.ctx, analyst, list.CSV, failing{strings.NewReader(policeFile), cut}, nil); !errors.Is(err, cut) || len(rep.Refused) != 1 {
		t.Errorf("%v", err)
	}
	if n := w.rows("risk_list_entry"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

// failing ends with an error instead of the end.
type failing struct {
	r   *strings.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	if n, err := f.r.Read(p); err == nil {
		return n, nil
	}
	return 0, f.err
}

func TestImportNDJSONRefuses(t *testing.T) {
	w := newWorld(t, db.SQLite, 1)
	w.add(deny("mine", "W7"))
	const good = `{"id":"e-1","kind":"deny","subject":"account","value":"W1","reason":{"zh":"甲","en":"A"},"source":"police","confidence":900}`
	for _, c := range []struct{ from, to, want string }{
		{`"kind"`, `"Kind"`, "Kind field_unknown"},
		{`"kind":"deny"`, `"kind":"deny","kind":"deny"`, "kind field_twice"},
		{`"zh":"甲"`, `"fr":"x"`, "fr field_unknown"},
		{`{"zh":"甲","en":"A"}`, `"A"`, "reason type_wrong"},
		{`{"zh":"甲","en":"A"}`, `["A"]`, "reason type_wrong"},
		{`"W1"`, `{"reason":1}`, "value type_wrong"},
		{`900`, `"900"`, "confidence type_wrong"},
		{`900`, `900.5`, "confidence type_wrong"},
		{`900}`, `900} {}`, " json_malformed"},
		{`900}`, `900`, " json_malformed"},
		{`900}`, `900,"until":"soon"}`, "until time"},
		{`"e-1"`, `"e 1"`, "id bad_character"},
		{`"e-1"`, `"mine"`, "id entry_id_taken"},
		{good, `[1]`, " json_malformed"},
		{good, `1`, " json_malformed"},
		{`甲`, "\xff", " encoding"},
		{good, good + "\n" + strings.Replace(good, "W1", "W2", 1), "id twice"},
		{good, strings.Repeat("x", 20<<10), " line_too_long"},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		rep, err := w.Import(w.ctx, analyst, list.NDJSON, strings.NewReader("\n"+text+"\n"), nil)
		if err == nil || len(rep.Refused) != 1 {
			t.Errorf("%s: %v", text, err)
			continue
		}
		p := rep.Refused[0]
		if got := p.Field + " " + p.Code; got != c.want || p.Row < 2 {
			t.Errorf("%s: row %d %s, want %s", text, p.Row, got, c.want)
		}
	}
	if n := w.rows("risk_list_entry"); n != 1 {
		t.Errorf("%d rows were written", n)
	}
	if got := told(w.load(list.NDJSON, good)); got != "1 rows: 1 added, 0 renewed, 0 unchanged, 0 kept off" {
		t.Error(got)
	}
}

// nasty is entries whose texts would hurt a careless file.
func nasty(w *world) {
	for i, text := range []string{"plain", "=1+1", "+1", "-1", "@x", "'=1", "''=1", "' =1", "'plain", "a,b", `a"b`, "＝1", "　=1", "''", "a;b"} {
		st := list.Statement{ID: fmt.Sprintf("d-%02d", i), Kind: list.Deny, Subject: list.Device, Value: "x", Source: list.Own, Confidence: i + 1,
			Reason: list.Reason{ZH: text, EN: "en"}, Until: start.Add(time.Duration(i+1) * day)}
		if strings.TrimSpace(text) == text {
			st.Value = text
		} else {
			st.Value, st.Reason.EN = fmt.Sprint("x", i), "'"+text
		}
		w.add(st)
	}
	more := list.Statement{Kind: list.Watch, Source: list.Own, Confidence: 1, Reason: list.Reason{EN: "x"}, Until: start.Add(day)}
	phone, name, net := more, more, more
	phone.ID, phone.Subject, phone.Value, phone.Source, phone.Note = "p", list.Phone, "+44 20 7946 0000", list.Carrier, "n"
	name.ID, name.Subject, name.Value, name.Signal = "n", list.Name, "=Anna  Müller", "identity_leak"
	net.ID, net.Kind, net.Subject, net.Value, net.From, net.Until = "net", list.Allow, list.Address, "2001:db8::/32", start.Add(day), start.Add(2*day+time.Microsecond)
	w.add(phone)
	w.add(name)
	w.add(net)
	w.add(deny("endless", "BANK:622"))
	w.add(deny("gone", "W1"))
	_, err := w.Remove(w.ctx, analyst, "gone", "x")
	w.ok(err)
}

// What is exported can be imported into another house, and comes out of it the
// same. No cell begins as a formula.
func TestRoundTrip(t *testing.T) {
	for _, d := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(d), func(t *testing.T) {
			a := newWorld(t, d, 1)
			nasty(a)
			for _, format := range []list.Format{list.CSV, list.NDJSON} {
				b := newWorld(t, d, 2)
				var first, second bytes.Buffer
				done, err := a.Export(a.ctx, analyst, list.Export{Format: format, Personal: true}, &first)
				a.ok(err)
				if done != (list.Exported{Rows: 19}) {
					t.Errorf("%+v", done)
				}
				if format == list.CSV {
					for line := range strings.Lines(strings.TrimPrefix(first.String(), "\xef\xbb\xbf")) {
						for cell := range strings.SplitSeq(line, ",") {
							if strings.IndexAny(cell, "=+-@") == 0 {
								t.Errorf("a formula: %s", line)
							}
						}
					}
				}
				if got := told(b.load(format, first.String())); got != "19 rows: 19 added, 0 renewed, 0 unchanged, 0 kept off" {
					t.Error(got)
				}
				_, err = b.Export(b.ctx, analyst, list.Export{Format: format, Personal: true}, &second)
				b.ok(err)
				if format == list.NDJSON && first.String() != second.String() {
					t.Errorf("out\n%s\nin and out again\n%s", first.String(), second.String())
				}
				if x, y := lines(first.String()), lines(second.String()); x != y {
					t.Errorf("out\n%s\nin and out again\n%s", x, y)
				}
				if got := told(a.load(format, first.String())); got != "19 rows: 0 added, 0 renewed, 19 unchanged, 0 kept off" {
					t.Errorf("into the same house: %s", got)
				}
			}
			var public bytes.Buffer
			done, err := a.Export(a.ctx, handler, list.Export{Format: list.NDJSON, Source: list.Own}, &public)
			a.ok(err)
			if done != (list.Exported{Rows: 16, LeftOut: 1}) || strings.Contains(public.String(), "Anna") {
				t.Errorf("%+v %s", done, public.String())
			}
		})
	}
}

// lines is a file with its lines in a fixed order: ids, and so the order, are made
// anew by an import of CSV.
func lines(text string) string {
	all := strings.Split(strings.TrimPrefix(text, "\xef\xbb\xbf"), "\n")
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// An import that is interrupted leaves whole acts; the same import completes it.
func TestImportInterrupted(t *testing.T) {
	both(t, func(w *world) {
		var b strings.Builder
		b.WriteString(head)
		for i := range 1300 {
			fmt.Fprintf(&b, "deny,account,W%d,x,police,900,\n", i)
		}
		w.faults.LoseCommit(2)
		rep, err := w.Import(w.ctx, analyst, list.CSV, strings.NewReader(b.String()), nil)
		if !ident.Is(err, ident.KindUnavailable) || rep.Added != 500 || w.rows("risk_list_entry") != 500 {
			w.Fatalf("%v %+v", err, rep)
		}
		if a, b := w.on(w.Service, list.Deny, list.Account, "W499"), w.on(w.Service, list.Deny, list.Account, "W500"); a == "" || b != "" {
			w.Errorf("%q %q", a, b)
		}
		w.faults.MuteCommit(2)
		if _, err := w.Import(w.ctx, analyst, list.CSV, strings.NewReader(b.String()), nil); !ident.Is(err, ident.KindUnknown) {
			w.Fatal(err)
		}
		if got := w.on(w.Service, list.Deny, list.Account, "W999"); got == "" {
			w.Error("what was written under an unknown outcome is not in memory")
		}
		var seen []string
		rep, err = w.Import(w.ctx, analyst, list.CSV, strings.NewReader(b.String()), func(done, total int) { seen = append(seen, fmt.Sprint(done, "/", total)) })
		w.ok(err)
		if got := told(rep); got != "1300 rows: 300 added, 0 renewed, 1000 unchanged, 0 kept off" || strings.Join(seen, " ") != "500/1300 1000/1300 1300/1300" {
			w.Errorf("%s %v", got, seen)
		}
	})
}

// Whatever a file holds, each of its rows is read or refused with its row, and
// reading ends.
func FuzzImportCSV(f *testing.F) {
	f.Add(policeFile)
	f.Add(head + "deny,account,'=W1,x|y,police,900,2026-06-01\n")
	f.Add("kind,subject,value,reason,source,confidence,until,from\nallow,device,d,x,own,1,2026-06-01,2026-05-20\n")
	f.Add(head + "deny,account,\"W1\n\",x,police,900,\n\n")
	f.Add("\xef\xbb\xbf" + head + "deny,address,::ffff:10.0.0.0/104,x,own,1000,9999-12-31")
	w := newWorld(f, db.SQLite, 1)
	f.Fuzz(func(t *testing.T, text string) {
		rows, problems := w.ReadCSV(strings.NewReader(text))
		for _, p := range problems {
			if p.Row < 1 || p.Code == "" || p.Message == "" || p.Kind != ident.KindInvalid {
				t.Errorf("%+v", p)
			}
		}
		for _, st := range rows {
			again := st
			if err := w.Normal(&again); err != nil || again != st {
				t.Errorf("what was read is not canonical: %+v %+v %v", st, again, err)
			}
			for _, cell := range []string{st.Value, st.Reason.ZH} {
				if list.Bare(list.Harmless(cell)) != cell {
					t.Errorf("%q does not come back", cell)
				}
			}
		}
		if n := strings.Count(text, "\n"); len(rows)+len(problems) > n+1 {
			t.Errorf("%d rows and %d problems of %d lines", len(rows), len(problems), n)
		}
	})
}
