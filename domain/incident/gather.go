package incident

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
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
		func(tx *db.Tx, i Incident, source ident.ID, again bool) error {
			rep.Matched, rep.Again = map[string]int{}, again
			if again {
				return nil
			}
			payees := map[ident.ID]string{}
			for _, row := range list.Victims() {
				how, err := s.addListed(tx, i, source, row, payees)
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
	fn func(tx *db.Tx, i Incident, source ident.ID, again bool) error) error {
	if err := s.cfg.Payment.Await(ctx); err != nil { // each row is compared with the records
		return err
	}
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
		return fn(tx, i, src.ID, !fresh)
	})
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
	err = s.read(ctx, actor, id, src, figures, rows, func(tx *db.Tx, i Incident, source ident.ID, again bool) error {
		rep.Again, rep.Filed, rep.Joined, rep.Unknown = again, 0, 0, nil
		if again {
			return nil
		}
		for _, row := range reports.Rows {
			if row.Kind != authority.RowVictim && row.Kind != authority.RowDuplicate {
				continue
			}
			if err := s.addReport(tx, actor, i, source, row, &rep); err != nil {
				return err
			}
		}
		return nil
	})
	return rep, err
}

func (s *Service) addReport(tx *db.Tx, actor ident.Actor, i Incident, source ident.ID, row authority.ReportRow, rep *ReportsReport) error {
	r := row.Read
	a, found, err := s.cfg.Party.Account(tx, r.Account)
	if err != nil {
		return err
	}
	if !found {
		rep.Unknown = append(rep.Unknown, r.ID)
		return led(tx, source, row.Line, "", byNothing)
	}
	p, _, err := s.cfg.Party.Get(tx, a.PartyID)
	if err != nil {
		return err
	}
	v, err := s.victimOf(tx, i.ID, a.PartyID, a.ID, p.Name)
	if err != nil {
		return err
	}
	v.Reports++
	if r.Claimed.Minor > v.Reported.Minor {
		v.Reported = r.Claimed
	}
	if v.Claim == "" {
		if v.Claim, err = s.claimBefore(tx, i, v, nil); err != nil {
			return err
		}
	}
	if v.Claim != "" {
		rep.Joined++
	} else {
		c, err := s.cfg.Claim.FileTx(tx, actor, claim.FileIn{
			ID: i.ID + "." + r.ID, Kind: claim.Theft, Holder: a.PartyID, Claimant: a.PartyID, Account: a.ID,
			Claimed: r.Claimed, Basis: claim.SwornStatement, LossDate: r.LostOn, Words: r.Words, Incident: i.ID, Source: "report",
		})
		if err != nil {
			return err
		}
		v.Claim = c.ID
		rep.Filed++
	}
	if err := s.saveVictim(tx, &v); err != nil {
		return err
	}
	return led(tx, source, row.Line, v.ID, byAccount)
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
	err = s.read(ctx, actor, id, src, map[string]money.Amount{"loss": e.Loss}, []sourceRow{{1, "estate", e}},
		func(tx *db.Tx, i Incident, source ident.ID, again bool) error {
			if again {
				return nil
			}
			return s.addEstate(tx, actor, i, source, e)
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

func (s *Service) addEstate(tx *db.Tx, actor ident.Actor, i Incident, source ident.ID, e authority.Estate) error {
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
	v, err := s.victimOf(tx, i.ID, a.PartyID, a.ID, p.Name)
	if err != nil {
		return err
	}
	if err := s.heirOf(tx, &v, e); err != nil {
		return err
	}
	v.Estate = true
	v.PayTo = fund.PayTo{Name: e.Heir.Name, Bank: e.Heir.Bank, Account: e.Heir.BankAccount, Rail: fund.RailBank}
	if v.Claim == "" {
		c, err := s.cfg.Claim.FileTx(tx, actor, claim.FileIn{
			ID: i.ID + ".estate." + a.ID, Kind: claim.Theft, Holder: a.PartyID, Claimant: a.PartyID, Account: a.ID,
			Claimed: e.Loss, Basis: claim.PoliceConfirmation, PoliceCase: e.PoliceReport, LossDate: i.From, Incident: i.ID, Source: "estate",
		})
		if err != nil {
			return err
		}
		v.Claim = c.ID
	}
	err = s.cfg.Claim.TakeOverTx(tx, actor, v.Claim, claim.TakeOverIn{
		Heir: v.Claimant, Relation: e.Heir.Relation, Documents: e.Heir.Documents, PayTo: v.PayTo,
	})
	if err != nil {
		return err
	}
	if err := s.says(tx, &v, source, e.PoliceReport, e.Loss); err != nil {
		return err
	}
	return led(tx, source, 1, v.ID, byAccount)
}

// heirOf makes the heir the victim's claimant. Who has stepped in already stays; a
// second heir is a matter for a person and the papers.
func (s *Service) heirOf(tx *db.Tx, v *Victim, e authority.Estate) error {
	if v.Claimant == v.Party {
		heir, err := s.cfg.Party.Add(tx, party.Person, e.Heir.Name, "", "")
		v.Claimant = heir
		return err
	}
	before, _, err := s.cfg.Party.Get(tx, v.Claimant)
	if err == nil && !sameName(before.Name, e.Heir.Name) {
		err = ident.E(ident.KindConflict, "another_heir", "another heir has taken over the claim of account %s; compare the papers", e.Account)
	}
	return err
}

// GatherReport is what a search of the records found.
type GatherReport struct {
	Marks []Mark   `json:"marks"`
	Found []string `json:"found"` // accounts of victims that no source had named
}

// Gather derives the marks of the thefts from the victims known, and searches
// the records for further victims of the same devices and payees (A1).
func (s *Service) Gather(ctx context.Context, actor ident.Actor, id ident.ID) (rep GatherReport, err error) {
	if err := s.cfg.Payment.Await(ctx); err != nil { // the records must be whole
		return rep, err
	}
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

// outgoing reads, for each person whom the police name, the payments that others
// may have made out of their accounts in the window. known holds every account of
// every victim's.
func (s *Service) outgoing(tx *db.Tx, i Incident) (known map[string]bool, home map[string]string,
	outs map[string][]payment.Payment, err error) {
	known, home, outs = map[string]bool{}, map[string]string{}, map[string][]payment.Payment{}
	vs, err := s.Victims(tx, i.ID)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, v := range vs {
		h, err := s.holdings(tx, v.Party)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, a := range h.accounts {
			known[a] = true
		}
		if v.Police.Minor == 0 {
			continue // a user's word alone makes no mark: anybody could name anybody
		}
		if outs[v.ID], err = s.outs(tx, i, h); err != nil {
			return nil, nil, nil, err
		}
	}
	return known, home, outs, nil
}

// holdings is what a person has here: one person may have several accounts, and
// what they do with one telephone to another's account of theirs is no theft.
type holdings struct{ accounts, devices []string }

func (s *Service) holdings(tx *db.Tx, holder ident.ID) (h holdings, err error) {
	if holder == "" {
		return h, nil
	}
	as, err := s.cfg.Party.AccountsOf(tx, holder)
	for _, a := range as {
		h.accounts = append(h.accounts, a.ID)
		if a.Device != "" {
			h.devices = append(h.devices, a.Device)
		}
	}
	return h, err
}

// outs lists the payments out of a person's accounts in the window that were made
// with none of their own devices and did not go to themselves.
func (s *Service) outs(tx *db.Tx, i Incident, h holdings) (out []payment.Payment, err error) {
	for _, a := range h.accounts {
		ps, err := s.cfg.Payment.Out(tx, a, i.From, i.To)
		if err != nil {
			return nil, err
		}
		for _, p := range ps {
			if !slices.Contains(h.devices, p.Device) && !slices.Contains(h.accounts, p.Payee) {
				out = append(out, p)
			}
		}
	}
	return out, nil
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
			if known[p.Payer] || marked(marks, MarkPayee, p.Payer) || stopped(p) {
				continue
			}
			a, exists, err := s.cfg.Party.Account(tx, p.Payer)
			if err != nil {
				return nil, err
			}
			h, err := s.holdings(tx, a.PartyID)
			if err != nil {
				return nil, err
			}
			if !exists || !foreign(p, a.Device) || slices.Contains(h.devices, p.Device) || slices.Contains(h.accounts, p.Payee) {
				continue
			}
			for _, own := range h.accounts {
				known[own] = true
			}
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
