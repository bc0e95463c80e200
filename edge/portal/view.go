package portal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"surety/domain/claim"
	"surety/domain/incident"
	"surety/edge/web"
	"surety/kernel/ident"
)

// errorWord is the title or text of an error page: of its code if there are
// words for it, else of its kind.
func (p *Portal) errorWord(ctx context.Context, kind ident.Kind, code, part string) string {
	for _, key := range []string{"p.error." + code + "." + part, "p.error." + string(kind) + "." + part} {
		if p.words.Has(key) {
			return p.say(ctx, key)
		}
	}
	return p.say(ctx, "p.error.internal."+part)
}

// explain is what is said beside a field or on top of a form. Where the answer
// was lost it says that the same form may be sent again, for it counts once.
func (p *Portal) explain(ctx context.Context, err error) string {
	switch kind := ident.KindOf(err); kind {
	case ident.KindUnknown, ident.KindUnavailable:
		return p.say(ctx, "p.form."+string(kind))
	}
	return p.words.Explain(web.LangOf(ctx), err)
}

// problems are the errors of a form, each with its field.
func (p *Portal) problems(ctx context.Context, err error) web.Errors {
	if kind := ident.KindOf(err); kind == ident.KindUnknown || kind == ident.KindUnavailable {
		return web.Errors{{Message: p.explain(ctx, err)}}
	}
	return p.words.Errors(web.LangOf(ctx), err)
}

func orDash(s string) string {
	if s == "" {
		return "—"
	}
	return s
}

func theOther(how string) string {
	if how == wrongPerson {
		return notMe
	}
	return wrongPerson
}

func (p *Portal) kindOptions(ctx context.Context, ks []claim.Kind) (out []web.Option) {
	for _, k := range ks {
		out = append(out, web.Option{Value: string(k), Label: p.say(ctx, "p.kind."+string(k)), Hint: p.say(ctx, "p.kind_hint."+string(k))})
	}
	return out
}

// claimSub says where a claim stands and by when the next thing is promised.
func (p *Portal) claimSub(ctx context.Context, c claim.Claim) string {
	s := p.say(ctx, "p.stage."+stage(c))
	if k := c.Due(); k != nil && !(life{Claim: c}).over() {
		s += " · " + p.say(ctx, "p.by", web.When(ctx, k.Due))
	}
	return s
}

// hidden are the choices made before, carried along in the form.
func (d draft) hidden() []web.Hidden {
	out := []web.Hidden{{Name: "claim", Value: d.ID}, {Name: "how", Value: d.How}, {Name: "kind", Value: string(d.Kind)}}
	for _, q := range d.Others {
		out = append(out, web.Hidden{Name: "also", Value: q.ID})
	}
	return out
}

// paragraphs are the lines of a text that have something in them.
func paragraphs(s string) (out []string) {
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// only keeps the errors of one field: a page with two forms shows each its own.
func only(errs web.Errors, field string) (out web.Errors) {
	for _, e := range errs {
		if e.Field == field {
			out = append(out, e)
		}
	}
	return out
}

// joined is all that is wrong with a field that takes several files.
func joined(errs web.Errors, field string) string {
	var out []string
	for _, e := range only(errs, field) {
		out = append(out, e.Message)
	}
	return strings.Join(out, " ")
}

func backTo(l life) web.Link { return web.Link{Href: "/claims/" + l.ID} }

// fileSub says how large a file is and when it came.
func (p *Portal) fileSub(ctx context.Context, e claim.Evidence) string {
	size := fmt.Sprintf("%d kB", max(1, e.Size>>10))
	if e.Size >= 1<<20 {
		size = fmt.Sprintf("%d.%d MB", e.Size>>20, e.Size%(1<<20)*10>>20)
	}
	return size + " · " + web.When(ctx, e.At)
}

func (p *Portal) decisionTerms(ctx context.Context, d *claim.Decision) []web.Term {
	out := []web.Term{
		{Label: p.say(ctx, "p.decision.what"), Value: web.Strong(p.say(ctx, "p.decided."+string(d.Kind)))},
		{Label: p.say(ctx, "p.decision.when"), Value: web.TimeShort(d.At)},
	}
	if d.Kind != claim.Refuse {
		return append(out, web.Term{Label: p.say(ctx, "p.decision.amount"), Value: web.Money(d.Amount)})
	}
	return append(out,
		web.Term{Label: p.say(ctx, "p.decision.ground"), Value: web.Text(ground(ctx, d.Ground))},
		web.Term{Label: p.say(ctx, "p.decision.proofs"), Value: web.Text(ground(ctx, d.Proofs...))})
}

func (p *Portal) knownTerms(ctx context.Context, l life) []web.Term {
	out := []web.Term{
		{Label: p.say(ctx, "p.known.number"), Value: web.Code(l.Number)},
		{Label: p.say(ctx, "p.known.kind"), Value: web.Text(p.say(ctx, "p.kind."+string(l.Kind)))},
		{Label: p.say(ctx, "p.known.claimed"), Value: web.Money(l.Claimed)},
	}
	if d := l.Claim.Decision; d == claim.ApproveFull || d == claim.ApprovePartial {
		out = append(out, web.Term{Label: p.say(ctx, "p.known.confirmed"), Value: web.Money(l.Confirmed)})
	}
	out = append(out, web.Term{Label: p.say(ctx, "p.known.basis"), Value: web.Text(p.say(ctx, "p.basis."+string(l.Basis)))})
	if l.PayTo.Account != "" {
		out = append(out, web.Term{Label: p.say(ctx, "p.known.to"), Value: web.Text(toAccount(l.PayTo))})
	}
	if l.PoliceCase != "" {
		out = append(out, web.Term{Label: p.say(ctx, "p.known.police"), Value: web.Text(l.PoliceCase)})
	}
	if l.Incident != "" {
		name := l.IncidentName
		if name == "" {
			name = l.Incident
		}
		value := web.Text(name)
		if l.Published {
			value = web.Anchor("/statement/"+l.Incident, name)
		}
		out = append(out, web.Term{Label: p.say(ctx, "p.known.incident"), Value: value})
	}
	return out
}

// contact is how to reach a person.
func (p *Portal) contact(ctx context.Context) (out []web.Term) {
	c := p.cfg.Contact
	if c.Phone != "" {
		out = append(out, web.Term{Label: p.say(ctx, "p.help.phone"), Value: web.Anchor("tel:"+digits(c.Phone), c.Phone)})
	}
	if hours := c.Hours[string(web.LangOf(ctx))]; hours != "" {
		out = append(out, web.Term{Label: p.say(ctx, "p.help.hours"), Value: web.Text(hours)})
	}
	if c.Email != "" {
		out = append(out, web.Term{Label: p.say(ctx, "p.help.email"), Value: web.Anchor("mailto:"+c.Email, c.Email)})
	}
	return out
}

func verdictMeaning(state string) web.Meaning {
	if state == "genuine" {
		return web.Good
	}
	return web.Danger
}

// certTerms are the facts of a certificate as a stranger may see them: names are
// masked, for a code can be guessed at.
func (p *Portal) certTerms(ctx context.Context, v verdict) []web.Term {
	c := v.Cert
	out := []web.Term{
		{Label: p.say(ctx, "p.cert.number"), Value: web.Code(c.Number)},
		{Label: p.say(ctx, "p.received.amount"), Value: web.Money(c.Amount)},
		{Label: p.say(ctx, "p.received.when"), Value: web.TimeShort(c.PaidAt)},
		{Label: p.say(ctx, "p.cert.payee"), Value: web.Text(maskName(c.PayeeName))},
	}
	if c.OnBehalfOf != "" {
		out = append(out, web.Term{Label: p.say(ctx, "p.cert.behalf"), Value: web.Text(maskName(c.OnBehalfOf))})
	}
	out = append(out,
		web.Term{Label: p.say(ctx, "p.cert.account"), Value: web.Text(c.BankName + " " + c.BankAccountMasked)},
		web.Term{Label: p.say(ctx, "p.cert.fund"), Value: web.Text(v.Fund)},
		web.Term{Label: p.say(ctx, "p.cert.operator"), Value: web.Text(c.Operator)})
	if c.IncidentName != "" {
		out = append(out, web.Term{Label: p.say(ctx, "p.known.incident"), Value: web.Text(c.IncidentName)})
	}
	return out
}

// statementText is a statement as a page shows it.
type statementText struct {
	Title  string
	Number int
	At     time.Time
	Lang   string
	Blocks []piece
}

func (p *Portal) statementText(ctx context.Context, st incident.Statement) statementText {
	out := statementText{Title: p.say(ctx, "p.statement.title"), Number: st.Number, At: st.At, Lang: web.Lang(st.Lang).Tag()}
	out.Blocks = pieces(st.Body)
	if len(out.Blocks) > 0 && out.Blocks[0].heading == 1 {
		out.Title, out.Blocks = out.Blocks[0].text, out.Blocks[1:]
	}
	return out
}
