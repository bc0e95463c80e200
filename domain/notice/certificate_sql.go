package notice

import (
	"surety/kernel/ident"
	"surety/platform/db"
)

// payloadField is the sealed column's place in the vault.
const payloadField = "certificate.payload"

func (s *Service) insertCertificate(tx *db.Tx, i Issued, facts []byte) (added bool, err error) {
	sealed, err := s.cfg.Vault.Seal(i.ID, payloadField, string(i.Signed.Payload))
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`insert into certificate (id, number, payout, claim, incident, owner, code,
  payload_sealed, signature, facts, created) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (payout) do nothing`,
		i.ID, i.Number, i.PayoutID, i.ClaimID, i.Incident, i.Owner, i.Code,
		sealed, i.Signed.Signature, facts, ident.Micros(i.Created))
	return n == 1, err
}

func (s *Service) certificate(tx *db.Tx, where string, arg any) (Issued, bool, error) {
	is, err := s.certificates(tx, where, arg)
	if err != nil || len(is) == 0 {
		return Issued{}, false, err
	}
	return is[0], true, nil
}

// certificates opens rows and checks each signature: a row that was changed
// behind our back is never shown as a certificate.
func (s *Service) certificates(tx *db.Tx, where string, arg any) (out []Issued, err error) {
	query := `select id, incident, owner, code, payload_sealed, signature, created from certificate where ` + where
	err = tx.Rows(query, []any{arg}, func(scan func(...any) error) error {
		var i Issued
		var id ident.ID
		var sealed []byte
		var created int64
		if err := scan(&id, &i.Incident, &i.Owner, &i.Code, &sealed, &i.Signed.Signature, &created); err != nil {
			return err
		}
		payload, err := s.cfg.Vault.Open(id, payloadField, sealed)
		if err != nil {
			return err
		}
		i.Signed.Payload, i.Signed.Key, i.Created = []byte(payload), s.PublicKey(), ident.FromMicros(created)
		if i.Certificate, err = i.Signed.Open(); err != nil || i.ID != id || i.Signed.Code() != i.Code {
			return ident.E(ident.KindInternal, "certificate_broken",
				"certificate %s does not fit its signature: the database was changed, or the key is another", id).Because(err)
		}
		out = append(out, i)
		return nil
	})
	return out, err
}
