package portal

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"surety/domain/claim"
	"surety/edge/web"
	"surety/kernel/ident"
)

// accept is what the file chooser of a phone offers; what is taken is decided by
// the bytes, in domain/claim.
const accept = "image/jpeg,image/png,image/gif,image/webp,application/pdf,text/plain"

// words is a form with one field of words and the act that it does.
type wordsForm struct {
	event claim.Event
	done  string // key of what is said after it
	page  func(me person, l life, words string, errs web.Errors) component
}

func (p *Portal) answerForm() wordsForm {
	return wordsForm{claim.Answer, "p.answered", p.answerPage}
}

func (p *Portal) appealForm() wordsForm {
	return wordsForm{claim.Appeal, "p.appealed", p.appealPage}
}

func (p *Portal) answer(w http.ResponseWriter, r *http.Request, me person) error {
	return p.ask(w, r, me, p.answerForm())
}

func (p *Portal) sendAnswer(w http.ResponseWriter, r *http.Request, me person) error {
	return p.send(w, r, me, p.answerForm())
}

func (p *Portal) appeal(w http.ResponseWriter, r *http.Request, me person) error {
	return p.ask(w, r, me, p.appealForm())
}

func (p *Portal) sendAppeal(w http.ResponseWriter, r *http.Request, me person) error {
	return p.send(w, r, me, p.appealForm())
}

func (p *Portal) ask(w http.ResponseWriter, r *http.Request, me person, f wordsForm) error {
	l, err := p.life(r.Context(), me, r.PathValue("claim"))
	if err != nil {
		return err
	}
	if !l.can(f.event) {
		return p.notPossible(w, r, l.ID)
	}
	return show(w, r, f.page(me, l, "", nil))
}

// send does the act. The same words again are the same act: a double tap leads
// to where the first one led.
func (p *Portal) send(w http.ResponseWriter, r *http.Request, me person, f wordsForm) error {
	id := r.PathValue("claim")
	l, err := p.life(r.Context(), me, id)
	if err != nil {
		return err
	}
	text := fold(r.PostForm.Get("words"))
	problem := short("words", text, maxWords)
	if text == "" {
		problem = ident.Invalid("words", "words_missing", "please say it in words")
	}
	if problem == nil {
		problem = p.move(r.Context(), me, id, f.event, text)
	}
	switch {
	case problem == nil:
		p.web.Flash(w, r, web.Good, p.say(r.Context(), f.done))
		web.Redirect(w, r, "/claims/"+id)
		return nil
	case ident.Is(problem, ident.KindState) || ident.Is(problem, ident.KindConflict):
		return p.notPossible(w, r, id)
	case mended(problem):
		return again(w, r, problem, f.page(me, l, text, p.problems(r.Context(), problem)))
	}
	return problem
}

// move applies an event; done already with the same words is done.
func (p *Portal) move(ctx context.Context, me person, id ident.ID, e claim.Event, words string) error {
	_, err := p.cfg.Claim.Move(ctx, me.Actor, id, e, words)
	if !ident.Is(err, ident.KindState) && !ident.Is(err, ident.KindConflict) {
		return err
	}
	_, story, lookErr := p.cfg.Claim.View(ctx, me.Actor, id)
	if lookErr != nil {
		return errors.Join(err, lookErr)
	}
	did := func(s claim.Story) bool { return s.Event == e && s.By == "claimant" && s.Words == words }
	if len(story) > 0 && did(story[len(story)-1]) {
		return nil
	}
	return err
}

// notPossible leads back to the claim, which says where it stands.
func (p *Portal) notPossible(w http.ResponseWriter, r *http.Request, id ident.ID) error {
	p.web.Flash(w, r, web.Waiting, p.say(r.Context(), "p.not_possible"))
	web.Redirect(w, r, "/claims/"+id)
	return nil
}

func (p *Portal) withdraw(w http.ResponseWriter, r *http.Request, me person) error {
	id := r.PathValue("claim")
	err := p.move(r.Context(), me, id, claim.Withdraw, "")
	if ident.Is(err, ident.KindState) || ident.Is(err, ident.KindConflict) {
		return p.notPossible(w, r, id)
	}
	if err != nil {
		return gone(err)
	}
	p.web.Flash(w, r, web.Good, p.say(r.Context(), "p.withdrawn"))
	web.Redirect(w, r, "/claims/"+id)
	return nil
}

// account asks where the money shall go.
func (p *Portal) account(w http.ResponseWriter, r *http.Request, me person) error {
	l, err := p.life(r.Context(), me, r.PathValue("claim"))
	if err != nil {
		return err
	}
	if !l.payable() {
		return p.notPossible(w, r, l.ID)
	}
	return show(w, r, p.accountPage(me, l, "", "", nil))
}

func (p *Portal) setAccount(w http.ResponseWriter, r *http.Request, me person) error {
	l, err := p.life(r.Context(), me, r.PathValue("claim"))
	if err != nil {
		return err
	}
	bank, number := fold(r.PostForm.Get("bank")), digits(r.PostForm.Get("account"))
	to, problem := p.payTo(me, bank, number, false)
	if problem == nil && to != l.PayTo {
		problem = p.cfg.Claim.SetPayTo(r.Context(), me.Actor, l.ID, to)
	}
	switch {
	case problem == nil:
		p.web.Flash(w, r, web.Good, p.say(r.Context(), "p.account_set", toAccount(to)))
		web.Redirect(w, r, "/claims/"+l.ID)
		return nil
	case ident.Is(problem, ident.KindState):
		return p.notPossible(w, r, l.ID)
	case mended(problem):
		return again(w, r, problem, p.accountPage(me, l, bank, number, p.problems(r.Context(), problem)))
	}
	return problem
}

func (p *Portal) evidence(w http.ResponseWriter, r *http.Request, me person) error {
	l, err := p.life(r.Context(), me, r.PathValue("claim"))
	if err != nil {
		return err
	}
	return show(w, r, p.evidencePage(me, l, nil))
}

// addEvidence takes files. Those that are fine are kept even if another of them
// is not: nobody has to send the same picture twice.
func (p *Portal) addEvidence(w http.ResponseWriter, r *http.Request, me person) error {
	id := r.PathValue("claim")
	if _, err := p.life(r.Context(), me, id); err != nil {
		return err
	}
	problems, added := p.addFiles(r, me, id)
	if len(problems) == 0 {
		p.web.Flash(w, r, web.Good, p.say(r.Context(), "p.files_added", added))
		web.Redirect(w, r, "/claims/"+id+"/evidence")
		return nil
	}
	l, err := p.life(r.Context(), me, id) // with what was added
	if err != nil {
		return err
	}
	var errs web.Errors
	for _, one := range problems {
		if !mended(one.err) {
			return one.err
		}
		message := p.explain(r.Context(), one.err)
		if one.name != "" {
			message = p.say(r.Context(), "p.file_problem", one.name, message)
		}
		errs = append(errs, web.FieldError{Field: "file", Message: message})
	}
	return again(w, r, problems[0].err, p.evidencePage(me, l, errs))
}

// fileProblem is what is wrong with one of the files.
type fileProblem struct {
	name string
	err  error
}

func (p *Portal) addFiles(r *http.Request, me person, id ident.ID) (problems []fileProblem, added int) {
	if err := uploadError(r); err != nil {
		if ident.Is(err, ident.KindTooLarge) {
			err = ident.E(ident.KindTooLarge, "evidence_too_large", "a file may have at most %d MB", claim.MaxEvidence>>20)
		}
		return []fileProblem{{"", err}}, 0
	}
	var files []*multipart.FileHeader
	if r.MultipartForm != nil {
		files = r.MultipartForm.File["file"]
	}
	files = slices.DeleteFunc(files, func(h *multipart.FileHeader) bool { return h.Filename == "" })
	switch {
	case len(files) == 0:
		return []fileProblem{{"", ident.Invalid("file", "file_missing", "choose a file first")}}, 0
	case len(files) > mostFiles:
		return []fileProblem{{"", ident.Invalid("file", "files_many", "at most %d files at once", mostFiles)}}, 0
	}
	for _, h := range files {
		if err := p.addFile(r.Context(), me, id, h); err != nil {
			problems = append(problems, fileProblem{h.Filename, err})
			continue
		}
		added++
	}
	return problems, added
}

func (p *Portal) addFile(ctx context.Context, me person, id ident.ID, h *multipart.FileHeader) (err error) {
	if h.Size > claim.MaxEvidence {
		return ident.E(ident.KindTooLarge, "evidence_too_large", "a file may have at most %d MB", claim.MaxEvidence>>20)
	}
	f, err := h.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = p.cfg.Claim.AddEvidence(ctx, me.Actor, id, fileName(h.Filename), io.Reader(f))
	return err
}

// fileName is a sender's name of a file as domain/claim takes it: its end is what
// people recognise, so a long one loses its beginning.
func fileName(name string) string {
	name = strings.NewReplacer("/", "_", "\\", "_", "\x00", "_", "\n", " ").Replace(fold(name))
	const most = 200
	for len(name) > most {
		_, size := firstRune(name)
		name = name[size:]
	}
	if name == "" {
		return "file"
	}
	return name
}

// openEvidence gives a file back to who handed it in, never to be shown inside
// our pages.
func (p *Portal) openEvidence(w http.ResponseWriter, r *http.Request, me person) error {
	e, body, err := p.cfg.Claim.OpenEvidence(r.Context(), me.Actor, r.PathValue("claim"), r.PathValue("file"))
	if err != nil {
		return gone(err)
	}
	return download(w, e.Name, e.Type, body)
}

// certificate gives the PDF of a payment received.
func (p *Portal) certificate(w http.ResponseWriter, r *http.Request, me person) error {
	i, err := p.cfg.Notice.Open(r.Context(), me.Actor, r.PathValue("certificate"))
	if err != nil {
		return gone(err)
	}
	pdf, err := i.PDF()
	if err != nil {
		return err
	}
	return download(w, "surety-"+i.Number+".pdf", "application/pdf", pdf)
}

// download sends bytes as a file.
func download(w http.ResponseWriter, name, kind string, body []byte) error {
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	if disposition == "" {
		disposition = "attachment"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	// The browser may have gone: there is nobody to tell.
	_, _ = w.Write(body)
	return nil
}
