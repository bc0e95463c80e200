package payment_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/domain/payment"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// openFolder opens a world that lives in a folder: database, journal and keys.
func openFolder(t testing.TB, dir string) *world {
	t.Helper()
	d := dbtest.OpenURL(t, "sqlite:"+filepath.Join(dir, "surety.db"), dbtest.Options{Migrations: migrations})
	t.Cleanup(func() { d.Close() })
	return openWorld(t, d, filepath.Join(dir, "journal"), filepath.Join(dir, "keys"))
}

// TestChild is the process that is killed: it judges without end, while the poster
// moves what was judged, and says what was acknowledged.
func TestChild(t *testing.T) {
	dir := os.Getenv("PAYMENT_CHILD")
	if dir == "" {
		t.Skip("it is the child of TestKill")
	}
	w, ctx := openFolder(t, dir), context.Background()
	go func() { fmt.Println("failed", w.Run(ctx)) }()
	from := w.rows(t)
	var out sync.Mutex
	for g := range 3 {
		go func() {
			for n := 0; ; n++ {
				reqs := make([]payment.Request, 1+rand.IntN(6))
				for i := range reqs {
					reqs[i] = req(fmt.Sprintf("K%d-%d-%d-%d", from, g, n, i), "W1", "W9", "dev-thief", 1+rand.Int64N(9_000_000))
				}
				res, err := w.AssessBatch(ctx, w.host, reqs)
				out.Lock()
				if err != nil {
					fmt.Println("failed", err)
				}
				for _, r := range res {
					fmt.Println("acked", r.Payment.ID, r.Payment.Decision.Outcome, r.Payment.Amount.Minor)
				}
				out.Unlock()
			}
		}()
	}
	time.Sleep(time.Minute)
}

// A process that is killed at any moment loses nothing that it acknowledged: each
// payment is answered as it was, gets one row, and stands once in the log.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	w := openFolder(t, dir)
	_, err := w.party.ImportAccounts(context.Background(), w.host, strings.NewReader(accounts))
	must(t, err)
	w.stop(t)
	must(t, w.db.Close())
	cycles := 12
	if testing.Short() {
		cycles = 3
	}
	for range cycles {
		acked := killOne(t, dir, 20+rand.IntN(300))
		w := openFolder(t, dir)
		if rand.IntN(2) == 0 { // before it is posted, or after
			must(t, w.Await(context.Background()))
		}
		w.sameAnswers(t, acked)
		n := w.rows(t)
		w.eachOnce(t, n)
		w.stop(t)
		must(t, w.db.Close())
	}
}

// killOne runs the child until it has acknowledged so many payments, kills it, and
// returns what it said: outcome by id, with the amount.
func killOne(t *testing.T, dir string, limit int) map[string][2]string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), "PAYMENT_CHILD="+dir)
	pipe, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	acked := map[string][2]string{}
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) > 0 && f[0] == "failed":
			t.Error(lines.Text())
		case len(f) == 4 && f[0] == "acked":
			acked[f[1]] = [2]string{f[2], f[3]}
		}
		if len(acked) >= limit {
			must(t, cmd.Process.Kill())
			limit = 1 << 30
		}
	}
	_ = cmd.Wait() // it was killed
	if limit < 1<<30 {
		t.Fatalf("the child ended by itself after %d payments", len(acked))
	}
	return acked
}

// sameAnswers asks again for everything that was acknowledged.
func (w *world) sameAnswers(t *testing.T, acked map[string][2]string) {
	t.Helper()
	var reqs []payment.Request
	ask := func() {
		res, err := w.AssessBatch(context.Background(), w.host, reqs)
		must(t, err)
		for i, r := range res {
			if r.Err != nil || !r.Again || string(r.Payment.Decision.Outcome) != acked[reqs[i].ID][0] {
				t.Fatalf("%s was %s: %+v", reqs[i].ID, acked[reqs[i].ID][0], r)
			}
		}
		reqs = nil
	}
	for id, said := range acked {
		r := req(id, "W1", "W9", "dev-thief", 0)
		fmt.Sscan(said[1], &r.Amount.Minor)
		if reqs = append(reqs, r); len(reqs) == 100 {
			ask()
		}
	}
	ask()
}

// eachOnce compares the rows with the entries of the log.
func (w *world) eachOnce(t *testing.T, rows int) {
	t.Helper()
	seen := map[string]int{}
	must(t, w.db.View(context.Background(), func(tx *db.Tx) error {
		f := audit.Filter{Actor: w.host.ID, Limit: 1000}
		for {
			rs, err := w.audit.Find(tx, f)
			if err != nil {
				return err
			}
			for _, r := range rs {
				for _, part := range strings.Split(string(r.Detail), `["`)[1:] {
					id, _, _ := strings.Cut(part, `"`)
					seen[id]++
				}
				f.Before = r.Index
			}
			if len(rs) < f.Limit {
				return nil
			}
		}
	}))
	for id, n := range seen {
		if n != 1 {
			t.Fatalf("%s stands %d times in the log", id, n)
		}
	}
	if len(seen) != rows {
		t.Fatalf("%d rows, %d payments in the log", rows, len(seen))
	}
}
