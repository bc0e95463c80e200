package incident

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
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
	Claim   *claim.Service
	Fund    *fund.Service
	Notice  *notice.Service
	Clock   ident.Clock
	IDs     *ident.Maker
	// Operator is the wallet's name in statements, in zh and en.
	Operator map[string]string
	// ClaimURL is where customers claim, for statements; "" leaves that chapter out.
	ClaimURL string
}

// Service runs incidents.
type Service struct {
	cfg Config
}

// New refuses a missing part and takes on the queue's "claim.paid" events.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Queue == nil || cfg.Vault == nil || cfg.Party == nil || cfg.Payment == nil ||
		cfg.Claim == nil || cfg.Fund == nil || cfg.Notice == nil || cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "incident misses a part of its Config")
	}
	s := &Service{cfg: cfg}
	cfg.Queue.Handle(claim.EventPaid, s.claimPaid)
	return s, nil
}

// Declare opens an incident and freezes its fund for it (A11). The same id and
// body again changes nothing.
func (s *Service) Declare(ctx context.Context, actor ident.Actor, in DeclareIn) (Incident, error) {
	if err := in.Check(); err != nil {
		return Incident{}, err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return Incident{}, err
	}
	hash := sha256.Sum256(body)
	var out Incident
	err = s.cfg.Access.Update(ctx, actor, access.ActIncidentDeclare, access.Object{ID: in.ID}, in, func(tx *db.Tx) error {
		now := s.cfg.Clock.Now()
		n, err := tx.Exec(`insert into incident (id, body_hash, title, status, fund_id, lost_from, lost_to, deadline, approval,
created, version) values ($1, $2, $3, 'declared', $4, $5, $6, $7, '', $8, 1) on conflict (id) do nothing`,
			in.ID, hash[:], in.Title, in.FundID, ident.Micros(in.From), ident.Micros(in.To), ident.Micros(in.Deadline), ident.Micros(now))
		if err != nil {
			return err
		}
		if n == 0 {
			if err := s.sameDeclaration(tx, in.ID, hash[:]); err != nil {
				return err
			}
		} else if err := s.cfg.Fund.FreezeTx(tx, actor, in.FundID, in.ID); err != nil {
			return err
		}
		out, err = s.load(tx, in.ID)
		return err
	})
	return out, err
}

func (s *Service) sameDeclaration(tx *db.Tx, id ident.ID, hash []byte) error {
	var have []byte
	if _, err := tx.Row([]any{&have}, `select body_hash from incident where id = $1`, id); err != nil {
		return err
	}
	if !bytes.Equal(have, hash) {
		return ident.E(ident.KindConflict, "incident_id_taken", "incident %s was declared with other contents; use a new id", id)
	}
	return nil
}

// View shows an incident and its victims; the look at their names is recorded.
func (s *Service) View(ctx context.Context, actor ident.Actor, id ident.ID) (i Incident, vs []Victim, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActIncidentRead, access.Object{ID: id}, func(tx *db.Tx) error {
		if i, err = s.load(tx, id); err != nil {
			return err
		}
		vs, err = s.Victims(tx, id)
		return err
	})
	return i, vs, err
}

// line is what two people sign of one victim.
type line struct {
	Victim  ident.ID     `json:"victim"`
	Amount  money.Amount `json:"amount"`
	To      fund.PayTo   `json:"to"`
	Claim   ident.ID     `json:"claim"`
	Verdict Verdict      `json:"verdict"`
}

// Batch is what is put before two people: everybody who can be paid now.
type Batch struct {
	Victims []Victim
	Waiting []Victim // could be paid, but nobody knows where to: not in it
	Total   money.Amount
	Hash    [32]byte
}

// BatchOf collects the victims that are payable and not yet released.
func BatchOf(vs []Victim) (Batch, error) {
	var b Batch
	var lines []line
	for _, v := range vs {
		if !v.Verdict.Payable() || v.Payout != "" || v.Approval != "" {
			continue
		}
		if v.PayTo.Check() != nil { // one person's account must not hold up all others
			b.Waiting = append(b.Waiting, v)
			continue
		}
		var err error
		if b.Total, err = b.Total.Add(v.Amount); err != nil {
			return b, err
		}
		b.Victims = append(b.Victims, v)
		lines = append(lines, line{v.ID, v.Amount, v.PayTo, v.Claim, v.Verdict})
	}
	body, err := json.Marshal(lines)
	if err != nil {
		return b, err
	}
	b.Hash = sha256.Sum256(body)
	return b, nil
}

// Propose puts everybody who can be paid before a second person; who proposes
// signs first.
func (s *Service) Propose(ctx context.Context, actor ident.Actor, id ident.ID) (b Batch, approval ident.ID, err error) {
	err = s.cfg.Access.Update(ctx, actor, access.ActIncidentPropose, access.Object{ID: id}, nil, func(tx *db.Tx) error {
		i, err := s.load(tx, id)
		if err != nil {
			return err
		}
		if b, err = s.batch(tx, id); err != nil {
			return err
		}
		if len(b.Victims) == 0 {
			return ident.E(ident.KindState, "nobody_to_pay", "no victim of this incident can be paid now")
		}
		approval = s.cfg.IDs.New("apr")
		_, err = s.cfg.Access.Ask(tx, actor, access.Request{
			ID: approval, Act: access.ActIncidentApprove, Object: id, Hash: b.Hash, Amount: b.Total, TTL: proposalTTL,
			Summary: fmt.Sprintf("%s: pay %d people %s from the %s fund", i.Title, len(b.Victims), b.Total, i.FundID),
		})
		if err != nil {
			return err
		}
		i.Approval = approval
		return s.advance(tx, &i, Propose)
	})
	return b, approval, err
}

func (s *Service) batch(tx *db.Tx, id ident.ID) (Batch, error) {
	vs, err := s.Victims(tx, id)
	if err != nil {
		return Batch{}, err
	}
	var ready, waiting []Victim
	for _, v := range vs {
		stuck := false
		if v.Verdict.Payable() && v.Approval == "" && v.Payout == "" {
			c, found, err := s.cfg.Claim.Get(tx, v.Claim)
			if err != nil {
				return Batch{}, err
			}
			stuck = !found || claim.Releasable(c, v.Amount, s.cfg.Clock.Now()) != nil
		}
		if stuck { // one person's claim must not hold up all others
			waiting = append(waiting, v)
		} else {
			ready = append(ready, v)
		}
	}
	b, err := BatchOf(ready)
	b.Waiting = append(b.Waiting, waiting...)
	return b, err
}

// WithdrawProposal takes the proposal back; nothing has been paid by it.
func (s *Service) WithdrawProposal(ctx context.Context, actor ident.Actor, id ident.ID) error {
	return s.cfg.Access.Update(ctx, actor, access.ActIncidentPropose, access.Object{ID: id}, map[string]bool{"withdraw": true},
		func(tx *db.Tx) error {
			i, err := s.load(tx, id)
			if err != nil {
				return err
			}
			if i.Status == Proposed {
				// An approval that has expired or was taken back elsewhere is gone already.
				if _, err := s.cfg.Access.Withdraw(tx, actor, i.Approval); err != nil && !ident.Is(err, ident.KindState) {
					return err
				}
			}
			i.Approval = ""
			return s.advance(tx, &i, Withdraw)
		})
}

// Approve is the second signature: it decides every claim of the batch and sets
// the money aside, all in one act or not at all. hash is what the signer saw.
func (s *Service) Approve(ctx context.Context, actor ident.Actor, id ident.ID, hash [32]byte) (Incident, error) {
	var out Incident
	err := s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		i, err := s.load(tx, id)
		if err != nil {
			return err
		}
		b, err := s.batch(tx, id)
		if err != nil {
			return err
		}
		if i.Status != Proposed {
			_, err := Next(i.Status, Approve)
			return err
		}
		if b.Hash != hash {
			return ident.E(ident.KindConflict, "batch_changed", "the batch is not the one that you saw; look at it again")
		}
		if _, err := s.cfg.Access.Sign(tx, actor, i.Approval, hash); err != nil {
			return err
		}
		if err := s.cfg.Access.Require(tx, access.ActIncidentApprove, id, hash); err != nil {
			return err
		}
		err = s.cfg.Access.Check(tx, actor, access.ActIncidentApprove, access.Object{ID: id}, map[string]string{"approval": i.Approval})
		if err != nil {
			return err
		}
		if err := s.setAside(tx, actor, i, b.Total); err != nil {
			return err
		}
		for _, v := range b.Victims {
			if err := s.release(tx, actor, i, v); err != nil {
				return fmt.Errorf("victim %s: %w", v.ID, err)
			}
		}
		if err := s.advance(tx, &i, Approve); err != nil {
			return err
		}
		out = i
		return nil
	})
	return out, err
}

// setAside earmarks what the batch needs beyond what is set aside already and that
// nobody else was released: money of payouts that failed is still there.
func (s *Service) setAside(tx *db.Tx, actor ident.Actor, i Incident, need money.Amount) error {
	fig, err := s.cfg.Fund.FiguresTx(tx, i.FundID, i.ID)
	if err != nil {
		return err
	}
	there := fig.EarmarkedFor.Minor
	vs, err := s.Victims(tx, i.ID)
	if err != nil {
		return err
	}
	for _, v := range vs {
		if v.Approval != "" && (v.Payout == "" || !v.State.Final()) {
			there -= v.Amount.Minor
		}
	}
	if need.Minor -= max(there, 0); need.Minor <= 0 {
		return nil
	}
	return s.cfg.Fund.EarmarkTx(tx, actor, "ear-"+i.Approval, i.FundID, i.ID, need)
}

// release decides the claim of a victim in the approved batch.
func (s *Service) release(tx *db.Tx, actor ident.Actor, i Incident, v Victim) error {
	c, _, err := s.cfg.Claim.Get(tx, v.Claim)
	if err != nil {
		return err
	}
	approved := c.Decision == claim.ApproveFull || c.Decision == claim.ApprovePartial
	if c.Status != claim.Decided || !approved || c.Confirmed != v.Amount { // else the account alone is another
		kind := claim.ApproveFull
		if v.Amount.Minor < max(c.Claimed.Minor, v.Reported.Minor) {
			kind = claim.ApprovePartial
		}
		err = s.cfg.Claim.ReleaseTx(tx, actor, v.Claim, claim.DecisionIn{Kind: kind, Amount: v.Amount, Words: "incident " + i.ID}, v.PayTo)
	}
	if err != nil {
		return err
	}
	v.Approval = i.Approval
	return s.saveVictim(tx, &v)
}

// Close ends the incident: what is left of the earmark goes back to the fund,
// and the fund is free again.
func (s *Service) Close(ctx context.Context, actor ident.Actor, id ident.ID) error {
	return s.cfg.Access.Update(ctx, actor, access.ActIncidentClose, access.Object{ID: id}, nil, func(tx *db.Tx) error {
		i, err := s.load(tx, id)
		if err != nil {
			return err
		}
		vs, err := s.Victims(tx, id)
		if err != nil {
			return err
		}
		for _, v := range vs {
			if v.Approval != "" && (v.Payout == "" || !v.State.Final()) {
				return ident.E(ident.KindState, "payouts_under_way", "money that two people have released is still on its way")
			}
			if v.Verdict.Payable() && v.State != fund.Settled {
				return ident.E(ident.KindState, "not_all_paid", "victim %s is confirmed and has not been paid", v.ID)
			}
		}
		if err := s.advance(tx, &i, Close); err != nil {
			return err
		}
		if err := s.cfg.Fund.ReleaseEarmarkTx(tx, actor, "rel-"+id, i.FundID, id); err != nil {
			return err
		}
		return s.cfg.Fund.UnfreezeTx(tx, actor, i.FundID, id)
	})
}
