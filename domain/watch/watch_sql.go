package watch

import (
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

const watchColumns = `id, owner, dimension, measure, span, false_alarms, least, least_amount, ratio, enabled, zh, en, edited, changed,
by_whom, version`

func readWatches(tx *db.Tx, tail string, args ...any) (out []Watch, err error) {
	err = tx.Rows("select "+watchColumns+" from risk_watch "+tail, args, func(scan func(...any) error) error {
		var w Watch
		var span, changed int64
		err := scan(&w.ID, &w.Owner, &w.Dimension, &w.Measure, &span, &w.FalseAlarms, &w.Floor, &w.FloorAmount, &w.Ratio, &w.Enabled,
			&w.ZH, &w.EN, &w.Edited, &changed, &w.By, &w.Version)
		w.Window, w.Changed = time.Duration(span)*time.Second, ident.FromMicros(changed)
		out = append(out, w)
		return err
	})
	return out, err
}

const watchValues = `insert into risk_watch (` + watchColumns + `, pack) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
$14, $15, $16, $17) on conflict (id) do `

func (w *Watch) args(pack int) []any {
	return []any{w.ID, w.Owner, string(w.Dimension), string(w.Measure), int64(w.Window / time.Second), w.FalseAlarms, w.Floor,
		w.FloorAmount, w.Ratio, w.Enabled, w.ZH, w.EN, w.Edited, ident.Micros(w.Changed), w.By, w.Version, pack}
}

func insertWatch(tx *db.Tx, w *Watch, pack int) error {
	n, err := tx.Exec(watchValues+"nothing", w.args(pack)...)
	if err == nil && n == 0 {
		err = ident.E(ident.KindConflict, "watch_moved", "watch %s was made by somebody else; look at it again", w.ID)
	}
	return err
}

// putPackWatch writes a watch of a pack, unless a person has edited it or it came
// with this pack or a newer one.
func putPackWatch(tx *db.Tx, w *Watch, pack int) error {
	_, err := tx.Exec(watchValues+`update set owner = excluded.owner, dimension = excluded.dimension, measure = excluded.measure,
span = excluded.span, false_alarms = excluded.false_alarms, least = excluded.least, least_amount = excluded.least_amount,
ratio = excluded.ratio, enabled = excluded.enabled, zh = excluded.zh, en = excluded.en, changed = excluded.changed, pack = excluded.pack,
version = risk_watch.version + 1 where not risk_watch.edited and risk_watch.pack < excluded.pack`, w.args(pack)...)
	return err
}

// updateWatch writes a watch whose Version has been raised already.
func updateWatch(tx *db.Tx, w *Watch) error {
	return tx.ExecOne(ident.E(ident.KindConflict, "watch_moved", "watch %s was changed by somebody else; look at it again", w.ID),
		`update risk_watch set owner = $2, dimension = $3, measure = $4, span = $5, false_alarms = $6, least = $7, least_amount = $8,
ratio = $9, enabled = $10, zh = $11, en = $12, edited = $13, changed = $14, by_whom = $15, version = $16
where id = $1 and version = $16 - 1`,
		w.args(0)[:16]...)
}
