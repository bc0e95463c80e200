package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"surety/edge/api"
	"surety/edge/console"
	"surety/edge/portal"
)

// Staff is what staff and the host's programs reach: the console at / and the
// API at /v1, /openapi.json, /healthz, /readyz and /metrics.
func (a *App) Staff() (http.Handler, error) {
	apiHandler, err := api.New(api.Config{
		DB: a.DB, Access: a.Access, Audit: a.Audit, Queue: a.Queue, Ledger: a.Ledger, Party: a.Party,
		Payment: a.Payment, Notice: a.Notice, Fund: a.Fund, Claim: a.Claim, Incident: a.Incident, Report: a.Report,
		List: a.List, Watch: a.Watch, Rulebook: a.Rulebook, Engine: a.Engine,
		Clock: a.Config.Clock, IDs: a.IDs, Log: a.Config.Log, Version: Version, Stop: a.stop,
	})
	if err != nil {
		return nil, err
	}
	pages, err := console.New(console.Config{
		DB: a.DB, Access: a.Access, Audit: a.Audit, Queue: a.Queue, Ledger: a.Ledger, Party: a.Party, Payment: a.Payment,
		Notice: a.Notice, Fund: a.Fund, Claim: a.Claim, Incident: a.Incident, Report: a.Report, Clock: a.Config.Clock,
		List: a.List, Watch: a.Watch, Rulebook: a.Rulebook, Engine: a.Engine, Feed: a.feed,
		IDs: a.IDs, Verifier: a.Verifier, Log: a.Config.Log, Key: a.cookieKey("console"), Secure: a.Config.Secure,
		Operator: a.Config.Operator["zh"],
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/v1/", "/openapi.json", "/healthz", "/readyz", "/metrics"} {
		mux.Handle(path, apiHandler)
	}
	mux.Handle("/", pages)
	return mux, nil
}

// Customers is what customers reach: the portal.
func (a *App) Customers() (http.Handler, error) {
	return portal.New(portal.Config{
		DB: a.DB, Access: a.Access, Party: a.Party, Payment: a.Payment, Notice: a.Notice, Fund: a.Fund, Claim: a.Claim,
		Incident: a.Incident, Clock: a.Config.Clock, IDs: a.IDs, Log: a.Config.Log, Key: a.cookieKey("portal"), Secure: a.Config.Secure,
		Operator: a.Config.Operator,
	})
}

// cookieKey is a key for what a page keeps in a cookie, the same after a restart.
func (a *App) cookieKey(zone string) []byte {
	k := a.Vault.Index("cookie."+zone, filepath.Base(a.Config.Dir))
	return append(k, a.Vault.Index("cookie2."+zone, filepath.Base(a.Config.Dir))...)
}

// drainTime is how long requests under way may take at the end.
const drainTime = 10 * time.Second

// Serve works and serves both addresses until ctx ends or the database fails.
// ready is told the addresses as soon as they are open.
func (a *App) Serve(ctx context.Context, staffAddr, customerAddr string, ready func(staff, customers string)) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	a.stop = ctx.Done()
	staff, err := a.Staff()
	if err != nil {
		return err
	}
	customers, err := a.Customers()
	if err != nil {
		return err
	}
	errs := make(chan error, 3)
	var servers []*http.Server
	var addrs []string
	for _, s := range []struct {
		addr string
		h    http.Handler
	}{{staffAddr, staff}, {customerAddr, customers}} {
		ln, err := net.Listen("tcp", s.addr)
		if err != nil {
			return errors.Join(fmt.Errorf("cannot listen: %w", err), shutdown(servers))
		}
		srv := &http.Server{Handler: s.h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
		servers, addrs = append(servers, srv), append(addrs, "http://"+ln.Addr().String())
		go func() { errs <- srv.Serve(ln) }()
	}
	go func() { errs <- a.Work(ctx) }()
	if ready != nil {
		ready(addrs[0], addrs[1])
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-errs:
	}
	stop()
	return errors.Join(err, shutdown(servers))
}

func shutdown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var errs []error
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
