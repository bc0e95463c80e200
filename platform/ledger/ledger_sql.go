package ledger

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// Limits of one statement: both databases bound the number of placeholders.
const (
	readChunk   = 250
	writeChunk  = 32
	expireBatch = 500
)

// grid writes "($1,$2,0),($3,$4,0)" for the rows of a statement and collects
// the arguments. Both drivers pay for every placeholder, so what does not vary
// is written out (raw).
type grid struct {
	text strings.Builder
	args []any
	rows int
}

// raw is a cell that is SQL text and not an argument.
type raw string

func (g *grid) row(cells ...any) {
	if g.rows++; g.rows > 1 {
		g.text.WriteByte(',')
	}
	for i, c := range cells {
		g.text.WriteByte("(,"[min(i, 1)])
		if text, ok := c.(raw); ok {
			g.text.WriteString(string(text))
			continue
		}
		g.args = append(g.args, c)
		g.text.WriteByte('$')
		g.text.WriteString(strconv.Itoa(len(g.args)))
	}
	g.text.WriteByte(')')
}

// orRaw writes v out if it is the value that most rows have.
func orRaw[V comparable](v, usual V, text raw) any {
	if v == usual {
		return text
	}
	return v
}

// readChunks calls fn with "($1,$2,…)" and its arguments for pieces of ids.
func readChunks(ids []string, fn func(list string, args []any) error) error {
	for piece := range slices.Chunk(ids, readChunk) {
		g := grid{args: make([]any, 0, len(piece))}
		cells := make([]any, len(piece))
		for i, id := range piece {
			cells[i] = id
		}
		g.row(cells...)
		if err := fn(g.text.String(), g.args); err != nil {
			return err
		}
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

const accountColumns = `a.id, a.currency, a.side, a.guarded, a.purpose,
	a.debits_posted, a.credits_posted, a.debits_pending, a.credits_pending`

func scanAccount(scan func(...any) error) (a Account, s sums, err error) {
	err = scan(&a.ID, &a.Currency, &a.Side, &a.Guarded, &a.Purpose,
		&s.debitsPosted, &s.creditsPosted, &s.debitsPending, &s.creditsPending)
	return a, s, err
}

// readAccounts calls each with the accounts of these ids that exist.
func readAccounts(tx *db.Tx, ids []string, each func(Account, sums)) error {
	return readChunks(ids, func(list string, args []any) error {
		q := "select " + accountColumns + " from ledger_accounts a where a.id in " + list
		return tx.Rows(q, args, func(scan func(...any) error) error {
			a, s, err := scanAccount(scan)
			if err == nil {
				each(a, s)
			}
			return err
		})
	})
}

const transferColumns = `t.id, t.debit, t.credit, t.amount, t.currency, t.kind, t.pending,
	t.code, t.ref, t.memo, t.at, t.expires`

func scanTransfer(scan func(...any) error, more ...any) (t Transfer, err error) {
	var at, expires int64
	dest := append([]any{&t.ID, &t.Debit, &t.Credit, &t.Amount.Minor, &t.Amount.Currency, &t.Kind, &t.Pending,
		&t.Code, &t.Ref, &t.Memo, &at, &expires}, more...)
	err = scan(dest...)
	t.At, t.Expires = ident.FromMicros(at), ident.FromMicros(expires)
	return t, err
}

// readTransfers calls each with the transfers whose column is one of ids.
// The partial index on pending needs its condition said again.
func readTransfers(tx *db.Tx, column string, ids []string, each func(Transfer)) error {
	return readChunks(ids, func(list string, args []any) error {
		q := "select " + transferColumns + " from ledger_transfers t where t." + column + " in " + list
		if column == "pending" {
			q += " and t.pending <> ''"
		}
		return tx.Rows(q, args, func(scan func(...any) error) error {
			t, err := scanTransfer(scan)
			if err == nil {
				each(t)
			}
			return err
		})
	})
}

// load reads all that judging the batch needs.
func load(tx *db.Tx, ts []Transfer) (*book, error) {
	b := &book{accounts: map[string]Account{}, byID: map[string]Transfer{}, resolver: map[string]Transfer{}}
	ids, pendings, accounts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, t := range ts {
		ids[t.ID] = true
		if t.Pending != "" {
			ids[t.Pending], pendings[t.Pending] = true, true
		}
		if t.Debit != "" {
			accounts[t.Debit] = true
		}
		if t.Credit != "" {
			accounts[t.Credit] = true
		}
	}
	err := readTransfers(tx, "id", sorted(ids), func(t Transfer) {
		b.byID[t.ID] = t
		accounts[t.Debit], accounts[t.Credit] = true, true
	})
	if err != nil {
		return nil, err
	}
	if len(pendings) > 0 {
		err := readTransfers(tx, "pending", sorted(pendings), func(t Transfer) { b.resolver[t.Pending] = t })
		if err != nil {
			return nil, err
		}
	}
	return b, readAccounts(tx, sorted(accounts), func(a Account, _ sums) { b.accounts[a.ID] = a })
}

// apply books a prepared batch and returns how many transfers were new. After an
// error the caller must undo what was written.
//
// A transfer that another process wrote meanwhile is seen by the insert, which
// leaves it out; the batch is then judged once more with what is there now.
func (l *Ledger) apply(tx *db.Tx, ts []Transfer, guard string) (int, error) {
	b, err := load(tx, ts)
	if err != nil {
		return 0, err
	}
	now := l.clock.Now()
	rows, err := b.judge(ts, now)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	written, err := insertTransfers(tx, rows)
	if err != nil {
		return 0, err
	}
	if len(written) < len(rows) {
		if b, err = load(tx, ts); err != nil {
			return 0, err
		}
		left, err := b.judge(ts, now)
		if err != nil {
			return 0, err
		}
		if len(left) > 0 {
			return 0, ident.E(ident.KindUnavailable, "ledger_busy", "others book the same transfers now; try again")
		}
		rows = only(rows, written)
	}
	changes, err := b.changes(rows)
	if err != nil {
		return 0, err
	}
	return len(rows), changeAccounts(tx, b, changes, guard)
}

func only(rows []Transfer, written map[string]bool) []Transfer {
	kept := rows[:0]
	for _, t := range rows {
		if written[t.ID] {
			kept = append(kept, t)
		}
	}
	return kept
}

// insertTransfers writes the rows and returns the ids that were new. What it
// writes out was checked: a kind and a currency are words of a fixed list.
func insertTransfers(tx *db.Tx, rows []Transfer) (map[string]bool, error) {
	written := make(map[string]bool, len(rows))
	for piece := range slices.Chunk(rows, writeChunk) {
		var g grid
		for _, t := range piece {
			expires := int64(0)
			if !t.Expires.IsZero() {
				expires = ident.Micros(t.Expires)
			}
			g.row(t.ID, t.Debit, t.Credit, t.Amount.Minor, orRaw(string(t.Amount.Currency), "CNY", "'CNY'"),
				raw("'"+t.Kind+"'"), orRaw(t.Pending, "", "''"), orRaw(t.Code, "", "''"), orRaw(t.Ref, "", "''"),
				orRaw(t.Memo, "", "''"), ident.Micros(t.At), orRaw(expires, 0, "0"), t.body())
		}
		err := tx.Rows(`insert into ledger_transfers
			(id, debit, credit, amount, currency, kind, pending, code, ref, memo, at, expires, body)
			values `+g.text.String()+` on conflict do nothing returning id`, g.args,
			func(scan func(...any) error) error {
				var id string
				err := scan(&id)
				written[id] = true
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return written, nil
}

// upsert is how sums change. Every account exists (it was read in this
// transaction, and accounts are never removed), so the insert always meets its
// row; it is written as an upsert because that locks the rows in the order of
// its values, on both databases, where an update promises no order.
const upsert = `insert into ledger_accounts
	(id, currency, side, guarded, purpose, debits_posted, credits_posted, debits_pending, credits_pending) values `

const release = ` on conflict (id) do update set
	debits_pending = ledger_accounts.debits_pending - excluded.debits_pending,
	credits_pending = ledger_accounts.credits_pending - excluded.credits_pending`

const add = ` on conflict (id) do update set
	debits_posted = ledger_accounts.debits_posted + excluded.debits_posted,
	credits_posted = ledger_accounts.credits_posted + excluded.credits_posted,
	debits_pending = ledger_accounts.debits_pending + excluded.debits_pending,
	credits_pending = ledger_accounts.credits_pending + excluded.credits_pending
where ledger_accounts.debits_posted <= 4000000000000000000 - excluded.debits_posted
	and ledger_accounts.credits_posted <= 4000000000000000000 - excluded.credits_posted
	and ledger_accounts.debits_pending <= 4000000000000000000 - excluded.debits_pending
	and ledger_accounts.credits_pending <= 4000000000000000000 - excluded.credits_pending
	and (not ledger_accounts.guarded or `

// guardTotal judges the batch as a whole.
const guardTotal = `case when ledger_accounts.side = 'credit'
	then ledger_accounts.credits_posted - ledger_accounts.debits_posted - ledger_accounts.debits_pending
		+ excluded.credits_posted - excluded.debits_posted - excluded.debits_pending
	else ledger_accounts.debits_posted - ledger_accounts.credits_posted - ledger_accounts.credits_pending
		+ excluded.debits_posted - excluded.credits_posted - excluded.credits_pending end >= 0`

// guardEach counts nothing that comes in, so that every order of the batch holds.
const guardEach = `case when ledger_accounts.side = 'credit'
	then ledger_accounts.credits_posted - ledger_accounts.debits_posted - ledger_accounts.debits_pending
		- excluded.debits_posted - excluded.debits_pending
	else ledger_accounts.debits_posted - ledger_accounts.credits_posted - ledger_accounts.credits_pending
		- excluded.credits_posted - excluded.credits_pending end >= 0`

// changeAccounts first gives back holds, locking every account of the batch,
// then adds under the guards.
func changeAccounts(tx *db.Tx, b *book, changes map[string]sums, guard string) error {
	ids := sorted(changes)
	releases, adds := map[string]sums{}, map[string]sums{}
	releasing := false
	for id, c := range changes {
		back := sums{debitsPending: max(0, -c.debitsPending), creditsPending: max(0, -c.creditsPending)}
		c.debitsPending, c.creditsPending = max(0, c.debitsPending), max(0, c.creditsPending)
		releasing = releasing || !back.isZero()
		releases[id] = back
		if !c.isZero() {
			adds[id] = c
		}
	}
	if releasing {
		if err := changeSums(tx, ids, releases, release, func([]string) error { return nil }); err != nil {
			return err
		}
	}
	return changeSums(tx, sorted(adds), adds, add+guard+")", func(missed []string) error {
		return whyRefused(tx, b, missed, adds)
	})
}

// changeSums changes the accounts in order; refused is told which were not.
func changeSums(tx *db.Tx, ids []string, by map[string]sums, action string, refused func([]string) error) error {
	for piece := range slices.Chunk(ids, writeChunk) {
		var g grid
		for _, id := range piece {
			c := by[id]
			g.row(id, raw("'-'"), raw("'debit'"), raw("false"), raw("''"), c.debitsPosted, c.creditsPosted,
				orRaw(c.debitsPending, 0, "0"), orRaw(c.creditsPending, 0, "0"))
		}
		done := make(map[string]bool, len(piece))
		err := tx.Rows(upsert+g.text.String()+action+" returning id", g.args, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			done[id] = true
			return err
		})
		if err != nil {
			return err
		}
		if len(done) == len(piece) {
			continue
		}
		missed := slices.DeleteFunc(slices.Clone(piece), func(id string) bool { return done[id] })
		return refused(missed)
	}
	return nil
}

// whyRefused names the first account that could not take its change.
func whyRefused(tx *db.Tx, b *book, missed []string, adds map[string]sums) error {
	have := map[string]sums{}
	if err := readAccounts(tx, missed, func(a Account, s sums) { have[a.ID] = s }); err != nil {
		return err
	}
	for _, id := range missed {
		s, c := have[id], adds[id]
		if max(s.debitsPosted-maxMinor+c.debitsPosted, s.creditsPosted-maxMinor+c.creditsPosted,
			s.debitsPending-maxMinor+c.debitsPending, s.creditsPending-maxMinor+c.creditsPending) > 0 {
			return ident.E(ident.KindLimit, "sum_too_large", "account %q cannot hold sums that large", id)
		}
	}
	a := b.accounts[missed[0]]
	out := adds[a.ID].debitsPosted + adds[a.ID].debitsPending
	if a.Side == Debit {
		out = adds[a.ID].creditsPosted + adds[a.ID].creditsPending
	}
	return ident.E(ident.KindLimit, "balance_too_low",
		"account %q has %s available and %s was to be taken out; take less, or bring money in first",
		a.ID, have[a.ID].balance(a).Available, money.Of(out, a.Currency))
}

// overdue returns the ids of open pendings whose time has passed, oldest first.
func overdue(tx *db.Tx, now int64, limit int) ([]string, error) {
	var ids []string
	err := tx.Rows(`select p.id from ledger_transfers p
		where p.expires > 0 and p.expires <= $1 and p.kind = 'pending' and not exists
			(select 1 from ledger_transfers r where r.pending = p.id and r.pending <> '')
		order by p.expires, p.id limit $2`, []any{now, limit}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}
