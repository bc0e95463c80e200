package audit_test

import (
	"context"
	"testing"

	"surety/kernel/ident"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// BenchmarkAppend is one durable act that does nothing but record itself, with
// 64 callers at a time.
func BenchmarkAppend(b *testing.B) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		b.Run(string(dialect), func(b *testing.B) {
			d := dbtest.Open(b, dialect, opts(nil))
			s, v, err := audit.LoadOrCreateKey(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			clock := ident.NewManualClock(start)
			log, err := audit.New(audit.Config{DB: d, Clock: clock, IDs: ident.NewMaker(clock), Signer: s, Verifier: v})
			if err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(32) // times GOMAXPROCS
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					err := d.Update(context.Background(), func(tx *db.Tx) error {
						_, err := log.Append(tx, entry(1))
						return err
					})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acts/s")
		})
	}
}
