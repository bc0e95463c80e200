package rulebook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// house is the author of the pack that came with the program.
const house = "house"

// setup is all that the engine needs for a publication.
type setup struct {
	pack        *risk.Pack
	champion    *risk.Scorer // nil: rules only
	challengers []*risk.Scorer
}

// care says what to do about a challenger that is damaged: it decides nothing, so a
// house that starts can leave it out; a person who publishes it should know.
type care bool

const (
	strict  care = true
	lenient care = false
)

// prepare reads the pack and the models of a publication and checks that they fit
// together. The zero publication is the pack that came with the program.
func (s *Service) prepare(ctx context.Context, p Publication, c care) (out setup, err error) {
	text := s.cfg.Default
	if p.Pack != "" {
		kept, err := s.Pack(ctx, p.Pack)
		if err != nil {
			return setup{}, err
		}
		if sum := sha256.Sum256([]byte(kept.Text)); hex.EncodeToString(sum[:]) != p.Pack {
			return setup{}, damaged("pack", p.Pack, nil)
		}
		text = kept.Text
	}
	if out.pack, err = risk.LoadPack(text); err != nil {
		return setup{}, err
	}
	if p.Champion != "" {
		if out.champion, err = s.scorer(ctx, out.pack, p.Champion); err != nil {
			return setup{}, err
		}
	}
	for _, sha := range p.Challengers {
		sc, err := s.scorer(ctx, out.pack, sha)
		switch {
		case err == nil:
			out.challengers = append(out.challengers, sc)
		case c == strict || transient(ctx, err):
			return setup{}, err
		default:
			s.trouble("model_damaged", sha, Text{ZH: "旁路模型 " + short(sha) + " 无法读取，已不参与打分：" + err.Error(),
				EN: "challenger " + short(sha) + " cannot be read and does not score: " + err.Error()})
		}
	}
	return out, nil
}

// damaged says that what was kept is no longer what it was.
func damaged(what, sha string, because error) *ident.Error {
	return ident.E(ident.KindInternal, what+"_damaged", "the %s %s in the database is damaged", what, short(sha)).Because(because)
}

// scorer reads a model and checks that the pack has its features.
func (s *Service) scorer(ctx context.Context, p *risk.Pack, sha string) (*risk.Scorer, error) {
	var m Model
	var file []byte
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		var found bool
		var err error
		if m, found, err = modelBySHA(tx, sha); err != nil {
			return err
		}
		if found {
			file, found, err = modelFile(tx, sha)
		}
		if err == nil && !found {
			return ident.NotFound("model", sha)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != sha {
		return nil, damaged("model", sha, nil)
	}
	model, err := boost.ReadXGBoost(bytes.NewReader(file))
	if err != nil {
		return nil, damaged("model", sha, err)
	}
	if err := fits(p, model); err != nil {
		return nil, err
	}
	return &risk.Scorer{Name: m.Name, Version: sha, Model: model}, nil
}

// fits refuses a model that reads features which the pack does not have.
func fits(p *risk.Pack, m *boost.Model) error {
	have := map[string]bool{}
	for _, name := range featureNames(p) {
		have[name] = true
	}
	var missing []string
	for _, name := range m.Features() {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return ident.Invalid("model", "features_unknown", "the pack has no feature %s, which the model reads (%d such); use a pack that has them",
		missing[0], len(missing))
}

// Load brings the engine to what is in force and tells it all labels that its
// memory can hold. Call it at the start, after the payments were replayed. What
// is damaged stops nothing: see Problems. The error is only the database's.
func (s *Service) Load(ctx context.Context) error {
	if err := s.keepDefault(ctx); err != nil {
		return err
	}
	if err := s.Refresh(ctx); err != nil {
		if transient(ctx, err) {
			return err
		}
		if err := s.fallBack(ctx); err != nil {
			return err
		}
	}
	return s.feedAll(ctx)
}

// keepDefault keeps the text that came with the program among the packs: decisions
// name it, and a later program comes with another.
func (s *Service) keepDefault(ctx context.Context) error {
	loaded, err := risk.LoadPack(s.cfg.Default)
	if err != nil {
		return err
	}
	p := Pack{Version: loaded.Info().Version, Text: s.cfg.Default, Author: house, Created: s.cfg.Clock.Now()}
	if _, err := s.Pack(ctx, p.Version.SHA256); err == nil || !ident.Is(err, ident.KindNotFound) {
		return err
	}
	return s.cfg.Access.Update(ctx, clerk(), access.ActRiskEdit, access.Object{ID: p.Version.SHA256},
		map[string]any{"pack": p.Version.String()}, func(tx *db.Tx) error { return insertPack(tx, p) })
}

// InForceText is the text of the pack in force, for a risk.Config before there is
// an engine, so that the memory is filled once. Anything wrong gives "", the pack
// that came with the program; Load finds it again and says what.
func InForceText(ctx context.Context, d *db.DB) string {
	var p Pack
	err := d.View(ctx, func(tx *db.Tx) error {
		now, err := current(tx)
		if err != nil || now.publication.ID == "" {
			return err
		}
		p, _, err = packBySHA(tx, now.publication.Pack)
		return err
	})
	if err != nil || p.Text == "" {
		return ""
	}
	if loaded, err := risk.LoadPack(p.Text); err != nil || loaded.Info().Version.SHA256 != p.Version.SHA256 {
		return ""
	}
	return p.Text
}

// Refresh brings the engine to what is in force, if it is not there yet, and tells
// it new labels, whichever process wrote them. What the engine has refused once is
// not tried again until something else comes into force.
func (s *Service) Refresh(ctx context.Context) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	var now inForce
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		now, err = current(tx)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	at, started := s.applied, !s.fed.IsZero()
	s.mu.Unlock()
	if now.seq != at.seq {
		if err := s.apply(ctx, now, care(started)); err != nil {
			return err
		}
		s.wellAgain()
	}
	if !started { // Load tells all labels
		return nil
	}
	return s.feed(ctx)
}

// apply tells the engine a publication. s.setting is held.
func (s *Service) apply(ctx context.Context, now inForce, c care) error {
	next, err := s.prepare(ctx, now.publication, c)
	if err == nil {
		err = s.give(ctx, next)
	}
	if err != nil && transient(ctx, err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied.seq = now.seq
	if err != nil {
		s.note("engine_refused", now.publication.ID, Text{
			ZH: fmt.Sprintf("发布 %s 未能生效，原有规则继续运行：%v", now.publication.ID, err),
			EN: fmt.Sprintf("publication %s could not be put into force, what ran before goes on: %v", now.publication.ID, err)})
		return err
	}
	s.applied = applied{seq: now.seq, publication: now.publication.ID}
	if next.champion != nil {
		s.applied.champion = next.champion.Version
	}
	for _, sc := range next.challengers {
		s.applied.challengers = append(s.applied.challengers, sc.Version)
	}
	return nil
}

// wellAgain forgets what was wrong with earlier publications: another one runs.
func (s *Service) wellAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range s.troubles {
		if t.Code == "engine_refused" {
			delete(s.troubles, key)
		}
	}
}

// give hands a setup to the engine, pack and models in one instant, so that no
// payment is scored with half of both.
func (s *Service) give(ctx context.Context, next setup) error {
	reach := reachOf(next.pack)
	return s.cfg.Engine.PublishWith(ctx, next.pack, next.champion, next.challengers,
		func(ctx context.Context, into risk.Sink) error { return s.refill(ctx, into, reach) })
}

// fallBack finds the newest publication before the one in force that can still run.
func (s *Service) fallBack(ctx context.Context) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	var now inForce
	var all map[ident.ID]Publication
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		all = map[ident.ID]Publication{}
		if now, err = current(tx); err != nil {
			return err
		}
		ps, err := publications(tx, `where signed_by <> ''`)
		for _, p := range ps {
			all[p.ID] = p
		}
		return err
	})
	if err != nil {
		return err
	}
	seen := map[ident.ID]bool{}
	for p := now.publication; ; p = all[p.Replaces] {
		if p.ID != "" && seen[p.ID] {
			p = Publication{}
		}
		seen[p.ID] = true
		err := s.apply(ctx, inForce{seq: now.seq, publication: p}, lenient)
		if err == nil || transient(ctx, err) || p.ID == "" {
			return err
		}
	}
}

// inFlight is how long a payment may take from being judged to being acknowledged.
const inFlight = 250 * time.Millisecond

// refill fills a new memory with what the journal and the labels say. What was
// judged before the new memory was there, and was not yet durable, is waited for;
// then the last days are read once more, for what became durable meanwhile. A
// payment that is told twice counts once.
func (s *Service) refill(ctx context.Context, into risk.Sink, reach time.Duration) error {
	wait := time.NewTimer(inFlight)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	now := s.cfg.Clock.Now()
	for _, from := range []time.Time{now.Add(-reach), now.Add(-ahead)} {
		if err := s.pour(ctx, into, from, now.Add(ahead)); err != nil {
			return err
		}
	}
	return nil
}

// pour tells a memory the payments of [from, to), and after each page the labels
// that count.
func (s *Service) pour(ctx context.Context, into risk.Sink, from, to time.Time) error {
	var events []risk.Event
	tell := func() error {
		truth, err := s.countingOf(ctx, events)
		for _, e := range events {
			if l, said := truth[e.ID]; said && err == nil {
				err = into.Label(e, l.Fraud)
			}
		}
		events = events[:0]
		return errors.Join(err, ctx.Err())
	}
	err := s.cfg.Payment.Journal(ctx, from, to, func(r payment.Request, st payment.State, _ risk.Decision) error {
		e := eventOf(r)
		if err := count(into, e, st); err != nil {
			return err
		}
		if events = append(events, e); len(events) == pageSize {
			return tell()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tell()
}

// countingOf are the labels that count of some payments.
func (s *Service) countingOf(ctx context.Context, events []risk.Event) (truth map[string]Label, err error) {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		truth, err = counting(tx, ids)
		return err
	})
	return truth, err
}

// feedAll tells the engine the labels of all payments that its memory can hold.
func (s *Service) feedAll(ctx context.Context) error {
	now := s.cfg.Clock.Now()
	after := labelKey{at: ident.Micros(now.Add(-reachOf(s.cfg.Engine.Running())))}
	for {
		var page []Label
		err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
			page, err = labelsPaid(tx, after, pageSize)
			return err
		})
		if err == nil {
			err = s.tellLabels(ctx, page)
		}
		if err != nil {
			return err
		}
		if len(page) < pageSize {
			break
		}
		last := page[len(page)-1]
		after = labelKey{at: ident.Micros(last.PaidAt), payment: last.Payment}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fed = now
	return nil
}

// trouble notes that something is wrong, once.
func (s *Service) trouble(code, what string, text Text) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(code, what, text)
}

// note is trouble with s.mu held.
func (s *Service) note(code, what string, text Text) {
	key := code + " " + what
	if _, known := s.troubles[key]; !known {
		s.cfg.Log.Error("rulebook", "code", code, "what", what, "why", text.EN)
	}
	s.troubles[key] = Trouble{Code: code, What: what, Text: text, At: s.cfg.Clock.Now()}
}

// Problems are what is wrong with what is in force; none if all is well.
func (s *Service) Problems() []Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Trouble, 0, len(s.troubles))
	for _, t := range s.troubles {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Trouble) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Code+a.What, b.Code+b.What))
	})
	return out
}

// every is how often Work looks for what other processes did.
const every = time.Second

// Work refreshes the engine and answers replays until ctx ends. Any number of
// processes may work at the same time.
func (s *Service) Work(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.answer(ctx)
	}()
	defer func() { stop(); <-done }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.cfg.DB.Failed():
			return s.cfg.DB.Failure()
		case <-tick.C:
			if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.Warn("the rulebook cannot be refreshed now", "error", err)
			}
		}
	}
}
