package fund

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// StatusReport accounts for every entry of a bank's answer:
// Entries = Settled + Rejected + Pending + Unchanged + len(Problems).
type StatusReport struct {
	Message   string         `json:"message"`   // the bank's id of its answer
	Entries   int            `json:"entries"`   // transactions that it spoke of
	Settled   int            `json:"settled"`   // newly settled
	Rejected  int            `json:"rejected"`  // newly rejected
	Pending   int            `json:"pending"`   // the bank has it and is not done
	Unchanged int            `json:"unchanged"` // known before
	Problems  []*ident.Error `json:"problems"`  // each names the entry: Row counts from 1, Field is its id
}

// entry is the bank's word on one payout.
type entry struct {
	row     int
	payout  ident.ID
	message ident.ID // the batch
	status  string
	amount  money.Amount // zero if the bank does not repeat it
	ref     string
	reason  string
	twice   bool // refused as a second copy, which says nothing of the first
}

// ImportStatus reads the bank's answer (pain.002.001.10). Each entry is an act of
// its own: what is wrong with one is reported, and the good rest is taken. The
// same file again changes nothing. An error is about the whole file, or says that
// the rest has yet to be imported: import it again.
func (s *Service) ImportStatus(ctx context.Context, actor ident.Actor, r io.Reader) (StatusReport, error) {
	rep := StatusReport{Problems: []*ident.Error{}}
	data, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if err != nil {
		return rep, ident.E(ident.KindUnavailable, "file_unreadable",
			"the file could not be read to its end; send it again").Because(err)
	}
	detail := map[string]int{"bytes": len(data)}
	err = s.cfg.Access.Update(ctx, actor, access.ActFundSettle, access.Object{ID: "pain.002"}, detail,
		func(*db.Tx) error { return nil })
	if err != nil {
		return rep, err
	}
	var doc doc002
	if err := readXML(data, &doc, space002); err != nil {
		return rep, err
	}
	rep.Message = clean(doc.Report.MsgID, maxID)
	entries, err := s.entries(ctx, doc.Report, &rep)
	if err != nil {
		return rep, err
	}
	for _, e := range entries {
		if err := s.take(ctx, actor, e, &rep); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

// entries lists what the report says of each payout. A report that speaks of the
// file as a whole, or of the payment information, speaks of each payout in it.
func (s *Service) entries(ctx context.Context, r report002, rep *StatusReport) ([]entry, error) {
	var out []entry
	problem := func(err error, field string) {
		rep.Problems = append(rep.Problems, problemOf(err, rep.Entries, field))
	}
	whole := func(status string, rs []reason002) error {
		b, ps, err := s.batch(ctx, r.Group.MsgID)
		g := r.Group
		if err == nil && (g.Count != "" && g.Count != strconv.Itoa(b.Count) || g.Sum != "" && g.Sum != b.Amount.Plain()) {
			err = ident.Invalid("OrgnlGrpInfAndSts", "control_sum", "the count or the sum is not that of batch %s", b.ID)
		}
		if err != nil {
			rep.Entries++
			if kind := ident.KindOf(err); kind != ident.KindNotFound && kind != ident.KindInvalid {
				return err
			}
			problem(err, r.Group.MsgID)
			return nil
		}
		for _, p := range ps {
			rep.Entries++
			out = append(out, entry{row: rep.Entries, payout: p.ID, message: b.ID, status: status, amount: p.Amount,
				reason: why(rs), twice: duplicate(rs)})
		}
		return nil
	}
	spoke := false
	for _, p := range r.Payments {
		above := slices.Concat(p.Reasons, r.Group.Reasons)
		for _, t := range p.Txs {
			spoke = true
			rep.Entries++
			e, err := t.entry(rep.Entries, r.Group.MsgID, above)
			if err == nil {
				err = p.ours(e.payout, r.Group.MsgID)
			}
			if err != nil {
				problem(err, "")
				continue
			}
			out = append(out, e)
		}
		if len(p.Txs) > 0 || p.Status == "" {
			continue
		}
		spoke = true
		if err := p.ours("OrgnlPmtInfAndSts", r.Group.MsgID); err != nil {
			rep.Entries++
			problem(err, "")
		} else if err := whole(p.Status, above); err != nil {
			return nil, err
		}
	}
	if !spoke && r.Group.Status != "" {
		return out, whole(r.Group.Status, r.Group.Reasons)
	}
	if !spoke {
		return nil, ident.Invalid("file", "status_empty", "the file says nothing of any payment")
	}
	return out, nil
}

// ours refuses what is said of another payment information than the one that we
// sent: each of our files has one, with the message's own id (see pain001).
func (p payments002) ours(field string, message ident.ID) error {
	if p.ID == message {
		return nil
	}
	return ident.Invalid(field, "other_payment_information",
		"the bank speaks of the payment information %.40q; in the file %.40q there is none but %.40q", p.ID, message, message)
}

// entry reads the word on one transaction; above are the reasons that the report
// gives for all of them.
func (t tx002) entry(row int, message ident.ID, above []reason002) (e entry, err error) {
	at, rs := "TxInfAndSts "+strconv.Itoa(row), t.Reasons
	if len(rs) == 0 {
		rs = above
	}
	e = entry{row: row, message: message, ref: clean(t.Ref, maxID), reason: why(rs),
		twice: duplicate(t.Reasons) || duplicate(above)}
	if e.payout, err = one(at, "OrgnlEndToEndId", t.EndToEnd); err != nil {
		return e, err
	}
	if err := ident.CheckID(at, e.payout); err != nil {
		return e, err
	}
	if e.status, err = one(at, "TxSts", t.Status); err != nil {
		return e, err
	}
	if t.Original == nil || len(t.Original.Amount) == 0 {
		return e, nil
	}
	if len(t.Original.Amount) > 1 {
		return e, ident.Invalid(at, "status_malformed", "InstdAmt stands there %d times", len(t.Original.Amount))
	}
	e.amount, err = t.Original.Amount[0].read(at)
	return e, err
}

// problemOf makes what is wrong with an entry name the entry.
func problemOf(err error, row int, field string) *ident.Error {
	var e *ident.Error
	if !errors.As(err, &e) {
		e = ident.E(ident.KindInternal, "entry_failed", "the entry could not be taken").Because(err)
	}
	named := *e
	named.Row = row
	if field != "" {
		named.Field = field
	}
	return &named
}

// takeTries bounds how often an entry is applied to a payout that moves meanwhile.
const takeTries = 4

// take applies one entry in an act of its own. Only an error of the database
// stops the import; any other is the entry's problem.
func (s *Service) take(ctx context.Context, actor ident.Actor, e entry, rep *StatusReport) error {
	var count *int
	var told, err error // told is a problem that is reported of an act that was done
	for range takeTries {
		err = s.cfg.Access.Run(ctx, func(tx *db.Tx) (err error) {
			count, told, err = s.apply(tx, actor, e, rep)
			return err
		})
		if ident.CodeOf(err) != "payout_moved" { // a job has just moved it: look again
			break
		}
	}
	switch ident.KindOf(err) {
	case "":
		if told != nil {
			rep.Problems = append(rep.Problems, problemOf(told, e.row, e.payout))
		} else {
			*count++
		}
		return nil
	case ident.KindUnavailable, ident.KindUnknown, ident.KindDenied, ident.KindUnsignedIn:
		return err
	}
	if ctx.Err() != nil {
		return err
	}
	rep.Problems = append(rep.Problems, problemOf(err, e.row, e.payout))
	return nil
}

// apply does what an entry says and returns which count it belongs to, or what a
// person must be told of it.
func (s *Service) apply(tx *db.Tx, actor ident.Actor, e entry, rep *StatusReport) (count *int, told, err error) {
	p, found, err := s.Payout(tx, e.payout)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case !found, p.To.Rail != RailBank, p.Batch == "":
		return nil, nil, ident.E(ident.KindNotFound, "payout_not_found", "no payout %q was sent to the bank", e.payout)
	case p.Batch != e.message:
		return nil, nil, ident.Invalid(e.payout, "other_message",
			"payout %s was in the file %s, not in %.40q", p.ID, p.Batch, e.message)
	case !e.amount.IsZero() && e.amount != p.Amount:
		return nil, nil, ident.Invalid(e.payout, "amount_differs",
			"payout %s is of %s, the bank speaks of %s", p.ID, p.Amount, e.amount)
	}
	had := p.State == Settled || p.State == Returned
	switch verdicts[e.status] {
	case arrived:
		if had {
			return &rep.Unchanged, nil, nil
		}
		if p.State == Rejected {
			told, err = s.contradicted(tx, actor, &p, e)
			return nil, told, err
		}
		return &rep.Settled, nil, s.finish(tx, actor, &p, Settle, e.ref, "")
	case refused:
		switch {
		case p.State == Rejected, had && e.twice: // the second copy of what was paid
			return &rep.Unchanged, nil, nil
		case e.twice:
			told, err = s.refusedTwice(tx, actor, &p, e)
			return nil, told, err
		case had:
			return nil, nil, contradicts(p, e)
		}
		return &rep.Rejected, nil, s.finish(tx, actor, &p, Reject, e.ref, e.reason)
	case underWay:
		count, err = s.applyUnderWay(tx, actor, &p, e, rep)
		return count, nil, err
	}
	return nil, nil, ident.Invalid(e.payout, "status_unknown", "the status %.10q of payout %s is not known", e.status, p.ID)
}

// contradicts is the one answer that nothing may be done about without a person:
// the bank says the opposite of what it said before, and money may have moved.
func contradicts(p Payout, e entry) error {
	return ident.E(ident.KindConflict, "status_contradicts",
		"payout %s is %s and the bank now says %s; speak to the bank before anything is paid again", p.ID, p.State, e.status)
}

// contradicted marks a rejected payout that the bank now says has arrived: while
// the mark stands, its claim is not paid again (see PayTx).
func (s *Service) contradicted(tx *db.Tx, actor ident.Actor, p *Payout, e entry) (told, err error) {
	told = contradicts(*p, e)
	if p.Contradicted {
		return told, nil
	}
	detail := map[string]any{"contradicted": e.status, "state": p.State, "batch": p.Batch, "rail_ref": e.ref}
	if err := s.cfg.Access.Check(tx, actor, access.ActFundSettle, access.Object{ID: p.ID}, detail); err != nil {
		return nil, err
	}
	p.Contradicted = true
	return told, save(tx, p)
}

// bankDuplicate is the reason of an outcome that is unknown because the bank has
// refused what it takes for a second copy.
const bankDuplicate = "bank_duplicate"

// refusedTwice takes the refusal of a second copy for what it is: no word about
// the first, which the bank may have and pay. The file may reach the bank twice,
// after a crash or by hand; so the outcome is unknown until it speaks of it.
func (s *Service) refusedTwice(tx *db.Tx, actor ident.Actor, p *Payout, e entry) (told, err error) {
	told = ident.E(ident.KindConflict, "status_duplicate",
		"the bank refuses payout %s as a duplicate (%s); that says nothing of the first copy: ask the bank what became of it",
		p.ID, e.reason)
	if p.State == Unknown {
		return told, nil
	}
	return told, s.move(tx, actor, access.ActFundSettle, p, Lose, func(p *Payout) { p.Reason = bankDuplicate })
}

// applyUnderWay notes that the bank has the payout, if that was not known.
func (s *Service) applyUnderWay(tx *db.Tx, actor ident.Actor, p *Payout, e entry, rep *StatusReport) (*int, error) {
	if p.State.Final() {
		return &rep.Unchanged, nil // an old word, overtaken
	}
	if p.State != Unknown {
		return &rep.Pending, nil
	}
	now := s.cfg.Clock.Now()
	err := s.move(tx, actor, access.ActFundSettle, p, Accept, func(p *Payout) { p.Reason = "" })
	if err != nil {
		return nil, err
	}
	again := p.ID + "/" + strconv.Itoa(p.Version)
	return &rep.Pending, s.cfg.Queue.Put(tx, jobReconcile, again, railJob{Payout: p.ID}, now.Add(s.cfg.BankSilence))
}
