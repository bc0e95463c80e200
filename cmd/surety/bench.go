package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"surety/app"
	"surety/bench"
	"surety/platform/db"
	"surety/platform/ledger"
)

// benchCmd prints figures. No figure is a test: the machine decides them, and the
// yardstick beside each says what the machine can do.
type benchCmd struct {
	All      benchAll      `cmd:"" default:"1" help:"Everything that needs no data of others: decide, burst, ledger, serve, ingest."`
	Handbook benchHandbook `cmd:"" help:"Features, training and precision on the Fraud Detection Handbook's data."`
	Golden   benchGolden   `cmd:"" help:"Scores and reasons against those of XGBoost."`
	Hijack   benchHijack   `cmd:"" help:"The theft through a hijacked number against the default pack."`
	Decide   benchDecide   `cmd:"" help:"Decisions in process: time, throughput, memory."`
	Ingest   benchIngest   `cmd:"" help:"Durable decisions in NDJSON batches over HTTP."`
	Serve    benchServe    `cmd:"" help:"Durable decisions, one HTTP call a payment."`
	Versus   benchVersus   `cmd:"" help:"Beside the best-tuned SQL and Redis, same data, same run."`
	Burst    benchBurst    `cmd:"" help:"Forty payments at once against forty one by one."`
	Ledger   benchLedger   `cmd:"" help:"Durable transfers beside a bare commit, on both databases."`
}

// asJSON is how figures are printed.
type asJSON struct {
	JSON bool `help:"One JSON object on the last line, nothing else on standard output."`
}

// teller is a table of figures.
type teller interface{ Tell(w io.Writer) }

func (j asJSON) show(e *env, f teller) error {
	if j.JSON {
		return e.print(f)
	}
	f.Tell(e.out)
	return nil
}

// progress is a bar for each thing that takes long, on standard error.
func progress(e *env) (set func(what string, done, total int), end func()) {
	var b *bar
	last := ""
	end = func() {
		if b != nil {
			b.done()
		}
	}
	return func(what string, done, total int) {
		if what != last {
			end()
			b, last = newBar(e.err, what), what
		}
		b.set(done, total)
	}, end
}

type benchHandbook struct {
	asJSON
	Data         string   `help:"Folder of the data set." default:"." env:"SURETY_HANDBOOK"`
	Transactions []string `help:"Files of transactions, joined; may be given twice." placeholder:"FILE"`
	TrainFrom    string   `help:"First day of training: 2018-05-03, or its number from 2018-04-01."`
	TrainTo      string   `help:"Last day of training."`
	TestFrom     string   `help:"First day of the test."`
	TestTo       string   `help:"Last day of the test."`
	Trees        int      `help:"Trees to grow at most."`
	Depth        int      `help:"Depth of a tree."`
	Rate         float64  `help:"Learning rate."`
	Seed         uint64   `help:"Seed of sampling."`
}

func (c *benchHandbook) Run(e *env) error {
	set, end := progress(e)
	f, err := bench.Handbook(e.ctx, bench.HandbookConfig{Data: c.Data, Transactions: c.Transactions, TrainFrom: c.TrainFrom,
		TrainTo:  c.TrainTo,
		TestFrom: c.TestFrom, TestTo: c.TestTo, Trees: c.Trees, Depth: c.Depth, Rate: c.Rate, Seed: c.Seed, Progress: set})
	if end(); err != nil {
		return err
	}
	return c.show(e, f)
}

type benchGolden struct {
	asJSON
	Data string `help:"Folder with xgb_200x6.json.gz and golden_2000.csv.gz." default:"." env:"SURETY_GOLDEN"`
}

func (c *benchGolden) Run(e *env) error {
	f, err := bench.Golden(e.ctx, c.Data)
	if err != nil {
		return err
	}
	return c.show(e, f)
}

type benchHijack struct {
	asJSON
	File string `help:"The scenario, one event a line." default:"hijacked-phone.jsonl" placeholder:"FILE"`
	Data string `help:"Folder of the scenario, instead of --file." placeholder:"DIR"`
}

func (c *benchHijack) Run(e *env) error {
	file := c.File
	if c.Data != "" {
		file = filepath.Join(c.Data, "hijacked-phone.jsonl")
	}
	f, err := bench.Hijack(e.ctx, file)
	if err != nil {
		return err
	}
	return c.show(e, f)
}

type benchDecide struct {
	asJSON
	Entities int           `help:"Entities in memory, five dimensions together." default:"10000000"`
	Rules    int           `help:"Rules in the pack." default:"50"`
	Trees    int           `help:"Trees of depth 3 in the model." default:"100"`
	For      time.Duration `help:"How long each measurement takes." default:"5s"`
	Data     string        `hidden:""`
}

func (c *benchDecide) Run(e *env) error {
	set, end := progress(e)
	f, err := bench.Decide(e.ctx, bench.DecideConfig{Entities: c.Entities, Rules: c.Rules, Trees: c.Trees, For: c.For, Progress: set})
	if end(); err != nil {
		return err
	}
	return c.show(e, f)
}

type benchIngest struct {
	asJSON
	Batch   int           `help:"Payments a request." default:"500"`
	Callers int           `help:"Callers at the same time." default:"4"`
	For     time.Duration `help:"How long each measurement takes." default:"10s"`
	DB      string        `help:"URL of an empty database; a SQLite file of its own if empty."`
	Data    string        `hidden:""`
}

func (c *benchIngest) Run(e *env) error {
	f, err := bench.Ingest(e.ctx, bench.IngestConfig{Batch: c.Batch, Callers: c.Callers, For: c.For, DB: c.DB})
	if err != nil {
		return err
	}
	return c.show(e, f)
}

type benchServe struct {
	asJSON
	Connections int           `help:"Connections at the same time." default:"32"`
	For         time.Duration `help:"How long each measurement takes." default:"8s"`
	DB          string        `help:"URL of an empty database; a SQLite file of its own if empty."`
	Data        string        `hidden:""`
}

func (c *benchServe) Run(e *env) error {
	f, err := bench.Serve(e.ctx, bench.ServeConfig{Connections: c.Connections, For: c.For, DB: c.DB})
	if err != nil {
		return err
	}
	return c.show(e, f)
}

type benchVersus struct {
	asJSON
	Rows int           `help:"Payments of history." default:"5000000"`
	For  time.Duration `help:"How long each measurement takes." default:"8s"`
	Data string        `hidden:""`
}

func (c *benchVersus) Run(e *env) error {
	set, end := progress(e)
	f, err := bench.Versus(e.ctx, bench.VersusConfig{Rows: c.Rows, For: c.For, Progress: set})
	if end(); err != nil {
		return err
	}
	return c.show(e, f)
}

type benchBurst struct {
	asJSON
	DB   string `help:"URL of an empty database; a SQLite file of its own if empty."`
	Data string `hidden:""`
}

func (c *benchBurst) Run(e *env) error {
	f, err := bench.Burst(e.ctx, c.DB)
	if err != nil {
		return err
	}
	return c.show(e, f)
}

type benchLedger struct {
	asJSON
	Callers  int           `help:"Callers at the same time." default:"64"`
	For      time.Duration `help:"How long each measurement takes." default:"5s"`
	Postgres string        `help:"URL of an empty PostgreSQL database; without it only SQLite is measured." env:"SURETY_BENCH_PG"`
}

func (c *benchLedger) Run(e *env) error {
	dir, err := os.MkdirTemp(".", ".surety-bench-") // beside us: the system's temporary folder may be memory
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := c.on(e, "sqlite:"+filepath.Join(dir, "bench.db")); err != nil {
		return err
	}
	if c.Postgres == "" {
		fmt.Fprintln(e.err, "no PostgreSQL was named (--postgres, or scripts/with-postgres): SQLite only")
		return nil
	}
	return c.on(e, c.Postgres)
}

func (c *benchLedger) on(e *env, url string) error {
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

type benchAll struct {
	asJSON
	For      time.Duration `help:"How long each measurement takes; each one's own length if zero."`
	Postgres string        `help:"URL of an empty PostgreSQL database; without it only SQLite is measured." env:"SURETY_BENCH_PG"`
}

// Run measures one after another; the first that fails ends it.
func (c *benchAll) Run(e *env) error {
	for _, b := range []interface{ Run(*env) error }{
		&benchBurst{asJSON: c.asJSON},
		&benchLedger{asJSON: c.asJSON, Callers: 64, For: cmp.Or(c.For, 5*time.Second), Postgres: c.Postgres},
		&benchServe{asJSON: c.asJSON, For: c.For},
		&benchIngest{asJSON: c.asJSON, For: c.For},
		&benchDecide{asJSON: c.asJSON, For: c.For},
	} {
		if err := b.Run(e); err != nil {
			return fmt.Errorf("%T: %w", b, err)
		}
	}
	return nil
}
