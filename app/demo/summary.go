package demo

import (
	"context"
	"slices"

	"surety/app"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/platform/db"
)

// Summary is the outcome of the story, each value read back from the stores.
type Summary struct {
	PaymentsAssessed   int     `json:"payments_assessed"`
	VictimsPaid        int     `json:"victims_paid"`
	VictimsPaidMinor   int64   `json:"victims_paid_minor"`
	HeirsPaid          int     `json:"heirs_paid"`
	HeirsPaidMinor     int64   `json:"heirs_paid_minor"`
	PaidTwice          int     `json:"paid_twice"`
	ReportsFalse       int     `json:"reports_false"`
	ReportsInflated    int     `json:"reports_inflated"`
	PaidOnPolice       int     `json:"paid_on_police_confirmation"`
	EmergencyLeftMinor int64   `json:"emergency_fund_left_minor"`
	BooksBalanced      bool    `json:"books_balanced"`
	AuditVerified      bool    `json:"audit_verified"`
	Certificates       int     `json:"certificates"`
	Seconds            float64 `json:"seconds"`
}

// incidentID is the id that the demo's lead gives the incident.
const incidentID = "inc-2026-0530"

// Read reads the summary from the stores of a house in which the demo was lived:
// payments and victims from their tables, money from the ledger's postings.
func Read(ctx context.Context, a *app.App) (s Summary, err error) {
	v, err := a.Verify(ctx)
	if err != nil {
		return s, err
	}
	s.BooksBalanced = v.Books.Balanced && len(v.Books.Problems) == 0 && len(v.Problems) == 0
	s.AuditVerified = v.Audit.OK
	err = a.DB.View(ctx, func(tx *db.Tx) error {
		if _, err := tx.Row([]any{&s.PaymentsAssessed}, `select count(*) from payment`); err != nil {
			return err
		}
		if s.Certificates, err = a.Notice.CountCertificates(tx); err != nil {
			return err
		}
		b, err := a.Ledger.Balance(tx, "fund:emergency:free")
		if err != nil {
			return err
		}
		s.EmergencyLeftMinor = b.Posted.Minor
		vs, err := a.Incident.Victims(tx, incidentID)
		if err != nil {
			return err
		}
		return s.count(tx, a, vs)
	})
	return s, err
}

// posted is the ledger's own word: how often and how much was posted for a
// payout, whose pending transfer is called "pay." and its id.
const posted = `select count(*), cast(coalesce(sum(amount), 0) as bigint) from ledger_transfers where kind = 'post' and pending = $1`

func (s *Summary) count(tx *db.Tx, a *app.App, vs []incident.Victim) error {
	for _, v := range vs {
		if v.Verdict == incident.False {
			s.ReportsFalse += v.Reports
		}
		if slices.Contains(v.Reasons, "claimed_more") {
			s.ReportsInflated++
		}
		if v.Claim == "" {
			continue
		}
		payouts, err := a.Fund.ByClaim(tx, v.Claim)
		if err != nil {
			return err
		}
		if err := s.countPaid(tx, v, payouts); err != nil {
			return err
		}
	}
	return nil
}

func (s *Summary) countPaid(tx *db.Tx, v incident.Victim, payouts []fund.Payout) error {
	times, sum := 0, int64(0)
	for _, p := range payouts {
		var n int
		var minor int64
		if _, err := tx.Row([]any{&n, &minor}, posted, "pay."+p.ID); err != nil {
			return err
		}
		times, sum = times+n, sum+minor
	}
	switch {
	case times == 0:
		return nil
	case times > 1:
		s.PaidTwice++
	}
	if v.Estate {
		s.HeirsPaid++
		s.HeirsPaidMinor += sum
	} else {
		s.VictimsPaid++
		s.VictimsPaidMinor += sum
	}
	if v.Verdict == incident.PoliceConfirmed {
		s.PaidOnPolice++
	}
	return nil
}
