package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"surety/domain/risk"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

const (
	calmAfter   = time.Hour
	labelsCalm  = 72 * time.Hour // without a new label
	mostWrites  = 200            // alarms that one tick changes; the rest wait for the next
	mostMembers = 20             // alarms of one cause that are written one by one
)

// ticker is the actor under which Tick works.
var ticker = ident.Job("watch.tick")

// Tick looks once: it moves the meter to now, raises, updates and closes alarms,
// ends stops and writes down what they have touched. Call it every ten seconds. If
// it fails, the next one does what is left; two at once do not harm each other.
//
// What a crash leaves, whatever the place: alarms are raised by ids made from what
// they are, so the next tick, or another process, raises none twice; uses and the
// meter's memory are written by rows that only go forward.
func (s *Service) Tick(ctx context.Context, now time.Time) error {
	if !s.ticking.TryLock() {
		return nil
	}
	defer s.ticking.Unlock()
	return errors.Join(s.tendStops(ctx, now), s.look(ctx, now), s.keepMeter(ctx))
}

// tendStops writes down uses, ends what is over, and hears of others' changes.
func (s *Service) tendStops(ctx context.Context, now time.Time) error {
	if err := s.Refresh(ctx); err != nil {
		return err
	}
	var ending []Stop
	var newest int64
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		all, err := readStops(tx, "where state in ('proposed', 'active')")
		ending = slices.DeleteFunc(all, func(st Stop) bool { return st.ends(now) == "" })
		if err != nil {
			return err
		}
		_, err = tx.Row([]any{&newest}, "select coalesce(max(created + ended + version), 0) from risk_stop")
		return err
	})
	if err != nil {
		return err
	}
	s.notice(1, newest)
	if len(ending) == 0 {
		return nil
	}
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		for _, st := range ending[:min(len(ending), mostWrites)] {
			e := st.ends(now)
			to, err := NextStop(st.State, e)
			if err != nil {
				return err
			}
			detail := map[string]any{"event": e, "used": st.Used}
			if err := s.cfg.Access.Check(tx, ticker, access.ActWatchStop, access.Object{ID: st.ID}, detail); err != nil {
				return err
			}
			st.State, st.Ended, st.EndedBy = to, now, ticker.ID
			if err := updateStop(tx, &st); err != nil {
				return err
			}
		}
		return nil
	})
	if ident.CodeOf(err) == "stop_moved" { // a person was first; the next tick looks again
		err = nil
	}
	return s.after(ctx, err)
}

// ends says what ends the stop now, "" for nothing.
func (st *Stop) ends(now time.Time) StopEvent {
	switch {
	case st.State == Active && st.Used >= st.Limit:
		return Exhaust
	case !st.Until.After(now):
		return Expire
	}
	return ""
}

// notice tells of a change that another process has made.
func (s *Service) notice(what int, newest int64) {
	s.mu.Lock()
	changed := s.seen[what] != newest
	s.seen[what] = newest
	s.mu.Unlock()
	if changed {
		s.tell()
	}
}

// rise names what an alarm is about.
type rise struct {
	watch ident.ID
	dim   Dimension
	name  string
}

func (a *Alarm) rise() rise { return rise{a.Watch, a.Dimension, a.Key} }

func (f *finding) rise() rise { return rise{f.watch.ID, f.watch.Dimension, f.name} }

// board is what the database says of alarms.
type board struct {
	watches []Watch
	live    map[rise]Alarm
	quiet   map[rise]Alarm // closed, and not to be told again yet
	raised  int64          // alarms of the past hour that stand alone
}

func (s *Service) board(ctx context.Context, now time.Time) (b board, err error) {
	var newest int64
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		b = board{live: map[rise]Alarm{}, quiet: map[rise]Alarm{}}
		if b.watches, err = s.Watches(tx); err != nil {
			return err
		}
		all, err := readAlarms(tx, s.currency(), "where state <> 'closed' or state = 'closed' and quiet > $1", ident.Micros(now))
		if err != nil {
			return err
		}
		for _, a := range all {
			if a.State == Closed {
				b.quiet[a.rise()] = a
			} else {
				b.live[a.rise()] = a
			}
		}
		if _, err := tx.Row([]any{&newest}, "select coalesce(max(changed), 0) from risk_alarm"); err != nil {
			return err
		}
		_, err = tx.Row([]any{&b.raised}, "select count(*) from risk_alarm where raised > $1 and cause = ''", ident.Micros(now.Add(-time.Hour)))
		return err
	})
	if err == nil {
		s.notice(0, newest)
	}
	return b, err
}

// look compares what the meter says with what the database says, and writes.
func (s *Service) look(ctx context.Context, now time.Time) error {
	b, err := s.board(ctx, now)
	if err != nil {
		return err
	}
	p := s.compare(&b, now)
	if len(p.raise)+len(p.update) == 0 {
		return nil
	}
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error { return s.write(tx, p) })
	if err == nil || ident.Is(err, ident.KindUnknown) {
		s.tell()
	}
	return err
}

// plan is what is to be written.
type plan struct{ raise, update []Alarm }

// compare moves the meter and finds out what has risen, grown or become calm.
func (s *Service) compare(b *board, now time.Time) plan {
	m := s.cfg.Meter
	m.tick.mu.Lock()
	defer m.tick.mu.Unlock()
	minute := now.Unix() / 60
	m.advance(minute)
	m.room()
	since := s.looked
	if since == 0 {
		since = minute - window60
	}
	s.looked = minute
	s.heat(b)
	fs := m.scan(b.watches, since-1, now)
	slices.SortFunc(fs, surprise)
	m.illustrate(fs)
	group(fs)
	var p plan
	found := map[rise]bool{}
	for i := range fs {
		found[fs[i].rise()] = true
	}
	s.raise(b, fs, now, &p)
	for key, a := range b.live {
		if !found[key] {
			s.cool(b, a, now, &p)
		}
	}
	slices.SortFunc(p.update, func(a, b Alarm) int { return a.Changed.Compare(b.Changed) })
	p.update = p.update[:min(len(p.update), mostWrites)]
	for i := range p.update {
		p.update[i].Changed = now
	}
	return p
}

// heat marks the keys with an open alarm: their pasts learn little meanwhile.
func (s *Service) heat(b *board) {
	for _, k := range s.hot {
		k.hot = false
	}
	s.hot = s.hot[:0]
	for key := range b.live {
		if d := key.dim.number(); d >= 0 {
			if k, _ := s.cfg.Meter.lookup(d, key.name); k != nil {
				k.hot = true
				s.hot = append(s.hot, k)
			}
		}
	}
}

// raise sorts findings into new alarms and those that grow, cause by cause.
func (s *Service) raise(b *board, fs []finding, now time.Time, p *plan) {
	held, room := int64(0), int64(s.cfg.MaxAlarms)-b.raised
	for i := range fs {
		if fs[i].head != i {
			continue
		}
		var members []*finding
		for j := i; j < len(fs); j++ {
			if fs[j].head == i {
				members = append(members, &fs[j])
			}
		}
		cause := s.causeOf(b, members)
		fresh := 0
		for _, f := range members {
			if a, open := b.live[f.rise()]; open {
				s.grow(a, f, int64(len(members)-1), now, p)
				continue
			}
			if a, quiet := b.quiet[f.rise()]; quiet {
				if f.observed < 2*float64(a.Observed) {
					continue
				}
				f.since = max(f.since, a.Closed.Unix()/60) // it is another alarm
			}
			a := f.alarm(s.currency(), now)
			switch {
			case cause == "" && room <= 0, cause != "" && fresh >= mostMembers:
				held++
				continue
			case cause == "":
				cause, room = a.ID, room-1
				a.Also = int64(len(members) - 1)
			default:
				a.Cause = cause
				fresh++
			}
			p.raise = append(p.raise, a)
		}
	}
	if held > 0 {
		a := tooMany(held, s.currency(), now)
		if old, open := b.live[a.rise()]; open {
			if a.Observed > old.Observed {
				old.Observed, old.ZH, old.EN = a.Observed, a.ZH, a.EN
			}
			old.Last = now
			p.update = append(p.update, old)
		} else {
			p.raise = append(p.raise, a)
		}
	}
}

// causeOf is the alarm that the members of a cause have already, "" if none.
func (s *Service) causeOf(b *board, members []*finding) ident.ID {
	for _, f := range members {
		if a, open := b.live[f.rise()]; open {
			if a.Cause != "" {
				return a.Cause
			}
			return a.ID
		}
	}
	return ""
}

// grow updates an alarm that goes on: when it has grown by a tenth, or once a minute.
func (s *Service) grow(a Alarm, f *finding, also int64, now time.Time, p *plan) {
	last := now
	if a.Measure == Labels {
		last = time.Unix(f.since*60, 0).UTC() // the newest label
		if now.Sub(last) >= labelsCalm {
			s.close(a, now, now.Add(7*24*time.Hour), p)
			return
		}
	}
	more := int64(f.observed) > a.Observed+a.Observed/10
	if !more && now.Sub(a.Changed) < time.Minute {
		return
	}
	before := a
	if a.Last = last; int64(f.observed) > a.Observed {
		f.figures(&a)
	}
	a.Also = max(a.Also, also)
	if a.Cause != "" {
		a.Also = 0
	}
	if before.Observed != a.Observed || before.Last != a.Last || before.Also != a.Also {
		p.update = append(p.update, a)
	}
}

// cool closes an alarm that has been calm for an hour: that it is above floor and
// ratio keeps it open, even if chance alone would do.
func (s *Service) cool(b *board, a Alarm, now time.Time, p *plan) {
	m := s.cfg.Meter
	if a.Measure != Labels && a.Watch != over {
		for i := range b.watches {
			w := &b.watches[i]
			if w.ID != a.Watch || !w.Enabled {
				continue
			}
			k, t := m.lookup(w.Dimension.number(), a.Key)
			if k == nil {
				break
			}
			if _, unusual := m.judge(w, k, t, now.Unix()); unusual {
				if now.Sub(a.Last) >= time.Minute {
					a.Last = now
					p.update = append(p.update, a)
				}
				return
			}
		}
	}
	if now.Sub(a.Last) >= calmAfter && now.Sub(a.Raised) >= calmAfter {
		s.close(a, now, time.Time{}, p)
	}
}

func (s *Service) close(a Alarm, now, quiet time.Time, p *plan) {
	to, err := NextAlarm(a.State, Calm)
	if err != nil {
		return
	}
	a.State, a.Closed, a.Quiet = to, now, quiet
	p.update = append(p.update, a)
}

// write puts a plan into the database. An alarm that somebody else has told or
// moved meanwhile is left to the next tick.
func (s *Service) write(tx *db.Tx, p plan) error {
	note := func(a *Alarm, event string) error {
		detail := map[string]any{"event": event, "watch": a.Watch, "dimension": a.Dimension, "key": a.Key, "observed": a.Observed,
			"expected_milli": a.Expected, "text": a.EN}
		return s.cfg.Access.Check(tx, ticker, access.ActWatchEdit, access.Object{ID: a.ID}, detail)
	}
	for _, a := range p.raise { // copies: the act may run twice
		fresh, err := insertAlarm(tx, &a)
		if err != nil {
			return err
		}
		if fresh {
			if err := note(&a, "raise"); err != nil {
				return err
			}
		}
	}
	for _, a := range p.update {
		moved, err := updateAlarm(tx, &a)
		if err != nil {
			return err
		}
		if moved && a.State == Closed {
			if err := note(&a, string(Calm)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Label hears of a label, for the suspects of the watches on labels. Who keeps the
// labels calls it; the same label twice counts once.
func (s *Service) Label(e *risk.Event, fraud bool) { s.cfg.Meter.Label(e, fraud, s.cfg.Clock.Now()) }
