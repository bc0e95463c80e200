package party

import (
	"bytes"

	"surety/kernel/ident"
	"surety/platform/db"
)

const partyColumns = `id, kind, name_sealed, idnum_sealed, phone_sealed, city, created`

// Get reads a party; found is false if there is none.
func (s *Service) Get(tx *db.Tx, id ident.ID) (Party, bool, error) {
	return s.one(tx, `select `+partyColumns+` from party where id = $1`, id)
}

// ByIDNumber finds the one person with this identity number, however it is written.
func (s *Service) ByIDNumber(tx *db.Tx, number string) (Party, bool, error) {
	n := NormalIDNumber(number)
	if n == "" {
		return Party{}, false, nil
	}
	return s.one(tx, `select `+partyColumns+` from party where idnum_index = $1`, s.cfg.Vault.Index("idnum", n))
}

// ByPhone finds all parties with this telephone number.
func (s *Service) ByPhone(tx *db.Tx, phone string) ([]Party, error) {
	n := NormalPhone(phone)
	if n == "" {
		return nil, nil
	}
	return s.many(tx, `select `+partyColumns+` from party where phone_index = $1 order by id`, s.cfg.Vault.Index("phone", n))
}

// ByName finds all parties whose folded name is the same.
func (s *Service) ByName(tx *db.Tx, name string) ([]Party, error) {
	n := NormalName(name)
	if n == "" {
		return nil, nil
	}
	return s.many(tx, `select `+partyColumns+` from party where name_index = $1 order by id`, s.cfg.Vault.Index("name", n))
}

func (s *Service) one(tx *db.Tx, query string, arg any) (Party, bool, error) {
	ps, err := s.many(tx, query, arg)
	if err != nil || len(ps) == 0 {
		return Party{}, false, err
	}
	return ps[0], true, nil
}

func (s *Service) many(tx *db.Tx, query string, arg any) (out []Party, err error) {
	err = tx.Rows(query, []any{arg}, func(scan func(...any) error) error {
		var p Party
		var name, idnum, phone []byte
		var created int64
		if err := scan(&p.ID, &p.Kind, &name, &idnum, &phone, &p.City, &created); err != nil {
			return err
		}
		p.Created = ident.FromMicros(created)
		for _, f := range []struct {
			field  string
			sealed []byte
			into   *string
		}{{"name", name, &p.Name}, {"idnum", idnum, &p.IDNumber}, {"phone", phone, &p.Phone}} {
			plain, err := s.cfg.Vault.Open(p.ID, f.field, f.sealed)
			if err != nil {
				return err
			}
			*f.into = plain
		}
		out = append(out, p)
		return nil
	})
	return out, err
}

// sealed is a party's personal fields ready for the database: seal, index, ….
func (s *Service) sealed(p Party) ([]any, error) {
	var out []any
	for _, f := range []struct{ field, plain, index string }{
		{"name", p.Name, NormalName(p.Name)}, {"idnum", p.IDNumber, p.IDNumber}, {"phone", p.Phone, p.Phone},
	} {
		b, err := s.cfg.Vault.Seal(p.ID, f.field, f.plain)
		if err != nil {
			return nil, err
		}
		index := []byte{}
		if f.index != "" {
			index = s.cfg.Vault.Index(f.field, f.index)
		}
		out = append(out, b, index)
	}
	return out, nil
}

func (s *Service) insertParty(tx *db.Tx, p Party) error {
	seals, err := s.sealed(p)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`insert into party (id, kind, city, created, name_sealed, name_index, idnum_sealed, idnum_index,
  phone_sealed, phone_index) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		append([]any{p.ID, string(p.Kind), p.City, ident.Micros(p.Created)}, seals...)...)
	return err
}

func (s *Service) updateParty(tx *db.Tx, p Party) error {
	seals, err := s.sealed(p)
	if err != nil {
		return err
	}
	return tx.ExecOne(ident.NotFound("party", p.ID), `update party set name_sealed = $2, name_index = $3,
  idnum_sealed = $4, idnum_index = $5, phone_sealed = $6, phone_index = $7 where id = $1`, append([]any{p.ID}, seals...)...)
}

const accountColumns = `id, party_id, kind, verification, opened, device, city`

// Account reads one account by the host's id.
func (s *Service) Account(tx *db.Tx, id string) (Account, bool, error) {
	as, err := accounts(tx, `select `+accountColumns+` from account where id = $1`, id)
	if err != nil || len(as) == 0 {
		return Account{}, false, err
	}
	return as[0], true, nil
}

// AccountsOf lists a party's accounts, oldest first.
func (s *Service) AccountsOf(tx *db.Tx, holder ident.ID) ([]Account, error) {
	return accounts(tx, `select `+accountColumns+` from account where party_id = $1 order by opened, id`, holder)
}

// AllAccounts lists every account in the order of ids; for the replay at start
// and for exports.
func (s *Service) AllAccounts(tx *db.Tx) ([]Account, error) {
	return accounts(tx, `select `+accountColumns+` from account order by id`)
}

func accounts(tx *db.Tx, query string, args ...any) (out []Account, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var a Account
		var opened int64
		if err := scan(&a.ID, &a.PartyID, &a.Kind, &a.Verification, &opened, &a.Device, &a.City); err != nil {
			return err
		}
		a.Opened = ident.FromMicros(opened)
		out = append(out, a)
		return nil
	})
	return out, err
}

func insertAccount(tx *db.Tx, a Account, said []byte) error {
	_, err := tx.Exec(`insert into account (id, party_id, kind, verification, opened, device, city, said)
values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		a.ID, a.PartyID, string(a.Kind), string(a.Verification), ident.Micros(a.Opened), a.Device, a.City, said)
	return err
}

func updateAccount(tx *db.Tx, a Account, said []byte) error {
	return tx.ExecOne(ident.NotFound("account", a.ID), `update account set kind = $2, verification = $3, opened = $4,
  device = $5, city = $6, said = $7 where id = $1`,
		a.ID, string(a.Kind), string(a.Verification), ident.Micros(a.Opened), a.Device, a.City, said)
}

// saidBefore reports whether the host's last row for the account was the same.
func saidBefore(tx *db.Tx, account string, said []byte) (same bool, err error) {
	var kept []byte
	_, err = tx.Row([]any{&kept}, `select said from account where id = $1`, account)
	return bytes.Equal(kept, said), err
}

// PhoneIndex is the blind index of a telephone number, however it is written;
// empty if there is no digit in it.
func (s *Service) PhoneIndex(phone string) []byte {
	return s.cfg.Vault.Index("phone", NormalPhone(phone))
}
