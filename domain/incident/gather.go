package incident

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"surety/domain/authority"
	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// proposalTTL is how long a proposal waits for the second signature.
const proposalTTL = 8 * time.Hour

// ListReport accounts for a police list that was read into an incident.
type ListReport struct {
	List    authority.List `json:"list"`
	Again   bool           `json:"again"` // the same file was read before; nothing changed
	Matched map[string]int `json:"matched"`
}

// ImportList reads a police list as it came and adds its victims. Every row is
// kept, with what was read, mended and refused, and why. A list with a refused
// row is taken all the same: that row waits for a person, the others do not.
func (s *Service) ImportList(ctx context.Context, actor ident.Actor, id ident.ID, filename string, r io.Reader) (ListReport, error) {
	list, err := authority.ReadList(r, authority.Options{Now: s.cfg.Clock.Now()})
	if err != nil {
		return ListReport{}, err
	}
	rep := ListReport{List: list}
	rows := make([]sourceRow, len(list.Rows))
	for n, row := range list.Rows {
		rows[n] = sourceRow{row.Line, string(row.Kind), row}
	}
	err = s.read(ctx, actor, id, Source{Kind: "police_list", Filename: filename, SHA256: list.SHA256}, list.Totals, rows,
		func(tx *db.Tx, i Incident, again bool) error {
			rep.Matched, rep.Again = map[string]int{}, again
			if again {
				return nil
			}
			for _, row := range list.Victims() {
				how, err := s.addListed(tx, id, row.Read)
				if err != nil {
					return err
				}
				rep.Matched[how]++
			}
			return nil
		})
	return rep, err
}

// read keeps a source and moves the incident, around fn, in one act.
func (s *Service) read(ctx context.Context, actor ident.Actor, id ident.ID, src Source, figures any, rows []sourceRow,
	fn func(tx *db.Tx, i Incident, again bool) error) error {
	detail := map[string]any{"kind": src.Kind, "file": src.Filename, "sha256": src.SHA256}
	return s.cfg.Access.Update(ctx, actor, access.ActIncidentImport, access.Object{ID: id}, detail, func(tx *db.Tx) error {
		i, err := s.load(tx, id)
		if err != nil {
			return err
		}
		src.ID, src.Incident, src.ReadAt = s.cfg.IDs.New("src"), id, s.cfg.Clock.Now()
		fresh, err := s.addSource(tx, src, figures, rows)
		if err != nil {
			return err
		}
		if fresh {
			if err := s.advance(tx, &i, Gather); err != nil {
				return err
			}
		}
		return fn(tx, i, !fresh)
	})
}

// How a row of a list was matched to an account, the surest first.
const (
	byAccount  = "account"
	byIDNumber = "id_number"
	byPhone    = "phone_and_name"
	byNothing  = "nobody"
)

// match finds the person of a row: the account number if its holder is the one
// named, else the identity number, else the telephone with the same name. A name
// alone finds nobody: many people share one.
func (s *Service) match(tx *db.Tx, v authority.Victim) (holder ident.ID, account, how string, err error) {
	if v.Account != "" {
		a, found, err := s.cfg.Party.Account(tx, v.Account)
		if err != nil {
			return "", "", "", err
		}
		if found {
			p, _, err := s.cfg.Party.Get(tx, a.PartyID)
			if err != nil {
				return "", "", "", err
			}
			if p.IDNumber == party.NormalIDNumber(v.IDNumber) || v.IDNumber == "" && sameName(p.Name, v.Name) {
				return a.PartyID, a.ID, byAccount, nil
			}
		}
	}
	p, found, err := s.cfg.Party.ByIDNumber(tx, v.IDNumber)
	if err != nil {
		return "", "", "", err
	}
	how = byIDNumber
	if !found {
		how = byPhone
		people, err := s.cfg.Party.ByPhone(tx, v.Phone)
		if err != nil {
			return "", "", "", err
		}
		for _, one := range people {
			if sameName(one.Name, v.Name) {
				p, found = one, true
			}
		}
	}
	if !found {
		return "", "", byNothing, nil
	}
	as, err := s.cfg.Party.AccountsOf(tx, p.ID)
	if err != nil || len(as) == 0 {
		return p.ID, "", how, err
	}
	return p.ID, as[0].ID, how, nil
}

func sameName(a, b string) bool { return a != "" && party.NormalName(a) == party.NormalName(b) }

func (s *Service) addListed(tx *db.Tx, id ident.ID, row authority.Victim) (how string, err error) {
	holder, account, how, err := s.match(tx, row)
	if err != nil {
		return "", err
	}
	v, err := s.victimOf(tx, id, holder, account, row.Name)
	if err != nil {
		return "", err
	}
	if v.Police, err = v.Police.Add(row.Amount); err != nil { // one person, two cases: both losses
		return "", err
	}
	v.PoliceCase = strings.TrimPrefix(v.PoliceCase+", "+row.CaseNo, ", ")
	v.PayTo = fund.PayTo{Name: row.Payee, Bank: row.Bank, Account: row.BankAccount, Rail: "bank"}
	v.Estate = v.Estate || row.Deceased
	return how, s.saveVictim(tx, &v)
}

// victimOf finds the victim of this account or person in the incident, or makes one.
func (s *Service) victimOf(tx *db.Tx, id, holder ident.ID, account, name string) (Victim, error) {
	if account != "" {
		if v, found, err := s.victimByAccount(tx, id, account); err != nil || found {
			return v, err
		}
	}
	if holder != "" {
		if v, found, err := s.victimByParty(tx, id, holder); err != nil || found {
			return v, err
		}
	}
	return Victim{ID: s.cfg.IDs.New("vic"), Incident: id, Party: holder, Claimant: holder, Account: account, Name: name,
		Verdict: Unchecked}, nil
}

// ReportsReport accounts for a file of users' own reports.
type ReportsReport struct {
	Reports authority.Reports `json:"reports"`
	Again   bool              `json:"again"`
	Filed   int               `json:"filed"`   // new claims
	Joined  int               `json:"joined"`  // said before by the same user
	Unknown []string          `json:"unknown"` // reports on accounts that do not exist
}

// ImportReports reads what users themselves have said and files a claim for
// each of them; who says it twice has one claim.
func (s *Service) ImportReports(ctx context.Context, actor ident.Actor, id ident.ID, filename string, r io.Reader) (ReportsReport, error) {
	body, sum, err := readWhole(r, maxReports)
	if err != nil {
		return ReportsReport{}, err
	}
	reports, err := authority.ReadReports(bytes.NewReader(body), authority.Options{Now: s.cfg.Clock.Now()})
	if err != nil {
		return ReportsReport{}, err
	}
	rep := ReportsReport{Reports: reports}
	src := Source{Kind: "user_reports", Filename: filename, SHA256: sum}
	rows := make([]sourceRow, len(reports.Rows))
	for n, row := range reports.Rows {
		rows[n] = sourceRow{row.Line, string(row.Kind), row}
	}
	figures := map[string]int{"read": reports.Read, "duplicates": reports.Duplicates, "refused": reports.Refused}
	err = s.read(ctx, actor, id, src, figures, rows, func(tx *db.Tx, i Incident, again bool) error {
		rep.Again, rep.Filed, rep.Joined, rep.Unknown = again, 0, 0, nil
		if again {
			return nil
		}
		for _, row := range reports.Rows {
			if row.Kind != authority.RowVictim && row.Kind != authority.RowDuplicate {
				continue
			}
			if err := s.addReport(tx, actor, id, row.Read, &rep); err != nil {
				return err
			}
		}
		return nil
	})
	return rep, err
}

func (s *Service) addReport(tx *db.Tx, actor ident.Actor, id ident.ID, r authority.Report, rep *ReportsReport) error {
	a, found, err := s.cfg.Party.Account(tx, r.Account)
	if err != nil {
		return err
	}
	if !found {
		rep.Unknown = append(rep.Unknown, r.ID)
		return nil
	}
	p, _, err := s.cfg.Party.Get(tx, a.PartyID)
	if err != nil {
		return err
	}
	v, err := s.victimOf(tx, id, a.PartyID, a.ID, p.Name)
	if err != nil {
		return err
	}
	v.Reports++
	if v.Reports > 1 || v.Claim != "" {
		rep.Joined++
	}
	if r.Claimed.Minor > v.Reported.Minor {
		v.Reported = r.Claimed
	}
	if v.Claim == "" {
		c, err := s.cfg.Claim.FileTx(tx, actor, claim.FileIn{
			ID: id + "." + r.ID, Kind: claim.Theft, Holder: a.PartyID, Claimant: a.PartyID, Account: a.ID,
			Claimed: r.Claimed, Basis: claim.SwornStatement, LossDate: r.LostOn, Words: r.Words, Incident: id, Source: "report",
		})
		if err != nil {
			return err
		}
		v.Claim = c.ID
		rep.Filed++
	}
	return s.saveVictim(tx, &v)
}

// AddEstate takes over the claim of a victim who has died: the heir, with the
// proof of standing, is paid (A5).
func (s *Service) AddEstate(ctx context.Context, actor ident.Actor, id ident.ID, filename string, r io.Reader) (authority.Estate, error) {
	body, sum, err := readWhole(r, maxEstate)
	if err != nil {
		return authority.Estate{}, err
	}
	e, err := authority.ReadEstate(bytes.NewReader(body), authority.Options{Now: s.cfg.Clock.Now()})
	if err != nil {
		return authority.Estate{}, err
	}
	src := Source{Kind: "estate", Filename: filename, SHA256: sum}
	err = s.read(ctx, actor, id, src, map[string]money.Amount{"loss": e.Loss}, []sourceRow{{1, "estate", e}}, func(tx *db.Tx, i Incident, again bool) error {
		if again {
			return nil
		}
		return s.addEstate(tx, actor, i, e)
	})
	return e, err
}

// How large a file may be.
const (
	maxReports = 64 << 20
	maxEstate  = 1 << 20
)

// readWhole reads a file into memory and gives its SHA-256 in hex.
func readWhole(r io.Reader, limit int64) ([]byte, string, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, "", err
	}
	if int64(len(body)) > limit {
		return nil, "", ident.E(ident.KindTooLarge, "file_too_large", "the file has more than %d MB", limit>>20)
	}
	sum := sha256.Sum256(body)
	return body, hex.EncodeToString(sum[:]), nil
}

func (s *Service) addEstate(tx *db.Tx, actor ident.Actor, i Incident, e authority.Estate) error {
	id := i.ID
	a, found, err := s.cfg.Party.Account(tx, e.Account)
	if err != nil {
		return err
	}
	if !found {
		return ident.Invalid("account", "account_not_found", "there is no account %s", e.Account)
	}
	p, _, err := s.cfg.Party.Get(tx, a.PartyID)
	if err != nil {
		return err
	}
	if !sameName(p.Name, e.Holder) {
		return ident.Invalid("holder", "holder_differs", "account %s is not held by the person named", e.Account)
	}
	heir, err := s.cfg.Party.Add(tx, party.Person, e.Heir.Name, "", "")
	if err != nil {
		return err
	}
	v, err := s.victimOf(tx, id, a.PartyID, a.ID, p.Name)
	if err != nil {
		return err
	}
	v.Police, v.PoliceCase, v.Estate, v.Claimant = e.Loss, e.PoliceReport, true, heir
	v.PayTo = fund.PayTo{Name: e.Heir.Name, Bank: e.Heir.Bank, Account: e.Heir.BankAccount, Rail: "bank"}
	if v.Claim == "" {
		c, err := s.cfg.Claim.FileTx(tx, actor, claim.FileIn{
			ID: id + ".estate." + a.ID, Kind: claim.Theft, Holder: a.PartyID, Claimant: a.PartyID, Account: a.ID,
			Claimed: e.Loss, Basis: claim.PoliceConfirmation, PoliceCase: e.PoliceReport, LossDate: i.From, Incident: id, Source: "estate",
		})
		if err != nil {
			return err
		}
		v.Claim = c.ID
	}
	err = s.cfg.Claim.TakeOverTx(tx, actor, v.Claim, claim.TakeOverIn{
		Heir: heir, Relation: e.Heir.Relation, Documents: e.Heir.Documents, PayTo: v.PayTo,
	})
	if err != nil {
		return err
	}
	return s.saveVictim(tx, &v)
}

// GatherReport is what a search of the records found.
type GatherReport struct {
	Marks []Mark   `json:"marks"`
	Found []string `json:"found"` // accounts of victims that no source had named
}

// Gather derives the marks of the thefts from the victims known, and searches
// the records for further victims of the same devices and payees (A1).
func (s *Service) Gather(ctx context.Context, actor ident.Actor, id ident.ID) (rep GatherReport, err error) {
	err = s.cfg.Access.Update(ctx, actor, access.ActIncidentGather, access.Object{ID: id}, nil, func(tx *db.Tx) error {
		rep = GatherReport{}
		i, err := s.load(tx, id)
		if err != nil {
			return err
		}
		known, home, outs, err := s.outgoing(tx, i)
		if err != nil {
			return err
		}
		if rep.Marks = DeriveMarks(outs, home); len(rep.Marks) > 0 {
			if err := saveMarks(tx, id, rep.Marks); err != nil {
				return err
			}
		}
		if rep.Found, err = s.search(tx, i, rep.Marks, known); err != nil {
			return err
		}
		return s.advance(tx, &i, Gather)
	})
	return rep, err
}

// outgoing reads, for each victim with an account whom the police name, the
// payments out of it in the window, and the device enrolled for it.
func (s *Service) outgoing(tx *db.Tx, i Incident) (known map[string]bool, home map[string]string, outs map[string][]payment.Payment, err error) {
	known, home, outs = map[string]bool{}, map[string]string{}, map[string][]payment.Payment{}
	vs, err := s.Victims(tx, i.ID)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, v := range vs {
		if v.Account == "" {
			continue
		}
		known[v.Account] = true
		if v.Police.Minor == 0 {
			continue // a user's word alone makes no mark: anybody could name anybody
		}
		a, _, err := s.cfg.Party.Account(tx, v.Account)
		if err != nil {
			return nil, nil, nil, err
		}
		home[v.Account] = a.Device
		if outs[v.Account], err = s.cfg.Payment.Out(tx, v.Account, i.From, i.To); err != nil {
			return nil, nil, nil, err
		}
	}
	return known, home, outs, nil
}

// search follows each mark to accounts that nobody has named.
func (s *Service) search(tx *db.Tx, i Incident, marks []Mark, known map[string]bool) (found []string, err error) {
	for _, m := range marks {
		var ps []payment.Payment
		if m.Kind == MarkDevice {
			ps, err = s.cfg.Payment.ByDevice(tx, m.Value, i.From, i.To)
		} else {
			ps, err = s.cfg.Payment.In(tx, m.Value, i.From, i.To)
		}
		if err != nil {
			return nil, err
		}
		for _, p := range ps {
			if known[p.Payer] || marked(marks, MarkPayee, p.Payer) {
				continue
			}
			a, exists, err := s.cfg.Party.Account(tx, p.Payer)
			if err != nil {
				return nil, err
			}
			if !exists || !foreign(p, a.Device) {
				continue
			}
			known[p.Payer] = true
			found = append(found, p.Payer)
			if err := s.addFound(tx, i.ID, a); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (s *Service) addFound(tx *db.Tx, id ident.ID, a party.Account) error {
	p, _, err := s.cfg.Party.Get(tx, a.PartyID)
	if err != nil {
		return err
	}
	v, err := s.victimOf(tx, id, a.PartyID, a.ID, p.Name)
	if err != nil {
		return err
	}
	return s.saveVictim(tx, &v)
}

// ReconcileReport counts the verdicts.
type ReconcileReport struct {
	Verdicts map[Verdict]int `json:"verdicts"`
	Reasons  map[string]int  `json:"reasons"`
	Payable  money.Amount    `json:"payable"`
}

// Reconcile checks every victim that has no payout yet against the records,
// writes the verdict with its reasons, and joins what was found to the claim.
func (s *Service) Reconcile(ctx context.Context, actor ident.Actor, id ident.ID) (rep ReconcileReport, err error) {
	err = s.cfg.Access.Update(ctx, actor, access.ActIncidentReconcile, access.Object{ID: id}, nil, func(tx *db.Tx) error {
		rep = ReconcileReport{Verdicts: map[Verdict]int{}, Reasons: map[string]int{}}
		i, err := s.load(tx, id)
		if err != nil {
			return err
		}
		marks, err := s.Marks(tx, id)
		if err != nil {
			return err
		}
		vs, err := s.Victims(tx, id)
		if err != nil {
			return err
		}
		for _, v := range vs {
			if v.Payout == "" && v.Verdict != Resolved {
				if err := s.check(tx, actor, i, marks, &v); err != nil {
					return err
				}
			}
			rep.Verdicts[v.Verdict]++
			for _, r := range v.Reasons {
				rep.Reasons[r]++
			}
			if v.Verdict.Payable() {
				if rep.Payable, err = rep.Payable.Add(v.Amount); err != nil {
					return err
				}
			}
		}
		return s.advance(tx, &i, Reconcile)
	})
	return rep, err
}

func (s *Service) check(tx *db.Tx, actor ident.Actor, i Incident, marks []Mark, v *Victim) error {
	if v.Account != "" {
		a, _, err := s.cfg.Party.Account(tx, v.Account)
		if err != nil {
			return err
		}
		outs, err := s.cfg.Payment.Out(tx, v.Account, i.From, i.To)
		if err != nil {
			return err
		}
		if v.Recorded, v.Payments, err = Stolen(outs, a.Device, marks); err != nil {
			return err
		}
	}
	v.Verdict, v.Reasons, v.Amount = Judge(*v)
	if v.Verdict.Payable() || v.Claim != "" {
		if err := s.joinClaim(tx, actor, i, v); err != nil {
			return err
		}
	}
	return s.saveVictim(tx, v)
}

// joinClaim files the claim of a victim who has none and gives the claim what
// the sources and the records say.
func (s *Service) joinClaim(tx *db.Tx, actor ident.Actor, i Incident, v *Victim) error {
	basis := claim.SwornStatement
	switch {
	case v.Recorded.Minor > 0:
		basis = claim.LedgerRecord
	case v.Police.Minor > 0:
		basis = claim.PoliceConfirmation
	}
	if v.Claim == "" {
		c, err := s.cfg.Claim.FileTx(tx, actor, claim.FileIn{
			ID: i.ID + "." + v.ID, Kind: claim.Theft, Holder: v.Party, Claimant: v.Claimant, Account: v.Account,
			Claimed: v.Amount, Basis: basis, PoliceCase: v.PoliceCase, LossDate: i.From, Incident: i.ID, Source: "police_list",
		})
		if err != nil {
			return err
		}
		v.Claim = c.ID
	}
	return s.cfg.Claim.JoinTx(tx, actor, v.Claim, claim.JoinIn{
		Incident: i.ID, IncidentName: i.Title, Payments: v.Payments, Basis: basis, PoliceCase: v.PoliceCase, PayTo: v.PayTo,
		Confirmed: v.Amount, Verdict: string(v.Verdict), Reasons: v.Reasons,
	})
}

// Resolve is a person's decision on a victim whom the check could not settle: the
// amount, and why. It needs a proposal and a second person like every other.
func (s *Service) Resolve(ctx context.Context, actor ident.Actor, victim ident.ID, amount money.Amount, to fund.PayTo, why string) error {
	if err := amount.CheckPositive("amount"); err != nil {
		return err
	}
	if strings.TrimSpace(why) == "" {
		return ident.Invalid("why", "required", "say why this amount is right; it stays in the file")
	}
	return s.change(ctx, actor, access.ActIncidentReconcile, victim, map[string]any{"amount": amount, "why": why},
		func(tx *db.Tx, i Incident, v *Victim) error {
			if v.Party == "" {
				return ident.E(ident.KindState, "nobody_found", "find the person's account first")
			}
			v.Verdict, v.Amount, v.Reasons = Resolved, amount, append(v.Reasons, "decided_by_person")
			if to.Account != "" {
				v.PayTo = to
			}
			return s.joinClaim(tx, actor, i, v)
		})
}

// Refuse is a person's refusal of a report that the check calls false.
func (s *Service) Refuse(ctx context.Context, actor ident.Actor, victim ident.ID, words string) error {
	return s.change(ctx, actor, access.ActIncidentReconcile, victim, map[string]string{"refuse": words},
		func(tx *db.Tx, _ Incident, v *Victim) error {
			if v.Verdict != False || v.Claim == "" {
				return ident.E(ident.KindState, "not_false", "only a report without any trace can be refused here")
			}
			return s.cfg.Claim.DecideTx(tx, actor, v.Claim, claim.DecisionIn{
				Kind: claim.Refuse, Ground: "no_loss_found", Proofs: v.Reasons, Words: words,
			})
		})
}

// Call notes what came of calling a victim (A7).
func (s *Service) Call(ctx context.Context, actor ident.Actor, victim ident.ID, outcome CallOutcome, words string) error {
	switch outcome {
	case Reached, NoAnswer, CallBack:
	default:
		return ident.Invalid("outcome", "unknown", `the outcome is "reached", "no_answer" or "call_back"`)
	}
	if len(words) > 4000 {
		return ident.Invalid("words", "too_long", "the note has more than 4000 bytes")
	}
	return s.change(ctx, actor, access.ActIncidentCall, victim, map[string]string{"outcome": string(outcome)},
		func(_ *db.Tx, _ Incident, v *Victim) error {
			v.Called, v.CalledAt, v.CallWords = outcome, s.cfg.Clock.Now(), words
			return nil
		})
}

// change loads a victim, lets fn change it and saves it, in one act.
func (s *Service) change(ctx context.Context, actor ident.Actor, act access.Act, victim ident.ID, detail any,
	fn func(tx *db.Tx, i Incident, v *Victim) error) error {
	return s.cfg.Access.Update(ctx, actor, act, access.Object{ID: victim}, detail, func(tx *db.Tx) error {
		v, found, err := s.Victim(tx, victim)
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("victim", victim)
		}
		i, err := s.load(tx, v.Incident)
		if err != nil {
			return err
		}
		if i.Status == Closed {
			return ident.E(ident.KindState, "closed", "the incident is closed")
		}
		if err := fn(tx, i, &v); err != nil {
			return err
		}
		return s.saveVictim(tx, &v)
	})
}

// RowsOf opens what was read of a source, for the table of what was read, mended,
// refused and why; the look is recorded.
func (s *Service) RowsOf(ctx context.Context, actor ident.Actor, id, source ident.ID) (rows []KeptRow, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActIncidentRead, access.Object{ID: id}, func(tx *db.Tx) error {
		rows, err = s.Rows(tx, source)
		return err
	})
	return rows, err
}
