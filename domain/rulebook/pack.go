package rulebook

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/access"
	"surety/platform/db"
)

// Problem is one mistake in a pack's text.
type Problem struct {
	Line    int    `json:"line"`   // counted from 1; 0 if it is about the whole
	Column  int    `json:"column"` // counted from 1; 0 if unknown
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// placed is how a mistake says its place within a message.
var placed = regexp.MustCompile(`line (\d+), column (\d+)(?:: )?`)

// Check finds the mistakes in a text; none if it could be kept and published. It
// reads nothing but the text, so that an editor can ask at every pause.
func Check(text string) []Problem {
	_, err := risk.LoadPack(text)
	return problems(err)
}

// problems are all places that an error names.
func problems(err error) []Problem {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []Problem
		for _, e := range many.Unwrap() {
			out = append(out, problems(e)...)
		}
		return out
	}
	var known *ident.Error
	if !errors.As(err, &known) {
		return []Problem{{Code: "pack_invalid", Message: err.Error()}}
	}
	p := Problem{Line: known.Row, Field: known.Field, Code: known.Code, Message: known.Message}
	if at := placed.FindStringSubmatchIndex(known.Message); at != nil {
		line, _ := strconv.Atoi(known.Message[at[2]:at[3]]) // digits, by the pattern
		column, _ := strconv.Atoi(known.Message[at[4]:at[5]])
		if p.Line == 0 || p.Line == line {
			p.Line, p.Column = line, column
			if at[0] == 0 || known.Message[:at[0]] == known.Field+": " {
				p.Message = known.Message[at[1]:]
			}
		}
	}
	return []Problem{p}
}

// SavePack keeps a text as a version that can be published. The same text again is
// the same pack. A text with a mistake, or another text under a number that is
// taken, is refused.
func (s *Service) SavePack(ctx context.Context, actor ident.Actor, text, note string) (Pack, error) {
	if len(note) > maxNote {
		return Pack{}, ident.Invalid("note", "too_long", "the note has %d bytes, at most %d are kept", len(note), maxNote)
	}
	loaded, err := risk.LoadPack(text)
	if err != nil {
		return Pack{}, err
	}
	p := Pack{Version: loaded.Info().Version, Text: text, Author: actor.ID, Note: note, Created: s.cfg.Clock.Now()}
	detail := map[string]any{"pack": p.Version.String(), "sha256": p.Version.SHA256}
	err = s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: p.Version.SHA256}, detail, func(tx *db.Tx) error {
		other, taken, err := packByNumber(tx, p.Version.Name, p.Version.Number)
		if err != nil {
			return err
		}
		if taken && other != p.Version.SHA256 {
			return ident.E(ident.KindConflict, "pack_number_taken",
				"pack %s number %d is another text (%s); give this one a higher number", p.Version.Name, p.Version.Number, short(other))
		}
		return insertPack(tx, p)
	})
	if err != nil {
		return Pack{}, err
	}
	return s.Pack(ctx, p.Version.SHA256)
}

// Pack is one pack with its text.
func (s *Service) Pack(ctx context.Context, sha string) (p Pack, err error) {
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		var found bool
		if p, found, err = packBySHA(tx, sha); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("pack", sha)
		}
		now, err := current(tx)
		p.InForce = now.publication.Pack == sha
		return err
	})
	return p, err
}

// ViewPack is Pack for whoever may read rules.
func (s *Service) ViewPack(ctx context.Context, actor ident.Actor, sha string) (Pack, error) {
	if err := s.mayRead(ctx, actor, sha); err != nil {
		return Pack{}, err
	}
	return s.Pack(ctx, sha)
}

// Packs are all packs without their texts, newest first.
func (s *Service) Packs(ctx context.Context, actor ident.Actor) (out []Pack, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{}, func(tx *db.Tx) error {
		now, err := current(tx)
		if err != nil {
			return err
		}
		out, err = packs(tx)
		for i := range out {
			out[i].InForce = now.publication.Pack == out[i].Version.SHA256
		}
		return err
	})
	return out, err
}

func (s *Service) mayRead(ctx context.Context, actor ident.Actor, id ident.ID) error {
	return s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{ID: id}, func(*db.Tx) error { return nil })
}

// Difference is one change between two packs, with words for people.
type Difference struct {
	policy.Change
	Text
}

// Difference tells what a text changes against what runs in this process.
func (s *Service) Difference(ctx context.Context, actor ident.Actor, text string) ([]Difference, error) {
	if err := s.mayRead(ctx, actor, ""); err != nil {
		return nil, err
	}
	return Compare(s.cfg.Engine.Running().Text(), text)
}

// Between tells what changed from one kept pack to another.
func (s *Service) Between(ctx context.Context, actor ident.Actor, from, to string) ([]Difference, error) {
	a, err := s.ViewPack(ctx, actor, from)
	if err != nil {
		return nil, err
	}
	b, err := s.ViewPack(ctx, actor, to)
	if err != nil {
		return nil, err
	}
	return Compare(a.Text, b.Text)
}

// Compare lists what changed from one text to another, in words.
func Compare(from, to string) ([]Difference, error) {
	changes, err := policy.Diff([]byte(from), []byte(to))
	if err != nil {
		return nil, err
	}
	out := make([]Difference, len(changes))
	for i, c := range changes {
		out[i] = Difference{Change: c, Text: Tell(c)}
	}
	return out, nil
}

// parts of a pack that a change may be in: what stands before the brackets.
var partNames = map[string]Text{
	"rules":    {"规则", "rule"},
	"features": {"特征", "feature"},
	"limits":   {"限额", "limit"},
	"costs":    {"成本", "cost"},
	"models":   {"模型设置", "model setting"},
	"entities": {"主体", "entity"},
	"windows":  {"窗口", "window"},
}

// path is "rules[new_device].when" or "limits.small".
var path = regexp.MustCompile(`^(\w+)(?:\[([^\]]*)\]|\.(\w+))?(?:\.(.+))?$`)

// Tell says one change in words.
func Tell(c policy.Change) Text {
	what := Text{ZH: "“" + c.Path + "”", EN: c.Path}
	if m := path.FindStringSubmatch(c.Path); m != nil && partNames[m[1]] != (Text{}) && m[2]+m[3] != "" {
		part := partNames[m[1]]
		what = Text{ZH: part.ZH + "“" + m[2] + m[3] + "”", EN: part.EN + " " + m[2] + m[3]}
		if m[4] != "" {
			what.ZH += "的 " + m[4]
			what.EN = m[4] + " of " + what.EN
		}
	}
	switch {
	case c.Before == "":
		return Text{ZH: "新增" + what.ZH + "：" + clip(c.After), EN: "added " + what.EN + ": " + clip(c.After)}
	case c.After == "":
		return Text{ZH: "删除" + what.ZH + "（原为 " + clip(c.Before) + "）", EN: "removed " + what.EN + " (it was " + clip(c.Before) + ")"}
	}
	return Text{ZH: what.ZH + "由 " + clip(c.Before) + " 改为 " + clip(c.After),
		EN: what.EN + " changed from " + clip(c.Before) + " to " + clip(c.After)}
}

// clip shortens a value for a sentence, between two characters.
func clip(v string) string {
	const most = 160
	r := []rune(v)
	if len(r) <= most {
		return v
	}
	return string(r[:most]) + "…"
}

// short is the beginning of a hash, for people.
func short(sha string) string { return sha[:min(8, len(sha))] }

// Bounds of drafts.
const maxTitle = 200 // bytes

// SaveDraft keeps what somebody is writing, with mistakes or without. version is
// that of the draft that was edited, 0 for a new one; if somebody else has saved
// meanwhile it is a conflict. The same save again gets the same answer.
func (s *Service) SaveDraft(ctx context.Context, actor ident.Actor, d Draft) (out Draft, err error) {
	if err := ident.CheckID("id", d.ID); err != nil {
		return Draft{}, err
	}
	if strings.TrimSpace(d.Title) == "" || len(d.Title) > maxTitle {
		return Draft{}, ident.Invalid("title", "title_length", "give the draft a title of 1 to %d bytes", maxTitle)
	}
	if len(d.Text) > policy.MaxPack {
		return Draft{}, ident.E(ident.KindTooLarge, "pack_too_large", "a pack has at most %d bytes", policy.MaxPack)
	}
	d.Author, d.Updated = actor.ID, s.cfg.Clock.Now()
	err = s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: d.ID}, map[string]any{"draft": d.Title},
		func(tx *db.Tx) error {
			moved := ident.E(ident.KindConflict, "draft_moved", "the draft %s was changed by somebody else; look again", d.ID)
			old, found, err := draftByID(tx, d.ID)
			switch {
			case err != nil:
				return err
			case found && old.Version == d.Version+1 && old.Text == d.Text && old.Title == d.Title && old.Author == d.Author:
				out = old
				return nil
			case found != (d.Version > 0) || found && old.Version != d.Version:
				return moved
			}
			out = d
			out.Version++
			return saveDraft(tx, out, moved)
		})
	return out, err
}

// Drafts are all drafts, latest first.
func (s *Service) Drafts(ctx context.Context, actor ident.Actor) (out []Draft, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{}, func(tx *db.Tx) error {
		out, err = drafts(tx, `order by updated desc, id limit 500`)
		return err
	})
	return out, err
}

// Draft is one draft.
func (s *Service) Draft(ctx context.Context, actor ident.Actor, id ident.ID) (d Draft, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActRiskRead, access.Object{ID: id}, func(tx *db.Tx) error {
		var found bool
		if d, found, err = draftByID(tx, id); err == nil && !found {
			return ident.NotFound("draft", id)
		}
		return err
	})
	return d, err
}

// DropDraft throws a draft away. One that is not there is thrown away already.
func (s *Service) DropDraft(ctx context.Context, actor ident.Actor, id ident.ID) error {
	return s.cfg.Access.Update(ctx, actor, access.ActRiskEdit, access.Object{ID: id}, map[string]any{"drop": true}, func(tx *db.Tx) error {
		_, err := tx.Exec(`delete from risk_draft where id = $1`, id)
		return err
	})
}
