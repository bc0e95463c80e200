package surety_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"surety/app"
	"surety/app/demo"
	"surety/kernel/ident"
	"surety/platform/access"
)

// houseCmd is: house TIME; the script plays on in a house of its own, empty but for
// its staff, in which it is that time. What the script publishes, stops and lets pass
// there disturbs no other script. $NOW is the time, $DIR the data directory.
func houseCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: house 2026-06-01T09:00:00+08:00")
	}
	at, err := time.Parse(time.RFC3339, args[0])
	ts.Check(err)
	c := of(ts)
	if c.own {
		ts.Fatalf("this script has a house of its own already")
	}
	own := &stage{bin: c.h.bin, web: c.h.web, tokens: map[string]string{}, banked: map[string]bool{},
		demo: &demo.Demo{Clock: ident.NewManualClock(at)}}
	dir := ts.MkAbs("own-house")
	own.demo.App, err = app.Open(context.Background(), app.Config{Dir: dir, Clock: own.demo.Clock})
	ts.Check(err)
	c.h, c.own = own, true // from here on the house is closed when the script ends
	staff, err := own.demo.App.Staff()
	ts.Check(err)
	customers, err := own.demo.App.Customers()
	ts.Check(err)
	pages, portal := httptest.NewServer(staff), httptest.NewServer(customers)
	own.servers = []*httptest.Server{pages, portal}
	own.demo.StaffURL, own.demo.PortalURL = pages.URL, portal.URL
	ts.Check(crew(own.demo.App.Access))
	ts.Setenv("NOW", at.Format(time.RFC3339))
	ts.Setenv("DIR", dir)
}

// crew gives the house its staff; the seats of a script name them.
func crew(a *access.Access) error {
	ctx := context.Background()
	admin, err := a.Bootstrap(ctx, emails["admin"], "Admin", demo.Password)
	if err != nil {
		return err
	}
	boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
	for _, role := range []ident.Role{ident.RoleAnalyst, ident.RoleLead, ident.RoleFund, ident.RoleHandler, ident.RoleCompliance} {
		_, err := a.AddStaff(ctx, boss, access.NewStaff{Email: emails[string(role)], Name: string(role), Roles: []ident.Role{role},
			Password: demo.Password})
		if err != nil {
			return err
		}
	}
	return nil
}

// leave closes the script's own house.
func (c *cast) leave() error {
	if !c.own {
		return nil
	}
	for _, srv := range c.h.servers {
		srv.Close()
	}
	return c.h.demo.App.Close()
}

// workCmd is: work; the house does what it does every ten seconds, and what waits
// for a worker.
func workCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: work")
	}
	a, ctx := of(ts).h.demo.App, context.Background()
	_, err := a.Queue.Drain(ctx)
	ts.Check(errors.Join(err, a.Look(ctx)))
	for more := true; more; {
		more, err = a.Rulebook.AnswerOne(ctx)
		ts.Check(err)
	}
}

// sumCmd is: sum [-most N] [-least N] LIST FIELD, of the last JSON.
func sumCmd(ts *testscript.TestScript, neg bool, args []string) {
	opt, args := flags(ts, args, "most", "least")
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sum [-most N] [-least N] LIST FIELD")
	}
	list, err := at(of(ts).last, args[0])
	ts.Check(err)
	all, ok := list.([]any)
	if !ok {
		ts.Fatalf("%s is no list", args[0])
	}
	total := new(big.Int)
	for _, e := range all {
		v, err := at(e, args[1])
		ts.Check(err)
		total.Add(total, whole(ts, text(v)))
	}
	fmt.Fprintf(ts.Stdout(), "%s\n", total)
	if opt["most"] != "" && total.Cmp(whole(ts, opt["most"])) > 0 || opt["least"] != "" && total.Cmp(whole(ts, opt["least"])) < 0 {
		ts.Fatalf("the sum of %s over %d of %s is %s; most %q, least %q", args[1], len(all), args[0], total, opt["most"], opt["least"])
	}
}

func whole(ts *testscript.TestScript, s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		ts.Fatalf("%q is no whole number", s)
	}
	return n
}

// quoteCmd is: quote NAME FILE; the file as a JSON string is then $NAME.
func quoteCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: quote NAME FILE")
	}
	b, err := json.Marshal(ts.ReadFile(args[1]))
	ts.Check(err)
	ts.Setenv(args[0], string(b))
}

// mendCmd is: mend FROM TO REGEXP WITH; a copy of a file with the first match
// replaced.
func mendCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: mend FROM TO REGEXP WITH")
	}
	find, err := regexp.Compile(args[2])
	ts.Check(err)
	from := ts.ReadFile(args[0])
	place := find.FindStringIndex(from)
	if place == nil {
		ts.Fatalf("%s holds nothing like %s", args[0], args[2])
	}
	with := strings.ReplaceAll(args[3], `\n`, "\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(from[:place[0]]+with+from[place[1]:]), 0o600))
}
