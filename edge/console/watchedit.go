package console

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"surety/domain/watch"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// watchTable is what is watched, and from when on it is unusual.
func (a *ask) watchTable(list []watch.Watch) templ.Component {
	lang := string(a.lang())
	rows := make([]web.Row, len(list))
	for i, w := range list {
		state := web.Badge(web.Good, a.t("watch.on"))
		if !w.Enabled {
			state = web.Badge(web.Plain, a.t("watch.off"))
		}
		floor := a.t("watch.floor_text", web.Count(w.Floor))
		if w.FloorAmount > 0 {
			floor += " · " + money.Of(w.FloorAmount, money.CNY).String()
		}
		window, ratio := templ.Component(web.Muted("—")), "—"
		if w.Measure != watch.Labels {
			window, ratio = web.Text(web.Duration(a.lang(), w.Window)), web.Count(w.Ratio)+" %"
		}
		rows[i] = web.Row{ID: w.ID, Name: w.ID, Cells: []templ.Component{web.Two(a.either(w.ZH, w.EN), w.ID),
			web.Text(w.Dimension.Name(lang) + a.t("list.comma") + w.Measure.Name(lang)), window, web.Text(floor), web.Text(ratio),
			web.Text(a.t("watch.false_text", perYear(w.FalseAlarms))), web.Group(state, a.editedBadge(w))}}
		if a.may(access.ActWatchEdit) {
			rows[i].Href = "/watches/watch?id=" + url.QueryEscape(w.ID)
		}
	}
	t := web.Table(web.TableProps{ID: "watched", Tight: true, Title: a.t("watch.watched"), Rows: rows, Count: a.t("watch.watched_count",
		len(rows)),
		Columns: []web.Column{{Label: a.t("watch.for_what")}, {Label: a.t("watch.what")}, {Label: a.t("watch.window")},
			{Label: a.t("watch.floor")}, {Label: a.t("watch.ratio"), Num: true}, {Label: a.t("watch.false")}, {Label: a.t("payments.state")}},
		Empty: web.EmptyProps{Title: a.t("watch.no_watches"), Text: a.t("watch.no_watches_text")}})
	if !a.may(access.ActWatchEdit) {
		return t
	}
	return web.Stack(t, web.Buttons(web.ButtonProps{Label: a.t("watch.new"), Href: "/watches/watch"}))
}

func (a *ask) editedBadge(w watch.Watch) templ.Component {
	if !w.Edited {
		return nil
	}
	return web.Badge(web.Plain, a.t("watch.edited"))
}

// perYear is a rate per thousand days as so many a year.
func perYear(perThousand int64) string {
	return strconv.FormatFloat(float64(perThousand)*365/1000, 'f', 0, 64)
}

// watchForm changes a watch, or makes a new one.
func (a *ask) watchForm() error {
	w := watch.Watch{Enabled: true, Dimension: watch.Device, Measure: watch.Count, Window: 10 * time.Minute, FalseAlarms: 50, Floor: 10,
		Ratio: 300}
	if id := a.r.FormValue("id"); id != "" && (a.r.Method == http.MethodGet || a.posted("version") != "0") {
		var list []watch.Watch
		err := a.view(access.ActWatchRead, id, func(tx *db.Tx) (err error) {
			list, err = a.c.cfg.Watch.Watches(tx)
			return err
		})
		if err != nil {
			return err
		}
		found := false
		for _, x := range list {
			if x.ID == id {
				w, found = x, true
			}
		}
		if !found {
			return ident.NotFound("watch", id)
		}
	}
	title := a.t("watch.new")
	if w.ID != "" {
		title = a.either(w.ZH, w.EN)
	}
	return a.show(web.PageProps{Title: title, Crumbs: []web.Link{{Label: a.t("watch.title"), Href: "/watches"}}},
		a.card("", a.form("watch", web.FormProps{Action: "/watches/watch", Cancel: web.Link{Label: a.t("cancel"), Href: "/watches"},
			Hidden: a.watchHidden(w)}, a.watchFields(w)...)))
}

// watchHidden carries the version that was looked at, and the id of a watch that is.
func (a *ask) watchHidden(w watch.Watch) []web.Hidden {
	version := itoa(w.Version)
	if a.bad == "watch" {
		version = a.posted("version") // what was looked at, not what is there now
	}
	out := []web.Hidden{{Name: "version", Value: version}}
	if w.ID != "" {
		out = append(out, web.Hidden{Name: "id", Value: w.ID})
	}
	return out
}

func (a *ask) watchFields(w watch.Watch) []web.FieldProps {
	lang := string(a.lang())
	var dims, measures []web.Option
	for _, d := range watch.Dimensions() {
		dims = append(dims, web.Option{Value: string(d), Label: d.Name(lang)})
	}
	for _, m := range watch.Measures() {
		measures = append(measures, web.Option{Value: string(m), Label: m.Name(lang)})
	}
	enabled, owner := "", w.Owner
	if w.Enabled {
		enabled = "on"
	}
	window := ""
	if w.Window > 0 {
		window = strconv.Itoa(int(w.Window / time.Minute))
	}
	floorAmount := ""
	if w.FloorAmount > 0 {
		floorAmount = money.Of(w.FloorAmount, money.CNY).Plain()
	}
	if owner == "" {
		owner = a.actor.Name
	}
	var out []web.FieldProps
	if w.ID == "" {
		out = append(out, web.FieldProps{Name: "id", Label: a.t("watch.id"), Hint: a.t("watch.id_hint"), Max: 64, Autocomplete: "off"})
	}
	return append(out,
		web.FieldProps{Name: "zh", Label: a.t("watch.zh"), Value: w.ZH, Max: 200},
		web.FieldProps{Name: "en", Label: a.t("watch.en"), Value: w.EN, Max: 200},
		web.FieldProps{Name: "owner", Label: a.t("watch.owner"), Value: owner, Max: 64},
		web.FieldProps{Name: "dimension", Label: a.t("watch.dimension"), Type: "select", Value: string(w.Dimension), Options: dims},
		web.FieldProps{Name: "measure", Label: a.t("watch.measure"), Type: "select", Value: string(w.Measure), Options: measures},
		web.FieldProps{Name: "window", Label: a.t("watch.window"), Type: "number", Value: window, Unit: a.t("watch.minutes"),
			Hint:     a.t("watch.window_hint"),
			Optional: true},
		web.FieldProps{Name: "floor", Label: a.t("watch.floor"), Type: "number", Value: strconv.FormatInt(w.Floor, 10),
			Hint: a.t("watch.floor_hint")},
		web.FieldProps{Name: "floor_amount", Label: a.t("watch.floor_amount"), Type: "money", Value: floorAmount, Unit: "CNY", Optional: true},
		web.FieldProps{Name: "ratio", Label: a.t("watch.ratio"), Type: "number", Value: strconv.FormatInt(w.Ratio, 10), Unit: "%",
			Hint: a.t("watch.ratio_hint"), Optional: true},
		web.FieldProps{Name: "false_alarms", Label: a.t("watch.false"), Type: "number", Value: strconv.FormatInt(w.FalseAlarms, 10),
			Hint: a.t("watch.false_hint")},
		web.FieldProps{Name: "enabled", Label: a.t("watch.enabled"), Type: "checkbox", Value: enabled})
}

// watchSave writes a watch as it was entered. What is no number is told beside its
// field.
func (a *ask) watchSave() error {
	w := watch.Watch{ID: a.posted("id"), Owner: a.posted("owner"), Dimension: watch.Dimension(a.posted("dimension")),
		Measure: watch.Measure(a.posted("measure")), Enabled: a.posted("enabled") == "on", ZH: a.posted("zh"), EN: a.posted("en")}
	var minutes, version int64
	for _, f := range []struct {
		name string
		to   *int64
		may  bool // be empty
	}{{"version", &version, false}, {"window", &minutes, true}, {"floor", &w.Floor, false}, {"ratio", &w.Ratio, true},
		{"false_alarms", &w.FalseAlarms, false}} {
		text := a.posted(f.name)
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil && !(text == "" && f.may) {
			return a.again("watch", ident.Invalid(f.name, "not_whole", "write a whole number"), (*ask).watchForm)
		}
		*f.to = n
	}
	w.Window, w.Version = time.Duration(minutes)*time.Minute, int(version)
	if a.posted("floor_amount") != "" {
		m, err := a.postedMoney("floor_amount")
		if err != nil {
			return a.again("watch", err, (*ask).watchForm)
		}
		w.FloorAmount = m.Minor
	}
	if _, err := a.c.cfg.Watch.EditWatch(a.ctx, a.actor, w); err != nil {
		return a.again("watch", err, (*ask).watchForm)
	}
	return a.done("/watches", "watch.saved", a.either(w.ZH, w.EN))
}
