package api

import (
	"strings"
	"time"

	lists "surety/domain/list"
	"surety/platform/access"
	"surety/platform/db"
)

// ListReason is why, for people.
type ListReason struct {
	ZH string `json:"zh,omitempty" doc:"one of the two is enough; it then stands for both"`
	EN string `json:"en,omitempty"`
}

// ListEntryIn is what somebody says of an account, a device, a number, a name or
// an address.
type ListEntryIn struct {
	ID         string     `json:"id" doc:"made by the caller"`
	Kind       string     `json:"kind" enum:"allow,deny,watch"`
	Subject    string     `json:"subject" enum:"account,device,phone,name,address"`
	Value      string     `json:"value" doc:"in any spelling; an address may be one or a network such as 203.0.113.0/24"`
	Reason     ListReason `json:"reason"`
	Source     string     `json:"source" enum:"carrier,police,institution,own,other" doc:"who says so; only own is shared with others"`
	Confidence int        `json:"confidence" doc:"permille, 1 to 1000"`
	Signal     string     `json:"signal,omitempty" doc:"what it is about; see /v1/intelligence/signals"`
	Note       string     `json:"note,omitempty" doc:"shown only with the entry itself; kept sealed"`
	From       time.Time  `json:"from,omitzero" doc:"left out: from now on"`
	Until      time.Time  `json:"until,omitzero" doc:"watch: at most 366 days, allow: at most 90; only deny may do without"`
}

// ListEntry is an entry of a list. Phones and names are masked but where one entry
// is asked for.
type ListEntry struct {
	ListEntryIn
	Masked     bool      `json:"masked" doc:"the value is shown in part"`
	State      string    `json:"state" enum:"waiting,live,expired,removed"`
	Reported   bool      `json:"reported" doc:"it came as shared intelligence"`
	AddedBy    string    `json:"added_by"`
	AddedAt    time.Time `json:"added_at"`
	RemovedBy  string    `json:"removed_by,omitempty"`
	RemovedAt  time.Time `json:"removed_at,omitzero"`
	RemovedWhy string    `json:"removed_why,omitempty"`
	Version    int       `json:"version"`
}

// ListEntryFull is one entry in full, and what else stands about its value.
type ListEntryFull struct {
	ListEntry
	Also []ListEntry `json:"also" doc:"other entries about the same value that are not over, on any list; at most 20"`
}

// ListPage is a page of entries, newest first.
type ListPage struct {
	Items []ListEntry `json:"items"`
	Next  string      `json:"next"`
}

// ListRemoval takes an entry off its list.
type ListRemoval struct {
	Why string `json:"why"`
}

// ListExtension lets an entry last longer.
type ListExtension struct {
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// ListEvent is one thing that happened to an entry.
type ListEvent struct {
	Version          int       `json:"version" doc:"that it made"`
	What             string    `json:"what" enum:"added,extended,renewed,removed"`
	By               string    `json:"by"`
	At               time.Time `json:"at"`
	Why              string    `json:"why,omitempty"`
	UntilBefore      time.Time `json:"until_before,omitzero"`
	UntilAfter       time.Time `json:"until_after,omitzero"`
	ReasonBefore     string    `json:"reason_before,omitempty" doc:"if it changed: zh | en"`
	ConfidenceBefore int       `json:"confidence_before,omitempty" doc:"if it changed"`
}

// ListHistory is all that happened to an entry, oldest first.
type ListHistory struct {
	Items []ListEvent `json:"items"`
}

// ListCounts is what stands now, and how memory follows it.
type ListCounts struct {
	Items   []lists.Count `json:"items" doc:"by list and subject; a pair without entries is left out"`
	Memory  int           `json:"memory" doc:"entries that payments are held against"`
	Fresh   time.Time     `json:"fresh,omitzero" doc:"when memory was last known to have all"`
	Current bool          `json:"current" doc:"false: memory could not follow since then"`
}

// ListImportReport accounts for every row of a file.
type ListImportReport struct {
	Rows      int             `json:"rows"`
	Added     int             `json:"added"`
	Renewed   int             `json:"renewed" doc:"stood already, by the same source, with another reason, confidence or expiry"`
	Unchanged int             `json:"unchanged"`
	KeptOff   int             `json:"kept_off" doc:"left out, for a person took the same off within the last 366 days"`
	Kept      []lists.KeptOff `json:"kept" doc:"the first 1000 of these"`
}

// ListImportLine is one line of an import's progress: a count, or at the end the
// report or the problem.
type ListImportLine struct {
	Done    int               `json:"done,omitempty"`
	Total   int               `json:"total,omitempty"`
	Report  *ListImportReport `json:"report,omitempty"`
	Problem *Problem          `json:"problem,omitempty"`
}

// SignalIn is what a carrier, the police or another institution tells us.
type SignalIn struct {
	ID         string    `json:"id" doc:"made by the sender; the entry has it too"`
	Signal     string    `json:"signal" doc:"sim_swap, mule_account …: see /v1/intelligence/signals"`
	Subject    string    `json:"subject" enum:"account,device,phone,name,address"`
	Value      string    `json:"value"`
	Source     string    `json:"source" enum:"carrier,police,institution,own,other"`
	Confidence int       `json:"confidence" doc:"permille, 1 to 1000"`
	Since      time.Time `json:"since,omitzero" doc:"when it became so; left out: now"`
	Until      time.Time `json:"until,omitzero" doc:"left out, or later than the signal's own expiry: that expiry"`
	Note       string    `json:"note,omitempty" doc:"for people; kept sealed"`
}

// SignalList is the signals that are taken in.
type SignalList struct {
	Pack  string             `json:"pack" doc:"that says what each does, with version"`
	Items []lists.SignalInfo `json:"items"`
}

// SharedEntry is an entry as other institutions get it.
type SharedEntry struct {
	ID         string    `json:"id" doc:"what comes later under it replaces it"`
	Kind       string    `json:"kind" enum:"deny,watch"`
	Subject    string    `json:"subject" enum:"account,device,phone,name,address"`
	Value      string    `json:"value,omitempty" doc:"of an account, device or address"`
	Hash       string    `json:"hash,omitempty" doc:"of a phone or a name, by the scheme"`
	Signal     string    `json:"signal,omitempty"`
	Confidence int       `json:"confidence"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until,omitzero" doc:"left out: until it is withdrawn"`
	Changed    time.Time `json:"changed"`
	Withdrawn  bool      `json:"withdrawn" doc:"it stands no more"`
}

// SharedFeed is a page of what this house shares, in the order of changes.
type SharedFeed struct {
	Scheme lists.Scheme  `json:"scheme" doc:"how phones and names are hashed"`
	Items  []SharedEntry `json:"items"`
	Next   string        `json:"next" doc:"send it as since for what comes after, also later"`
	More   bool          `json:"more" doc:"there is a next page already"`
}

// listHandlers answers for the lists and for shared intelligence.
type listHandlers struct {
	*server
	lists *lists.Service
}

const (
	listPath        = "/v1/lists/{id}"
	listImportLimit = 256 * mib
)

func (s *server) listRoutes(svc *lists.Service) []route {
	h := listHandlers{s, svc}
	kind := param{Name: "kind", Enum: []string{"allow", "deny", "watch"}}
	subject := param{Name: "subject", Enum: []string{"account", "device", "phone", "name", "address"}}
	source := param{Name: "source", Enum: []string{"carrier", "police", "institution", "own", "other"}}
	return append([]route{
		{Method: "POST", Path: "/v1/lists", ID: "list-add", Act: access.ActListEdit, Summary: "Put on a list",
			In: jsonIn[ListEntryIn](), Out: created[ListEntry]("the entry"), Lookup: listPath, Do: h.add},
		{Method: "GET", Path: "/v1/lists", ID: "list-find", Act: access.ActListRead, Summary: "Entries of the lists, newest first",
			Query: []param{kind, subject, source, {Name: "signal"}, {Name: "state", Enum: []string{"waiting", "live", "expired", "removed"}},
				{Name: "value", Doc: "in any spelling; of an address, the networks that hold it"},
				{Name: "ending", Kind: "time", Doc: "not over yet, but before this"}, {Name: "cursor"}, {Name: "limit", Kind: "integer"}},
			Out: jsonOut[ListPage]("a page; phones and names are masked"), Do: h.find},
		{Method: "GET", Path: "/v1/lists/counts", ID: "list-counts", Act: access.ActListRead, Summary: "How many entries stand now",
			Out: jsonOut[ListCounts]("by list and subject"), Do: h.counts},
		{Method: "GET", Path: "/v1/lists/words", ID: "list-words", Act: access.ActListRead,
			Summary: "What the codes of lists, subjects, sources, states and signals are called",
			Out:     jsonOut[lists.Vocabulary]("in zh and en"), Do: h.words},
		{Method: "GET", Path: listPath, ID: "list-get", Act: access.ActListRead, Summary: "One entry in full",
			Out: jsonOut[ListEntryFull]("the entry, unmasked; the look is recorded"), Do: h.get},
		{Method: "GET", Path: listPath + "/history", ID: "list-history", Act: access.ActListRead, Summary: "What happened to an entry",
			Out: jsonOut[ListHistory]("oldest first"), Do: h.history},
		{Method: "POST", Path: listPath + "/removal", ID: "list-remove", Act: access.ActListEdit,
			Summary: "Take off a list; the entry stays in the record",
			In:      jsonIn[ListRemoval](), Out: jsonOut[ListEntry]("the entry after it"), Lookup: listPath, Do: h.remove},
		{Method: "POST", Path: listPath + "/extension", ID: "list-extend", Act: access.ActListEdit, Summary: "Let an entry last longer",
			In: jsonIn[ListExtension](), Out: jsonOut[ListEntry]("the entry after it"), Lookup: listPath, Do: h.extend},
		{Method: "POST", Path: "/v1/lists/import", ID: "list-import", Act: access.ActListEdit, Long: true, Summary: "Put a file on the lists",
			In: fileIn(listImportLimit, "CSV kind,subject,value,reason,source,confidence,until (and ,from), or one entry a line",
				typeCSV, typeNDJSON),
			Out: jsonOut[ListImportReport]("every row accounted for"),
			Text: "If any row is wrong, nothing is written and every problem is named. A row whose source has said the same before renews " +
				"that entry. Sending the file again completes an import that was interrupted. With Accept: application/x-ndjson the answer is " +
				"a stream of {\"done\",\"total\"} and, last, {\"report\"} or {\"problem\"}.",
			Do: h.load},
		h.exportRoute(lists.CSV, typeCSV, kind, subject, source),
		h.exportRoute(lists.NDJSON, typeNDJSON, kind, subject, source),
	}, h.intelligence()...)
}

func (h listHandlers) exportRoute(format lists.Format, kind string, filters ...param) route {
	return route{Method: "GET", Path: "/v1/lists/export." + string(format), ID: "list-export-" + string(format), Act: access.ActListRead,
		Also: []access.Act{access.ActListEdit}, Long: true, Summary: "The lists as a file that can be imported again",
		Text: "What is removed or over is left out. So are phones, names and notes, unless personal=true is asked by who may edit the lists.",
		Query: append([]param{{Name: "personal", Enum: []string{"true"},
			Doc: "phones, names and notes too, in full; that is recorded"}}, filters...),
		Out: answer{Type: kind, Doc: "the file"}, Do: h.export(format, kind)}
}

func (h listHandlers) intelligence() []route {
	return []route{
		{Method: "POST", Path: "/v1/intelligence", ID: "signal-report", Act: access.ActListReport,
			Summary: "Tell us of a hijacked number, a mule account, a lost phone …", In: jsonIn[SignalIn](),
			Out: created[ListEntry]("the entry that it became"),
			Text: "For carriers, the police, other institutions and the host's own detectors. The pack of signals says on which list, " +
				"and how long.",
			Lookup: listPath, Do: h.report},
		{Method: "GET", Path: "/v1/intelligence", ID: "signal-feed", Act: access.ActListRead,
			Summary: "What this house shares, in the order of changes",
			Text: "Only what it found out itself (source own) on deny and watch lists. Phones and names are hashed. Keep next, and ask " +
				"again with it: what was changed comes again, what was removed comes as withdrawn.",
			Query: []param{{Name: "since", Doc: "the next of an earlier answer, or a time"}, {Name: "limit", Kind: "integer"}},
			Out:   jsonOut[SharedFeed]("a page"), Do: h.feed},
		{Method: "GET", Path: "/v1/intelligence/signals", ID: "signal-list", Act: access.ActListRead,
			Summary: "Which signals are taken in, and what becomes of each", Out: jsonOut[SignalList]("the signals"), Do: h.signals},
		{Method: "POST", Path: "/v1/intelligence/{id}/withdrawal", ID: "signal-withdraw", Act: access.ActListReport,
			Summary: "Take back a signal that you sent",
			In:      jsonIn[ListRemoval](), Out: jsonOut[ListEntry]("the entry after it"), Lookup: listPath, Do: h.withdraw},
	}
}

func (h listHandlers) wire(e lists.Entry) ListEntry {
	return ListEntry{
		ListEntryIn: ListEntryIn{ID: e.ID, Kind: string(e.Kind), Subject: string(e.Subject), Value: e.Value, Reason: ListReason(e.Reason),
			Source: string(e.Source), Confidence: e.Confidence, Signal: e.Signal, Note: e.Note, From: e.From, Until: e.Until},
		Masked: e.Masked, State: string(e.At(h.cfg.Clock.Now())), Reported: e.Reported, AddedBy: e.AddedBy, AddedAt: e.AddedAt,
		RemovedBy: e.RemovedBy, RemovedAt: e.RemovedAt, RemovedWhy: e.RemovedWhy, Version: e.Version,
	}
}

func (h listHandlers) wireAll(es []lists.Entry) []ListEntry {
	out := make([]ListEntry, 0, len(es))
	for _, e := range es {
		out = append(out, h.wire(e))
	}
	return out
}

func (h listHandlers) add(c *call) error {
	var in ListEntryIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.ID)
	e, again, err := h.lists.Add(c.ctx, c.actor, lists.Statement{ID: in.ID, Kind: lists.Kind(in.Kind), Subject: lists.Subject(in.Subject),
		Value: in.Value, Reason: lists.Reason(in.Reason), Source: lists.Source(in.Source), Confidence: in.Confidence, Signal: in.Signal,
		Note: in.Note, From: in.From, Until: in.Until})
	if err != nil {
		return err
	}
	return c.replyAgain(h.wire(e), again)
}

func (h listHandlers) find(c *call) error {
	f := lists.Filter{Kind: lists.Kind(c.str("kind")), Subject: lists.Subject(c.str("subject")), Source: lists.Source(c.str("source")),
		Signal: c.str("signal"), State: lists.State(c.str("state")), Value: c.str("value")}
	var err error
	if f.Ending, err = c.when("ending"); err != nil {
		return err
	}
	if f.Limit, err = c.limit(); err != nil {
		return err
	}
	if f.BeforeAt, f.Before, err = openCursor(c.str("cursor")); err != nil {
		return err
	}
	es, err := h.lists.Find(c.ctx, c.actor, f)
	page := ListPage{Items: h.wireAll(es)}
	if n := len(es); n == f.Limit {
		page.Next = cursor(es[n-1].AddedAt, es[n-1].ID)
	}
	return done(c, page, err)
}

func (h listHandlers) counts(c *call) error {
	st := h.lists.Stats()
	out := ListCounts{Memory: st.Entries, Fresh: st.Fresh, Current: st.Loaded && st.Behind == nil}
	err := h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		counts, err := h.lists.Counts(tx)
		out.Items = list(counts)
		return err
	})
	return done(c, out, err)
}

func (h listHandlers) words(c *call) error {
	return done(c, h.lists.Words(), h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody))
}

func (h listHandlers) get(c *call) error {
	e, also, err := h.lists.View(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	return c.reply(ListEntryFull{ListEntry: h.wire(e), Also: h.wireAll(also)})
}

func (h listHandlers) history(c *call) error {
	events, err := h.lists.History(c.ctx, c.actor, c.id("id"))
	out := ListHistory{Items: make([]ListEvent, 0, len(events))}
	for _, ev := range events {
		out.Items = append(out.Items, ListEvent{Version: ev.Version, What: string(ev.What), By: ev.By, At: ev.At, Why: ev.Why,
			UntilBefore: ev.UntilBefore, UntilAfter: ev.UntilAfter, ReasonBefore: ev.ReasonBefore, ConfidenceBefore: ev.ConfidenceBefore})
	}
	return done(c, out, err)
}

func (h listHandlers) remove(c *call) error {
	var in ListRemoval
	if err := c.json(&in); err != nil {
		return err
	}
	e, err := h.lists.Remove(c.ctx, c.actor, c.id("id"), in.Why)
	return done(c, h.wire(e), err)
}

func (h listHandlers) extend(c *call) error {
	var in ListExtension
	if err := c.json(&in); err != nil {
		return err
	}
	e, err := h.lists.Extend(c.ctx, c.actor, c.id("id"), in.Until, in.Why)
	return done(c, h.wire(e), err)
}

// load imports a file; with NDJSON wanted, it tells how far it is.
func (h listHandlers) load(c *call) error {
	format := lists.CSV
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), typeNDJSON) {
		format = lists.NDJSON
	}
	var progress func(done, total int)
	out := lineWriter{c: c}
	if strings.Contains(c.r.Header.Get("Accept"), typeNDJSON) {
		progress = func(done, total int) {
			if out.send(ListImportLine{Done: done, Total: total}) == nil {
				_ = out.flush() // a caller who has gone does not stop an import
			}
		}
	}
	rep, err := h.lists.Import(c.ctx, c.actor, format, c.r.Body, progress)
	if err != nil {
		if !out.begun {
			return err
		}
		c.w.err = err
		p := problemOf(err, c.w.id, "", true)
		return out.send(ListImportLine{Problem: &p})
	}
	wire := ListImportReport{Rows: rep.Rows, Added: rep.Added, Renewed: rep.Renewed, Unchanged: rep.Unchanged, KeptOff: rep.KeptOff,
		Kept: list(rep.Kept)}
	if progress == nil {
		return c.reply(wire)
	}
	return out.send(ListImportLine{Report: &wire})
}

// download is an answer that says what it is once its first byte is there: until
// then the answer can still be a problem.
type download struct {
	c          *call
	kind, name string
}

// Write implements io.Writer.
func (d *download) Write(p []byte) (int, error) {
	if d.c.w.status == 0 {
		d.c.w.Header().Set("Content-Type", d.kind)
		d.c.w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	}
	return d.c.w.Write(p)
}

// export streams a file. An error in the middle drops the connection, so that half
// a list does not look like all of it.
func (h listHandlers) export(format lists.Format, kind string) func(c *call) error {
	return func(c *call) error {
		out := &download{c: c, kind: kind, name: "lists." + string(format)}
		_, err := h.lists.Export(c.ctx, c.actor, lists.Export{Format: format, Kind: lists.Kind(c.str("kind")),
			Subject: lists.Subject(c.str("subject")), Source: lists.Source(c.str("source")), Personal: c.str("personal") != ""}, out)
		if err == nil {
			_, err = out.Write(nil) // an empty list is a file too
		}
		return err
	}
}

func (h listHandlers) report(c *call) error {
	var in SignalIn
	if err := c.json(&in); err != nil {
		return err
	}
	c.subject(in.ID)
	e, again, err := h.lists.Report(c.ctx, c.actor, lists.Signal{ID: in.ID, Signal: in.Signal, Subject: lists.Subject(in.Subject),
		Value: in.Value, Source: lists.Source(in.Source), Confidence: in.Confidence, Since: in.Since, Until: in.Until, Note: in.Note})
	if err != nil {
		return err
	}
	return c.replyAgain(h.wire(e), again)
}

func (h listHandlers) withdraw(c *call) error {
	var in ListRemoval
	if err := c.json(&in); err != nil {
		return err
	}
	e, err := h.lists.Withdraw(c.ctx, c.actor, c.id("id"), in.Why)
	return done(c, h.wire(e), err)
}

func (h listHandlers) signals(c *call) error {
	items, pack := h.lists.Signals()
	return done(c, SignalList{Pack: pack.String(), Items: items}, h.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody))
}

func (h listHandlers) feed(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	f, err := h.lists.Share(c.ctx, c.actor, c.str("since"), limit)
	if err != nil {
		return err
	}
	out := SharedFeed{Scheme: f.Scheme, Items: make([]SharedEntry, 0, len(f.Items)), Next: f.Next, More: f.More}
	for _, o := range f.Items {
		out.Items = append(out.Items, SharedEntry{ID: o.ID, Kind: string(o.Kind), Subject: string(o.Subject), Value: o.Value, Hash: o.Hash,
			Signal: o.Signal, Confidence: o.Confidence, From: o.From, Until: o.Until, Changed: o.Changed, Withdrawn: o.Withdrawn})
	}
	return c.reply(out)
}
