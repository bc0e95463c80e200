package sim

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"surety/domain/incident"
	"surety/kernel/ident"
	"surety/platform/db"
)

// The controls: children that are broken on purpose. None of this is reachable
// from the house; each opens its own file.

// childBare writes rows into a bare SQLite file and acknowledges each, with the
// durability that it is told: OFF must be caught by lost pages, FULL must not.
func childBare(ctx context.Context, m *mouth, s spec) error {
	h, err := openBare(s)
	if err != nil {
		return err
	}
	rows, err := h.QueryContext(ctx, "select n from t order by n")
	if err != nil {
		return err
	}
	last := 0
	for rows.Next() {
		if err := rows.Scan(&last); err != nil {
			return err
		}
		m.say("was row %d", last)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	m.say("start")
	for n := last + 1; n <= last+150; n++ {
		if _, err := h.ExecContext(ctx, "insert into t (n, x) values (?, ?)", n, ident.WallClock{}.Now().String()); err != nil {
			return err
		}
		m.say("ack row %d", n)
	}
	m.say("done")
	return h.Close()
}

// openBare opens a bare file with the journal of the house.
func openBare(s spec) (*sql.DB, error) {
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(" + s.Sync + ")", "busy_timeout(5000)"}}
	h, err := sql.Open("sqlite", "file:"+filepath.Join(s.Dir, "bare.db")+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	h.SetMaxOpenConns(1)
	_, err = h.Exec("create table if not exists t (n integer primary key, x text)")
	return h, err
}

// childCareless goes on after a commit that failed, as a program does that takes
// an I/O error for a passing one.
func childCareless(ctx context.Context, m *mouth, s spec) error {
	s.Sync = "FULL"
	h, err := openBare(s)
	if err != nil {
		return err
	}
	m.say("start")
	for n := 0; n < 400; n++ {
		for range 5 {
			if _, err = h.ExecContext(ctx, "insert into t (x) values (?)", fmt.Sprint(n)); err == nil {
				m.say("ack %d row-%d", ident.WallClock{}.Now().UnixMicro(), n)
				break
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	return nil
}

// childEarly is the pay-out of a house that answers before it has committed.
func childEarly(ctx context.Context, m *mouth, s spec) error {
	a, p, err := openChild(ctx, s)
	if err != nil {
		return err
	}
	w := &payer{a: a, p: p, m: m, s: s, said: map[string]bool{}}
	if err := w.tell(ctx, "was"); err != nil {
		return err
	}
	m.say("start")
	_, vs, err := a.Incident.View(ctx, p.lead, incidentID)
	if err != nil {
		return err
	}
	for _, v := range vs {
		if v.Payout == "" {
			err := a.DB.Update(ctx, func(*db.Tx) error { return earlyWord(w, v) })
			if err != nil {
				return err
			}
		}
	}
	m.say("done")
	return nil
}

// earlyWord acknowledges and then takes its time, so that a kill can come between.
func earlyWord(w *payer, v incident.Victim) error {
	w.say("ack", "ordered "+v.ID)
	time.Sleep(20 * time.Millisecond)
	return nil
}
