package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/tally"
)

// VersusConfig says what is compared.
type VersusConfig struct {
	Rows     int           // payments of history; 5,000,000 if zero
	For      time.Duration // of each measurement; 8 s if zero
	Progress func(what string, done, total int)
}

// VersusFigures compare with what a user would do otherwise: same data, same run.
type VersusFigures struct {
	SQLRatio         float64 `json:"sql_ratio"`        // durable batches to the best-tuned SQL
	RedisRatio       float64 `json:"redis_ratio"`      // durable batches to Redis, which is not durable
	StepRedisRatio   float64 `json:"step_redis_ratio"` // the velocity step alone, in process
	DurablePerSecond float64 `json:"durable_per_second"`
	SQLPerSecond     float64 `json:"sql_per_second"`
	RedisPerSecond   float64 `json:"redis_per_second"`
	StepPerSecond    float64 `json:"step_per_second"`
	Rows             int     `json:"rows"`
	Cores            int     `json:"cores"`
}

// Tell writes the figures for people.
func (f VersusFigures) Tell(w io.Writer) {
	fmt.Fprintf(w, "versus: %d payments of history, all on the same %d cores, decisions a second\n", f.Rows, f.Cores)
	fmt.Fprintf(w, "  durable NDJSON batches over HTTP, everything on: %.0f = %.1f x the best-tuned SQL (%.0f), "+
		"%.1f x Redis (%.0f, not durable)\n",
		f.DurablePerSecond, f.SQLRatio, f.SQLPerSecond, f.RedisRatio, f.RedisPerSecond)
	fmt.Fprintf(w, "  the velocity step alone in process: %.0f = %.0f x Redis; Redis pays its protocol and the loopback, ours does not\n",
		f.StepPerSecond, f.StepRedisRatio)
	drawBars(w, "decisions a second", []bar{{"SQL, 8 connections, durable", f.SQLPerSecond, fmt.Sprintf("%.0f", f.SQLPerSecond)},
		{"Redis, 128 callers, not durable", f.RedisPerSecond, fmt.Sprintf("%.0f", f.RedisPerSecond)},
		{"Surety, durable batches", f.DurablePerSecond, fmt.Sprintf("%.0f", f.DurablePerSecond)}})
}

// shape is the skew of the comparison: few payers, payees and devices have most.
type shape struct{ rows, payers, payees, devices int }

type drawn struct{ payer, payee, device, minor int }

func (s shape) draw(r *rand.Rand) drawn {
	u, v, w, a := r.Float64(), r.Float64(), r.Float64(), r.Float64()
	return drawn{int(float64(s.payers-1) * u * u), int(float64(s.payees-1) * v * v * v), int(float64(s.devices-1) * w * w),
		int(100 + 99900*math.Pow(a, 4))}
}

// Versus measures one after another; nothing else runs meanwhile.
func Versus(ctx context.Context, c VersusConfig) (f VersusFigures, err error) {
	if c.Rows == 0 {
		c.Rows = 5_000_000
	}
	if c.For == 0 {
		c.For = 8 * time.Second
	}
	tell := func(what string, done, total int) {
		if c.Progress != nil {
			c.Progress(what, done, total)
		}
	}
	s := shape{c.Rows, max(1000, c.Rows/10), max(200, c.Rows/50), max(1400, c.Rows*14/100)}
	f.Rows, f.Cores = c.Rows, runtime.GOMAXPROCS(0)
	if f.SQLPerSecond, err = sqlVelocity(ctx, s, c.For, tell); err != nil {
		return f, err
	}
	if f.RedisPerSecond, err = redisVelocity(ctx, ".", s, c.For); err != nil {
		return f, err
	}
	if f.StepPerSecond, err = step(ctx, s, c.For, tell); err != nil {
		return f, err
	}
	if f.DurablePerSecond, err = durable(ctx, s, c.For, tell); err != nil {
		return f, err
	}
	f.SQLRatio, f.RedisRatio = f.DurablePerSecond/f.SQLPerSecond, f.DurablePerSecond/f.RedisPerSecond
	f.StepRedisRatio = f.StepPerSecond / f.RedisPerSecond
	return f, nil
}

// The dimensions of the step: those of the SQL.
const (
	stepPayer tally.Dim = iota + 1
	stepPayee
	stepDevice
)

// step is the eight figures of the SQL, exact, read and updated in process on all
// cores, over the same history.
func step(ctx context.Context, s shape, length time.Duration, tell func(string, int, int)) (float64, error) {
	store, err := tally.New(tally.Config{Columns: []uint8{stepPayer: 1, stepPayee: 1, stepDevice: 1},
		Caps: []int{stepPayee: 512}}) // as the engine keeps the payees
	if err != nil {
		return 0, err
	}
	hour, day := time.Hour, 24*time.Hour
	var plans [3]*tally.Plan
	for i, w := range [][]tally.Window{{{Span: hour}, {Span: day}, {Span: 30 * day, Distinct: 1}}, {{Span: 30 * day, Distinct: 1}},
		{{Span: day}, {Span: 30 * day, Distinct: 1}}} {
		if plans[i], err = tally.NewPlan(tally.Dim(i+1), w); err != nil {
			return 0, err
		}
	}
	now := ident.Micros(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	store.Advance(now)
	cores := runtime.GOMAXPROCS(0)
	var next atomic.Uint64
	one := func(r *rand.Rand, at int64, read bool, out []tally.Cell) error {
		d := s.draw(r)
		keys := [3]tally.Key{{Dim: stepPayer, Hash: tally.Pair(uint64(d.payer), 1)}, {Dim: stepPayee, Hash: tally.Pair(uint64(d.payee), 2)},
			{Dim: stepDevice, Hash: tally.Pair(uint64(d.device), 3)}}
		id := next.Add(1)
		tx := store.Begin(keys[:])
		defer tx.End()
		for i, other := range [3]int{d.payee, d.payer, d.payer} {
			e := tally.Event{ID: id, At: at, Amount: int64(d.minor), Col: [tally.MaxColumns]uint64{tally.Pair(uint64(other), 4)}}
			if read {
				tx.Read(i, tally.Query{At: at, This: &e}, plans[i], out)
			}
			if _, err := tx.Observe(i, e); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, cores)
	var wg sync.WaitGroup
	for c := range cores {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), 9))
			for i := c; i < s.rows && errs[c] == nil; i += cores {
				if i%65536 == 0 {
					tell("payments of history", i, s.rows)
				}
				errs[c] = errors.Join(one(r, now-r.Int64N((90*day).Microseconds()), false, nil), ctx.Err())
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	rnd, outs := make([]*rand.Rand, cores), make([][]tally.Cell, cores)
	for c := range cores {
		rnd[c], outs[c] = rand.New(rand.NewPCG(uint64(c), 11)), make([]tally.Cell, 3)
	}
	const many = 256 // the stopwatch costs too
	got, err := storm(cores, length, func(who, n int) error {
		for range many {
			if err := one(rnd[who], now+int64(n), true, outs[who]); err != nil {
				return err
			}
		}
		return nil
	})
	return got.perSecond() * many, err
}

// durable is NDJSON batches of 500 over HTTP to a whole house that has the same
// history in memory.
func durable(ctx context.Context, s shape, length time.Duration, tell func(string, int, int)) (rate float64, err error) {
	h, err := openHouse(ctx, "", "", crowd{s.payers, s.payees})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	now := ident.WallClock{}.Now()
	r := rand.New(rand.NewPCG(1, 13))
	for i := range s.rows {
		if i%65536 == 0 {
			tell("payments of history", i, s.rows)
		}
		d := s.draw(r)
		e := risk.Event{ID: fmt.Sprint("past", i), At: now.Add(-time.Duration(r.Int64N(int64(90 * 24 * time.Hour)))), Payer: payerName(d.payer),
			Payee: shopName(d.payee), Device: fmt.Sprint("dev-", d.device), Amount: money.Of(int64(d.minor), money.CNY),
			Type: risk.Purchase, Channel: "qr"}
		if err := h.app.Engine.Observe(e); err != nil {
			return 0, err
		}
	}
	const callers, batch = 4, 500
	post := newPoster(h.base+"/v1/payments/ingest", h.secret, "application/x-ndjson", callers)
	bodies, answers, rnd := make([][]byte, callers), make([]bytes.Buffer, callers), make([]*rand.Rand, callers)
	for i := range rnd {
		rnd[i] = rand.New(rand.NewPCG(uint64(i), 15))
	}
	got, err := storm(callers, length, func(who, n int) error {
		at := ident.WallClock{}.Now().Format(time.RFC3339Nano)
		b := bodies[who][:0]
		for i := range batch {
			d := s.draw(rnd[who])
			b = append(paymentJSON(b, fmt.Sprintf("v%d.%d.%d", who, n, i), at, d.payer, d.payee, d.device, d.minor), '\n')
		}
		bodies[who] = b
		if err := post.post(ctx, b, &answers[who]); err != nil {
			return err
		}
		if got := bytes.Count(answers[who].Bytes(), []byte{'\n'}); got != batch || bytes.Contains(answers[who].Bytes(), []byte(`"problem"`)) {
			return fmt.Errorf("of %d lines %d were answered, or one was refused: %.300s", batch, got, answers[who].Bytes())
		}
		return nil
	})
	return got.perSecond() * batch, err
}
