package console

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"surety/domain/payment"
	"surety/domain/watch"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

const (
	alarmsPage  = 50
	alarmsEvery = 3 * time.Second
	alarmsMost  = 100 // open alarms on the first page
)

// openAlarms counts the rises that nobody has closed, one for each cause. Only a
// number is shown.
func (a *ask) openAlarms() (n int, err error) {
	if !a.may(access.ActWatchRead) {
		return 0, nil
	}
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) error {
		list, err := a.c.cfg.Watch.Alarms(tx, watch.AlarmFilter{State: watch.Open, Heads: true, Limit: alarmsMost})
		n = len(list)
		return err
	})
	return n, err
}

func (a *ask) alarmOf(id ident.ID) (al watch.Alarm, found bool, err error) {
	err = a.c.cfg.DB.View(a.ctx, func(tx *db.Tx) error {
		al, found, err = a.c.cfg.Watch.Alarm(tx, id)
		return err
	})
	return al, found, err
}

// watchBoard is what the first page shows: no names of people.
type watchBoard struct {
	alarms  []watch.Alarm
	stops   []watch.Stop
	watches []watch.Watch
}

func (a *ask) readBoard(tx *db.Tx) (b watchBoard, err error) {
	if b.alarms, err = a.c.cfg.Watch.Alarms(tx, watch.AlarmFilter{Live: true, Heads: true, Limit: alarmsMost}); err != nil {
		return b, err
	}
	// Open ones first: they wait for somebody; then the newest.
	slices.SortStableFunc(b.alarms, func(x, y watch.Alarm) int { return alarmRank(x.State) - alarmRank(y.State) })
	for _, s := range []watch.StopState{watch.Proposed, watch.Active} {
		list, err := a.c.cfg.Watch.Stops(tx, watch.StopFilter{State: s, Limit: alarmsMost})
		if err != nil {
			return b, err
		}
		b.stops = append(b.stops, list...)
	}
	b.watches, err = a.c.cfg.Watch.Watches(tx)
	return b, err
}

func alarmRank(s watch.AlarmState) int { return slices.Index(watch.AlarmStates(), s) }

// watches are the open alarms, the stops in force and what is watched.
func (a *ask) watches() error {
	var b watchBoard
	err := a.view(access.ActWatchRead, "", func(tx *db.Tx) (err error) {
		b, err = a.readBoard(tx)
		return err
	})
	if err != nil {
		return err
	}
	return a.show(web.PageProps{Title: a.t("watch.title"), Lead: a.t("watch.lead"), Help: []web.Key{{Key: "P",
		Does: a.t("decisions.pause_key")}},
		Actions: web.Group(web.Button(web.ButtonProps{Label: a.t("watch.all_alarms"), Href: "/watches/alarms"}),
			web.Button(web.ButtonProps{Label: a.t("stop.all"), Href: "/watches/stops"}), a.stopButton())},
		liveRegion(web.LiveProps{URL: "/watches/live", ID: "watches-live", Pause: true}, a.boardOfRisk(b)), a.watchTable(b.watches))
}

// watchesLive is the stream behind the page. It wakes by the clock: an alarm is
// raised within a minute of the rise, so three seconds more are nothing.
func (a *ask) watchesLive() error {
	view := web.ViewOf(a.ctx)
	here := *view.URL
	here.Path = "/watches"
	view.URL = &here
	ctx, end := context.WithTimeout(web.WithView(a.ctx, view), decisionsLife)
	defer end()
	a.ctx = ctx
	// The browser has gone, or the stream has lived long enough: nobody is left to tell.
	_ = web.StreamEvery(a.w, a.r.WithContext(ctx), alarmsEvery, func(ctx context.Context) (templ.Component, error) {
		var b watchBoard
		err := a.c.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
			b, err = a.readBoard(tx)
			return err
		})
		if err != nil {
			return nil, err
		}
		return a.boardOfRisk(b), nil
	})
	return nil
}

func (a *ask) boardOfRisk(b watchBoard) templ.Component {
	t := a.alarmTable(b.alarms)
	t.Title, t.Empty = a.t("watch.open"), web.EmptyProps{Title: a.t("watch.calm"), Text: a.t("watch.calm_text")}
	s := a.stopTable(b.stops)
	s.Title = a.t("stop.in_force")
	return web.Stack(web.Table(t), web.Table(s))
}

func (a *ask) alarmTable(list []watch.Alarm) web.TableProps {
	rows := make([]web.Row, len(list))
	for i, x := range list {
		more := a.t("watch.since", web.When(a.ctx, x.Since))
		if x.Also > 0 {
			more += " · " + a.t("watch.also", x.Also)
		}
		rows[i] = web.Row{ID: x.ID, Name: x.Key, Href: "/watches/alarms/" + url.PathEscape(x.ID), Cells: []templ.Component{
			web.Two(a.alarmName(x), more), a.level(x), a.alarmFigures(x), lines(a.alarmState(x), a.alarmBy(x)), a.alarmActs(x)}}
		if x.State == watch.Open {
			rows[i].Meaning = web.Danger
		}
	}
	return web.TableProps{ID: "alarms", Title: a.t("watch.alarms"), Rows: rows, Count: a.t("watch.count", len(rows)),
		Columns: []web.Column{{Label: a.t("watch.rise")}, {Label: a.t("watch.against"), Wide: true}, {Label: a.t("watch.money")},
			{Label: a.t("payments.state")}, {Label: a.t("staff.acts")}},
		Empty: web.EmptyProps{Title: a.t("watch.none"), Text: a.t("watch.none_text")}}
}

// alarmName is what rises: "device dev-x".
func (a *ask) alarmName(x watch.Alarm) string {
	if x.Dimension == "" {
		return a.t("watch.too_many")
	}
	return x.Dimension.Name(string(a.lang())) + " " + clip(x.Key, 48)
}

// level is the rise against what was to be expected.
func (a *ask) level(x watch.Alarm) templ.Component {
	seen := x.Measure.Name(string(a.lang()))
	if x.Measure == watch.Share { // its number is of payments
		seen = watch.Stopped.Name(string(a.lang()))
	}
	p := web.LevelProps{Meaning: web.Danger, SeenN: x.Observed * 1000, WantN: x.Expected, Expected: a.t("watch.expected", x.Expectation())}
	if x.State == watch.Closed {
		p.Meaning = web.Plain
	}
	value := web.Count(x.Observed)
	if x.Measure == watch.Amount {
		value = money.Of(x.Observed, x.Amount.Currency).String()
	}
	p.Seen = a.t("watch.seen_in", value, seen, web.Duration(a.lang(), x.Window))
	if x.Window == 0 {
		p.Seen = a.t("watch.seen", value, seen)
	}
	return web.Level(p)
}

func (a *ask) alarmFigures(x watch.Alarm) templ.Component {
	if x.Payments == 0 {
		return web.Muted("—")
	}
	return lines(web.Money(x.Amount), web.Muted(a.t("watch.payments", web.Count(x.Payments), web.Count(x.Payers))))
}

func (a *ask) alarmState(x watch.Alarm) templ.Component {
	m := map[watch.AlarmState]web.Meaning{watch.Open: web.Danger, watch.Acknowledged: web.Waiting, watch.Acted: web.Held}[x.State]
	return web.Badge(m, x.State.Name(string(a.lang())))
}

func (a *ask) alarmBy(x watch.Alarm) templ.Component {
	switch {
	case x.Verdict != watch.Unsaid:
		return web.Muted(a.t("watch.verdict_" + string(x.Verdict)))
	case x.By != "":
		return web.Muted(a.colleague(x.By))
	}
	return nil
}

// alarmActs are the quick acts of a row.
func (a *ask) alarmActs(x watch.Alarm) templ.Component {
	var parts []templ.Component
	at := "/watches/alarms/" + url.PathEscape(x.ID)
	if x.State == watch.Open && a.may(access.ActWatchEdit) {
		parts = append(parts, post(at+"/acknowledge", web.ButtonProps{Label: a.t("watch.acknowledge")}))
	}
	if x.State != watch.Closed && x.Dimension != "" && a.may(access.ActWatchStop) {
		parts = append(parts, web.Button(web.ButtonProps{Label: a.t("watch.stop"), Href: "/watches/stop?alarm=" + url.QueryEscape(x.ID),
			Danger: true}))
	}
	if len(parts) == 0 {
		return web.Muted("—")
	}
	return web.Group(parts...)
}

// alarmList are all alarms, the newest first.
func (a *ask) alarmList() error {
	f := watch.AlarmFilter{Key: a.query("key"), Watch: a.query("watch"), Limit: alarmsPage}
	states := []web.Option{{Value: "", Label: a.t("all")}}
	for _, s := range watch.AlarmStates() {
		states = append(states, web.Option{Value: string(s), Label: s.Name(string(a.lang()))})
		if string(s) == a.query("state") {
			f.State = s
		}
	}
	dims := []web.Option{{Value: "", Label: a.t("all")}}
	for _, d := range watch.Dimensions() {
		dims = append(dims, web.Option{Value: string(d), Label: d.Name(string(a.lang()))})
		if string(d) == a.query("dimension") {
			f.Dimension = d
		}
	}
	if us, err := strconv.ParseInt(a.query("at"), 10, 64); err == nil && a.query("before") != "" {
		f.Before, f.BeforeAt = a.query("before"), ident.FromMicros(us)
	}
	var list []watch.Alarm
	err := a.view(access.ActWatchRead, "", func(tx *db.Tx) (err error) {
		list, err = a.c.cfg.Watch.Alarms(tx, f)
		return err
	})
	if err != nil {
		return err
	}
	next, newest := "", ""
	if len(list) == alarmsPage {
		last := list[len(list)-1]
		next = web.Here(a.ctx, "before", last.ID, "at", strconv.FormatInt(ident.Micros(last.Raised), 10))
	}
	if f.Before != "" {
		newest = web.Here(a.ctx, "before", "", "at", "")
	}
	t := a.alarmTable(list)
	t.Filter = []web.FieldProps{
		{Name: "state", Label: a.t("payments.state"), Type: "select", Value: string(f.State), Options: states},
		{Name: "dimension", Label: a.t("watch.dimension"), Type: "select", Value: string(f.Dimension), Options: dims},
		{Name: "key", Label: a.t("watch.key"), Type: "search", Value: f.Key, Max: 128}}
	return a.show(web.PageProps{Title: a.t("watch.all_alarms"), Crumbs: []web.Link{{Label: a.t("watch.title"), Href: "/watches"}}},
		web.Table(t), older(newest, next, a.t("newest"), a.t("older")))
}

// alarmView is an alarm with what belongs to it.
type alarmView struct {
	watch.Alarm
	others   []watch.Alarm // of the same cause
	stops    []watch.Stop
	examples []payment.Payment
	around   []payment.Payment // of the same payee or device, for the picture
	cut      bool
	history  templ.Component
}

func (a *ask) loadAlarm(id ident.ID) (v alarmView, err error) {
	err = a.view(access.ActWatchRead, id, func(tx *db.Tx) error {
		var found bool
		if v.Alarm, found, err = a.c.cfg.Watch.Alarm(tx, id); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("alarm", id)
		}
		if v.others, err = a.c.cfg.Watch.Alarms(tx, watch.AlarmFilter{Cause: id, Limit: alarmsPage}); err != nil {
			return err
		}
		if v.stops, err = a.c.cfg.Watch.Stops(tx, watch.StopFilter{Alarm: id}); err != nil {
			return err
		}
		if v.history, err = a.history(tx, id); err != nil || !a.may(access.ActPaymentList) {
			return err
		}
		if v.examples, err = a.paymentsOf(tx, v.Examples); err != nil {
			return err
		}
		f := payment.Filter{From: v.Since.Add(-4 * v.span()), To: v.Last.Add(time.Minute)}
		switch v.Dimension {
		case watch.Device:
			f.Device = v.Key
		case watch.Payee:
			f.Account = v.Key
		default:
			return nil
		}
		v.around, v.cut, err = newest(tx, a.c.cfg.Payment, f, stopTouched, func(p payment.Payment) bool {
			return v.Dimension == watch.Device || p.Payee == v.Key
		})
		return err
	})
	return v, err
}

// span is the window of the alarm; labels have none and take an hour.
func (v alarmView) span() time.Duration {
	if v.Window == 0 {
		return time.Hour
	}
	return v.Window
}

// alarm is one rise: against what was expected, since when, with examples.
func (a *ask) alarm() error {
	v, err := a.loadAlarm(a.path("id"))
	if err != nil {
		return err
	}
	facts := []web.Term{
		{Label: a.t("watch.since_when"), Value: web.Time(v.Since)},
		{Label: a.t("watch.raised"), Value: web.Time(v.Raised)},
		{Label: a.t("watch.last"), Value: web.Time(v.Last)},
		{Label: a.t("watch.money"), Value: a.alarmFigures(v.Alarm)},
		{Label: a.t("watch.by_watch"), Value: web.Code(v.Watch)},
	}
	if v.Surprise > 0 {
		facts = append(facts, web.Term{Label: a.t("watch.chance"), Value: web.Text(chanceText(v.Surprise))})
	}
	if v.Cause != "" {
		facts = append(facts, web.Term{Label: a.t("watch.cause"), Value: linkID("/watches/alarms/"+url.PathEscape(v.Cause), v.Cause)})
	}
	if v.Words != "" || v.By != "" {
		facts = append(facts, web.Term{Label: a.t("watch.looked"), Value: lines(web.Text(a.colleague(v.By)), web.Text(v.Words),
			a.alarmBy(v.Alarm))})
	}
	body := []templ.Component{a.card("", a.level(v.Alarm), a.risePicture(v), web.DefList(facts...))}
	if len(v.stops) > 0 {
		t := a.stopTable(v.stops)
		t.Title = a.t("watch.its_stops")
		body = append(body, web.Table(t))
	}
	if a.may(access.ActPaymentList) {
		body = append(body, web.Table(web.TableProps{ID: "examples", Tight: true, Title: a.t("watch.examples"), Columns: a.decisionColumns(),
			Rows: a.decisionRows(v.examples), Count: a.t("decisions.count", len(v.examples)),
			Empty: web.EmptyProps{Title: a.t("watch.no_examples"), Text: a.t("watch.no_examples_text")}}))
	}
	if len(v.others) > 0 {
		t := a.alarmTable(v.others)
		t.ID, t.Title = "others", a.t("watch.others")
		body = append(body, web.Table(t))
	}
	return a.show(web.PageProps{Title: a.alarmName(v.Alarm), Lead: a.either(v.ZH, v.EN), Mark: a.alarmState(v.Alarm),
		Crumbs: []web.Link{{Label: a.t("watch.title"), Href: "/watches"}, {Label: a.t("watch.all_alarms"), Href: "/watches/alarms"}},
		Side:   a.alarmSide(v)}, append(body, v.history)...)
}

// chanceText writes the chance of a rise as "1 in 10^n": Surprise is the natural
// logarithm of one over it, in thousandths.
func chanceText(surprise int64) string {
	return "1 : 10^" + strconv.FormatInt(surprise*434/1_000_000, 10)
}

// risePicture is the rise over time, where the records can be searched by its key;
// nil where they cannot, or the measure is none of payments.
func (a *ask) risePicture(v alarmView) templ.Component {
	if len(v.around) == 0 || v.cut || v.Measure == watch.Labels || v.Measure == watch.NewPayers || v.Window == 0 {
		return nil
	}
	const bins = 40
	from, to := v.Since.Add(-4*v.span()), v.Last.Add(time.Minute)
	step := to.Sub(from) / bins
	p := web.AgainstProps{Title: a.t("watch.over_time"), Seen: v.Measure.Name(string(a.lang())), Expected: a.t("watch.usually"), From: -1,
		Mark: a.t("watch.since", web.When(a.ctx, v.Since))}
	zone := web.ViewOf(a.ctx).Zone
	want := int64(float64(v.Expected) / 1000 * float64(step) / float64(v.Window))
	for i := range bins {
		at := from.Add(time.Duration(i) * step)
		c := web.Compared{Label: at.In(zone).Format("15:04"), Expected: want}
		if v.Measure == watch.Amount {
			c.WantText = money.Of(want, v.Amount.Currency).String()
		}
		if p.From < 0 && !at.Add(step).Before(v.Since) {
			p.From = i
		}
		p.Points = append(p.Points, c)
	}
	for _, x := range v.around {
		i := int(x.At.Sub(from) / step)
		if i < 0 || i >= bins {
			continue
		}
		switch v.Measure {
		case watch.Amount:
			p.Points[i].Seen += x.Amount.Minor
			p.Points[i].SeenText = money.Of(p.Points[i].Seen, v.Amount.Currency).String()
		case watch.Stopped, watch.Share:
			if x.Decision.Outcome != "allow" {
				p.Points[i].Seen++
			}
		default:
			p.Points[i].Seen++
		}
	}
	return web.Against(p)
}

// alarmSide is what can be done about a rise.
func (a *ask) alarmSide(v alarmView) templ.Component {
	if v.State == watch.Closed {
		return nil
	}
	at := "/watches/alarms/" + url.PathEscape(v.ID)
	var parts []templ.Component
	if v.Dimension != "" && a.may(access.ActWatchStop) {
		parts = append(parts, a.card("watch.stop_all", prose(a.t("watch.stop_all_text", a.matchText(v.Match()))),
			web.Button(web.ButtonProps{Label: a.t("watch.stop"), Href: "/watches/stop?alarm=" + url.QueryEscape(v.ID), Danger: true, Key: "s"})))
	}
	if !a.may(access.ActWatchEdit) {
		return web.Stack(parts...)
	}
	if v.State == watch.Open {
		parts = append(parts, post(at+"/acknowledge", web.ButtonProps{Label: a.t("watch.acknowledge"), Primary: true, Key: "a"}))
	}
	hours := []web.Option{}
	for _, h := range []int{1, 4, 12, 24, 72} {
		hours = append(hours, web.Option{Value: itoa(h), Label: a.t("stop.hours", h)})
	}
	parts = append(parts, a.card("watch.close", a.form("close", web.FormProps{Action: at + "/close", Submit: a.t("watch.close_submit")},
		web.FieldProps{Name: "verdict", Label: a.t("watch.verdict"), Type: "select", Options: []web.Option{
			{Value: string(watch.Theft), Label: a.t("watch.verdict_theft")}, {Value: string(watch.Ordinary), Label: a.t("watch.verdict_ordinary")}}},
		web.FieldProps{Name: "words", Label: a.t("watch.words"), Type: "textarea", Optional: true, Max: 400},
		web.FieldProps{Name: "quiet", Label: a.t("watch.quiet"), Type: "select", Value: "1", Options: hours, Hint: a.t("watch.quiet_hint")})))
	return web.Stack(parts...)
}

// alarmMove acknowledges or closes an alarm.
func (a *ask) alarmMove() error {
	id, what := a.path("id"), watch.AlarmEvent(a.path("what"))
	in := watch.AlarmIn{Event: what, Words: a.posted("words")}
	switch what {
	case watch.Acknowledge:
	case watch.Close:
		in.Verdict = watch.Verdict(a.posted("verdict"))
		if in.Verdict == watch.Unsaid {
			return a.again("close", ident.Invalid("verdict", "verdict_required", "say what it was"), (*ask).alarm)
		}
		if h, err := strconv.Atoi(a.posted("quiet")); err == nil {
			in.Quiet = time.Duration(h) * time.Hour
		}
	default:
		return a.nowhere()
	}
	if _, err := a.c.cfg.Watch.MoveAlarm(a.ctx, a.actor, id, in); err != nil {
		return a.retry(string(what), err, (*ask).alarm)
	}
	if what == watch.Close {
		return a.done("/watches", "watch.closed_done")
	}
	return a.done("/watches/alarms/"+url.PathEscape(id), "watch.acknowledged_done")
}
