package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
)

// openStandard opens a bank, two funds, an earmark for a claim and yen.
func (b *books) openStandard() {
	b.open(
		ledger.Account{ID: "bank", Currency: money.CNY, Side: ledger.Debit, Guarded: true},
		ledger.Account{ID: "world", Currency: money.CNY, Side: ledger.Credit},
		ledger.Account{ID: "fund", Currency: money.CNY, Side: ledger.Credit, Guarded: true},
		ledger.Account{ID: "other", Currency: money.CNY, Side: ledger.Credit, Guarded: true},
		ledger.Account{ID: "earmark", Currency: money.CNY, Side: ledger.Credit, Guarded: true, Purpose: "clm_1"},
		ledger.Account{ID: "safe", Currency: money.CNY, Side: ledger.Debit, Purpose: "clm_1"},
		ledger.Account{ID: "yen", Currency: "JPY", Side: ledger.Credit},
	)
	b.ok(
		ledger.Transfer{ID: "s1", Debit: "bank", Credit: "fund", Amount: cny(1000)},
		ledger.Transfer{ID: "s2", Debit: "bank", Credit: "earmark", Amount: cny(500)},
		ledger.Transfer{ID: "s3", Debit: "safe", Credit: "world", Amount: cny(300)},
	)
}

func single(id, debit, credit string, minor int64) ledger.Transfer {
	return ledger.Transfer{ID: id, Debit: debit, Credit: credit, Amount: cny(minor)}
}

func (b *books) pending(id string, minor int64, life time.Duration) ledger.Transfer {
	t := single(id, "fund", "bank", minor)
	t.Kind = ledger.Pending
	if life > 0 {
		t.Expires = b.clock.Now().Add(life)
	}
	return t
}

// Refusals have a fixed precedence: each line breaks its own rule and, where it
// can, rules further down; the first one is the answer.
func TestPrecedence(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		b.ok(b.pending("held", 100, 0), b.pending("posted", 10, 0), b.pending("voided", 10, 0),
			b.pending("expired", 10, time.Hour), b.pending("late", 10, 3*time.Hour))
		b.ok(ledger.Transfer{ID: "post1", Kind: ledger.Post, Pending: "posted"},
			ledger.Transfer{ID: "void1", Kind: ledger.Void, Pending: "voided"})
		b.clock.Advance(2 * time.Hour)
		if n := b.expire(); n != 1 {
			t.Fatalf("%d expired, want 1", n)
		}
		b.clock.Advance(2 * time.Hour)
		for i, c := range b.refusals() {
			if err := b.try(c.t); ident.CodeOf(err) != c.code {
				t.Errorf("line %d: got %v, want %q", i+1, err, c.code)
			}
		}
		b.stands("fund", 110, 110, 0)
		b.check()
	})
}

// refusal is a transfer and the code that it must be refused with.
type refusal struct {
	code string
	t    ledger.Transfer
}

func (b *books) refusals() []refusal {
	soon, past := b.clock.Now().Add(time.Hour), b.clock.Now().Add(-time.Hour)
	long := strings.Repeat("x", 65)
	type tr = ledger.Transfer
	const most = 4_000_000_000_000_000_000
	alone := []refusal{
		{"required", tr{Kind: "odd"}},
		{"too_long", tr{ID: long, Kind: "odd"}},
		{"bad_character", tr{ID: "ü", Kind: "odd"}},
		{"id_reserved", tr{ID: "expire.1", Kind: "odd"}},
		{"kind_unknown", tr{ID: "n", Kind: "odd"}},
		{"kind_unknown", tr{ID: "n", Kind: ledger.Expire, Pending: "held"}},
		{"required", tr{ID: "n", Credit: "a b"}},
		{"bad_character", tr{ID: "n", Debit: "x", Credit: "a b"}},
		{"accounts_same", tr{ID: "n", Debit: "x", Credit: "x"}},
		{"currency_unknown", tr{ID: "n", Debit: "x", Credit: "y", Pending: "held"}},
		{"amount_not_positive", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(0), Pending: "held"}},
		{"amount_not_positive", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(-1), Pending: "held"}},
		{"amount_too_large", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(most + 1), Pending: "held"}},
		{"pending_unexpected", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), Pending: "held", Code: "ü"}},
		{"required", tr{ID: "n", Kind: ledger.Post, Amount: cny(-1)}},
		{"pending_itself", tr{ID: "n", Kind: ledger.Post, Pending: "n", Amount: cny(-1)}},
		{"bad_character", tr{ID: "n", Kind: ledger.Void, Pending: "none", Debit: "ü", Amount: cny(-1)}},
		{"amount_not_positive", tr{ID: "n", Kind: ledger.Post, Pending: "none", Amount: cny(-1), Code: "ü"}},
		{"bad_character", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), Code: "ü", Memo: "\x00"}},
		{"bad_character", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), Ref: "ü", Memo: "\x00"}},
		{"memo_too_long", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), Memo: strings.Repeat("\n", 501)}},
		{"memo_unreadable", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), Memo: "a\nb", At: time.Unix(0, 0)}},
		{"time_invalid", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), At: time.Unix(0, 0), Expires: soon}},
		{"expires_unexpected", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), Expires: past}},
		{"expires_early", tr{ID: "n", Debit: "x", Credit: "y", Amount: cny(1), Kind: ledger.Pending, Expires: past}},
	}
	return append(alone, b.refusalsByBooks(soon)...)
}

func (b *books) refusalsByBooks(soon time.Time) []refusal {
	type tr = ledger.Transfer
	const most = 4_000_000_000_000_000_000
	return []refusal{
		{"pending_transfer_not_found", tr{ID: "s1", Kind: ledger.Post, Pending: "none"}},
		{"not_pending", tr{ID: "s1", Kind: ledger.Post, Pending: "s2", Amount: cny(9999)}},
		{"transfer_exists", tr{ID: "s1", Debit: "none", Credit: "yen", Amount: cny(1)}},
		{"transfer_exists", tr{ID: "post1", Kind: ledger.Void, Pending: "posted"}},
		{"transfer_exists", tr{ID: "held", Debit: "fund", Credit: "bank", Amount: cny(100), Kind: ledger.Pending,
			Expires: soon}},
		{"pending_differs", tr{ID: "n", Kind: ledger.Post, Pending: "posted", Debit: "none", Amount: cny(9999)}},
		{"pending_differs", tr{ID: "n", Kind: ledger.Post, Pending: "posted", Amount: money.Of(9999, "JPY")}},
		{"pending_differs", tr{ID: "n", Kind: ledger.Void, Pending: "posted", Amount: cny(1)}},
		{"post_too_large", tr{ID: "n", Kind: ledger.Post, Pending: "posted", Amount: cny(11)}},
		{"already_posted", tr{ID: "n", Kind: ledger.Post, Pending: "posted"}},
		{"already_voided", tr{ID: "n", Kind: ledger.Void, Pending: "voided"}},
		{"already_expired", tr{ID: "n", Kind: ledger.Post, Pending: "expired"}},
		{"pending_expired", tr{ID: "n", Kind: ledger.Post, Pending: "late"}},
		{"pending_expired", tr{ID: "n", Kind: ledger.Void, Pending: "late"}},
		{"pending_expired", tr{ID: "n", Kind: ledger.Post, Pending: "late", At: b.clock.Now().Add(-4 * time.Hour)}},
		{"account_not_found", tr{ID: "n", Debit: "none", Credit: "yen", Amount: cny(1)}},
		{"account_not_found", tr{ID: "n", Debit: "yen", Credit: "none", Amount: cny(1)}},
		{"currency_differs", tr{ID: "n", Debit: "earmark", Credit: "yen", Amount: cny(1)}},
		{"currency_differs", tr{ID: "n", Debit: "earmark", Credit: "fund", Amount: money.Of(5, "JPY")}},
		{"purpose_differs", tr{ID: "n", Debit: "earmark", Credit: "fund", Amount: cny(9999)}},
		{"purpose_differs", tr{ID: "n", Debit: "earmark", Credit: "fund", Amount: cny(9999), Ref: "clm_2"}},
		{"purpose_differs", tr{ID: "n", Debit: "world", Credit: "safe", Amount: cny(1), Ref: "clm_2"}},
		{"sum_too_large", tr{ID: "n", Debit: "fund", Credit: "bank", Amount: cny(most)}},
		{"balance_too_low", tr{ID: "n", Debit: "fund", Credit: "bank", Amount: cny(891)}},
		{"balance_too_low", tr{ID: "n", Debit: "fund", Credit: "bank", Amount: cny(891), Kind: ledger.Pending}},
		{"balance_too_low", tr{ID: "n", Debit: "world", Credit: "bank", Amount: cny(9999)}},
		{"", tr{ID: "n", Debit: "fund", Credit: "bank", Amount: cny(880)}},
	}
}

// A pending and what may happen to it, each state with each event.
func TestPendingEveryStateEveryEvent(t *testing.T) {
	states := []string{"open", "posted", "voided", "expired", "overdue"}
	answers := map[string][]string{ // by event, in the order of states
		"post":   {"", "already_posted", "already_voided", "already_expired", "pending_expired"},
		"part":   {"", "already_posted", "already_voided", "already_expired", "pending_expired"},
		"void":   {"", "already_posted", "already_voided", "already_expired", "pending_expired"},
		"expire": {"0", "0", "0", "0", "1"},
	}
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		spent := int64(0)
		for event, want := range answers {
			for i, state := range states {
				id := state + "." + event
				b.ok(b.pending(id, 10, time.Hour))
				b.stands("fund", 1000-spent, 10, 990-spent)
				switch state {
				case "posted":
					b.ok(ledger.Transfer{ID: id + ".1", Kind: ledger.Post, Pending: id})
					spent += 10
				case "voided":
					b.ok(ledger.Transfer{ID: id + ".1", Kind: ledger.Void, Pending: id})
				case "expired", "overdue":
					b.clock.Advance(time.Hour)
					if state == "expired" {
						b.expire()
					}
				}
				got := ""
				switch event {
				case "post":
					got = ident.CodeOf(b.try(ledger.Transfer{ID: id + ".2", Kind: ledger.Post, Pending: id}))
				case "part":
					got = ident.CodeOf(b.try(ledger.Transfer{ID: id + ".2", Kind: ledger.Post, Pending: id, Amount: cny(4)}))
				case "void":
					got = ident.CodeOf(b.try(ledger.Transfer{ID: id + ".2", Kind: ledger.Void, Pending: id}))
				case "expire":
					got = fmt.Sprint(b.expire())
				}
				if got != want[i] {
					t.Fatalf("%s a pending that is %s: %q, want %q", event, state, got, want[i])
				}
				spent += map[string]int64{"open.post": 10, "open.part": 4}[id]
				if id == "open.expire" {
					b.ok(ledger.Transfer{ID: id + ".3", Kind: ledger.Void, Pending: id})
				}
				b.clock.Advance(time.Hour)
				b.expire()
				b.stands("fund", 1000-spent, 0, 1000-spent)
			}
		}
		b.check()
	})
}

// The same id and body is the same answer and moves nothing, also after the
// pending has ended, at another time, and within one batch.
func TestAskingAgain(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		pay := single("pay", "fund", "bank", 10)
		pay.Ref, pay.Memo, pay.Code = "clm_9", "备注", "payout"
		hold := b.pending("hold", 20, time.Hour)
		post := ledger.Transfer{ID: "post", Kind: ledger.Post, Pending: "hold", Amount: cny(15)}
		b.ok(pay, hold, post, pay, post)
		b.stands("fund", 975, 0, 975)
		b.clock.Advance(3 * time.Hour)
		b.ok(pay, hold, post)                  // the same moment of expiry
		b.ok(b.pending("hold", 20, time.Hour)) // the same interval
		b.stands("fund", 975, 0, 975)
		for _, other := range []func(*ledger.Transfer){
			func(t *ledger.Transfer) { t.Amount = cny(11) },
			func(t *ledger.Transfer) { t.Memo = "x" },
			func(t *ledger.Transfer) { t.Ref = "" },
			func(t *ledger.Transfer) { t.Code = "x" },
			func(t *ledger.Transfer) { t.Credit = "other" },
			func(t *ledger.Transfer) { t.Kind = ledger.Pending },
		} {
			changed := pay
			other(&changed)
			b.refused("transfer_exists", changed)
			changed.ID, pay.ID = "fresh", "fresh"
			b.refused("transfer_exists", pay, changed)
			pay.ID = "pay"
		}
		b.refused("transfer_exists", b.pending("hold", 20, 0))
		b.stands("fund", 975, 0, 975)
		b.check()
	})
}

// A batch is all or nothing, even if the caller swallows the error; its guards
// are judged at its end and its transfers in order.
func TestBatch(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		b.ok(single("b1", "other", "fund", 50), single("b2", "fund", "other", 50)) // other was empty
		b.refused("balance_too_low", single("b3", "fund", "other", 10), single("b4", "other", "bank", 11))
		b.stands("other", 0, 0, 0)
		b.refused("pending_transfer_not_found", ledger.Transfer{ID: "b6", Kind: ledger.Post, Pending: "b5"},
			b.pending("b5", 5, 0))
		b.ok(b.pending("b5", 5, 0), ledger.Transfer{ID: "b6", Kind: ledger.Post, Pending: "b5", Amount: cny(2)})
		b.stands("fund", 998, 0, 998)
		err := b.update(func(tx *db.Tx) error {
			if err := b.l.Transfer(tx, single("b7", "fund", "other", 1), single("b8", "earmark", "bank", 1)); err == nil {
				return errors.New("the earmark gave money away")
			}
			if err := b.l.Transfer(tx, single("b9", "fund", "other", 1), single("b10", "other", "bank", 7)); err == nil {
				return errors.New("the guard did not hold")
			}
			return b.l.Transfer(tx, single("b11", "fund", "other", 3))
		})
		if err != nil {
			t.Fatal(err)
		}
		b.stands("fund", 995, 0, 995)
		b.stands("other", 3, 0, 3)
		var many []ledger.Transfer
		for i := range 1000 {
			many = append(many, single(fmt.Sprint("m", i), "bank", "fund", 1))
		}
		b.ok(many...)
		b.stands("fund", 1995, 0, 1995)
		b.check()
	})
}

// The earmark pays its own victim only, also when the program asks otherwise.
func TestEarmark(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		for i, ref := range []string{"", "clm_2", "clm_11"} {
			pay := single(fmt.Sprint("e", i), "earmark", "bank", 1)
			pay.Ref = ref
			b.refused("purpose_differs", pay)
			pay.Kind = ledger.Pending
			b.refused("purpose_differs", pay)
			// And past all our code:
			err := b.update(func(tx *db.Tx) error { return b.insertRaw(tx, pay) })
			if !ident.Is(err, ident.KindLimit) {
				t.Fatalf("the database let an earmark go to %q: %v", ref, err)
			}
		}
		own := single("own", "earmark", "bank", 100)
		own.Ref, own.Kind = "clm_1", ledger.Pending
		b.ok(own)
		b.refused("purpose_differs", ledger.Transfer{ID: "p1", Kind: ledger.Post, Pending: "own", Ref: "clm_2"})
		b.ok(ledger.Transfer{ID: "p2", Kind: ledger.Post, Pending: "own", Amount: cny(60)})
		b.ok(single("in", "fund", "earmark", 5)) // anybody may add
		b.stands("earmark", 445, 0, 445)
		b.check()
	})
}

func (b *books) insertRaw(tx *db.Tx, t ledger.Transfer) error {
	_, err := tx.Exec(`insert into ledger_transfers
		(id, debit, credit, amount, currency, kind, pending, code, ref, memo, at, expires, body)
		values ($1, $2, $3, $4, $5, $6, $7, '', $8, '', $9, 0, $10)`, t.ID, t.Debit, t.Credit, t.Amount.Minor,
		string(t.Amount.Currency), string(t.Kind), t.Pending, t.Ref, ident.Micros(b.clock.Now()), []byte("x"))
	return err
}

// The database itself refuses what would break the books.
func TestDatabaseRefuses(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		b.ok(b.pending("h1", 10, time.Hour), b.pending("h2", 10, 0))
		b.ok(ledger.Transfer{ID: "p2", Kind: ledger.Post, Pending: "h2"})
		raw := func(t ledger.Transfer) func(tx *db.Tx) error {
			return func(tx *db.Tx) error { return b.insertRaw(tx, t) }
		}
		exec := func(q string) func(tx *db.Tx) error {
			return func(tx *db.Tx) error { _, err := tx.Exec(q); return err }
		}
		post := func(pending string, minor int64) ledger.Transfer {
			return ledger.Transfer{ID: "r", Debit: "fund", Credit: "bank", Amount: cny(minor), Kind: ledger.Post, Pending: pending}
		}
		kind := func(t ledger.Transfer, k ledger.Kind) ledger.Transfer { t.Kind = k; return t }
		cases := map[string]func(tx *db.Tx) error{
			"change a transfer":     exec("update ledger_transfers set memo = 'x' where id = 's1'"),
			"remove a transfer":     exec("delete from ledger_transfers where id = 's1'"),
			"remove an account":     exec("delete from ledger_accounts where id = 'yen'"),
			"lift a guard":          exec("update ledger_accounts set guarded = false where id = 'fund'"),
			"change a purpose":      exec("update ledger_accounts set purpose = 'clm_2' where id = 'earmark'"),
			"overdraw":              exec("update ledger_accounts set debits_posted = 5000 where id = 'fund'"),
			"hold too much":         exec("update ledger_accounts set debits_pending = 5000 where id = 'fund'"),
			"overdraw a debit side": exec("update ledger_accounts set credits_posted = 5000 where id = 'bank'"),
			"an amount of zero":     raw(kind(single("r", "fund", "bank", 0), ledger.Single)),
			"one account twice":     raw(kind(single("r", "fund", "fund", 1), ledger.Single)),
			"an account unknown":    raw(kind(single("r", "fund", "none", 1), ledger.Single)),
			"another currency":      raw(kind(single("r", "fund", "yen", 1), ledger.Single)),
			"a post without one":    raw(post("none", 1)),
			"a post of a single":    raw(post("s1", 1)),
			"a post of too much":    raw(post("h1", 11)),
			"a void of a part":      raw(kind(post("h1", 9), ledger.Void)),
			"an early expiry":       raw(kind(post("h1", 10), ledger.Expire)),
			"a second post":         raw(post("h2", 1)),
			"a post unnamed":        raw(kind(single("r", "fund", "bank", 1), ledger.Post)),
		}
		if d.Dialect() == db.Postgres {
			cases["empty the journal"] = exec("truncate ledger_transfers")
			cases["empty the accounts"] = exec("truncate ledger_accounts")
		}
		for name, fn := range cases {
			if err := b.update(fn); !ident.Is(err, ident.KindLimit) && !ident.Is(err, ident.KindConflict) {
				t.Errorf("the database allowed to %s: %v", name, err)
			}
		}
		b.clock.Advance(2 * time.Hour)
		if err := b.update(raw(post("h1", 1))); !ident.Is(err, ident.KindLimit) {
			t.Errorf("the database allowed a late post: %v", err)
		}
		b.check()
	})
}

func TestOpenAccounts(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		fund := ledger.Account{ID: "fund", Currency: money.CNY, Side: ledger.Credit, Guarded: true}
		b.open(fund, fund)
		b.stands("fund", 1000, 0, 1000)
		for code, change := range map[string]func(*ledger.Account){
			"account_exists":   func(a *ledger.Account) { a.Guarded = false },
			"side_unknown":     func(a *ledger.Account) { a.Side = "" },
			"currency_unknown": func(a *ledger.Account) { a.Currency = "XXZ" },
			"bad_character":    func(a *ledger.Account) { a.ID = "a b" },
		} {
			a := fund
			change(&a)
			fresh := ledger.Account{ID: "fresh", Currency: money.CNY, Side: ledger.Debit}
			err := b.update(func(tx *db.Tx) error { return b.l.OpenAccounts(tx, fresh, a) })
			if ident.CodeOf(err) != code {
				t.Errorf("got %v, want %s", err, code)
			}
		}
		if n := len(b.balances()); n != 7 {
			t.Fatalf("%d accounts, want 7", n)
		}
		err := d.View(context.Background(), func(tx *db.Tx) error { _, err := b.l.Balance(tx, "fresh"); return err })
		if !ident.Is(err, ident.KindNotFound) {
			t.Fatal(err)
		}
	})
}

func TestReading(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		b := newBooks(t, d)
		b.openStandard()
		for i := range 5 {
			b.clock.Advance(time.Second)
			b.ok(ledger.Transfer{ID: fmt.Sprint("r", i), Debit: "fund", Credit: "bank", Amount: cny(1), Ref: "clm_7",
				Code: fmt.Sprint("c", i%2), Memo: "m"})
		}
		b.ok(b.pending("open", 3, time.Hour), b.pending("done", 4, 0))
		b.ok(ledger.Transfer{ID: "end", Kind: ledger.Void, Pending: "done"})
		err := d.View(context.Background(), func(tx *db.Tx) error {
			for want, f := range map[string]ledger.Filter{
				"r4 r3 r2 r1 r0": {Ref: "clm_7"},
				"r4 r2":          {Ref: "clm_7", Code: "c0", Limit: 2},
				"r3 r1":          {Account: "bank", Code: "c1"},
				"r4":             {Code: "c0", Limit: 1},
				"s2":             {Account: "earmark"},
				"":               {Account: "earmark", Ref: "clm_7"},
			} {
				ts, err := b.l.Transfers(tx, f)
				var ids []string
				for _, x := range ts {
					ids = append(ids, x.ID)
				}
				if got := strings.Join(ids, " "); err != nil || got != want {
					t.Errorf("%+v: %q %v, want %q", f, got, err, want)
				}
			}
			got, err := b.l.Find(tx, "open")
			want := b.pending("open", 3, time.Hour)
			want.At = b.clock.Now()
			if err != nil || got != want {
				t.Errorf("got %+v %v, want %+v", got, err, want)
			}
			if end, err := b.l.Resolution(tx, "done"); err != nil || end.Kind != ledger.Void || end.Amount != cny(4) {
				t.Errorf("%+v %v", end, err)
			}
			if _, err := b.l.Resolution(tx, "open"); !ident.Is(err, ident.KindNotFound) {
				t.Error(err)
			}
			if _, err := b.l.Find(tx, "none"); ident.CodeOf(err) != "transfer_not_found" {
				t.Error(err)
			}
			bs, err := b.l.Balances(tx, "e")
			if err != nil || len(bs) != 1 || bs[0].Account.ID != "earmark" {
				t.Errorf("%+v %v", bs, err)
			}
			return b.l.Transfer(tx, single("v", "fund", "bank", 1))
		})
		if ident.CodeOf(err) != "write_in_view" {
			t.Fatal(err)
		}
	})
}

// Every write fails both ways; asking again with the same id gives the same books.
func TestCommitLostAndMuted(t *testing.T) {
	faults := &db.Faults{}
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			b := newBooks(t, dbtest.Open(t, dialect, opts(faults)))
			b.openStandard()
			batch := []ledger.Transfer{single("x1", "fund", "bank", 10), b.pending("x2", 20, time.Hour),
				{ID: "x3", Kind: ledger.Post, Pending: "x2", Amount: cny(5)}}
			faults.LoseCommit(1)
			if err := b.try(batch...); !ident.Is(err, ident.KindUnavailable) {
				t.Fatal(err)
			}
			b.stands("fund", 1000, 0, 1000)
			faults.MuteCommit(1)
			if err := b.try(batch...); !ident.Is(err, ident.KindUnknown) {
				t.Fatal(err)
			}
			for range 2 {
				b.stands("fund", 985, 0, 985)
				b.ok(batch...)
			}
			b.ok(b.pending("x4", 20, time.Hour))
			b.clock.Advance(time.Hour)
			faults.LoseCommit(1)
			expire := func() error {
				return b.update(func(tx *db.Tx) error { _, err := b.l.Expire(tx, b.clock.Now()); return err })
			}
			if err := expire(); !ident.Is(err, ident.KindUnavailable) {
				t.Fatal(err)
			}
			b.stands("fund", 985, 20, 965)
			faults.MuteCommit(1)
			if err := expire(); !ident.Is(err, ident.KindUnknown) {
				t.Fatal(err)
			}
			if n := b.expire(); n != 0 {
				t.Fatalf("%d expired twice", n)
			}
			b.stands("fund", 985, 0, 985)
			// Each statement of a batch fails: nothing of it is kept.
			for i, text := range []string{"savepoint ledger", "from ledger_transfers", "from ledger_accounts",
				"into ledger_transfers", "into ledger_accounts", "release savepoint"} {
				faults.FailStatement(text)
				if err := b.try(single(fmt.Sprint("f", i), "fund", "bank", 1)); err == nil {
					t.Fatalf("%q did not fail", text)
				}
			}
			b.stands("fund", 985, 0, 985)
			b.check()
		})
	}
}
