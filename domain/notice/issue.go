package notice

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

// IssueIn is what Issue needs to know of a payout that has settled.
type IssueIn struct {
	Owner        ident.ID     // party id of who may open the certificate: the victim or the heir
	PaidAt       time.Time    // when the rail settled
	Amount       money.Amount // what was paid
	FromFund     string       // the fund's id
	PayeeName    string
	OnBehalfOf   string // the victim's name, if the payee is the heir
	BankName     string
	BankAccount  string // whole; only its end is printed
	ClaimID      ident.ID
	IncidentID   ident.ID // "" if none
	IncidentName string   // "" if none
	Basis        string
	PayoutID     ident.ID
}

// Issued is a certificate that was issued.
type Issued struct {
	Certificate
	Signed   Signed
	Code     string
	Owner    ident.ID
	Incident ident.ID
	Created  time.Time
}

// PDF prints it; always the same bytes. It takes some 30 ms, so call it outside
// of transactions.
func (i Issued) PDF() ([]byte, error) { return RenderPDF(i.Signed) }

// maxName bounds a text on a certificate: two lines of the page, and no more.
const maxName = 160

func (in IssueIn) check() error {
	for _, f := range []struct{ name, value string }{
		{"owner", in.Owner}, {"from_fund", in.FromFund}, {"payee_name", in.PayeeName}, {"bank_account", in.BankAccount},
		{"claim_id", in.ClaimID}, {"basis", in.Basis}, {"payout_id", in.PayoutID},
	} {
		if f.value == "" {
			return ident.Invalid(f.name, "required", "a certificate needs %s", f.name)
		}
		if len(f.value) > maxName {
			return ident.Invalid(f.name, "too_long", "%s is too long for a certificate: %d bytes at most", f.name, maxName)
		}
	}
	if len(in.IncidentName) > maxName || len(in.BankName) > maxName || len(in.OnBehalfOf) > maxName {
		return ident.Invalid("incident_name", "too_long", "a name is too long for a certificate: %d bytes at most", maxName)
	}
	if in.PaidAt.IsZero() {
		return ident.Invalid("paid_at", "required", "a certificate needs the time of the payment")
	}
	return in.Amount.CheckPositive("amount")
}

// Issue writes the certificate of a payout in the caller's transaction, once: the
// same facts again return the certificate that was issued, other facts for the
// same payout are KindConflict. It is logged, and does not ask whether the actor
// may: the act that it tells of, the settling of the payout, was checked.
func (s *Service) Issue(tx *db.Tx, actor ident.Actor, in IssueIn) (Issued, error) {
	if err := in.check(); err != nil {
		return Issued{}, err
	}
	in.PaidAt = in.PaidAt.UTC()
	plain, err := json.Marshal(in)
	if err != nil {
		return Issued{}, ident.E(ident.KindInternal, "encode", "the certificate could not be written as JSON").Because(err)
	}
	facts := s.cfg.Vault.Index("certificate.facts", string(plain))
	if have, found, err := s.issuedAs(tx, in.PayoutID, facts); err != nil || found {
		return have, err
	}
	now := s.cfg.Clock.Now()
	year := now.In(china).Year()
	var n int64
	if _, err := tx.Row([]any{&n}, `insert into certificate_series (year, last) values ($1, 1)
on conflict (year) do update set last = certificate_series.last + 1 returning last`, year); err != nil {
		return Issued{}, err
	}
	c := Certificate{
		Layout: layoutNow, ID: s.cfg.IDs.New("crt"), Number: fmt.Sprintf("%d-%06d", year, n), PaidAt: in.PaidAt, Amount: in.Amount,
		FromFund: in.FromFund, PayeeName: in.PayeeName, OnBehalfOf: in.OnBehalfOf, BankName: in.BankName,
		BankAccountMasked: vault.MaskAccount(in.BankAccount), ClaimID: in.ClaimID, IncidentName: in.IncidentName,
		Basis: in.Basis, PayoutID: in.PayoutID, Operator: s.cfg.Operator, VerifyURL: s.cfg.VerifyURL,
	}
	signed, err := sign(c, s.cfg.Signer)
	if err != nil {
		return Issued{}, err
	}
	i := Issued{Certificate: c, Signed: signed, Code: signed.Code(), Owner: in.Owner, Incident: in.IncidentID, Created: now}
	added, err := s.insertCertificate(tx, i, facts)
	if err != nil {
		return Issued{}, err
	}
	if !added {
		have, found, err := s.issuedAs(tx, in.PayoutID, facts)
		if err == nil && !found {
			err = ident.E(ident.KindUnavailable, "busy", "the certificate is being written elsewhere; try again")
		}
		return have, err
	}
	detail := map[string]string{"payout": in.PayoutID, "claim": in.ClaimID, "code": i.Code, "by": actor.ID}
	return i, s.cfg.Access.Check(tx, job, access.ActCertificateIssue, access.Object{ID: c.ID, Owner: in.Owner}, detail)
}

// issuedAs finds the certificate of a payout and checks that it says the same.
func (s *Service) issuedAs(tx *db.Tx, payout ident.ID, facts []byte) (Issued, bool, error) {
	have, found, err := s.ByPayout(tx, payout)
	if err != nil || !found {
		return have, found, err
	}
	var same int
	_, err = tx.Row([]any{&same}, `select count(*) from certificate where payout = $1 and facts = $2`, payout, facts)
	if err == nil && same == 0 {
		err = ident.E(ident.KindConflict, "certificate_conflict",
			"payout %s has certificate %s already, and it says something else", payout, have.Number)
	}
	return have, err == nil, err
}

// PublicKey is the key with which certificates are checked.
func (s *Service) PublicKey() ed25519.PublicKey { return s.cfg.Signer.Public().(ed25519.PublicKey) }

// ByCode finds a certificate by its verification code, as people type it, inside
// a caller's transaction, whose own check covers it.
func (s *Service) ByCode(tx *db.Tx, code string) (Issued, bool, error) {
	n := NormalCode(code)
	if n == "" {
		return Issued{}, false, nil
	}
	return s.certificate(tx, `code = $1`, n)
}

// ByPayout finds the certificate of a payout, inside a caller's transaction.
func (s *Service) ByPayout(tx *db.Tx, payout ident.ID) (Issued, bool, error) {
	return s.certificate(tx, `payout = $1`, payout)
}

// ByClaim lists the certificates of a claim, oldest first, inside a caller's transaction.
func (s *Service) ByClaim(tx *db.Tx, claim ident.ID) ([]Issued, error) {
	return s.certificates(tx, `claim = $1 order by id`, claim)
}

// ByIncident lists the certificates of an incident, oldest first, inside a caller's transaction.
func (s *Service) ByIncident(tx *db.Tx, incident ident.ID) ([]Issued, error) {
	return s.certificates(tx, `incident = $1 order by id`, incident)
}

// CountByIncident counts the certificates of an incident; "" counts those of none.
func (s *Service) CountByIncident(tx *db.Tx, incident ident.ID) (n int, err error) {
	_, err = tx.Row([]any{&n}, `select count(*) from certificate where incident = $1`, incident)
	return n, err
}

// CountCertificates counts all certificates ever issued.
func (s *Service) CountCertificates(tx *db.Tx) (n int, err error) {
	_, err = tx.Row([]any{&n}, `select count(*) from certificate`)
	return n, err
}

// Open shows a certificate to its owner or to staff; the look is recorded.
func (s *Service) Open(ctx context.Context, actor ident.Actor, id ident.ID) (i Issued, err error) {
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		var found bool
		if i, found, err = s.certificate(tx, `id = $1`, id); err != nil {
			return err
		}
		if err := s.cfg.Access.Check(tx, actor, access.ActCertificateRead, access.Object{ID: id, Owner: i.Owner}, nil); err != nil {
			return err
		}
		if !found {
			return access.Absent(access.ActCertificateRead, id)
		}
		return nil
	})
	if err != nil {
		return Issued{}, err
	}
	return i, nil
}

// Check looks a code up for somebody who holds the paper: the page for strangers
// calls it with actor ident.Job("portal"). Whoever has the code has seen the
// certificate, but it can be guessed at, so mask the name on the page. found is
// false for a code that was never issued.
func (s *Service) Check(ctx context.Context, actor ident.Actor, code string) (i Issued, found bool, err error) {
	obj := access.Object{ID: NormalCode(code)}
	err = s.cfg.Access.View(ctx, actor, access.ActCertificateCheck, obj, func(tx *db.Tx) error {
		i, found, err = s.ByCode(tx, code)
		return err
	})
	return i, found, err
}
