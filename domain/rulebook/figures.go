package rulebook

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"surety/domain/payment"
	"surety/domain/risk"
	"surety/kernel/boost"
	"surety/kernel/ident"
	"surety/platform/db"
)

// Figures are how well a model did on payments of which the end is known.
type Figures struct {
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	Payments   int       `json:"payments"`
	Frauds     int       `json:"frauds"`
	Minor      int64     `json:"minor"`
	FraudMinor int64     `json:"fraud_minor"`
	// Enough thefts and ordinary payments for the figures below to mean something;
	// they are 0 otherwise.
	Enough bool    `json:"enough"`
	AP     float64 `json:"ap"`  // average precision
	AUC    float64 `json:"auc"` // area under the ROC curve
	// CardPrecision is the share of thefts' payers among the 100 payers of each day
	// that the model finds most suspicious, those known before left out.
	CardPrecision float64  `json:"card_precision_100"`
	LogLoss       float64  `json:"log_loss"`
	Calibration   []Decile `json:"calibration"`
	// Cost is what deciding by the model's probability alone would have cost, by the
	// pack's costs; CostNothing is what letting all go would have.
	Cost        int64 `json:"cost_minor"`
	CostNothing int64 `json:"cost_nothing_minor"`
	// Sampled is true if there were more payments than are read for a figure; then a
	// part of each stretch of time was.
	Sampled bool `json:"sampled"`
}

// Decile is a tenth of the payments, by probability: what the model said and what
// came true.
type Decile struct {
	Low      float64 `json:"low"` // probabilities from
	High     float64 `json:"high"`
	Payments int     `json:"payments"`
	Said     float64 `json:"said"` // mean probability
	True     float64 `json:"true"` // share of thefts
}

const (
	enough      = 20      // thefts, and ordinary payments, for a figure to mean something
	slices96    = 96      // stretches of time of which a sample takes its part
	mostScored  = 500_000 // payments read for one figure
	mostDrifted = 20_000  // payments read for one day's drift
	cards       = 100
)

// scored are probabilities with what came true, in order of time.
type scored struct {
	p     []float64
	y     []uint8
	group []uint64
	day   []int64
	minor []int64
	cost  int64
}

func (s *scored) add(p float64, fraud bool, payer string, at time.Time, minor int64) {
	s.p = append(s.p, p)
	s.y = append(s.y, uint8(one(fraud)))
	s.group = append(s.group, groupOf(payer))
	s.day = append(s.day, dayOf(at))
	s.minor = append(s.minor, minor)
}

// groupOf names a payer by a number, for figures by card.
func groupOf(payer string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(payer)) // a hash never fails
	return h.Sum64()
}

func dayOf(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

// figures are pure: what the rows say.
func (s *scored) figures(from, to time.Time) Figures {
	f := Figures{From: from, To: to, Payments: len(s.p), Calibration: []Decile{}, Cost: s.cost}
	for i, y := range s.y {
		f.Minor += s.minor[i]
		if y == 1 {
			f.Frauds++
			f.FraudMinor += s.minor[i]
		}
	}
	f.CostNothing = f.FraudMinor
	if f.Enough = f.Frauds >= enough && f.Payments-f.Frauds >= enough; !f.Enough {
		return f
	}
	f.AP, f.AUC = boost.AveragePrecision(s.p, s.y), boost.AUC(s.p, s.y)
	f.CardPrecision = boost.CardPrecision(s.p, s.y, s.group, s.day, cards)
	f.LogLoss, f.Calibration = boost.LogLoss(s.p, s.y), s.deciles()
	return f
}

// realised is what deciding by a probability alone has cost, minor units: the
// cheapest outcome by the pack's costs, and what came true. The day's budget of
// challenges is not in it.
func realised(c risk.CostsInfo, p float64, minor int64, fraud bool) int64 {
	best, least := risk.Allow, math.Inf(1)
	for _, o := range []risk.Outcome{risk.Allow, risk.Challenge, risk.Hold, risk.Block} {
		expected := p*float64(minor)*float64(c.Lost)/1000*float64(1000-c.Stops[o])/1000 + (1-p)*float64(c.Disturb[o])
		if expected < least {
			best, least = o, expected
		}
	}
	if !fraud {
		return c.Disturb[best]
	}
	return minor * c.Lost / 1000 * (1000 - c.Stops[best]) / 1000
}

func (s *scored) deciles() []Decile {
	order := make([]int, len(s.p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case s.p[a] < s.p[b]:
			return -1
		case s.p[a] > s.p[b]:
			return 1
		}
		return 0
	})
	out := make([]Decile, 0, 10)
	for d := range 10 {
		part := order[d*len(order)/10 : (d+1)*len(order)/10]
		if len(part) == 0 {
			continue
		}
		dec := Decile{Low: s.p[part[0]], High: s.p[part[len(part)-1]], Payments: len(part)}
		frauds := 0
		for _, i := range part {
			dec.Said += s.p[i] / float64(len(part))
			frauds += int(s.y[i])
		}
		dec.True = float64(frauds) / float64(len(part))
		out = append(out, dec)
	}
	return out
}

// errFull ends a stretch of a sample.
var errFull = errors.New("enough of this stretch")

// sample reads payments of [from, to) with what is known of them: all, or where
// there are too many the first of each of 96 stretches of time. It is as good as
// chance, and the same each time.
func (s *Service) sample(ctx context.Context, from, to time.Time, most int, visit func(*step)) (cut bool, err error) {
	stretch := max(to.Sub(from)/slices96, time.Microsecond)
	for a := from; a.Before(to); a = a.Add(stretch) {
		b := a.Add(stretch)
		if b.After(to) {
			b = to
		}
		var buf []step
		err := s.cfg.Payment.Journal(ctx, a, b, func(r payment.Request, st payment.State, d risk.Decision) error {
			if len(buf) == most/slices96 {
				return errFull
			}
			buf = append(buf, step{req: r, event: eventOf(r), state: st, recorded: d})
			return nil
		})
		if cut = cut || errors.Is(err, errFull); err != nil && !errors.Is(err, errFull) {
			return cut, err
		}
		if err := s.settle(ctx, buf); err != nil {
			return cut, err
		}
		for i := range buf {
			visit(&buf[i])
		}
	}
	return cut, ctx.Err()
}

// settle adds what is known of payments today.
func (s *Service) settle(ctx context.Context, buf []step) error {
	ids := make([]string, len(buf))
	for i := range buf {
		ids[i] = buf[i].req.ID
	}
	return s.cfg.DB.View(ctx, func(tx *db.Tx) error {
		truth, err := counting(tx, ids)
		for i := range buf {
			buf[i].label, buf[i].labelled = truth[ids[i]]
		}
		return err
	})
}

// known reports whether the end of a payment is known: it is labelled, or it went
// and nobody has complained in time. One that was stopped might have been either.
func (st *step) known(mature time.Time) bool {
	return st.labelled || stands(st.state) && st.event.At.Before(mature)
}

// view is what a model said of a payment when it was judged; ok is false if it was
// not asked.
func view(d risk.Decision, sha string) (v risk.ModelView, ok bool) {
	if d.Model != nil && d.Model.Version == sha {
		return *d.Model, true
	}
	for _, c := range d.Challengers {
		if c.Version == sha {
			return c, true
		}
	}
	return risk.ModelView{}, false
}

// ModelFigures are how well models did on the payments of a span, from what was
// recorded when these were judged. Models that were not asked then have no payments.
func (s *Service) ModelFigures(ctx context.Context, actor ident.Actor, shas []string, from, to time.Time) (map[string]Figures, error) {
	if !from.Before(to) || to.Sub(from) > maxSpan {
		return nil, ident.Invalid("to", "window", "to must be after from, by at most %d days", maxSpan/(24*time.Hour))
	}
	if err := s.mayRead(ctx, actor, ""); err != nil {
		return nil, err
	}
	return s.figuresOf(ctx, shas, from, to)
}

func (s *Service) figuresOf(ctx context.Context, shas []string, from, to time.Time) (map[string]Figures, error) {
	mature := s.cfg.Clock.Now().Add(-s.cfg.Delay)
	rows := make([]scored, len(shas))
	running := s.cfg.Engine.Pack()
	costs, currency := running.Costs, running.Currency
	cut, err := s.sample(ctx, from, to, mostScored, func(st *step) {
		if !st.known(mature) {
			return
		}
		minor := st.req.Amount.Minor
		if st.req.Amount.Currency != currency {
			minor = 0
		}
		for i, sha := range shas {
			if v, ok := view(st.recorded, sha); ok {
				rows[i].add(v.Probability, st.fraud(), st.req.Payer, st.event.At, minor)
				rows[i].cost += realised(costs, v.Probability, minor, st.fraud())
			}
		}
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string]Figures, len(shas))
	for i, sha := range shas {
		f := rows[i].figures(from, to)
		f.Sampled = cut
		out[sha] = f
	}
	return out, nil
}

// promotionSpan is what the second person sees figures of.
const promotionSpan = 30 * 24 * time.Hour

// figuresInWords compares a model that is to be champion with the one that is.
func (s *Service) figuresInWords(ctx context.Context, next, now string) string {
	if next == "" || next == now {
		return ""
	}
	to := s.cfg.Clock.Now().Add(-s.cfg.Delay)
	from := to.Add(-promotionSpan)
	shas := []string{next}
	if now != "" {
		shas = append(shas, now)
	}
	fs, err := s.figuresOf(ctx, shas, from, to)
	if err != nil {
		return "没有可用的指标 / no figures could be made"
	}
	out := ""
	for i, sha := range shas {
		who := Text{ZH: "新模型", EN: "new"}
		if i > 0 {
			who = Text{ZH: "现模型", EN: "running"}
		}
		out += fs[sha].words(who, sha) + "\n"
	}
	return out[:len(out)-1]
}

func (f Figures) words(who Text, sha string) string {
	if !f.Enough {
		return fmt.Sprintf("%s %s：结果已知的付款 %d 笔，盗付 %d 笔，不足以评价。 / %s %s: %d payments with a known end, %d thefts: too few to judge it.",
			who.ZH, short(sha), f.Payments, f.Frauds, who.EN, short(sha), f.Payments, f.Frauds)
	}
	return fmt.Sprintf("%s %s：%d 笔，盗付 %d 笔，AP %.3f，AUC %.3f，CP@100 %.3f，成本 %d。 / %s %s: %d payments, %d thefts, AP %.3f, AUC %.3f, "+
		"CP@100 %.3f, cost %d.", who.ZH, short(sha), f.Payments, f.Frauds, f.AP, f.AUC, f.CardPrecision, f.Cost,
		who.EN, short(sha), f.Payments, f.Frauds, f.AP, f.AUC, f.CardPrecision, f.Cost)
}
