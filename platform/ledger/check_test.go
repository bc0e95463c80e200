package ledger_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
)

// Whoever gets past the triggers is found: each way of tampering by its name.
func TestCheckFindsTampering(t *testing.T) {
	const journal, accounts = "update ledger_transfers set ", "update ledger_accounts set "
	for name, c := range map[string]struct {
		without string // the trigger that is dropped first
		sql     string
		finds   string
	}{
		"a balance":         {"", accounts + "credits_posted = 1001 where id = 'fund'", `balance_differs: account "fund"`},
		"both sides alike":  {"", accounts + "credits_posted = 1001, debits_posted = 1 where id = 'fund'", `balance_differs: account "fund"`},
		"a held sum":        {"", accounts + "credits_pending = 7 where id = 'bank'", `balance_differs: account "bank"`},
		"one currency":      {"", accounts + "debits_posted = 9 where id = 'yen'", `currency_unbalanced: currency "JPY"`},
		"an amount":         {"change", journal + "amount = 999 where id = 's1'", `balance_differs: account "bank"`},
		"an amount's trace": {"change", journal + "amount = 999 where id = 's1'", `body_altered: transfer "s1"`},
		"a reference":       {"change", journal + "ref = 'clm_2' where id = 's1'", `body_altered: transfer "s1"`},
		"an earmark":        {"change", journal + "ref = 'clm_2' where id = 'own'", `purpose_broken: transfer "own"`},
		"an account":        {"change", journal + "debit = 'none' where id = 's1'", `account_wrong: transfer "s1"`},
		"a transfer gone":   {"remove", "delete from ledger_transfers where id = 's1'", `balance_differs: account "fund"`},
		"a pending gone":    {"remove", "delete from ledger_transfers where id = 'p1'", `orphan_resolution: transfer "q1"`},
		"an account gone":   {"close", "delete from ledger_accounts where id = 'earmark'", `account_wrong: transfer "s2"`},
		"a guard":           {"terms", accounts + "guarded = true where id = 'minus'", `guard_broken: account "minus"`},
		"a post too large":  {"change", journal + "amount = 11 where id = 'q1'", `orphan_resolution: transfer "q1"`},
		"a late post":       {"change", journal + "at = 4000000000000000 where id = 'q1'", `orphan_resolution: transfer "q1"`},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
				b := tampered(t, d)
				b.check()
				err := b.update(func(tx *db.Tx) error {
					if err := dropTrigger(tx, c.without); err != nil {
						return err
					}
					// A guard that is set later breaks its CHECK, which goes first.
					if name == "a guard" {
						return dropGuards(tx, c.sql)
					}
					n, err := tx.Exec(c.sql)
					if n != 1 {
						t.Errorf("%d rows were changed", n)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				rep, err := ledger.Check(context.Background(), d)
				if err != nil || rep.Balanced || !strings.Contains(strings.Join(rep.Problems, "\n"), c.finds) {
					t.Fatalf("want %q among %q (%v)", c.finds, rep.Problems, err)
				}
			})
		})
	}
}

func tampered(t *testing.T, d *db.DB) *books {
	b := newBooks(t, d)
	b.openStandard()
	own := single("own", "earmark", "bank", 5)
	own.Ref = "clm_1"
	b.open(ledger.Account{ID: "minus", Currency: "CNY", Side: ledger.Credit})
	b.ok(own, b.pending("p1", 10, time.Hour), single("m", "minus", "world", 4))
	b.ok(ledger.Transfer{ID: "q1", Kind: ledger.Post, Pending: "p1", Amount: cny(6)})
	return b
}

func dropTrigger(tx *db.Tx, name string) error {
	if name == "" {
		return nil
	}
	trigger, table := map[string]string{"change": "ledger_transfers_no_update", "remove": "ledger_transfers_no_delete",
		"close": "ledger_accounts_no_delete", "terms": "ledger_accounts_fixed"}[name], "ledger_transfers"
	if name == "close" || name == "terms" {
		table = "ledger_accounts"
	}
	q := "drop trigger " + trigger
	if tx.Dialect() == db.Postgres {
		q += " on " + table
	}
	_, err := tx.Exec(q)
	return err
}

func dropGuards(tx *db.Tx, q string) error {
	before, after := "alter table ledger_accounts drop constraint ledger_guard_credit", ""
	if tx.Dialect() == db.SQLite {
		before, after = "pragma ignore_check_constraints = on", "pragma ignore_check_constraints = off"
	}
	for _, s := range []string{before, q, after} {
		if s == "" {
			continue
		}
		if _, err := tx.Exec(s); err != nil {
			return err
		}
	}
	return nil
}
