package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/ledger"
)

// Crash between any two writes of the pay-out, in this process: each commit once
// lost and once done without an answer, and the house opened anew after it.
func TestEveryCommit(t *testing.T) {
	for _, how := range []string{"lost", "muted"} {
		t.Run(how, func(t *testing.T) {
			tpl := t.TempDir()
			h := &house{T: t, ctx: t.Context(), dir: tpl, clock: ident.NewManualClock(start), faults: &db.Faults{}}
			h.open()
			h.ok(prepare(h.ctx, h.a, 2))
			h.ok(h.a.Close())
			for k := 1; ; k++ {
				h := &house{T: t, ctx: t.Context(), dir: t.TempDir(), clock: ident.NewManualClock(start), faults: &db.Faults{}}
				h.ok(copyDir(tpl, h.dir))
				h.open()
				if how == "lost" {
					h.faults.LoseCommit(k)
				} else {
					h.faults.MuteCommit(k)
				}
				before := h.faults.Commits()
				err := h.payOut()
				struck := h.faults.Commits() >= before+k
				h.faults.LoseCommit(-1)
				h.faults.MuteCommit(-1)
				if err != nil && !struck {
					t.Fatalf("commit %d: %v", k, err)
				}
				h.reopen()
				h.ok(h.payOut())
				paid, err := paidInBooks(h.ctx, h.a)
				h.ok(err)
				if len(paid) != 2 || len(h.desk.bank.Paid()) != 2 || h.desk.err != nil {
					t.Fatalf("commit %d %s: the books paid %v, the bank %v, %v", k, how, paid, h.desk.bank.Paid(), h.desk.err)
				}
				if found := h.found(); len(found) > 0 {
					t.Fatalf("commit %d %s: %v", k, how, found)
				}
				h.ok(h.a.Close())
				if !struck {
					t.Logf("%d commits", k-1)
					return
				}
			}
		})
	}
}

// R13: no journal can be changed, cut or emptied by SQL, on both databases.
func TestR13AppendOnly(t *testing.T) {
	both(t, func(t *testing.T, dialect db.Dialect) {
		h := paidHouse(t, dialect, 2)
		tables := []string{"ledger_transfers", "ledger_accounts", "audit_leaf", "audit_signed", "audit_detail", "audit_head"}
		columns := []string{"memo", "currency", "act", "note", "detail", "one"}
		for i, table := range tables {
			statements := []string{"delete from " + table, "update " + table + " set " + columns[i] + " = " + columns[i] + " || 'x'"}
			if columns[i] == "one" {
				statements[1] = "update audit_head set size = size - 1"
			}
			if dialect == db.Postgres {
				statements = append(statements, "truncate "+table)
			}
			for _, s := range statements {
				if err := h.exec(s); err == nil {
					t.Errorf("allowed: %s", s)
				}
			}
		}
		if found := h.found(); len(found) > 0 {
			t.Fatal(found)
		}
	})
}

// The control of R13: without the triggers SQL gets through, and Verify sees it.
func TestR13ControlTriggersDropped(t *testing.T) {
	both(t, func(t *testing.T, dialect db.Dialect) {
		h := paidHouse(t, dialect, 2)
		h.dropTriggers()
		h.ok(h.exec("update ledger_transfers set memo = 'x' where kind = 'post'"))
		h.ok(h.exec("delete from audit_leaf where idx = (select max(idx) from audit_leaf)"))
		if found := strings.Join(h.found(), "\n"); !strings.Contains(found, "body_altered") || !strings.Contains(found, "audit") &&
			!strings.Contains(found, "entry") {
			t.Fatal("not found: ", found)
		}
	})
}

// unsealed are the columns that repeat something for searching and that nothing
// compares with it yet; an altered one goes unseen.
var unsealed = map[string]bool{"ledger_transfers.at": true, "audit_signed.at": true, "ledger_accounts.guarded": true}

// cell is a place in a table that somebody may alter.
type cell struct{ table, column, key string }

// R14: whatever is altered in the tables of the books and of the log is found;
// what is put back as it was is clean again.
func TestR14Tampered(t *testing.T) {
	h := paidHouse(t, db.SQLite, 3)
	h.dropTriggers()
	if found := h.found(); len(found) > 0 {
		t.Fatal("unedited and not clean: ", found)
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	cells := slices.DeleteFunc(h.cells(map[string]string{"ledger_transfers": "id", "ledger_accounts": "id", "audit_leaf": "idx",
		"audit_detail": "id", "audit_signed": "size", "audit_head": "one"}), func(c cell) bool { return unsealed[c.table+"."+c.column] })
	for range 400 {
		c := cells[rnd.IntN(len(cells))]
		row, before, after := h.edit(rnd, c)
		if after == nil {
			continue
		}
		if found := h.found(); len(found) == 0 {
			t.Errorf("seed %d: %s.%s of %v was %v, is %v, and nothing was found", seed, c.table, c.column, row, before, after)
		}
		key := c.key
		if c.column == c.key {
			row = after
		}
		h.ok(h.exec(fmt.Sprintf("update %s set %s = $1 where %s = $2", c.table, c.column, key), before, row))
	}
	if found := h.found(); len(found) > 0 {
		t.Fatal("put back and not clean: ", found)
	}
}

// cells lists the columns of the tables.
func (h *house) cells(keys map[string]string) (all []cell) {
	h.Helper()
	for _, table := range sortedKeys(keys) {
		h.ok(h.a.DB.View(h.ctx, func(tx *db.Tx) error {
			return tx.Rows("select name from pragma_table_info($1)", []any{table}, func(scan func(...any) error) error {
				c := cell{table: table, key: keys[table]}
				err := scan(&c.column)
				all = append(all, c)
				return err
			})
		}))
	}
	return all
}

// edit alters a cell of a random row; after is nil if the table refuses it.
func (h *house) edit(rnd *rand.Rand, c cell) (row, before, after any) {
	h.Helper()
	h.ok(h.a.DB.View(h.ctx, func(tx *db.Tx) error {
		var n int
		if _, err := tx.Row([]any{&n}, "select count(*) from "+c.table); err != nil {
			return err
		}
		_, err := tx.Row([]any{&row, &before}, fmt.Sprintf("select %s, %s from %s order by %s limit 1 offset %d",
			c.key, c.column, c.table, c.key, rnd.IntN(n)))
		return err
	}))
	switch v := before.(type) {
	case int64:
		after = v + 1 + rnd.Int64N(9)
	case string:
		after = v + "x"
	case []byte:
		b := append([]byte(nil), v...)
		if len(b) == 0 {
			return row, before, nil
		}
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
		after = b
	default:
		h.Fatalf("a %T in %s.%s", v, c.table, c.column)
	}
	if h.exec(fmt.Sprintf("update %s set %s = $1 where %s = $2", c.table, c.column, c.key), after, row) != nil {
		return row, before, nil // a constraint is quicker than Verify
	}
	return row, before, after
}

// The controls of R8, R15, R23 and R26: each broken house is found by the check
// that it is meant for, and the house before the break is clean.
func TestControls(t *testing.T) {
	books := func(h *house) []string {
		rep, err := ledger.Check(h.ctx, h.a.DB)
		h.ok(err)
		return rep.Problems
	}
	for name, c := range map[string]struct {
		sql   string
		check func(*house) []string
		says  string
	}{
		"R8ControlTampered": {"update ledger_accounts set debits_posted = debits_posted + 1 where id = 'bank:safeguarded'",
			books, "balance_differs"},
		"R15ControlNoApproval": {"update fund_payout set approval = '' where id = (select min(id) from fund_payout)",
			(*house).walked, "0 people approved"},
		"R15ControlNoDecision": {"delete from claim_decision where claim = (select min(claim) from claim_decision)",
			(*house).walked, "nobody decided"},
		"R15ControlOtherAmount": {"update claim_decision set amount = amount - 1 where claim = (select min(claim) from claim_decision)",
			(*house).walked, "the decision on claim"},
		"R15ControlNoPayout": {"delete from fund_payout where id = (select min(id) from fund_payout)",
			(*house).walked, "no payout ordered it"},
		"R23ControlOneHand": {"delete from approval_signatures where staff = 'stf_compliance'", (*house).walked, "1 people approved"},
		"R26ControlUnrecorded": {"update fund_payout set state = 'returned', version = version + 1 where id = (select min(id) from fund_payout)",
			(*house).trailed, "its 3 records lead to settled"},
		"R26ControlClaim": {"update claim set version = version + 1 where id = (select min(id) from claim)",
			(*house).trailed, "the log has"},
	} {
		t.Run(name, func(t *testing.T) {
			h := paidHouse(t, db.SQLite, 2)
			if found := c.check(h); len(found) > 0 {
				t.Fatal("not clean before: ", found)
			}
			h.dropTriggers()
			h.ok(h.exec(c.sql))
			if found := strings.Join(c.check(h), "\n"); !strings.Contains(found, c.says) {
				t.Fatalf("found %q, want %q", found, c.says)
			}
		})
	}
}

// R15 and R26 on the incident of the tests, on both databases.
func TestR15ExplainedR26Trail(t *testing.T) {
	both(t, func(t *testing.T, dialect db.Dialect) {
		h := paidHouse(t, dialect, 5)
		if found := h.found(); len(found) > 0 {
			t.Fatal(found)
		}
		if paid, err := paidInBooks(h.ctx, h.a); err != nil || len(paid) != 5 {
			t.Fatal("nothing was there to explain: ", paid, err)
		}
	})
}

// The control of R9: a hold that has ended twice is found once the index that
// stops it is gone.
func TestR9ControlTwoEnds(t *testing.T) {
	both(t, func(t *testing.T, dialect db.Dialect) {
		h := paidHouse(t, dialect, 2)
		second := `insert into ledger_transfers (id, debit, credit, amount, currency, kind, pending, code, ref, memo, at, expires, body)
select 'second', debit, credit, amount, currency, kind, pending, code, ref, memo, at, expires, body from ledger_transfers
where id = (select min(id) from ledger_transfers where kind = 'post')`
		if h.exec(second) == nil {
			t.Fatal("a hold ended twice")
		}
		h.ok(h.exec("drop index ledger_resolved_once"))
		h.ok(h.exec(second))
		if found := strings.Join(h.found(), "\n"); !strings.Contains(found, "resolved_twice") {
			t.Fatal(found)
		}
	})
}
