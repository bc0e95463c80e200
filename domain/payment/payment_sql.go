package payment

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/journal"
)

// requestColumns are those that scanRequest reads.
const requestColumns = `id, at, payer, payee, amount, currency, type, channel, device, ip, city, history,
terminal, merchant, card, phone, region, lat, lon`

const columns = requestColumns + `, state, decision, claim_id, created, version`

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
		var created int64
		var decision string
		if err := scanRequest(scan, &p.Request, &p.State, &decision, &p.ClaimID, &created, &p.Version); err != nil {
			return err
		}
		p.Created = ident.FromMicros(created)
		out = append(out, p)
		return json.Unmarshal([]byte(decision), &out[len(out)-1].Decision)
	})
	return out, err
}

// scanRequest reads requestColumns and then what the query has beside them.
func scanRequest(scan func(...any) error, r *Request, more ...any) error {
	var at int64
	var lat, lon *int64
	into := append([]any{&r.ID, &at, &r.Payer, &r.Payee, &r.Amount.Minor, &r.Amount.Currency, &r.Type, &r.Channel, &r.Device, &r.IP,
		&r.City, &r.Settled, &r.Terminal, &r.Merchant, &r.Card, &r.Phone, &r.Region, &lat, &lon}, more...)
	if err := scan(into...); err != nil {
		return err
	}
	r.At, r.Lat, r.Lon = ident.FromMicros(at), degreeOf(lat), degreeOf(lon)
	return nil
}

func degreeOf(micro *int64) Degree {
	if micro == nil {
		return Degree{}
	}
	return Degree{Micro: int32(*micro), Given: true}
}

// column is a degree as the table has it.
func (d Degree) column() any {
	if !d.Given {
		return nil
	}
	return int64(d.Micro)
}

// row is a new payment as the table has it: the decision is the text that was
// made when it was decided.
type row struct {
	Request
	hash     [sha256.Size]byte
	state    State
	outcome  string
	score    int
	decision string // JSON
	created  int64  // microseconds
}

// insertColumns are written by insert, in this order.
var insertColumns = []string{"id", "body_hash", "at", "payer", "payee", "amount", "currency", "type", "channel", "device", "ip", "city",
	"history", "terminal", "merchant", "card", "phone", "region", "lat", "lon", "state", "outcome", "score", "decision", "claim_id",
	"created", "version"}

func (r *row) args(into []any) []any {
	return append(into, r.ID, r.hash[:], ident.Micros(r.At), r.Payer, r.Payee, r.Amount.Minor, string(r.Amount.Currency), r.Type, r.Channel,
		r.Device, r.IP, r.City, r.Settled, r.Terminal, r.Merchant, r.Card, r.Phone, r.Region, r.Lat.column(), r.Lon.column(),
		string(r.state), r.outcome, r.score, r.decision, "", r.created, 1)
}

// insert writes new payments, as many as one statement takes, and returns the
// ids that were new; the others exist already.
func insert(tx *db.Tx, rows []row) (map[string]bool, error) {
	fresh := make(map[string]bool, len(rows))
	for len(rows) > 0 {
		n := min(maxInsert, 1<<(bits.Len(uint(len(rows)))-1)) // few texts to prepare
		args := make([]any, 0, n*len(insertColumns))
		for i := range rows[:n] {
			args = rows[i].args(args)
		}
		rows = rows[n:]
		err := tx.Rows(insertTexts[bits.Len(uint(n))-1], args, func(scan func(...any) error) error {
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
	}
	return fresh, nil
}

// insertAll is insert where all must be new.
func insertAll(tx *db.Tx, rows []row) error {
	for len(rows) > 0 {
		n := min(maxInsert, 1<<(bits.Len(uint(len(rows)))-1))
		args := make([]any, 0, n*len(insertColumns))
		for i := range rows[:n] {
			args = rows[i].args(args)
		}
		written, err := tx.Exec(insertAllTexts[bits.Len(uint(n))-1], args...)
		if err != nil {
			return err
		}
		if int(written) != n {
			return ident.E(ident.KindInternal, "payment_twice",
				"of the payments %s to %s in the journal, some were written to the database past it", rows[0].ID, rows[n-1].ID)
		}
		rows = rows[n:]
	}
	return nil
}

// maxInsert is how many rows one statement takes at most. SQLite finds each value's
// place by its name, from the first on: 64 rows a statement are three times slower.
const maxInsert = 8

// The statements for 1, 2, 4 … maxInsert rows.
var (
	insertAllTexts = insertStatements("")
	insertTexts    = insertStatements(" returning id")
)

func insertStatements(tail string) (out []string) {
	for n := 1; n <= maxInsert; n *= 2 {
		var b strings.Builder
		b.WriteString("insert into payment (" + strings.Join(insertColumns, ", ") + ") values ")
		for i := range n * len(insertColumns) {
			switch {
			case i == 0:
				b.WriteString("(")
			case i%len(insertColumns) == 0:
				b.WriteString("), (")
			default:
				b.WriteString(", ")
			}
			b.WriteString("$" + strconv.Itoa(i+1))
		}
		out = append(out, b.String()+") on conflict (id) do nothing"+tail)
	}
	return out
}

// recorded finds which of the ids exist and the hash of each one's body.
func recorded(tx *db.Tx, ids []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	const most = 256
	for len(ids) > 0 {
		n := min(most, 1<<(bits.Len(uint(len(ids)))-1)) // few texts to prepare
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

// posted reads how far the journal has been moved; found is false if nothing was
// ever moved.
func posted(tx *db.Tx) (name string, at journal.Position, found bool, err error) {
	var n int64
	found, err = tx.Row([]any{&name, &n}, `select journal, position from payment_journal where one = 1`)
	return name, journal.Position(n), found, err
}

// advance moves the position, in the transaction of what it speaks of.
func advance(tx *db.Tx, name string, from, to journal.Position) error {
	return tx.ExecOne(
		ident.E(ident.KindConflict, "posted_already", "the journal was moved on from %d by somebody else", from),
		`update payment_journal set position = $3 where one = 1 and journal = $1 and position = $2`, name, int64(from), int64(to))
}

// begin writes the first position of a journal.
func begin(tx *db.Tx, name string, at journal.Position) error {
	_, err := tx.Exec(`insert into payment_journal (one, journal, position) values (1, $1, $2) on conflict (one) do nothing`,
		name, int64(at))
	return err
}
