package rulebook

import (
	"surety/domain/payment"
	"surety/domain/risk"
	"surety/platform/queue"
)

// newPayments is the service whose journal these tests go through.
func newPayments(w *world, en *risk.Engine, q *queue.Queue) *payment.Service {
	w.Helper()
	s, err := payment.New(payment.Config{DB: w.db, Access: w.access, Queue: q, Party: w.party, Engine: en, Clock: w.clock})
	w.ok(err)
	return s
}
