package payment

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
)

const columns = `id, at, payer, payee, amount, currency, type, channel, device, ip, city, history, state, decision,
claim_id, created, version`

// Get reads a payment; found is false if there is none.
func (s *Service) Get(tx *db.Tx, id string) (Payment, bool, error) {
	ps, err := read(tx, `select `+columns+` from payment where id = $1`, id)
	if err != nil || len(ps) == 0 {
		return Payment{}, false, err
	}
	return ps[0], true, nil
}

// Out lists the payments out of an account in [from, to), oldest first.
func (s *Service) Out(tx *db.Tx, account string, from, to time.Time) ([]Payment, error) {
	return read(tx, `select `+columns+` from payment where payer = $1 and at >= $2 and at < $3 order by at, id`,
		account, ident.Micros(from), ident.Micros(to))
}

// In lists the payments into an account in [from, to), oldest first.
func (s *Service) In(tx *db.Tx, account string, from, to time.Time) ([]Payment, error) {
	return read(tx, `select `+columns+` from payment where payee = $1 and at >= $2 and at < $3 order by at, id`,
		account, ident.Micros(from), ident.Micros(to))
}

// ByDevice lists the payments made with a device in [from, to), oldest first.
func (s *Service) ByDevice(tx *db.Tx, device string, from, to time.Time) ([]Payment, error) {
	return read(tx, `select `+columns+` from payment where device = $1 and at >= $2 and at < $3 order by at, id`,
		device, ident.Micros(from), ident.Micros(to))
}

// ByClaim lists the payments that a claim says were not the payer's.
func (s *Service) ByClaim(tx *db.Tx, claim ident.ID) ([]Payment, error) {
	return read(tx, `select `+columns+` from payment where claim_id = $1 order by at, id`, claim)
}

// Filter narrows List; zero fields do not.
type Filter struct {
	Account  string // payer or payee
	Device   string
	Outcome  string // allow, challenge, hold, block, or "stopped" for all but allow
	State    State
	From, To time.Time
	Before   string // cursor: id of the last payment of the page before
	BeforeAt time.Time
	Limit    int // 50 if zero, at most 500
}

// List returns payments, newest first.
func (s *Service) List(tx *db.Tx, f Filter) ([]Payment, error) {
	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	if f.Account != "" {
		a := arg(f.Account)
		where = append(where, "(payer = "+a+" or payee = "+a+")")
	}
	if f.Device != "" {
		where = append(where, "device = "+arg(f.Device))
	}
	switch f.Outcome {
	case "":
	case "stopped":
		where = append(where, "outcome <> 'allow'")
	default:
		where = append(where, "outcome = "+arg(f.Outcome))
	}
	if f.State != "" {
		where = append(where, "state = "+arg(string(f.State)))
	}
	if !f.From.IsZero() {
		where = append(where, "at >= "+arg(ident.Micros(f.From)))
	}
	if !f.To.IsZero() {
		where = append(where, "at < "+arg(ident.Micros(f.To)))
	}
	if f.Before != "" {
		where = append(where, "(at, id) < ("+arg(ident.Micros(f.BeforeAt))+", "+arg(f.Before)+")")
	}
	query := `select ` + columns + ` from payment`
	if len(where) > 0 {
		query += ` where ` + strings.Join(where, " and ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	query += ` order by at desc, id desc limit ` + arg(min(limit, 500))
	return read(tx, query, args...)
}

func read(tx *db.Tx, query string, args ...any) (out []Payment, err error) {
	err = tx.Rows(query, args, func(scan func(...any) error) error {
		var p Payment
		var at, created int64
		var decision string
		err := scan(&p.ID, &at, &p.Payer, &p.Payee, &p.Amount.Minor, &p.Amount.Currency, &p.Type, &p.Channel,
			&p.Device, &p.IP, &p.City, &p.Settled, &p.State, &decision, &p.ClaimID, &created, &p.Version)
		if err != nil {
			return err
		}
		p.At, p.Created = ident.FromMicros(at), ident.FromMicros(created)
		out = append(out, p)
		return json.Unmarshal([]byte(decision), &out[len(out)-1].Decision)
	})
	return out, err
}

// insertColumns is how many values one payment needs.
const insertColumns = 20

// insert writes new payments, as many as one statement takes, and returns the
// ids that were new; the others exist already.
func insert(tx *db.Tx, ps []Payment) (map[string]bool, error) {
	fresh := make(map[string]bool, len(ps))
	const most = 100 // statements stay small and are prepared for few sizes
	for len(ps) > 0 {
		n := min(most, len(ps))
		args := make([]any, 0, n*insertColumns)
		var b strings.Builder
		b.WriteString(`insert into payment (id, body_hash, at, payer, payee, amount, currency, type, channel, device, ip, city,
history, state, outcome, score, decision, claim_id, created, version) values `)
		for i, p := range ps[:n] {
			decision, err := json.Marshal(p.Decision)
			if err != nil {
				return nil, err
			}
			args = append(args, p.ID, p.hash(), ident.Micros(p.At), p.Payer, p.Payee, p.Amount.Minor, string(p.Amount.Currency),
				p.Type, p.Channel, p.Device, p.IP, p.City, p.Settled, string(p.State), string(p.Decision.Outcome),
				p.Decision.Score, string(decision), p.ClaimID, ident.Micros(p.Created), 1)
			placeholders(&b, i)
		}
		b.WriteString(` on conflict (id) do nothing returning id`)
		err := tx.Rows(b.String(), args, func(scan func(...any) error) error {
			var id string
			if err := scan(&id); err != nil {
				return err
			}
			fresh[id] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
		ps = ps[n:]
	}
	return fresh, nil
}

func placeholders(b *strings.Builder, row int) {
	if row > 0 {
		b.WriteByte(',')
	}
	b.WriteByte('(')
	for c := range insertColumns {
		if c > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "$%d", row*insertColumns+c+1)
	}
	b.WriteByte(')')
}

// recorded finds which of the ids exist and the hash of each one's body.
func recorded(tx *db.Tx, ids []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	const most = 200
	for len(ids) > 0 {
		n := min(most, len(ids))
		args := make([]any, n)
		marks := make([]string, n)
		for i, id := range ids[:n] {
			args[i], marks[i] = id, fmt.Sprintf("$%d", i+1)
		}
		query := `select id, body_hash from payment where id in (` + strings.Join(marks, ",") + `)`
		err := tx.Rows(query, args, func(scan func(...any) error) error {
			var id string
			var hash []byte
			if err := scan(&id, &hash); err != nil {
				return err
			}
			out[id] = hash
			return nil
		})
		if err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return out, nil
}
