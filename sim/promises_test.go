package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
)

// crashed runs Crash with this binary as the child.
func crashed(t *testing.T, cfg CrashConfig) CrashReport {
	t.Helper()
	cfg.Dir, cfg.Command = t.TempDir(), self
	rep, err := Crash(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", rep)
	return rep
}

// R1: kill -9 at random points of the pay-out, on both databases: nothing that
// was acknowledged is lost, everybody is paid exactly once.
func TestR1KillNine(t *testing.T) {
	rep := crashed(t, CrashConfig{Rounds: 20, Seed: 1})
	if !rep.OK() || rep.Paid < 20*12 || rep.Kills < 20 || rep.Acks < 20*12 {
		t.Fatalf("%+v", rep)
	}
	rep = crashed(t, CrashConfig{Rounds: 5, Seed: 1, Postgres: dbtest.NewURL(t, db.Postgres)})
	if !rep.OK() || rep.Paid < 5*12 || rep.Kills < 5 {
		t.Fatalf("%+v", rep)
	}
}

// The control of R1: a house that answers before it has committed is caught.
func TestR1ControlAckBeforeCommit(t *testing.T) {
	if rep := crashed(t, CrashConfig{Rounds: 3, Seed: 1, work: "early"}); rep.Lost == 0 {
		t.Fatal("acknowledged acts that were never written went unnoticed")
	}
}

// R2: the same with the power gone: what was not synced is forgotten.
func TestR2LostPages(t *testing.T) {
	rep := crashed(t, CrashConfig{Rounds: 10, Seed: 2, Power: true})
	if !rep.OK() || rep.Paid < 10*12 || rep.Kills < 10 || rep.Dropped == 0 {
		t.Fatalf("%+v", rep)
	}
}

// The control of R2: without syncs acknowledged rows are lost, and seen to be;
// kill -9 alone does not see it, and with syncs none is.
func TestR2ControlSynchronousOff(t *testing.T) {
	if rep := crashed(t, CrashConfig{Rounds: 5, Seed: 3, Power: true, work: "bare", sync: "OFF"}); rep.Lost == 0 {
		t.Fatal("synchronous=OFF went unnoticed")
	}
	if rep := crashed(t, CrashConfig{Rounds: 5, Seed: 3, Power: true, work: "bare", sync: "FULL"}); rep.Lost != 0 {
		t.Fatalf("the recorder forgets what was synced: %+v", rep)
	}
}

// spoilt is what came of a life on a disk that fails.
type spoilt struct {
	acks     map[string]int64 // by id, when
	failedAt int64            // of the first failed sync, in microseconds; 0 if none failed
	ended    int64
	code     int
}

// latest is when the last act was acknowledged.
func (s spoilt) latest() (at int64) {
	for _, t := range s.acks {
		at = max(at, t)
	}
	return at
}

// depositHouse is a house with a fund, closed.
func depositHouse(t *testing.T) (dir string) {
	t.Helper()
	h := &house{T: t, ctx: t.Context(), dir: t.TempDir(), clock: ident.NewManualClock(start), faults: &db.Faults{}}
	h.open()
	h.ok(openFund(h.ctx, h.a, h.p, "emergency", fund.Emergency, money.Yuan(1)))
	h.ok(h.a.Close())
	return h.dir
}

// live runs a child until its end, with strace before it if args are given.
func (s spec) live(t *testing.T, args ...string) spoilt {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := self(string(text))
	trace := filepath.Join(t.TempDir(), "trace")
	if len(args) > 0 {
		watch := exec.Command("strace", append(append(args, "-f", "-ttt", "-o", trace), cmd.Path)...)
		watch.Env = cmd.Env
		cmd = watch
	}
	c, err := begin(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	out := spoilt{acks: map[string]int64{}}
	for line := range c.lines {
		var at int64
		var id string
		if n, _ := fmt.Sscanf(line, "ack %d %s", &at, &id); n == 2 {
			out.acks[id] = at
		}
	}
	_ = c.wait() // a house whose disk fails ends with an error, and should
	out.ended, out.code = ident.WallClock{}.Now().UnixMicro(), cmd.ProcessState.ExitCode()
	if len(args) == 0 {
		return out
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); strings.Contains(line, "(INJECTED)") && out.failedAt == 0 {
			sec, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			out.failedAt = int64(sec * 1e6)
		}
	}
	return out
}

// allThere opens the house on a good disk and looks for each acknowledged deposit.
func allThere(t *testing.T, dir string, acks map[string]int64) {
	t.Helper()
	h := &house{T: t, ctx: t.Context(), dir: dir, clock: ident.NewManualClock(start.AddDate(0, 0, 1)), faults: &db.Faults{}}
	h.open()
	defer h.a.Close()
	h.ok(h.a.DB.View(h.ctx, func(tx *db.Tx) error {
		for id := range acks {
			if _, err := h.a.Ledger.Find(tx, "dep."+id); err != nil {
				t.Errorf("acknowledged and gone: %s: %v", id, err)
			}
		}
		return nil
	}))
	if found := h.found(); len(found) > 0 {
		t.Error(found)
	}
}

// grace is how long a caller may need to say that it was answered before.
const grace = 50_000

// R3: the first sync that fails ends it: no act is acknowledged after it, the
// process is gone within a second, and nothing acknowledged before is lost.
func TestR3SyncFails(t *testing.T) {
	for _, n := range []int{1, 2, 7, 40} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			dir := depositHouse(t)
			got := spec{Work: "deposit", Dir: dir, Now: start}.live(t, "-e", "trace=fsync,fdatasync",
				"-e", "inject=fsync,fdatasync:error=EIO:when="+strconv.Itoa(n))
			if got.failedAt == 0 || got.code == 0 {
				t.Fatalf("no sync failed, or the child did not mind: %+v", got)
			}
			if late := got.latest() - got.failedAt; late > grace {
				t.Errorf("an act was acknowledged %d µs after the disk failed", late)
			}
			if after := got.ended - got.failedAt; after > 1_000_000 {
				t.Errorf("the process lived on for %d µs", after)
			}
			t.Logf("%d acks, the last %d µs before the failure; gone after %d µs", len(got.acks), got.failedAt-got.latest(), got.ended-got.failedAt)
			allThere(t, dir, got.acks)
		})
	}
}

// The control of R3: a program that tries again after a failed commit goes on
// acknowledging, and is seen to.
func TestR3ControlGoesOn(t *testing.T) {
	got := spec{Work: "careless", Dir: t.TempDir(), Now: start}.live(t, "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:error=EIO:when=20")
	if got.failedAt == 0 || got.latest()-got.failedAt <= grace {
		t.Fatalf("it went unnoticed: failed at %d, last ack at %d", got.failedAt, got.latest())
	}
}

// R3 on a full disk: nothing that was acknowledged before is lost, nothing is
// acknowledged that is not there, and the house stands up again with room.
func TestR3DiskFull(t *testing.T) {
	for _, kib := range []int64{64, 700, 1900} {
		t.Run(strconv.FormatInt(kib, 10), func(t *testing.T) {
			dir := depositHouse(t)
			got := spec{Work: "deposit", Dir: dir, Now: start, Room: kib << 10}.live(t)
			if got.code == 0 && got.latest() > got.ended-3_000_000 {
				t.Fatal("the disk never was full")
			}
			t.Logf("%d acks, exit code %d", len(got.acks), got.code)
			allThere(t, dir, got.acks)
		})
	}
}

// R6: every order ten times at once, over a wallet that lies, with lost commits
// and restarts: one payment for each order, in the books and at the wallet.
func TestR6Storm(t *testing.T) {
	both(t, func(t *testing.T, dialect db.Dialect) {
		seed := rand.Uint64()
		w := newWallet(rand.New(rand.NewPCG(seed, 3)))
		defer w.srv.Close()
		h := newHouse(t, dialect)
		h.ok(h.a.Close())
		h.wallet = w.srv.URL
		h.open()
		const orders, times = 40, 10
		h.ok(openFund(h.ctx, h.a, h.p, "yearly", fund.Yearly, money.Yuan(orders*10)))
		h.ok(h.a.Fund.Earmark(h.ctx, h.p.fund, "ear", "yearly", "storm", money.Yuan(orders*10)))
		rnd := rand.New(rand.NewPCG(seed, 4))
		for wave := range 4 {
			var all sync.WaitGroup
			for n := range orders {
				for range times {
					all.Go(func() {
						for try := 0; try < 30 && doubtful(h.storm(n)); try++ {
						}
					})
				}
			}
			all.Go(func() {
				for range 8 {
					h.faults.LoseCommit(1 + rnd.IntN(5))
					h.faults.MuteCommit(1 + rnd.IntN(5))
					if _, err := h.a.Queue.Drain(h.ctx); err != nil && !doubtful(err) {
						t.Error(err)
					}
				}
			})
			all.Wait()
			h.faults.LoseCommit(-1)
			h.faults.MuteCommit(-1)
			if wave%2 == 1 {
				h.reopen()
			}
			h.clock.Advance(10 * time.Minute)
		}
		w.beHonest()
		for range 20 {
			h.clock.Advance(time.Hour)
			_, err := h.a.Queue.Drain(h.ctx)
			h.ok(err)
		}
		books, err := paidInBooks(h.ctx, h.a)
		h.ok(err)
		world := w.paid()
		for id, n := range books {
			if n != 1 || world[id] != money.Yuan(10).Minor {
				t.Errorf("seed %d: %s was paid %d times in the books, %d by the wallet", seed, id, n, world[id])
			}
		}
		if len(books) != len(world) || len(w.credits) != orders || len(books) == 0 || w.differs+w.forged > 0 {
			t.Errorf("seed %d: %d in the books, %d by the wallet, which was asked for %d", seed, len(books), len(world), len(w.credits))
		}
		asked := 0
		for _, c := range w.credits {
			asked += c.asked
		}
		t.Logf("%d orders sent %d times each in 4 waves; the wallet was asked %d times and paid %d", orders, times*4, asked, len(world))
		if found := h.found(); len(found) > 0 {
			t.Errorf("seed %d: %v", seed, found)
		}
	})
}

// storm sends the n-th order.
func (h *house) storm(n int) error {
	return h.a.Access.Run(h.ctx, func(tx *db.Tx) error {
		_, err := h.a.Fund.PayTx(tx, h.p.fund, fund.PayIn{ID: fmt.Sprintf("order-%d", n), FundID: "yearly", Purpose: "storm",
			Amount: money.Yuan(10), To: fund.PayTo{Name: "赵伟", Account: fmt.Sprintf("W%06d", n), Rail: fund.RailWallet}, Code: fund.CodeReward})
		return err
	})
}

// The control of R6: without the index one claim is ordered twice, and Verify
// sees it; with it the second order is refused.
func TestR6ControlWithoutIndex(t *testing.T) {
	both(t, func(t *testing.T, dialect db.Dialect) {
		h := newHouse(t, dialect)
		h.ok(openFund(h.ctx, h.a, h.p, "yearly", fund.Yearly, money.Yuan(100)))
		h.ok(h.a.Fund.Earmark(h.ctx, h.p.fund, "ear", "yearly", "clm-1", money.Yuan(50)))
		order := func(id string) error {
			return h.a.Access.Run(h.ctx, func(tx *db.Tx) error {
				_, err := h.a.Fund.PayTx(tx, h.p.fund, fund.PayIn{ID: id, FundID: "yearly", Purpose: "clm-1", Claim: "clm-1", Amount: money.Yuan(10),
					To: fund.PayTo{Name: "赵伟", Bank: "农业银行", Account: "62708993067869", Rail: fund.RailBank}, Code: fund.CodeCompensation})
				return err
			})
		}
		h.ok(order("po-1"))
		if err := order("po-2"); ident.CodeOf(err) != "claim_paid" {
			t.Fatal(err)
		}
		h.ok(h.exec("drop index fund_payout_claim"))
		h.ok(order("po-2"))
		if found := strings.Join(h.found(), "\n"); !strings.Contains(found, "paid twice") {
			t.Fatal("not found: ", found)
		}
	})
}

// R10: eight clients put, take and look at one account at once, with lost
// answers: there is one order of all calls that explains every answer.
func TestR10Linearizable(t *testing.T) {
	both(t, func(t *testing.T, dialect db.Dialect) {
		h := newHouse(t, dialect)
		h.ok(h.a.DB.Update(h.ctx, func(tx *db.Tx) error {
			return h.a.Ledger.OpenAccounts(tx, ledger.Account{ID: "world", Currency: money.CNY, Side: ledger.Debit})
		}))
		seed, unknown := rand.Uint64(), 0
		for history := range 40 {
			account := fmt.Sprintf("acc-%d", history)
			h.faults.MuteCommit(-1)
			h.ok(h.a.DB.Update(h.ctx, func(tx *db.Tx) error {
				return h.a.Ledger.OpenAccounts(tx, ledger.Account{ID: account, Currency: money.CNY, Side: ledger.Credit, Guarded: true})
			}))
			ops := watched(8, 6, seed+uint64(history), func(client, nth int, rnd *rand.Rand) operation {
				if rnd.IntN(10) == 0 {
					h.faults.MuteCommit(1)
				}
				return h.call(account, fmt.Sprintf("%s-%d-%d", account, client, nth), rnd)
			})
			for _, o := range ops {
				if o.until == open {
					unknown++
				}
			}
			if !linearizable(0, ops) {
				t.Fatalf("seed %d, history %d: no order explains %v", seed, history, ops)
			}
		}
		t.Logf("40 histories of 48 calls, %d answers lost", unknown)
	})
}

// call is one random call on an account.
func (h *house) call(account, id string, rnd *rand.Rand) operation {
	o := operation{n: 1 + rnd.Int64N(3)}
	kind := rnd.IntN(3)
	if kind == 2 {
		o.what = "look"
		err := h.a.DB.View(h.ctx, func(tx *db.Tx) error {
			b, err := h.a.Ledger.Balance(tx, account)
			o.n = b.Posted.Minor
			return err
		})
		if err != nil {
			h.Error(err)
		}
		return o
	}
	t := ledger.Transfer{ID: id, Debit: "world", Credit: account, Amount: money.Of(o.n, money.CNY), At: h.clock.Now()}
	if o.what = "put"; kind == 1 {
		o.what, t.Debit, t.Credit = "take", account, "world"
	}
	switch err := h.a.DB.Update(h.ctx, func(tx *db.Tx) error { return h.a.Ledger.Transfer(tx, t) }); {
	case ident.Is(err, ident.KindUnknown):
		o.until = open
	case ident.CodeOf(err) == "balance_too_low":
		o.what = "refused"
	case err != nil:
		h.Error(err)
	}
	return o
}

// watched runs clients at once and notes when each call began and ended.
func watched(clients, calls int, seed uint64, do func(client, nth int, rnd *rand.Rand) operation) (ops []operation) {
	var mu sync.Mutex
	var all sync.WaitGroup
	var clock atomic.Int64 // real time is no more than what came before what
	for client := range clients {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(client)))
			for nth := range calls {
				from := clock.Add(1)
				o := do(client, nth, rnd)
				o.from = from
				if o.until != open {
					o.until = clock.Add(1)
				}
				mu.Lock()
				ops = append(ops, o)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return ops
}

// The control of R10: an account that reads and then writes loses money, and no
// order of the calls explains it.
func TestR10ControlReadThenWrite(t *testing.T) {
	var balance atomic.Int64
	for history := range 50 {
		balance.Store(0)
		ops := watched(8, 6, uint64(history), func(_, _ int, rnd *rand.Rand) operation {
			o := operation{what: "put", n: 1 + rnd.Int64N(3)}
			now := balance.Load()
			time.Sleep(time.Duration(rnd.IntN(200)) * time.Microsecond)
			if rnd.IntN(3) == 0 {
				return operation{what: "look", n: balance.Load()}
			}
			balance.Store(now + o.n)
			return o
		})
		if !linearizable(0, ops) {
			return
		}
	}
	t.Fatal("a racy account went unnoticed")
}

// The controls of the auditor: a life in a house that is broken just before the
// end is found, each break in its own way.
func TestAuditorControls(t *testing.T) {
	for name, breaks := range map[string]string{
		"a deposit nobody made": `insert into ledger_transfers (id, debit, credit, amount, currency, kind, pending, code, ref, memo, at,
expires, body) select 'x', debit, credit, amount, currency, kind, pending, code, ref, memo, at, expires, body
from ledger_transfers where id = 'dep.first-yearly'`,
		"a balance":         `update ledger_accounts set credits_posted = credits_posted + 1 where id = 'fund:yearly:free'`,
		"a payout's end":    `update fund_payout set state = 'rejected' where id = (select min(id) from fund_payout where state = 'settled')`,
		"a payout's amount": `update fund_payout set amount = amount + 1 where id = (select min(id) from fund_payout)`,
		"a claim's end":     `update claim set status = 'closed' where id = (select min(id) from claim)`,
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			rep, err := Run(t.Context(), Config{Seed: 13, Dir: t.TempDir(), broken: breaks})
			if err != nil || rep.OK() {
				t.Fatalf("went unnoticed: %v %+v", err, rep)
			}
		})
	}
}
