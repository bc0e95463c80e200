package sim

import (
	"context"
	"fmt"
	"testing"

	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// Random lives: the auditor predicts every balance, every payout and the end of
// every claim, on both databases.
func TestSeeds(t *testing.T) {
	for _, of := range []struct {
		dialect db.Dialect
		seeds   int
	}{{db.SQLite, 20}, {db.Postgres, 5}} {
		for seed := range of.seeds {
			t.Run(fmt.Sprintf("%s/%d", of.dialect, seed), func(t *testing.T) {
				rep, err := Run(context.Background(), Config{Seed: uint64(seed), Dir: t.TempDir(), DBURL: dbtest.NewURL(t, of.dialect)})
				if err != nil || !rep.OK() {
					t.Fatalf("%v\n%+v", err, rep)
				}
				t.Logf("%+v", rep)
			})
		}
	}
}
