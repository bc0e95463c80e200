package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"surety/app"
	"surety/client"
	"surety/domain/party"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/ledger"
)

type benchCmd struct {
	What     string        `arg:"" enum:"all,ledger,assess" default:"all" help:"all, ledger or assess."`
	Callers  int           `help:"Callers at the same time." default:"64"`
	For      time.Duration `help:"How long each measurement takes." default:"5s"`
	Postgres string        `help:"URL of an empty PostgreSQL database; without it only SQLite is measured." env:"SURETY_BENCH_PG"`
	JSON     bool          `help:"One JSON object a line."`
}

// Run prints figures. No figure is a test: the machine decides them, and the
// yardstick beside each says what the machine can do.
func (c *benchCmd) Run(e *env) error {
	for _, b := range []struct {
		name string
		run  func(e *env, url string) error
	}{{"ledger", c.ledger}, {"assess", c.assess}} {
		if c.What != "all" && c.What != b.name {
			continue
		}
		if err := c.onBoth(e, b.run); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

// onBoth runs a measurement on a fresh database of each kind.
func (c *benchCmd) onBoth(e *env, run func(e *env, url string) error) error {
	dir, err := os.MkdirTemp(".", ".surety-bench-") // beside us: the system's temporary folder may be memory
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := run(e, "sqlite:"+filepath.Join(dir, "bench.db")); err != nil {
		return err
	}
	if c.Postgres == "" {
		fmt.Fprintln(e.err, "no PostgreSQL was named (--postgres, or scripts/with-postgres): SQLite only")
		return nil
	}
	return run(e, c.Postgres)
}

func (c *benchCmd) ledger(e *env, url string) error {
	d, err := db.Open(e.ctx, db.Config{URL: url, Migrations: app.Migrations()})
	if err != nil {
		return err
	}
	f, err := ledger.Bench(e.ctx, d, c.Callers, c.For)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	if c.JSON {
		return e.print(f)
	}
	_, err = fmt.Fprintln(e.out, "ledger:", f)
	return err
}

// AssessFigures are decisions over HTTP beside a bare handler of the same server.
type AssessFigures struct {
	Database   string `json:"database"`
	Callers    int    `json:"callers"`
	PerSecond  int64  `json:"assess_per_second"` // judged, durable, answered
	P50Micros  int64  `json:"p50_us"`
	P99Micros  int64  `json:"p99_us"`
	Bare       int64  `json:"bare_http_per_second"` // the same server, /healthz
	BareP50    int64  `json:"bare_p50_us"`
	OneP50     int64  `json:"one_caller_p50_us"`
	BarePerOne string `json:"assess_to_bare"` // how many bare requests one decision costs
}

func (c *benchCmd) assess(e *env, url string) error {
	dir, err := os.MkdirTemp(".", ".surety-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	a, err := app.Open(e.ctx, app.Config{Dir: dir, DB: url})
	if err != nil {
		return err
	}
	f, err := c.assessOn(e.ctx, a)
	if err = errors.Join(err, a.Close()); err != nil {
		return err
	}
	if c.JSON {
		return e.print(f)
	}
	_, err = fmt.Fprintf(e.out, "assess: %s, %d callers over HTTP: %d durable decisions/s, p50 %d us, p99 %d us; one caller p50 %d us; "+
		"bare request of the same server %d/s, p50 %d us (%s)\n",
		f.Database, f.Callers, f.PerSecond, f.P50Micros, f.P99Micros, f.OneP50, f.Bare, f.BareP50, f.BarePerOne)
	return err
}

func (c *benchCmd) assessOn(ctx context.Context, a *app.App) (AssessFigures, error) {
	f := AssessFigures{Database: string(a.DB.Dialect()), Callers: c.Callers}
	base, stop, err := serveForBench(a)
	if err != nil {
		return f, err
	}
	defer stop()
	host, err := benchHost(ctx, a, base)
	if err != nil {
		return f, err
	}
	clock := ident.WallClock{}
	run := a.IDs.New("bch")
	var round int // the two storms of decisions must not share ids
	judge := func(who, n int) error {
		_, _, err := host.Assess(ctx, client.Payment{
			ID: fmt.Sprintf("%s.%d.%d.%d", run, round, who, n), At: clock.Now(), Payer: fmt.Sprintf("W%06d", (who*7919+n*31)%benchPayers),
			Payee: fmt.Sprintf("M%05d", n%benchShops), Amount: money.Of(int64(100+n%5000), money.CNY), Type: "purchase", Channel: "qr",
			Device: fmt.Sprintf("dev-%d", (who*7919+n*31)%benchPayers), IP: "10.0.0.1", City: "成都",
		})
		return err
	}
	plain := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.Callers}}
	ping := func(int, int) error {
		r, err := plain.Get(base + "/healthz")
		if err != nil {
			return err
		}
		return r.Body.Close()
	}
	one, err := storm(1, c.For/3, judge)
	if err != nil {
		return f, err
	}
	round++
	many, err := storm(c.Callers, c.For, judge)
	if err != nil {
		return f, err
	}
	bare, err := storm(c.Callers, c.For/3, ping)
	if err != nil {
		return f, err
	}
	f.OneP50, f.PerSecond, f.P50Micros, f.P99Micros = one.p50, many.rate, many.p50, many.p99
	f.Bare, f.BareP50 = bare.rate, bare.p50
	if many.rate > 0 {
		f.BarePerOne = fmt.Sprintf("one decision costs %d.%d bare requests", bare.rate/many.rate, bare.rate*10/many.rate%10)
	}
	return f, nil
}

func serveForBench(a *app.App) (base string, stop func(), err error) {
	h, err := a.Staff()
	if err != nil {
		return "", nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln) // ends with Close
	return "http://" + ln.Addr().String(), func() { srv.Close() }, nil
}

// How many accounts the decisions are between.
const (
	benchPayers = 5000
	benchShops  = 200
)

func benchHost(ctx context.Context, a *app.App, base string) (*client.Client, error) {
	admin, err := a.Access.Bootstrap(ctx, "bench@bench.example", "bench", "bench-bench-bench")
	if err != nil {
		return nil, err
	}
	boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
	var rows []party.Row
	for n := range benchPayers + benchShops {
		r := party.Row{Account: fmt.Sprintf("W%06d", n), Name: "甲", Kind: party.Person, Verification: party.Full, Opened: time.Unix(0, 0),
			Device: fmt.Sprintf("dev-%d", n)}
		if n >= benchPayers {
			r.Account, r.Kind = fmt.Sprintf("M%05d", n-benchPayers), party.Merchant
		}
		rows = append(rows, r)
	}
	if _, err := a.Party.ImportRows(ctx, ident.Job("bench"), rows); err != nil {
		return nil, err
	}
	secret, err := a.Access.NewKey(ctx, boss, "bench", []ident.Role{ident.RoleHost})
	if err != nil {
		return nil, err
	}
	return client.NewWith(base, secret, client.Config{HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}})
}

// pace is what a storm measured.
type pace struct{ rate, p50, p99 int64 }

// storm lets callers call one after another for a time.
func storm(callers int, length time.Duration, call func(who, n int) error) (pace, error) {
	clock := ident.WallClock{}
	end := clock.Now().Add(length)
	times := make([][]int64, callers)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	start := clock.Now()
	for who := range callers {
		wg.Go(func() {
			for n := 0; ; n++ {
				before := clock.Now()
				if before.After(end) {
					return
				}
				if errs[who] = call(who, n); errs[who] != nil {
					return
				}
				times[who] = append(times[who], clock.Now().Sub(before).Microseconds())
			}
		})
	}
	wg.Wait()
	var all []int64
	for _, t := range times {
		all = append(all, t...)
	}
	if err := errors.Join(errs...); err != nil || len(all) == 0 {
		return pace{}, err
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	spent := clock.Now().Sub(start).Milliseconds()
	return pace{rate: int64(len(all)) * 1000 / spent, p50: all[len(all)/2], p99: all[len(all)*99/100]}, nil
}
