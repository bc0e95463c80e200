package ledger

import (
	"slices"
	"sort"
	"strconv"

	"surety/kernel/ident"
	"surety/platform/db"
)

// OpenAccounts opens accounts; those that are open with the same terms stay as
// they are, other terms are a conflict and nothing is opened.
func (l *Ledger) OpenAccounts(tx *db.Tx, as ...Account) error {
	want := map[string]Account{}
	for _, a := range as {
		if err := a.check(); err != nil {
			return err
		}
		if other, twice := want[a.ID]; twice && other != a {
			return accountExists(a.ID)
		}
		want[a.ID] = a
	}
	if len(want) == 0 {
		return nil
	}
	return within(tx, func() error { return openAccounts(tx, want) })
}

func openAccounts(tx *db.Tx, want map[string]Account) error {
	ids := sorted(want)
	for piece := range slices.Chunk(ids, writeChunk) {
		var g grid
		for _, id := range piece {
			a := want[id]
			g.row(a.ID, string(a.Currency), string(a.Side), a.Guarded, a.Purpose, raw("0"), raw("0"), raw("0"), raw("0"))
		}
		if _, err := tx.Exec(upsert+g.text.String()+" on conflict (id) do nothing", g.args...); err != nil {
			return err
		}
	}
	var differs error
	err := readAccounts(tx, ids, func(have Account, _ sums) {
		if have != want[have.ID] && differs == nil {
			differs = accountExists(have.ID)
		}
	})
	if err != nil {
		return err
	}
	return differs
}

func accountExists(id string) error {
	return ident.E(ident.KindConflict, "account_exists",
		"account %q is open with other terms; an account keeps its terms", id)
}

// Balance is what stands on one account.
func (l *Ledger) Balance(tx *db.Tx, id string) (Balance, error) {
	var out Balance
	found := false
	err := readAccounts(tx, []string{id}, func(a Account, s sums) { out, found = s.balance(a), true })
	if err == nil && !found {
		err = ident.NotFound("account", id)
	}
	return out, err
}

// Balances are the accounts whose id begins with prefix ("" is all), in the
// order of their ids.
func (l *Ledger) Balances(tx *db.Tx, prefix string) ([]Balance, error) {
	var out []Balance
	// Ids are printable ASCII, so what begins with prefix lies before prefix+DEL.
	err := tx.Rows("select "+accountColumns+" from ledger_accounts a where a.id >= $1 and a.id < $2",
		[]any{prefix, prefix + "\x7f"}, func(scan func(...any) error) error {
			a, s, err := scanAccount(scan)
			out = append(out, s.balance(a))
			return err
		})
	sort.Slice(out, func(i, j int) bool { return out[i].Account.ID < out[j].Account.ID })
	return out, err
}

// Filter chooses transfers; what is empty chooses all. Give Account or Ref: Code
// alone reads the whole journal.
type Filter struct {
	Account string // debited or credited
	Ref     ident.ID
	Code    string
	Limit   int // 100 if zero; at most 10,000
}

// Transfers are the chosen transfers, newest first.
func (l *Ledger) Transfers(tx *db.Tx, f Filter) ([]Transfer, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	where, args := "1 = 1", []any{}
	and := func(cond string, v any) {
		args = append(args, v)
		where += " and " + cond + " = $" + strconv.Itoa(len(args))
	}
	if f.Account != "" {
		args = append(args, f.Account)
		where += " and (t.debit = $1 or t.credit = $1)"
	}
	if f.Ref != "" {
		where += " and t.ref <> ''" // the partial index needs its condition said
		and("t.ref", f.Ref)
	}
	if f.Code != "" {
		and("t.code", f.Code)
	}
	args = append(args, min(f.Limit, 10_000))
	q := "select " + transferColumns + " from ledger_transfers t where " + where +
		" order by t.at desc, t.id desc limit $" + strconv.Itoa(len(args))
	var out []Transfer
	err := tx.Rows(q, args, func(scan func(...any) error) error {
		t, err := scanTransfer(scan)
		out = append(out, t)
		return err
	})
	return out, err
}

// Find is the transfer with this id: how an unknown outcome is resolved.
func (l *Ledger) Find(tx *db.Tx, id ident.ID) (Transfer, error) {
	return findBy(tx, "id", id)
}

// Resolution is the post, void or expiry that ended a pending transfer;
// KindNotFound if it is open.
func (l *Ledger) Resolution(tx *db.Tx, pending ident.ID) (Transfer, error) {
	return findBy(tx, "pending", pending)
}

func findBy(tx *db.Tx, column, id string) (Transfer, error) {
	var out Transfer
	found := false
	err := readTransfers(tx, column, []string{id}, func(t Transfer) { out, found = t, true })
	if err == nil && !found {
		what := "transfer"
		if column == "pending" {
			what = "resolution"
		}
		err = ident.NotFound(what, id)
	}
	return out, err
}
