package portal

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/a-h/templ"

	"surety/domain/claim"
	"surety/domain/incident"
	"surety/domain/notice"
	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/db"
)

type component = templ.Component

func firstRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

// mostOpen is how many claims the home page names.
const mostOpen = 5

// home is the first page: what needs the customer now, and the ways on. To a
// stranger it says how to come in.
func (p *Portal) home(w http.ResponseWriter, r *http.Request) error {
	me, err := p.person(r)
	if ident.Is(err, ident.KindUnsignedIn) {
		return show(w, r, p.strangerPage())
	}
	if err != nil {
		return err
	}
	list, err := p.claimsOf(r.Context(), me)
	if err != nil {
		return err
	}
	// What waits for the customer comes first.
	slices.SortStableFunc(list, func(a, b claim.Claim) int { return waits(a) - waits(b) })
	return show(w, r, p.homePage(me, list[:min(mostOpen, len(list))]))
}

func waits(c claim.Claim) int {
	if c.Status == claim.Awaiting {
		return 0
	}
	return 1
}

func (p *Portal) help(w http.ResponseWriter, r *http.Request) error {
	return show(w, r, p.helpPage())
}

func (p *Portal) messages(w http.ResponseWriter, r *http.Request, me person) error {
	list, err := p.cfg.Notice.Inbox(r.Context(), me.Actor, me.ID, r.URL.Query().Get("before"), pageSize+1)
	if err != nil {
		return gone(err)
	}
	next := ""
	if len(list) > pageSize {
		list = list[:pageSize]
		next = "/messages?before=" + url.QueryEscape(list[pageSize-1].ID)
	}
	return show(w, r, p.messagesPage(me, list, next))
}

// message opens one; that it was opened is remembered.
func (p *Portal) message(w http.ResponseWriter, r *http.Request, me person) error {
	m, err := p.cfg.Notice.MarkRead(r.Context(), me.Actor, r.PathValue("message"))
	if err != nil {
		return gone(err)
	}
	if me, err = p.person(r); err != nil { // the count has changed
		return err
	}
	// The key of a message about a claim begins with the claim's id.
	about, _, _ := strings.Cut(m.Key, ":")
	if ident.Prefix(about) != claimPrefix {
		about = ""
	}
	return show(w, r, p.messagePage(me, m, about))
}

// verdict is what a check of a certificate found.
type verdict struct {
	State string // genuine, changed, forged, unknown
	Fund  string // in words
	Cert  notice.Certificate
	Code  string
}

// verify shows the form; the code may come by the form's query.
func (p *Portal) verify(w http.ResponseWriter, r *http.Request) error {
	code := strings.TrimSpace(r.URL.Query().Get("code"))
	if !r.URL.Query().Has("code") {
		return show(w, r, p.verifyPage("", nil))
	}
	if n := notice.NormalCode(code); n != "" {
		web.Redirect(w, r, "/verify/"+n)
		return nil
	}
	problem := ident.Invalid("code", "code_shape", "a code has 16 letters and digits")
	return again(w, r, problem, p.verifyPage(code, p.problems(r.Context(), problem)))
}

func (p *Portal) verifyCode(w http.ResponseWriter, r *http.Request) error {
	if err := p.tries.take(r); err != nil {
		return err
	}
	code := notice.NormalCode(r.PathValue("code"))
	if code == "" {
		web.Render(w, r, http.StatusNotFound, p.verdictPage(verdict{State: "unknown"}))
		return nil
	}
	i, found, err := p.cfg.Notice.Check(r.Context(), ident.Job("portal"), code)
	if err != nil {
		return err
	}
	if !found {
		web.Render(w, r, http.StatusNotFound, p.verdictPage(verdict{State: "unknown", Code: code}))
		return nil
	}
	fund := p.fundName(r.Context(), i.FromFund)
	return show(w, r, p.verdictPage(verdict{State: "genuine", Cert: i.Certificate, Code: i.Code, Fund: fund}))
}

// verifyFile checks a PDF by its signature alone.
func (p *Portal) verifyFile(w http.ResponseWriter, r *http.Request) error {
	if err := p.tries.take(r); err != nil {
		return err
	}
	retry := func(err error) error {
		return again(w, r, err, p.verifyPage("", p.problems(r.Context(), err)))
	}
	if err := uploadError(r); err != nil {
		if ident.Is(err, ident.KindTooLarge) {
			return retry(&ident.Error{Kind: ident.KindTooLarge, Code: "file_too_large", Field: "file", Message: "the file is too large"})
		}
		return err
	}
	pdf, err := uploaded(r)
	if err != nil {
		return retry(err)
	}
	c, err := notice.VerifyCertificate(pdf, p.cfg.Notice.PublicKey())
	switch ident.CodeOf(err) {
	case "":
		return show(w, r, p.verdictPage(verdict{State: "genuine", Cert: c, Fund: p.fundName(r.Context(), c.FromFund)}))
	case "certificate_pages":
		return show(w, r, p.verdictPage(verdict{State: "changed", Cert: c, Fund: p.fundName(r.Context(), c.FromFund)}))
	case "certificate_missing", "file_too_large":
		return retry(&ident.Error{Kind: ident.KindOf(err), Code: ident.CodeOf(err), Field: "file", Message: err.Error()})
	case "certificate_envelope", "certificate_signature", "certificate_unreadable":
		return show(w, r, p.verdictPage(verdict{State: "forged"}))
	}
	return err
}

// uploaded reads the one file of a form.
func uploaded(r *http.Request) (body []byte, err error) {
	f, h, err := r.FormFile("file")
	if err != nil || h.Filename == "" {
		return nil, ident.Invalid("file", "file_missing", "choose a file first")
	}
	body, err = io.ReadAll(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return body, err
}

// statement shows the latest published statement of an incident in the language of
// the page, else in the other one.
func (p *Portal) statement(w http.ResponseWriter, r *http.Request) error {
	var all []incident.Statement
	err := p.cfg.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		all, err = p.cfg.Incident.Published(tx, r.PathValue("incident"))
		return err
	})
	if err != nil {
		return gone(err)
	}
	if len(all) == 0 {
		return absent()
	}
	st := all[0]
	if i := slices.IndexFunc(all, func(s incident.Statement) bool { return string(s.Lang) == string(web.LangOf(r.Context())) }); i >= 0 {
		st = all[i]
	}
	return show(w, r, p.statementPage(p.statementText(r.Context(), st)))
}

// fundName is the fund's name in the language of the page; its id if it has none.
func (p *Portal) fundName(ctx context.Context, id string) string {
	name := id
	// A look that fails shows the id, which is true as well.
	_ = p.cfg.DB.View(ctx, func(tx *db.Tx) error {
		f, found, err := p.cfg.Fund.Get(tx, id)
		if found && web.LangOf(ctx) == web.ZH {
			name = f.NameZH
		} else if found {
			name = f.NameEN
		}
		return err
	})
	return name
}
