package sim

import (
	"context"
	"encoding/json"
	"fmt"

	"surety/kernel/ident"
	"surety/platform/db"
)

// limit is what one person may pay alone, in fen.
const limit = 50_000_00

// Walk follows each cent that left the bank back to its reasons, from the tables
// alone: transfer, payout, claim, decision by a person, and over the limit or in
// an incident the signatures of two different people (R15). It returns what
// cannot be explained.
func Walk(ctx context.Context, d *db.DB) (found []string, err error) {
	err = d.View(ctx, func(tx *db.Tx) error {
		found = nil
		var outs []out
		err := tx.Rows(`select t.id, t.amount, t.code, p.id, o.id, o.amount, o.claim, o.approval, o.purpose from ledger_transfers t
left join ledger_transfers p on p.id = t.pending and p.kind = 'pending'
left join fund_payout o on 'pay.' || o.id = p.id
where t.credit = 'bank:safeguarded' and t.kind in ('post', 'single') order by t.id`, nil, func(scan func(...any) error) error {
			var o out
			if err := scan(&o.transfer, &o.amount, &o.code, &o.hold, &o.payout, &o.ordered, &o.claim, &o.approval, &o.purpose); err != nil {
				return err
			}
			outs = append(outs, o)
			return nil
		})
		if err != nil {
			return err
		}
		for _, o := range outs {
			why, err := o.explain(tx)
			if err != nil {
				return err
			}
			if why != "" {
				found = append(found, fmt.Sprintf("transfer %s of %d: %s", o.transfer, o.amount, why))
			}
		}
		return nil
	})
	return found, err
}

// out is money that left; what is nil was not found.
type out struct {
	transfer                               string
	amount                                 int64
	code                                   string
	hold, payout, claim, approval, purpose *string
	ordered                                *int64
}

// explain says what is missing in the chain of reasons, "" if nothing is.
func (o out) explain(tx *db.Tx) (string, error) {
	switch {
	case o.hold == nil:
		return "it left without being held first", nil
	case o.payout == nil:
		return "no payout ordered it", nil
	case *o.ordered != o.amount:
		return fmt.Sprintf("payout %s is of %d", *o.payout, *o.ordered), nil
	}
	if *o.claim == "" {
		if o.code == "compensation" {
			return "it compensates nobody's claim", nil
		}
	} else if why, err := o.decided(tx); err != nil || why != "" {
		return why, err
	}
	return o.signed(tx)
}

// decided looks for the decision that allows at least so much, and its maker.
func (o out) decided(tx *db.Tx) (string, error) {
	var amount int64
	var kind, maker, basis string
	found, err := tx.Row([]any{&amount, &kind, &maker, &basis}, `select d.amount, d.kind, d.actor, c.basis from claim_decision d
join claim c on c.id = d.claim where d.claim = $1 order by d.number desc limit 1`, *o.claim)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "nobody decided claim " + *o.claim, nil
	case kind == "refuse":
		return "claim " + *o.claim + " was refused", nil
	case amount != o.amount:
		return fmt.Sprintf("the decision on claim %s is of %d", *o.claim, amount), nil
	}
	var people int
	_, err = tx.Row([]any{&people}, `select count(*) from staff where id = $1`, maker)
	if err == nil && people == 0 {
		return "the decision on claim " + *o.claim + " is not a person's", nil
	}
	return "", err
}

// signed looks for the two people.
func (o out) signed(tx *db.Tx) (string, error) {
	var people int
	var query string
	var arg string
	switch {
	case *o.approval != "":
		query, arg = `select count(distinct s.staff) from approval_signatures s join approvals a on a.id = s.approval
where a.id = $1 and a.state = 'used'`, *o.approval
	case o.amount > limit:
		query, arg = `select count(distinct s.staff) from approval_signatures s join approvals a on a.id = s.approval
where a.act = 'fund.pay' and a.object = $1 and a.state = 'used'`, *o.payout
	default: // of little money an incident's alone, which is always released by two
		query, arg = `select 2 - 2 * count(*) from incident where id = $1`, *o.purpose
	}
	if _, err := tx.Row([]any{&people}, query, arg); err != nil {
		return "", err
	}
	if people < 2 {
		return fmt.Sprintf("%d people approved payout %s", people, *o.payout), nil
	}
	return "", nil
}

// Trail ties what stands in the tables to the audit log, both ways (R26): the
// records of a payout form one chain of moves to where it stands, one for each
// version; a claim has one record for each version and one decision record for
// each decision. A change of the receiving account that was made in an incident is
// recorded with the victim, once for each time that it was asked for. It returns
// what does not fit.
func Trail(ctx context.Context, d *db.DB) (found []string, err error) {
	err = d.View(ctx, func(tx *db.Tx) error {
		found = nil
		r, err := records(tx)
		if err != nil {
			return err
		}
		moves := r.moves
		problem := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
		err = tx.Rows(`select id, state, version from fund_payout order by id`, nil, func(scan func(...any) error) error {
			var id, state string
			var version int
			if err := scan(&id, &state, &version); err != nil {
				return err
			}
			at := "approved"
			for _, m := range moves[id] {
				if m.From != at {
					problem("payout %s was %s and its record says that it was %s", id, at, m.From)
				}
				at = m.To
			}
			if at != state || len(moves[id])+1 != version {
				problem("payout %s is %s in version %d, its %d records lead to %s", id, state, version, len(moves[id]), at)
			}
			delete(moves, id)
			return nil
		})
		if err != nil {
			return err
		}
		for id := range moves {
			problem("there are records of payout %s, which is not there", id)
		}
		return tx.Rows(`select c.id, c.version, (select count(*) from claim_decision d where d.claim = c.id),
(select count(*) from claim_event e where e.claim = c.id), coalesce((select min(v.id) from incident_victim v where v.claim = c.id), '')
from claim c order by c.id`, nil, func(scan func(...any) error) error {
			var id, victim string
			var version, decided, told int
			if err := scan(&id, &version, &decided, &told, &victim); err != nil {
				return err
			}
			moved := version - told // changes of the account, which the claimant's story does not tell
			if moved < 0 || moved > r.redirects[victim] || r.events[id]+1 != told || r.decisions[id] != decided {
				problem("claim %s is in version %d with %d events and %d decisions; the log has %d changes and %d decisions",
					id, version, told, decided, r.events[id], r.decisions[id])
			}
			return nil
		})
	})
	return found, err
}

// step is a payout's move as it was recorded.
type step struct {
	From, To string
	Event    string
	Why      string
}

// trail is what the log says: the moves of each payout in order, and how many
// events and decisions of each claim and redirections of each victim.
type trail struct {
	moves                        map[ident.ID][]step
	events, decisions, redirects map[ident.ID]int
}

func records(tx *db.Tx) (r trail, err error) {
	r = trail{map[ident.ID][]step{}, map[ident.ID]int{}, map[ident.ID]int{}, map[ident.ID]int{}}
	err = tx.Rows(`select l.object, l.act, d.detail from audit_leaf l join audit_detail d on d.id = l.id
where l.outcome = 'done' order by l.idx`, nil, func(scan func(...any) error) error {
		var object, act, detail string
		if err := scan(&object, &act, &detail); err != nil {
			return err
		}
		var s step
		if json.Unmarshal([]byte(detail), &s) != nil {
			return nil // of another shape: no move
		}
		switch {
		case s.Event != "" && s.To != "":
			r.moves[object] = append(r.moves[object], s)
		case s.Event != "":
			r.events[object]++
			if act == "claim.decide" {
				r.decisions[object]++
			}
		case act == "incident.reconcile" && s.Why != "":
			r.redirects[object]++
		}
		return nil
	})
	return r, err
}
