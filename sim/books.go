package sim

import (
	"context"
	"strings"

	"surety/app"
	"surety/platform/db"
)

// paidInBooks counts, for each payout, how often money left the bank for it: in
// the ledger's journal alone, not in what the fund says of itself.
func paidInBooks(ctx context.Context, a *app.App) (map[string]int, error) {
	paid := map[string]int{}
	err := a.DB.View(ctx, func(tx *db.Tx) error {
		clear(paid)
		return tx.Rows(`select pending from ledger_transfers where kind = 'post' and credit = 'bank:safeguarded'
union all select id from ledger_transfers where kind = 'single' and credit = 'bank:safeguarded'`, nil,
			func(scan func(...any) error) error {
				var id string
				if err := scan(&id); err != nil {
					return err
				}
				paid[strings.TrimPrefix(id, "pay.")]++
				return nil
			})
	})
	return paid, err
}
