package watch

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"strconv"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/money"
)

func labelled(id, terminal string) *risk.Event {
	return &risk.Event{ID: id, At: noon, Payer: "W1", Payee: "M1", Terminal: terminal, Amount: money.Of(100, money.CNY), Type: risk.Purchase}
}

func scoreOf(m *Meter, d int, name string) (suspect, bool) {
	for _, s := range m.suspects(d) {
		if s.name == name {
			return s, true
		}
	}
	return suspect{}, false
}

func TestLabelCountsOnce(t *testing.T) {
	m := newMeter(t, small)
	for range 3 {
		m.Label(labelled("P1", "T1"), true, noon)
	}
	s, ok := scoreOf(m, dTerminal, "T1")
	up := math.Log(hitShare / (1.0 / 1000))
	if !ok || s.labels != 1 || math.Abs(s.score-up) > 1e-9 {
		t.Fatalf("%+v, want one label and %v", s, up)
	}
	m.Label(labelled("P1", "T1"), false, noon) // it was none after all
	m.Label(labelled("P1", "T1"), false, noon)
	m.Label(labelled("P2", "T1"), false, noon)
	if s, _ := scoreOf(m, dTerminal, "T1"); s.labels != 0 || s.score != 0 || m.tick.frauds != 0 {
		t.Fatalf("%+v, %v frauds", s, m.tick.frauds)
	}
	m.Label(labelled("P3", "T1"), true, noon)
	m.setDrift()
	for range 5 * batchSize { // ordinary payments wear it down, and never below zero
		m.Observe(labelled("", "T1"), allowed)
	}
	if s, _ := scoreOf(m, dTerminal, "T1"); s.score != 0 || s.labels != 1 {
		t.Fatalf("%+v", s)
	}
}

// The suspects of a dimension are bounded; the least suspicious leaves.
func TestSuspectsAreBounded(t *testing.T) {
	m := newMeter(t, small)
	m.Label(labelled("A", "bad"), true, noon)
	m.Label(labelled("B", "bad"), true, noon)
	for i := range mostSuspects + 10 {
		m.Label(labelled("P"+strconv.Itoa(i), "T"+strconv.Itoa(i)), true, noon)
	}
	if n := len(m.suspects(dTerminal)); n != mostSuspects {
		t.Fatalf("%d suspects", n)
	}
	if s, ok := scoreOf(m, dTerminal, "bad"); !ok || s.labels != 2 {
		t.Fatal("the worst one was forgotten")
	}
}

// cards is the handbook's five months of card payments, read a row at a time.
type cards struct {
	in   *csv.Reader
	base time.Time
}

func openCards(t *testing.T) *cards {
	t.Helper()
	if testing.Short() {
		t.Skip("five months take a while")
	}
	f, err := os.Open("/work/shared/data/handbook/transactions.csv.gz")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the data is not here")
	}
	must(t, err)
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	must(t, err)
	in := csv.NewReader(z)
	in.ReuseRecord = true
	_, err = in.Read()
	must(t, err)
	return &cards{in, time.Date(2018, 4, 1, 0, 0, 0, 0, time.UTC)}
}

// next is a payment, whether it is a fraud, and whether one of a compromised terminal.
func (c *cards) next(t *testing.T) (e risk.Event, fraud, compromised, ok bool) {
	t.Helper()
	rec, err := c.in.Read()
	if errors.Is(err, io.EOF) {
		return e, false, false, false
	}
	must(t, err)
	seconds, err := strconv.ParseInt(rec[1], 10, 64)
	must(t, err)
	return risk.Event{ID: rec[0], At: c.base.Add(time.Duration(seconds) * time.Second), Payer: "C" + rec[2], Payee: "T" + rec[3], Terminal: "T" + rec[3],
		Amount: money.Of(100, money.CNY), Type: risk.Purchase}, rec[5] == "1", rec[6] == "2", true
}

// On five months of card payments, with labels a week late, terminals that are
// compromised are found after their second or third label.
func TestCompromisedTerminals(t *testing.T) {
	c := openCards(t)
	m, err := NewMeter(MeterConfig{Keys: 16384, Seen: 16384, Seed: 7}, c.base)
	must(t, err)
	w := &Watch{ID: "terminal-labels", Dimension: Terminal, Measure: Labels, FalseAlarms: 500, Floor: 2, Enabled: true}
	var waiting []risk.Event       // for their labels
	last := map[string]time.Time{} // when a terminal last had a fraud because it was compromised
	labels, alarmed := map[string]int{}, map[string]bool{}
	wrong, sum, after, at := 0, 0, [5]int{}, c.base
	label := func(e risk.Event) {
		m.Label(&e, true, at)
		if !last[e.Terminal].IsZero() {
			labels[e.Terminal]++
		}
		for _, x := range m.scanLabels(w, at) {
			switch {
			case alarmed[x.name]:
			case !last[x.name].IsZero() && at.Sub(last[x.name]) < 36*24*time.Hour:
				after[min(4, labels[x.name])]++
				sum++
			default:
				wrong++
			}
			alarmed[x.name] = true
		}
	}
	for {
		e, fraud, compromised, ok := c.next(t)
		if !ok {
			break
		}
		if at = e.At; at.Unix()/60 > m.now.Load() {
			m.advance(at.Unix() / 60)
			for len(waiting) > 0 && !waiting[0].At.AddDate(0, 0, 7).After(at) {
				label(waiting[0])
				waiting = waiting[1:]
			}
		}
		m.Observe(&e, allowed)
		if fraud {
			waiting = append(waiting, e)
		}
		if compromised {
			last[e.Terminal] = at
		}
	}
	days := at.Sub(c.base).Hours() / 24
	t.Logf("%.0f days, %d terminals compromised; found %d: after 1 label %d, 2 labels %d, 3 labels %d, more %d; false alarms %d, stated %.0f at most",
		days, len(last), sum, after[1], after[2], after[3], after[4], wrong, days*float64(w.FalseAlarms)/1000)
	if float64(wrong) > days*float64(w.FalseAlarms)/1000 || sum < len(last)*8/10 || after[1]+after[2]+after[3] < sum*9/10 {
		t.Error("too few, too late, or too many that are not compromised")
	}
}
