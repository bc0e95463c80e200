package gallery

import (
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"surety/edge/web"
	"surety/kernel/ident"
	"surety/kernel/money"
)

//go:embed catalogue
var files embed.FS

// Gallery answers the pages. Left is what its live region shows.
type Gallery struct {
	Web   *web.Web
	Words *web.Catalogue
	Now   time.Time
	Left  func() int // people still to pay
}

// New makes a gallery whose clock stands at now.
func New(w *web.Web, now time.Time, left func() int) (*Gallery, error) {
	words := web.MustCatalogue(files, "catalogue")
	return &Gallery{Web: w, Words: words, Now: now, Left: left}, nil
}

// Handler are the routes.
func (g *Gallery) Handler() http.Handler {
	mux := http.NewServeMux()
	show := func(path string, page func(r *http.Request) templ.Component) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			web.Render(w, r, http.StatusOK, page(r))
		})
	}
	show("/incident", func(*http.Request) templ.Component { return g.incidentPage() })
	show("/payment", func(*http.Request) templ.Component { return g.paymentPage() })
	show("/forms", func(*http.Request) templ.Component { return g.formsPage(nil) })
	show("/me/payments", func(*http.Request) templ.Component { return g.paymentsPage() })
	show("/me/claim", func(*http.Request) templ.Component { return g.claimPage() })
	show("/me/report", func(*http.Request) templ.Component { return g.reportPage() })
	show("/sign-in", func(*http.Request) templ.Component { return g.signInPage() })
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, r *http.Request) {
		// The browser has gone when this ends: there is nobody left to tell.
		_ = web.StreamEvery(w, r, 50*time.Millisecond, func(context.Context) (templ.Component, error) {
			return g.leftFigure(g.Left()), nil
		})
	})
	mux.HandleFunc("POST /forms", func(w http.ResponseWriter, r *http.Request) {
		if err := web.ReadForm(r); err != nil {
			g.Web.Fail(w, r, err)
			return
		}
		amount, _, err := money.Parse(r.PostForm.Get("amount"), money.CNY)
		if err != nil {
			web.Render(w, r, web.Status(ident.KindOf(err)), g.formsPage(g.Words.Errors(web.LangOf(r.Context()), err)))
			return
		}
		g.Web.Flash(w, r, web.Good, g.Words.Say(r.Context(), "g.saved", amount.String()))
		web.Redirect(w, r, "/forms")
	})
	mux.HandleFunc("POST /approve", func(w http.ResponseWriter, r *http.Request) {
		g.Web.Flash(w, r, web.Good, g.Words.Say(r.Context(), "g.approved"))
		web.Redirect(w, r, "/incident")
	})
	mux.HandleFunc("GET /errors/{kind}", func(w http.ResponseWriter, r *http.Request) {
		g.Web.Fail(w, r, &ident.Error{Kind: ident.Kind(r.PathValue("kind")), Code: "example"})
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") }) // TestErrors wants the page after one
	return g.Web.Handler(mux)
}

// nav is the rail of the console pages.
func (g *Gallery) nav(ctx context.Context) []web.NavGroup {
	t := func(k string) string { return g.Words.Say(ctx, k) }
	return []web.NavGroup{
		{Items: []web.NavItem{
			{Label: t("g.overview"), Href: "/overview", Icon: "overview"},
			{Label: t("g.payments"), Href: "/payment", Icon: "payments"},
			{Label: t("g.cases"), Href: "/cases", Icon: "cases", Count: 12},
			{Label: t("g.incident"), Href: "/incident", Icon: "incident", Count: 1},
			{Label: t("g.funds"), Href: "/funds", Icon: "funds"},
		}},
		{Label: t("g.house"), Items: []web.NavItem{
			{Label: t("g.rules"), Href: "/rules", Icon: "rules"},
			{Label: t("g.audit"), Href: "/audit", Icon: "audit"},
			{Label: t("g.forms"), Href: "/forms", Icon: "staff"},
		}},
	}
}

func (g *Gallery) who(ctx context.Context) web.Who {
	return web.Who{Name: "陈静 Chen Jing", Role: g.Words.Say(ctx, "g.lead"), SignOut: "/sign-out"}
}

func (g *Gallery) thumbs(ctx context.Context) []web.NavItem {
	return []web.NavItem{
		{Label: g.Words.Say(ctx, "g.my_payments"), Href: "/me/payments", Icon: "payments"},
		{Label: g.Words.Say(ctx, "g.my_claim"), Href: "/me/claim", Icon: "cases", Count: 1},
		{Label: g.Words.Say(ctx, "g.certificate"), Href: "/me/certificate", Icon: "certificate"},
	}
}

// line is a month of made-up numbers.
func (g *Gallery) line(ctx context.Context, base, swing int64) []web.Point {
	var out []web.Point
	for i := range int64(30) {
		v := base + swing*((i*7)%11)/10 + swing*((i*i)%5)/6
		out = append(out, web.Point{Label: web.OnDay(ctx, g.Now.AddDate(0, 0, int(i)-29)), Value: v})
	}
	return out
}

// victims are the rows of the incident's table.
func (g *Gallery) victims(ctx context.Context) []web.Row {
	t := func(k string) string { return g.Words.Say(ctx, k) }
	type victim struct {
		id, name, account string
		reported, found   int64
		meaning           web.Meaning
		word              string
	}
	var rows []web.Row
	for i, v := range []victim{
		{"clm_01", "王建国", "W100043", 244_338_26, 244_338_26, web.Good, "g.confirmed"},
		{"clm_02", "李秀英", "W100117", 310_000_00, 298_500_00, web.Waiting, "g.differs"},
		{"clm_03", "欧阳文静", "W100256", 87_650_00, 0, web.Held, "g.police_only"},
		{"clm_04", "Alexander Konstantinopoulos", "W100388", 1_206_000_00, 1_206_000_00, web.Good, "g.confirmed"},
		{"clm_05", "张伟", "W100501", 50_000_00, 0, web.Danger, "g.false"},
	} {
		mark := v.meaning
		if mark == web.Good {
			mark = web.Plain
		}
		rows = append(rows, web.Row{ID: v.id, Name: v.name, Href: "/cases/" + v.id, Meaning: mark, Cells: []templ.Component{
			web.Text(v.name),
			web.Code(v.account),
			web.Money(money.Of(v.reported, money.CNY)),
			web.Money(money.Of(v.found-v.reported, money.CNY)),
			web.Badge(v.meaning, t(v.word)),
			web.Time(g.Now.Add(time.Duration(i*5-9) * time.Hour)),
		}})
	}
	return rows
}
