package api

import (
	"context"
	"io"
	"strconv"
	"time"

	"surety/domain/report"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/ledger"
)

// txn is a transaction of a view.
type txn = *db.Tx

// view reads without a check of its own: what was read decides the check.
func (s *server) view(c *call, fn func(tx txn) error) error { return s.cfg.DB.View(c.ctx, fn) }

// nobody is a view that reads nothing: the check alone was wanted.
func nobody(*db.Tx) error { return nil }

// AuditRecords is a page of the audit log, newest first.
type AuditRecords struct {
	Items []audit.Record `json:"items"`
	Next  string         `json:"next"`
}

// BooksCheck is the proof of the books.
type BooksCheck struct {
	Accounts  int      `json:"accounts"`
	Transfers int      `json:"transfers"`
	Balanced  bool     `json:"balanced" doc:"debits equal credits in every currency, and nothing else is wrong"`
	Problems  []string `json:"problems"`
}

// LossRate is the loss rate of a period, with what was done about it.
type LossRate struct {
	From           time.Time    `json:"from"`
	To             time.Time    `json:"to"`
	Payments       report.Count `json:"payments" doc:"that the host carried out"`
	Lost           report.Count `json:"lost" doc:"payments that a decided claim confirms as not the payer's"`
	LostUnrecorded report.Count `json:"lost_unrecorded" doc:"confirmed without a payment in our records"`
	Stopped        report.Count `json:"stopped"`
	Disturbed      report.Count `json:"disturbed" doc:"challenged or held, and gone in the end"`
	WouldStop      report.Count `json:"would_stop" doc:"of past payments: those that the rules would not have let pass"`
	WouldSave      report.Count `json:"would_save" doc:"the part of them that was lost"`
	PaidBack       report.Count `json:"paid_back" doc:"by the ledger"`
	ByNumber       report.Rate  `json:"by_number"`
	ByValue        report.Rate  `json:"by_value"`
}

func (s *server) recordRoutes() []route {
	routes := []route{
		{Method: "GET", Path: "/v1/audit", ID: "audit-list", Act: access.ActAuditRead, Summary: "What was done, newest first",
			Query: []param{{Name: "object"}, {Name: "actor"}, {Name: "act"}, {Name: "outcome", Enum: []string{"done", "refused", "read"}},
				{Name: "from", Kind: "time"}, {Name: "to", Kind: "time"}, {Name: "cursor"}, {Name: "limit", Kind: "integer"}},
			Out: jsonOut[AuditRecords]("a page"), Do: s.listAudit},
		{Method: "GET", Path: "/v1/audit/{id}/proof", ID: "audit-proof", Act: access.ActAuditRead,
			Summary: "Proof that an entry is in the log", Out: jsonOut[audit.Proof]("an RFC 6962 inclusion proof under a signed head"),
			Do: s.auditProof},
		{Method: "GET", Path: "/v1/audit/head", ID: "audit-head", Act: access.ActAuditRead,
			Summary: "The signed head of the log; keep it where we cannot reach it", Out: jsonOut[audit.Head]("the head"), Do: s.auditHead},
		{Method: "GET", Path: "/v1/books.hledger", ID: "books-hledger", Act: access.ActBooksExport, Long: true,
			Summary: "The books as hledger text", Out: answer{Type: typeText, Doc: "check them with hledger"}, Do: s.books(ledger.ExportHledger)},
		{Method: "GET", Path: "/v1/books.beancount", ID: "books-beancount", Act: access.ActBooksExport, Long: true,
			Summary: "The books as beancount text", Out: answer{Type: typeText, Doc: "check them with bean-check"},
			Do: s.books(ledger.ExportBeancount)},
		{Method: "GET", Path: "/v1/books/check", ID: "books-check", Act: access.ActBooksVerify, Long: true,
			Summary: "Prove the books from the transfers alone", Out: jsonOut[BooksCheck]("what was found"), Do: s.checkBooks},
		{Method: "GET", Path: "/metrics", ID: "metrics", Act: access.ActReportRead, Summary: "Figures for Prometheus",
			Out: answer{Type: typeText, Doc: "durations by route, decisions by outcome"}, Do: s.metrics},
	}
	if s.cfg.Report == nil {
		return routes
	}
	return append(routes, route{Method: "GET", Path: "/v1/reports/loss-rate", ID: "report-loss-rate", Act: access.ActReportRead,
		Summary: "The loss rate of a period, from the books", Query: []param{{Name: "from", Kind: "time", Must: true},
			{Name: "to", Kind: "time", Must: true}}, Out: jsonOut[LossRate]("by number and by value"), Do: s.lossRate})
}

func (s *server) listAudit(c *call) error {
	f := audit.Filter{Object: c.str("object"), Actor: c.str("actor"), Act: c.str("act"), Outcome: audit.Outcome(c.str("outcome"))}
	var err error
	if f.From, err = c.when("from"); err != nil {
		return err
	}
	if f.To, err = c.when("to"); err != nil {
		return err
	}
	if f.Limit, err = c.limit(); err != nil {
		return err
	}
	if v := c.str("cursor"); v != "" {
		if f.Before, err = strconv.ParseInt(v, 10, 64); err != nil || f.Before < 1 {
			return ident.Invalid("cursor", "cursor_malformed", "this cursor is not one that was given out; begin at the first page")
		}
	}
	out := AuditRecords{}
	err = s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: f.Object}, func(tx *db.Tx) error {
		all, err := s.cfg.Audit.Find(tx, f)
		out = AuditRecords{Items: list(all)}
		if n := len(all); n == f.Limit && all[n-1].Index > 0 {
			out.Next = strconv.FormatInt(all[n-1].Index, 10)
		}
		return err
	})
	return done(c, out, err)
}

func (s *server) auditProof(c *call) error {
	if err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{ID: c.id("id")}, nobody); err != nil {
		return err
	}
	p, err := s.cfg.Audit.Prove(c.ctx, c.id("id"))
	return done(c, p, err)
}

func (s *server) auditHead(c *call) error {
	if err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody); err != nil {
		return err
	}
	h, err := s.cfg.Audit.SignHead(c.ctx)
	return done(c, h, err)
}

// books streams an export. An error in the middle drops the connection, so that
// half the books do not look like all of them.
func (s *server) books(export func(ctx context.Context, d *db.DB, w io.Writer) error) func(c *call) error {
	return func(c *call) error {
		if err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody); err != nil {
			return err
		}
		c.w.Header().Set("Content-Type", typeText)
		return export(c.ctx, s.cfg.DB, c.w)
	}
}

func (s *server) checkBooks(c *call) error {
	if err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody); err != nil {
		return err
	}
	rep, err := ledger.Check(c.ctx, s.cfg.DB)
	return done(c, BooksCheck{Accounts: rep.Accounts, Transfers: rep.Transfers, Balanced: rep.Balanced, Problems: list(rep.Problems)}, err)
}

func (s *server) metrics(c *call) error {
	if err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody); err != nil {
		return err
	}
	s.meters.handler.ServeHTTP(c.w, c.r)
	return nil
}

func (s *server) lossRate(c *call) error {
	var span [2]time.Time
	var err error
	for i, name := range []string{"from", "to"} {
		if span[i], err = c.when(name); err != nil {
			return err
		}
	}
	if !span[0].Before(span[1]) {
		return ident.Invalid("from", "window", "from must be before to")
	}
	l, err := s.cfg.Report.LossRate(c.ctx, c.actor, span[0], span[1])
	return done(c, LossRate{From: l.From, To: l.To, Payments: l.Payments, Lost: l.Lost, LostUnrecorded: l.LostUnrecorded,
		Stopped: l.Stopped, Disturbed: l.Disturbed, WouldStop: l.WouldStop, WouldSave: l.WouldSave, PaidBack: l.PaidBack,
		ByNumber: l.ByNumber, ByValue: l.ByValue}, err)
}
