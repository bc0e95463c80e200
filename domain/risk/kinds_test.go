package risk_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/domain/risk"
	"surety/kernel/money"
)

// known payment of the model.
type told struct {
	e       risk.Event
	refused bool
	fraud   bool
}

// asked is one feature, in the pack and in the model.
type asked struct {
	kind, entity, of      string
	window, delay, longer time.Duration
	where                 string
	attempts, before      bool
	label                 bool
}

func days(d time.Duration) string { return fmt.Sprintf("%dm", int64(d/time.Minute)) }

func (a asked) yaml(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - {name: %s, kind: %s, entity: %s, window: %s, zh: x, en: x", name, a.kind, a.entity, days(a.window))
	if a.of != "" {
		fmt.Fprintf(&b, ", of: %s", a.of)
	}
	if a.delay > 0 {
		fmt.Fprintf(&b, ", delay: %s", days(a.delay))
	}
	if a.kind == "burst" {
		fmt.Fprintf(&b, ", against: %s", days(a.longer))
	}
	if a.where != "" {
		fmt.Fprintf(&b, ", where: '%s'", a.where)
	}
	if a.label {
		b.WriteString(", label: fraud")
	}
	fmt.Fprintf(&b, ", attempts: %t, before: %t}\n", a.attempts, a.before)
	return b.String()
}

// names of a payment: the key of an entity and what is counted once.
func named(e risk.Event, field string) string {
	return map[string]string{"payer": e.Payer, "payee": e.Payee, "device": e.Device, "address": e.IP, "card": e.Card,
		"payer_payee": e.Payer + "\x00" + e.Payee, "type": string(e.Type), "received": e.Payer}[field]
}

// in lists the events of the feature in (at-delay-w, at-delay], oldest first; the
// judged one stands among them as new.
func (a asked) in(all map[string]told, e risk.Event, w time.Duration) (out []told) {
	end := e.At.Add(-a.delay)
	one := func(x told) {
		key := a.entity
		if key == "received" {
			key = "payee" // of others, read under the payer's name
		}
		if mine := named(e, a.entity); mine == "" || named(x.e, key) != mine || x.e.At.After(end) || !x.e.At.After(end.Add(-w)) {
			return
		}
		if x.refused && !a.attempts || a.label && !x.fraud || a.where != "" && !holds(a.where, x.e) {
			return
		}
		out = append(out, x)
	}
	for id, x := range all {
		if id != e.ID {
			one(x)
		}
	}
	past := a.before || a.kind == "first" || a.kind == "last" || a.kind == "speed" || a.entity == "received"
	if !past {
		one(told{e: e})
	}
	slices.SortFunc(out, func(x, y told) int { return x.e.At.Compare(y.e.At) })
	return out
}

func holds(where string, e risk.Event) bool {
	switch where {
	case "amount > 500000":
		return e.Amount.Minor > 500000
	case `type == "purchase" && device.given`:
		return e.Type == risk.Purchase && e.Device != ""
	}
	panic(where) // the test knows all it writes
}

// want is the feature the slow way.
func (a asked) want(all map[string]told, e risk.Event) float64 {
	if a.kind == "speed" {
		return a.wantSpeed(all, e)
	}
	ts := a.in(all, e, a.window)
	n := float64(len(ts))
	sum, squares := new(big.Int), new(big.Int)
	least, most := int64(math.MaxInt64), int64(0)
	others, frauds := map[string]bool{}, 0.0
	for _, x := range ts {
		m := big.NewInt(x.e.Amount.Minor)
		sum.Add(sum, m)
		squares.Add(squares, new(big.Int).Mul(m, m))
		least, most = min(least, x.e.Amount.Minor), max(most, x.e.Amount.Minor)
		if v := named(x.e, a.of); v != "" {
			others[v] = true
		}
		if x.fraud {
			frauds++
		}
	}
	total, _ := new(big.Float).SetInt(sum).Float64()
	switch a.kind {
	case "count":
		return n
	case "sum":
		return total
	case "distinct":
		return float64(len(others))
	case "first", "last":
		if n == 0 {
			return math.NaN()
		}
		x := ts[0]
		if a.kind == "last" {
			x = ts[len(ts)-1]
		}
		return float64(e.At.Sub(x.e.At) / time.Second)
	case "burst":
		long := float64(len(a.in(all, e, a.longer)))
		if n == 0 || long == 0 {
			return 0
		}
		return n / float64(a.window) / (long / float64(a.longer))
	}
	if n == 0 {
		return 0
	}
	switch a.kind {
	case "mean":
		return total / n
	case "min":
		return float64(least)
	case "max":
		return float64(most)
	case "share":
		return frauds / n
	}
	// std: sqrt(n*squares - sum^2)/n
	v, _ := new(big.Float).SetInt(new(big.Int).Sub(new(big.Int).Mul(big.NewInt(int64(len(ts))), squares), new(big.Int).Mul(sum, sum))).Float64()
	return math.Sqrt(v) / n
}

// wantSpeed measures on a sphere, by the angle between two vectors and not as the
// engine does.
func (a asked) wantSpeed(all map[string]told, e risk.Event) float64 {
	ts := slices.DeleteFunc(a.in(all, e, a.window), func(x told) bool { return !x.e.Place.Given })
	if len(ts) == 0 || !e.Place.Given {
		return math.NaN()
	}
	vector := func(p risk.Place) (x, y, z float64) {
		lat, lon := float64(p.Lat)/1e6*math.Pi/180, float64(p.Lon)/1e6*math.Pi/180
		return math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)
	}
	last := ts[len(ts)-1].e
	x1, y1, z1 := vector(last.Place)
	x2, y2, z2 := vector(e.Place)
	cross := math.Sqrt(math.Pow(y1*z2-z1*y2, 2) + math.Pow(z1*x2-x1*z2, 2) + math.Pow(x1*y2-y1*x2, 2))
	km := 6371.0088 * math.Atan2(cross, x1*x2+y1*y2+z1*z2)
	return km / math.Max(1.0/3600, e.At.Sub(last.At).Hours())
}

var entitiesYAML = `entities:
  payer: {key: [payer]}
  payee: {key: [payee]}
  device: {key: [device]}
  address: {key: [address]}
  card: {key: [card]}
  payer_payee: {key: [payer, payee]}
  received: {key: [payer], as: payee}
`

const noRule = "rules:\n  - {id: a, owner: o, priority: 1, mode: live, when: amount < 0, outcome: hold, score: 1, reason: {zh: x, en: x}}\n"

func headOf(text string) string {
	return strings.Replace(text, "rules:\n", "", 1)
}

func drawAsked(rt *rapid.T) asked {
	kinds := []string{"count", "sum", "mean", "std", "min", "max", "distinct", "first", "last", "speed", "share", "burst"}
	a := asked{kind: rapid.SampledFrom(kinds).Draw(rt, "kind")}
	a.entity = rapid.SampledFrom([]string{"payer", "payee", "device", "address", "payer_payee", "received"}).Draw(rt, "entity")
	a.window = time.Duration(rapid.IntRange(1, 30).Draw(rt, "window")) * time.Hour
	a.longer = a.window * 3
	if rapid.Bool().Draw(rt, "delayed") {
		a.delay = time.Duration(rapid.IntRange(1, 10).Draw(rt, "delay")) * time.Hour
	}
	a.where = rapid.SampledFrom([]string{"", "", "amount > 500000", `type == "purchase" && device.given`}).Draw(rt, "where")
	a.attempts, a.before = rapid.Bool().Draw(rt, "attempts"), rapid.Bool().Draw(rt, "before")
	if a.kind != "share" {
		a.label = rapid.IntRange(0, 3).Draw(rt, "label") == 0
	}
	if a.kind == "distinct" {
		a.of = rapid.SampledFrom([]string{"payer", "payee", "device"}).Draw(rt, "of")
	}
	return a
}

// drawTold draws a payment that was told of, or a new one.
func drawTold(rt *rapid.T, all map[string]told) risk.Event {
	id := fmt.Sprint("p", rapid.IntRange(0, 60).Draw(rt, "id"))
	if x, ok := all[id]; ok {
		return x.e
	}
	e := risk.Event{ID: id, At: noon.Add(time.Duration(rapid.IntRange(0, 96).Draw(rt, "half hours")) * 30 * time.Minute),
		Payer: rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "payer"), Payee: rapid.SampledFrom([]string{"A", "B", "C"}).Draw(rt, "payee"),
		Type:   rapid.SampledFrom([]risk.Type{risk.Transfer, risk.Purchase}).Draw(rt, "type"),
		Device: rapid.SampledFrom([]string{"", "x", "y"}).Draw(rt, "device"), IP: rapid.SampledFrom([]string{"", "10.0.0.1"}).Draw(rt, "ip"),
		Amount: money.Of(rapid.Int64Range(1, 1e6).Draw(rt, "fen"), "CNY")}
	if rapid.Bool().Draw(rt, "placed") {
		// Two of one time could stand in either order, so each time has its place.
		e.Place = risk.Place{Lat: int32(e.At.Unix()%3000) * 20_000, Lon: int32(e.At.Unix()%7000) * 20_000, Given: true}
	}
	return e
}

// Every kind of feature, with every filter, against the slow way: over payments
// that come in any order and are refused, labelled, forgotten and told twice.
func TestKindsAgainstBruteForce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		asks := rapid.SliceOfN(rapid.Custom(drawAsked), 1, 6).Draw(rt, "features")
		pack := headOf(head) + entitiesYAML + "features:\n"
		for i, a := range asks {
			pack += a.yaml(fmt.Sprint("f", i))
		}
		en, clock := engine(t, pack+noRule)
		clock.Set(noon.AddDate(0, 0, 3))
		all := map[string]told{}
		draw := func(rt *rapid.T) risk.Event { return drawTold(rt, all) }
		rt.Repeat(map[string]func(*rapid.T){
			"observe": func(rt *rapid.T) {
				e := draw(rt)
				must(t, en.Observe(e))
				all[e.ID] = told{e, false, all[e.ID].fraud}
			},
			"refuse": func(rt *rapid.T) {
				e := draw(rt)
				must(t, en.Refuse(e))
				all[e.ID] = told{e, true, all[e.ID].fraud}
			},
			"label": func(rt *rapid.T) {
				e, fraud := draw(rt), rapid.Bool().Draw(rt, "fraud")
				must(t, en.Label(e, fraud))
				if x, ok := all[e.ID]; ok {
					x.fraud = fraud
					all[e.ID] = x
				}
			},
			"forget": func(rt *rapid.T) {
				e := draw(rt)
				en.Forget(e)
				delete(all, e.ID)
			},
			"": func(rt *rapid.T) {
				e := draw(rt)
				got, err := en.Features(e, risk.Facts{})
				must(t, err)
				for i, name := range en.FeatureNames() {
					var k int
					if n, _ := fmt.Sscanf(name, "f%d", &k); n == 0 {
						continue
					}
					want := asks[k].want(all, e)
					near := math.Abs(got[i]-want) <= 1e-9*math.Abs(want)
					if asks[k].kind == "speed" {
						near = math.Abs(got[i]-want) <= 1.5+want*1e-4 // places are kept to a metre or two, speeds whole
					}
					if !near && !(math.IsNaN(got[i]) && math.IsNaN(want)) {
						rt.Fatalf("%s %+v of %+v: %v, want %v", name, asks[k], e, got[i], want)
					}
				}
			},
		})
	})
}
