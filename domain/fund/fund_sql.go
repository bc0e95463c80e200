package fund

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

func insertFund(tx *db.Tx, f Fund, now time.Time) (added bool, err error) {
	n, err := tx.Exec(`insert into fund (id, name_zh, name_en, kind, currency, frozen_for, last_out, created, version)
		values ($1, $2, $3, $4, $5, '', 0, $6, 1) on conflict (id) do nothing`,
		f.ID, f.NameZH, f.NameEN, string(f.Kind), string(f.Currency), ident.Micros(now))
	return n == 1, err
}

func readFunds(tx *db.Tx, where string, args ...any) ([]Fund, error) {
	var out []Fund
	err := tx.Rows("select id, name_zh, name_en, kind, currency, frozen_for, created, version from fund "+where, args,
		func(scan func(...any) error) error {
			var f Fund
			var created int64
			if err := scan(&f.ID, &f.NameZH, &f.NameEN, &f.Kind, &f.Currency, &f.FrozenFor, &created, &f.Version); err != nil {
				return err
			}
			f.Created = ident.FromMicros(created)
			out = append(out, f)
			return nil
		})
	return out, err
}

// paidSum is what the ledger has posted out of a fund's earmarks, less what came
// back: for one purpose, or for all if it is "". It does not ask the payouts, so
// that the two can be compared.
func paidSum(tx *db.Tx, fundID, purpose ident.ID) (sum int64, err error) {
	account := EarmarkAccount(fundID, purpose)
	of := func(column string) string { return column + ` = $1` }
	if purpose == "" { // all accounts whose name begins so
		of = func(column string) string { return `substr(` + column + `, 1, length(cast($1 as text))) = $1` }
	}
	_, err = tx.Row([]any{&sum}, `select cast(coalesce(sum(case when t.kind = 'post' then t.amount else -t.amount end), 0) as bigint)
from ledger_transfers t where (t.kind = 'post' and `+of("t.debit")+`) or (t.kind = 'single' and t.code = $2 and `+of("t.credit")+`)`,
		account, CodeReturn)
	return sum, err
}

// sealField is the vault's name for who is paid.
const sealField = "fund.payout.to"

// bodyHash tells the same order from another. It is keyed, for who is paid and
// how much could be guessed from a plain one.
func (s *Service) bodyHash(in PayIn) ([]byte, error) {
	b, err := json.Marshal(in)
	if err != nil {
		return nil, ident.E(ident.KindInternal, "payout_body", "this order cannot be hashed").Because(err)
	}
	return s.cfg.Vault.Index("fund.payout.body", string(b)), nil
}

// insert writes a new payout; it is false if the id or the claim is taken.
func (s *Service) insert(tx *db.Tx, in PayIn, now time.Time) (bool, error) {
	body, err := s.bodyHash(in)
	if err != nil {
		return false, err
	}
	to, err := json.Marshal(in.To)
	if err != nil {
		return false, ident.E(ident.KindInternal, "payout_body", "who is paid cannot be kept").Because(err)
	}
	sealed, err := s.cfg.Vault.Seal(in.ID, sealField, string(to))
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`insert into fund_payout (id, body, fund_id, purpose, claim, ref, amount, currency, code, basis, rail,
		sealed, approval, state, batch, rail_ref, reason, created, sent, settled, version, contradicted)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'approved', '', '', '', $14, 0, 0, 1, false)
		on conflict do nothing`,
		in.ID, body, in.FundID, in.Purpose, in.Claim, in.Ref, in.Amount.Minor, string(in.Amount.Currency), in.Code, in.Basis,
		in.To.Rail, sealed, in.Approval, ident.Micros(now))
	return n == 1, err
}

// again answers a repeated order; another body is a conflict.
func (s *Service) again(tx *db.Tx, in PayIn) (p Payout, found bool, err error) {
	var have []byte
	if found, err = tx.Row([]any{&have}, "select body from fund_payout where id = $1", in.ID); err != nil || !found {
		return p, false, err
	}
	want, err := s.bodyHash(in)
	if err != nil {
		return p, false, err
	}
	if !bytes.Equal(have, want) {
		return p, true, ident.E(ident.KindConflict, "payout_exists",
			"payout %q was ordered before with other contents; use a new id for another payout", in.ID)
	}
	return s.Payout(tx, in.ID)
}

const payoutColumns = `p.id, p.fund_id, p.purpose, p.claim, p.ref, p.amount, p.currency, p.code, p.basis, p.sealed, p.approval,
	p.state, p.batch, p.rail_ref, p.reason, p.created, p.sent, p.settled, p.version, p.contradicted`

func (s *Service) payouts(tx *db.Tx, where string, args ...any) ([]Payout, error) {
	var out []Payout
	err := tx.Rows("select "+payoutColumns+" from fund_payout p "+where, args, func(scan func(...any) error) error {
		var p Payout
		var minor, created, sent, settled int64
		var currency string
		var sealed []byte
		err := scan(&p.ID, &p.FundID, &p.Purpose, &p.Claim, &p.Ref, &minor, &currency, &p.Code, &p.Basis, &sealed, &p.Approval,
			&p.State, &p.Batch, &p.RailRef, &p.Reason, &created, &sent, &settled, &p.Version, &p.Contradicted)
		if err != nil {
			return err
		}
		p.Amount = money.Of(minor, money.Currency(currency))
		p.Created, p.Sent, p.Settled = ident.FromMicros(created), ident.FromMicros(sent), ident.FromMicros(settled)
		to, err := s.cfg.Vault.Open(p.ID, sealField, sealed)
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(to), &p.To); err != nil {
			return ident.E(ident.KindInternal, "payout_sealed", "who is paid by %s cannot be read", p.ID)
		}
		out = append(out, p)
		return nil
	})
	return out, err
}

func (s *Service) list(tx *db.Tx, f Filter) ([]Payout, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	conds, args := []string{"p.id > $1"}, []any{f.After}
	for _, c := range []struct{ column, value string }{
		{"fund_id", f.FundID}, {"purpose", f.Purpose}, {"claim", f.Claim},
		{"batch", f.Batch}, {"rail", f.Rail}, {"state", string(f.State)},
	} {
		if c.value != "" {
			args = append(args, c.value)
			conds = append(conds, "p."+c.column+" = $"+strconv.Itoa(len(args)))
		}
	}
	args = append(args, min(f.Limit, 10_000))
	return s.payouts(tx, "where "+strings.Join(conds, " and ")+" order by p.id limit $"+strconv.Itoa(len(args)), args...)
}

// save writes what an event has changed, unless somebody else was faster.
func save(tx *db.Tx, p *Payout) error {
	moved := ident.E(ident.KindConflict, "payout_moved",
		"payout %s has just been moved by somebody else; look at it again", p.ID)
	err := tx.ExecOne(moved, `update fund_payout set state = $1, batch = $2, rail_ref = $3, reason = $4, sent = $5,
		settled = $6, contradicted = $7, version = version + 1 where id = $8 and version = $9`,
		string(p.State), p.Batch, p.RailRef, p.Reason, ident.Micros(p.Sent), ident.Micros(p.Settled), p.Contradicted, p.ID, p.Version)
	if err == nil {
		p.Version++
	}
	return err
}

// uncontradicted refuses to pay a claim while the bank has said of an earlier
// payout of it both that it was refused and that it arrived. The update waits for
// an import that is just saying so; only then does the select look.
func (s *Service) uncontradicted(tx *db.Tx, claim ident.ID) error {
	if claim == "" {
		return nil
	}
	if _, err := tx.Exec("update fund_payout set claim = claim where claim = $1", claim); err != nil {
		return err
	}
	var id ident.ID
	found, err := tx.Row([]any{&id}, "select min(id) from fund_payout where claim = $1 and contradicted having count(*) > 0", claim)
	if err != nil || !found {
		return err
	}
	return ident.E(ident.KindState, "payout_contradicted",
		"the bank has said of payout %s of claim %s first that it was refused and then that it arrived; "+
			"have the bank say in writing which is true: while that is open, the claim is not paid again", id, claim)
}

// useApproval takes an amount from what two people approved.
func useApproval(tx *db.Tx, ap access.Approval, amount money.Amount) error {
	if ap.Amount.Currency != amount.Currency {
		return ident.E(ident.KindState, "approval_other_content", "approval %s is not about %s", ap.ID, amount.Currency)
	}
	_, err := tx.Exec(`insert into fund_approval (id, currency, most, used) values ($1, $2, $3, 0)
		on conflict (id) do nothing`,
		ap.ID, string(ap.Amount.Currency), ap.Amount.Minor)
	if err != nil {
		return err
	}
	exhausted := ident.E(ident.KindLimit, "approval_exhausted",
		"two people approved %s; with %s more it would be exceeded", ap.Amount, amount)
	return tx.ExecOne(exhausted, "update fund_approval set used = used + $1 where id = $2 and used <= most - $1",
		amount.Minor, ap.ID)
}

// giveBackApproval returns what a payout that did not arrive had taken.
func giveBackApproval(tx *db.Tx, p *Payout) error {
	_, err := tx.Exec("update fund_approval set used = used - $1 where id = $2", p.Amount.Minor, p.Approval)
	return err
}
