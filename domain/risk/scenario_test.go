package risk_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"surety/domain/risk"
	"surety/kernel/money"
)

// shared finds a file of the data that lies beside the project, or skips.
func shared(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", path))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the data is not here")
	}
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

type line struct {
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Account    string    `json:"account"`
	Device     string    `json:"device"`
	Type       string    `json:"type"`
	Payer      string    `json:"payer"`
	Payee      string    `json:"payee"`
	Fen        int64     `json:"amount_fen"`
	Channel    string    `json:"channel"`
	IP         string    `json:"ip"`
	City       string    `json:"city"`
	Factors    []string  `json:"factors"`
	Thief      bool      `json:"thief"` // never shown to the engine
	Verify     string    `json:"verification"`
	Registered string    `json:"registered"`
}

// The theft through a hijacked number: the thief has the password and receives
// the text messages, so a proof that is neither is one he does not have.
func TestHijackedPhone(t *testing.T) {
	var lines []line
	in := bufio.NewScanner(shared(t, "scenarios/hijacked-phone.jsonl"))
	for in.Scan() {
		var l line
		must(t, json.Unmarshal(in.Bytes(), &l))
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.At.Compare(b.At) })
	en, clock := engine(t, "")
	facts := map[string]risk.Account{}
	var lost, tried int64
	ordinary, stopped := 0, 0
	for i, l := range lines {
		clock.Set(l.At)
		a := facts[l.Account]
		switch l.Kind {
		case "account":
			a.Opened, a.Verification, a.Kind = l.At, l.Verify, "person"
			facts[l.Account] = a
		case "device_bound":
			a.Device = l.Device
			facts[l.Account] = a
		case "payment":
			e := risk.Event{ID: fmt.Sprint("h", i), At: l.At, Payer: l.Payer, Payee: l.Payee, Amount: money.Of(l.Fen, "CNY"),
				Type: risk.Type(l.Type), Channel: l.Channel, Device: l.Device, IP: l.IP, City: l.City}
			d, err := en.Assess(e, risk.Facts{Payer: facts[l.Payer], Payee: facts[l.Payee]})
			must(t, err)
			proven := slices.ContainsFunc(d.Proofs, func(p string) bool { return slices.Contains(l.Factors, p) })
			went := d.Outcome == risk.Allow || d.Outcome == risk.Challenge && proven
			if !went {
				must(t, en.Refuse(e))
			}
			switch {
			case l.Thief:
				tried += l.Fen
				if went {
					lost += l.Fen
				}
			default:
				ordinary++
				if d.Outcome != risk.Allow {
					stopped++
				}
			}
		}
	}
	t.Logf("lost %d of %d fen; %d of %d ordinary payments stopped", lost, tried, stopped, ordinary)
	if tried != 10_000_000 || lost > 990_000 || stopped > 0 || ordinary == 0 {
		t.Error("the default pack does not hold")
	}
}

// table reads a CSV file behind gzip, a row at a time.
func table(t *testing.T, path string) (header []string, next func() ([]string, bool)) {
	t.Helper()
	z, err := gzip.NewReader(bufio.NewReaderSize(shared(t, path), 1<<20))
	must(t, err)
	r := csv.NewReader(z)
	r.ReuseRecord = true
	first, err := r.Read()
	must(t, err)
	return slices.Clone(first), func() ([]string, bool) {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil, false
		}
		must(t, err)
		return rec, true
	}
}

func integer(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	must(t, err)
	return n
}

// The features of the Handbook, from raw transactions through the engine, against
// its own values: all rows but two, in which a card pays twice in one second.
func TestHandbook(t *testing.T) {
	if os.Getenv("SURETY_LONG") == "" { // surety bench handbook counts the same rows
		t.Skip("1.5 million transactions; SURETY_LONG=1 replays them")
	}
	names, next := table(t, "data/handbook/features_0725_0814.csv.gz")
	golden := map[int64][]float64{}
	for rec, ok := next(); ok; rec, ok = next() {
		row := make([]float64, len(rec)-1)
		for i, s := range rec[1:] {
			v, err := strconv.ParseFloat(s, 64)
			must(t, err)
			row[i] = v
		}
		golden[integer(t, rec[0])] = row
	}
	en, clock := engine(t, risk.HandbookPack())
	place := map[string]int{}
	for i, name := range en.FeatureNames() {
		for _, f := range en.Pack().Features {
			if f.Name == name && f.Alias != "" {
				place[f.Alias] = i
			}
		}
	}
	start := time.Date(2018, 4, 1, 0, 0, 0, 0, time.UTC)
	type swipe struct {
		e     risk.Event
		fraud bool
	}
	var past []swipe // not labelled yet
	_, next = table(t, "data/handbook/transactions.csv.gz")
	rows, same := 0, 0
	for rec, ok := next(); ok && rows < len(golden); rec, ok = next() {
		at := start.Add(time.Duration(integer(t, rec[1])) * time.Second)
		amount, mended, err := money.Parse(rec[4], "EUR")
		if err != nil || mended {
			t.Fatal(rec[4], err)
		}
		e := risk.Event{ID: rec[0], At: at, Payer: "C" + rec[2], Payee: "T" + rec[3], Terminal: "T" + rec[3], Amount: amount,
			Type: risk.Purchase, Channel: "card"}
		clock.Set(at)
		for len(past) > 0 && !past[0].e.At.Add(7*24*time.Hour).After(at) {
			if past[0].fraud {
				must(t, en.Label(past[0].e, true))
			}
			past = past[1:]
		}
		if want, asked := golden[integer(t, rec[0])]; asked {
			got, err := en.Features(e, risk.Facts{})
			must(t, err)
			rows++
			if alike(names[1:], place, got, want) {
				same++
			}
		}
		must(t, en.Observe(e))
		past = append(past, swipe{e, rec[5] == "1"})
	}
	t.Logf("%d of %d rows are equal; %+v", same, rows, en.Stats())
	if rows != 201_295 || same < rows-2 {
		t.Errorf("%d of %d rows are equal", same, rows)
	}
}

func alike(names []string, place map[string]int, got, want []float64) bool {
	for i, name := range names {
		at, ok := place[name]
		if !ok || math.Abs(got[at]-want[i]) > 1e-5*math.Max(1e-9, math.Abs(want[i])) && math.Abs(got[at]-want[i]) >= 1e-9 {
			return false
		}
	}
	return true
}
