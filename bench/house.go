package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"surety/app"
	"surety/domain/party"
	"surety/kernel/ident"
)

// How many accounts the decisions of a house are between, unless said otherwise.
const (
	housePayers = 20_000
	houseShops  = 500
)

// crowd is how many payers and shops a house knows.
type crowd struct{ payers, shops int }

// house is a whole Surety in a folder of its own, served over HTTP on loopback.
type house struct {
	app    *app.App
	dir    string
	base   string
	secret string
	stop   []func() error
}

// openHouse starts one. url names a database; "" is SQLite in the folder. The
// folder is made beside us: the system's temporary one may be memory, and what
// is measured is a disk.
func openHouse(ctx context.Context, url, pack string, c crowd) (h *house, err error) {
	dir, err := os.MkdirTemp(".", ".surety-bench-")
	if err != nil {
		return nil, err
	}
	h = &house{dir: dir, stop: []func() error{func() error { return os.RemoveAll(dir) }}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if url == "" {
		url = "sqlite:" + filepath.Join(dir, "bench.db")
	}
	if h.app, err = app.Open(ctx, app.Config{Dir: dir, DB: url, Pack: pack}); err != nil {
		return h, err
	}
	h.stop = append(h.stop, h.app.Close)
	work, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.app.Work(work) }) // ends with the house
	h.stop = append(h.stop, func() error { end(); wg.Wait(); return nil })
	handler, err := h.app.Staff()
	if err != nil {
		return h, err
	}
	if h.base, err = h.serve(handler); err != nil {
		return h, err
	}
	return h, h.people(ctx, c)
}

// serve opens a port for a handler.
func (h *house) serve(handler http.Handler) (base string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln) // ends with Close
	h.stop = append(h.stop, srv.Close)
	return "http://" + ln.Addr().String(), nil
}

// people imports the accounts and makes the host's key.
func (h *house) people(ctx context.Context, c crowd) error {
	admin, err := h.app.Access.Bootstrap(ctx, "bench@bench.example", "bench", "bench-bench-bench")
	if err != nil {
		return err
	}
	boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
	var rows []party.Row
	for n := range c.payers + c.shops {
		r := party.Row{Account: payerName(n), Name: "甲", Kind: party.Person, Verification: party.Full, Opened: time.Unix(0, 0),
			Device: fmt.Sprintf("dev-%d", n)}
		if n >= c.payers {
			r.Account, r.Kind = shopName(n-c.payers), party.Merchant
		}
		rows = append(rows, r)
	}
	for part := range slices.Chunk(rows, 20_000) {
		if _, err := h.app.Party.ImportRows(ctx, ident.Job("bench"), part); err != nil {
			return err
		}
	}
	h.secret, err = h.app.Access.NewKey(ctx, boss, "bench", []ident.Role{ident.RoleHost})
	return err
}

func payerName(n int) string { return fmt.Sprintf("W%06d", n) }
func shopName(n int) string  { return fmt.Sprintf("M%06d", n) }

// Close stops everything, the youngest first, and removes the folder.
func (h *house) Close() (err error) {
	for i := len(h.stop) - 1; i >= 0; i-- {
		err = errors.Join(err, h.stop[i]())
	}
	return err
}
