package rulebook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// Model is one model as it is kept.
type Model struct {
	SHA256    string // of the file's bytes
	Name      string
	Features  []string // in the model's order
	Trees     int
	Depth     int
	Size      int             // of the file, bytes
	Report    json.RawMessage // of its training; null for a file from elsewhere
	TrainFrom time.Time       // payments it learned from; zero if unknown
	TrainTo   time.Time
	Author    ident.ID
	Created   time.Time
	Retired   bool
	Status    ModelStatus // what it does today
}

// MaxModel bounds a model's file, in bytes. It is kept in one row of the database,
// with the books and the decisions that name it, so one backup holds all of them;
// the model of 300 trees that scores best has less than a megabyte.
const MaxModel = 16 << 20

// readModel reads a model's file, or refuses it with the place named.
func readModel(name string, file []byte) (Model, *boost.Model, error) {
	if err := ident.CheckID("name", name); err != nil {
		return Model{}, nil, err
	}
	if len(file) > MaxModel {
		return Model{}, nil, ident.E(ident.KindTooLarge, "model_too_large", "a model's file has at most %d MiB", MaxModel>>20)
	}
	m, err := boost.ReadXGBoost(bytes.NewReader(file))
	if err != nil {
		return Model{}, nil, err
	}
	sum := sha256.Sum256(file)
	return Model{SHA256: hex.EncodeToString(sum[:]), Name: name, Features: m.Features(), Trees: m.Trees(), Depth: m.Depth(),
		Size: len(file), Report: json.RawMessage("null")}, m, nil
}

// ImportModel keeps a model from an XGBoost JSON file as a candidate. A file that is
// damaged is refused with the place named. The same file again is the same model.
func (s *Service) ImportModel(ctx context.Context, actor ident.Actor, name string, file []byte) (Model, error) {
	if err := s.mayRead(ctx, actor, name); err != nil {
		return Model{}, err
	}
	m, model, err := readModel(name, file)
	if err != nil {
		return Model{}, err
	}
	if r, ok := model.Report(); ok { // one of ours comes back
		if m.Report, err = json.Marshal(r); err != nil {
			return Model{}, ident.E(ident.KindInternal, "encode", "the model's report cannot be kept").Because(err)
		}
	}
	return s.keepModel(ctx, actor, m, file)
}

// keepModel writes a model and its file in one act.
func (s *Service) keepModel(ctx context.Context, actor ident.Actor, m Model, file []byte) (out Model, err error) {
	m.Author, m.Created = actor.ID, s.cfg.Clock.Now()
	err = s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: m.SHA256},
		map[string]any{"model": m.Name, "trees": m.Trees, "size": m.Size}, func(tx *db.Tx) error {
			if err := insertModel(tx, m, file); err != nil {
				return err
			}
			out, err = s.modelTx(tx, m.SHA256)
			return err
		})
	return out, err
}

// modelTx is a model with what it does today.
func (s *Service) modelTx(tx *db.Tx, sha string) (Model, error) {
	m, found, err := modelBySHA(tx, sha)
	if err != nil {
		return Model{}, err
	}
	if !found {
		return Model{}, ident.NotFound("model", sha)
	}
	now, err := current(tx)
	m.Status = m.status(now.publication)
	return m, err
}

// status is what a model does while a publication is in force. What is in force
// counts before what was retired: a publication that was taken back may bring a
// retired model back.
func (m Model) status(now Publication) ModelStatus {
	switch {
	case now.Champion == m.SHA256:
		return Champion
	case slices.Contains(now.Challengers, m.SHA256):
		return Challenger
	case m.Retired:
		return Retired
	}
	return Candidate
}

// Models are all models, newest first.
func (s *Service) Models(ctx context.Context, actor ident.Actor) (out []Model, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{}, func(tx *db.Tx) error {
		now, err := current(tx)
		if err != nil {
			return err
		}
		out, err = models(tx, `order by created desc, sha256 limit 500`)
		for i := range out {
			out[i].Status = out[i].status(now.publication)
		}
		return err
	})
	return out, err
}

// ModelOf is one model.
func (s *Service) ModelOf(ctx context.Context, actor ident.Actor, sha string) (m Model, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{ID: sha}, func(tx *db.Tx) error {
		m, err = s.modelTx(tx, sha)
		return err
	})
	return m, err
}

// ModelFile is a model's file, byte for byte.
func (s *Service) ModelFile(ctx context.Context, actor ident.Actor, sha string) (b []byte, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{ID: sha}, func(tx *db.Tx) error {
		var found bool
		if b, found, err = modelFile(tx, sha); err == nil && !found {
			return ident.NotFound("model", sha)
		}
		return err
	})
	return b, err
}

// RetireModel takes a model off the list of those that may be published. It stays
// for the decisions that name it.
func (s *Service) RetireModel(ctx context.Context, actor ident.Actor, sha string) (out Model, err error) {
	err = s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: sha}, map[string]any{"retire": true}, func(tx *db.Tx) error {
		if out, err = s.modelTx(tx, sha); err != nil {
			return err
		}
		if out.Status == Champion || out.Status == Challenger {
			return ident.E(ident.KindState, "model_in_force", "the model %s is the %s; publish without it first", out.Name, out.Status)
		}
		if _, err := tx.Exec(`update risk_model set retired = true where sha256 = $1`, sha); err != nil {
			return err
		}
		out, err = s.modelTx(tx, sha)
		return err
	})
	return out, err
}

// PromoteIn says what a model is to do.
type PromoteIn struct {
	ID    ident.ID // of the publication that is asked for; the caller's
	Model string   // sha256
	// As is Champion, Challenger, or Candidate for a model that is to do nothing.
	As   ModelStatus
	Note string
}

// Promote proposes a publication of the pack in force with this model in another
// place, and shows the second person its figures beside the champion's. The
// champion that gives way goes on scoring beside the new one.
func (s *Service) Promote(ctx context.Context, actor ident.Actor, in PromoteIn) (Proposal, error) {
	if err := s.mayRead(ctx, actor, in.Model); err != nil {
		return Proposal{}, err
	}
	var now Publication
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		f, err := current(tx)
		if now = f.publication; err != nil {
			return err
		}
		_, err = s.modelTx(tx, in.Model)
		return err
	})
	if err != nil {
		return Proposal{}, err
	}
	if now.Pack == "" {
		now.Pack = s.cfg.Engine.Pack().Version.SHA256
	}
	p := PublishIn{ID: in.ID, Pack: now.Pack, Note: in.Note}
	if p.Champion, p.Challengers, err = moved(now.Champion, now.Challengers, in.Model, in.As); err != nil {
		return Proposal{}, err
	}
	p.Figures = s.figuresInWords(ctx, p.Champion, now.Champion)
	return s.Ask(ctx, actor, p)
}

// moved is who is champion and who challenges once a model is in its new place.
func moved(champion string, challengers []string, sha string, as ModelStatus) (string, []string, error) {
	rest := slices.DeleteFunc(slices.Clone(challengers), func(c string) bool { return c == sha })
	switch as {
	case Champion:
		if champion != "" && champion != sha {
			rest = append(rest, champion)
		}
		return sha, rest, nil
	case Challenger:
		if champion == sha {
			champion = ""
		}
		return champion, append(rest, sha), nil
	case Candidate:
		if champion == sha {
			champion = ""
		}
		return champion, rest, nil
	}
	return "", nil, ident.Invalid("as", "unknown", "a model is promoted to %s, %s, or %s to do nothing", Champion, Challenger, Candidate)
}

// modelFor gives a past the model that a question names, and returns its sha.
func (s *Service) modelFor(ctx context.Context, p *past, q Question) (string, error) {
	sha := q.Model
	switch {
	case len(q.File) > 0:
		m, model, err := readModel("file", q.File)
		if err != nil {
			return "", err
		}
		return m.SHA256, p.SetModels(&risk.Scorer{Name: m.Name, Version: m.SHA256, Model: model}, nil)
	case sha == NoModel:
		return "", p.SetModels(nil, nil)
	case sha == "":
		s.mu.Lock()
		sha = s.applied.champion
		s.mu.Unlock()
	}
	if sha == "" {
		return "", p.SetModels(nil, nil)
	}
	sc, err := s.scorer(ctx, p.pack, sha)
	if err != nil {
		return "", err
	}
	return sha, p.SetModels(sc, nil)
}
