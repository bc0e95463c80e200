package watch

import (
	"context"
	"embed"
	"io/fs"
	"slices"
	"sync"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Config is what the package needs. DB, Access, Payment, Meter, Clock and IDs are
// required.
type Config struct {
	DB      *db.DB
	Access  *access.Access
	Payment *payment.Service
	Meter   *Meter // the one that risk.Config.Tap feeds
	Clock   ident.Clock
	IDs     *ident.Maker

	// Push puts the active stops into force in place of all that were:
	// risk.Engine.SetStops. It is called after each change, so it must be quick. nil
	// for a house without an engine.
	Push func([]risk.Stop) error
	// Uses is how many payments each has touched: risk.Engine.StopUses.
	Uses func() map[string]int64
	// Node names this process among those that judge payments for one database: each
	// keeps its own meter and its own counts. "" where there is one.
	Node string
	// MaxAlarms is how many alarms may be raised an hour, those of one cause counted
	// once; the rest become one alarm. 50 if zero.
	MaxAlarms int
	// History gives past payments in the order of their time, for Load. nil: what was
	// not kept starts anew.
	History History
}

// History calls fn with each payment made in [from, to), in the order of time;
// stopped says that it was not allowed at once.
type History func(ctx context.Context, from, to time.Time, fn func(e *risk.Event, stopped bool) error) error

// Service watches, tells and stops. It is safe for many goroutines.
type Service struct {
	cfg Config

	ticking sync.Mutex        // held by Tick and Load: they are never at work twice
	looked  int64             // the minute of the last look; guarded by ticking
	kept    int64             // the hour up to which the meter has been written down; guarded by ticking
	rows    map[string]uint32 // what stands in risk_meter, by part; guarded by ticking
	hot     []*key            // keys with an open alarm; guarded by the meter's tick.mu

	mu      sync.Mutex
	news    chan struct{}    // closed at the next change; guarded by mu
	seen    [2]int64         // the newest change of alarms and stops known; guarded by mu
	pushing sync.Mutex       // Refresh puts stops into force one after another
	pushed  []risk.Stop      // what is in force; guarded by pushing
	others  map[string]int64 // what other processes had touched then; guarded by pushing
}

// New refuses a missing part. Call Load before the first payment is judged.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Payment == nil || cfg.Meter == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "watch needs DB, Access, Payment, Meter, Clock and IDs")
	}
	if len(cfg.Node) > 64 || cfg.MaxAlarms < 0 {
		return nil, ident.E(ident.KindInternal, "config", "watch: Node has at most 64 bytes, MaxAlarms is not negative")
	}
	if cfg.MaxAlarms == 0 {
		cfg.MaxAlarms = 50
	}
	return &Service{cfg: cfg, news: make(chan struct{}), others: map[string]int64{}, rows: map[string]uint32{}}, nil
}

func (s *Service) currency() money.Currency { return s.cfg.Meter.cfg.Currency }

// Load prepares a start: it writes down the watches of the pack that are not there,
// reads what the meter has kept, replays what came after it, and puts the active
// stops into force. Nothing may feed the meter meanwhile.
func (s *Service) Load(ctx context.Context) error {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	if err := s.loadPack(ctx, packText); err != nil {
		return err
	}
	if err := s.loadMeter(ctx); err != nil {
		return err
	}
	return s.Refresh(ctx)
}

// loadPack writes watches that are new, and those of a newer pack that nobody has
// edited.
func (s *Service) loadPack(ctx context.Context, text string) error {
	ws, v, err := ReadPack(text)
	if err != nil {
		return err
	}
	now := s.cfg.Clock.Now()
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		for _, w := range ws {
			w.Changed, w.Version = now, 1
			if err := putPackWatch(tx, &w, v.Number); err != nil {
				return err
			}
		}
		return nil
	})
}

// Changes returns a channel that is closed at the next change of an alarm, a stop
// or a watch that this process knows of: by its own acts at once, by others' within a
// tick. Then ask Alarms with After, and call Changes again first, so as to miss none.
func (s *Service) Changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

func (s *Service) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

// after ends an act: whatever its outcome, what is in force is what the database
// says. An outcome that is unknown may have happened.
func (s *Service) after(ctx context.Context, err error) error {
	if err != nil && !ident.Is(err, ident.KindUnknown) {
		return err
	}
	s.tell()
	if failed := s.Refresh(context.WithoutCancel(ctx)); err == nil && failed != nil {
		// It is written; the next tick puts it into force.
		return ident.E(ident.KindUnavailable, "stop_not_pushed",
			"it is recorded, but could not be put into force yet; that is tried again every ten seconds").Because(failed)
	}
	return err
}

// Refresh puts the active stops into force if they are not what was put last. Tick
// calls it; another process's changes are heard so.
func (s *Service) Refresh(ctx context.Context) error {
	if s.cfg.Push == nil {
		return nil
	}
	s.pushing.Lock()
	defer s.pushing.Unlock()
	if err := s.keepUses(ctx); err != nil {
		return err
	}
	var active []Stop
	var own map[string]int64
	now := s.cfg.Clock.Now()
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		if active, err = readStops(tx, "where state = 'active' and until > $1 order by created, id", ident.Micros(now)); err != nil {
			return err
		}
		own, err = ownUses(tx, s.cfg.Node)
		return err
	})
	if err != nil {
		return err
	}
	stops, others := make([]risk.Stop, 0, len(active)), map[string]int64{}
	for _, st := range active {
		stops = append(stops, st.engine(st.From, st.Used))
		others[st.ID] = max(0, st.Used-own[st.ID])
	}
	if slices.EqualFunc(stops, s.pushed, func(a, b risk.Stop) bool {
		b.Used = a.Used
		return a == b && others[a.ID] == s.others[a.ID]
	}) {
		return nil
	}
	if err := s.cfg.Push(stops); err != nil {
		return err
	}
	s.pushed, s.others = stops, others
	return nil
}

// keepUses writes down what this process's stops have touched. s.pushing is held.
func (s *Service) keepUses(ctx context.Context) error {
	if s.cfg.Uses == nil || len(s.pushed) == 0 {
		return nil
	}
	uses, own := s.cfg.Uses(), map[string]int64{}
	for _, st := range s.pushed {
		if n := uses[st.ID] - s.others[st.ID]; n > 0 {
			own[st.ID] = min(n, MaxStop)
		}
	}
	if len(own) == 0 {
		return nil
	}
	var have map[string]int64
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		have, err = ownUses(tx, s.cfg.Node)
		return err
	})
	if err != nil {
		return err
	}
	for id, n := range own {
		if n <= have[id] {
			delete(own, id)
		}
	}
	if len(own) == 0 {
		return nil
	}
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error { return keepUses(tx, s.cfg.Node, own) })
}

// Watches lists all watches by id.
func (s *Service) Watches(tx *db.Tx) ([]Watch, error) {
	return readWatches(tx, "order by id")
}

// EditWatch writes a watch: with Version 0 a new one, otherwise the version that was
// looked at. The same edit again changes nothing.
func (s *Service) EditWatch(ctx context.Context, actor ident.Actor, w Watch) (out Watch, err error) {
	if err := w.Check(); err != nil {
		return out, err
	}
	w.Edited, w.Changed, w.By = true, s.cfg.Clock.Now(), actor.ID
	err = s.cfg.Access.Update(ctx, actor, access.ActWatchEdit, access.Object{ID: w.ID}, w, func(tx *db.Tx) error {
		have, err := readWatches(tx, "where id = $1", w.ID)
		if err != nil {
			return err
		}
		out = w
		switch {
		case len(have) == 1 && have[0].same(w) && have[0].Edited:
			out = have[0]
			return nil
		case len(have) == 0 && w.Version == 0:
			out.Version = 1
			return insertWatch(tx, &out, 0)
		case len(have) == 0:
			return ident.NotFound("watch", w.ID)
		case have[0].Version != w.Version:
			return ident.E(ident.KindConflict, "watch_moved", "watch %s has version %d, not %d; look at it again", w.ID, have[0].Version, w.Version)
		}
		out.Version++
		return updateWatch(tx, &out)
	})
	if err == nil {
		s.tell()
	}
	return out, err
}

// same says whether two watches look for the same.
func (w Watch) same(o Watch) bool {
	w.Edited, w.Changed, w.By, w.Version = o.Edited, o.Changed, o.By, o.Version
	return w == o
}

// AlarmIn is what a person says of an alarm.
type AlarmIn struct {
	Event   AlarmEvent // Acknowledge or Close
	Words   string
	Verdict Verdict       // of Close
	Quiet   time.Duration // of Close: for how long the same is not told again; an hour if zero
}

const maxQuiet = 72 * time.Hour

// MoveAlarm acknowledges or closes an alarm, with those that share its cause. The
// same again changes nothing.
func (s *Service) MoveAlarm(ctx context.Context, actor ident.Actor, id ident.ID, in AlarmIn) (out Alarm, err error) {
	switch {
	case in.Event != Acknowledge && in.Event != Close:
		return out, ident.Invalid("event", "event_unknown", "event must be acknowledge or close, it is %q", in.Event)
	case len(in.Words) > 4*maxReason || !plain(in.Words):
		return out, ident.Invalid("words", "too_long", "say it in at most %d characters", maxReason)
	case in.Verdict != Unsaid && in.Verdict != Theft && in.Verdict != Ordinary || in.Verdict != Unsaid && in.Event != Close:
		return out, ident.Invalid("verdict", "verdict_unknown", "verdict is theft or ordinary, and only when it is closed")
	case in.Quiet < 0 || in.Quiet > maxQuiet:
		return out, ident.Invalid("quiet", "out_of_range", "quiet is at most %d hours", int(maxQuiet/time.Hour))
	}
	if in.Quiet == 0 {
		in.Quiet = time.Hour
	}
	err = s.cfg.Access.Update(ctx, actor, access.ActWatchEdit, access.Object{ID: id}, in, func(tx *db.Tx) error {
		all, err := readAlarms(tx, s.currency(), "where id = $1 or cause = $1 and state <> 'closed' order by cause, id", id)
		if err != nil {
			return err
		}
		if len(all) == 0 || all[0].ID != id && !slices.ContainsFunc(all, func(a Alarm) bool { return a.ID == id }) {
			return ident.NotFound("alarm", id)
		}
		for _, a := range all {
			if err := s.move(tx, actor, &a, in, a.ID == id); err != nil {
				return err
			}
			if a.ID == id {
				out = a
			}
		}
		return nil
	})
	if err == nil {
		s.tell()
	}
	return out, err
}

// move changes one alarm; of those that came with it, what cannot be moved stays.
func (s *Service) move(tx *db.Tx, actor ident.Actor, a *Alarm, in AlarmIn, asked bool) error {
	now := s.cfg.Clock.Now()
	to, err := NextAlarm(a.State, in.Event)
	if err != nil {
		done := in.Event == Acknowledge && a.State == Acknowledged || in.Event == Close && a.State == Closed && a.By == actor.ID
		if done || !asked {
			return nil
		}
		return err
	}
	a.State, a.By, a.Words, a.Changed = to, actor.ID, in.Words, now
	if to == Closed {
		a.Closed, a.Quiet, a.Verdict = now, now.Add(in.Quiet), in.Verdict
	}
	moved, err := updateAlarm(tx, a)
	if err == nil && !moved {
		err = ident.E(ident.KindConflict, "alarm_moved", "alarm %s was changed by somebody else; look again", a.ID)
	}
	return err
}

// actedOn notes on an alarm that a stop was made from it.
func (s *Service) actedOn(tx *db.Tx, actor ident.Actor, id ident.ID, now time.Time) error {
	if id == "" {
		return nil
	}
	a, found, err := s.Alarm(tx, id)
	if err != nil {
		return err
	}
	if !found {
		return ident.NotFound("alarm", id)
	}
	to, err := NextAlarm(a.State, Act)
	if err != nil || to == a.State {
		return nil // a stop may come late: it stands by itself
	}
	a.State, a.By, a.Changed = to, actor.ID, now
	_, err = updateAlarm(tx, &a) // if it has just grown, the next act sets it
	return err
}
