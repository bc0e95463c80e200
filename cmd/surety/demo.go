package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"surety/app"
	"surety/app/demo"
	"surety/kernel/ident"
	"surety/platform/db"
)

// nothing is an act that is only recorded.
func nothing(*db.Tx) error { return nil }

type demoCmd struct {
	Dir    string `help:"Data directory of its own; a new one beside the current directory if empty."`
	DB     string `help:"Database URL; a SQLite file in the data directory if empty."`
	Exit   bool   `help:"End after the story; do not serve the pages."`
	JSON   bool   `help:"Tell the story on standard error; the last line of standard output is one JSON object."`
	Staff  string `help:"Address of the console and the API." default:"127.0.0.1:8080"`
	Portal string `help:"Address of the customers' portal." default:"127.0.0.1:8081"`
}

// Run lives the story and serves the pages until it is stopped.
func (c *demoCmd) Run(e *env) error {
	clock := ident.WallClock{}
	start := clock.Now()
	dir, err := c.dir(start)
	if err != nil {
		return err
	}
	story := e.out
	if c.JSON {
		story = e.err
	}
	staff, portal := c.Staff, c.Portal
	if c.Exit { // nobody will come: any free port will do
		staff, portal = "127.0.0.1:0", "127.0.0.1:0"
	}
	fmt.Fprintf(story, "Surety %s: the mass theft at a micropayment company, lived through on this machine.\nData directory: %s\n",
		app.Version, dir)
	d, sum, err := demo.Run(e.ctx, demo.Config{
		Dir: dir, DB: c.DB, Out: story, Staff: staff, Portal: portal,
		Elapsed: func() time.Duration { return clock.Now().Sub(start) },
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(story, "\nDone in %.1f seconds: %d victims and %d heir paid once each, books balanced %v, audit log verified %v.\n",
		sum.Seconds, sum.VictimsPaid, sum.HeirsPaid, sum.BooksBalanced, sum.AuditVerified)
	if c.JSON {
		if err := e.print(sum); err != nil {
			return errors.Join(err, d.Close())
		}
	}
	if c.Exit {
		fmt.Fprintf(story, "Look again with: surety verify --dir %s\n", dir)
		return d.Close()
	}
	tellPages(story, d)
	return errors.Join(d.Wait(e.ctx), d.Close())
}

// dir is the data directory: the one given, or a new one named by the time.
func (c *demoCmd) dir(now time.Time) (string, error) {
	if c.Dir != "" {
		return filepath.Abs(c.Dir)
	}
	base := "surety-demo-" + now.Format("20060102-150405")
	dir, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}

func tellPages(w io.Writer, d *demo.Demo) {
	fmt.Fprintf(w, "\nThe pages are served until you stop this with Ctrl-C:\n")
	fmt.Fprintf(w, "  console   %s   chen.jing@demo.example (lead), zhao.min@demo.example (fund),\n", d.StaffURL)
	fmt.Fprintf(w, "            wang.fang@demo.example (claims), li.wei@demo.example (compliance); password %s\n", demo.Password)
	fmt.Fprintf(w, "  portal    %s\n            (a victim's own way in; it works once)\n", d.Link)
	fmt.Fprintf(w, "  API       %s/openapi.json\n", d.StaffURL)
}

type serveCmd struct {
	place  `embed:""`
	Staff  string `help:"Address of the console and the API." default:"127.0.0.1:8080"`
	Portal string `help:"Address of the customers' portal." default:"127.0.0.1:8081"`
	Public string `help:"Where customers reach the portal: links, certificates and statements name it." env:"SURETY_PUBLIC"`
	Secure bool   `help:"The pages are reached over https: cookies demand it."`
	Wallet string `help:"Address of the host wallet's credit service." env:"SURETY_WALLET"`
	Secret string `help:"Secret shared with the host wallet." env:"SURETY_WALLET_SECRET"`
}

// Run serves until it is stopped or the database fails.
func (c *serveCmd) Run(e *env) error {
	cfg := c.config(e.log)
	cfg.PublicURL, cfg.Secure, cfg.WalletURL, cfg.WalletSecret = c.Public, c.Secure, c.Wallet, c.Secret
	if cfg.PublicURL == "" {
		cfg.PublicURL = "http://" + c.Portal
	}
	a, err := app.Open(e.ctx, cfg)
	if err != nil {
		return err
	}
	err = a.Serve(e.ctx, c.Staff, c.Portal, func(staff, customers string) {
		fmt.Fprintf(e.out, "console and API %s, portal %s; %d payments replayed\n", staff, customers, a.Replayed)
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, a.Close())
}
