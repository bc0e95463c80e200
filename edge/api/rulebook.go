package api

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/kernel/ident"
	"surety/platform/access"
)

// RiskPack is one text of rules, as it is kept.
type RiskPack struct {
	SHA256  string    `json:"sha256" doc:"of the text; its name here"`
	Name    string    `json:"name"`
	Number  int       `json:"number"`
	Author  string    `json:"author" doc:"who kept it; house for the one that came with the program"`
	Note    string    `json:"note,omitempty"`
	Created time.Time `json:"created"`
	InForce bool      `json:"in_force"`
	Text    string    `json:"text,omitempty" doc:"for one pack only"`
}

// RiskPacks are all packs, newest first.
type RiskPacks struct {
	Items []RiskPack `json:"items"`
}

// RiskText is a pack's text.
type RiskText struct {
	Text string `json:"text" doc:"YAML"`
	Note string `json:"note,omitempty" doc:"why; kept with the pack"`
}

// RiskCheck are the mistakes in a text.
type RiskCheck struct {
	OK       bool               `json:"ok" doc:"it could be kept and published"`
	Problems []rulebook.Problem `json:"problems"`
}

// RiskDifferences are what a text changes, in words.
type RiskDifferences struct {
	Items []RiskDifference `json:"items"`
}

// RiskDifference is one change.
type RiskDifference struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty" doc:"empty: it was added"`
	After  string `json:"after,omitempty" doc:"empty: it was removed"`
	ZH     string `json:"zh"`
	EN     string `json:"en"`
}

// RiskDraftIn is what somebody is writing.
type RiskDraftIn struct {
	Title   string `json:"title"`
	Text    string `json:"text"`
	Version int    `json:"version" doc:"of the draft that was edited; 0 for a new one"`
}

// RiskDraft is a draft as it is kept.
type RiskDraft struct {
	ID string `json:"id"`
	RiskDraftIn
	Author  string    `json:"author" doc:"who saved it last"`
	Updated time.Time `json:"updated"`
}

// RiskDrafts are all drafts, latest first.
type RiskDrafts struct {
	Items []RiskDraft `json:"items"`
}

// RiskPublicationIn asks for a publication.
type RiskPublicationIn struct {
	ID          string   `json:"id" doc:"made by the caller"`
	Pack        string   `json:"pack" doc:"sha256 of a kept pack"`
	Champion    string   `json:"champion,omitempty" doc:"sha256 of the model that decides; empty: rules only"`
	Challengers []string `json:"challengers,omitempty" doc:"models that score beside it and decide nothing"`
	Note        string   `json:"note,omitempty"`
}

// RiskPublication is what is, was or may come into force.
type RiskPublication struct {
	RiskPublicationIn
	Replaces string    `json:"replaces,omitempty" doc:"in force when it was asked for; empty: the pack that came with the program"`
	State    string    `json:"state" enum:"asked,in_force,replaced,taken_back,failed,withdrawn"`
	Approval string    `json:"approval"`
	Hash     string    `json:"hash,omitempty" doc:"in hex; send it back to sign exactly this"`
	Summary  string    `json:"summary,omitempty" doc:"what the second person signs, in words"`
	AskedBy  string    `json:"asked_by"`
	Asked    time.Time `json:"asked"`
	SignedBy string    `json:"signed_by,omitempty"`
	Signed   time.Time `json:"signed,omitzero"`
	Error    string    `json:"error,omitempty" doc:"why the engine could not take it"`
	Version  int       `json:"version"`
}

// RiskPublications are the newest 500, newest first.
type RiskPublications struct {
	Items []RiskPublication `json:"items"`
}

// TakeBackIn is why a publication is taken back.
type TakeBackIn struct {
	Why string `json:"why" doc:"stays in the record"`
}

// RiskForce is one entry of what was in force.
type RiskForce struct {
	Publication string    `json:"publication" doc:"empty: the pack that came with the program"`
	Act         string    `json:"act" enum:"publish,take_back,fail"`
	Actor       string    `json:"actor"`
	Why         string    `json:"why,omitempty"`
	At          time.Time `json:"at"`
}

// RiskTrouble is something wrong with what is in force; the house goes on.
type RiskTrouble struct {
	Code string    `json:"code"`
	What string    `json:"what"`
	ZH   string    `json:"zh"`
	EN   string    `json:"en"`
	At   time.Time `json:"at"`
}

// RiskStatus is what is in force and what this process runs.
type RiskStatus struct {
	InForce     *RiskPublication `json:"in_force,omitempty" doc:"none: the pack that came with the program"`
	Pack        string           `json:"pack" doc:"that runs here, with version"`
	SHA256      string           `json:"sha256" doc:"of the pack that runs here"`
	Champion    string           `json:"champion,omitempty" doc:"model that runs here"`
	Challengers []string         `json:"challengers"`
	History     []RiskForce      `json:"history" doc:"newest first"`
	Troubles    []RiskTrouble    `json:"troubles"`
}

// RiskModel is one model.
type RiskModel struct {
	SHA256    string          `json:"sha256" doc:"of the file; its name here"`
	Name      string          `json:"name"`
	Status    string          `json:"status" enum:"candidate,challenger,champion,retired"`
	Features  []string        `json:"features"`
	Trees     int             `json:"trees"`
	Depth     int             `json:"depth"`
	Size      int             `json:"size" doc:"bytes"`
	Report    json.RawMessage `json:"report" doc:"figures of its training; null for a file from elsewhere"`
	TrainFrom time.Time       `json:"train_from,omitzero"`
	TrainTo   time.Time       `json:"train_to,omitzero"`
	Author    string          `json:"author"`
	Created   time.Time       `json:"created"`
}

// RiskModels are all models, newest first.
type RiskModels struct {
	Items []RiskModel `json:"items"`
}

// RiskModelFull is a model with how it did and what has drifted.
type RiskModelFull struct {
	RiskModel
	Figures rulebook.Figures `json:"figures" doc:"over payments of which the end is known"`
	Drift   []rulebook.Drift `json:"drift" doc:"by day, against what it learned from; empty for a file without it"`
}

// PromotionIn is what a model is to do.
type PromotionIn struct {
	ID   string `json:"id" doc:"of the publication that is asked for; made by the caller"`
	As   string `json:"as" enum:"champion,challenger,candidate" doc:"candidate: it does nothing"`
	Note string `json:"note,omitempty"`
}

// ReplayIn asks history.
type ReplayIn struct {
	ID      string    `json:"id" doc:"made by the caller"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Pack    string    `json:"pack,omitempty" doc:"sha256 of a kept pack; neither pack nor text: the one that runs"`
	Text    string    `json:"text,omitempty" doc:"a text that is kept nowhere"`
	Model   string    `json:"model,omitempty" doc:"sha256, none for rules only, empty for the champion in force"`
	Against string    `json:"against,omitempty" doc:"as_decided (the default), or the sha256 of a pack"`
}

// Replay is a question and how far its answer is.
type Replay struct {
	ReplayIn
	State   string                 `json:"state" enum:"waiting,running,done,failed,cancelled"`
	Done    int                    `json:"done" doc:"hours of history"`
	Total   int                    `json:"total"`
	Error   string                 `json:"error,omitempty"`
	Actor   string                 `json:"actor"`
	Created time.Time              `json:"created"`
	Report  *rulebook.ReplayReport `json:"report,omitempty" doc:"once it is done; for one replay only"`
	ZH      string                 `json:"zh,omitempty" doc:"the report in one sentence"`
	EN      string                 `json:"en,omitempty"`
}

// Replays are the newest 200, newest first.
type Replays struct {
	Items []Replay `json:"items"`
}

// LabelIn is one word on a payment.
type LabelIn struct {
	Payment    string    `json:"payment"`
	Fraud      bool      `json:"fraud" doc:"it was not the payer's will"`
	Source     string    `json:"source" doc:"who says so: host, police, analyst …; claims label by themselves"`
	ReportedAt time.Time `json:"reported_at,omitzero" doc:"when it was reported; now if left out. Of several the latest counts"`
	Note       string    `json:"note,omitempty"`
}

// PaymentLabel is what was said of a payment.
type PaymentLabel struct {
	LabelIn
	Actor   string    `json:"actor"`
	Created time.Time `json:"created" doc:"when this house was told"`
}

// PaymentLabels is everything said of a payment; the last one counts.
type PaymentLabels struct {
	Items []PaymentLabel `json:"items"`
}

// LabelLine is the answer to one line of many: one of the two is set.
type LabelLine struct {
	Line    int           `json:"line" doc:"counted from 1"`
	Again   bool          `json:"again,omitempty" doc:"it was known"`
	Label   *PaymentLabel `json:"label,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
}

// Recomputed is a decision made again from what was recorded.
type Recomputed struct {
	Same    bool   `json:"same" doc:"the same outcome for the same reasons"`
	Pack    string `json:"pack"`
	Outcome string `json:"outcome" enum:"allow,challenge,hold,block"`
}

// ruleHandlers answer for packs, models, publications, replays and labels.
type ruleHandlers struct {
	*server
	book *rulebook.Service
}

func (s *server) rulebookRoutes(book *rulebook.Service) []route {
	h := ruleHandlers{s, book}
	return slices.Concat(h.packRoutes(), h.publicationRoutes(), h.modelRoutes(), h.replayRoutes(), h.labelRoutes())
}

func (h ruleHandlers) packRoutes() []route {
	const packs, drafts = "/v1/risk/packs", "/v1/risk/drafts"
	return []route{
		{Method: "GET", Path: packs, ID: "pack-list", Act: access.ActRiskRead, Summary: "Rule packs, newest first",
			Out: jsonOut[RiskPacks]("all packs, without their texts"), Do: h.listPacks},
		{Method: "POST", Path: packs, ID: "pack-save", Act: access.ActRiskEdit, Summary: "Keep a text so that it can be published",
			Text: "The same text again is the same pack. A text with a mistake is refused with its line and column.",
			In:   jsonIn[RiskText](), Out: created[RiskPack]("the pack"), Lookup: packs, Do: h.savePack},
		{Method: "GET", Path: packs + "/{id}", ID: "pack-get", Act: access.ActRiskRead, Summary: "One pack with its text",
			Out: jsonOut[RiskPack]("the pack"), Do: h.getPack},
		{Method: "GET", Path: packs + "/{id}/text", ID: "pack-text", Act: access.ActRiskRead, Summary: "A pack's text, byte for byte",
			Out: answer{Type: typeText, Doc: "YAML"}, Do: h.packText},
		{Method: "POST", Path: "/v1/risk/check", ID: "pack-check", Act: access.ActRiskRead, Summary: "Find the mistakes in a text",
			Text: "Nothing is kept; an editor may ask at every pause.", In: jsonIn[RiskText](),
			Out: jsonOut[RiskCheck]("each mistake with its place"), Do: h.checkPack},
		{Method: "POST", Path: "/v1/risk/difference", ID: "pack-difference", Act: access.ActRiskRead,
			Summary: "What a text changes against the pack that runs", In: jsonIn[RiskText](),
			Out: jsonOut[RiskDifferences]("in words"), Do: h.packDifference},
		{Method: "GET", Path: drafts, ID: "draft-list", Act: access.ActRiskRead, Summary: "Texts that somebody is still writing",
			Out: jsonOut[RiskDrafts]("latest first"), Do: h.listDrafts},
		{Method: "GET", Path: drafts + "/{id}", ID: "draft-get", Act: access.ActRiskRead, Summary: "One draft",
			Out: jsonOut[RiskDraft]("the draft"), Do: h.getDraft},
		{Method: "PUT", Path: drafts + "/{id}", ID: "draft-save", Act: access.ActRiskEdit, Summary: "Save a draft",
			Text: "Mistakes may stand in it. If somebody else has saved since the version given, it is 409.", In: jsonIn[RiskDraftIn](),
			Out: jsonOut[RiskDraft]("the draft, with its new version"), Lookup: drafts + "/{id}", Do: h.saveDraft},
		{Method: "DELETE", Path: drafts + "/{id}", ID: "draft-drop", Act: access.ActRiskEdit, Summary: "Throw a draft away",
			Out: nothing("it is not there"), Do: h.dropDraft},
	}
}

func (h ruleHandlers) publicationRoutes() []route {
	const all, one = "/v1/risk/publications", "/v1/risk/publications/{id}"
	return []route{
		{Method: "GET", Path: "/v1/risk", ID: "risk-status", Act: access.ActRiskRead, Summary: "What is in force, and what runs here",
			Out: jsonOut[RiskStatus]("with its history and what is wrong"), Do: h.riskStatus},
		{Method: "GET", Path: all, ID: "publication-list", Act: access.ActRiskRead, Summary: "Publications, newest first",
			Out: jsonOut[RiskPublications]("the newest 500"), Do: h.listPublications},
		{Method: "POST", Path: all, ID: "publication-ask", Act: access.ActRiskPublish, Summary: "Ask for a publication, and sign first",
			In: jsonIn[RiskPublicationIn](), Out: created[RiskPublication]("it waits for a second person"), Lookup: one, Do: h.askPublication},
		{Method: "GET", Path: one, ID: "publication-get", Act: access.ActRiskRead, Summary: "One publication",
			Out: jsonOut[RiskPublication]("with what there is to sign"), Do: h.getPublication},
		{Method: "POST", Path: one + "/approvals", ID: "publication-sign", Act: access.ActRiskPublish, Lookup: one, Long: true,
			Summary: "Sign second, on exactly what the hash covers; it comes into force", In: jsonIn[ApprovalIn](),
			Text: "If the engine cannot take it, the publication has failed and what ran before goes on.",
			Out:  jsonOut[RiskPublication]("the publication, in force"), Do: h.signPublication},
		{Method: "POST", Path: one + "/take-back", ID: "publication-take-back", Act: access.ActRiskPublish, Lookup: one, Long: true,
			Summary: "Take the publication in force back, in one act", In: jsonIn[TakeBackIn](),
			Text: "What it replaced is in force again. One person is enough: only what two people signed before can come back.",
			Out:  jsonOut[RiskPublication]("the publication, taken back"), Do: h.takeBack},
		{Method: "POST", Path: one + "/withdraw", ID: "publication-withdraw", Act: access.ActRiskPublish, Lookup: one,
			Summary: "Drop a publication that waits", Out: jsonOut[RiskPublication]("the publication, withdrawn"), Do: h.withdrawPublication},
	}
}

func (h ruleHandlers) modelRoutes() []route {
	const all, one = "/v1/risk/models", "/v1/risk/models/{id}"
	return []route{
		{Method: "GET", Path: all, ID: "model-list", Act: access.ActRiskRead, Summary: "Models, newest first",
			Out: jsonOut[RiskModels]("all models"), Do: h.listModels},
		{Method: "POST", Path: all, ID: "model-import", Act: access.ActRiskEdit, Summary: "Keep a model from an XGBoost JSON file",
			Text: "A damaged file is refused with tree and node named. The same file again is the same model.", Long: true,
			Query: []param{{Name: "name", Doc: "for people", Must: true}}, In: fileIn(rulebook.MaxModel, "XGBoost's JSON", typeJSON, typeAny),
			Out: created[RiskModel]("the model, a candidate"), Lookup: all, Do: h.importModel},
		{Method: "GET", Path: one, ID: "model-get", Act: access.ActRiskRead, Summary: "One model with its figures and its drift", Long: true,
			Query: []param{{Name: "from", Kind: "time", Doc: "of the figures; 30 days of payments of which the end is known if left out"},
				{Name: "to", Kind: "time"}},
			Out: jsonOut[RiskModelFull]("the model"), Do: h.getModel},
		{Method: "GET", Path: one + "/file", ID: "model-file", Act: access.ActRiskRead, Summary: "A model's file, byte for byte",
			Out: answer{Type: typeJSON, Doc: "XGBoost's JSON"}, Do: h.modelFile},
		{Method: "POST", Path: one + "/promote", ID: "model-promote", Act: access.ActRiskPublish, Lookup: "/v1/risk/publications",
			Summary: "Ask for a publication with this model in another place", Long: true, In: jsonIn[PromotionIn](),
			Text: "The second person sees its figures beside the champion's. The champion that gives way goes on scoring beside it.",
			Out:  created[RiskPublication]("it waits for a second person"), Do: h.promoteModel},
		{Method: "POST", Path: one + "/retire", ID: "model-retire", Act: access.ActRiskEdit, Lookup: one,
			Summary: "Take a model off the list", Out: jsonOut[RiskModel]("the model, retired"), Do: h.retireModel},
	}
}

func (h ruleHandlers) replayRoutes() []route {
	const all, one = "/v1/risk/replays", "/v1/risk/replays/{id}"
	return []route{
		{Method: "GET", Path: all, ID: "replay-list", Act: access.ActRiskRead, Summary: "Questions to history, newest first",
			Out: jsonOut[Replays]("the newest 200, without their reports"), Do: h.listReplays},
		{Method: "POST", Path: all, ID: "replay-ask", Act: access.ActRiskEdit, Summary: "Ask what another pack or model would have done",
			In: jsonIn[ReplayIn](), Out: created[Replay]("it waits for a worker"), Lookup: one, Do: h.askReplay},
		{Method: "GET", Path: one, ID: "replay-get", Act: access.ActRiskRead, Summary: "One replay, with its report once it is done",
			Out: jsonOut[Replay]("the replay"), Do: h.getReplay},
		{Method: "POST", Path: one + "/cancel", ID: "replay-cancel", Act: access.ActRiskEdit, Lookup: one, Summary: "End a replay",
			Out: jsonOut[Replay]("the replay, cancelled"), Do: h.cancelReplay},
	}
}

func (h ruleHandlers) labelRoutes() []route {
	return []route{
		{Method: "POST", Path: "/v1/labels", ID: "label-add", Act: access.ActLabelAdd, Summary: "Say whether a payment was a theft",
			Text: "Of several words the latest reported counts. The same again changes nothing.", In: jsonIn[LabelIn](),
			Out: jsonOut[PaymentLabel]("the label"), Lookup: "/v1/payments/{id}/labels", Do: h.addLabel},
		{Method: "POST", Path: "/v1/labels/batch", ID: "label-add-batch", Act: access.ActLabelAdd, Long: true,
			Summary: "Label many payments, one a line", In: body{Types: []string{typeNDJSON}, Limit: importLimit, Doc: "one LabelIn a line",
				JSON: jsonIn[LabelIn]().JSON},
			Out:  answer{Type: typeNDJSON, JSON: jsonOut[LabelLine]("").JSON, Doc: "one LabelLine for each line, in the same order"},
			Text: "Blank lines are passed over. Lines without an answer were not kept; sending all again completes them.", Do: h.addLabels},
		{Method: "GET", Path: "/v1/payments/{id}/labels", ID: "label-list", Act: access.ActRiskRead, Summary: "What was said of a payment",
			Out: jsonOut[PaymentLabels]("oldest first; the last one counts"), Do: h.listLabels},
		{Method: "GET", Path: "/v1/payments/{id}/recomputed", ID: "payment-recompute", Act: access.ActRiskRead,
			Summary: "Make a payment's decision again from what was recorded", Out: jsonOut[Recomputed]("whether it is the same"), Do: h.recompute},
	}
}

func wirePack(p rulebook.Pack) RiskPack {
	return RiskPack{SHA256: p.Version.SHA256, Name: p.Version.Name, Number: p.Version.Number, Author: p.Author, Note: p.Note,
		Created: p.Created, InForce: p.InForce, Text: p.Text}
}

// wired turns each of many into what is sent.
func wired[A, B any](in []A, wire func(A) B) []B {
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = wire(v)
	}
	return out
}

func (h ruleHandlers) listPacks(c *call) error {
	all, err := h.book.Packs(c.ctx, c.actor)
	return done(c, RiskPacks{Items: wired(all, wirePack)}, err)
}

func (h ruleHandlers) savePack(c *call) error {
	var in RiskText
	if err := c.json(&in); err != nil {
		return err
	}
	p, err := h.book.SavePack(c.ctx, c.actor, in.Text, in.Note)
	return done(c, wirePack(p), err)
}

func (h ruleHandlers) getPack(c *call) error {
	p, err := h.book.ViewPack(c.ctx, c.actor, c.id("id"))
	return done(c, wirePack(p), err)
}

func (h ruleHandlers) packText(c *call) error {
	p, err := h.book.ViewPack(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	return c.replyFile([]byte(p.Text), typeText, "pack-"+p.Version.SHA256[:8]+".yaml")
}

func (h ruleHandlers) checkPack(c *call) error {
	var in RiskText
	if err := c.json(&in); err != nil {
		return err
	}
	if err := h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody); err != nil {
		return err
	}
	ps := rulebook.Check(in.Text)
	return c.reply(RiskCheck{OK: len(ps) == 0, Problems: list(ps)})
}

func (h ruleHandlers) packDifference(c *call) error {
	var in RiskText
	if err := c.json(&in); err != nil {
		return err
	}
	ds, err := h.book.Difference(c.ctx, c.actor, in.Text)
	return done(c, RiskDifferences{Items: wired(ds, func(d rulebook.Difference) RiskDifference {
		return RiskDifference{Path: d.Path, Before: d.Before, After: d.After, ZH: d.ZH, EN: d.EN}
	})}, err)
}

func wireDraft(d rulebook.Draft) RiskDraft {
	return RiskDraft{ID: d.ID, RiskDraftIn: RiskDraftIn{Title: d.Title, Text: d.Text, Version: d.Version}, Author: d.Author,
		Updated: d.Updated}
}

func (h ruleHandlers) listDrafts(c *call) error {
	all, err := h.book.Drafts(c.ctx, c.actor)
	return done(c, RiskDrafts{Items: wired(all, wireDraft)}, err)
}

func (h ruleHandlers) getDraft(c *call) error {
	d, err := h.book.Draft(c.ctx, c.actor, c.id("id"))
	return done(c, wireDraft(d), err)
}

func (h ruleHandlers) saveDraft(c *call) error {
	var in RiskDraftIn
	if err := c.json(&in); err != nil {
		return err
	}
	d, err := h.book.SaveDraft(c.ctx, c.actor, rulebook.Draft{ID: c.id("id"), Title: in.Title, Text: in.Text, Version: in.Version})
	return done(c, wireDraft(d), err)
}

func (h ruleHandlers) dropDraft(c *call) error {
	return c.empty(h.book.DropDraft(c.ctx, c.actor, c.id("id")))
}

func wirePublication(p rulebook.Publication) RiskPublication {
	in := RiskPublicationIn{ID: p.ID, Pack: p.Pack, Champion: p.Champion, Challengers: list(p.Challengers), Note: p.Note}
	return RiskPublication{RiskPublicationIn: in,
		Replaces: p.Replaces, State: string(p.State), Approval: p.Approval, AskedBy: p.AskedBy, Asked: p.Asked, SignedBy: p.SignedBy,
		Signed: p.Signed, Error: p.Error, Version: p.Version}
}

func wireProposal(p rulebook.Proposal) RiskPublication {
	out := wirePublication(p.Publication)
	out.Hash, out.Summary = hex.EncodeToString(p.Hash[:]), p.Summary
	return out
}

func (h ruleHandlers) riskStatus(c *call) error {
	st, err := h.book.Status(c.ctx, c.actor)
	if err != nil {
		return err
	}
	out := RiskStatus{Pack: st.Running.Version.String(), SHA256: st.Running.Version.SHA256, Champion: st.Champion,
		Challengers: list(st.Challengers),
		History: wired(st.History, func(f rulebook.Force) RiskForce {
			return RiskForce{Publication: f.Publication, Act: string(f.Act), Actor: f.Actor, Why: f.Why, At: f.At}
		}),
		Troubles: wired(st.Troubles, func(t rulebook.Trouble) RiskTrouble {
			return RiskTrouble{Code: t.Code, What: t.What, ZH: t.Text.ZH, EN: t.Text.EN, At: t.At}
		})}
	if st.InForce.ID != "" {
		p := wirePublication(st.InForce)
		out.InForce = &p
	}
	return c.reply(out)
}

func (h ruleHandlers) listPublications(c *call) error {
	all, err := h.book.Publications(c.ctx, c.actor)
	return done(c, RiskPublications{Items: wired(all, wirePublication)}, err)
}

func (h ruleHandlers) askPublication(c *call) error {
	var in RiskPublicationIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.ID)
	p, err := h.book.Ask(c.ctx, c.actor, rulebook.PublishIn{ID: in.ID, Pack: in.Pack, Champion: in.Champion,
		Challengers: in.Challengers, Note: in.Note})
	return done(c, wireProposal(p), err)
}

func (h ruleHandlers) getPublication(c *call) error {
	p, err := h.book.Publication(c.ctx, c.actor, c.id("id"))
	return done(c, wireProposal(p), err)
}

func (h ruleHandlers) signPublication(c *call) error {
	var in ApprovalIn
	if err := c.json(&in); err != nil {
		return err
	}
	raw, err := hex.DecodeString(in.Hash)
	if err != nil || len(raw) != 32 {
		return ident.Invalid("hash", "hash_malformed", "hash must be the 64 hex characters that the publication showed")
	}
	p, err := h.book.Sign(c.ctx, c.actor, c.id("id"), [32]byte(raw))
	return done(c, wirePublication(p), err)
}

func (h ruleHandlers) takeBack(c *call) error {
	var in TakeBackIn
	if err := c.json(&in); err != nil {
		return err
	}
	p, err := h.book.TakeBack(c.ctx, c.actor, c.id("id"), in.Why)
	return done(c, wirePublication(p), err)
}

func (h ruleHandlers) withdrawPublication(c *call) error {
	p, err := h.book.WithdrawPublication(c.ctx, c.actor, c.id("id"))
	return done(c, wirePublication(p), err)
}

func wireModel(m rulebook.Model) RiskModel {
	return RiskModel{SHA256: m.SHA256, Name: m.Name, Status: string(m.Status), Features: list(m.Features), Trees: m.Trees, Depth: m.Depth,
		Size: m.Size, Report: m.Report, TrainFrom: m.TrainFrom, TrainTo: m.TrainTo, Author: m.Author, Created: m.Created}
}

func (h ruleHandlers) listModels(c *call) error {
	all, err := h.book.Models(c.ctx, c.actor)
	return done(c, RiskModels{Items: wired(all, wireModel)}, err)
}

func (h ruleHandlers) importModel(c *call) error {
	b, err := c.file()
	if err != nil {
		return err
	}
	m, err := h.book.ImportModel(c.ctx, c.actor, c.str("name"), b)
	return done(c, wireModel(m), err)
}

func (h ruleHandlers) getModel(c *call) error {
	from, err := c.when("from")
	if err != nil {
		return err
	}
	to, err := c.when("to")
	if err != nil {
		return err
	}
	id := c.id("id")
	m, err := h.book.ModelOf(c.ctx, c.actor, id)
	if err != nil {
		return err
	}
	if to.IsZero() {
		to = h.cfg.Clock.Now()
	}
	if from.IsZero() {
		from = to.AddDate(0, 0, -30)
	}
	figures, err := h.book.ModelFigures(c.ctx, c.actor, []string{id}, from, to)
	if err != nil {
		return err
	}
	drift, err := h.book.ModelDrift(c.ctx, c.actor, id, from, to)
	return done(c, RiskModelFull{RiskModel: wireModel(m), Figures: figures[id], Drift: list(drift)}, err)
}

func (h ruleHandlers) modelFile(c *call) error {
	b, err := h.book.ModelFile(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	return c.replyFile(b, typeJSON, "model-"+c.id("id")[:8]+".json")
}

func (h ruleHandlers) promoteModel(c *call) error {
	var in PromotionIn
	if err := c.json(&in); err != nil {
		return err
	}
	p, err := h.book.Promote(c.ctx, c.actor, rulebook.PromoteIn{ID: in.ID, Model: c.id("id"), As: rulebook.ModelStatus(in.As),
		Note: in.Note})
	return done(c, wireProposal(p), err)
}

func (h ruleHandlers) retireModel(c *call) error {
	m, err := h.book.RetireModel(c.ctx, c.actor, c.id("id"))
	return done(c, wireModel(m), err)
}

func wireReplay(j rulebook.Job) Replay {
	q := j.Question
	return Replay{ReplayIn: ReplayIn{ID: j.ID, From: q.From, To: q.To, Pack: q.Pack, Text: q.Text, Model: q.Model, Against: q.Against},
		State: string(j.State), Done: j.Done, Total: j.Total, Error: j.Error, Actor: j.Actor, Created: j.Created}
}

func (h ruleHandlers) listReplays(c *call) error {
	all, err := h.book.Replays(c.ctx, c.actor)
	return done(c, Replays{Items: wired(all, wireReplay)}, err)
}

func (h ruleHandlers) askReplay(c *call) error {
	var in ReplayIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.ID)
	j, err := h.book.AskHistory(c.ctx, c.actor, in.ID, rulebook.Question{From: in.From, To: in.To, Pack: in.Pack, Text: in.Text,
		Model: in.Model, Against: in.Against})
	return done(c, wireReplay(j), err)
}

func (h ruleHandlers) getReplay(c *call) error {
	j, report, err := h.book.ReplayJob(c.ctx, c.actor, c.id("id"))
	out := wireReplay(j)
	if report != nil {
		sum := report.Sum()
		out.Report, out.ZH, out.EN = report, sum.ZH, sum.EN
	}
	return done(c, out, err)
}

func (h ruleHandlers) cancelReplay(c *call) error {
	j, err := h.book.CancelReplay(c.ctx, c.actor, c.id("id"))
	return done(c, wireReplay(j), err)
}

func wireLabel(l rulebook.Label) PaymentLabel {
	return PaymentLabel{LabelIn: LabelIn(l.LabelIn), Actor: l.Actor, Created: l.Created}
}

func (h ruleHandlers) addLabel(c *call) error {
	var in LabelIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.Payment)
	rs, err := h.book.AddLabels(c.ctx, c.actor, []rulebook.LabelIn{rulebook.LabelIn(in)})
	if err != nil {
		return err
	}
	if rs[0].Err != nil {
		return rs[0].Err
	}
	return c.replyAgain(wireLabel(rs[0].Label), rs[0].Again)
}

// addLabels keeps the lines of a body, some hundred in one act.
func (h ruleHandlers) addLabels(c *call) error {
	in := &lineReader{in: bufio.NewReaderSize(c.r.Body, maxLine)}
	out := lineWriter{c: c}
	for {
		var rows []int
		var ins []rulebook.LabelIn
		bad := map[int]LabelLine{}
		var ended error
		for len(rows) < rulebook.MaxLabels {
			line, err := in.read()
			if err != nil {
				ended = err
				break
			}
			rows = append(rows, in.row)
			var l LabelIn
			if err := decodeStrict(line, &l); err != nil {
				bad[in.row] = LabelLine{Line: in.row, Problem: c.lineProblem(in.row, err).Problem}
				continue
			}
			ins = append(ins, rulebook.LabelIn(l))
		}
		if err := h.labelLines(c, rows, ins, bad, &out); err != nil {
			return out.stop(rows, nil, err)
		}
		switch {
		case ended == nil:
		case errors.Is(ended, io.EOF):
			return out.end()
		default:
			return out.stop([]int{in.row + 1}, nil, readFailure(ended))
		}
	}
}

// labelLines keeps what is well-formed and answers every row.
func (h ruleHandlers) labelLines(c *call, rows []int, ins []rulebook.LabelIn, bad map[int]LabelLine, out *lineWriter) error {
	var rs []rulebook.LabelResult
	var err error
	if len(ins) > 0 {
		if rs, err = h.book.AddLabels(c.ctx, c.actor, ins); err != nil {
			return err
		}
	}
	i := 0
	for _, row := range rows {
		line, wrong := bad[row]
		if !wrong {
			line = LabelLine{Line: row, Again: rs[i].Again}
			if rs[i].Err != nil {
				line.Problem = c.lineProblem(row, rs[i].Err).Problem
			} else {
				l := wireLabel(rs[i].Label)
				line.Label = &l
			}
			i++
		}
		if err := out.send(line); err != nil {
			return nil // the caller has gone: there is nobody to tell
		}
	}
	return out.flush()
}

func (h ruleHandlers) listLabels(c *call) error {
	all, err := h.book.Labels(c.ctx, c.actor, c.id("id"))
	return done(c, PaymentLabels{Items: wired(all, wireLabel)}, err)
}

func (h ruleHandlers) recompute(c *call) error {
	was, is, err := h.book.Recompute(c.ctx, c.actor, c.id("id"))
	return done(c, Recomputed{Same: sameDecision(was, is), Pack: is.Pack.String(), Outcome: string(is.Outcome)}, err)
}

// sameDecision compares what a decision says and why.
func sameDecision(a, b risk.Decision) bool {
	code := func(r risk.Reason) string { return r.Code }
	return a.Outcome == b.Outcome && a.Score == b.Score && slices.Equal(wired(a.Reasons, code), wired(b.Reasons, code))
}
