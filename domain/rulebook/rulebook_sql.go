package rulebook

import (
	"encoding/json"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

// readJSON reads a column that this package has written.
func readJSON(text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return ident.E(ident.KindInternal, "row_damaged", "a row of the rulebook cannot be read").Because(err)
	}
	return nil
}

func asJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", ident.E(ident.KindInternal, "encode", "a row of the rulebook cannot be written").Because(err)
	}
	return string(b), nil
}

// Packs.

const packColumns = `sha256, name, number, author, note, created`

func insertPack(tx *db.Tx, p Pack) error {
	_, err := tx.Exec(`insert into risk_pack (`+packColumns+`, text) values ($1, $2, $3, $4, $5, $6, $7) on conflict (sha256) do nothing`,
		p.Version.SHA256, p.Version.Name, p.Version.Number, p.Author, p.Note, ident.Micros(p.Created), p.Text)
	return err
}

func packs(tx *db.Tx) (out []Pack, err error) {
	err = tx.Rows(`select `+packColumns+` from risk_pack order by created desc, sha256 limit 500`, nil, func(scan func(...any) error) error {
		var p Pack
		var created int64
		if err := scan(&p.Version.SHA256, &p.Version.Name, &p.Version.Number, &p.Author, &p.Note, &created); err != nil {
			return err
		}
		p.Created = ident.FromMicros(created)
		out = append(out, p)
		return nil
	})
	return out, err
}

func packBySHA(tx *db.Tx, sha string) (p Pack, found bool, err error) {
	var created int64
	found, err = tx.Row([]any{&p.Version.SHA256, &p.Version.Name, &p.Version.Number, &p.Author, &p.Note, &created, &p.Text},
		`select `+packColumns+`, text from risk_pack where sha256 = $1`, sha)
	p.Created = ident.FromMicros(created)
	return p, found, err
}

// packByNumber finds the newest text of a name and number.
func packByNumber(tx *db.Tx, name string, number int) (sha string, found bool, err error) {
	found, err = tx.Row([]any{&sha}, `select sha256 from risk_pack where name = $1 and number = $2 order by created desc, sha256 limit 1`,
		name, number)
	return sha, found, err
}

// Drafts.

func drafts(tx *db.Tx, tail string, args ...any) (out []Draft, err error) {
	err = tx.Rows(`select id, title, text, author, updated, version from risk_draft `+tail, args, func(scan func(...any) error) error {
		var d Draft
		var updated int64
		if err := scan(&d.ID, &d.Title, &d.Text, &d.Author, &updated, &d.Version); err != nil {
			return err
		}
		d.Updated = ident.FromMicros(updated)
		out = append(out, d)
		return nil
	})
	return out, err
}

func draftByID(tx *db.Tx, id ident.ID) (Draft, bool, error) {
	ds, err := drafts(tx, `where id = $1`, id)
	if err != nil || len(ds) == 0 {
		return Draft{}, false, err
	}
	return ds[0], true, nil
}

// saveDraft writes a draft whose version was one less; moved says that it was not.
func saveDraft(tx *db.Tx, d Draft, moved error) error {
	if d.Version == 1 {
		return tx.ExecOne(moved, `insert into risk_draft (id, title, text, author, updated, version) values ($1, $2, $3, $4, $5, 1)
on conflict (id) do nothing`, d.ID, d.Title, d.Text, d.Author, ident.Micros(d.Updated))
	}
	return tx.ExecOne(moved, `update risk_draft set title = $2, text = $3, author = $4, updated = $5, version = version + 1
where id = $1 and version = $6`, d.ID, d.Title, d.Text, d.Author, ident.Micros(d.Updated), d.Version-1)
}

// Publications, and what is in force.

const publicationColumns = `id, pack, champion, challengers, note, replaces, state, approval, asked_by, asked, signed_by, signed,
error, version`

func publications(tx *db.Tx, tail string, args ...any) (out []Publication, err error) {
	err = tx.Rows(`select `+publicationColumns+` from risk_publication `+tail, args, func(scan func(...any) error) error {
		var p Publication
		var challengers string
		var asked, signed int64
		err := scan(&p.ID, &p.Pack, &p.Champion, &challengers, &p.Note, &p.Replaces, &p.State, &p.Approval, &p.AskedBy, &asked,
			&p.SignedBy, &signed, &p.Error, &p.Version)
		if err != nil {
			return err
		}
		p.Asked, p.Signed = ident.FromMicros(asked), ident.FromMicros(signed)
		out = append(out, p)
		return readJSON(challengers, &out[len(out)-1].Challengers)
	})
	return out, err
}

func publicationByID(tx *db.Tx, id ident.ID) (Publication, bool, error) {
	ps, err := publications(tx, `where id = $1`, id)
	if err != nil || len(ps) == 0 {
		return Publication{}, false, err
	}
	return ps[0], true, nil
}

func insertPublication(tx *db.Tx, p Publication) error {
	challengers, err := asJSON(list(p.Challengers))
	if err != nil {
		return err
	}
	taken := ident.E(ident.KindConflict, "publication_exists", "the id %q is another publication's", p.ID)
	return tx.ExecOne(taken, `insert into risk_publication (`+publicationColumns+`)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1) on conflict (id) do nothing`,
		p.ID, p.Pack, p.Champion, challengers, p.Note, p.Replaces, string(p.State), p.Approval, p.AskedBy, ident.Micros(p.Asked),
		p.SignedBy, ident.Micros(p.Signed), p.Error)
}

// savePublication writes what may change, guarded by the version that was read.
func savePublication(tx *db.Tx, p Publication) error {
	moved := ident.E(ident.KindConflict, "publication_moved", "publication %s was changed by somebody else; look again", p.ID)
	return tx.ExecOne(moved, `update risk_publication set state = $2, signed_by = $3, signed = $4, error = $5, version = version + 1
where id = $1 and version = $6`, p.ID, string(p.State), p.SignedBy, ident.Micros(p.Signed), p.Error, p.Version)
}

// inForce is the newest row of what is in force; seq 0 and no publication if
// there is none.
type inForce struct {
	seq         int64
	publication Publication
}

func current(tx *db.Tx) (now inForce, err error) {
	var id ident.ID
	found, err := tx.Row([]any{&now.seq, &id}, `select seq, publication from risk_force order by seq desc limit 1`)
	if err != nil || !found || id == "" {
		return now, err
	}
	now.publication, found, err = publicationByID(tx, id)
	if err == nil && !found {
		err = ident.E(ident.KindInternal, "publication_lost", "publication %s, which is in force, is not there", id)
	}
	return now, err
}

// insertForce adds the next row; somebody who added it first has won.
func insertForce(tx *db.Tx, f Force) error {
	beaten := ident.E(ident.KindConflict, "force_moved", "something else has just come into force; look again")
	return tx.ExecOne(beaten, `insert into risk_force (seq, publication, act, actor, why, at) values ($1, $2, $3, $4, $5, $6)
on conflict (seq) do nothing`, f.Seq, f.Publication, string(f.Act), f.Actor, f.Why, ident.Micros(f.At))
}

// forces is what was in force, newest first.
func forces(tx *db.Tx, n int) (out []Force, err error) {
	err = tx.Rows(`select seq, publication, act, actor, why, at from risk_force order by seq desc limit $1`, []any{n},
		func(scan func(...any) error) error {
			var f Force
			var at int64
			if err := scan(&f.Seq, &f.Publication, &f.Act, &f.Actor, &f.Why, &at); err != nil {
				return err
			}
			f.At = ident.FromMicros(at)
			out = append(out, f)
			return nil
		})
	return out, err
}

// Models.

const modelColumns = `sha256, name, features, trees, depth, size, report, train_from, train_to, author, created, retired`

func models(tx *db.Tx, tail string, args ...any) (out []Model, err error) {
	err = tx.Rows(`select `+modelColumns+` from risk_model `+tail, args, func(scan func(...any) error) error {
		var m Model
		var features, report string
		var from, to, created int64
		err := scan(&m.SHA256, &m.Name, &features, &m.Trees, &m.Depth, &m.Size, &report, &from, &to, &m.Author, &created, &m.Retired)
		if err != nil {
			return err
		}
		m.TrainFrom, m.TrainTo, m.Created = ident.FromMicros(from), ident.FromMicros(to), ident.FromMicros(created)
		m.Report = json.RawMessage(report)
		out = append(out, m)
		return readJSON(features, &out[len(out)-1].Features)
	})
	return out, err
}

func modelBySHA(tx *db.Tx, sha string) (Model, bool, error) {
	ms, err := models(tx, `where sha256 = $1`, sha)
	if err != nil || len(ms) == 0 {
		return Model{}, false, err
	}
	return ms[0], true, nil
}

// insertModel writes a model and its file; one that is there already stays.
func insertModel(tx *db.Tx, m Model, file []byte) error {
	features, err := asJSON(list(m.Features))
	if err != nil {
		return err
	}
	n, err := tx.Exec(`insert into risk_model (`+modelColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, false)
on conflict (sha256) do nothing`, m.SHA256, m.Name, features, m.Trees, m.Depth, m.Size, string(m.Report), ident.Micros(m.TrainFrom),
		ident.Micros(m.TrainTo), m.Author, ident.Micros(m.Created))
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.Exec(`insert into risk_model_file (sha256, bytes) values ($1, $2)`, m.SHA256, file)
	return err
}

func modelFile(tx *db.Tx, sha string) (b []byte, found bool, err error) {
	found, err = tx.Row([]any{&b}, `select bytes from risk_model_file where sha256 = $1`, sha)
	return b, found, err
}

// Drift of days that are over.

func keptDrift(tx *db.Tx, model string, days []string) (map[string]string, error) {
	out := map[string]string{}
	if len(days) == 0 {
		return out, nil
	}
	err := tx.Rows(`select day, figures from risk_drift where model = $1 and day >= $2 and day <= $3`,
		[]any{model, days[0], days[len(days)-1]}, func(scan func(...any) error) error {
			var day, figures string
			if err := scan(&day, &figures); err != nil {
				return err
			}
			out[day] = figures
			return nil
		})
	return out, err
}

func keepDrift(tx *db.Tx, model, day, figures string) error {
	_, err := tx.Exec(`insert into risk_drift (model, day, figures) values ($1, $2, $3) on conflict (model, day) do nothing`,
		model, day, figures)
	return err
}

// Replays.

const replayColumns = `id, question, state, done, total, error, actor, created, beat, version`

func replays(tx *db.Tx, tail string, args ...any) (out []Job, err error) {
	err = tx.Rows(`select `+replayColumns+` from risk_replay `+tail, args, func(scan func(...any) error) error {
		var j Job
		var question string
		var created, beat int64
		err := scan(&j.ID, &question, &j.State, &j.Done, &j.Total, &j.Error, &j.Actor, &created, &beat, &j.Version)
		if err != nil {
			return err
		}
		j.Created, j.Beat = ident.FromMicros(created), ident.FromMicros(beat)
		out = append(out, j)
		return readJSON(question, &out[len(out)-1].Question)
	})
	return out, err
}

func replayByID(tx *db.Tx, id ident.ID) (Job, bool, error) {
	js, err := replays(tx, `where id = $1`, id)
	if err != nil || len(js) == 0 {
		return Job{}, false, err
	}
	return js[0], true, nil
}

func insertReplay(tx *db.Tx, j Job) error {
	question, err := asJSON(j.Question)
	if err != nil {
		return err
	}
	taken := ident.E(ident.KindConflict, "replay_exists", "the id %q is another replay's", j.ID)
	return tx.ExecOne(taken, `insert into risk_replay (id, question, state, done, total, report, error, actor, created, beat, version)
values ($1, $2, $3, 0, 0, '', '', $4, $5, $5, 1) on conflict (id) do nothing`,
		j.ID, question, string(j.State), j.Actor, ident.Micros(j.Created))
}

// errMoved says that a replay is another's by now, or was cancelled.
var errMoved = ident.E(ident.KindConflict, "replay_moved", "the replay was changed by somebody else; look again")

// saveReplay writes where a replay stands, guarded by the version that was read.
func saveReplay(tx *db.Tx, j Job, beat time.Time) error {
	return tx.ExecOne(errMoved, `update risk_replay set state = $2, done = $3, total = $4, error = $5, beat = $6, version = version + 1
where id = $1 and version = $7`, j.ID, string(j.State), j.Done, j.Total, j.Error, ident.Micros(beat), j.Version)
}

// saveReport writes the answer, guarded like saveReplay.
func saveReport(tx *db.Tx, j Job, report string, beat time.Time) error {
	return tx.ExecOne(errMoved, `update risk_replay set state = $2, done = $3, total = $4, report = $5, error = '', beat = $6,
version = version + 1 where id = $1 and version = $7`, j.ID, string(j.State), j.Done, j.Total, report, ident.Micros(beat), j.Version)
}

func replayReport(tx *db.Tx, id ident.ID) (text string, err error) {
	_, err = tx.Row([]any{&text}, `select report from risk_replay where id = $1`, id)
	return text, err
}
