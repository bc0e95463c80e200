package party

import (
	"context"
	"embed"
	"io/fs"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Config is what the package needs; all of it is required but what says otherwise.
type Config struct {
	Access *access.Access
	Vault  *vault.Vault
	Clock  ident.Clock
	IDs    *ident.Maker
	// Remember is how many accounts' facts are kept in memory, at 400 bytes each;
	// about 500,000 if zero.
	Remember int
}

// Service keeps parties and accounts.
type Service struct {
	cfg    Config
	memory *memory
}

// New refuses a missing part.
func New(cfg Config) (*Service, error) {
	if cfg.Access == nil || cfg.Vault == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "party needs Access, Vault, Clock and IDs")
	}
	limit := cfg.Remember / 2
	if cfg.Remember == 0 {
		limit = remembered
	}
	return &Service{cfg: cfg, memory: &memory{limit: max(limit, 1)}}, nil
}

// View shows a party to an actor; the look is recorded.
func (s *Service) View(ctx context.Context, actor ident.Actor, id ident.ID) (p Party, accounts []Account, err error) {
	obj := access.Object{ID: id, Owner: id}
	err = s.cfg.Access.View(ctx, actor, access.ActPartyRead, obj, func(tx *db.Tx) error {
		var found bool
		if p, found, err = s.Get(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("party", id)
		}
		accounts, err = s.AccountsOf(tx, id)
		return err
	})
	return p, accounts, err
}

// Row is one account with its holder as a host's file gives it.
type Row struct {
	Account      string
	Name         string
	IDNumber     string
	Phone        string
	City         string
	Device       string
	Verification Verification
	Opened       time.Time
	Kind         Kind
}

// ImportReport accounts for every row of an import.
type ImportReport struct {
	Rows      int            `json:"rows"`
	Added     int            `json:"added"`
	Changed   int            `json:"changed"`
	Unchanged int            `json:"unchanged"`
	Refused   []*ident.Error `json:"refused"`
}

// importBatch is how many rows share an act: enough to be fast, few enough
// that neighbours do not wait.
const importBatch = 200

// ImportRows writes rows in acts of 200: a crash leaves whole acts, and the same
// import again completes it.
func (s *Service) ImportRows(ctx context.Context, actor ident.Actor, rows []Row) (ImportReport, error) {
	var total ImportReport
	for len(rows) > 0 {
		n := min(importBatch, len(rows))
		part := rows[:n]
		rows = rows[n:]
		rep, err := s.importAct(ctx, actor, part)
		if err != nil {
			return total, err
		}
		total.Rows += n
		total.Added += rep.Added
		total.Changed += rep.Changed
		total.Unchanged += rep.Unchanged
		total.Refused = append(total.Refused, rep.Refused...)
	}
	return total, nil
}

// importAct is one act of an import. What is remembered of the accounts it touches
// is forgotten at its end, also if nobody knows how it ended.
func (s *Service) importAct(ctx context.Context, actor ident.Actor, rows []Row) (rep ImportReport, err error) {
	var touched []string
	s.memory.begin()
	defer func() { s.memory.end(touched) }()
	err = s.cfg.Access.Update(ctx, actor, access.ActPartyImport, access.Object{}, map[string]int{"rows": len(rows)},
		func(tx *db.Tx) error {
			rep, touched = ImportReport{}, touched[:0]
			for _, r := range rows {
				changed := rep.Changed
				if err := s.importRow(tx, r, &rep); err != nil {
					return err
				}
				touched = append(touched, r.Account)
				if rep.Changed == changed {
					continue
				}
				siblings, err := s.siblings(tx, r.Account)
				if err != nil {
					return err
				}
				touched = append(touched, siblings...)
			}
			return nil
		})
	return rep, err
}

// siblings are the accounts of an account's holder, whose name and telephone are
// facts of all of them.
func (s *Service) siblings(tx *db.Tx, account string) (out []string, err error) {
	a, found, err := s.Account(tx, account)
	if err != nil || !found {
		return nil, err
	}
	all, err := s.AccountsOf(tx, a.PartyID)
	for _, a := range all {
		out = append(out, a.ID)
	}
	return out, err
}

func (s *Service) importRow(tx *db.Tx, r Row, rep *ImportReport) error {
	have, found, err := s.Account(tx, r.Account)
	if err != nil {
		return err
	}
	said := s.cfg.Vault.Index("row", r.text())
	if !found {
		id, err := s.ensureParty(tx, r)
		if err != nil {
			return err
		}
		rep.Added++
		return insertAccount(tx, r.account(id), said)
	}
	if same, err := saidBefore(tx, r.Account, said); err != nil || same {
		rep.Unchanged++
		return err
	}
	holder, _, err := s.Get(tx, have.PartyID)
	if err != nil {
		return err
	}
	if same, err := s.sameHolder(tx, holder, r); err != nil {
		return err
	} else if !same {
		rep.Refused = append(rep.Refused, ident.Invalid("id_number", "holder_changed",
			"account %s belongs to another person; an account never changes its holder", r.Account))
		return nil
	}
	rep.Changed++
	if err := updateAccount(tx, r.account(have.PartyID), said); err != nil {
		return err
	}
	holder.Name, holder.Phone = r.Name, NormalPhone(r.Phone)
	if r.IDNumber != "" {
		holder.IDNumber = NormalIDNumber(r.IDNumber)
	}
	return s.updateParty(tx, holder)
}

// sameHolder says whether the row can speak of the account's holder. The identity
// number decides. Who had none may get one, unless it is another person's; and a
// row without one may not rename somebody who has one.
func (s *Service) sameHolder(tx *db.Tx, holder Party, r Row) (bool, error) {
	number := NormalIDNumber(r.IDNumber)
	switch {
	case number == holder.IDNumber && number != "":
		return true, nil
	case number == "" && holder.IDNumber != "":
		return NormalName(r.Name) == NormalName(holder.Name), nil
	case number != "" && holder.IDNumber == "":
		_, taken, err := s.ByIDNumber(tx, number)
		return !taken, err
	}
	return number == holder.IDNumber, nil // neither has one, or they differ
}

// text is the whole row, to tell a repetition from a change.
func (r Row) text() string {
	return strings.Join([]string{r.Account, r.Name, NormalIDNumber(r.IDNumber), NormalPhone(r.Phone), r.City, r.Device,
		string(r.Verification), r.Opened.UTC().Format(time.DateOnly), string(r.Kind)}, "\x1f")
}

func (r Row) account(holder ident.ID) Account {
	return Account{
		ID: r.Account, PartyID: holder, Kind: r.Kind, Verification: r.Verification,
		Opened: r.Opened.UTC(), Device: r.Device, City: r.City,
	}
}

// ensureParty finds the holder by identity number or makes a new party.
func (s *Service) ensureParty(tx *db.Tx, r Row) (ident.ID, error) {
	if r.IDNumber != "" {
		p, found, err := s.ByIDNumber(tx, r.IDNumber)
		if err != nil || found {
			return p.ID, err
		}
	}
	p := Party{
		ID: s.cfg.IDs.New("pty"), Kind: r.Kind, Name: r.Name, IDNumber: NormalIDNumber(r.IDNumber),
		Phone: NormalPhone(r.Phone), City: r.City, Created: s.cfg.Clock.Now(),
	}
	return p.ID, s.insertParty(tx, p)
}

// Add makes a party that has no account here, such as an heir, or returns the
// one that has the identity number already. It joins the caller's transaction,
// whose own check covers it.
func (s *Service) Add(tx *db.Tx, kind Kind, name, idNumber, phone string) (ident.ID, error) {
	return s.ensureParty(tx, Row{Kind: kind, Name: name, IDNumber: idNumber, Phone: phone})
}
