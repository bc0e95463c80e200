package report

import (
	"context"
	"math/big"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// Config is what the package needs.
type Config struct {
	Access   *access.Access
	Currency money.Currency // of the figures; CNY if ""
}

// Service computes figures. It reads the tables of payment, claim and ledger
// itself: a figure over all of them is one statement, and it is nobody's but ours.
type Service struct {
	cfg Config
}

// New refuses a missing part.
func New(cfg Config) (*Service, error) {
	if cfg.Access == nil {
		return nil, ident.E(ident.KindInternal, "config", "report needs Access")
	}
	if cfg.Currency == "" {
		cfg.Currency = money.CNY
	}
	return &Service{cfg}, nil
}

// Count is so many of something and their money.
type Count struct {
	Number int64        `json:"number"`
	Value  money.Amount `json:"value"`
}

// Rate is a part of a whole: Parts per billion, with what it was computed from.
type Rate struct {
	Part  int64 `json:"part"`
	Whole int64 `json:"whole"`
	// PerBillion is Part / Whole in parts per billion, rounded half up; 10,000
	// is one in 100,000. It is 0 if there is no whole.
	PerBillion int64 `json:"per_billion"`
}

// RateOf computes a rate exactly.
func RateOf(part, whole int64) Rate {
	r := Rate{Part: part, Whole: whole}
	if whole <= 0 {
		return r
	}
	n := new(big.Int).Mul(big.NewInt(part), big.NewInt(2_000_000_000))
	n.Add(n, big.NewInt(whole)).Div(n, new(big.Int).Mul(big.NewInt(2), big.NewInt(whole)))
	r.PerBillion = n.Int64() // at most 1e9 x part/whole; a part larger than 9e9 wholes is no rate
	return r
}

// Loss is the loss rate of a period, with what was done about it.
type Loss struct {
	From, To time.Time
	// Payments went out of accounts: transfers, purchases and withdrawals that the
	// host carried out in the period.
	Payments Count `json:"payments"`
	// Lost is the payments that a decided claim confirms as not the payer's.
	Lost Count `json:"lost"`
	// LostUnrecorded is what was confirmed without a payment in our records, by
	// the date of the loss. It is in the rate by value, and in no rate by number.
	LostUnrecorded Count `json:"lost_unrecorded"`
	// Stopped is payments that were blocked or refused; Disturbed is payments
	// that were challenged or held and went in the end.
	Stopped   Count `json:"stopped"`
	Disturbed Count `json:"disturbed"`
	// WouldStop is, of past payments that were only imported, those that the rules
	// in force at the import would not have let pass; WouldSave is the part of
	// them that was lost.
	WouldStop Count `json:"would_stop"`
	WouldSave Count `json:"would_save"`
	// PaidBack is compensation posted in the ledger in the period.
	PaidBack Count `json:"paid_back"`
	ByNumber Rate  `json:"by_number"`
	ByValue  Rate  `json:"by_value"`
}

// LossRate computes the loss rate of [from, to).
func (s *Service) LossRate(ctx context.Context, actor ident.Actor, from, to time.Time) (l Loss, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActReportRead, access.Object{}, func(tx *db.Tx) error {
		l, err = s.loss(tx, from, to)
		return err
	})
	return l, err
}

func (s *Service) loss(tx *db.Tx, from, to time.Time) (Loss, error) {
	l := Loss{From: from, To: to}
	a, b, cur := ident.Micros(from), ident.Micros(to), string(s.cfg.Currency)
	const paid = ` from payment p where p.at >= $1 and p.at < $2 and p.currency = $3 and p.type <> 'deposit' and `
	const lost = `exists (select 1 from claim_payment cp join claim c on c.id = cp.claim
 where cp.payment = p.id and c.decision in ('approve_full', 'approve_partial'))`
	const sums = `select count(*), cast(coalesce(sum(p.amount), 0) as bigint)`
	for _, q := range []struct {
		into *Count
		text string
	}{
		{&l.Payments, sums + paid + `p.state = 'settled'`},
		{&l.Lost, sums + paid + `p.state = 'settled' and ` + lost},
		{&l.Stopped, sums + paid + `p.state in ('blocked', 'refused')`},
		{&l.Disturbed, sums + paid + `p.state = 'settled' and not p.history and p.outcome in ('challenge', 'hold')`},
		{&l.WouldStop, sums + paid + `p.history and p.outcome <> 'allow'`},
		{&l.WouldSave, sums + paid + `p.history and p.outcome <> 'allow' and ` + lost},
		{&l.LostUnrecorded, `select count(*), cast(coalesce(sum(c.confirmed), 0) as bigint) from claim c
where c.loss_date >= $1 and c.loss_date < $2 and c.currency = $3 and c.decision in ('approve_full', 'approve_partial')
and not exists (select 1 from claim_payment cp where cp.claim = c.id)`},
		{&l.PaidBack, `select count(*), cast(coalesce(sum(t.amount), 0) as bigint) from ledger_transfers t
join ledger_transfers o on o.id = t.pending
where t.kind = 'post' and o.code = 'compensation' and t.at >= $1 and t.at < $2 and t.currency = $3`},
	} {
		q.into.Value.Currency = s.cfg.Currency
		if _, err := tx.Row([]any{&q.into.Number, &q.into.Value.Minor}, q.text, a, b, cur); err != nil {
			return l, err
		}
	}
	value, err := l.Lost.Value.Add(l.LostUnrecorded.Value)
	if err != nil {
		return l, err
	}
	l.ByNumber = RateOf(l.Lost.Number, l.Payments.Number)
	l.ByValue = RateOf(value.Minor, l.Payments.Value.Minor)
	return l, nil
}

// Day is the four figures of one day, for the overview and its lines.
type Day struct {
	Day      time.Time // midnight in China, in UTC
	Decided  Count
	Stopped  Count // decided otherwise than "allow"
	Lost     Count
	PaidBack Count
}

// dayMicros is one day of the database's clock; midnight in China is 16:00 UTC.
const (
	dayMicros   = int64(24 * time.Hour / time.Microsecond)
	chinaMicros = int64(8 * time.Hour / time.Microsecond)
)

// Days returns the figures of each of the n days that end with the day of last.
func (s *Service) Days(ctx context.Context, actor ident.Actor, last time.Time, n int) (out []Day, err error) {
	err = s.cfg.Access.View(ctx, actor, access.ActOverviewRead, access.Object{}, func(tx *db.Tx) error {
		out, err = s.days(tx, last, n)
		return err
	})
	return out, err
}

func (s *Service) days(tx *db.Tx, last time.Time, n int) ([]Day, error) {
	end := (ident.Micros(last)+chinaMicros)/dayMicros + 1 // the day after, counted in China
	first := end - int64(n)
	out := make([]Day, n)
	zero := money.Of(0, s.cfg.Currency)
	for i := range out {
		out[i].Day = ident.FromMicros((first+int64(i))*dayMicros - chinaMicros)
		out[i].Decided.Value, out[i].Stopped.Value, out[i].Lost.Value, out[i].PaidBack.Value = zero, zero, zero, zero
	}
	const byDay = `select (p.at + $4) / $5, count(*), cast(coalesce(sum(p.amount), 0) as bigint)
from payment p where p.at >= $1 and p.at < $2 and p.currency = $3`
	for _, q := range []struct {
		pick func(*Day) *Count
		text string
	}{
		{func(d *Day) *Count { return &d.Decided }, byDay + ` group by 1`},
		{func(d *Day) *Count { return &d.Stopped }, byDay + ` and p.outcome <> 'allow' group by 1`},
		{func(d *Day) *Count { return &d.Lost }, byDay + ` and p.state = 'settled'
and exists (select 1 from claim_payment cp join claim c on c.id = cp.claim
where cp.payment = p.id and c.decision in ('approve_full', 'approve_partial')) group by 1`},
		{func(d *Day) *Count { return &d.PaidBack }, `select (t.at + $4) / $5, count(*), cast(coalesce(sum(t.amount), 0) as bigint)
from ledger_transfers t join ledger_transfers o on o.id = t.pending
where t.kind = 'post' and o.code = 'compensation' and t.at >= $1 and t.at < $2 and t.currency = $3 group by 1`},
	} {
		args := []any{first*dayMicros - chinaMicros, end*dayMicros - chinaMicros, string(s.cfg.Currency), chinaMicros, dayMicros}
		err := tx.Rows(q.text, args, func(scan func(...any) error) error {
			var day, number, sum int64
			if err := scan(&day, &number, &sum); err != nil {
				return err
			}
			if i := day - first; i >= 0 && i < int64(n) {
				c := q.pick(&out[i])
				c.Number, c.Value.Minor = number, sum
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
