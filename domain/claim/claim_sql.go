package claim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
)

const columns = `id, number, kind, source, holder, claimant, standing, account, claimed, confirmed, currency, basis, police_case,
loss_date, sealed, incident, incident_name, verdict, reasons, status, decision, ground, advance, recovery, payout, clocks, filed, version`

// secret is the sealed part of a claim.
type secret struct {
	Words string     `json:"words"`
	PayTo fund.PayTo `json:"pay_to"`
}

// Get reads a claim with its payments; found is false if there is none.
func (s *Service) Get(tx *db.Tx, id ident.ID) (Claim, bool, error) {
	cs, err := s.read(tx, `select `+columns+` from claim where id = $1`, id)
	if err != nil || len(cs) == 0 {
		return Claim{}, false, err
	}
	c := cs[0]
	err = tx.Rows(`select payment from claim_payment where claim = $1 order by payment`, []any{id},
		func(scan func(...any) error) error {
			var p string
			if err := scan(&p); err != nil {
				return err
			}
			c.Payments = append(c.Payments, p)
			return nil
		})
	return c, true, err
}

// load reads a claim that must be there.
func (s *Service) load(tx *db.Tx, id ident.ID) (Claim, error) {
	c, found, err := s.Get(tx, id)
	if err == nil && !found {
		err = ident.NotFound("claim", id)
	}
	return c, err
}

// Filter narrows List; zero fields do not.
type Filter struct {
	Status   Status
	Party    ident.ID // holder or claimant
	Incident ident.ID
	Open     bool      // not closed, withdrawn or settled
	DueBy    time.Time // a promise runs out before
	Before   ident.ID  // cursor: the last id of the page before
	Limit    int       // 50 if zero, at most 500
}

// List returns claims, the ones whose promise runs out next first if DueBy is
// set, else the newest first; without their payments.
func (s *Service) List(tx *db.Tx, f Filter) ([]Claim, error) {
	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if f.Status != "" {
		where = append(where, "status = "+arg(string(f.Status)))
	}
	if f.Party != "" {
		p := arg(f.Party)
		where = append(where, "(holder = "+p+" or claimant = "+p+")")
	}
	if f.Incident != "" {
		where = append(where, "incident = "+arg(f.Incident))
	}
	if f.Open {
		where = append(where, "status not in ('closed', 'withdrawn', 'settled')")
	}
	order := ` order by filed desc, id desc`
	if !f.DueBy.IsZero() {
		where = append(where, "due > 0 and due < "+arg(ident.Micros(f.DueBy)))
		order = ` order by due, id`
	}
	if f.Before != "" {
		where = append(where, "(filed, id) < (select filed, id from claim where id = "+arg(f.Before)+")")
	}
	query := `select ` + columns + ` from claim`
	if len(where) > 0 {
		query += ` where ` + strings.Join(where, " and ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	return s.read(tx, query+order+` limit `+arg(min(limit, 500)), args...)
}

// Counts is how many claims there are in each status.
func (s *Service) Counts(tx *db.Tx) (map[Status]int, error) {
	out := map[Status]int{}
	err := tx.Rows(`select status, count(*) from claim group by status`, nil, func(scan func(...any) error) error {
		var st Status
		var n int
		if err := scan(&st, &n); err != nil {
			return err
		}
		out[st] = n
		return nil
	})
	return out, err
}

func (s *Service) read(tx *db.Tx, query string, args ...any) (out []Claim, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var c Claim
		var lossDate, filed int64
		var currency, reasons, clocks string
		var sealed []byte
		err := scan(&c.ID, &c.Number, &c.Kind, &c.Source, &c.Holder, &c.Claimant, &c.Standing, &c.Account, &c.Claimed.Minor,
			&c.Confirmed.Minor, &currency, &c.Basis, &c.PoliceCase, &lossDate, &sealed, &c.Incident, &c.IncidentName, &c.Verdict, &reasons,
			&c.Status, &c.Decision, &c.Ground, &c.Advance, &c.Recovery, &c.Payout, &clocks, &filed, &c.Version)
		if err != nil {
			return err
		}
		c.Claimed.Currency, c.Confirmed.Currency = money.Currency(currency), money.Currency(currency)
		c.LossDate, c.Filed = ident.FromMicros(lossDate), ident.FromMicros(filed)
		if err := json.Unmarshal([]byte(reasons), &c.Reasons); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(clocks), &c.Clocks); err != nil {
			return err
		}
		plain, err := s.cfg.Vault.Open(c.ID, "claim", sealed)
		if err != nil {
			return err
		}
		var sec secret
		if err := json.Unmarshal([]byte(plain), &sec); err != nil {
			return err
		}
		c.Words, c.PayTo = sec.Words, sec.PayTo
		out = append(out, c)
		return nil
	})
	return out, err
}

// values are the columns that change, in the order of insert and update.
func (s *Service) values(c Claim) ([]any, error) {
	plain, err := json.Marshal(secret{c.Words, c.PayTo})
	if err != nil {
		return nil, err
	}
	sealed, err := s.cfg.Vault.Seal(c.ID, "claim", string(plain))
	if err != nil {
		return nil, err
	}
	clocks, err := json.Marshal(c.Clocks)
	if err != nil {
		return nil, err
	}
	due := int64(0)
	if k := c.Due(); k != nil {
		due = ident.Micros(k.Due)
	}
	return []any{c.ID, c.Claimant, c.Standing, c.Confirmed.Minor, string(c.Basis), c.PoliceCase, sealed, c.Incident, c.Verdict,
		list(c.Reasons), string(c.Status), string(c.Decision), c.Ground, string(c.Advance), string(c.Recovery), c.Payout,
		string(clocks), due, c.IncidentName}, nil
}

func list(v []string) string {
	if len(v) == 0 {
		return "[]"
	}
	b, err := json.Marshal(v)
	if err != nil { // strings always encode
		return "[]"
	}
	return string(b)
}

// insert writes a new claim; fresh is false if the id is taken.
func (s *Service) insert(tx *db.Tx, c Claim, hash []byte) (fresh bool, err error) {
	args, err := s.values(c)
	if err != nil {
		return false, err
	}
	loss := int64(0)
	if !c.LossDate.IsZero() {
		loss = ident.Micros(c.LossDate)
	}
	n, err := tx.Exec(`insert into claim (id, claimant, standing, confirmed, basis, police_case, sealed, incident, verdict, reasons,
status, decision, ground, advance, recovery, payout, clocks, due, incident_name, body_hash, number, kind, source, holder, account,
claimed, currency, loss_date, filed, version) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
$19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, 1) on conflict (id) do nothing`,
		append(args, hash, c.Number, string(c.Kind), c.Source, c.Holder, c.Account, c.Claimed.Minor, string(c.Claimed.Currency),
			loss, ident.Micros(c.Filed))...)
	return n == 1, err
}

// save writes a changed claim, guarded by the version it was read with.
func (s *Service) save(tx *db.Tx, c *Claim) error {
	args, err := s.values(*c)
	if err != nil {
		return err
	}
	c.Version++
	return tx.ExecOne(
		ident.E(ident.KindConflict, "claim_moved", "the claim was changed by somebody else; look again"),
		`update claim set claimant = $2, standing = $3, confirmed = $4, basis = $5, police_case = $6, sealed = $7, incident = $8,
verdict = $9, reasons = $10, status = $11, decision = $12, ground = $13, advance = $14, recovery = $15, payout = $16, clocks = $17,
due = $18, incident_name = $19, version = version + 1 where id = $1 and version = $20`, append(args, c.Version-1)...)
}

// number gives the next number of the year: "2026-000123-7".
func number(tx *db.Tx, year int) (string, error) {
	var n int64
	_, err := tx.Row([]any{&n}, `insert into claim_number (year, n) values ($1, 1)
on conflict (year) do update set n = claim_number.n + 1 returning n`, year)
	if err != nil {
		return "", err
	}
	digits := fmt.Sprintf("%d%06d", year, n)
	return fmt.Sprintf("%d-%06d-%d", year, n, checkDigit(digits)), nil
}

// checkDigit is Luhn's: it finds every single wrong digit and nearly every swap,
// so that a number misread on the telephone is no other person's.
func checkDigit(digits string) int {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return (10 - sum%10) % 10
}

// hash is what "the same body" means.
func (in FileIn) hash() ([]byte, error) {
	in.LossDate = in.LossDate.UTC()
	b, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	h := sha256.Sum256(b)
	return h[:], nil
}

// Story is one line of what the claimant reads.
type Story struct {
	Event Event
	By    string // us, claimant, police, system
	Words string
	At    time.Time
}

// Story lists what happened to a claim, oldest first.
func (s *Service) Story(tx *db.Tx, id ident.ID) (out []Story, err error) {
	err = tx.Rows(`select event, by, words, at from claim_event where claim = $1 order by id`, []any{id},
		func(scan func(...any) error) error {
			var e Story
			var at int64
			if err := scan(&e.Event, &e.By, &e.Words, &at); err != nil {
				return err
			}
			e.At = ident.FromMicros(at)
			out = append(out, e)
			return nil
		})
	return out, err
}

func (s *Service) tell(tx *db.Tx, id ident.ID, e Event, by, words string) error {
	_, err := tx.Exec(`insert into claim_event (id, claim, event, by, words, at) values ($1, $2, $3, $4, $5, $6)`,
		s.cfg.IDs.New("cev"), id, string(e), by, words, ident.Micros(s.cfg.Clock.Now()))
	return err
}

// Decision is one version of what was decided.
type Decision struct {
	Number int
	DecisionIn
	Actor ident.ID
	At    time.Time
}

// Decisions lists the versions, oldest first.
func (s *Service) Decisions(tx *db.Tx, id ident.ID) (out []Decision, err error) {
	err = tx.Rows(`select d.number, d.kind, d.amount, c.currency, d.ground, d.proofs, d.words, d.actor, d.at
from claim_decision d join claim c on c.id = d.claim where d.claim = $1 order by d.number`, []any{id},
		func(scan func(...any) error) error {
			var d Decision
			var at int64
			var proofs string
			if err := scan(&d.Number, &d.Kind, &d.Amount.Minor, &d.Amount.Currency, &d.Ground, &proofs, &d.Words, &d.Actor, &at); err != nil {
				return err
			}
			d.At = ident.FromMicros(at)
			if err := json.Unmarshal([]byte(proofs), &d.Proofs); err != nil {
				return err
			}
			out = append(out, d)
			return nil
		})
	return out, err
}

// addDecision writes the next version. The primary key keeps two people from
// writing the same one.
func addDecision(tx *db.Tx, id ident.ID, d DecisionIn, actor ident.ID, at time.Time) error {
	_, err := tx.Exec(`insert into claim_decision (claim, number, kind, amount, ground, proofs, words, actor, at)
select cast($1 as text), coalesce(max(number), 0) + 1, cast($2 as text), cast($3 as bigint), cast($4 as text), cast($5 as text),
cast($6 as text), cast($7 as text), cast($8 as bigint) from claim_decision where claim = $1`,
		id, string(d.Kind), d.Amount.Minor, d.Ground, list(d.Proofs), d.Words, actor, ident.Micros(at))
	return err
}

func addPayment(tx *db.Tx, id ident.ID, payment string) (fresh bool, err error) {
	n, err := tx.Exec(`insert into claim_payment (payment, claim) values ($1, $2) on conflict (payment) do nothing`, payment, id)
	return n == 1, err
}
