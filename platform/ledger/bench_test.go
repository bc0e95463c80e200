package ledger_test

import (
	"context"
	"io/fs"
	"testing"
	"time"

	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
)

// BenchmarkTransfer prints durable transfers per second at 64 callers beside the
// yardsticks. It is one run of three seconds whatever b.N: use -benchtime=1x.
func BenchmarkTransfer(b *testing.B) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		b.Run(string(dialect), func(b *testing.B) {
			d := dbtest.Open(b, dialect, dbtest.Options{Migrations: []fs.FS{ledger.Migrations}})
			for range b.N {
				f, err := ledger.Bench(context.Background(), d, 64, 3*time.Second)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(f.PerSecond, "transfers/s")
				b.ReportMetric(f.Bare, "bare/s")
				b.ReportMetric(f.Shared, "shared/s")
				rep, err := ledger.Check(context.Background(), d)
				if err != nil || !rep.Balanced {
					b.Fatal(rep, err)
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
