package notice

import (
	"surety/kernel/ident"
	"surety/platform/db"
)

func (s *Service) insertMessage(tx *db.Tx, m Message) (added bool, err error) {
	subject, err := s.cfg.Vault.Seal(m.ID, "notice.subject", m.Subject)
	if err != nil {
		return false, err
	}
	body, err := s.cfg.Vault.Seal(m.ID, "notice.body", m.Body)
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(`insert into notice_message (id, uniq, party, channel, template, lang, state, reason, created, changed,
  subject_sealed, body_sealed) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (uniq) do nothing`,
		m.ID, m.Key, m.To, string(m.Channel), m.Template, string(m.Lang), string(m.State), m.Reason,
		ident.Micros(m.At), ident.Micros(m.Changed), subject, body)
	return n == 1, err
}

func (s *Service) message(tx *db.Tx, where string, arg any) (Message, bool, error) {
	ms, err := s.messages(tx, where, arg)
	if err != nil || len(ms) == 0 {
		return Message{}, false, err
	}
	return ms[0], true, nil
}

func (s *Service) messages(tx *db.Tx, where string, args ...any) (out []Message, err error) {
	query := `select id, uniq, party, channel, template, lang, state, reason, created, changed, subject_sealed, body_sealed
from notice_message where ` + where
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var m Message
		var created, changed int64
		var subject, body []byte
		err := scan(&m.ID, &m.Key, &m.To, &m.Channel, &m.Template, &m.Lang, &m.State, &m.Reason,
			&created, &changed, &subject, &body)
		if err != nil {
			return err
		}
		m.At, m.Changed = ident.FromMicros(created), ident.FromMicros(changed)
		if m.Subject, err = s.cfg.Vault.Open(m.ID, "notice.subject", subject); err != nil {
			return err
		}
		if m.Body, err = s.cfg.Vault.Open(m.ID, "notice.body", body); err != nil {
			return err
		}
		out = append(out, m)
		return nil
	})
	return out, err
}
