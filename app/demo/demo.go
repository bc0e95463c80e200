// Package demo lives through the mass theft on a house of its own: 29,018
// payments of 90 days assessed, the incident declared, victims gathered from
// three sources and from the records, reconciled, approved by two people, paid
// once each, certificates in hand, the books balanced, the statement written.
//
// Everything goes in through the API that an operator uses, over HTTP on this
// machine; the figures at the end are read back from the stores, not from the
// script. The people, numbers and accounts are invented.
//
// The demo's clock is its own: the day takes seconds.
package demo

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"surety/app"
	"surety/client"
	"surety/domain/fund"
	"surety/kernel/ident"
)

//go:embed data
var data embed.FS

// Config is what the demo needs.
type Config struct {
	Dir    string // data directory; must be empty or absent
	DB     string // as app.Config
	Out    io.Writer
	Staff  string // address of the console and the API; "127.0.0.1:8080" if ""
	Portal string // address of the portal; "127.0.0.1:8081" if ""
	// Elapsed tells the real time since the start, for the seconds of the summary.
	Elapsed func() time.Duration
}

// Password is the password of the demo's people; they exist on this machine only.
const Password = "surety-demo-2026"

// People are the demo's staff.
var people = []struct {
	id, email, name string
	roles           []ident.Role
}{
	{"stf_lead", "chen.jing@demo.example", "陈静", []ident.Role{ident.RoleLead, ident.RoleAnalyst}},
	{"stf_fund", "zhao.min@demo.example", "赵敏", []ident.Role{ident.RoleFund}},
	{"stf_handler", "wang.fang@demo.example", "王芳", []ident.Role{ident.RoleHandler}},
	{"stf_compliance", "li.wei@demo.example", "李威", []ident.Role{ident.RoleCompliance}},
}

const admin = "admin@demo.example"

// china is the zone of the story.
var china = time.FixedZone("UTC+8", 8*3600)

// theDay is when the story happens: the wallet takes Surety into use in the
// morning, with 90 days of payments behind it.
var theDay = time.Date(2026, 5, 30, 8, 0, 0, 0, china)

// Demo is a house in which the story has been lived.
type Demo struct {
	App   *app.App
	Clock *ident.ManualClock
	// StaffURL and PortalURL are where the pages are served; Link opens the portal
	// of one victim.
	StaffURL, PortalURL, Link string

	cfg     Config
	say     *teller
	host    *client.Client
	staff   map[string]*client.Client
	bank    fund.Bank
	servers []*http.Server
}

// Run lives the story. The servers go on; call Wait, then Close.
func Run(ctx context.Context, cfg Config) (d *Demo, sum Summary, err error) {
	if cfg.Staff == "" {
		cfg.Staff = "127.0.0.1:8080"
	}
	if cfg.Portal == "" {
		cfg.Portal = "127.0.0.1:8081"
	}
	if err := empty(cfg.Dir); err != nil {
		return nil, sum, err
	}
	d = &Demo{cfg: cfg, say: &teller{w: cfg.Out}, staff: map[string]*client.Client{}, Clock: ident.NewManualClock(theDay)}
	if err := d.open(ctx); err != nil {
		return nil, sum, errors.Join(err, d.Close())
	}
	for _, chapter := range []func(context.Context) error{
		d.crew, d.funds, d.history, d.declare, d.gather, d.reconcile, d.calls, d.approve, d.pay, d.statement, d.check,
	} {
		if err := chapter(ctx); err != nil {
			return nil, sum, errors.Join(err, d.Close())
		}
	}
	sum, err = Read(ctx, d.App)
	if cfg.Elapsed != nil {
		sum.Seconds = cfg.Elapsed().Round(100 * time.Millisecond).Seconds()
	}
	return d, sum, err
}

// empty refuses a directory that holds something: the demo never writes into a
// house that is in use.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return ident.Invalid("dir", "not_empty", "%s is not empty; give the demo a directory of its own with --dir, or remove it", dir)
	}
	return nil
}

func (d *Demo) open(ctx context.Context) error {
	staffLn, err := net.Listen("tcp", d.cfg.Staff)
	if err != nil {
		return fmt.Errorf("the console's address is taken (choose another with --staff): %w", err)
	}
	portalLn, err := net.Listen("tcp", d.cfg.Portal)
	if err != nil {
		return errors.Join(fmt.Errorf("the portal's address is taken (choose another with --portal): %w", err), staffLn.Close())
	}
	d.StaffURL, d.PortalURL = "http://"+staffLn.Addr().String(), "http://"+portalLn.Addr().String()
	d.App, err = app.Open(ctx, app.Config{Dir: d.cfg.Dir, DB: d.cfg.DB, Clock: d.Clock, PublicURL: d.PortalURL})
	if err != nil {
		return errors.Join(err, staffLn.Close(), portalLn.Close())
	}
	staff, err := d.App.Staff()
	if err != nil {
		return err
	}
	customers, err := d.App.Customers()
	if err != nil {
		return err
	}
	for ln, h := range map[net.Listener]http.Handler{staffLn: staff, portalLn: customers} {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		d.servers = append(d.servers, srv)
		go srv.Serve(ln) // ends with Close
	}
	return nil
}

// Wait works the queue and lets the clock run until ctx ends.
func (d *Demo) Wait(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- d.App.Work(ctx) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.Clock.Advance(time.Second)
		case err := <-done:
			return err
		}
	}
}

// Close ends the servers and the house.
func (d *Demo) Close() error {
	var errs []error
	for _, s := range d.servers {
		errs = append(errs, s.Close())
	}
	if d.App != nil {
		errs = append(errs, d.App.Close())
	}
	return errors.Join(errs...)
}

// file opens one of the demo's own files.
func file(name string) ([]byte, error) {
	b, err := data.ReadFile("data/" + name)
	if err != nil || filepath.Ext(name) != ".gz" {
		return b, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
