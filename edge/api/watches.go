package api

import (
	"time"

	"surety/domain/risk"
	"surety/domain/watch"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// WatchIn says what rise is unusual.
type WatchIn struct {
	Owner       string `json:"owner" doc:"who answers for it"`
	Dimension   string `json:"dimension" enum:"terminal,merchant,payee,device,method,region,type"`
	Measure     string `json:"measure" enum:"count,amount,stopped,share,new_payers,labels"`
	Minutes     int64  `json:"minutes,omitempty" doc:"the window: 5 to 60, or 2 to 24 whole hours; left out for labels"`
	FalseAlarms int64  `json:"false_alarms" doc:"of a thousand ordinary days, how many may have one, over all keys"`
	Floor       int64  `json:"floor" doc:"the least number of payments that is worth an alarm"`
	FloorAmount int64  `json:"floor_amount,omitempty" doc:"the least sum, minor units"`
	Ratio       int64  `json:"ratio,omitempty" doc:"percent of the expected that it must reach; left out for labels"`
	Enabled     bool   `json:"enabled"`
	ZH          string `json:"zh"`
	EN          string `json:"en"`
	Version     int    `json:"version,omitempty" doc:"the version that was looked at; left out for a new one"`
}

// Watch is one watch.
type Watch struct {
	ID string `json:"id"`
	WatchIn
	Edited  bool      `json:"edited" doc:"a person has changed it"`
	Changed time.Time `json:"changed,omitzero"`
	By      string    `json:"by,omitempty"`
}

// WatchList is all watches.
type WatchList struct {
	Items []Watch `json:"items"`
}

// Alarm is an unusual rise.
type Alarm struct {
	ID        string       `json:"id"`
	Watch     string       `json:"watch"`
	Dimension string       `json:"dimension,omitempty" doc:"left out of the alarm that stands for those over the limit"`
	Key       string       `json:"key,omitempty"`
	Measure   string       `json:"measure"`
	Minutes   int64        `json:"minutes,omitempty"`
	State     string       `json:"state" enum:"open,acknowledged,acted,closed"`
	Cause     string       `json:"cause,omitempty" doc:"the alarm whose payments these are too"`
	Since     time.Time    `json:"since" doc:"when the rise began"`
	Raised    time.Time    `json:"raised"`
	Last      time.Time    `json:"last" doc:"when it was last above what is ordinary"`
	Closed    time.Time    `json:"closed,omitzero"`
	Quiet     time.Time    `json:"quiet,omitzero" doc:"until then the same rise is not told again, unless it doubles"`
	Observed  int64        `json:"observed" doc:"payments, or minor units"`
	Expected  int64        `json:"expected_milli" doc:"by the past 28 days, thousandths"`
	Surprise  int64        `json:"surprise_milli" doc:"natural logarithm of one over the chance, thousandths"`
	Payments  int64        `json:"payments"`
	Stopped   int64        `json:"stopped"`
	Amount    money.Amount `json:"amount"`
	Payers    int64        `json:"payers" doc:"different ones among the recent payments"`
	Also      int64        `json:"also" doc:"other rises of the same cause"`
	Examples  []string     `json:"examples" doc:"ids of payments"`
	ZH        string       `json:"zh"`
	EN        string       `json:"en"`
	By        string       `json:"by,omitempty"`
	Words     string       `json:"words,omitempty"`
	Verdict   string       `json:"verdict,omitempty" enum:"theft,ordinary"`
	Changed   time.Time    `json:"changed"`
	Version   int          `json:"version"`
}

// AlarmPage is a page of alarms, newest first.
type AlarmPage struct {
	Items []Alarm `json:"items"`
	Next  string  `json:"next"`
}

// AlarmFull is an alarm with those of the same cause, the stops made from it, and
// what a stop made from it would match.
type AlarmFull struct {
	Alarm
	Same  []Alarm   `json:"same"`
	Stops []Stop    `json:"stops"`
	Match StopMatch `json:"match"`
}

// AlarmEvent is what a person says of an alarm.
type AlarmEvent struct {
	Event   string `json:"event" enum:"acknowledge,close"`
	Words   string `json:"words,omitempty"`
	Verdict string `json:"verdict,omitempty" enum:"theft,ordinary" doc:"with close: what it was"`
	Quiet   int64  `json:"quiet_minutes,omitempty" doc:"with close: for how long the same is not told again; 60 if left out"`
}

// StopMatch says which payments: all that is given must be equal.
type StopMatch struct {
	Payer    string `json:"payer,omitempty"`
	Payee    string `json:"payee,omitempty"`
	Device   string `json:"device,omitempty"`
	Terminal string `json:"terminal,omitempty"`
	Merchant string `json:"merchant,omitempty"`
	Channel  string `json:"channel,omitempty"`
	Region   string `json:"region,omitempty"`
	Type     string `json:"type,omitempty" enum:"transfer,purchase,deposit,withdrawal"`
	Card     string `json:"card,omitempty"`
}

// StopIn orders that all payments that match are stopped or challenged.
type StopIn struct {
	ID      string    `json:"id" doc:"made by the caller"`
	Alarm   string    `json:"alarm,omitempty" doc:"it is made from"`
	Match   StopMatch `json:"match"`
	Outcome string    `json:"outcome" enum:"challenge,hold,block"`
	Until   time.Time `json:"until" doc:"within 72 hours; it can be extended later"`
	Limit   int64     `json:"limit" doc:"payments that it may touch, at most 10000; above 1000 it takes two people"`
	ZH      string    `json:"zh" doc:"what the payer is told"`
	EN      string    `json:"en"`
	Reason  string    `json:"reason" doc:"why, for the house"`
}

// Stop is one act that touches all payments that match.
type Stop struct {
	StopIn
	State   string    `json:"state" enum:"proposed,active,lifted,expired,exhausted"`
	From    time.Time `json:"from"`
	Used    int64     `json:"used" doc:"payments that it has touched, as of the last ten seconds"`
	By      string    `json:"by"`
	Second  string    `json:"second,omitempty" doc:"the other of two people"`
	Created time.Time `json:"created"`
	Ended   time.Time `json:"ended,omitzero"`
	EndedBy string    `json:"ended_by,omitempty"`
	Words   string    `json:"words,omitempty" doc:"why it was lifted"`
	Version int       `json:"version"`
}

// StopResult is what became of an order.
type StopResult struct {
	Waiting  bool   `json:"waiting" doc:"it takes two people: a second one must send the same order, or approve it"`
	Approval string `json:"approval,omitempty"`
	Stop     Stop   `json:"stop"`
}

// StopPage is a page of stops, newest first.
type StopPage struct {
	Items []Stop `json:"items"`
	Next  string `json:"next"`
}

// StopProbe asks what a stop would have done.
type StopProbe struct {
	Match   StopMatch `json:"match"`
	Outcome string    `json:"outcome,omitempty" enum:"challenge,hold,block"`
	Limit   int64     `json:"limit,omitempty"`
}

// StopDisturbed is what a stop would have touched in a time.
type StopDisturbed struct {
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	Payments int64        `json:"payments"`
	Payers   int64        `json:"payers" doc:"different ones"`
	Amount   money.Amount `json:"amount"`
	Other    int64        `json:"other" doc:"payments in other currencies, not in amount"`
	Stopped  int64        `json:"stopped" doc:"of the payments: those that were stopped anyway"`
}

// StopPreview is what a stop would have done.
type StopPreview struct {
	Day       StopDisturbed `json:"day"`
	Week      StopDisturbed `json:"week"`
	TwoPeople bool          `json:"two_people" doc:"such a stop takes two people"`
}

// StopUntil extends a stop.
type StopUntil struct {
	Until time.Time `json:"until" doc:"within 72 hours from now"`
}

// StopLift takes a stop back.
type StopLift struct {
	Words string `json:"words,omitempty" doc:"why"`
}

// StopRelease is what letting go has done.
type StopRelease struct {
	Released int `json:"released" doc:"let go by this call"`
	Left     int `json:"left" doc:"still held, for something else speaks against them too: a person looks at each"`
	Moved    int `json:"moved" doc:"somebody else has moved them meanwhile"`
}

// watchHandlers answer for early warning.
type watchHandlers struct {
	*server
	watch *watch.Service
}

// watchRoutes are the routes of early warning: watches, alarms and stops.
func (s *server) watchRoutes(svc *watch.Service) []route {
	h := watchHandlers{s, svc}
	const alarmPath = "/v1/alarms/{id}"
	return append([]route{
		{Method: "GET", Path: "/v1/watches", ID: "watch-list", Act: access.ActWatchRead, Summary: "What is watched",
			Out: jsonOut[WatchList]("all watches"), Do: h.watches},
		{Method: "PUT", Path: "/v1/watches/{id}", ID: "watch-edit", Act: access.ActWatchEdit, Summary: "Write a watch",
			Text: "With the version that was looked at; without one it is new. The same edit again changes nothing.",
			In:   jsonIn[WatchIn](), Out: jsonOut[Watch]("the watch after it"), Lookup: "/v1/watches", Do: h.edit},
		{Method: "GET", Path: "/v1/alarms", ID: "alarm-list", Act: access.ActWatchRead, Summary: "Unusual rises, newest first",
			Text: "To hear of news, ask again with changed_after: the newest changed that was seen.",
			Query: []param{{Name: "state", Enum: names(watch.AlarmStates())}, {Name: "live", Enum: []string{"true"}, Doc: "all but closed"},
				{Name: "heads", Enum: []string{"true"}, Doc: "without those that share another's cause"}, {Name: "cause"}, {Name: "watch"},
				{Name: "dimension", Enum: names(watch.Dimensions())}, {Name: "key"}, {Name: "changed_after", Kind: "time"}, {Name: "cursor"},
				{Name: "limit", Kind: "integer"}},
			Out: jsonOut[AlarmPage]("a page"), Do: h.alarms},
		{Method: "GET", Path: alarmPath, ID: "alarm-get", Act: access.ActWatchRead, Summary: "One alarm with those of its cause",
			Out: jsonOut[AlarmFull]("the alarm"), Do: h.alarm},
		{Method: "POST", Path: alarmPath + "/events", ID: "alarm-event", Act: access.ActWatchEdit, Summary: "Acknowledge or close an alarm",
			Text: "Those that share its cause move with it.",
			In:   jsonIn[AlarmEvent](), Out: jsonOut[Alarm]("the alarm after it"), Lookup: alarmPath, Do: h.moveAlarm},
	}, h.stopRoutes()...)
}

func (h watchHandlers) stopRoutes() []route {
	const stopPath = "/v1/stops/{id}"
	return []route{
		{Method: "POST", Path: "/v1/stops/preview", ID: "stop-preview", Act: access.ActWatchRead, Long: true,
			Summary: "How many payments and payers a stop would have touched in a day and a week", In: jsonIn[StopProbe](),
			Out: jsonOut[StopPreview]("what would have been"), Do: h.preview},
		{Method: "POST", Path: "/v1/stops", ID: "stop-make", Act: access.ActWatchStop, Summary: "Stop or challenge all payments that match",
			Text: "Active at once; for more than 1000 payments, or to block a whole region, channel or type, once a second person sends " +
				"the same or approves it (waiting is true until then).",
			In: jsonIn[StopIn](), Out: created[StopResult]("what became of it"), Lookup: stopPath, Do: h.make},
		{Method: "GET", Path: "/v1/stops", ID: "stop-list", Act: access.ActWatchRead, Summary: "Stops, newest first",
			Query: []param{{Name: "state", Enum: names(watch.StopStates())}, {Name: "alarm"}, {Name: "cursor"},
				{Name: "limit", Kind: "integer"}},
			Out: jsonOut[StopPage]("a page"), Do: h.stops},
		{Method: "GET", Path: stopPath, ID: "stop-get", Act: access.ActWatchRead, Summary: "One stop", Out: jsonOut[Stop]("the stop"),
			Do: h.stop},
		{Method: "POST", Path: stopPath + "/approval", ID: "stop-approve", Act: access.ActWatchStop, Summary: "Approve a proposed stop",
			Out: jsonOut[StopResult]("what became of it"), Lookup: stopPath, Do: h.approve},
		{Method: "POST", Path: stopPath + "/extension", ID: "stop-extend", Act: access.ActWatchStop, Summary: "Let a stop go on for longer",
			In: jsonIn[StopUntil](), Out: jsonOut[StopResult]("what became of it"), Lookup: stopPath, Do: h.extend},
		{Method: "POST", Path: stopPath + "/lift", ID: "stop-lift", Act: access.ActWatchStop, Summary: "Take a stop back",
			In: jsonIn[StopLift](), Out: jsonOut[Stop]("the stop after it"), Lookup: stopPath, Do: h.lift},
		{Method: "POST", Path: stopPath + "/release", ID: "stop-release", Act: access.ActWatchStop, Long: true,
			Summary: "Let the payments go that an ended stop alone has held",
			Text:    "One by one, as the caller. Calling again goes on with the rest.",
			Out:     jsonOut[StopRelease]("what was done"), Do: h.releaseHeld},
	}
}

// names are values as texts, for a parameter.
func names[T ~string](in []T) []string {
	out := make([]string, 0, len(in))
	for _, v := range in {
		out = append(out, string(v))
	}
	return out
}

func wireWatch(w watch.Watch) Watch {
	return Watch{ID: w.ID, WatchIn: WatchIn{Owner: w.Owner, Dimension: string(w.Dimension), Measure: string(w.Measure),
		Minutes: int64(w.Window / time.Minute), FalseAlarms: w.FalseAlarms, Floor: w.Floor, FloorAmount: w.FloorAmount, Ratio: w.Ratio,
		Enabled: w.Enabled, ZH: w.ZH, EN: w.EN, Version: w.Version}, Edited: w.Edited, Changed: w.Changed, By: w.By}
}

func (h watchHandlers) watches(c *call) error {
	out := WatchList{}
	err := h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		all, err := h.watch.Watches(tx)
		out.Items = make([]Watch, 0, len(all))
		for _, w := range all {
			out.Items = append(out.Items, wireWatch(w))
		}
		return err
	})
	return done(c, out, err)
}

func (h watchHandlers) edit(c *call) error {
	var in WatchIn
	if err := c.json(&in); err != nil {
		return err
	}
	const most = 24 * 60
	if in.Minutes < 0 || in.Minutes > most {
		return ident.Invalid("minutes", "window_invalid", "minutes must be at most %d, it is %d", most, in.Minutes)
	}
	w, err := h.watch.EditWatch(c.ctx, c.actor, watch.Watch{ID: c.id("id"), Owner: in.Owner, Dimension: watch.Dimension(in.Dimension),
		Measure: watch.Measure(in.Measure), Window: time.Duration(in.Minutes) * time.Minute, FalseAlarms: in.FalseAlarms, Floor: in.Floor,
		FloorAmount: in.FloorAmount, Ratio: in.Ratio, Enabled: in.Enabled, ZH: in.ZH, EN: in.EN, Version: in.Version})
	return done(c, wireWatch(w), err)
}

func wireAlarm(a watch.Alarm) Alarm {
	return Alarm{ID: a.ID, Watch: a.Watch, Dimension: string(a.Dimension), Key: a.Key, Measure: string(a.Measure),
		Minutes: int64(a.Window / time.Minute), State: string(a.State), Cause: a.Cause, Since: a.Since, Raised: a.Raised, Last: a.Last,
		Closed: a.Closed, Quiet: a.Quiet, Observed: a.Observed, Expected: a.Expected, Surprise: a.Surprise, Payments: a.Payments,
		Stopped: a.Stopped, Amount: a.Amount, Payers: a.Payers, Also: a.Also, Examples: list(a.Examples), ZH: a.ZH, EN: a.EN, By: a.By,
		Words: a.Words, Verdict: string(a.Verdict), Changed: a.Changed, Version: a.Version}
}

func wireAlarms(all []watch.Alarm) []Alarm {
	out := make([]Alarm, 0, len(all))
	for _, a := range all {
		out = append(out, wireAlarm(a))
	}
	return out
}

func (h watchHandlers) alarms(c *call) error {
	f := watch.AlarmFilter{State: watch.AlarmState(c.str("state")), Live: c.str("live") != "", Heads: c.str("heads") != "",
		Cause: c.str("cause"), Watch: c.str("watch"), Dimension: watch.Dimension(c.str("dimension")), Key: c.str("key")}
	var err error
	if f.After, err = c.when("changed_after"); err != nil {
		return err
	}
	if f.Limit, err = c.limit(); err != nil {
		return err
	}
	if f.BeforeAt, f.Before, err = openCursor(c.str("cursor")); err != nil {
		return err
	}
	out := AlarmPage{}
	err = h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		all, err := h.watch.Alarms(tx, f)
		out = AlarmPage{Items: wireAlarms(all)}
		if n := len(all); n > 0 && n == f.Limit {
			out.Next = cursor(all[n-1].Raised, all[n-1].ID)
		}
		return err
	})
	return done(c, out, err)
}

func (h watchHandlers) alarm(c *call) error {
	out := AlarmFull{}
	err := h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: c.id("id")}, func(tx *db.Tx) error {
		a, found, err := h.watch.Alarm(tx, c.id("id"))
		if err != nil {
			return err
		}
		if !found {
			return ident.NotFound("alarm", c.id("id"))
		}
		head := a.ID
		if a.Cause != "" {
			head = a.Cause
		}
		same, err := h.watch.Alarms(tx, watch.AlarmFilter{Cause: head, Limit: maxPage})
		if err != nil {
			return err
		}
		if a.Cause != "" { // its head is one of them
			if first, found, err := h.watch.Alarm(tx, head); err != nil {
				return err
			} else if found {
				same = append([]watch.Alarm{first}, same...)
			}
		}
		out = AlarmFull{Alarm: wireAlarm(a), Same: []Alarm{}, Match: StopMatch(a.Match())}
		for _, x := range same {
			if x.ID != a.ID {
				out.Same = append(out.Same, wireAlarm(x))
			}
		}
		stops, err := h.watch.Stops(tx, watch.StopFilter{Alarm: a.ID, Limit: maxPage})
		out.Stops = wireStops(stops)
		return err
	})
	return done(c, out, err)
}

func (h watchHandlers) moveAlarm(c *call) error {
	var in AlarmEvent
	if err := c.json(&in); err != nil {
		return err
	}
	const most = 72 * 60
	if in.Quiet < 0 || in.Quiet > most {
		return ident.Invalid("quiet_minutes", "out_of_range", "quiet_minutes is 0 to %d, it is %d", most, in.Quiet)
	}
	a, err := h.watch.MoveAlarm(c.ctx, c.actor, c.id("id"), watch.AlarmIn{Event: watch.AlarmEvent(in.Event), Words: in.Words,
		Verdict: watch.Verdict(in.Verdict), Quiet: time.Duration(in.Quiet) * time.Minute})
	return done(c, wireAlarm(a), err)
}

func wireStop(s watch.Stop) Stop {
	return Stop{StopIn: StopIn{ID: s.ID, Alarm: s.Alarm, Match: StopMatch(s.Match), Outcome: string(s.Outcome), Until: s.Until, Limit: s.Limit,
		ZH: s.ZH, EN: s.EN, Reason: s.Reason}, State: string(s.State), From: s.From, Used: s.Used, By: s.By, Second: s.Second,
		Created: s.Created, Ended: s.Ended, EndedBy: s.EndedBy, Words: s.Words, Version: s.Version}
}

func wireStops(all []watch.Stop) []Stop {
	out := make([]Stop, 0, len(all))
	for _, s := range all {
		out = append(out, wireStop(s))
	}
	return out
}

func wireResult(r watch.StopResult) StopResult {
	return StopResult{Waiting: r.Waiting, Approval: r.Approval, Stop: wireStop(r.Stop)}
}

func (h watchHandlers) make(c *call) error {
	var in StopIn
	if err := c.json(&in); err != nil {
		return err
	}
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	c.subject(in.ID)
	r, err := h.watch.MakeStop(c.ctx, c.actor, watch.StopIn{ID: in.ID, Alarm: in.Alarm, Match: risk.Match(in.Match),
		Outcome: risk.Outcome(in.Outcome), Until: in.Until, Limit: in.Limit, ZH: in.ZH, EN: in.EN, Reason: in.Reason})
	if err != nil {
		return err
	}
	return c.replyAgain(wireResult(r), r.Again)
}

func (h watchHandlers) preview(c *call) error {
	var in StopProbe
	if err := c.json(&in); err != nil {
		return err
	}
	probe := watch.StopIn{Match: risk.Match(in.Match), Outcome: risk.Outcome(in.Outcome), Limit: in.Limit}
	p, err := h.watch.PreviewStop(c.ctx, c.actor, probe)
	return done(c, StopPreview{Day: StopDisturbed(p.Day), Week: StopDisturbed(p.Week), TwoPeople: p.TwoPeople}, err)
}

func (h watchHandlers) stops(c *call) error {
	f := watch.StopFilter{State: watch.StopState(c.str("state")), Alarm: c.str("alarm")}
	var err error
	if f.Limit, err = c.limit(); err != nil {
		return err
	}
	if f.BeforeAt, f.Before, err = openCursor(c.str("cursor")); err != nil {
		return err
	}
	out := StopPage{}
	err = h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		all, err := h.watch.Stops(tx, f)
		out = StopPage{Items: wireStops(all)}
		if n := len(all); n > 0 && n == f.Limit {
			out.Next = cursor(all[n-1].Created, all[n-1].ID)
		}
		return err
	})
	return done(c, out, err)
}

func (h watchHandlers) stop(c *call) error {
	out := Stop{}
	err := h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: c.id("id")}, func(tx *db.Tx) error {
		s, found, err := h.watch.Stop(tx, c.id("id"))
		if err == nil && !found {
			err = ident.NotFound("stop", c.id("id"))
		}
		out = wireStop(s)
		return err
	})
	return done(c, out, err)
}

func (h watchHandlers) approve(c *call) error {
	r, err := h.watch.ApproveStop(c.ctx, c.actor, c.id("id"))
	return done(c, wireResult(r), err)
}

func (h watchHandlers) extend(c *call) error {
	var in StopUntil
	if err := c.json(&in); err != nil {
		return err
	}
	r, err := h.watch.ExtendStop(c.ctx, c.actor, c.id("id"), in.Until)
	return done(c, wireResult(r), err)
}

func (h watchHandlers) lift(c *call) error {
	var in StopLift
	if err := c.json(&in); err != nil {
		return err
	}
	s, err := h.watch.LiftStop(c.ctx, c.actor, c.id("id"), in.Words)
	return done(c, wireStop(s), err)
}

func (h watchHandlers) releaseHeld(c *call) error {
	rep, err := h.watch.ReleaseStop(c.ctx, c.actor, c.id("id"), nil)
	return done(c, StopRelease(rep), err)
}
