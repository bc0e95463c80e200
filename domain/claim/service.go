package claim

import (
	"bytes"
	"context"
	"embed"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"surety/domain/fund"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/rulebook"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
	"surety/platform/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// Config is what the package needs; all of it is required.
type Config struct {
	DB      *db.DB
	Access  *access.Access
	Queue   *queue.Queue
	Vault   *vault.Vault
	Party   *party.Service
	Payment *payment.Service
	Fund    *fund.Service
	Notice  *notice.Service
	Clock   ident.Clock
	IDs     *ident.Maker
	Files   *Files // evidence
	// Lang is the language of grounds in letters; notice's own default if "".
	Lang notice.Lang
}

// Service keeps claims.
type Service struct {
	cfg Config
}

// New refuses a missing part and takes on the fund's events.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Queue == nil || cfg.Vault == nil || cfg.Party == nil || cfg.Payment == nil ||
		cfg.Fund == nil || cfg.Notice == nil || cfg.Clock == nil || cfg.IDs == nil || cfg.Files == nil {
		return nil, ident.E(ident.KindInternal, "config", "claim misses a part of its Config")
	}
	if cfg.Lang == "" {
		cfg.Lang = notice.ZH
	}
	s := &Service{cfg: cfg}
	cfg.Queue.Handle(fund.EventSettled, s.payoutSettled)
	cfg.Queue.Handle(fund.EventRejected, s.payoutRejected)
	cfg.Queue.Handle(fund.EventReturned, s.payoutReturned)
	return s, nil
}

// Check refuses an incomplete claim, fields in a fixed order.
func (in FileIn) Check() error {
	if err := ident.CheckID("id", in.ID); err != nil {
		return err
	}
	switch in.Kind {
	case Theft, FacePayment, Impostor, Deceived, PaidThenBlocked, WrongAccount:
	default:
		return ident.Invalid("kind", "unknown", "the kind %q is not known", in.Kind)
	}
	if in.Holder == "" || in.Claimant == "" {
		return ident.Invalid("holder", "required", "whose account was it, and who claims?")
	}
	switch in.Basis {
	case LedgerRecord, PoliceConfirmation, ThirdPartyRecord, SwornStatement:
	default:
		return ident.Invalid("basis", "unknown", "the basis %q is not known", in.Basis)
	}
	if in.Basis == PoliceConfirmation && in.PoliceCase == "" {
		return ident.Invalid("police_case", "required", "a claim that rests on the police needs their case number")
	}
	if len(in.Words) > 8000 {
		return ident.Invalid("words", "too_long", "please tell it in at most 8000 bytes; files can be added")
	}
	if len(in.Payments) > 200 {
		return ident.Invalid("payments", "too_many", "at most 200 payments in one claim")
	}
	for i, p := range in.Payments {
		if slices.Contains(in.Payments[:i], p) {
			return ident.Invalid("payments", "twice", "payment %s is named twice", p)
		}
	}
	if len(in.Payments) == 0 {
		return in.Claimed.CheckPositive("claimed")
	}
	return nil
}

// File hands in a claim. A customer can only claim payments out of their own
// accounts; what they claim is the sum of these.
func (s *Service) File(ctx context.Context, actor ident.Actor, in FileIn) (c Claim, err error) {
	if err := s.cfg.Payment.Await(ctx); err != nil { // it may be about a payment of a second ago
		return Claim{}, err
	}
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		c, err = s.FileTx(tx, actor, in)
		return err
	})
	return c, err
}

// FileTx is File in the caller's transaction.
func (s *Service) FileTx(tx *db.Tx, actor ident.Actor, in FileIn) (Claim, error) {
	if err := in.Check(); err != nil {
		return Claim{}, err
	}
	if err := s.cfg.Access.Check(tx, actor, access.ActClaimFile, access.Object{ID: in.ID, Owner: in.Claimant},
		map[string]string{"kind": string(in.Kind), "source": in.Source}); err != nil {
		return Claim{}, err
	}
	hash, err := in.hash()
	if err != nil {
		return Claim{}, err
	}
	if c, found, err := s.again(tx, actor, in.ID, hash); err != nil || found {
		return c, err
	}
	if in, err = s.mayFile(tx, actor, in); err != nil {
		return Claim{}, err
	}
	now := s.cfg.Clock.Now()
	c := Claim{
		ID: in.ID, Kind: in.Kind, Source: in.Source, Holder: in.Holder, Claimant: in.Claimant, Account: in.Account,
		Claimed: in.Claimed, Basis: in.Basis, PoliceCase: in.PoliceCase, LossDate: in.LossDate, Words: in.Words,
		PayTo: in.PayTo, Incident: in.Incident, Status: Draft, Decision: Undecided, Advance: NoAdvance,
		Recovery: NotStarted, Filed: now,
	}
	if c.Claimed, err = s.ownPayments(tx, in); err != nil {
		return Claim{}, err
	}
	c.Confirmed = money.Of(0, c.Claimed.Currency)
	if c, err = Next(c, Submit, now); err != nil {
		return Claim{}, err
	}
	if c.Number, err = number(tx, now.Year()); err != nil {
		return Claim{}, err
	}
	fresh, err := s.insert(tx, c, hash)
	if err != nil {
		return Claim{}, err
	}
	if !fresh { // another process was first; it has committed, or this insert would still wait
		c, found, err := s.again(tx, actor, in.ID, hash)
		if err == nil && !found {
			err = ident.E(ident.KindUnavailable, "claim_busy", "claim %s is just being handed in; ask again", in.ID)
		}
		return c, err
	}
	c.Version = 1
	if err := s.linkPayments(tx, &c, in.Payments); err != nil {
		return Claim{}, err
	}
	if err := s.tell(tx, c.ID, Submit, byWhom(actor), ""); err != nil {
		return Claim{}, err
	}
	return c, s.write(tx, c, "claim.received", notice.Data{
		"at": now, "amount": c.Claimed, "answer_by": c.clock(FirstAnswer).Due, "decide_by": c.clock(DecisionBy).Due,
	})
}

// mayFile refuses a claim on another's account like one on no account, and gives
// a customer's claim what a customer cannot choose.
func (s *Service) mayFile(tx *db.Tx, actor ident.Actor, in FileIn) (FileIn, error) {
	if actor.Kind == ident.Customer {
		if in.Holder != actor.ID {
			return in, ident.NotFound("account", in.Account)
		}
		if in.Incident != "" {
			return in, ident.NotFound("incident", in.Incident)
		}
		in.Source = "portal"
		if in.Basis == LedgerRecord && len(in.Payments) == 0 {
			in.Basis = SwornStatement
		}
	}
	if in.PayTo.Account != "" {
		if err := in.PayTo.Check(); err != nil {
			return in, err
		}
	}
	if in.Account == "" {
		return in, nil
	}
	a, found, err := s.cfg.Party.Account(tx, in.Account)
	if err == nil && (!found || a.PartyID != in.Holder) {
		err = ident.NotFound("account", in.Account)
	}
	return in, err
}

// again answers a repeated call; another body is a conflict.
func (s *Service) again(tx *db.Tx, actor ident.Actor, id ident.ID, hash []byte) (Claim, bool, error) {
	var have []byte
	found, err := tx.Row([]any{&have}, `select body_hash from claim where id = $1`, id)
	if err != nil || !found {
		return Claim{}, false, err
	}
	if !bytes.Equal(have, hash) {
		return Claim{}, true, ident.E(ident.KindConflict, "claim_id_taken", "claim %s was handed in before with other contents; use a new id", id)
	}
	c, found, err := s.Get(tx, id)
	if found && actor.Kind == ident.Customer && c.Claimant != actor.ID { // an heir has taken it over
		return Claim{}, true, access.Absent(access.ActClaimFile, id)
	}
	return c, found, err
}

// ownPayments checks that each payment went out of the account and sums them.
func (s *Service) ownPayments(tx *db.Tx, in FileIn) (money.Amount, error) {
	if len(in.Payments) == 0 {
		return in.Claimed, nil
	}
	var sum money.Amount
	for _, id := range in.Payments {
		p, found, err := s.cfg.Payment.Get(tx, id)
		if err != nil {
			return sum, err
		}
		a, _, err := s.cfg.Party.Account(tx, p.Payer)
		if err != nil {
			return sum, err
		}
		if !found || a.PartyID != in.Holder { // another's payment looks like none
			return sum, ident.Invalid("payments", "payment_not_found", "there is no payment %s out of this account", id)
		}
		if p.State == payment.Blocked || p.State == payment.Refused || p.State == payment.Returned {
			return sum, ident.Invalid("payments", "payment_stopped", "payment %s did not go out; nothing was lost by it", id)
		}
		if sum, err = sum.Add(p.Amount); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// linkPayments ties payments to the claim; a payment of another claim is a conflict.
func (s *Service) linkPayments(tx *db.Tx, c *Claim, ids []string) error {
	for _, id := range ids {
		fresh, err := addPayment(tx, c.ID, id)
		if err != nil {
			return err
		}
		if err := s.cfg.Payment.ReportTx(tx, id, c.ID); err != nil {
			return err
		}
		if fresh {
			c.Payments = append(c.Payments, id)
		}
	}
	return nil
}

// freePayments unties a withdrawn claim's payments.
func (s *Service) freePayments(tx *db.Tx, c Claim) error {
	if _, err := tx.Exec(`delete from claim_payment where claim = $1`, c.ID); err != nil {
		return err
	}
	return s.cfg.Payment.UnreportTx(tx, c.ID)
}

func byWhom(actor ident.Actor) string {
	switch actor.Kind {
	case ident.Customer:
		return "claimant"
	case ident.System:
		return "system"
	}
	return "us"
}

// write sends the claimant a message about the claim. What is said once for each
// decision, payout and question has its own key.
func (s *Service) write(tx *db.Tx, c Claim, template string, data notice.Data) error {
	data["claim"] = c.Number
	_, err := s.cfg.Notice.Send(tx, ident.Job("claim"), notice.Message{
		Key: c.ID + ":" + template + ":" + strconv.Itoa(c.Version) + ":" + c.Payout,
		To:  c.Claimant, Template: template, Data: data,
	})
	return err
}

// step loads, applies an event with change, saves and tells, in the caller's
// transaction.
func (s *Service) step(tx *db.Tx, actor ident.Actor, act access.Act, id ident.ID, e Event, words string,
	change func(c *Claim) error) (Claim, error) {
	c, err := s.load(tx, id)
	if err != nil {
		return c, err
	}
	if err := s.cfg.Access.Check(tx, actor, act, access.Object{ID: id, Owner: c.Claimant}, map[string]string{"event": string(e)}); err != nil {
		return c, err
	}
	if change != nil {
		if err := change(&c); err != nil {
			return c, err
		}
	}
	if c, err = Next(c, e, s.cfg.Clock.Now()); err != nil {
		return c, err
	}
	if err := s.save(tx, &c); err != nil {
		return c, err
	}
	return c, s.tell(tx, c.ID, e, byWhom(actor), words)
}

// JoinTx gives a claim what an incident's sources and the records say of it. What
// it says already changes nothing.
func (s *Service) JoinTx(tx *db.Tx, actor ident.Actor, id ident.ID, in JoinIn) error {
	have, err := s.load(tx, id)
	if err != nil {
		return err
	}
	if in.Confirmed.Minor > 0 && in.Confirmed.Currency != have.Claimed.Currency {
		return ident.Invalid("confirmed", "currency_differs", "the claim is in %s, not in %s", have.Claimed.Currency, in.Confirmed.Currency)
	}
	if have.joined(in) {
		return nil
	}
	c, err := s.step(tx, actor, access.ActClaimAssign, id, Triage, strings.Join(in.Reasons, " "), func(c *Claim) error {
		c.Incident, c.IncidentName, c.Basis, c.Verdict, c.Reasons = in.Incident, in.IncidentName, in.Basis, in.Verdict, in.Reasons
		if in.PoliceCase != "" {
			c.PoliceCase = in.PoliceCase
		}
		if in.PayTo.Account != "" {
			c.PayTo = in.PayTo
		}
		c.Confirmed = in.Confirmed
		return nil
	})
	if err != nil {
		return err
	}
	var fresh []string
	for _, p := range in.Payments {
		if !slices.Contains(c.Payments, p) {
			fresh = append(fresh, p)
		}
	}
	return s.linkPayments(tx, &c, fresh)
}

// joined reports whether a claim in triage says what in says.
func (c Claim) joined(in JoinIn) bool {
	for _, p := range in.Payments {
		if !slices.Contains(c.Payments, p) {
			return false
		}
	}
	return c.Status == Triaged && c.Incident == in.Incident && c.IncidentName == in.IncidentName && c.Basis == in.Basis &&
		c.Verdict == in.Verdict && slices.Equal(c.Reasons, in.Reasons) && c.Confirmed.Minor == in.Confirmed.Minor &&
		(in.PoliceCase == "" || in.PoliceCase == c.PoliceCase) && (in.PayTo.Account == "" || in.PayTo == c.PayTo)
}

// TakeOverTx lets an heir step in: the claim is theirs from now on.
func (s *Service) TakeOverTx(tx *db.Tx, actor ident.Actor, id ident.ID, in TakeOverIn) error {
	if in.Heir == "" || in.Relation == "" || len(in.Documents) == 0 {
		return ident.Invalid("heir", "standing", "an heir needs a name, the relation, and the documents that prove it")
	}
	c, err := s.step(tx, actor, access.ActClaimTakeOver, id, TakeOver, in.Relation+": "+strings.Join(in.Documents, ", "),
		func(c *Claim) error {
			c.Claimant, c.Standing, c.PayTo = in.Heir, in.Relation, in.PayTo
			return nil
		})
	if err != nil {
		return err
	}
	holder, _, err := s.cfg.Party.Get(tx, c.Holder)
	if err != nil {
		return err
	}
	return s.write(tx, c, "claim.taken_over", notice.Data{"relation": in.Relation, "holder": holder.Name, "amount": c.Claimed})
}

// Decide records a person's decision.
func (s *Service) Decide(ctx context.Context, actor ident.Actor, id ident.ID, in DecisionIn) error {
	return s.cfg.Access.Run(ctx, func(tx *db.Tx) error { return s.DecideTx(tx, actor, id, in) })
}

// DecideTx is Decide in the caller's transaction. A refusal names its ground and
// its proofs; nothing but a person may refuse.
func (s *Service) DecideTx(tx *db.Tx, actor ident.Actor, id ident.ID, in DecisionIn) error {
	if in.Kind == Refuse && actor.Kind != ident.Staff {
		return ident.E(ident.KindDenied, "refused_by_machine", "only a person may refuse a claim")
	}
	return s.decide(tx, actor, actor, id, in, fund.PayTo{})
}

// ReleaseTx approves a claim within an act that its own noun has checked and that
// two people have signed, such as an incident's: it is recorded as the product's,
// with the person as who decided. The money goes to the account that they saw.
func (s *Service) ReleaseTx(tx *db.Tx, person ident.Actor, id ident.ID, in DecisionIn, to fund.PayTo) error {
	if person.Kind != ident.Staff || in.Kind == Refuse {
		return ident.E(ident.KindDenied, "not_released", "a person releases a claim, and only to be paid")
	}
	if err := to.Check(); err != nil {
		return err
	}
	return s.decide(tx, ident.Job("incident"), person, id, in, to)
}

func (in DecisionIn) check() error {
	switch in.Kind {
	case ApproveFull, ApprovePartial:
		return in.Amount.CheckPositive("amount")
	case Refuse:
		proofs := slices.DeleteFunc(slices.Clone(in.Proofs), func(p string) bool { return strings.TrimSpace(p) == "" })
		if strings.TrimSpace(in.Ground) == "" || len(proofs) == 0 {
			return ident.Invalid("ground", "required", "a refusal names its ground and its proofs")
		}
		return nil
	}
	return ident.Invalid("kind", "unknown", "a decision is approve_full, approve_partial or refuse")
}

// fits refuses a decision whose kind and amount contradict the claim: who is
// approved in full cannot appeal, so it must not be less than was claimed.
func (in DecisionIn) fits(c *Claim) error {
	switch {
	case in.Kind == Refuse:
		return nil
	case in.Amount.Currency != c.Claimed.Currency:
		return ident.Invalid("amount", "currency_differs", "the claim is in %s, not in %s", c.Claimed.Currency, in.Amount.Currency)
	case in.Kind == ApproveFull && in.Amount.Minor < c.Claimed.Minor:
		return ident.Invalid("kind", "not_full", "%s was claimed; to approve %s is to approve a part", c.Claimed, in.Amount)
	}
	return nil
}

func (s *Service) decide(tx *db.Tx, actor, person ident.Actor, id ident.ID, in DecisionIn, to fund.PayTo) error {
	if err := in.check(); err != nil {
		return err
	}
	c, err := s.step(tx, actor, access.ActClaimDecide, id, Decide, in.Words, func(c *Claim) error {
		if c.Status == Received {
			return ident.E(ident.KindState, "not_triaged", "check the claim against the records first")
		}
		if err := in.fits(c); err != nil {
			return err
		}
		c.Decision, c.Ground = in.Kind, ""
		if in.Kind == Refuse {
			c.Ground = in.Ground
		} else {
			c.Confirmed = in.Amount
		}
		if to.Account != "" {
			c.PayTo = to
		}
		if in.Kind != Refuse && c.PayTo.Account == "" { // a date of payment cannot be promised
			return ident.E(ident.KindState, "no_pay_to", "the claimant has named no account to be paid to; ask for it first")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := addDecision(tx, id, in, person.ID, s.cfg.Clock.Now()); err != nil {
		return err
	}
	if err := s.tellDecided(tx, c); err != nil {
		return err
	}
	if in.Kind == Refuse {
		lang := s.cfg.Lang
		return s.write(tx, c, "claim.refused", notice.Data{
			"ground": Words(in.Ground, lang), "proof": Words(strings.Join(in.Proofs, " "), lang),
			"appeal_by": s.cfg.Clock.Now().Add(appealTime),
		})
	}
	if c.clock(PaymentBy) == nil {
		return nil // it was paid before; there is no new promise to tell of
	}
	return s.write(tx, c, "claim.confirmed", notice.Data{
		"amount": in.Amount, "pay_by": c.clock(PaymentBy).Due, "payee_account": vault.MaskAccount(c.PayTo.Account),
	})
}

// tellDecided lets those below know what was found of the payments: they become
// labels of the risk engine.
func (s *Service) tellDecided(tx *db.Tx, c Claim) error {
	if len(c.Payments) == 0 {
		return nil
	}
	now := s.cfg.Clock.Now()
	return s.cfg.Queue.Put(tx, rulebook.EventClaimDecided, c.ID+"."+strconv.Itoa(c.Version), rulebook.ClaimDecided{Claim: c.ID,
		Kind: string(c.Kind), Decision: string(c.Decision), Ground: c.Ground, Payments: c.Payments, At: now}, now)
}

// PayTx orders the payout of an approved claim from a fund's earmark.
func (s *Service) PayTx(tx *db.Tx, actor ident.Actor, id ident.ID, in PayIn) (fund.Payout, error) {
	c, err := s.step(tx, actor, access.ActFundPay, id, Pay, "", func(c *Claim) error {
		if c.PayTo.Account == "" {
			return ident.E(ident.KindState, "no_pay_to", "the claimant has named no account to be paid to")
		}
		if in.To.Account != "" && in.To != c.PayTo || in.Amount.Minor != 0 && in.Amount != c.Confirmed {
			return ident.E(ident.KindConflict, "not_what_was_approved",
				"the amount or the account of the claim is not the one that was approved; have it approved again")
		}
		c.Payout = in.ID
		return nil
	})
	if err != nil {
		return fund.Payout{}, err
	}
	return s.cfg.Fund.PayTx(tx, actor, fund.PayIn{
		ID: in.ID, FundID: in.FundID, Purpose: in.Purpose, Claim: id, Ref: c.Number, Amount: c.Confirmed, To: c.PayTo,
		Code: fund.CodeCompensation, Basis: string(c.Basis), Approval: in.Approval,
	})
}

// payoutSettled hears that the money has arrived: the claim is settled, the
// claimant is told, the certificate is written, and the layer above is told.
func (s *Service) payoutSettled(tx *db.Tx, j queue.Job) error {
	var e fund.PayoutEvent
	if err := j.Decode(&e); err != nil {
		return err
	}
	if e.Claim == "" {
		return nil
	}
	p, found, err := s.cfg.Fund.Payout(tx, e.Payout)
	if err != nil || !found {
		return err
	}
	actor := ident.Job("claim.settle")
	c, err := s.step(tx, actor, access.ActClaimAdvance, e.Claim, PayoutSettled, "", current(e.Payout))
	if err != nil {
		return err
	}
	cert, err := s.certify(tx, actor, c, p)
	if err != nil {
		return err
	}
	err = s.write(tx, c, "claim.paid", notice.Data{
		"amount": p.Amount, "at": p.Settled, "payee_account": vault.MaskAccount(p.To.Account), "certificate": cert.Number, "code": cert.Code,
	})
	if err != nil {
		return err
	}
	return s.cfg.Queue.Put(tx, EventPaid, c.Payout, PaidEvent{Claim: c.ID, Incident: c.Incident, Payout: p.ID}, s.cfg.Clock.Now())
}

// current refuses the word about another payout than the one that the claim waits for.
func current(payout ident.ID) func(c *Claim) error {
	return func(c *Claim) error {
		if c.Payout != payout {
			return ident.E(ident.KindConflict, "other_payout", "the claim is paid by payout %s, not by %s", c.Payout, payout)
		}
		return nil
	}
}

func (s *Service) certify(tx *db.Tx, actor ident.Actor, c Claim, p fund.Payout) (notice.Issued, error) {
	in := notice.IssueIn{
		Owner: c.Claimant, PaidAt: p.Settled, Amount: p.Amount, FromFund: p.FundID, PayeeName: short(p.To.Name),
		BankName: short(p.To.Bank), BankAccount: p.To.Account, ClaimID: c.ID, IncidentID: c.Incident,
		IncidentName: short(c.IncidentName), Basis: string(c.Basis),
		PayoutID: p.ID,
	}
	if c.Claimant != c.Holder {
		holder, _, err := s.cfg.Party.Get(tx, c.Holder)
		if err != nil {
			return notice.Issued{}, err
		}
		in.OnBehalfOf = short(holder.Name)
	}
	return s.cfg.Notice.Issue(tx, actor, in)
}

// short keeps a name to what a certificate has room for: no name may keep money
// that has arrived from being booked.
func short(name string) string {
	for len(name) > 150 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

// payoutRejected hears that the money came back: a person must find another
// account, the promise to pay runs on.
func (s *Service) payoutRejected(tx *db.Tx, j queue.Job) error {
	return s.payoutFailed(tx, j, ident.Job("claim.reject"), PayoutRejected)
}

// payoutReturned hears that money which had arrived came back: the promise to pay
// runs anew. The certificate stays, it says what was true.
func (s *Service) payoutReturned(tx *db.Tx, j queue.Job) error {
	return s.payoutFailed(tx, j, ident.Job("claim.return"), PayoutReturned)
}

func (s *Service) payoutFailed(tx *db.Tx, j queue.Job, actor ident.Actor, event Event) error {
	var e fund.PayoutEvent
	if err := j.Decode(&e); err != nil {
		return err
	}
	if e.Claim == "" {
		return nil
	}
	c, err := s.step(tx, actor, access.ActClaimAdvance, e.Claim, event, e.Reason, current(e.Payout))
	if err != nil {
		return err
	}
	return s.write(tx, c, "claim.payment_failed", notice.Data{
		"amount": c.Confirmed, "payee_account": vault.MaskAccount(c.PayTo.Account), "reason": e.Reason,
	})
}

// Move applies an event that needs nothing but words: Ask, Answer, Investigate,
// Close, Withdraw, Appeal.
func (s *Service) Move(ctx context.Context, actor ident.Actor, id ident.ID, e Event, words string) (c Claim, err error) {
	act, ok := moveActs[e]
	if !ok {
		return c, ident.Invalid("event", "unknown", "a claim cannot be moved by %q here", e)
	}
	if (e == Ask || e == Appeal || e == Answer) && strings.TrimSpace(words) == "" {
		return c, ident.Invalid("words", "required", "please say it in words")
	}
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		if c, err = s.step(tx, actor, act, id, e, words, nil); err != nil {
			return err
		}
		if c.Status == Withdrawn { // the payments can be claimed again
			return s.freePayments(tx, c)
		}
		if e == Ask {
			return s.write(tx, c, "claim.needs_you", notice.Data{"question": words, "due": c.clock(ClaimantAnswer).Due})
		}
		return nil
	})
	return c, err
}

var moveActs = map[Event]access.Act{
	Ask: access.ActClaimAsk, Answer: access.ActClaimFile, Investigate: access.ActClaimAssign, Close: access.ActClaimAssign,
	Withdraw: access.ActClaimWithdraw, Appeal: access.ActClaimAppeal,
}

// SetPayTo changes the account that the money shall go to, before it is ordered.
// What two people approve with an incident's batch only the incident changes.
func (s *Service) SetPayTo(ctx context.Context, actor ident.Actor, id ident.ID, to fund.PayTo) error {
	return s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		c, err := s.load(tx, id)
		if err != nil {
			return err
		}
		if err := s.cfg.Access.Check(tx, actor, access.ActClaimFile, access.Object{ID: id, Owner: c.Claimant},
			map[string]string{"field": "pay_to"}); err != nil {
			return err
		}
		if err := s.beingApproved(tx, c); err != nil {
			return err
		}
		if c.Incident != "" && c.PayTo.Account != "" {
			return ident.E(ident.KindState, "pay_to_approved", "the account is the one that is approved with the others of the incident; "+
				"to have another one, please tell us")
		}
		return s.redirect(tx, &c, to)
	})
}

// RedirectTx is SetPayTo in an act that an incident has checked.
func (s *Service) RedirectTx(tx *db.Tx, id ident.ID, to fund.PayTo) error {
	c, err := s.load(tx, id)
	if err != nil || c.PayTo == to {
		return err
	}
	err = s.cfg.Access.Check(tx, ident.Job("incident"), access.ActClaimFile, access.Object{ID: id, Owner: c.Claimant},
		map[string]string{"field": "pay_to"})
	if err != nil {
		return err
	}
	return s.redirect(tx, &c, to)
}

func (s *Service) redirect(tx *db.Tx, c *Claim, to fund.PayTo) error {
	if err := to.Check(); err != nil {
		return err
	}
	switch c.Status {
	case Paying, Settled, Closed, Withdrawn:
		return ident.E(ident.KindState, "not_in_this_state", "the money is on its way or the claim is closed")
	}
	if c.PayTo == to {
		return nil
	}
	c.PayTo = to
	return s.save(tx, c)
}

// View shows a claim with its story to an actor; a claimant sees only their own.
func (s *Service) View(ctx context.Context, actor ident.Actor, id ident.ID) (c Claim, story []Story, err error) {
	err = s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		if c, err = s.load(tx, id); err != nil {
			return err
		}
		story, err = s.Story(tx, id)
		return err
	})
	if err != nil {
		return Claim{}, nil, err
	}
	err = s.cfg.Access.View(ctx, actor, access.ActClaimRead, access.Object{ID: id, Owner: c.Claimant}, func(*db.Tx) error { return nil })
	if err != nil {
		return Claim{}, nil, err
	}
	return c, story, nil
}
