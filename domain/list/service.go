package list

import (
	"bytes"
	"context"
	"embed"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Config is what the package needs; all but Signals is required.
type Config struct {
	DB     *db.DB
	Access *access.Access
	Vault  *vault.Vault
	Clock  ident.Clock
	IDs    *ident.Maker
	// Signals is the text of an intelligence pack; "" for the one that comes with
	// the product.
	Signals string
}

// Service keeps the lists. It is safe for many goroutines.
type Service struct {
	cfg   Config
	pack  *signalPack
	index *Index

	mu     sync.Mutex // held while the index follows the tables
	loaded bool
	seq    int64     // the index has all changes up to this one
	fresh  time.Time // when it was last known to have all
	behind error     // why it could not follow since; nil if it could
}

// New refuses a missing part or a wrong pack. Call Load before the first Listed.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Vault == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "list needs DB, Access, Vault, Clock and IDs")
	}
	pack, err := loadSignals(cfg.Signals)
	if err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, pack: pack, index: newIndex(pack.codes)}, nil
}

// Listed, on the hot path of every payment, is Index.Listed over what stands now.
func (s *Service) Listed(kind, subject, value string, at time.Time) (entry string, ok bool) {
	return s.index.Listed(kind, subject, value, at)
}

// Said is Index.Said over what stands now.
func (s *Service) Said(subject, value string, at time.Time) Said {
	return s.index.Said(subject, value, at)
}

// Signalled is Index.Signalled over what stands now.
func (s *Service) Signalled(signal, subject, value string, at time.Time) (entry string, ok bool) {
	return s.index.Signalled(signal, subject, value, at)
}

// Key is a value as Listed is asked for it: of a phone or a name the keyed index
// in hexadecimal, of anything else its canonical form.
func (s *Service) Key(subject Subject, value string) (string, error) {
	text, bad := canonical(subject, value)
	if bad != nil {
		return "", bad
	}
	return keyText(subject, text, s.blind(subject, text)), nil
}

// blind is the keyed index of a canonical phone or name: the one of package
// party. It is empty for the other subjects.
func (s *Service) blind(subject Subject, value string) []byte {
	switch subject {
	case Phone:
		return s.cfg.Vault.Index("phone", value)
	case Name:
		return s.cfg.Vault.Index("name", party.NormalName(value))
	}
	return []byte{}
}

// same is the keyed mark of one statement of one source: kind, subject, value and
// source. None of them holds the separator.
func (s *Service) same(st Statement) []byte {
	value := st.Value
	if st.Subject == Name {
		value = party.NormalName(value)
	}
	return s.cfg.Vault.Index("list.same", strings.Join([]string{string(st.Kind), string(st.Subject), value, string(st.Source)}, "\x1f"))
}

// body is the keyed mark of all that the caller said. The statement is normal.
func (s *Service) body(way string, st Statement) []byte {
	return s.cfg.Vault.Index("list.body", strings.Join([]string{way, string(st.Kind), string(st.Subject), st.Value, st.Reason.ZH,
		st.Reason.EN, string(st.Source), strconv.Itoa(st.Confidence), st.Signal, st.Note,
		strconv.FormatInt(ident.Micros(st.From), 10), strconv.FormatInt(ident.Micros(st.Until), 10)}, "\x1f"))
}

// detail is what the log keeps of a statement.
func (st Statement) detail() map[string]string {
	return map[string]string{"kind": string(st.Kind), "subject": string(st.Subject), "value": masked(st.Subject, st.Value),
		"source": string(st.Source)}
}

// mask hides a phone or a name but for what a table may show, and the note.
func (e Entry) mask() Entry {
	e.Note = ""
	if e.Subject.personal() && !e.Masked {
		e.Value, e.Masked = masked(e.Subject, e.Value), true
	}
	return e
}

// normal is Statement.normal with what only the service knows.
func (s *Service) normal(st *Statement) error {
	if bad := st.normal(); bad != nil {
		return bad
	}
	if st.Signal != "" {
		if _, bad := s.pack.find(st.Signal); bad != nil {
			return bad
		}
	}
	return nil
}

// Add puts a value on a list. The same id and statement again gets the recorded
// entry, whatever became of it; the same id with another statement is a conflict.
// The answer is masked.
func (s *Service) Add(ctx context.Context, actor ident.Actor, st Statement) (e Entry, again bool, err error) {
	if err := ident.CheckID("id", st.ID); err != nil {
		return e, false, err
	}
	if err := s.normal(&st); err != nil {
		return e, false, err
	}
	body, now := s.body("entry", st), s.cfg.Clock.Now()
	err = s.cfg.Access.Update(ctx, actor, access.ActListEdit, access.Object{ID: st.ID}, st.detail(), func(tx *db.Tx) (err error) {
		e, again, err = s.add(tx, actor, st, body, false, func(st *Statement) *ident.Error { return st.term(now) })
		return err
	})
	return e.mask(), again, s.after(ctx, err)
}

// add looks for the id, and writes a new entry once its times are checked.
func (s *Service) add(tx *db.Tx, actor ident.Actor, st Statement, body []byte, reported bool,
	timed func(*Statement) *ident.Error) (Entry, bool, error) {
	if e, found, err := s.again(tx, st.ID, body); found || err != nil {
		return e, found, err
	}
	if bad := timed(&st); bad != nil {
		return Entry{}, false, bad
	}
	now := s.cfg.Clock.Now()
	seq, err := nextSeq(tx)
	if err != nil {
		return Entry{}, false, err
	}
	e := Entry{Statement: st, Reported: reported, AddedBy: actor.ID, AddedAt: now, Version: 1}
	fresh, err := s.insert(tx, []draft{{Entry: e, body: body}}, seq, now)
	if err != nil || fresh[st.ID] {
		return e, false, err
	}
	return s.again(tx, st.ID, body) // another one was first with this id
}

// again finds what is recorded under an id; another body is a conflict.
func (s *Service) again(tx *db.Tx, id ident.ID, body []byte) (Entry, bool, error) {
	e, found, err := s.Get(tx, id)
	if err != nil || !found {
		return e, found, err
	}
	kept, err := bodyOf(tx, id)
	if err == nil && !bytes.Equal(kept, body) {
		err = ident.E(ident.KindConflict, "entry_id_taken", "the list entry %s exists with other contents; use a new id", id)
	}
	return e, true, err
}

func checkWhy(why string) (string, error) {
	if why = strings.TrimSpace(why); !plainLine(why, 1, maxNote) {
		return "", ident.Invalid("why", "why_text", "say why in one line of 1 to %d characters", maxNote)
	}
	return why, nil
}

func absent(id ident.ID) error {
	return ident.E(ident.KindNotFound, "entry_not_found", "there is no list entry %q", id)
}

func moved(id ident.ID) error {
	return ident.E(ident.KindConflict, "entry_moved", "the list entry %s was changed by somebody else; look again", id)
}

// Remove takes an entry off its list; it stays in the record. The same call again
// gets the same answer. The answer is masked.
func (s *Service) Remove(ctx context.Context, actor ident.Actor, id ident.ID, why string) (e Entry, err error) {
	if why, err = checkWhy(why); err != nil {
		return e, err
	}
	err = s.cfg.Access.Update(ctx, actor, access.ActListEdit, access.Object{ID: id}, map[string]string{"removed": why},
		func(tx *db.Tx) error {
			var found bool
			if e, found, err = s.Get(tx, id); err != nil {
				return err
			}
			if !found {
				return absent(id)
			}
			e, err = s.remove(tx, actor, e, why)
			return err
		})
	return e.mask(), s.after(ctx, err)
}

func (s *Service) remove(tx *db.Tx, actor ident.Actor, e Entry, why string) (Entry, error) {
	if !e.RemovedAt.IsZero() {
		if e.RemovedBy == actor.ID && e.RemovedWhy == why {
			return e, nil
		}
		return e, ident.E(ident.KindState, "entry_removed", "the list entry %s was removed already", e.ID)
	}
	now := s.cfg.Clock.Now()
	seq, err := nextSeq(tx)
	if err != nil {
		return e, err
	}
	ev := Event{Version: e.Version + 1, What: EventRemoved, By: actor.ID, At: now, Why: why, UntilBefore: e.Until, UntilAfter: e.Until}
	e.RemovedBy, e.RemovedAt, e.RemovedWhy, e.Version = actor.ID, now, why, e.Version+1
	return e, change(tx, e, ev, seq)
}

// Extend gives an entry that has not ended a later expiry, within the bounds of
// its kind counted from now. The same call again gets the same answer. The answer
// is masked.
func (s *Service) Extend(ctx context.Context, actor ident.Actor, id ident.ID, until time.Time, why string) (e Entry, err error) {
	if why, err = checkWhy(why); err != nil {
		return e, err
	}
	until = micro(until)
	if until.IsZero() {
		return e, ident.Invalid("until", "required", "until is missing: to when shall it be extended?")
	}
	err = s.cfg.Access.Update(ctx, actor, access.ActListEdit, access.Object{ID: id},
		map[string]any{"until": until, "why": why}, func(tx *db.Tx) error {
			var found bool
			if e, found, err = s.Get(tx, id); err != nil {
				return err
			}
			if !found {
				return absent(id)
			}
			e, err = s.extend(tx, actor, e, until, why)
			return err
		})
	return e.mask(), s.after(ctx, err)
}

func (s *Service) extend(tx *db.Tx, actor ident.Actor, e Entry, until time.Time, why string) (Entry, error) {
	now := s.cfg.Clock.Now()
	switch state := e.At(now); {
	case state == Removed || state == Expired:
		return e, ident.E(ident.KindState, "entry_"+string(state), "the list entry %s is %s; add a new one", e.ID, state)
	case e.Until.Equal(until):
		return e, nil
	case e.Until.IsZero():
		return e, ident.E(ident.KindState, "entry_endless", "the list entry %s has no end; remove it when it shall end", e.ID)
	case until.Before(e.Until):
		return e, ident.Invalid("until", "until_earlier", "until must be later than it is now; remove the entry if it shall end earlier")
	}
	if bad := checkUntil(e.Kind, e.From, until, now); bad != nil {
		return e, bad
	}
	seq, err := nextSeq(tx)
	if err != nil {
		return e, err
	}
	ev := Event{Version: e.Version + 1, What: EventExtended, By: actor.ID, At: now, Why: why, UntilBefore: e.Until, UntilAfter: until}
	e.Until, e.Version = until, e.Version+1
	return e, change(tx, e, ev, seq)
}

// View shows one entry in full, with the other entries that are not over about the
// same value (masked), whichever list they are on. The look is logged.
func (s *Service) View(ctx context.Context, actor ident.Actor, id ident.ID) (e Entry, also []Entry, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActListRead, access.Object{ID: id}, func(tx *db.Tx) error {
		var found bool
		if e, found, err = s.Get(tx, id); err != nil {
			return err
		}
		if !found {
			return absent(id)
		}
		also, err = s.alsoSaid(tx, e)
		return err
	})
	if err != nil {
		return Entry{}, nil, err
	}
	return e, also, nil
}

// maxAlso bounds the other entries that View shows.
const maxAlso = 20

func (s *Service) alsoSaid(tx *db.Tx, e Entry) ([]Entry, error) {
	all, err := s.list(tx, Filter{Subject: e.Subject, Value: e.Value, Limit: maxAlso + 1, standing: true}, s.cfg.Clock.Now())
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, o := range all {
		if o.ID != e.ID && len(out) < maxAlso {
			out = append(out, o.mask())
		}
	}
	return out, nil
}

// Filter narrows Find; zero fields do not.
type Filter struct {
	Kind     Kind
	Subject  Subject
	Source   Source
	Signal   string
	State    State     // as of now
	Value    string    // in any spelling; of an address, the networks that hold it
	Ending   time.Time // live or waiting, and ends before this
	Before   string    // cursor: id of the last entry of the page before
	BeforeAt time.Time // and when it was added
	Limit    int       // 50 if zero, at most 500

	standing bool // not removed, not expired
}

// Find lists entries, the newest first, with phones and names masked. The look is
// logged.
func (s *Service) Find(ctx context.Context, actor ident.Actor, f Filter) (out []Entry, err error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	err = s.cfg.Access.View(ctx, actor, access.ActListRead, access.Object{}, func(tx *db.Tx) error {
		out, err = s.list(tx, f, s.cfg.Clock.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i] = out[i].mask()
	}
	return out, nil
}

func (f Filter) check() error {
	switch {
	case f.Kind != "" && f.Kind.code() == 0:
		return ident.Invalid("kind", "unknown", "there is no list %q", clip(string(f.Kind)))
	case f.Subject != "" && f.Subject.code() == 0:
		return ident.Invalid("subject", "unknown", "there is no subject %q", clip(string(f.Subject)))
	case f.Source != "" && !f.Source.known():
		return ident.Invalid("source", "unknown", "there is no source %q", clip(string(f.Source)))
	}
	switch f.State {
	case "", Waiting, Live, Expired, Removed:
		return nil
	}
	return ident.Invalid("state", "unknown", "there is no state %q", clip(string(f.State)))
}

// EventKind is what happened to an entry.
type EventKind string

// What can happen to an entry.
const (
	EventAdded    EventKind = "added"
	EventExtended EventKind = "extended"
	EventRenewed  EventKind = "renewed" // an import said it with other words, confidence or expiry
	EventRemoved  EventKind = "removed"
)

// Event is one thing that happened to an entry.
type Event struct {
	Version                 int // that it made
	What                    EventKind
	By                      ident.ID
	At                      time.Time
	Why                     string
	UntilBefore, UntilAfter time.Time // equal if it did not change
	ReasonBefore            string    // "" if it did not change; zh | en
	ConfidenceBefore        int       // 0 if it did not change
}

// History is all that happened to an entry, the oldest first. The look is logged.
func (s *Service) History(ctx context.Context, actor ident.Actor, id ident.ID) (out []Event, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActListRead, access.Object{ID: id}, func(tx *db.Tx) error {
		e, found, err := s.Get(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return absent(id)
		}
		later, err := events(tx, id)
		if err != nil {
			return err
		}
		first := Event{Version: 1, What: EventAdded, By: e.AddedBy, At: e.AddedAt, UntilAfter: e.Until}
		if len(later) > 0 {
			first.UntilAfter = later[0].UntilBefore
		}
		first.UntilBefore = first.UntilAfter
		out = append([]Event{first}, later...)
		return nil
	})
	return out, err
}
