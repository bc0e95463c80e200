package rulebook

import (
	"fmt"
	"strings"

	"surety/kernel/ident"
	"surety/platform/db"
)

// pageSize is how many rows a stream reads at a time.
const pageSize = 500

const labelColumns = `payment, source, reported_at, fraud, paid_at, note, actor, created`

func insertLabel(tx *db.Tx, l Label) (fresh bool, err error) {
	n, err := tx.Exec(`insert into risk_label (`+labelColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
		l.Payment, l.Source, ident.Micros(l.ReportedAt), l.Fraud, ident.Micros(l.PaidAt), l.Note, l.Actor, ident.Micros(l.Created))
	return n == 1, err
}

func readLabels(tx *db.Tx, tail string, args ...any) (out []Label, err error) {
	err = tx.Rows(`select `+labelColumns+` from risk_label `+tail, args, func(scan func(...any) error) error {
		var l Label
		var reported, paid, created int64
		if err := scan(&l.Payment, &l.Source, &reported, &l.Fraud, &paid, &l.Note, &l.Actor, &created); err != nil {
			return err
		}
		l.ReportedAt, l.PaidAt, l.Created = ident.FromMicros(reported), ident.FromMicros(paid), ident.FromMicros(created)
		out = append(out, l)
		return nil
	})
	return out, err
}

// labelsOf is everything said of a payment, in the order in which it counts.
func labelsOf(tx *db.Tx, id string) ([]Label, error) {
	return readLabels(tx, `where payment = $1 order by reported_at, source`, id)
}

// labelKey is where a stream of labels stands.
type labelKey struct {
	at      int64
	payment string
	source  string
}

// labelsAdded are labels by when this house was told, after the key.
func labelsAdded(tx *db.Tx, after labelKey, n int) ([]Label, error) {
	return readLabels(tx, `where (created, payment, source) > ($1, $2, $3) order by created, payment, source limit $4`,
		after.at, after.payment, after.source, n)
}

// labelsPaid are labels by when the payment was made, after the key. A payment's
// labels that a page's end parts are told with what counts of all of them.
func labelsPaid(tx *db.Tx, after labelKey, n int) ([]Label, error) {
	return readLabels(tx, `where (paid_at, payment) > ($1, $2) order by paid_at, payment limit $3`, after.at, after.payment, n)
}

// labelsReported are labels by when they were reported, after the key and before until.
func labelsReported(tx *db.Tx, after labelKey, until int64, n int) ([]Label, error) {
	return readLabels(tx, `where (reported_at, payment, source) > ($1, $2, $3) and reported_at < $4
order by reported_at, payment, source limit $5`, after.at, after.payment, after.source, until, n)
}

// counting finds for each of the payments the label that counts: the latest
// reported; of several at the same moment the last source by name.
func counting(tx *db.Tx, ids []string) (map[string]Label, error) {
	out := make(map[string]Label, len(ids))
	const most = 200
	for len(ids) > 0 {
		n := min(most, len(ids))
		args := make([]any, n)
		marks := make([]string, n)
		for i, id := range ids[:n] {
			args[i], marks[i] = id, fmt.Sprintf("$%d", i+1)
		}
		ls, err := readLabels(tx, `where payment in (`+strings.Join(marks, ",")+`) order by reported_at, source`, args...)
		if err != nil {
			return nil, err
		}
		for _, l := range ls {
			out[l.Payment] = l
		}
		ids = ids[n:]
	}
	return out, nil
}
