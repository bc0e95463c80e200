package fund

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/ledger"
	"surety/platform/queue"
	"surety/platform/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Kinds of the queue's jobs of this package.
const (
	jobBatch     = "payout.batch"     // gather the approved bank payouts into a file
	jobWallet    = "payout.wallet"    // send one payout to the wallet
	jobReconcile = "payout.reconcile" // ask what became of one payout
)

// Debtor is who pays, as the bank knows it.
type Debtor struct {
	Name    string `json:"name"`
	Account string `json:"account"` // the safeguarded account's number
	Bank    string `json:"bank"`
}

// Config is what the package needs. DB, Access, Queue, Ledger, Vault, Clock and
// IDs are required.
type Config struct {
	DB     *db.DB
	Access *access.Access
	Queue  *queue.Queue
	Ledger *ledger.Ledger
	Vault  *vault.Vault
	Clock  ident.Clock
	IDs    *ident.Maker

	// OutDir is where files for the bank are put; without it nothing can be paid
	// by bank.
	OutDir string
	// Debtor stands in the files; required with OutDir.
	Debtor Debtor
	// Zone is where a banking day begins; China's if nil.
	Zone *time.Location
	// BankSilence is how long the bank may be silent about a payout before its
	// outcome counts as unknown; 24 hours if zero.
	BankSilence time.Duration
	// BatchWait is how long a payout waits for others to share its file with.
	BatchWait time.Duration

	// Wallet is the host wallet; without it nothing can be paid by wallet.
	Wallet Rail

	// FourEyes is the most that one payout may be without a second person;
	// 50,000.00 CNY if zero. Other currencies always need one.
	FourEyes money.Amount
}

// fourEyes is the default of Config.FourEyes.
const fourEyes = 50_000

// Service keeps funds and pays from them.
type Service struct {
	cfg Config
}

// New refuses a missing part and takes on the queue's jobs of the rails.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Queue == nil || cfg.Ledger == nil || cfg.Vault == nil ||
		cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "fund needs DB, Access, Queue, Ledger, Vault, Clock and IDs")
	}
	if cfg.OutDir != "" {
		d := cfg.Debtor
		if err := (PayTo{Name: d.Name, Bank: d.Bank, Account: d.Account, Rail: RailBank}).Check(); err != nil {
			return nil, ident.E(ident.KindInternal, "config",
				"fund needs a whole Debtor to write files for the bank").Because(err)
		}
	}
	if cfg.Zone == nil {
		cfg.Zone = time.FixedZone("CST", 8*60*60) // China has one zone and no summer time
	}
	if cfg.BankSilence == 0 {
		cfg.BankSilence = 24 * time.Hour
	}
	if cfg.FourEyes.IsZero() {
		cfg.FourEyes = money.Yuan(fourEyes)
	}
	s := &Service{cfg: cfg}
	cfg.Queue.HandleOutside(jobBatch, s.sendBatch)
	cfg.Queue.HandleOutside(jobWallet, s.drive)
	cfg.Queue.HandleOutside(jobReconcile, s.drive)
	return s, nil
}

// Create opens a fund and its accounts. The same fund again changes nothing.
func (s *Service) Create(ctx context.Context, actor ident.Actor, f Fund) error {
	if err := f.check(); err != nil {
		return err
	}
	return s.cfg.Access.Update(ctx, actor, access.ActFundCreate, access.Object{ID: f.ID}, f, func(tx *db.Tx) error {
		added, err := insertFund(tx, f, s.cfg.Clock.Now())
		if err != nil {
			return err
		}
		if !added {
			have, _, err := s.Get(tx, f.ID)
			if err != nil {
				return err
			}
			if have.NameZH != f.NameZH || have.NameEN != f.NameEN || have.Kind != f.Kind || have.Currency != f.Currency {
				return ident.E(ident.KindConflict, "fund_exists", "there is another fund %q; choose another id", f.ID)
			}
		}
		return s.cfg.Ledger.OpenAccounts(tx,
			ledger.Account{ID: BankAccount(f.Currency), Currency: f.Currency, Side: ledger.Debit, Guarded: true},
			ledger.Account{ID: FreeAccount(f.ID), Currency: f.Currency, Side: ledger.Credit, Guarded: true})
	})
}

// Deposit books money that has come into the bank for a fund. id is the caller's
// (the bank's reference, say); the same id and body again books nothing.
func (s *Service) Deposit(ctx context.Context, actor ident.Actor, id, fundID ident.ID, amount money.Amount,
	memo string) error {
	return s.deposit(ctx, actor, ledger.Transfer{ID: "dep." + id, Amount: amount, Code: CodeDeposit, Memo: memo}, fundID)
}

// Recover books money that was got back for a claim: it goes into the fund.
func (s *Service) Recover(ctx context.Context, actor ident.Actor, id, fundID, claim ident.ID, amount money.Amount,
	memo string) error {
	t := ledger.Transfer{ID: "rec." + id, Amount: amount, Code: CodeRecovery, Ref: claim, Memo: memo}
	return s.deposit(ctx, actor, t, fundID)
}

func (s *Service) deposit(ctx context.Context, actor ident.Actor, t ledger.Transfer, fundID ident.ID) error {
	detail := map[string]any{"transfer": t.ID, "amount": t.Amount}
	return s.cfg.Access.Update(ctx, actor, access.ActFundDeposit, access.Object{ID: fundID}, detail, func(tx *db.Tx) error {
		f, err := s.need(tx, fundID)
		if err != nil {
			return err
		}
		t.Debit, t.Credit, t.At = BankAccount(f.Currency), FreeAccount(f.ID), s.cfg.Clock.Now()
		return s.cfg.Ledger.Transfer(tx, t)
	})
}

// need is a fund that must be there.
func (s *Service) need(tx *db.Tx, id ident.ID) (Fund, error) {
	f, found, err := s.Get(tx, id)
	if err == nil && !found {
		err = ident.NotFound("fund", id)
	}
	return f, err
}

// onBehalf is the check of what joins another noun's act (an incident is declared,
// approved, closed): that act was checked, with its own roles, so this one is the
// product's, with the person in the record. Only people and jobs have such acts.
func (s *Service) onBehalf(tx *db.Tx, actor ident.Actor, act access.Act, fundID ident.ID, detail map[string]any) error {
	if actor.Kind != ident.Staff && actor.Kind != ident.System {
		return s.cfg.Access.Check(tx, actor, act, access.Object{ID: fundID}, detail)
	}
	detail["by"] = actor.ID
	return s.cfg.Access.Check(tx, ident.Job("fund"), act, access.Object{ID: fundID}, detail)
}

// Freeze stops a fund for all purposes but one [A11]; a person decides so.
func (s *Service) Freeze(ctx context.Context, actor ident.Actor, fundID, purpose ident.ID) error {
	detail := map[string]any{"freeze": purpose}
	return s.cfg.Access.Update(ctx, actor, access.ActFundFreeze, access.Object{ID: fundID}, detail, func(tx *db.Tx) error {
		return s.freeze(tx, fundID, purpose)
	})
}

// FreezeTx is Freeze in an act that has been checked by its own noun.
func (s *Service) FreezeTx(tx *db.Tx, actor ident.Actor, fundID, purpose ident.ID) error {
	if err := s.onBehalf(tx, actor, access.ActFundFreeze, fundID, map[string]any{"freeze": purpose}); err != nil {
		return err
	}
	return s.freeze(tx, fundID, purpose)
}

func (s *Service) freeze(tx *db.Tx, fundID, purpose ident.ID) error {
	if err := checkFundID(fundID); err != nil {
		return err
	}
	if err := checkPurpose(fundID, purpose); err != nil {
		return err
	}
	return s.guarded(tx, fundID, `update fund set frozen_for = $1, version = version + 1
		where id = $2 and (frozen_for = '' or frozen_for = $1)`, purpose, fundID)
}

// Unfreeze lets money go out for all purposes again; a person decides so.
func (s *Service) Unfreeze(ctx context.Context, actor ident.Actor, fundID, purpose ident.ID) error {
	detail := map[string]any{"unfreeze": purpose}
	return s.cfg.Access.Update(ctx, actor, access.ActFundFreeze, access.Object{ID: fundID}, detail, func(tx *db.Tx) error {
		return s.unfreeze(tx, fundID, purpose)
	})
}

// UnfreezeTx is Unfreeze in an act that has been checked by its own noun.
func (s *Service) UnfreezeTx(tx *db.Tx, actor ident.Actor, fundID, purpose ident.ID) error {
	if err := s.onBehalf(tx, actor, access.ActFundFreeze, fundID, map[string]any{"unfreeze": purpose}); err != nil {
		return err
	}
	return s.unfreeze(tx, fundID, purpose)
}

func (s *Service) unfreeze(tx *db.Tx, fundID, purpose ident.ID) error {
	return s.guarded(tx, fundID, `update fund set frozen_for = '', version = version + 1
		where id = $2 and (frozen_for = '' or frozen_for = $1)`, purpose, fundID)
}

// goOut is the freeze's guard: every act that takes money out of a fund's free
// money or an earmark writes this row first, so it waits for a freeze that is
// being made and stops at one that is.
func (s *Service) goOut(tx *db.Tx, fundID, purpose ident.ID) error {
	return s.guarded(tx, fundID, `update fund set last_out = $1 where id = $2 and (frozen_for = '' or frozen_for = $3)`,
		ident.Micros(s.cfg.Clock.Now()), fundID, purpose)
}

// guarded runs a statement that a freeze for another purpose stops.
func (s *Service) guarded(tx *db.Tx, fundID ident.ID, query string, args ...any) error {
	n, err := tx.Exec(query, args...)
	if err != nil || n == 1 {
		return err
	}
	f, err := s.need(tx, fundID)
	if err != nil {
		return err
	}
	return ident.E(ident.KindState, "fund_frozen",
		"fund %q is frozen for %q; until that is closed, money goes out for nothing else", f.ID, f.FrozenFor)
}

// Earmark sets money aside for a purpose. The same id and body again moves nothing.
func (s *Service) Earmark(ctx context.Context, actor ident.Actor, id, fundID, purpose ident.ID, amount money.Amount) error {
	detail := map[string]any{"earmark": id, "purpose": purpose, "amount": amount}
	return s.cfg.Access.Update(ctx, actor, access.ActFundEarmark, access.Object{ID: fundID}, detail, func(tx *db.Tx) error {
		return s.earmark(tx, id, fundID, purpose, amount)
	})
}

// EarmarkTx is Earmark in an act that has been checked by its own noun.
func (s *Service) EarmarkTx(tx *db.Tx, actor ident.Actor, id, fundID, purpose ident.ID, amount money.Amount) error {
	detail := map[string]any{"earmark": id, "purpose": purpose, "amount": amount}
	if err := s.onBehalf(tx, actor, access.ActFundEarmark, fundID, detail); err != nil {
		return err
	}
	return s.earmark(tx, id, fundID, purpose, amount)
}

func (s *Service) earmark(tx *db.Tx, id, fundID, purpose ident.ID, amount money.Amount) error {
	if err := ident.CheckID("id", id); err != nil {
		return err
	}
	if err := checkPurpose(fundID, purpose); err != nil {
		return err
	}
	f, err := s.need(tx, fundID)
	if err != nil {
		return err
	}
	t := ledger.Transfer{ID: "ear." + id, Debit: FreeAccount(fundID), Credit: EarmarkAccount(fundID, purpose),
		Amount: amount, Code: CodeEarmark, Ref: purpose, At: s.cfg.Clock.Now()}
	if _, err := s.cfg.Ledger.Find(tx, t.ID); err == nil {
		return s.cfg.Ledger.Transfer(tx, t) // the same answer again, whatever is frozen now
	} else if !ident.Is(err, ident.KindNotFound) {
		return err
	}
	if err := s.goOut(tx, fundID, purpose); err != nil {
		return err
	}
	account := ledger.Account{ID: t.Credit, Currency: f.Currency, Side: ledger.Credit, Guarded: true, Purpose: purpose}
	if err := s.cfg.Ledger.OpenAccounts(tx, account); err != nil {
		return err
	}
	return s.cfg.Ledger.Transfer(tx, t)
}

// ReleaseEarmark gives back to the fund what an earmark holds and no payout needs;
// not what two people have released for the purpose.
func (s *Service) ReleaseEarmark(ctx context.Context, actor ident.Actor, id, fundID, purpose ident.ID) error {
	detail := map[string]any{"release": id, "purpose": purpose}
	return s.cfg.Access.Update(ctx, actor, access.ActFundEarmark, access.Object{ID: fundID}, detail, func(tx *db.Tx) error {
		return s.release(tx, id, fundID, purpose, s.unreleased)
	})
}

// unreleased refuses what two people have released for the purpose (R23): one
// person may not take that away from those who are to get it. The purpose's own
// noun gives back what is left, when it is closed.
func (s *Service) unreleased(tx *db.Tx, purpose ident.ID) error {
	all, err := s.cfg.Access.For(tx, purpose)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Act == access.ActIncidentApprove && a.State == access.Used {
			return ident.E(ident.KindState, "earmark_approved",
				"two people have released this money for %s (%s); what is left goes back when that is closed", purpose, a.ID)
		}
	}
	return nil
}

// ReleaseEarmarkTx is ReleaseEarmark in an act that has been checked by its own
// noun. What is held for payouts under way stays; if nothing is left, or nothing
// was ever set aside, nothing happens.
func (s *Service) ReleaseEarmarkTx(tx *db.Tx, actor ident.Actor, id, fundID, purpose ident.ID) error {
	detail := map[string]any{"release": id, "purpose": purpose}
	if err := s.onBehalf(tx, actor, access.ActFundEarmark, fundID, detail); err != nil {
		return err
	}
	return s.release(tx, id, fundID, purpose, nil)
}

func (s *Service) release(tx *db.Tx, id, fundID, purpose ident.ID, may func(*db.Tx, ident.ID) error) error {
	if err := ident.CheckID("id", id); err != nil {
		return err
	}
	if err := checkPurpose(fundID, purpose); err != nil {
		return err
	}
	done, err := s.cfg.Ledger.Find(tx, "rel."+id)
	if err == nil && done.Debit != EarmarkAccount(fundID, purpose) {
		return ident.E(ident.KindConflict, "release_exists", "release %q was of another earmark; use a new id", id)
	}
	if err == nil || !ident.Is(err, ident.KindNotFound) {
		return err
	}
	if err := s.goOut(tx, fundID, purpose); err != nil {
		return err
	}
	if may != nil {
		if err := may(tx, purpose); err != nil {
			return err
		}
	}
	b, err := s.cfg.Ledger.Balance(tx, EarmarkAccount(fundID, purpose)) // stable: goOut holds the fund's row
	if ident.Is(err, ident.KindNotFound) || err == nil && b.Available.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	return s.cfg.Ledger.Transfer(tx, ledger.Transfer{ID: "rel." + id, Debit: EarmarkAccount(fundID, purpose),
		Credit: FreeAccount(fundID), Amount: b.Available, Code: CodeRelease, Ref: purpose, At: s.cfg.Clock.Now()})
}

// FourEyes is the most that one payout may be without a second person.
func (s *Service) FourEyes() money.Amount { return s.cfg.FourEyes }
