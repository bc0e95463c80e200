package incident

import (
	"cmp"
	"slices"
	"strings"

	"surety/domain/authority"
	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/party"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

// How a row of a source was matched to an account, the surest first.
const (
	byAccount  = "account"
	byIDNumber = "id_number"
	byPhone    = "phone_and_name"
	byNothing  = "nobody"
)

// found is whom a row speaks of.
type found struct {
	holder  ident.ID
	account string // "" if the person has several and the row names none of them
	how     string
	doubt   string // why a person must look, "" if nobody must
}

// match finds the person of a row: the account number if its holder is the one
// named, else the identity number, else the telephone with the same name. A name
// alone finds nobody: many people share one. An account that is another person's
// leads to the person who is named, never to its holder, and somebody must look.
func (s *Service) match(tx *db.Tx, v authority.Victim) (found, error) {
	m := found{how: byNothing}
	number := party.NormalIDNumber(v.IDNumber)
	if v.Account != "" {
		a, exists, err := s.cfg.Party.Account(tx, v.Account)
		if err != nil {
			return m, err
		}
		if exists {
			p, _, err := s.cfg.Party.Get(tx, a.PartyID)
			if err != nil {
				return m, err
			}
			if number != "" && p.IDNumber == number || (number == "" || p.IDNumber == "") && sameName(p.Name, v.Name) {
				return found{holder: a.PartyID, account: a.ID, how: byAccount}, nil
			}
			m.doubt = "account_of_another"
		}
	}
	p, exists, err := s.cfg.Party.ByIDNumber(tx, number)
	if err != nil {
		return m, err
	}
	m.how = byIDNumber
	if !exists {
		m.how = byPhone
		if p, exists, err = s.byPhone(tx, v); err != nil {
			return m, err
		}
		if exists && number != "" && p.IDNumber != "" {
			m.doubt = "identity_differs"
		}
	}
	if !exists {
		m.how = byNothing
		return m, nil
	}
	m.holder = p.ID
	as, err := s.cfg.Party.AccountsOf(tx, p.ID)
	if len(as) == 1 {
		m.account = as[0].ID
	}
	return m, err
}

// byPhone finds the only person with this telephone and name.
func (s *Service) byPhone(tx *db.Tx, v authority.Victim) (p party.Party, exists bool, err error) {
	people, err := s.cfg.Party.ByPhone(tx, v.Phone)
	people = slices.DeleteFunc(people, func(p party.Party) bool { return !sameName(p.Name, v.Name) })
	if err != nil || len(people) != 1 {
		return p, false, err
	}
	return people[0], true, nil
}

func sameName(a, b string) bool { return a != "" && party.NormalName(a) == party.NormalName(b) }

// addListed adds a row of a police list. payees is what the rows before it said of
// where each victim's money goes: one list must not name two accounts.
func (s *Service) addListed(tx *db.Tx, i Incident, source ident.ID, row authority.Row, payees map[ident.ID]string) (how string, err error) {
	r := row.Read
	m, err := s.match(tx, r)
	if err != nil {
		return "", err
	}
	v, err := s.victimOf(tx, i.ID, m.holder, m.account, r.Name)
	if err != nil {
		return "", err
	}
	if m.holder == "" {
		if v, err = s.strangerBefore(tx, v, r); err != nil {
			return "", err
		}
	}
	if before, twice := payees[v.ID]; twice && before != r.BankAccount {
		m.doubt = cmp.Or(m.doubt, "two_payees")
	}
	payees[v.ID] = r.BankAccount
	v.Doubt = cmp.Or(v.Doubt, m.doubt)
	if v.Claimant == v.Party { // an heir's account is in the estate's papers
		v.PayTo = fund.PayTo{Name: r.Payee, Bank: r.Bank, Account: r.BankAccount, Rail: fund.RailBank}
	}
	v.Estate = v.Estate || r.Deceased
	if err := s.says(tx, &v, source, r.CaseNo, r.Amount); err != nil {
		return "", err
	}
	return m.how, led(tx, source, row.Line, v.ID, m.how)
}

// says keeps the police's word on one case of a victim's, and saves the victim.
func (s *Service) says(tx *db.Tx, v *Victim, source ident.ID, caseNo string, amount money.Amount) error {
	if v.Version == 0 {
		if err := s.saveVictim(tx, v); err != nil {
			return err
		}
	}
	err := addCase(tx, source, v.ID, caseNo, amount)
	if err != nil {
		return err
	}
	if v.Police, v.PoliceCase, err = cases(tx, v.ID, amount.Currency); err != nil {
		return err
	}
	return s.saveVictim(tx, v)
}

// strangerBefore finds a person without an account here whom an earlier list named
// with the same case.
func (s *Service) strangerBefore(tx *db.Tx, fresh Victim, r authority.Victim) (Victim, error) {
	vs, err := s.Victims(tx, fresh.Incident)
	for _, v := range vs {
		if v.Party == "" && sameName(v.Name, r.Name) && slices.Contains(strings.Split(v.PoliceCase, ", "), r.CaseNo) {
			return v, err
		}
	}
	return fresh, err
}

// victimOf finds the victim of this account or person in the incident, or makes one.
func (s *Service) victimOf(tx *db.Tx, id, holder ident.ID, account, name string) (Victim, error) {
	if account != "" {
		if v, exists, err := s.victimByAccount(tx, id, account); err != nil || exists {
			return v, err
		}
	}
	if holder != "" {
		if v, exists, err := s.victimByParty(tx, id, holder); err != nil || exists {
			v.Account = cmp.Or(v.Account, account)
			return v, err
		}
	}
	return Victim{ID: s.cfg.IDs.New("vic"), Incident: id, Party: holder, Claimant: holder, Account: account, Name: name,
		Verdict: Unchecked}, nil
}

// claimBefore finds the claim that the victim has handed in without us: for one of
// the payments, with the police's case, or for a loss of those days. So nobody has
// two claims for one loss. It is "" if there is none.
func (s *Service) claimBefore(tx *db.Tx, i Incident, v Victim, payments []string) (ident.ID, error) {
	if v.Party == "" {
		return "", nil
	}
	var claimed []ident.ID
	for _, id := range payments {
		p, _, err := s.cfg.Payment.Get(tx, id)
		if err != nil {
			return "", err
		}
		claimed = append(claimed, p.ClaimID)
	}
	cs, err := s.cfg.Claim.List(tx, claim.Filter{Party: v.Party, Limit: 500})
	if err != nil {
		return "", err
	}
	for _, c := range slices.Backward(cs) { // the oldest first
		ours := c.Holder == v.Party && (c.Incident == "" || c.Incident == i.ID) && c.Status != claim.Withdrawn
		same := slices.Contains(claimed, c.ID) || c.PoliceCase != "" && slices.Contains(strings.Split(v.PoliceCase, ", "), c.PoliceCase)
		days := c.Kind == claim.Theft && !c.LossDate.Before(i.From) && c.LossDate.Before(i.To)
		if ours && !same && days { // the same loss, told without our records
			whole, _, err := s.cfg.Claim.Get(tx, c.ID)
			if err != nil {
				return "", err
			}
			same = len(whole.Payments) == 0
		}
		if ours && same {
			return c.ID, nil
		}
	}
	return "", nil
}
