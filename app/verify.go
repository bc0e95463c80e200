package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/ledger"
)

// Verification is the outcome of checking everything.
type Verification struct {
	OK           bool          `json:"ok"`
	Audit        audit.Report  `json:"audit"`
	Books        ledger.Report `json:"books"`
	Payments     int           `json:"payments"`
	Payouts      int           `json:"payouts"`
	Certificates int           `json:"certificates"`
	Evidence     int           `json:"evidence_files"`
	Problems     []string      `json:"problems"` // of the ties between them, each by name
}

// Verify re-checks every invariant of the house: the audit log, the books, and
// what ties payments, claims, decisions, approvals, payouts, certificates and
// evidence to each other, so that each cent paid can be explained (R15). kept are
// signed heads of the log that were kept elsewhere.
func (a *App) Verify(ctx context.Context, kept ...audit.Head) (v Verification, err error) {
	if v.Audit, err = audit.Verify(ctx, a.DB, a.Verifier, kept...); err != nil {
		return v, err
	}
	if v.Books, err = ledger.Check(ctx, a.DB); err != nil {
		return v, err
	}
	if err := a.DB.View(ctx, func(tx *db.Tx) error { return v.ties(tx) }); err != nil {
		return v, err
	}
	if err := a.DB.View(ctx, func(tx *db.Tx) error { return a.certificates(tx, &v) }); err != nil {
		return v, err
	}
	if err := a.evidence(ctx, &v); err != nil {
		return v, err
	}
	v.OK = v.Audit.OK && v.Books.Balanced && len(v.Books.Problems) == 0 && len(v.Problems) == 0
	return v, nil
}

// tie is one rule between tables: the query names the rows that break it.
type tie struct {
	says  string
	query string
}

var ties = []tie{
	{"a claim was paid twice",
		`select claim from fund_payout where state in ('approved', 'sending', 'sent', 'unknown', 'settled') and claim <> ''
group by claim having count(*) > 1`},
	{"a settled payout has not been posted in the books",
		`select o.id from fund_payout o where o.state = 'settled' and not exists
(select 1 from ledger_transfers t where t.pending = 'pay.' || o.id and t.kind = 'post' and t.amount = o.amount)`},
	{"a posted payout is not settled",
		`select o.id from fund_payout o join ledger_transfers t on t.pending = 'pay.' || o.id and t.kind = 'post'
where o.state not in ('settled', 'returned')`},
	{"a payout has no money set aside for it in the books",
		`select o.id from fund_payout o where not exists (select 1 from ledger_transfers t where t.id = 'pay.' || o.id and t.kind = 'pending'
and t.amount = o.amount and t.ref = o.purpose)`},
	{"money was paid as compensation without a payout",
		`select t.id from ledger_transfers t where t.kind = 'pending' and t.code = 'compensation'
and not exists (select 1 from fund_payout o where 'pay.' || o.id = t.id)`},
	{"a payout is more than what was decided, or nobody decided",
		`select o.id from fund_payout o where o.claim <> '' and not exists (select 1 from claim_decision d where d.claim = o.claim
and d.kind <> 'refuse' and d.amount >= o.amount)`},
	{"a payout names an approval that two people did not sign",
		`select o.id from fund_payout o where o.approval <> '' and (select count(distinct s.staff) from approval_signatures s
where s.approval = o.approval) < 2`},
	{"a paid claim has no certificate",
		`select o.id from fund_payout o where o.state = 'settled' and o.claim <> ''
and exists (select 1 from claim c where c.id = o.claim and c.status in ('settled', 'closed'))
and not exists (select 1 from certificate x where x.payout = o.id)`},
	{"a claim says that it is settled and no payout is",
		`select c.id from claim c where c.status = 'settled' and not exists
(select 1 from fund_payout o where o.claim = c.id and o.state in ('settled', 'returned'))`},
	{"a refusal has no ground or no proof",
		`select claim from claim_decision where kind = 'refuse' and (ground = '' or proofs = '[]')`},
	{"a payment is tied to a claim that does not know it",
		`select p.id from payment p where p.claim_id <> '' and not exists
(select 1 from claim_payment cp where cp.payment = p.id and cp.claim = p.claim_id)`},
	{"a victim's payout is not the victim's amount",
		`select v.id from incident_victim v join fund_payout o on o.id = v.payout where o.amount <> v.amount`},
}

// mostNamed bounds how many rows of one broken tie are named.
const mostNamed = 5

func (v *Verification) ties(tx *db.Tx) error {
	for _, t := range ties {
		n := 0
		err := tx.Rows(t.query, nil, func(scan func(...any) error) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			if n++; n <= mostNamed {
				v.Problems = append(v.Problems, fmt.Sprintf("%s: %s", t.says, id))
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n > mostNamed {
			v.Problems = append(v.Problems, fmt.Sprintf("%s: and %d more", t.says, n-mostNamed))
		}
	}
	for _, c := range []struct {
		into  *int
		query string
	}{
		{&v.Payments, `select count(*) from payment`}, {&v.Payouts, `select count(*) from fund_payout`},
	} {
		if _, err := tx.Row([]any{c.into}, c.query); err != nil {
			return err
		}
	}
	return nil
}

// certificates reads each certificate again, which checks its signature, and
// compares it with the payout that it speaks of.
func (a *App) certificates(tx *db.Tx, v *Verification) error {
	var payouts []string
	err := tx.Rows(`select payout from certificate order by id`, nil, func(scan func(...any) error) error {
		var id string
		if err := scan(&id); err != nil {
			return err
		}
		payouts = append(payouts, id)
		return nil
	})
	if err != nil {
		return err
	}
	v.Certificates = len(payouts)
	for _, id := range payouts {
		c, _, err := a.Notice.ByPayout(tx, id)
		if err != nil {
			v.Problems = append(v.Problems, fmt.Sprintf("the certificate of payout %s: %v", id, err))
			continue
		}
		p, found, err := a.Fund.Payout(tx, id)
		if err != nil {
			return err
		}
		if !found || p.Amount != c.Amount {
			v.Problems = append(v.Problems, fmt.Sprintf("certificate %s says %s and the payout says %s", c.Number, c.Amount, p.Amount))
		}
	}
	return nil
}

// evidence checks each file against its name, and that no file that a claim
// names is missing.
func (a *App) evidence(ctx context.Context, v *Verification) error {
	dir := filepath.Join(a.Config.Dir, "evidence")
	have := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || len(d.Name()) != sha256.Size*2 {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		v.Evidence++
		have[d.Name()] = true
		if h := sha256.Sum256(b); hex.EncodeToString(h[:]) != d.Name() {
			v.Problems = append(v.Problems, "an evidence file was altered: "+d.Name())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.DB.View(ctx, func(tx *db.Tx) error {
		return tx.Rows(`select distinct sha256 from claim_evidence`, nil, func(scan func(...any) error) error {
			var sum string
			if err := scan(&sum); err != nil {
				return err
			}
			if !have[sum] {
				v.Problems = append(v.Problems, "an evidence file is missing: "+sum)
			}
			return nil
		})
	})
}

// Tell writes the outcome in words.
func (v Verification) Tell(w io.Writer) {
	fmt.Fprintf(w, "Audit log     %d entries, %d signed heads\n", v.Audit.Entries, v.Audit.Heads)
	fmt.Fprintf(w, "Books         %d accounts, %d transfers\n", v.Books.Accounts, v.Books.Transfers)
	fmt.Fprintf(w, "Payments      %d\n", v.Payments)
	fmt.Fprintf(w, "Payouts       %d, certificates %d, evidence files %d\n", v.Payouts, v.Certificates, v.Evidence)
	for _, list := range [][]string{v.Audit.Problems, v.Books.Problems, v.Problems} {
		for _, p := range list {
			fmt.Fprintf(w, "  FOUND  %s\n", p)
		}
	}
	if v.OK {
		fmt.Fprintln(w, "Everything holds.")
	} else {
		fmt.Fprintln(w, "NOT everything holds.")
	}
}
