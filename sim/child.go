package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"surety/app"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// spec is what a child is told. It is one argument, so that any binary that
// calls Child can be the child.
type spec struct {
	Work string    `json:"work"` // pay, deposit, or a control: bare, careless, early
	Dir  string    `json:"dir"`  // the house
	DB   string    `json:"db"`   // "" is SQLite in Dir
	Desk string    `json:"desk"` // where the bank puts its answers; it never crashes
	Now  time.Time `json:"now"`
	Life int       `json:"life"`
	Sync string    `json:"sync"` // of the bare control: FULL or OFF
	Room int64     `json:"room"` // if set, no file may grow beyond so many bytes
}

// Child is what a process does that will be killed; spec is the argument that
// the parent gave it. It says on out, line by line, what it found ("was …") and
// what it was told is done ("ack …"), and returns the exit code.
func Child(text string, in io.Reader, out io.Writer) int {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 2
	}
	work := map[string]func(context.Context, *mouth, spec) error{
		"pay": childPay, "deposit": childDeposit, "bare": childBare, "careless": childCareless, "early": childEarly,
	}[s.Work]
	if work == nil {
		fmt.Fprintln(os.Stderr, "child: no such work", s.Work)
		return 2
	}
	m := &mouth{out: out, in: bufio.NewReader(in)}
	m.say("born %d", os.Getpid())
	if err := work(context.Background(), m, s); err != nil {
		m.say("failed %v", err)
		return 1
	}
	return 0
}

// mouth speaks to the parent; a line is one write, whole or not there.
type mouth struct {
	mu  sync.Mutex
	out io.Writer
	in  *bufio.Reader
}

func (m *mouth) say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(m.out, format+"\n", args...)
}

// hear waits for the parent's word.
func (m *mouth) hear() error {
	_, err := m.in.ReadString('\n')
	return err
}

func openChild(ctx context.Context, s spec) (*app.App, people, error) {
	a, err := app.Open(ctx, app.Config{Dir: s.Dir, DB: s.DB, Clock: ident.NewManualClock(s.Now)})
	if err != nil {
		return nil, people{}, err
	}
	p, err := hire(ctx, a)
	return a, p, err
}

// childPay goes on with the pay-out of the prepared incident wherever it stands:
// there is no other code for a recovery.
func childPay(ctx context.Context, m *mouth, s spec) error {
	a, p, err := openChild(ctx, s)
	if err != nil {
		return err
	}
	w := &payer{a: a, p: p, m: m, s: s, said: map[string]bool{}}
	if err := w.tell(ctx, "was"); err != nil {
		return err
	}
	m.say("start")
	if err := w.order(ctx); err != nil {
		return err
	}
	for range 50 {
		done, err := w.round(ctx)
		if err != nil {
			return err
		}
		if done {
			m.say("done")
			return a.Close()
		}
	}
	return fmt.Errorf("the pay-out does not end")
}

// payer is one life of the pay-out.
type payer struct {
	a    *app.App
	p    people
	m    *mouth
	s    spec
	said map[string]bool
}

// order orders the payouts, one act each, and acknowledges each.
func (w *payer) order(ctx context.Context) error {
	i, vs, err := w.a.Incident.View(ctx, w.p.lead, incidentID)
	if err != nil {
		return err
	}
	if i.Status != "approved" && i.Status != "paying" {
		return nil
	}
	_, err = w.a.Incident.PayAll(ctx, w.p.lead, incidentID, func(done, _ int) {
		if v := vs[done-1]; v.Approval != "" {
			w.say("ack", "ordered "+v.ID)
		}
	})
	return err
}

// round works the queue, brings the files to the bank and its answers back.
func (w *payer) round(ctx context.Context) (done bool, err error) {
	if err := w.drain(ctx); err != nil {
		return false, err
	}
	names, err := bankFiles(w.a)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		w.m.say("bank %s", name)
		if err := w.m.hear(); err != nil {
			return false, err
		}
		answer, err := os.ReadFile(filepath.Join(w.s.Desk, name))
		if err != nil {
			return false, err
		}
		rep, err := w.a.Fund.ImportStatus(ctx, w.p.fund, bytes.NewReader(answer))
		if err != nil {
			return false, err
		}
		if len(rep.Problems) > 0 {
			return false, fmt.Errorf("the bank's answer %s: %w", name, rep.Problems[0])
		}
		if err := w.tell(ctx, "ack"); err != nil {
			return false, err
		}
	}
	if err := w.drain(ctx); err != nil {
		return false, err
	}
	i, _, err := w.a.Incident.View(ctx, w.p.lead, incidentID)
	return i.Status == "paid", err
}

func (w *payer) drain(ctx context.Context) error {
	if _, err := w.a.Queue.Drain(ctx); err != nil {
		return err
	}
	return w.tell(ctx, "ack")
}

func (w *payer) say(verb, fact string) {
	if !w.said[fact] {
		w.said[fact] = true
		w.m.say("%s %s", verb, fact)
	}
}

// tell says what the house answers now, fact by fact. None of these facts can
// ever become untrue, so each is a promise from now on.
func (w *payer) tell(ctx context.Context, verb string) error {
	_, vs, err := w.a.Incident.View(ctx, w.p.lead, incidentID)
	if err != nil {
		return err
	}
	for _, v := range vs {
		if v.Payout != "" {
			w.say(verb, "ordered "+v.ID)
		}
	}
	return w.a.DB.View(ctx, func(tx *db.Tx) error {
		ps, err := w.a.Fund.ByPurpose(tx, incidentID)
		if err != nil {
			return err
		}
		for _, p := range ps {
			if p.State != fund.Approved {
				w.say(verb, "begun "+p.ID+" in "+p.Batch)
			}
			if p.State == fund.Settled {
				w.say(verb, "settled "+p.ID)
			}
		}
		cs, err := w.a.Notice.ByIncident(tx, incidentID)
		for _, c := range cs {
			w.say(verb, "certified "+c.PayoutID+" by "+c.Number)
		}
		if err != nil {
			return err
		}
		var size int64
		_, err = tx.Row([]any{&size}, "select size from audit_head")
		w.m.say("%s audit %d", verb, size)
		return err
	})
}

// bankFiles are the names of the files that lie ready for the bank.
func bankFiles(a *app.App) ([]string, error) {
	all, err := os.ReadDir(a.BankOut())
	if os.IsNotExist(err) {
		return nil, nil
	}
	var names []string
	for _, f := range all {
		if filepath.Ext(f.Name()) == ".xml" {
			names = append(names, f.Name())
		}
	}
	return names, err
}

// childDeposit has eight callers who put money into the fund as fast as they can
// and never give up; the house must stop them when its disk fails.
func childDeposit(ctx context.Context, m *mouth, s spec) error {
	a, p, err := openChild(ctx, s)
	if err != nil {
		return err
	}
	if s.Room > 0 {
		if err := noRoom(s.Room); err != nil {
			return err
		}
	}
	m.say("start")
	for caller := range 8 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("d-%d-%d-%d", s.Life, caller, n)
				if a.Fund.Deposit(ctx, p.fund, id, "emergency", money.Of(1, money.CNY), "x") == nil {
					m.say("ack %d %s", ident.WallClock{}.Now().UnixMicro(), id)
				}
			}
		}()
	}
	select {
	case <-a.DB.Failed():
		return a.DB.Failure()
	case <-time.After(4 * time.Second):
		return nil
	}
}
