package rulebook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// PublishIn is what somebody wants to be in force.
type PublishIn struct {
	ID          ident.ID // the caller's
	Pack        string   // sha256
	Champion    string   // sha256 of a model; "" for rules only
	Challengers []string // models that score beside it and decide nothing
	Note        string
	Figures     string // words that the second person reads beside the differences
}

const (
	maxChallengers = 8
	publishTTL     = 3 * 24 * time.Hour // a weekend may lie between the two
)

func (in PublishIn) check() error {
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	if err := ident.CheckID("pack", in.Pack); err != nil {
		return err
	}
	if len(in.Note) > maxNote {
		return ident.Invalid("note", "too_long", "the note has %d bytes, at most %d are kept", len(in.Note), maxNote)
	}
	if len(in.Challengers) > maxChallengers {
		return ident.Invalid("challengers", "too_many", "at most %d models score beside the champion", maxChallengers)
	}
	for i, sha := range in.Challengers {
		if sha == "" || sha == in.Champion || slices.Contains(in.Challengers[:i], sha) {
			return ident.Invalid("challengers", "twice", "the model %q is named twice, or not at all", short(sha))
		}
	}
	return nil
}

// Proposal is a publication that waits, with what the second person signs.
type Proposal struct {
	Publication
	Hash    [32]byte
	Summary string
}

// Ask proposes a publication and is the first of two signatures. The same again
// gets the same answer.
func (s *Service) Ask(ctx context.Context, actor ident.Actor, in PublishIn) (out Proposal, err error) {
	if err := s.mayRead(ctx, actor, in.ID); err != nil {
		return Proposal{}, err
	}
	if err := in.check(); err != nil {
		return Proposal{}, err
	}
	p := Publication{ID: in.ID, Pack: in.Pack, Champion: in.Champion, Challengers: list(in.Challengers), Note: in.Note}
	if _, err := s.prepare(ctx, p, strict); err != nil {
		return Proposal{}, err
	}
	changes, err := s.changes(ctx, p)
	if err != nil {
		return Proposal{}, err
	}
	approval := s.cfg.IDs.New("apr")
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		out = Proposal{}
		now, err := current(tx)
		if err != nil {
			return err
		}
		old, found, err := publicationByID(tx, in.ID)
		if err != nil {
			return err
		}
		if found {
			out, err = s.askedBefore(tx, actor, old, p)
			return err
		}
		if err := s.proposable(tx, p, now.publication); err != nil {
			return err
		}
		p := p
		p.Replaces, p.State, p.AskedBy, p.Asked, p.Version = now.publication.ID, Asked, actor.ID, s.cfg.Clock.Now(), 1
		out = Proposal{Publication: p, Summary: summary(p, in.Figures, changes)}
		if out.Hash, err = access.ContentHash(p.content()); err != nil {
			return err
		}
		ap, err := s.cfg.Access.Ask(tx, actor, access.Request{ID: approval, Act: access.ActRiskPublish, Object: p.ID, Hash: out.Hash,
			Summary: out.Summary, TTL: publishTTL})
		if err != nil {
			return err
		}
		out.Approval = ap.ID
		return insertPublication(tx, out.Publication)
	})
	return out, err
}

// askedBefore answers an Ask that comes again.
func (s *Service) askedBefore(tx *db.Tx, actor ident.Actor, old, in Publication) (Proposal, error) {
	in.Replaces = old.Replaces
	a, err := access.ContentHash(old.content())
	if err != nil {
		return Proposal{}, err
	}
	b, err := access.ContentHash(in.content())
	if err != nil {
		return Proposal{}, err
	}
	if a != b || old.AskedBy != actor.ID || old.Note != in.Note {
		return Proposal{}, ident.E(ident.KindConflict, "publication_exists", "the id %q is another publication's", old.ID)
	}
	ap, err := s.cfg.Access.Approval(tx, old.Approval)
	return Proposal{Publication: old, Hash: a, Summary: ap.Summary}, err
}

// proposable refuses what would change nothing and what was retired.
func (s *Service) proposable(tx *db.Tx, p, now Publication) error {
	if now.ID != "" && now.Pack == p.Pack && now.Champion == p.Champion && slices.Equal(now.Challengers, p.Challengers) {
		return ident.E(ident.KindState, "in_force_already", "this pack and these models are in force already")
	}
	for _, sha := range p.models() {
		m, found, err := modelBySHA(tx, sha)
		switch {
		case err != nil:
			return err
		case !found:
			return ident.NotFound("model", sha)
		case m.Retired:
			return ident.E(ident.KindState, "model_retired", "the model %s (%s) was retired", m.Name, short(sha))
		}
	}
	return nil
}

// models are all models that a publication names.
func (p Publication) models() []string {
	if p.Champion == "" {
		return p.Challengers
	}
	return append([]string{p.Champion}, p.Challengers...)
}

// changes are the differences to what runs, in words.
func (s *Service) changes(ctx context.Context, p Publication) ([]Difference, error) {
	next, err := s.Pack(ctx, p.Pack)
	if err != nil {
		return nil, err
	}
	return Compare(s.cfg.Engine.Running().Text(), next.Text)
}

// maxWords bounds a summary, in bytes: an approval has room for 2000.
const maxWords = 1900

// summary is what the second person reads: what, and what is different.
func summary(p Publication, figures string, changes []Difference) string {
	var b strings.Builder
	champion := Text{ZH: "仅规则", EN: "rules only"}
	if p.Champion != "" {
		champion = Text{ZH: "主模型 " + short(p.Champion), EN: "champion " + short(p.Champion)}
	}
	fmt.Fprintf(&b, "发布规则包 %s，%s，旁路模型 %d 个。 / Publish pack %s, %s, %d challengers.\n", short(p.Pack), champion.ZH,
		len(p.Challengers), short(p.Pack), champion.EN, len(p.Challengers))
	for _, text := range []string{p.Note, figures} {
		if text != "" {
			b.WriteString(text + "\n")
		}
	}
	fmt.Fprintf(&b, "与现行规则的不同之处：%d / Differences to the running rules: %d\n", len(changes), len(changes))
	for i, c := range changes {
		line := "- " + c.ZH + " / " + c.EN + "\n"
		if b.Len()+len(line) > maxWords {
			fmt.Fprintf(&b, "… 还有 %d 处 / and %d more", len(changes)-i, len(changes)-i)
			break
		}
		b.WriteString(line)
	}
	out := b.String()
	for len(out) > maxWords || !utf8.ValidString(out) {
		out = out[:min(len(out)-1, maxWords)]
	}
	return out
}

// Sign is the second person's word on exactly what hash covers; it brings the
// publication into force in one act, and then tells the engine:
//
//  1. signature, publication in force, the one before replaced, a row of what is
//     in force, the audit entry                    (one act: all or nothing)
//  2. the engine of this process swaps              (a crash: Load does it at the start)
//  3. other processes notice by Refresh
//
// If the engine cannot take it, the publication has failed: what ran before goes
// on, here and everywhere, and the error says why. The same call again gets the
// same answer.
func (s *Service) Sign(ctx context.Context, actor ident.Actor, id ident.ID, hash [32]byte) (Publication, error) {
	again := false
	err := s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		p, now, err := s.open(tx, id)
		if err != nil {
			return err
		}
		content, err := access.ContentHash(p.content())
		if err != nil {
			return err
		}
		if again = p.SignedBy == actor.ID && p.SignedBy != "" && content == hash; again {
			return nil
		}
		if p.State, err = NextPublication(p.State, Sign); err != nil {
			return err
		}
		if p.Replaces != now.publication.ID {
			return ident.E(ident.KindConflict, "publication_outdated",
				"something else has come into force since this was asked for; look at the differences and ask again")
		}
		if _, err := s.cfg.Access.Sign(tx, actor, p.Approval, hash); err != nil {
			return err
		}
		if err := s.cfg.Access.Require(tx, access.ActRiskPublish, id, content); err != nil {
			return err
		}
		err = s.cfg.Access.Check(tx, actor, access.ActRiskPublish, access.Object{ID: id},
			map[string]any{"approval": p.Approval, "pack": p.Pack, "champion": p.Champion, "challengers": p.Challengers})
		if err != nil {
			return err
		}
		p.SignedBy, p.Signed = actor.ID, s.cfg.Clock.Now()
		if err := savePublication(tx, p); err != nil {
			return err
		}
		return s.shift(tx, now, p.ID, Force{Act: ActPublish, Actor: actor.ID, Why: p.Note}, Replace)
	})
	if err != nil && !ident.Is(err, ident.KindUnknown) {
		return Publication{}, err
	}
	told := s.tell(ctx, id)
	if err != nil { // it may have happened, and then the engine knows it by now
		return Publication{}, err
	}
	p, err := s.publication(ctx, id)
	if err == nil && !again {
		err = told
	}
	return p, err
}

// open reads a publication and what is in force.
func (s *Service) open(tx *db.Tx, id ident.ID) (Publication, inForce, error) {
	p, found, err := publicationByID(tx, id)
	if err != nil {
		return p, inForce{}, err
	}
	if !found {
		return p, inForce{}, ident.NotFound("publication", id)
	}
	now, err := current(tx)
	return p, now, err
}

// shift makes another publication the one in force, and moves the one that was by
// the event. next is saved already, or is restored.
func (s *Service) shift(tx *db.Tx, now inForce, next ident.ID, f Force, e PublicationEvent) (err error) {
	f.Seq, f.Publication, f.At = now.seq+1, next, s.cfg.Clock.Now()
	if err := insertForce(tx, f); err != nil {
		return err
	}
	if now.publication.ID == "" {
		return nil
	}
	was := now.publication
	if was.State, err = NextPublication(was.State, e); err != nil {
		return err
	}
	if e == Fail {
		was.Error = f.Why
	}
	return savePublication(tx, was)
}

// restore brings what the publication in force has replaced into force again.
func (s *Service) restore(tx *db.Tx, now inForce, f Force, e PublicationEvent) error {
	if before := now.publication.Replaces; before != "" {
		p, found, err := publicationByID(tx, before)
		if err != nil {
			return err
		}
		if !found {
			return ident.E(ident.KindInternal, "publication_lost", "publication %s, which came before, is not there", before)
		}
		if p.State, err = NextPublication(p.State, Restore); err != nil {
			return err
		}
		if err := savePublication(tx, p); err != nil {
			return err
		}
	}
	return s.shift(tx, now, now.publication.Replaces, f, e)
}

// tell brings the engine to what is in force. If id is in force and the engine
// cannot take it, it has failed.
func (s *Service) tell(ctx context.Context, id ident.ID) error {
	ctx = context.WithoutCancel(ctx) // what is signed is not undone by a caller who hangs up
	err := s.Refresh(ctx)
	if err == nil || transient(ctx, err) || id == "" {
		return err
	}
	why := clip(err.Error())
	failed := s.cfg.Access.Update(ctx, clerk(), access.ActRiskPublish, access.Object{ID: id}, map[string]any{"failed": why},
		func(tx *db.Tx) error {
			now, err := current(tx)
			if err != nil || now.publication.ID != id {
				return err // somebody has taken it back
			}
			return s.restore(tx, now, Force{Act: ActFail, Actor: clerk().ID, Why: why}, Fail)
		})
	if failed == nil {
		failed = s.Refresh(ctx)
	}
	if failed != nil {
		s.cfg.Log.Error("a publication that the engine refused is still in force", "publication", id, "error", failed)
	}
	return ident.E(ident.KindState, "engine_refused", "the engine could not take this; what ran before goes on").Because(err)
}

// TakeBack takes the publication in force back: what it replaced is in force again.
// It is one person's act, see the package comment. id is the publication that the
// person sees in force. The same call again gets the same answer.
func (s *Service) TakeBack(ctx context.Context, actor ident.Actor, id ident.ID, why string) (Publication, error) {
	if why = strings.TrimSpace(why); why == "" || len(why) > maxNote {
		return Publication{}, ident.Invalid("why", "required", "say in 1 to %d bytes why; it stays in the record", maxNote)
	}
	err := s.cfg.Access.Update(ctx, actor, access.ActRiskPublish, access.Object{ID: id}, map[string]any{"take_back": why},
		func(tx *db.Tx) error {
			p, now, err := s.open(tx, id)
			if err != nil || p.State == TakenBack {
				return err
			}
			if now.publication.ID != id {
				_, err := NextPublication(p.State, TakeBack)
				return err
			}
			return s.restore(tx, now, Force{Act: ActTakeBack, Actor: actor.ID, Why: why}, TakeBack)
		})
	if err != nil && !ident.Is(err, ident.KindUnknown) {
		return Publication{}, err
	}
	told := s.tell(ctx, "")
	if err != nil {
		return Publication{}, err
	}
	p, err := s.publication(ctx, id)
	if err == nil {
		err = told
	}
	return p, err
}

// WithdrawPublication drops a publication that waits for its second person.
func (s *Service) WithdrawPublication(ctx context.Context, actor ident.Actor, id ident.ID) (out Publication, err error) {
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		p, _, err := s.open(tx, id)
		if err != nil {
			return err
		}
		err = s.cfg.Access.Check(tx, actor, access.ActRiskPublish, access.Object{ID: id}, map[string]any{"withdraw": true})
		if out = p; err != nil || p.State == Withdrawn {
			return err
		}
		if out.State, err = NextPublication(p.State, Withdraw); err != nil {
			return err
		}
		ap, err := s.cfg.Access.Approval(tx, p.Approval)
		if err != nil {
			return err
		}
		if ap.State == access.Open && s.cfg.Clock.Now().Before(ap.Expires) {
			if _, err := s.cfg.Access.Withdraw(tx, actor, p.Approval); err != nil {
				return err
			}
		}
		if err := savePublication(tx, out); err != nil {
			return err
		}
		out.Version++
		return nil
	})
	return out, err
}

// Publications are the newest 500, newest first.
func (s *Service) Publications(ctx context.Context, actor ident.Actor) (out []Publication, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{}, func(tx *db.Tx) error {
		out, err = publications(tx, `order by asked desc, id desc limit 500`)
		return err
	})
	return out, err
}

// Publication is one publication with what there is to sign.
func (s *Service) Publication(ctx context.Context, actor ident.Actor, id ident.ID) (out Proposal, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{ID: id}, func(tx *db.Tx) error {
		p, found, err := publicationByID(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("publication", id)
		}
		ap, err := s.cfg.Access.Approval(tx, p.Approval)
		if err != nil {
			return err
		}
		out = Proposal{Publication: p, Summary: ap.Summary}
		out.Hash, err = access.ContentHash(p.content())
		return err
	})
	return out, err
}

func (s *Service) publication(ctx context.Context, id ident.ID) (p Publication, err error) {
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		p, _, err = publicationByID(tx, id)
		return err
	})
	return p, err
}

// Status is what is in force and what this process runs.
type Status struct {
	InForce     Publication // zero: the pack that came with the program
	History     []Force     // newest first, at most 100
	Running     risk.PackInfo
	Champion    string   // sha256 of the model that runs here
	Challengers []string // those that score beside it here
	Troubles    []Trouble
}

// Status tells what is in force, its history, and what is wrong with it.
func (s *Service) Status(ctx context.Context, actor ident.Actor) (out Status, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{}, func(tx *db.Tx) error {
		now, err := current(tx)
		if err != nil {
			return err
		}
		out.InForce = now.publication
		out.History, err = forces(tx, 100)
		return err
	})
	if err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	out.Champion, out.Challengers = s.applied.champion, slices.Clone(s.applied.challengers)
	s.mu.Unlock()
	out.Running, out.Troubles = s.cfg.Engine.Pack(), s.Problems()
	return out, nil
}

// list is never nil, so that JSON says [].
func list[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}
