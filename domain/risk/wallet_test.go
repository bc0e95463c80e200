package risk_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/money"
)

// wallet is a made-up wallet of ninety days.
type wallet struct {
	r     *rand.Rand
	start time.Time
	facts map[string]risk.Account
	steps []step
}

type step struct {
	e     risk.Event
	theft bool
}

// when is a moment of the day's sixteen waking hours.
func (w *wallet) when(day int) time.Time {
	waking := time.Duration(w.r.Int64N(int64(16 * time.Hour))).Truncate(time.Microsecond)
	return w.start.AddDate(0, 0, day).Add(waking - 5*time.Hour)
}

func (w *wallet) account(name, device string, opened time.Time) {
	w.facts[name] = risk.Account{Opened: opened, Device: device, City: "成都", Verification: "full", Kind: "person"}
}

func (w *wallet) add(theft bool, at time.Time, payer, payee string, fen int64, device, city string, kind risk.Type) {
	w.steps = append(w.steps, step{risk.Event{ID: fmt.Sprint("p", len(w.steps)), At: at, Payer: payer, Payee: payee,
		Amount: money.Of(fen, "CNY"), Type: kind, Channel: "app", Device: device, City: city}, theft})
}

// live is the ordinary life of account i: shopping, sending money to friends,
// sometimes much and to somebody new, travelling, and in one of four a new phone.
func (w *wallet) live(i int) {
	r, me := w.r, fmt.Sprint("A", i)
	w.account(me, "own-"+me, w.start.AddDate(0, -r.IntN(40), 0))
	phone, change := "own-"+me, r.IntN(360)
	usual := int64(3000 + r.IntN(30000))
	for day := range 90 {
		if day == change {
			phone += "-2"
		}
		for range r.IntN(3) {
			city := "成都"
			if r.IntN(20) == 0 {
				city = "上海"
			}
			if r.IntN(4) > 0 {
				w.add(false, w.when(day), me, fmt.Sprint("M", r.IntN(60)), 500+r.Int64N(20000), phone, city, risk.Purchase)
				continue
			}
			payee, fen := fmt.Sprint("A", (i+r.IntN(6))%300), usual/4+r.Int64N(usual)
			if r.IntN(25) == 0 {
				payee, fen = fmt.Sprint("A", r.IntN(300)), fen*(1+r.Int64N(12))
			}
			w.add(false, w.when(day), me, payee, fen, phone, city, risk.Transfer)
		}
	}
}

// steal empties forty accounts into five mules, half of them at night, one in
// eight from the victim's own phone.
func (w *wallet) steal() {
	for i := range 5 {
		w.account(fmt.Sprint("X", i), fmt.Sprint("x", i), w.start.AddDate(0, 0, 50+i))
	}
	for v := range 40 {
		me, at := fmt.Sprint("A", v*7), w.when(75+v/4)
		if v%2 == 0 {
			at = at.Truncate(24 * time.Hour).Add(18 * time.Hour) // two at night
		}
		device, city := "gang", "广州"
		if v%8 == 0 {
			device, city = "own-"+me, "成都"
		}
		for range 1 + w.r.IntN(3) {
			at = at.Add(3 * time.Minute)
			w.add(true, at, me, fmt.Sprint("X", v%5), 10_000_00+w.r.Int64N(300_000_00), device, city, risk.Transfer)
		}
	}
}

// The default pack must stop nine tenths of what is stolen and disturb less than
// one ordinary payment in two hundred, from the first day on.
func TestWallet(t *testing.T) {
	w := &wallet{r: rand.New(rand.NewPCG(11, 12)), start: noon.AddDate(0, 0, -90), facts: map[string]risk.Account{}}
	for i := range 300 {
		w.live(i)
	}
	w.steal()
	slices.SortFunc(w.steps, func(a, b step) int { return cmp.Or(a.e.At.Compare(b.e.At), cmp.Compare(a.e.ID, b.e.ID)) })

	en, clock := engine(t, "")
	clock.Set(w.start)
	var good, disturbed int
	var stolen, stopped int64
	for _, s := range w.steps {
		clock.Set(s.e.At)
		d, err := en.Assess(s.e, risk.Facts{Payer: w.facts[s.e.Payer], Payee: w.facts[s.e.Payee]})
		must(t, err)
		switch caught := d.Outcome != risk.Allow; {
		case s.theft:
			stolen += s.e.Amount.Minor
			if caught {
				stopped += s.e.Amount.Minor
				must(t, en.Refuse(s.e))
			}
		default:
			good++
			if caught {
				disturbed++ // an honest payer gives the proof, and the payment goes
				must(t, en.Observe(s.e))
			}
		}
	}
	t.Logf("%d ordinary payments, %d disturbed; %s of %s stopped",
		good, disturbed, money.Of(stopped, "CNY"), money.Of(stolen, "CNY"))
	if stopped*10 < stolen*9 {
		t.Error("less than nine tenths of the stolen money was stopped")
	}
	if disturbed*200 >= good {
		t.Error("one ordinary payment in two hundred was disturbed")
	}
}

// A judgement with everything on: six windows, all live rules of the default
// pack for transfers, and the counting, for one of 20,000 payers.
func BenchmarkAssess(b *testing.B) {
	for _, kind := range []risk.Type{risk.Transfer, risk.Purchase} {
		b.Run(string(kind), func(b *testing.B) {
			en, clock := engine(b, "")
			r := rand.New(rand.NewPCG(1, 1))
			at, n := noon, 0
			next := func() risk.Event {
				n++
				at = at.Add(time.Second)
				who := r.IntN(20_000)
				e := pay(fmt.Sprint(n), at, fmt.Sprint("A", who), fmt.Sprint("B", r.IntN(5000)), 100, fmt.Sprint("own", who))
				e.Type = kind
				return e
			}
			for range 200_000 {
				must(b, en.Observe(next()))
			}
			clock.Set(at)
			events := make([]risk.Event, 100_000)
			for i := range events {
				events[i] = next()
			}
			f := known("own")
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := en.Assess(events[i%len(events)], f); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
