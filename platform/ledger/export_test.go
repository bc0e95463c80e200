package ledger_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
)

// Debian's hledger and beancount read the exports, find nothing wrong, and come
// to the same balances to the minor unit. A missing program fails the test.
func TestOutsideProgramsAgree(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		fillForExport(t, b)
		want := b.posted()
		dir := t.TempDir()
		write := func(name string, export func(context.Context, *db.DB, *bytes.Buffer) error) string {
			var buf bytes.Buffer
			if err := export(t.Context(), d, &buf); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		journal := write("books.journal", func(c context.Context, d *db.DB, w *bytes.Buffer) error {
			return ledger.ExportHledger(c, d, w)
		})
		run(t, "hledger", "-f", journal, "check", "--strict")
		compare(t, "hledger", want, run(t, "hledger", "-f", journal, "bal", "--flat", "-N", "-E", "-O", "csv"))

		bean := write("books.beancount", func(c context.Context, d *db.DB, w *bytes.Buffer) error {
			return ledger.ExportBeancount(c, d, w)
		})
		run(t, "bean-check", bean)
		compare(t, "beancount", want, run(t, "bean-query", "-f", "csv", bean,
			"select account, sum(position) group by account"))
	})
}

// fillForExport makes books with every awkward name, currency and memo.
func fillForExport(t *testing.T, b *books) {
	ids := []string{"a", "A", "a:b", "a:B", "a::b", ":a", "a:", "a-b", "a_b", "a.b", "a--b", "-a", "_a", "-_a", ".a",
		"0a", "0-cA", "0", "W100043", "fund:emergency:free", "fund:emergency:claim.clm_01k8z3", "0-e", "0-sa", "-ua"}
	b.open(ledger.Account{ID: "bank", Currency: money.CNY, Side: ledger.Debit})
	for i, id := range ids {
		b.open(ledger.Account{ID: id, Currency: money.CNY, Side: ledger.Credit, Guarded: true})
		b.ok(ledger.Transfer{ID: id, Debit: "bank", Credit: id, Amount: money.Of(int64(101+i*13), money.CNY),
			Code: "fill", Memo: `in; "quoted" \ date:2026-99-99 [2026-13-13] 备注`})
	}
	for cur, minor := range map[money.Currency]int64{"JPY": 5, "KWD": 1234, "USD": 7} {
		b.open(ledger.Account{ID: "cash." + string(cur), Currency: cur, Side: ledger.Debit},
			ledger.Account{ID: "due." + string(cur), Currency: cur, Side: ledger.Credit})
		b.ok(ledger.Transfer{ID: "x" + string(cur), Debit: "cash." + string(cur), Credit: "due." + string(cur),
			Amount: money.Of(minor, cur)})
	}
	hold := func(id string) ledger.Transfer {
		return ledger.Transfer{ID: id, Debit: "a:b", Credit: "bank", Amount: money.Of(10, money.CNY),
			Kind: ledger.Pending, Expires: b.clock.Now().Add(time.Hour)}
	}
	b.ok(hold("p1"), hold("p2"), hold("p3"), hold("p4"))
	b.ok(ledger.Transfer{ID: "post1", Kind: ledger.Post, Pending: "p1", Amount: money.Of(7, money.CNY)},
		ledger.Transfer{ID: "void2", Kind: ledger.Void, Pending: "p2"})
	b.clock.Advance(2 * time.Hour)
	b.expire()
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// compare reads "account,amount currency" lines.
func compare(t *testing.T, who string, want map[string]string, out string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v\n%s", who, err, out)
	}
	got := map[string]string{}
	for _, r := range rows[1:] {
		got[strings.TrimSpace(r[0])] = strings.Join(strings.Fields(r[1]), " ")
	}
	moved := 0
	for name, amount := range want {
		if strings.HasPrefix(amount, "0 ") || strings.HasPrefix(amount, "0.0") {
			continue // bean-query leaves out what never moved
		}
		moved++
		if got[name] != amount {
			t.Errorf("%s: %s has %q, want %q", who, name, got[name], amount)
		}
	}
	if moved < 20 {
		t.Fatalf("only %d balances were compared", moved)
	}
	for name := range got {
		if _, known := want[name]; !known {
			t.Errorf("%s: %s is not an account of ours", who, name)
		}
	}
}
