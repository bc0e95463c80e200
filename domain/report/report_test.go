package report_test

import (
	"bytes"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/payment"
	"surety/domain/report"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// sums are so many payments and their fen.
type sums struct{ n, fen int64 }

func (s *sums) add(fen int64) { s.n++; s.fen += fen }

func (w *world) same(what string, got report.Count, want sums) {
	w.Helper()
	if got.Number != want.n || got.Value != money.Of(want.fen, money.CNY) {
		w.Errorf("%s: %d of %s, want %d of %s", what, got.Number, got.Value, want.n, money.Of(want.fen, money.CNY))
	}
}

// After the story, the figures are those that anybody can recompute from the
// wallet's own export and the two thieves' devices.
func TestFiguresAgainstTheExport(t *testing.T) {
	both(t, func(w *world) {
		reqs, problems := payment.ReadCSV(bytes.NewReader(data(w, "payments.csv.gz")))
		if len(problems) > 0 {
			w.Fatal(problems[0])
		}
		w.story(reqs)
		// The whole quarter, the window, a day, and a window that cuts the thefts in two.
		for _, span := range [][2]time.Time{{reqs[0].At, today}, {from, to}, {from.Add(24 * time.Hour), from.Add(48 * time.Hour)},
			{from, time.Date(2026, 5, 23, 2, 7, 0, 0, time.UTC)}, {today, today.Add(time.Hour)}} {
			w.checkLoss(reqs, span[0], span[1])
		}
		w.checkDays(reqs, 90)
		staff := ident.Actor{Kind: ident.Customer, ID: "pty_1"}
		if _, err := w.LossRate(w.ctx, staff, from, to); err == nil {
			w.Error("a customer reads the figures")
		}
	})
}

// isStolen knows the thieves' devices from the scenario, not from the product.
func isStolen(p payment.Request) bool {
	return p.Device == "dev-7a1e0c55" || p.Device == "dev-33b9d1f0"
}

func (w *world) checkLoss(reqs []payment.Request, a, b time.Time) {
	w.Helper()
	var all, lost, unrecorded, paid sums
	for _, p := range reqs {
		if p.At.Before(a) || !p.At.Before(b) || p.Type == "deposit" {
			continue
		}
		all.add(p.Amount.Minor)
		if isStolen(p) {
			lost.add(p.Amount.Minor)
		}
	}
	for fen, at := range unrecordedLosses(w) {
		if !at.Before(a) && at.Before(b) {
			unrecorded.add(fen)
		}
	}
	if !today.Before(a) && today.Before(b) {
		paid = sums{47, 1_330_000_000}
	}
	l, err := w.LossRate(w.ctx, w.analyst, a, b)
	w.ok(err)
	w.same("payments", l.Payments, all)
	w.same("lost", l.Lost, lost)
	w.same("lost without a record", l.LostUnrecorded, unrecorded)
	w.same("paid back", l.PaidBack, paid)
	w.same("stopped", l.Stopped, sums{})
	w.same("disturbed", l.Disturbed, sums{})
	if l.ByNumber != (report.Rate{Part: lost.n, Whole: all.n, PerBillion: parts(lost.n, all.n)}) {
		w.Errorf("by number %+v", l.ByNumber)
	}
	if part := lost.fen + unrecorded.fen; l.ByValue != (report.Rate{Part: part, Whole: all.fen, PerBillion: parts(part, all.fen)}) {
		w.Errorf("by value %+v", l.ByValue)
	}
	if a.Equal(reqs[0].At) {
		if lost != (sums{98, 1_258_036_900}) || all.n != 29_012 {
			w.Errorf("the scenario has changed: %+v lost of %+v", lost, all)
		}
		w.wouldStop(l)
		w.Logf("lost %d of %d payments (%d per billion), %s of %s (%d per billion); the rules would have stopped %d of %s, of it lost %d of %s",
			lost.n, all.n, l.ByNumber.PerBillion, money.Of(lost.fen+unrecorded.fen, money.CNY), money.Of(all.fen, money.CNY), l.ByValue.PerBillion,
			l.WouldStop.Number, l.WouldStop.Value, l.WouldSave.Number, l.WouldSave.Value)
	}
}

// unrecordedLosses are rows 6, 22 and 39 of the police list, with the day that the
// person reported or else the first of the incident.
func unrecordedLosses(t testing.TB) map[int64]time.Time {
	out := map[int64]time.Time{16286500: from, 28513200: from, 27163400: from}
	for line := range strings.Lines(string(data(t, "user-reports.csv"))) {
		f := strings.Split(line, ",")
		if fen, err := strconv.ParseInt(f[2], 10, 64); err == nil && out[fen] == from {
			day, err := time.ParseInLocation(time.DateOnly, f[3], time.FixedZone("", 8*3600))
			if err != nil {
				t.Fatal(err)
			}
			out[fen] = day.UTC()
		}
	}
	return out
}

// parts is the rate as a fraction rounded half up, another way than RateOf.
func parts(part, whole int64) int64 {
	if whole == 0 {
		return 0
	}
	r := new(big.Rat).Mul(big.NewRat(part, whole), big.NewRat(1_000_000_000, 1))
	r.Add(r, big.NewRat(1, 2))
	return new(big.Int).Quo(r.Num(), r.Denom()).Int64()
}

// wouldStop recounts from the decisions themselves.
func (w *world) wouldStop(l report.Loss) {
	w.Helper()
	var stop, save sums
	var last payment.Payment
	for page := 0; ; page++ {
		var ps []payment.Payment
		w.view(func(tx *db.Tx) (err error) {
			ps, err = w.payment.List(tx, payment.Filter{Outcome: "stopped", Before: last.ID, BeforeAt: last.At, Limit: 500})
			return err
		})
		for _, p := range ps {
			if p.Type == "deposit" {
				continue
			}
			stop.add(p.Amount.Minor)
			if isStolen(p.Request) {
				save.add(p.Amount.Minor)
			}
		}
		if len(ps) == 0 {
			break
		}
		last = ps[len(ps)-1]
	}
	w.same("would stop", l.WouldStop, stop)
	w.same("would save", l.WouldSave, save)
	if save.n == 0 {
		w.Error("the rules see none of the thefts: the comparison shows nothing")
	}
}

func (w *world) checkDays(reqs []payment.Request, n int) {
	w.Helper()
	type day struct{ all, lost sums }
	want := map[string]*day{}
	china := time.FixedZone("", 8*3600)
	for _, p := range reqs {
		key := p.At.In(china).Format(time.DateOnly)
		if want[key] == nil {
			want[key] = &day{}
		}
		want[key].all.add(p.Amount.Minor)
		if isStolen(p) {
			want[key].lost.add(p.Amount.Minor)
		}
	}
	days, err := w.Days(w.ctx, w.analyst, today, n)
	w.ok(err)
	if len(days) != n {
		w.Fatalf("%d days", len(days))
	}
	for i, d := range days {
		key := d.Day.In(china).Format(time.DateOnly)
		if at := d.Day.In(china); at.Hour() != 0 || i > 0 && d.Day.Sub(days[i-1].Day) != 24*time.Hour {
			w.Errorf("day %d begins at %s", i, at)
		}
		if want[key] == nil {
			want[key] = &day{}
		}
		w.same("decided on "+key, d.Decided, want[key].all)
		w.same("lost on "+key, d.Lost, want[key].lost)
		paid := sums{}
		if key == "2026-05-30" {
			paid = sums{47, 1_330_000_000}
		}
		w.same("paid back on "+key, d.PaidBack, paid)
	}
	if last := days[n-1].Day.In(china).Format(time.DateOnly); last != "2026-05-30" {
		w.Errorf("the last day is %s", last)
	}
}

// What was blocked is stopped, not lost; what was held and went is disturbed.
func TestStoppedAndDisturbed(t *testing.T) {
	both(t, func(w *world) {
		_, err := w.party.ImportAccounts(w.ctx, w.host, bytes.NewReader(data(w, "accounts.csv")))
		w.ok(err)
		want := map[string]*sums{"payments": {}, "stopped": {}, "disturbed": {}, "lost": {}}
		for i := range 12 {
			device, yuan := "dev-521f2587", int64(10)
			if i%2 == 1 {
				device, yuan = fmt.Sprintf("dev-new%d", i), 60_000
			}
			p, err := w.payment.Assess(w.ctx, w.host, payment.Request{ID: fmt.Sprintf("L%d", i), At: w.clock.Advance(time.Minute), Payer: "W100000",
				Payee: "W100007", Amount: money.Yuan(yuan), Type: "transfer", Channel: "app", Device: device, IP: "10.0.0.1", City: "乐山"})
			w.ok(err)
			asked := p.State != payment.Allowed
			switch {
			case p.State == payment.Challenged && i%3 == 0:
				p, err = w.payment.Advance(w.ctx, w.host, p.ID, payment.FailChallenge)
			case p.State == payment.Challenged:
				p, err = w.payment.Advance(w.ctx, w.host, p.ID, payment.PassChallenge)
			case p.State == payment.Held && i%3 == 0:
				p, err = w.payment.Advance(w.ctx, w.analyst, p.ID, payment.Refuse)
			case p.State == payment.Held:
				p, err = w.payment.Advance(w.ctx, w.analyst, p.ID, payment.Release)
			}
			w.ok(err)
			if p.State != payment.Allowed {
				want["stopped"].add(p.Amount.Minor)
				continue
			}
			if i == 0 {
				w.approveClaim(p) // claimed, and never carried out
				continue
			}
			_, err = w.payment.Advance(w.ctx, w.host, p.ID, payment.Settle)
			w.ok(err)
			if i == 2 {
				w.approveClaim(p)
				want["lost"].add(p.Amount.Minor)
			}
			want["payments"].add(p.Amount.Minor)
			if asked {
				want["disturbed"].add(p.Amount.Minor)
			}
		}
		if want["stopped"].n == 0 || want["disturbed"].n == 0 {
			w.Fatalf("nothing is tested: %+v %+v", want["stopped"], want["disturbed"])
		}
		l, err := w.LossRate(w.ctx, w.analyst, today, today.Add(time.Hour))
		w.ok(err)
		w.same("payments", l.Payments, *want["payments"])
		w.same("stopped", l.Stopped, *want["stopped"])
		w.same("disturbed", l.Disturbed, *want["disturbed"])
		w.same("lost", l.Lost, *want["lost"])
		w.same("would stop", l.WouldStop, sums{})
		days, err := w.Days(w.ctx, w.analyst, today, 1)
		w.ok(err)
		w.same("lost that day", days[0].Lost, *want["lost"])
	})
}

// approveClaim lets the payer claim a payment and a person approve it.
func (w *world) approveClaim(p payment.Payment) {
	w.Helper()
	var holder ident.ID
	w.view(func(tx *db.Tx) error { a, _, err := w.party.Account(tx, p.Payer); holder = a.PartyID; return err })
	c, err := w.claim.File(w.ctx, w.host, claim.FileIn{ID: "clm_" + p.ID, Kind: claim.Theft, Holder: holder, Claimant: holder,
		Account: p.Payer, Payments: []string{p.ID}, Basis: claim.LedgerRecord, LossDate: p.At, Source: "host",
		PayTo: fund.PayTo{Name: "宋伟", Bank: "农业银行", Account: "6270899306786900075", Rail: fund.RailBank}})
	w.ok(err)
	_, err = w.claim.Move(w.ctx, w.handler, c.ID, claim.Investigate, "")
	w.ok(err)
	w.ok(w.claim.Decide(w.ctx, w.handler, c.ID, claim.DecisionIn{Kind: claim.ApproveFull, Amount: p.Amount}))
}

func TestRateOf(t *testing.T) {
	for _, c := range [][3]int64{{0, 0, 0}, {5, 0, 0}, {0, 7, 0}, {1, 1, 1_000_000_000}, {1, 2_000_000_000, 1}, {1, 2_000_000_001, 0},
		{1, 3, 333_333_333}, {2, 3, 666_666_667}, {1 << 62, 1<<63 - 1, 500_000_000}, {3, -1, 0}} {
		if r := report.RateOf(c[0], c[1]); r.PerBillion != c[2] || r.Part != c[0] || r.Whole != c[1] {
			t.Errorf("%v: %+v", c, r)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(1, 1<<62).Draw(t, "whole")
		part := rapid.Int64Range(0, whole).Draw(t, "part")
		got := report.RateOf(part, whole).PerBillion
		if got != parts(part, whole) || got < 0 || got > 1_000_000_000 {
			t.Fatalf("%d of %d is %d, want %d", part, whole, got, parts(part, whole))
		}
		if part < whole && report.RateOf(part+1, whole).PerBillion < got {
			t.Fatal("more of the same is a smaller rate")
		}
	})
}
