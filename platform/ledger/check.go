package ledger

import (
	"bytes"
	"context"
	"fmt"

	"surety/platform/db"
)

// Report is the outcome of Check.
type Report struct {
	Accounts  int
	Transfers int
	Balanced  bool     // debits equal credits in every currency, and nothing else is wrong
	Problems  []string // each begins with its name: "balance_differs: account …"
}

// maxProblems bounds a report: books that are wrong everywhere need no list.
const maxProblems = 1000

// The statements of Check. Each compares within one statement, so each sees one
// state of the books even while others write. Each yields the name of a thing
// and up to four numbers.
var checks = []struct{ name, format, query string }{
	{"balance_differs", "account %q keeps sums that its transfers do not give; too much by: " +
		"debits posted %d, credits posted %d, debits pending %d, credits pending %d",
		`select a.id, a.debits_posted - coalesce(s.dp, 0), a.credits_posted - coalesce(s.cp, 0),
			a.debits_pending - coalesce(s.dq, 0), a.credits_pending - coalesce(s.cq, 0)
		from ledger_accounts a left join (
			select l.account as account, cast(sum(l.dp) as bigint) as dp, cast(sum(l.cp) as bigint) as cp,
				cast(sum(l.dq) as bigint) as dq, cast(sum(l.cq) as bigint) as cq
			from (
				select debit as account, amount as dp, 0 as cp, 0 as dq, 0 as cq
					from ledger_transfers where kind in ('single', 'post')
				union all select credit, 0, amount, 0, 0 from ledger_transfers where kind in ('single', 'post')
				union all select p.debit, 0, 0, p.amount, 0 from ledger_transfers p where p.kind = 'pending'
					and not exists (select 1 from ledger_transfers r where r.pending = p.id and r.pending <> '')
				union all select p.credit, 0, 0, 0, p.amount from ledger_transfers p where p.kind = 'pending'
					and not exists (select 1 from ledger_transfers r where r.pending = p.id and r.pending <> '')
			) l group by l.account) s on s.account = a.id
		where a.debits_posted <> coalesce(s.dp, 0) or a.credits_posted <> coalesce(s.cp, 0)
			or a.debits_pending <> coalesce(s.dq, 0) or a.credits_pending <> coalesce(s.cq, 0)
		order by a.id`},
	{"currency_unbalanced", "currency %q: debits and credits differ (posted by %d, pending by %d)",
		`select a.currency, cast(sum(a.debits_posted - a.credits_posted) as bigint),
			cast(sum(a.debits_pending - a.credits_pending) as bigint), 0, 0
		from ledger_accounts a group by a.currency
		having sum(a.debits_posted - a.credits_posted) <> 0 or sum(a.debits_pending - a.credits_pending) <> 0
		order by a.currency`},
	{"guard_broken", "account %q owes %d minor units though it is guarded",
		`select a.id, case when a.side = 'credit' then a.debits_posted + a.debits_pending - a.credits_posted
			else a.credits_posted + a.credits_pending - a.debits_posted end, 0, 0, 0
		from ledger_accounts a
		where a.guarded and case when a.side = 'credit' then a.debits_posted + a.debits_pending - a.credits_posted
			else a.credits_posted + a.credits_pending - a.debits_posted end > 0
		order by a.id`},
	{"account_wrong", "transfer %q names an account that is missing or of another currency",
		`select t.id, 0, 0, 0, 0 from ledger_transfers t
		left join ledger_accounts d on d.id = t.debit left join ledger_accounts c on c.id = t.credit
		where d.id is null or c.id is null or d.currency <> t.currency or c.currency <> t.currency or d.id = c.id
		order by t.id`},
	{"purpose_broken", "transfer %q took money out of an account that is kept for another purpose",
		`select t.id, 0, 0, 0, 0 from ledger_transfers t
		join ledger_accounts d on d.id = t.debit join ledger_accounts c on c.id = t.credit
		where t.kind in ('single', 'pending', 'post')
			and ((d.side = 'credit' and d.purpose <> '' and d.purpose <> t.ref)
				or (c.side = 'debit' and c.purpose <> '' and c.purpose <> t.ref))
		order by t.id`},
	{"orphan_resolution", "transfer %q ends no pending transfer that it fits",
		`select t.id, 0, 0, 0, 0 from ledger_transfers t left join ledger_transfers p on p.id = t.pending
		where t.kind in ('post', 'void', 'expire') and (p.id is null or p.kind <> 'pending' or p.debit <> t.debit
			or p.credit <> t.credit or p.currency <> t.currency or t.amount > p.amount
			or (t.kind <> 'post' and t.amount <> p.amount)
			or (t.kind = 'expire' and (p.expires = 0 or t.at < p.expires))
			or (t.kind <> 'expire' and p.expires > 0 and t.at >= p.expires))
		order by t.id`},
	{"resolved_twice", "pending transfer %q was ended %d times",
		`select t.pending, count(*), 0, 0, 0 from ledger_transfers t where t.pending <> ''
		group by t.pending having count(*) > 1 order by t.pending`},
	{"transfer_malformed", "transfer %q has an amount or a pending that cannot be (amount %d)",
		`select t.id, t.amount, 0, 0, 0 from ledger_transfers t
		where t.amount <= 0 or t.amount > 4000000000000000000
			or (t.kind in ('post', 'void', 'expire')) <> (t.pending <> '') order by t.id`},
}

// Check proves the books from the transfers alone: every cached sum, debits
// against credits, guards, purposes, and that each pending ended at most once.
func Check(ctx context.Context, d *db.DB) (Report, error) {
	var rep Report
	err := d.View(ctx, func(tx *db.Tx) error {
		rep = Report{}
		if _, err := tx.Row([]any{&rep.Accounts}, "select count(*) from ledger_accounts"); err != nil {
			return err
		}
		for _, c := range checks {
			err := tx.Rows(c.query, nil, func(scan func(...any) error) error {
				var name string
				n := make([]int64, 4)
				if err := scan(&name, &n[0], &n[1], &n[2], &n[3]); err != nil {
					return err
				}
				rep.add(c.name, fmt.Sprintf(c.format, fill(c.format, name, n)...))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return checkBodies(tx, &rep)
	})
	rep.Balanced = err == nil && len(rep.Problems) == 0
	return rep, err
}

func (r *Report) add(name, text string) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, name+": "+text)
	}
}

// fill gives a format its name and as many numbers as it asks for.
func fill(format, name string, n []int64) []any {
	args := []any{name}
	for i := range min(len(n), bytes.Count([]byte(format), []byte("%d"))) {
		args = append(args, n[i])
	}
	return args
}

// checkBodies reads the whole journal and compares each transfer with the hash
// that was written with it.
func checkBodies(tx *db.Tx, rep *Report) error {
	q := "select " + transferColumns + ", t.body from ledger_transfers t"
	return tx.Rows(q, nil, func(scan func(...any) error) error {
		var body []byte
		t, err := scanTransfer(scan, &body)
		if err != nil {
			return err
		}
		rep.Transfers++
		if !bytes.Equal(body, t.body()) {
			rep.add("body_altered", fmt.Sprintf("transfer %q is not what was written", t.ID))
		}
		if t.Amount.Check("") != nil {
			rep.add("currency_unknown", fmt.Sprintf("transfer %q is of %q", t.ID, string(t.Amount.Currency)))
		}
		return nil
	})
}
