// Command surety runs the payment-protection system: the demonstration, the
// server, and the tools of an operator. Each command says what it does with
// --help; --json prints one JSON object for programs. Exit codes: 0 done, 1 it
// failed or a check found something, 2 the command line is wrong.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"surety/app"
	"surety/kernel/ident"
)

// cli is the command line: the struct is the manual.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Live through the mass theft on a database of its own, then serve the pages."`
	Serve   serveCmd   `cmd:"" help:"Serve the API and the console for staff, and the portal for customers."`
	Migrate migrateCmd `cmd:"" help:"Bring the database forward and stop."`
	Staff   staffCmd   `cmd:"" help:"Make the first administrator."`
	Import  importCmd  `cmd:"" help:"Read the host's accounts or payments from a file."`
	Verify  verifyCmd  `cmd:"" help:"Check every invariant of a data directory, or one certificate."`
	Export  exportCmd  `cmd:"" help:"Write the books for hledger or beancount, or the audit log's signed head."`
	Replay  replayCmd  `cmd:"" help:"Ask history: what would another pack or model have stopped, and whom would it have disturbed?"`
	Train   trainCmd   `cmd:"" help:"Train a model on the house's own records and labels."`
	Bench   benchCmd   `cmd:"" help:"Print figures, each beside its yardstick in the same run."`
	Crash   crashCmd   `cmd:"" help:"Kill the pay-out at random points and check that everybody is paid exactly once."`
	Sim     simCmd     `cmd:"" help:"Live random lives against an independent auditor."`
}

// place is where the house stands; most commands take it.
type place struct {
	Dir string `help:"Data directory: keys, evidence, bank files, and the SQLite database." default:"surety-data" env:"SURETY_DIR"`
	DB  string `help:"Database URL: sqlite:/path or postgres://…; a SQLite file in the data directory if empty." env:"SURETY_DB"`
}

func (p place) config(log *slog.Logger) app.Config {
	return app.Config{Dir: p.Dir, DB: p.DB, Clock: ident.WallClock{}, Log: log}
}

// env is what every command gets.
type env struct {
	ctx context.Context
	out io.Writer
	err io.Writer
	log *slog.Logger
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process, so that scripts can call it in tests.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c, kong.Name("surety"),
		kong.Description("Payment protection: judged before it goes, made whole after it was lost."),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exit = code }), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "surety: %v\n", err)
		return 2
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := k.Run(&env{ctx: ctx, out: stdout, err: stderr, log: log}); err != nil {
		if !errors.Is(err, errQuiet) {
			fmt.Fprintf(stderr, "surety: %v\n", err)
		}
		return 1
	}
	return 0
}

// errQuiet ends a command with exit code 1 after it has said why itself.
var errQuiet = errors.New("see above")

// print writes v as one line of JSON.
func (e *env) print(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, string(b))
	return err
}
