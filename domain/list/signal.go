package list

import (
	"context"
	"embed"
	"slices"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/access"
	"surety/platform/db"
)

//go:embed packs/intelligence.yaml
var packs embed.FS

// packSpec is the intelligence pack as it stands in YAML.
type packSpec struct {
	Signals []signalSpec `yaml:"signals"`
}

type signalSpec struct {
	ID      string   `yaml:"id"`
	ZH      string   `yaml:"zh"`
	EN      string   `yaml:"en"`
	Sources []string `yaml:"sources"` // none: all
	On      []onSpec `yaml:"on"`
}

type onSpec struct {
	Subjects []string `yaml:"subjects"`
	Kind     string   `yaml:"kind"` // deny or watch
	Days     int      `yaml:"days"`
	Sure     int      `yaml:"sure"` // permille; 0: whatever the confidence
}

// SignalInfo is a signal that others may send, and what becomes of it.
type SignalInfo struct {
	ID      string   `json:"id"`
	ZH      string   `json:"zh"`
	EN      string   `json:"en"`
	Sources []Source `json:"sources"` // who may say so; none: all
	Effects []Effect `json:"effects"`
}

// Effect is what a signal does to one subject.
type Effect struct {
	Subject Subject `json:"subject"`
	Kind    Kind    `json:"kind"` // deny or watch
	Days    int     `json:"days"` // from when it was so
	// Sure is the confidence, permille, from which a deny is one; below it the
	// entry is a watch. 0: whatever the confidence.
	Sure int `json:"sure"`
}

// signalPack is a pack that is checked. It is immutable.
type signalPack struct {
	version policy.Version
	signals []SignalInfo
	codes   map[string]byte // of each signal in memory
}

// The bounds of the pack.
const (
	maxSignals = 200
	maxDays    = 3660
	watchDays  = int(MaxWatch / day)
)

// loadSignals reads and checks a pack; the one that comes with the product if the
// text is empty.
func loadSignals(text string) (*signalPack, error) {
	if text == "" {
		b, err := packs.ReadFile("packs/intelligence.yaml")
		if err != nil {
			return nil, ident.E(ident.KindInternal, "pack_missing", "the intelligence pack is missing from this build").Because(err)
		}
		text = string(b)
	}
	var spec packSpec
	version, err := policy.Load(strings.NewReader(text), &spec)
	if err != nil {
		return nil, err
	}
	if len(spec.Signals) == 0 || len(spec.Signals) > maxSignals {
		return nil, ident.Invalid("signals", "pack_size", "a pack has 1 to %d signals", maxSignals)
	}
	p := &signalPack{version: version, codes: map[string]byte{}}
	for _, s := range spec.Signals {
		info, err := s.check()
		if err != nil {
			return nil, err
		}
		if p.codes[info.ID] != 0 {
			return nil, s.wrong("id", "there are two signals of this id")
		}
		p.signals = append(p.signals, info)
		p.codes[info.ID] = byte(len(p.signals))
	}
	return p, nil
}

func (s *signalSpec) wrong(field, why string) error {
	return ident.Invalid("signals."+s.ID+"."+field, "signal_invalid", "signal %q, %s: %s", s.ID, field, why)
}

func (s *signalSpec) check() (SignalInfo, error) {
	info := SignalInfo{ID: s.ID, ZH: s.ZH, EN: s.EN, Sources: []Source{}}
	if ident.CheckID("id", s.ID) != nil {
		return info, s.wrong("id", "an id is 1 to 64 letters, digits and - _ . :")
	}
	if !plainLine(s.ZH, 1, maxReason) || !plainLine(s.EN, 1, maxReason) || strings.Contains(s.ZH+s.EN, bar) {
		return info, s.wrong("zh, en", "it must be said in zh and in en, in one line without |")
	}
	for _, src := range s.Sources {
		if !Source(src).known() {
			return info, s.wrong("sources", "there is no source "+src)
		}
		info.Sources = append(info.Sources, Source(src))
	}
	for _, on := range s.On {
		k := Kind(on.Kind)
		switch {
		case k != Deny && k != Watch:
			return info, s.wrong("on.kind", "it must be deny or watch: nobody outside allows anything")
		case on.Days < 1 || on.Days > maxDays, on.Days > watchDays && (k == Watch || on.Sure > 0):
			return info, s.wrong("on.days", "it must be 1 or more, for watch at most 366 and for deny at most 3660")
		case on.Sure < 0 || on.Sure > 1000 || on.Sure > 0 && k != Deny:
			return info, s.wrong("on.sure", "it must be 0 to 1000, and only deny has it")
		case len(on.Subjects) == 0:
			return info, s.wrong("on.subjects", "it must name at least one")
		}
		for _, subject := range on.Subjects {
			if Subject(subject).code() == 0 {
				return info, s.wrong("on.subjects", "there is no subject "+subject)
			}
			if _, twice := info.effect(Subject(subject)); twice {
				return info, s.wrong("on.subjects", subject+" stands twice")
			}
			info.Effects = append(info.Effects, Effect{Subject: Subject(subject), Kind: k, Days: on.Days, Sure: on.Sure})
		}
	}
	if len(info.Effects) == 0 {
		return info, s.wrong("on", "it must have an effect on something")
	}
	return info, nil
}

func (s SignalInfo) effect(subject Subject) (Effect, bool) {
	for _, e := range s.Effects {
		if e.Subject == subject {
			return e, true
		}
	}
	return Effect{}, false
}

// find is the signal of an id, or the error that says which there are.
func (p *signalPack) find(id string) (SignalInfo, *ident.Error) {
	if n := p.codes[id]; n > 0 {
		return p.signals[n-1], nil
	}
	known := make([]string, 0, len(p.signals))
	for _, s := range p.signals {
		known = append(known, s.ID)
	}
	return SignalInfo{}, ident.Invalid("signal", "signal_unknown", "there is no signal %q; there are %s", clip(id), strings.Join(known, ", "))
}

// Signals says which signals are taken in and what each does, and which pack
// says so.
func (s *Service) Signals() ([]SignalInfo, policy.Version) {
	out := slices.Clone(s.pack.signals)
	for i := range out {
		out[i].Sources, out[i].Effects = slices.Clone(out[i].Sources), slices.Clone(out[i].Effects)
	}
	return out, s.pack.version
}

// Signal is what another one tells us.
type Signal struct {
	ID         ident.ID // the sender's; one id, one signal
	Signal     string   // "sim_swap"; see Signals
	Subject    Subject
	Value      string
	Source     Source
	Confidence int       // permille, 1 to 1000
	Since      time.Time // when it became so; zero: now
	Until      time.Time // zero: as long as the pack says, which is also the most
	Note       string    // for people; kept sealed
}

// clockSkew is how far ahead of ours a sender's clock may be.
const clockSkew = 5 * time.Minute

// statement is what the signal says as an entry, but for its times.
func (p *signalPack) statement(sig Signal) (Statement, Effect, *ident.Error) {
	st := Statement{ID: sig.ID, Subject: sig.Subject, Value: sig.Value, Source: sig.Source, Confidence: sig.Confidence,
		Signal: sig.Signal, Note: sig.Note, From: sig.Since, Until: sig.Until}
	info, bad := p.find(sig.Signal)
	if bad != nil {
		return st, Effect{}, bad
	}
	effect, fits := info.effect(sig.Subject)
	if !fits && sig.Subject.code() != 0 {
		var about []string
		for _, e := range info.Effects {
			about = append(about, string(e.Subject))
		}
		return st, effect, ident.Invalid("subject", "subject_unfit", "the signal %s is about %s, not %s", info.ID,
			strings.Join(about, ", "), sig.Subject)
	}
	st.Kind, st.Reason = effect.Kind, Reason{ZH: info.ZH, EN: info.EN}
	if effect.Sure > 0 && sig.Confidence < effect.Sure {
		st.Kind = Watch
	}
	if !fits {
		st.Kind = Watch // the subject is unknown, and normal says so
	}
	if bad = st.normal(); bad != nil {
		return st, effect, bad
	}
	if len(info.Sources) > 0 && !slices.Contains(info.Sources, st.Source) {
		return st, effect, ident.Invalid("source", "source_unfit", "the signal %s is not taken from %s", info.ID, st.Source)
	}
	return st, effect, nil
}

// last puts a signal's times in: it holds from when it became so, as long as the
// pack says or less.
func (e Effect) last(st *Statement, now time.Time) *ident.Error {
	if st.From.IsZero() {
		st.From = now
	}
	if st.From.After(now.Add(clockSkew)) {
		return ident.Invalid("since", "since_ahead", "since lies in the future; is the sender's clock right?")
	}
	most := st.From.Add(time.Duration(e.Days) * day)
	if !most.After(now) {
		return ident.Invalid("since", "signal_stale", "%s of this day has no effect any more: it holds %d days", st.Signal, e.Days)
	}
	if st.Until.IsZero() || st.Until.After(most) {
		st.Until = most
	}
	if bad := st.term(now); bad != nil {
		if bad.Field == "from" {
			bad.Field = "since"
		}
		return bad
	}
	return nil
}

// Report takes in a signal: it becomes an entry of the same id on the list that
// the pack names, until the pack's expiry at the latest. The same signal again
// gets the recorded entry; another signal of the same id is a conflict.
func (s *Service) Report(ctx context.Context, actor ident.Actor, sig Signal) (e Entry, again bool, err error) {
	if err := ident.CheckID("id", sig.ID); err != nil {
		return e, false, err
	}
	st, effect, bad := s.pack.statement(sig)
	if bad != nil {
		return e, false, bad
	}
	body := s.body("signal", st)
	detail := st.detail()
	detail["signal"] = st.Signal
	now := s.cfg.Clock.Now()
	err = s.cfg.Access.Update(ctx, actor, access.ActListReport, access.Object{ID: st.ID}, detail, func(tx *db.Tx) (err error) {
		e, again, err = s.add(tx, actor, st, body, true, func(st *Statement) *ident.Error { return effect.last(st, now) })
		return err
	})
	return e.mask(), again, s.after(ctx, err)
}

// Withdraw takes a signal back. Only who sent it may, and nobody else's.
func (s *Service) Withdraw(ctx context.Context, actor ident.Actor, id ident.ID, why string) (e Entry, err error) {
	if why, err = checkWhy(why); err != nil {
		return e, err
	}
	err = s.cfg.Access.Update(ctx, actor, access.ActListReport, access.Object{ID: id}, map[string]string{"withdrawn": why},
		func(tx *db.Tx) error {
			var found bool
			if e, found, err = s.Get(tx, id); err != nil {
				return err
			}
			if !found || !e.Reported || e.AddedBy != actor.ID {
				return ident.E(ident.KindNotFound, "signal_not_found", "you have sent no signal %q", id)
			}
			e, err = s.remove(tx, actor, e, why)
			return err
		})
	return e.mask(), s.after(ctx, err)
}
