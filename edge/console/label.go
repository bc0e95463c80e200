package console

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/a-h/templ"

	"surety/domain/payment"
	"surety/domain/rulebook"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// maxChosen is how many payments can be acted on at once: as many as a page shows.
const maxChosen = decisionsPage

// chosen are the ids of the payments that were chosen, each once.
func chosen(form url.Values) []string {
	var out []string
	for _, id := range form["id"] {
		if id != "" && !slices.Contains(out, id) && len(out) < maxChosen {
			out = append(out, id)
		}
	}
	return out
}

// decisionsAct leads from a choice of payments to the page that says in words what
// will happen. It changes nothing.
func (a *ask) decisionsAct() error {
	ids := chosen(a.r.PostForm)
	if len(ids) == 0 {
		return a.again("", ident.Invalid("", "nothing_chosen", "%s", a.t("decisions.choose")), (*ask).decisions)
	}
	q := url.Values{"id": ids}
	switch do := a.posted("do"); do {
	case "theft", "fine":
		q.Set("is", do)
		web.Redirect(a.w, a.r, "/decisions/label?"+q.Encode())
		return nil
	case "stop":
		var list []payment.Payment
		err := a.view(access.ActPaymentList, "", func(tx *db.Tx) (err error) {
			list, err = a.paymentsOf(tx, ids)
			return err
		})
		if err != nil {
			return err
		}
		common := shared(list)
		if len(common) == 0 {
			return a.again("", ident.Invalid("", "nothing_shared", "%s", a.t("decisions.nothing_shared")), (*ask).decisions)
		}
		web.Redirect(a.w, a.r, "/watches/stop?"+common.Encode())
		return nil
	}
	return a.nowhere()
}

// shared is what all of the payments have in common, as the fields of a stop's
// form. What few payments share comes first and is enough; only if there is none of
// that, what many share.
func shared(list []payment.Payment) url.Values {
	if len(list) == 0 {
		return nil
	}
	narrow := []string{"card", "device", "terminal", "payee", "merchant", "payer"}
	wide := []string{"region", "channel", "type"}
	for _, fields := range [][]string{narrow, wide} {
		out := url.Values{}
		for _, f := range fields {
			v := matchField(list[0], f)
			same := v != "" && !slices.ContainsFunc(list, func(p payment.Payment) bool { return matchField(p, f) != v })
			// One payment shares its payer with itself: that is no reason to stop the person.
			if same && (f != "payer" || len(list) > 1) {
				out.Set(f, v)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// matchField is a payment's value of a field that a stop can name.
func matchField(p payment.Payment, field string) string {
	e := eventOf(p.Request)
	switch field {
	case "payer":
		return e.Payer
	case "payee":
		return e.Payee
	case "device":
		return e.Device
	case "terminal":
		return e.Terminal
	case "merchant":
		return e.Merchant
	case "card":
		return e.Card
	case "channel":
		return e.Channel
	case "type":
		return string(e.Type)
	case "region":
		if e.Region == "" {
			return e.City
		}
		return e.Region
	}
	return ""
}

// labelForm says what will be kept about which payments.
func (a *ask) labelForm() error {
	q := web.ViewOf(a.ctx).URL.Query()
	if a.r.Method == http.MethodPost {
		q = a.r.PostForm
	}
	is, ids := q.Get("is"), chosen(q)
	if is != "theft" && is != "fine" {
		return a.nowhere()
	}
	var list []payment.Payment
	err := a.view(access.ActPaymentList, "", func(tx *db.Tx) (err error) {
		list, err = a.paymentsOf(tx, ids)
		return err
	})
	if err != nil {
		return err
	}
	title := a.t("label.title_" + is)
	if len(list) == 0 {
		return a.show(web.PageProps{Title: title, Crumbs: []web.Link{{Label: a.t("decisions.title"), Href: "/decisions"}}},
			web.Empty(web.EmptyProps{Title: a.t("payments.empty"), Text: a.t("decisions.choose"),
				Action: web.Link{Label: a.t("decisions.title"), Href: "/decisions"}}))
	}
	hidden := []web.Hidden{{Name: "is", Value: is}}
	for _, p := range list {
		hidden = append(hidden, web.Hidden{Name: "id", Value: p.ID})
	}
	form := a.form("label", web.FormProps{Action: "/decisions/label", Submit: a.t("label.submit_"+is, len(list)), Hidden: hidden,
		Danger: is == "theft", Cancel: web.Link{Label: a.t("cancel"), Href: "/decisions"}},
		web.FieldProps{Name: "source", Label: a.t("label.source"), Type: "select", Value: "analyst", Options: a.labelSources()},
		web.FieldProps{Name: "note", Label: a.t("label.note"), Type: "textarea", Optional: true, Max: 300, Hint: a.t("label.note_hint")})
	return a.show(web.PageProps{Title: title, Lead: a.t("label.lead_" + is),
		Crumbs: []web.Link{{Label: a.t("decisions.title"), Href: "/decisions"}}}, a.card("", form), a.chosenTable(list))
}

func (a *ask) labelSources() (out []web.Option) {
	for _, s := range []string{"analyst", "police", "customer", "bank"} {
		out = append(out, web.Option{Value: s, Label: a.t("label.source_" + s)})
	}
	return out
}

func (a *ask) chosenTable(list []payment.Payment) templ.Component {
	return web.Table(web.TableProps{ID: "chosen", Tight: true, Title: a.t("decisions.chosen"), Columns: a.decisionColumns(),
		Rows:  a.decisionRows(list),
		Count: a.t("decisions.count", len(list))})
}

// label keeps what was said. What is wrong with one payment does not hold up the
// others, and is told.
func (a *ask) label() error {
	is, ids := a.posted("is"), chosen(a.r.PostForm)
	if is != "theft" && is != "fine" || len(ids) == 0 {
		return a.nowhere()
	}
	in := make([]rulebook.LabelIn, len(ids))
	for i, id := range ids {
		in[i] = rulebook.LabelIn{Payment: id, Fraud: is == "theft", Source: a.posted("source"), Note: a.posted("note")}
	}
	results, err := a.c.cfg.Rulebook.AddLabels(a.ctx, a.actor, in)
	if err != nil {
		return a.again("label", err, (*ask).labelForm)
	}
	kept := 0
	for i, r := range results {
		if r.Err == nil {
			kept++
			continue
		}
		message := a.c.words.Explain(a.lang(), r.Err)
		field := ""
		var e *ident.Error
		if asIdent(r.Err, &e) && (e.Field == "source" || e.Field == "note") {
			field = "label-" + e.Field
		} else {
			message = ids[i] + ": " + message
		}
		if !slices.ContainsFunc(a.errs, func(x web.FieldError) bool { return x.Message == message }) {
			a.errs = append(a.errs, web.FieldError{Field: field, Message: message})
		}
	}
	if len(a.errs) > 0 {
		a.bad, a.status = "label", http.StatusUnprocessableEntity
		return a.labelForm()
	}
	if len(ids) == 1 {
		return a.done(decisionHref(ids[0]), "label.done", kept)
	}
	return a.done("/decisions", "label.done", kept)
}
