package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"surety/domain/authority"
	"surety/domain/incident"
	"surety/domain/notice"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// IncidentIn declares an incident.
type IncidentIn struct {
	ID       string    `json:"id" doc:"made by the caller"`
	Title    string    `json:"title"`
	FundID   string    `json:"fund_id" doc:"the fund that pays; it is frozen for everything else"`
	From     time.Time `json:"from" doc:"the losses happened from here"`
	To       time.Time `json:"to" doc:"and before this"`
	Deadline time.Time `json:"deadline" doc:"when everybody is to be paid"`
}

// Incident is one event with many victims.
type Incident struct {
	IncidentIn
	Status   string    `json:"status" enum:"declared,gathering,reconciled,proposed,approved,paying,paid,closed"`
	Approval string    `json:"approval,omitempty"`
	Created  time.Time `json:"created"`
	Version  int       `json:"version"`
}

// Mark is a thief's device or receiving account.
type Mark struct {
	Kind    string `json:"kind" enum:"device,payee"`
	Value   string `json:"value"`
	Victims int    `json:"victims"`
	Why     string `json:"why"`
}

// Source is a file that victims came from.
type Source struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind" enum:"police_list,user_reports,estate"`
	Filename string          `json:"filename"`
	SHA256   string          `json:"sha256"`
	Figures  json.RawMessage `json:"figures"`
	ReadAt   time.Time       `json:"read_at"`
}

// IncidentFull is an incident with its marks and sources.
type IncidentFull struct {
	Incident
	Marks   []Mark   `json:"marks"`
	Sources []Source `json:"sources"`
}

// GatherReport is what a search of the records found.
type GatherReport struct {
	Marks []Mark   `json:"marks"`
	Found []string `json:"found" doc:"accounts of victims that no source had named"`
}

// Incidents are all of them, newest first.
type Incidents struct {
	Items []Incident `json:"items"`
}

// Batch is what two people sign: everybody who can be paid now.
type Batch struct {
	People int          `json:"people"`
	Total  money.Amount `json:"total"`
	Hash   string       `json:"hash" doc:"in hex; send it back to approve exactly this"`
}

// Proposal is a batch that waits for its second person.
type Proposal struct {
	Batch
	Approval string `json:"approval"`
}

// ApprovalIn is the second signature.
type ApprovalIn struct {
	Hash string `json:"hash" doc:"of the batch that the signer saw, 64 characters in hex"`
}

// StatementIn asks for a statement.
type StatementIn struct {
	Lang string `json:"lang" enum:"zh,en"`
}

// Statement is one version of the public statement, with the figures as the books
// had them when it was written.
type Statement struct {
	Number  int              `json:"number"`
	Lang    string           `json:"lang"`
	Body    string           `json:"body" doc:"Markdown"`
	Figures StatementFigures `json:"figures"`
	Author  string           `json:"author"`
	At      time.Time        `json:"at"`
	// Published is when the public could first see it.
	Published time.Time `json:"published,omitzero"`
}

// PublicationIn names a version.
type PublicationIn struct {
	Lang   string `json:"lang" enum:"zh,en"`
	Number int    `json:"number"`
}

// StatementFigures are the figures that the statement rests on.
type StatementFigures struct {
	AsOf            time.Time    `json:"as_of"`
	Victims         int          `json:"victims"`
	VictimsAmount   money.Amount `json:"victims_amount"`
	Paid            int          `json:"paid"`
	PaidAmount      money.Amount `json:"paid_amount"`
	Heirs           int          `json:"heirs" doc:"of the paid"`
	HeirsAmount     money.Amount `json:"heirs_amount"`
	Left            int          `json:"left" doc:"not yet paid"`
	LeftAmount      money.Amount `json:"left_amount"`
	Confirmed       int          `json:"confirmed" doc:"by our records"`
	PoliceConfirmed int          `json:"police_confirmed" doc:"by the police alone"`
	Differing       int          `json:"differing"`
	Reports         int          `json:"reports"`
	Inflated        int          `json:"inflated"`
	False           int          `json:"false"`
	FundLeft        money.Amount `json:"fund_left"`
}

// Statements are all versions, newest first.
type Statements struct {
	Items []Statement `json:"items"`
}

func (s *server) incidentRoutes() []route {
	const one = "/v1/incidents/{id}"
	named := []param{{Name: "filename", Must: true, Doc: "what the sender calls the file"}}
	const listLimit = 16 * mib
	return []route{
		{Method: "POST", Path: "/v1/incidents", ID: "incident-declare", Act: access.ActIncidentDeclare, Summary: "Declare an incident",
			In: jsonIn[IncidentIn](), Out: created[Incident]("the incident; its fund is frozen for it"), Lookup: one, Do: s.declare},
		{Method: "GET", Path: "/v1/incidents", ID: "incident-list", Act: access.ActIncidentBoard, Summary: "All incidents",
			Out: jsonOut[Incidents]("newest first"), Do: s.listIncidents},
		{Method: "GET", Path: one, ID: "incident-get", Act: access.ActIncidentRead, Summary: "One incident with its marks and sources",
			Out: jsonOut[IncidentFull]("the incident"), Do: s.getIncident},
		{Method: "POST", Path: one + "/lists", ID: "incident-list-import", Act: access.ActIncidentImport, Long: true,
			Summary: "Read a police list as it came", Query: named, Lookup: one,
			In:  fileIn(listLimit, "CSV in UTF-8, GB18030 or UTF-16, with titles, totals and doubles as they are", typeAny),
			Out: jsonOut[incident.ListReport]("every row: what was read, mended, refused, and why"), Do: s.importList},
		{Method: "POST", Path: one + "/reports", ID: "incident-reports-import", Act: access.ActIncidentImport, Long: true,
			Summary: "Read what users themselves have said", Query: named, Lookup: one,
			In:  fileIn(listLimit, "CSV: report_id,account,claimed_fen,loss_date,words", typeAny),
			Out: jsonOut[incident.ReportsReport]("every row accounted for"), Do: s.importReports},
		{Method: "POST", Path: one + "/estates", ID: "incident-estate-add", Act: access.ActIncidentImport,
			Summary: "An heir takes over a victim's claim", Query: named, In: fileIn(mib, "the estate's JSON", typeJSON), Lookup: one,
			Out: jsonOut[authority.Estate]("the estate as it was read"), Do: s.addEstate},
		{Method: "POST", Path: one + "/gather", ID: "incident-gather", Act: access.ActIncidentGather, Long: true, Lookup: one,
			Summary: "Derive the thefts' marks and search for further victims", Out: jsonOut[GatherReport]("what was found"),
			Do: s.gather},
		{Method: "POST", Path: one + "/reconcile", ID: "incident-reconcile", Act: access.ActIncidentReconcile, Long: true, Lookup: one,
			Summary: "Check every victim against the records", Out: jsonOut[incident.ReconcileReport]("the verdicts"), Do: s.reconcile},
		{Method: "POST", Path: one + "/proposals", ID: "incident-propose", Act: access.ActIncidentPropose, Lookup: one,
			Summary: "Put everybody who can be paid before a second person, and sign first",
			Out:     created[Proposal]("what was signed"), Do: s.propose},
		{Method: "DELETE", Path: one + "/proposals", ID: "incident-proposal-withdraw", Act: access.ActIncidentPropose, Lookup: one,
			Summary: "Take the proposal back", Out: nothing("it is withdrawn"), Do: s.withdraw},
		{Method: "POST", Path: one + "/approvals", ID: "incident-approve", Act: access.ActIncidentApprove, Lookup: one,
			Summary: "The second signature: decides the claims and sets the money aside, all or nothing",
			In:      jsonIn[ApprovalIn](), Out: jsonOut[Incident]("the incident, approved"), Do: s.approve},
		{Method: "POST", Path: one + "/payouts", ID: "incident-pay", Act: access.ActIncidentPay, Long: true, Lookup: one,
			Summary: "Order the payout of everybody approved; again goes on where it stopped",
			Out:     jsonOut[incident.PayReport]("how many were ordered"), Do: s.payAll},
		{Method: "GET", Path: one + "/board", ID: "incident-board", Act: access.ActIncidentBoard, Summary: "How far it is, without names",
			Out: jsonOut[incident.Board]("figures of this moment, from the books"), Do: s.board},
		{Method: "GET", Path: one + "/board/stream", ID: "incident-board-stream", Act: access.ActIncidentBoard, Long: true,
			Summary: "The board as server-sent events", Out: answer{Type: typeEvents, Doc: "event: board, whenever a figure has changed"},
			Do: s.boardStream},
		{Method: "GET", Path: one + "/statements", ID: "incident-statements", Act: access.ActIncidentRead,
			Summary: "All versions of the statement", Out: jsonOut[Statements]("newest first"), Do: s.statements},
		{Method: "POST", Path: one + "/statements", ID: "incident-statement-write", Act: access.ActIncidentStatement, Lookup: one + "/statements",
			Summary: "Write the next version of the statement from the books", In: jsonIn[StatementIn](),
			Out: created[Statement]("the version"), Do: s.writeStatement},
		{Method: "POST", Path: one + "/statements/publication", ID: "incident-statement-publish", Act: access.ActIncidentStatement,
			Summary: "Let the public see a version; another person than its author", Lookup: one + "/statements",
			In: jsonIn[PublicationIn](), Out: nothing("it is public"), Do: s.publishStatement},
		{Method: "POST", Path: one + "/close", ID: "incident-close", Act: access.ActIncidentClose, Lookup: one,
			Summary: "Nothing is left to do; the fund is free again", Out: nothing("it is closed"), Do: s.closeIncident},
	}
}

func wireIncident(i incident.Incident) Incident {
	return Incident{
		IncidentIn: IncidentIn{ID: i.ID, Title: i.Title, FundID: i.FundID, From: i.From, To: i.To, Deadline: i.Deadline},
		Status:     string(i.Status), Approval: i.Approval, Created: i.Created, Version: i.Version,
	}
}

func wireBatch(b incident.Batch) Batch {
	return Batch{People: len(b.Victims), Total: b.Total, Hash: hex.EncodeToString(b.Hash[:])}
}

func (s *server) declare(c *call) error {
	var in IncidentIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.ID)
	known := false
	err := s.cfg.DB.View(c.ctx, func(tx *db.Tx) (err error) {
		_, known, err = s.cfg.Incident.Get(tx, in.ID)
		return err
	})
	if err != nil {
		return err
	}
	got, err := s.cfg.Incident.Declare(c.ctx, c.actor, incident.DeclareIn(in))
	if err != nil {
		return err
	}
	return c.replyAgain(wireIncident(got), known)
}

func (s *server) listIncidents(c *call) error {
	out := Incidents{}
	err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		all, err := s.cfg.Incident.List(tx)
		out.Items = make([]Incident, 0, len(all))
		for _, i := range all {
			out.Items = append(out.Items, wireIncident(i))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(out)
}

func (s *server) getIncident(c *call) error {
	id := c.id("id")
	out := IncidentFull{}
	err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: id}, func(tx *db.Tx) error {
		out = IncidentFull{Marks: []Mark{}, Sources: []Source{}}
		i, found, err := s.cfg.Incident.Get(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return access.Absent(c.route.Act, id)
		}
		out.Incident = wireIncident(i)
		marks, err := s.cfg.Incident.Marks(tx, id)
		if err != nil {
			return err
		}
		out.Marks = wireMarks(marks)
		sources, err := s.cfg.Incident.Sources(tx, id)
		for _, f := range sources {
			out.Sources = append(out.Sources, Source{ID: f.ID, Kind: f.Kind, Filename: f.Filename, SHA256: f.SHA256,
				Figures: json.RawMessage(f.Figures), ReadAt: f.ReadAt})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(out)
}

// importFile is what the three imports have in common.
func importFile[T any](c *call, read func(name string, body *bytes.Reader) (T, error)) error {
	name, err := c.filename()
	if err != nil {
		return err
	}
	b, err := c.file()
	if err != nil {
		return err
	}
	rep, err := read(name, bytes.NewReader(b))
	if err != nil {
		return err
	}
	return c.reply(rep)
}

func (s *server) importList(c *call) error {
	return importFile(c, func(name string, body *bytes.Reader) (incident.ListReport, error) {
		rep, err := s.cfg.Incident.ImportList(c.ctx, c.actor, c.id("id"), name, body)
		if rep.Again {
			c.w.Header().Set("Idempotency-Hit", "true")
		}
		return rep, err
	})
}

func (s *server) importReports(c *call) error {
	return importFile(c, func(name string, body *bytes.Reader) (incident.ReportsReport, error) {
		rep, err := s.cfg.Incident.ImportReports(c.ctx, c.actor, c.id("id"), name, body)
		if rep.Again {
			c.w.Header().Set("Idempotency-Hit", "true")
		}
		return rep, err
	})
}

func (s *server) addEstate(c *call) error {
	return importFile(c, func(name string, body *bytes.Reader) (authority.Estate, error) {
		return s.cfg.Incident.AddEstate(c.ctx, c.actor, c.id("id"), name, body)
	})
}

// done replies with v unless there is an error.
func done[T any](c *call, v T, err error) error {
	if err != nil {
		return err
	}
	return c.reply(v)
}

func (s *server) gather(c *call) error {
	rep, err := s.cfg.Incident.Gather(c.ctx, c.actor, c.id("id"))
	return done(c, GatherReport{Marks: wireMarks(rep.Marks), Found: list(rep.Found)}, err)
}

func wireMarks(in []incident.Mark) []Mark {
	out := make([]Mark, 0, len(in))
	for _, m := range in {
		out = append(out, Mark{Kind: string(m.Kind), Value: m.Value, Victims: m.Victims, Why: m.Why})
	}
	return out
}

func (s *server) reconcile(c *call) error {
	rep, err := s.cfg.Incident.Reconcile(c.ctx, c.actor, c.id("id"))
	return done(c, rep, err)
}

func (s *server) propose(c *call) error {
	b, approval, err := s.cfg.Incident.Propose(c.ctx, c.actor, c.id("id"))
	return done(c, Proposal{Batch: wireBatch(b), Approval: approval}, err)
}

func (s *server) withdraw(c *call) error {
	return c.empty(s.cfg.Incident.WithdrawProposal(c.ctx, c.actor, c.id("id")))
}

func (s *server) approve(c *call) error {
	var in ApprovalIn
	if err := c.json(&in); err != nil {
		return err
	}
	raw, err := hex.DecodeString(in.Hash)
	if err != nil || len(raw) != 32 {
		return ident.Invalid("hash", "hash_malformed", "hash must be the 64 hex characters that the proposal showed")
	}
	got, err := s.cfg.Incident.Approve(c.ctx, c.actor, c.id("id"), [32]byte(raw))
	return done(c, wireIncident(got), err)
}

func (s *server) payAll(c *call) error {
	rep, err := s.cfg.Incident.PayAll(c.ctx, c.actor, c.id("id"), nil)
	return done(c, rep, err)
}

func (s *server) closeIncident(c *call) error {
	return c.empty(s.cfg.Incident.Close(c.ctx, c.actor, c.id("id")))
}

func (s *server) board(c *call) error {
	b, err := s.cfg.Incident.Board(c.ctx, c.actor, c.id("id"))
	return done(c, b, err)
}

const (
	heartbeat  = 15 * time.Second // proxies drop connections after 30 to 60 silent seconds
	checkAgain = 30 * time.Second // how long an ended session goes on seeing a stream
)

// boardStream sends the board when a figure has changed. It asks again who is
// there, so that a session that has ended sees no more.
func (s *server) boardStream(c *call) error {
	b, err := s.cfg.Incident.Board(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	control := http.NewResponseController(c.w)
	_ = control.SetWriteDeadline(time.Time{}) // a recorder of a test has no deadline to lift
	c.w.Header().Set("Content-Type", typeEvents)
	c.w.Header().Set("X-Accel-Buffering", "no")
	c.w.WriteHeader(http.StatusOK)
	tick := time.NewTicker(s.streams)
	defer tick.Stop()
	var last []byte
	silent, checked := time.Duration(0), time.Duration(0)
	for {
		event, err := boardEvent(b)
		if err != nil {
			return err
		}
		switch silent += s.streams; {
		case !bytes.Equal(event, last):
			last, silent = event, 0
			_, err = fmt.Fprintf(c.w, "event: board\ndata: %s\n\n", event)
		case silent >= heartbeat:
			silent = 0
			_, err = fmt.Fprint(c.w, ": alive\n\n")
		}
		if err != nil || control.Flush() != nil {
			return nil // the reader has gone
		}
		if !s.waitFor(c.ctx, tick) {
			return nil
		}
		if checked += s.streams; checked >= checkAgain {
			checked = 0
			if c.actor, err = s.identity(c.ctx, c.r); err != nil {
				return nil // the session has ended: so does the stream
			}
		}
		if b, err = s.cfg.Incident.Board(c.ctx, c.actor, c.id("id")); err != nil {
			return nil // the reader comes back and hears why
		}
	}
}

// waitFor waits for the tick; false says that the stream is to end.
func (s *server) waitFor(ctx context.Context, tick *time.Ticker) bool {
	select {
	case <-ctx.Done():
		return false
	case <-s.cfg.Stop:
		return false
	case <-tick.C:
		return true
	}
}

// boardEvent is the board without the time that passes by itself.
func boardEvent(b incident.Board) ([]byte, error) {
	b.Now = time.Time{}
	body, err := json.Marshal(b)
	if err != nil {
		return nil, ident.E(ident.KindInternal, "encode", "the board cannot be written").Because(err)
	}
	return body, nil
}

func wireStatement(st incident.Statement) Statement {
	f := st.Figures
	return Statement{Number: st.Number, Lang: string(st.Lang), Body: st.Body, Author: st.Author, At: st.At, Published: st.Published,
		Figures: StatementFigures{
			AsOf: f.AsOf, Victims: f.Victims, VictimsAmount: f.VictimsAmount, Paid: f.Paid, PaidAmount: f.PaidAmount, Heirs: f.Heirs,
			HeirsAmount: f.HeirsAmount, Left: f.Left, LeftAmount: f.LeftAmount, Confirmed: f.Confirmed, PoliceConfirmed: f.PoliceConfirmed,
			Differing: f.Differing, Reports: f.Reports, Inflated: f.Inflated, False: f.False, FundLeft: f.FundLeft}}
}

func (s *server) statements(c *call) error {
	id := c.id("id")
	out := Statements{}
	err := s.cfg.Access.View(c.ctx, c.actor, access.ActIncidentRead, access.Object{ID: id}, func(tx *db.Tx) error {
		if _, found, err := s.cfg.Incident.Get(tx, id); err != nil || !found {
			return orAbsent(err, c, id)
		}
		all, err := s.cfg.Incident.Statements(tx, id)
		out.Items = make([]Statement, 0, len(all))
		for _, st := range all {
			out.Items = append(out.Items, wireStatement(st))
		}
		return err
	})
	return done(c, out, err)
}

// orAbsent is err, or that the object is not there.
func orAbsent(err error, c *call, id ident.ID) error {
	if err != nil {
		return err
	}
	return access.Absent(c.route.Act, id)
}

func (s *server) publishStatement(c *call) error {
	var in PublicationIn
	if err := c.json(&in); err != nil {
		return err
	}
	return c.empty(s.cfg.Incident.Publish(c.ctx, c.actor, c.id("id"), notice.Lang(in.Lang), in.Number))
}

func (s *server) writeStatement(c *call) error {
	var in StatementIn
	if err := c.json(&in); err != nil {
		return err
	}
	if lang := notice.Lang(in.Lang); lang != notice.ZH && lang != notice.EN {
		return ident.Invalid("lang", "unknown", `lang must be "zh" or "en"`)
	}
	st, err := s.cfg.Incident.WriteStatement(c.ctx, c.actor, c.id("id"), notice.Lang(in.Lang))
	return done(c, wireStatement(st), err)
}
