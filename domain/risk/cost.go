package risk

import (
	"math"

	"surety/kernel/policy"
)

// costsSpec is what mistakes cost, as it stands in a pack. Money is in minor
// units of the pack's currency.
type costsSpec struct {
	Priority  policy.At[int]   `yaml:"priority"` // of the model among the rules; 50 if it is not there
	Challenge costSpec         `yaml:"challenge"`
	Hold      costSpec         `yaml:"hold"`
	Block     costSpec         `yaml:"block"`
	Lost      policy.At[int64] `yaml:"lost"`               // permille of the amount that a theft costs; 1000 if it is not there
	PerDay    policy.At[int64] `yaml:"challenges_per_day"` // a budget; none if it is not there
}

type costSpec struct {
	Disturb policy.At[int64] `yaml:"disturb"` // what it costs to do it to an honest payer
	Stops   policy.At[int64] `yaml:"stops"`   // permille of thefts that it stops
}

// costs decide what follows from a probability. The expected costs are, for a
// payment of A that is a theft with probability p:
//
//	allow  p * A * lost
//	other  p * A * lost * (1 - stops) + (1 - p) * disturb * price
//
// and the cheapest outcome is the model's; of two that cost the same the milder.
//
// The price is 1 but for challenges, and for them too while the day's budget N
// lasts: with n challenges made by then and a part f of the local day gone by,
// at least a twenty-fourth, it is
//
//	1 + 20 * max(0, n - N*f) / N, at most 100; 100 from n = N on
//
// so each twentieth of the budget by which challenges are ahead of the clock
// makes another one dearer by its own cost once more, and what is suspicious
// enough is challenged still. The price is kept in the decision, in permille.
type costs struct {
	given    bool
	priority int
	of       [4]outcomeCost // by severity, from Allow
	lost     int64          // permille
	perDay   int64          // 0: no budget
}

type outcomeCost struct{ disturb, stops int64 }

// outcomes, by severity.
var outcomes = [4]Outcome{Allow, Challenge, Hold, Block}

// usualCosts hold for a pack that has none: a challenge loses one customer's
// patience, a hold an hour of work, a block the business.
var usualCosts = costs{priority: 50, lost: 1000, of: [4]outcomeCost{1: {200, 900}, 2: {2000, 980}, 3: {10000, 1000}}}

const (
	plainPrice   = 1000 // permille
	highestPrice = 100 * plainPrice
	leastGone    = 24 // the part of a day that has gone by is at least 1/leastGone
)

func (p *Pack) loadCosts(spec *packSpec) error {
	p.costs = usualCosts
	if !spec.Costs.Given() {
		return nil
	}
	s, c := spec.Costs.Value, &p.costs
	c.given = true
	if s.Priority.Given() {
		c.priority = s.Priority.Value
	}
	if c.priority < 0 || c.priority > 100 {
		return s.Priority.Wrong("costs_invalid", "the priority of the model must be 0 to 100")
	}
	for i, o := range []costSpec{s.Challenge, s.Hold, s.Block} {
		if !o.Disturb.Given() || !o.Stops.Given() {
			return spec.Costs.Wrong("costs_invalid", "%s must say what it costs to disturb and how many permille of thefts it stops", outcomes[i+1])
		}
		if o.Disturb.Value < 0 || o.Disturb.Value > maxDisturb {
			return o.Disturb.Wrong("costs_invalid", "the cost of a disturbance must be 0 to %d", int64(maxDisturb))
		}
		if o.Stops.Value < 0 || o.Stops.Value > 1000 {
			return o.Stops.Wrong("costs_invalid", "stops must be 0 to 1000 permille")
		}
		c.of[i+1] = outcomeCost{o.Disturb.Value, o.Stops.Value}
	}
	if s.Lost.Given() {
		c.lost = s.Lost.Value
	}
	if c.lost < 0 || c.lost > 10_000 {
		return s.Lost.Wrong("costs_invalid", "lost must be 0 to 10000 permille of the amount")
	}
	if c.perDay = s.PerDay.Value; s.PerDay.Given() && (c.perDay < 1 || c.perDay > 1_000_000_000) {
		return s.PerDay.Wrong("costs_invalid", "challenges_per_day must be 1 to 1000000000")
	}
	return nil
}

const maxDisturb = 1_000_000_000_000

// expected are the expected costs of the outcomes, by severity, in minor units.
// float64() around each product keeps processors that could from joining it with
// a sum, so that all find the same.
func (c *costs) expected(probability float64, amount, price int64) (out [4]float64) {
	theft := float64(probability * float64(amount) * float64(c.lost) / 1000)
	for i := range out {
		o := c.of[i]
		disturb := float64(float64(o.disturb) * float64(1-probability))
		if outcomes[i] == Challenge {
			disturb = float64(disturb * float64(price) / plainPrice)
		}
		out[i] = float64(theft*float64(1000-o.stops)/1000) + disturb
	}
	return out
}

// cheapest is the outcome that costs least; of equal ones the mildest.
func cheapest(costs [4]float64) Outcome {
	best := 0
	for i, c := range costs {
		if c < costs[best] {
			best = i
		}
	}
	return outcomes[best]
}

// Expected tells what each outcome would cost on average, in minor units of the
// pack's currency, for a payment of amount that is a theft with a probability.
// price is that of the decision's ModelView; 0 is taken as plain.
func (p *Pack) Expected(probability float64, amount, price int64) map[Outcome]int64 {
	return costMap(p.costs.expected(probability, amount, max(price, plainPrice)))
}

func costMap(costs [4]float64) map[Outcome]int64 {
	out := make(map[Outcome]int64, len(costs))
	for i, c := range costs {
		out[outcomes[i]] = int64(math.Round(c))
	}
	return out
}

// price is what a challenge costs, in permille of its plain cost, when made of
// them were made on the day of which gone microseconds have passed.
func (c *costs) price(made, gone int64) int64 {
	if c.perDay == 0 {
		return plainPrice
	}
	if made >= c.perDay {
		return highestPrice
	}
	ahead := made - c.pace(gone)
	if ahead <= 0 {
		return plainPrice
	}
	return min(highestPrice, plainPrice+plainPrice*20*ahead/c.perDay)
}

// pace is how many challenges the budget allows until then.
func (c *costs) pace(gone int64) int64 {
	gone = max(gone, day.Microseconds()/leastGone) / 1_000_000
	return c.perDay * gone / 86400
}

// CostsInfo describes the costs of a pack to people. Money is in minor units,
// shares are in permille.
type CostsInfo struct {
	Priority         int               `json:"priority"`
	Lost             int64             `json:"lost"`
	Disturb          map[Outcome]int64 `json:"disturb"`
	Stops            map[Outcome]int64 `json:"stops"`
	ChallengesPerDay int64             `json:"challenges_per_day,omitempty"` // 0: no budget
	Given            bool              `json:"given"`                        // false: the pack has none, these are the usual ones
}

func (c *costs) info() CostsInfo {
	info := CostsInfo{Priority: c.priority, Lost: c.lost, ChallengesPerDay: c.perDay, Given: c.given,
		Disturb: map[Outcome]int64{}, Stops: map[Outcome]int64{}}
	for i, o := range c.of[1:] {
		info.Disturb[outcomes[i+1]], info.Stops[outcomes[i+1]] = o.disturb, o.stops
	}
	return info
}
