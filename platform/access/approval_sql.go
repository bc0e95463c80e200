package access

import (
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

const approvalColumns = `id, act, object, hash, summary, amount, currency, asked_by, asked_at, expires_at,
	state, closed_at, closed_by, version`

// approvals reads those that the tail chooses, with their signatures.
func approvals(tx *db.Tx, tail string, args ...any) (out []Approval, err error) {
	err = tx.Rows("select "+approvalColumns+" from approvals "+tail, args, func(scan func(...any) error) error {
		a, err := scanApproval(scan)
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Signatures, err = signatures(tx, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func scanApproval(scan scanner) (Approval, error) {
	var a Approval
	var hash []byte
	var act, currency, state string
	var asked, expires, closed int64
	err := scan(&a.ID, &act, &a.Object, &hash, &a.Summary, &a.Amount.Minor, &currency, &a.AskedBy, &asked, &expires,
		&state, &closed, &a.ClosedBy, &a.Version)
	copy(a.Hash[:], hash)
	a.Act, a.Amount.Currency, a.State = Act(act), money.Currency(currency), ApprovalState(state)
	a.Asked, a.Expires, a.Closed = ident.FromMicros(asked), ident.FromMicros(expires), ident.FromMicros(closed)
	return a, err
}

// signatures are in the order of signing, the one who asked first.
func signatures(tx *db.Tx, a Approval) (out []Signature, err error) {
	err = tx.Rows(`select g.staff, s.name, g.at from approval_signatures g join staff s on s.id = g.staff
		where g.approval = $1 order by g.at, g.staff`, []any{a.ID}, func(scan func(...any) error) error {
		var s Signature
		var at int64
		if err := scan(&s.Staff, &s.Name, &at); err != nil {
			return err
		}
		s.At = ident.FromMicros(at)
		if s.Staff == a.AskedBy {
			out = append([]Signature{s}, out...)
		} else {
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

func oneApproval(tx *db.Tx, tail string, args ...any) (Approval, bool, error) {
	found, err := approvals(tx, tail, args...)
	if err != nil || len(found) == 0 {
		return Approval{}, false, err
	}
	return found[0], true, nil
}

func approvalByID(tx *db.Tx, id ident.ID) (Approval, bool, error) {
	return oneApproval(tx, "where id = $1", id)
}

// openApproval is the one that is open in the database; its time may be over.
func openApproval(tx *db.Tx, act Act, object ident.ID) (Approval, bool, error) {
	return oneApproval(tx, "where act = $1 and object = $2 and state = 'open'", string(act), object)
}

// Approval returns one approval as it stands now.
func (a *Access) Approval(tx *db.Tx, id ident.ID) (Approval, error) {
	ap, found, err := approvalByID(tx, id)
	if err != nil {
		return Approval{}, err
	}
	if !found {
		return Approval{}, Absent(ActApprovalRead, id)
	}
	ap.State = ap.at(a.clock.Now())
	return ap, nil
}

// Pending returns what is open and not too old, oldest first. Call it in a View
// for ActApprovalRead.
func (a *Access) Pending(tx *db.Tx) ([]Approval, error) {
	return approvals(tx, "where state = 'open' and expires_at > $1 order by asked_at, id", ident.Micros(a.clock.Now()))
}

// For returns all approvals that were ever asked for an object, oldest first.
func (a *Access) For(tx *db.Tx, object ident.ID) ([]Approval, error) {
	all, err := approvals(tx, "where object = $1 order by asked_at, id", object)
	for i := range all {
		all[i].State = all[i].at(a.clock.Now())
	}
	return all, err
}

// closeOlder makes room for a new request: what is too old is expired, what has
// another content is superseded.
func closeOlder(tx *db.Tx, r Request, now time.Time) error {
	_, err := tx.Exec(`update approvals set state = 'expired', closed_at = $1, version = version + 1
		where act = $2 and object = $3 and state = 'open' and expires_at <= $1`,
		ident.Micros(now), string(r.Act), r.Object)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`update approvals set state = 'superseded', closed_at = $1, closed_by = $2, version = version + 1
		where act = $3 and object = $4 and state = 'open' and hash <> $5`,
		ident.Micros(now), r.ID, string(r.Act), r.Object, r.Hash[:])
	return err
}

// insertApproval writes the request and its first signature. The partial unique
// index is the guard against two open requests on one thing.
func insertApproval(tx *db.Tx, r Request, actor ident.Actor, now time.Time) error {
	taken := ident.E(ident.KindConflict, "already_asked",
		"approval of this is asked for already; sign that request or withdraw it")
	err := tx.ExecOne(taken, `insert into approvals (id, act, object, hash, summary, amount, currency,
		asked_by, asked_at, expires_at, state) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open')
		on conflict do nothing`, r.ID, string(r.Act), r.Object, r.Hash[:], r.Summary, r.Amount.Minor,
		string(r.Amount.Currency), actor.ID, ident.Micros(now), ident.Micros(now.Add(r.TTL)))
	if err != nil {
		return err
	}
	return writeSignature(tx, r.ID, actor, now)
}

// insertSignature adds a signature if the request is still as it was read: the
// update takes the row's lock, so that signing, use and withdrawal queue up.
func insertSignature(tx *db.Tx, ap Approval, actor ident.Actor, now time.Time) error {
	err := tx.ExecOne(approvalMoved(), `update approvals set version = version + 1
		where id = $1 and version = $2 and state = 'open' and expires_at > $3`, ap.ID, ap.Version, ident.Micros(now))
	if err != nil {
		return err
	}
	return writeSignature(tx, ap.ID, actor, now)
}

func writeSignature(tx *db.Tx, id ident.ID, actor ident.Actor, now time.Time) error {
	_, err := tx.Exec(`insert into approval_signatures (approval, staff, at, session) values ($1, $2, $3, $4)`,
		id, actor.ID, ident.Micros(now), actor.Session)
	return err
}

// useApproval spends it. The guard holds what was read; the table's check holds
// that the two are two.
func useApproval(tx *db.Tx, ap Approval, first, second ident.ID, now time.Time) error {
	return tx.ExecOne(approvalMoved(), `update approvals set state = 'used', closed_at = $1, version = version + 1,
		first_signer = $2, second_signer = $3
		where id = $4 and version = $5 and state = 'open' and hash = $6 and expires_at > $1`,
		ident.Micros(now), first, second, ap.ID, ap.Version, ap.Hash[:])
}

func closeApproval(tx *db.Tx, ap Approval, to ApprovalState, by ident.ID, now time.Time) error {
	return tx.ExecOne(approvalMoved(), `update approvals set state = $1, closed_at = $2, closed_by = $3,
		version = version + 1 where id = $4 and version = $5 and state = 'open'`,
		string(to), ident.Micros(now), by, ap.ID, ap.Version)
}

func approvalMoved() error {
	return ident.E(ident.KindConflict, "approval_moved", "somebody else has just dealt with this request; look again")
}
