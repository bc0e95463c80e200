package payment_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// Every state x event: what is not in the table is refused and changes nothing.
func TestNextEveryStateAndEvent(t *testing.T) {
	want := map[string]payment.State{
		"allowed settle": payment.Settled, "allowed take_back": payment.Returned, "allowed refuse": payment.Refused,
		"challenged pass_challenge": payment.Allowed, "challenged fail_challenge": payment.Refused,
		"challenged refuse": payment.Refused, "challenged take_back": payment.Returned,
		"held release": payment.Allowed, "held refuse": payment.Refused, "held take_back": payment.Returned,
	}
	seen := 0
	for _, s := range payment.States() {
		for _, e := range payment.Events() {
			got, err := payment.Next(s, e)
			to, ok := want[string(s)+" "+string(e)]
			switch {
			case ok && (err != nil || got != to):
				t.Errorf("%s %s: got %s %v, want %s", s, e, got, err, to)
			case !ok && (ident.KindOf(err) != ident.KindState || got != s):
				t.Errorf("%s %s: got %s %v, want a refusal", s, e, got, err)
			}
			if ok {
				seen++
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d moves exist", seen, len(want))
	}
}

func TestAssessAgainAndConflict(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		first, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500))
		must(t, err)
		if first.State != payment.Allowed {
			t.Fatalf("state %s", first.State)
		}
		hash := w.engine.Hash()
		local := req("P1", "W1", "W2", "dev-1", 1500)
		local.At = local.At.In(time.FixedZone("x", 8*3600)) // the same moment
		again, err := w.Assess(ctx, w.host, local)
		must(t, err)
		if again.Created != first.Created || again.Decision.Score != first.Decision.Score {
			t.Fatal("the recorded answer was not given again")
		}
		if w.engine.Hash() != hash {
			t.Fatal("a repeated call was counted")
		}
		if _, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1501)); ident.CodeOf(err) != "payment_id_taken" {
			t.Fatalf("other body: %v", err)
		}
		if w.rows(t) != 1 || w.engine.Hash() != hash {
			t.Fatal("the conflict left something")
		}
	})
}

// A theft is stopped, whoever asks from many sides at once gets one answer.
func TestAssessConcurrently(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		var wg sync.WaitGroup
		answers := make([]payment.Payment, 40)
		for i := range answers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				var err error
				answers[i], err = w.Assess(ctx, w.host, req(fmt.Sprint("T", i%4), "W1", "W9", "dev-thief", 9_000_000))
				if err != nil {
					t.Error(err)
				}
			}()
		}
		wg.Wait()
		if w.rows(t) != 4 {
			t.Fatalf("%d rows, want 4", w.rows(t))
		}
		for i, a := range answers {
			if a.Decision.Outcome == risk.Allow || a.Decision.Outcome != answers[i%4].Decision.Outcome {
				t.Fatalf("answer %d: %s, answer %d: %s", i, a.Decision.Outcome, i%4, answers[i%4].Decision.Outcome)
			}
		}
		live := w.engine.Hash()
		fresh, err := risk.New(risk.Config{Clock: w.clock})
		must(t, err)
		must(t, w.rebuildInto(fresh))
		if fresh.Hash() != live {
			t.Fatal("the replayed state differs from the live one")
		}
	})
}

// Both ways to lose a write: nothing is left behind in memory or on disk, and
// the same call again gives the answer.
func TestAssessLostAndMuted(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			f := &db.Faults{}
			d := dbtest.Open(t, dialect, dbtest.Options{Migrations: migrations, Faults: f})
			w, ctx := newWorld(t, d, false), context.Background()
			empty := w.engine.Hash()
			f.LoseCommit(1)
			if _, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500)); ident.KindOf(err) != ident.KindUnavailable {
				t.Fatalf("lost: %v", err)
			}
			if w.engine.Hash() != empty || w.rows(t) != 0 {
				t.Fatal("a lost payment was counted")
			}
			f.MuteCommit(1)
			if _, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500)); ident.KindOf(err) != ident.KindUnknown {
				t.Fatalf("muted: %v", err)
			}
			p, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500))
			must(t, err)
			if p.ID != "P1" || w.rows(t) != 1 {
				t.Fatal("the muted payment was not found again")
			}
			fresh, err := risk.New(risk.Config{Clock: w.clock})
			must(t, err)
			must(t, w.rebuildInto(fresh))
			if fresh.Hash() != w.engine.Hash() {
				t.Fatal("memory and journal differ")
			}
		})
	}
}

func TestAdvance(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		_, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500))
		must(t, err)
		p, err := w.Advance(ctx, w.host, "P1", payment.Settle)
		must(t, err)
		if p.State != payment.Settled || p.Version != 2 {
			t.Fatalf("%s version %d", p.State, p.Version)
		}
		again, err := w.Advance(ctx, w.host, "P1", payment.Settle)
		must(t, err)
		if again.Version != 2 {
			t.Fatal("settling twice moved it twice")
		}
		if _, err := w.Advance(ctx, w.host, "P1", payment.TakeBack); ident.KindOf(err) != ident.KindState {
			t.Fatalf("take back after settling: %v", err)
		}
		if _, err := w.Advance(ctx, w.host, "P0", payment.Settle); ident.KindOf(err) != ident.KindNotFound {
			t.Fatalf("absent: %v", err)
		}
		nobody := ident.Actor{Kind: ident.Customer, ID: "pty_x"}
		if _, err := w.Advance(ctx, nobody, "P1", payment.Settle); err == nil {
			t.Fatal("a customer settled a payment")
		}
	})
}

func TestImportCSV(t *testing.T) {
	head := "payment_id,time,payer,payee,amount_fen,currency,type,channel,device,ip,city\n"
	good := head +
		"P1,2026-03-01T07:01:31+08:00,W1,W2,36745,CNY,transfer,app,dev-1,10.43.0.149,绵阳\n" +
		"P2,2026-03-01T07:06:22+08:00,W1,M1,23436,CNY,purchase,qr,dev-1,10.56.200.157,绵阳\n"
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		rep, err := w.ImportCSV(ctx, w.host, strings.NewReader(good), nil)
		must(t, err)
		if rep.Assessed != 2 || rep.Again != 0 || len(rep.Refused) != 0 {
			t.Fatalf("%+v", rep)
		}
		rep, err = w.ImportCSV(ctx, w.host, strings.NewReader(good), nil)
		must(t, err)
		if rep.Assessed != 0 || rep.Again != 2 {
			t.Fatalf("again: %+v", rep)
		}
		for _, c := range []struct{ row, field, code string }{
			{"P3,2026-03-01,W1,W2,1,CNY,transfer,app,d,i,c", "time", "time"},
			{"P3,2026-03-01T07:01:31Z,W1,W2,-1,CNY,transfer,app,d,i,c", "amount", "amount_not_positive"},
			{"P3,2026-03-01T07:01:31Z,W1,W2,1e9,CNY,transfer,app,d,i,c", "amount_fen", "amount_not_integer"},
			{"P3,2026-03-01T07:01:31Z,W1,W2,1,XXQ,transfer,app,d,i,c", "amount", "currency_unknown"},
			{"P3,2026-03-01T07:01:31Z,W1,W1,1,CNY,transfer,app,d,i,c", "payee", "payer_is_payee"},
			{"P3,2026-03-01T07:01:31Z,W1,W2,1,CNY,gift,app,d,i,c", "type", "unknown"},
			{"P3,2026-03-01T07:01:31Z,W1", "", "csv"},
			{"P3,2026-03-01T07:01:31Z,W1,W2,1,CNY,transfer,app,d,i,\xff", "city", "bad_character"},
			{"P3,2026-03-01T07:01:31Z,W1,W0,1,CNY,transfer,app,d,i,c", "payee", "account_not_found"},
		} {
			rep, err := w.ImportCSV(ctx, w.host, strings.NewReader(good+c.row+"\n"), nil)
			if err == nil || len(rep.Refused) != 1 {
				t.Fatalf("%s: %v %+v", c.row, err, rep)
			}
			bad := rep.Refused[0]
			if bad.Row != 4 || bad.Field != c.field || bad.Code != c.code {
				t.Errorf("%s: row %d field %q code %q", c.row, bad.Row, bad.Field, bad.Code)
			}
		}
		if w.rows(t) != 2 {
			t.Fatal("a refused file left rows")
		}
	})
}

// An account that nobody has imported is an error of that payment alone.
func TestUnknownAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		res, err := w.AssessBatch(ctx, w.host, []payment.Request{
			req("P1", "W1", "W0", "dev-1", 100), req("P2", "W1", "BANK:ICBC:62", "dev-1", 100), req("P3", "W0", "W1", "dev-1", 100),
		})
		must(t, err)
		if ident.CodeOf(res[0].Err) != "account_not_found" || res[1].Err != nil || ident.CodeOf(res[2].Err) != "account_not_found" {
			t.Fatalf("%v, %v, %v", res[0].Err, res[1].Err, res[2].Err)
		}
		if w.rows(t) != 1 {
			t.Fatal("only the good one is written")
		}
	})
}

// Who may not assess gets no recorded answer either, and the attempt is refused.
func TestAssessAgainIsChecked(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		_, err := w.Assess(ctx, w.host, req("P1", "W1", "W2", "dev-1", 1500))
		must(t, err)
		nobody := ident.Actor{Kind: ident.Staff, ID: "stf_x", Roles: []ident.Role{ident.RoleFund}}
		if _, err := w.Assess(ctx, nobody, req("P1", "W1", "W2", "dev-1", 1500)); !ident.Is(err, ident.KindDenied) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		var reqs []payment.Request
		for i := range 7 {
			r := req(fmt.Sprint("P", i), "W1", "W2", "dev-1", 100)
			r.At = start.Add(time.Duration(i/2) * time.Minute) // some at the same moment
			reqs = append(reqs, r)
		}
		_, err := w.AssessBatch(ctx, w.host, reqs)
		must(t, err)
		var got []string
		f := payment.Filter{Account: "W2", Limit: 3}
		for {
			var page []payment.Payment
			must(t, w.Await(ctx))
			must(t, w.db.View(ctx, func(tx *db.Tx) (err error) { page, err = w.List(tx, f); return err }))
			for _, p := range page {
				got = append(got, p.ID)
			}
			if len(page) < 3 {
				break
			}
			last := page[len(page)-1]
			f.Before, f.BeforeAt = last.ID, last.At
		}
		if strings.Join(got, " ") != "P6 P5 P4 P3 P2 P1 P0" {
			t.Fatalf("pages: %v", got)
		}
	})
}

func FuzzReadCSV(f *testing.F) {
	f.Add("payment_id,time,payer,payee,amount_fen,currency,type,channel,device,ip,city\nP1,2026-03-01T07:01:31+08:00,W1,W2,1,CNY,transfer,app,d,i,c\n")
	f.Fuzz(func(t *testing.T, text string) {
		reqs, _ := payment.ReadCSV(strings.NewReader(text))
		for _, r := range reqs {
			if err := r.Check(); err != nil {
				t.Fatalf("a request that was read is refused: %v", err)
			}
		}
	})
}
