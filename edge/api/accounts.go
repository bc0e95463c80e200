package api

import (
	"time"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

// Account is one account at the host with its holder. Numbers are masked.
type Account struct {
	ID           string    `json:"id"`
	Kind         string    `json:"kind" enum:"person,merchant"`
	Verification string    `json:"verification" enum:"none,basic,full"`
	Opened       time.Time `json:"opened"`
	Device       string    `json:"device,omitempty" doc:"the device enrolled for it"`
	City         string    `json:"city,omitempty"`
	Holder       Holder    `json:"holder"`
}

// Holder is whose account it is.
type Holder struct {
	ID       string `json:"id" doc:"party id: holder and claimant of claims, and whom a link is made for"`
	Name     string `json:"name"`
	IDNumber string `json:"id_number" doc:"masked"`
	Phone    string `json:"phone" doc:"masked"`
}

// AccountsReport accounts for every row of a file.
type AccountsReport struct {
	Rows      int            `json:"rows"`
	Added     int            `json:"added"`
	Changed   int            `json:"changed"`
	Unchanged int            `json:"unchanged"`
	Refused   []ProblemField `json:"refused"`
}

func (s *server) accountRoutes() []route {
	return []route{
		{Method: "POST", Path: "/v1/accounts/import", ID: "account-import", Act: access.ActPartyImport, Long: true,
			Summary: "Take over customers and accounts from the host's CSV export",
			In:      fileIn(importLimit, "account,name,id_number,phone,city,device,verification,opened,kind in UTF-8", typeCSV),
			Out:     jsonOut[AccountsReport]("every row accounted for"),
			Text:    "If any row cannot be read, nothing is written and every problem is named. Sending the file again completes it.",
			Do:      s.importAccounts},
		{Method: "GET", Path: "/v1/accounts/{id}", ID: "account-get", Act: access.ActPartyRead, Summary: "One account with its holder",
			Out: jsonOut[Account]("the account"), Do: s.getAccount},
	}
}

func (s *server) importAccounts(c *call) error {
	text := newTextReader(c.r.Body)
	rep, err := s.cfg.Party.ImportAccounts(c.ctx, c.actor, text)
	if err != nil {
		return text.pick(err)
	}
	return c.reply(AccountsReport{Rows: rep.Rows, Added: rep.Added, Changed: rep.Changed, Unchanged: rep.Unchanged,
		Refused: fields(rep.Refused)})
}

func (s *server) getAccount(c *call) error {
	id := c.id("id")
	var a party.Account
	var found bool
	err := s.cfg.DB.View(c.ctx, func(tx *db.Tx) (err error) {
		a, found, err = s.cfg.Party.Account(tx, id)
		return err
	})
	if err != nil {
		return err
	}
	if !found {
		return ident.NotFound("account", id)
	}
	p, _, err := s.cfg.Party.View(c.ctx, c.actor, a.PartyID)
	if ident.Is(err, ident.KindNotFound) { // another's account looks like none
		return ident.NotFound("account", id)
	}
	if err != nil {
		return err
	}
	return c.reply(Account{ID: a.ID, Kind: string(a.Kind), Verification: string(a.Verification), Opened: a.Opened, Device: a.Device,
		City: a.City, Holder: Holder{ID: p.ID, Name: p.Name, IDNumber: vault.MaskIDNumber(p.IDNumber), Phone: vault.MaskPhone(p.Phone)}})
}
