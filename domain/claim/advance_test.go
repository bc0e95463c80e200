package claim

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/kernel/ident"
)

var noon = time.Date(2026, 5, 30, 4, 0, 0, 0, time.UTC)

// golden is what each event leads to, in the order of Events: submit triage ask
// answer investigate decide pay settled rejected returned close withdraw appeal
// take_over. A letter stands for a status; small letters depend on the decision.
var golden = map[Status]string{
	Draft:         "R - - - - - - - - - - W - -",
	Received:      "- T A - I - - - - - - W - R",
	Triaged:       "- T A - I D - - - - - W - T",
	Awaiting:      "- T - I I - - - - - - W - A",
	Investigating: "- I A - - D - - - - - W - I",
	Decided:       "- t - - - - p - - - c - l -",
	Paying:        "- - - - - - - S D - - - - -",
	Settled:       "- - - - - - - - - D C - l -",
	Closed:        "- t - - - - - - - D - - l -",
	Withdrawn:     "- - - - - - - - - - - - - -",
	Appealed:      "- L A - I D - - - L - W - L",
}

var letters = map[string]Status{"R": Received, "T": Triaged, "A": Awaiting, "I": Investigating, "D": Decided, "P": Paying, "S": Settled,
	"C": Closed, "W": Withdrawn, "L": Appealed}

// expected applies what depends on the decision and on whether money is owed.
func expected(letter string, d DecisionKind, e Event, owed bool) (Status, bool) {
	approved := d == ApproveFull || d == ApprovePartial
	switch {
	case letter == "-",
		e == Decide && d == Undecided,
		letter == "t" && d != Refuse,
		letter == "p" && !(approved && owed),
		letter == "c" && approved && owed,
		letter == "l" && d == ApproveFull:
		return "", false
	case e == Withdraw && owed:
		return Decided, true
	case e == Withdraw && d != Undecided:
		return Closed, true
	}
	return letters[strings.ToUpper(letter)], true
}

// Every status with every event, every decision, with and without money owed.
func TestNextOfAll(t *testing.T) {
	if len(golden) != len(Statuses()) {
		t.Fatal("a status is missing here")
	}
	for _, s := range Statuses() {
		row := strings.Fields(golden[s])
		if len(row) != len(Events()) {
			t.Fatal("an event is missing here")
		}
		for i, e := range Events() {
			for _, d := range []DecisionKind{Undecided, ApproveFull, ApprovePartial, Refuse} {
				for _, owed := range []bool{false, true} {
					c := Claim{Status: s, Decision: d}
					if owed {
						c.start(PaymentBy, Us, noon)
					}
					want, ok := expected(row[i], d, e, owed)
					got, err := Next(c, e, noon)
					if ok && (err != nil || got.Status != want) || !ok && (err == nil || got.Status != s) {
						t.Errorf("%s %s %s owed=%v gives %s, %v; want %s %v", s, d, e, owed, got.Status, err, want, ok)
					}
					if !ok && ident.KindOf(err) != ident.KindState && ident.CodeOf(err) != "no_decision" {
						t.Errorf("%s %s: %v", s, e, err)
					}
				}
			}
		}
	}
	if _, err := Next(Claim{}, "nonsense", noon); err == nil {
		t.Error("nonsense moves something")
	}
}

func TestMoneyMovesOfAll(t *testing.T) {
	advances := []Advance{NoAdvance, Shadow, Advanced, Confirmed, Reversed, WrittenOff}
	may := map[Advance]string{NoAdvance: "shadow paid",
		Shadow: "paid confirmed reversed", Advanced: "confirmed reversed", Reversed: "written_off"}
	for _, from := range advances {
		for _, to := range advances {
			ok := strings.Contains(" "+may[from]+" ", " "+string(to)+" ")
			if err := MoveAdvance(from, to); (err == nil) != ok || err != nil && !ident.Is(err, ident.KindState) {
				t.Errorf("advance %s to %s: %v", from, to, err)
			}
		}
	}
	recoveries := []Recovery{NotStarted, Tracing, Frozen, Recalled, PartiallyReturned, Returned, Exhausted}
	can := map[Recovery]string{NotStarted: "tracing", Tracing: "frozen recalled partially_returned returned exhausted",
		Frozen: "recalled partially_returned returned exhausted", Recalled: "partially_returned returned exhausted",
		PartiallyReturned: "partially_returned returned exhausted"}
	for _, from := range recoveries {
		for _, to := range recoveries {
			ok := strings.Contains(" "+can[from]+" ", " "+string(to)+" ")
			if err := MoveRecovery(from, to); (err == nil) != ok || err != nil && !ident.Is(err, ident.KindState) {
				t.Errorf("recovery %s to %s: %v", from, to, err)
			}
		}
	}
}

// step is Next that must work.
func step(t *testing.T, c Claim, e Event, at time.Time) Claim {
	t.Helper()
	c, err := Next(c, e, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClocks(t *testing.T) {
	h := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	c := step(t, Claim{Status: Draft, Decision: Undecided}, Submit, h(0))
	if k := c.Due(); k.Name != FirstAnswer || k.Owner != Us || !k.Due.Equal(h(24)) {
		t.Fatalf("%+v", k)
	}
	before := c.Clocks
	c = step(t, c, Ask, h(10))
	if !before[0].Done.IsZero() || !before[1].Paused.IsZero() {
		t.Fatal("Next has changed what it was given")
	}
	if k := c.Due(); k.Name != ClaimantAnswer || k.Owner != Claimant || !k.Due.Equal(h(10+14*24)) {
		t.Fatalf("%+v", k)
	}
	c = step(t, c, Answer, h(110)) // 62 of 72 hours were left
	if k := c.Due(); k.Name != DecisionBy || !k.Due.Equal(h(110+62)) || !k.Paused.IsZero() {
		t.Fatalf("%+v", k)
	}
	c = step(t, c, Ask, h(120)) // a second question: 52 left
	c = step(t, c, Triage, h(200))
	if k := c.Due(); k.Name != DecisionBy || !k.Due.Equal(h(252)) {
		t.Fatalf("%+v", k)
	}
	c.Decision = ApproveFull
	c = step(t, c, Decide, h(210))
	if k := c.Due(); k.Name != PaymentBy || !k.Due.Equal(h(234)) {
		t.Fatalf("%+v", k)
	}
	c = step(t, step(t, c, Pay, h(211)), PayoutRejected, h(220))
	if k := c.Due(); k.Name != PaymentBy || !k.Due.Equal(h(234)) {
		t.Fatal("a failed payout moves the promise to pay")
	}
	c = step(t, step(t, c, Pay, h(221)), PayoutSettled, h(222))
	if c.Due() != nil {
		t.Fatalf("%+v", c.Due())
	}
	if c = step(t, c, PayoutReturned, h(300)); c.Due() == nil || !c.Due().Due.Equal(h(324)) {
		t.Fatal("money that came back is owed again, within the same time")
	}
	r := step(t, Claim{Status: Triaged, Decision: Refuse}, Decide, h(0))
	if r.Due() != nil {
		t.Fatal("a refusal promises nothing")
	}
	r = step(t, r, Appeal, h(5))
	if k := r.Due(); k.Name != DecisionBy || !k.Due.Equal(h(77)) {
		t.Fatalf("%+v", k)
	}
}

// However often a claim waits for its claimant, we have 72 hours of our own time.
func TestClockKeepsTheTimeLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, ours := noon, time.Duration(0)
		c, _ := Next(Claim{Status: Draft, Decision: Undecided}, Submit, now)
		for range rapid.IntRange(0, 8).Draw(t, "questions") {
			working := time.Duration(rapid.IntRange(0, 5*3600).Draw(t, "working")) * time.Second
			now, ours = now.Add(working), ours+working
			c, _ = Next(c, Ask, now)
			now = now.Add(time.Duration(rapid.IntRange(0, 90*24*3600).Draw(t, "waiting")) * time.Second)
			c, _ = Next(c, Answer, now)
		}
		if k := c.clock(DecisionBy); !k.Due.Equal(now.Add(72*time.Hour - ours)) {
			t.Fatalf("due %s, want %s", k.Due, now.Add(72*time.Hour-ours))
		}
		running := 0
		for _, k := range c.Clocks {
			if k.Name == DecisionBy && k.Done.IsZero() {
				running++
			}
		}
		if running != 1 {
			t.Fatalf("%d clocks for one promise", running)
		}
	})
}

// The check digit finds every wrong digit and every swap of neighbours but 09.
func TestCheckDigit(t *testing.T) {
	if got := checkDigit("7992739871"); got != 3 { // the example of ISO/IEC 7812-1's formula
		t.Fatal(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := []byte(rapid.StringMatching(`2026[0-9]{6}`).Draw(t, "number"))
		i, d := rapid.IntRange(0, 9).Draw(t, "place"), byte('0'+rapid.IntRange(0, 9).Draw(t, "digit"))
		have := checkDigit(string(s))
		if i < 9 && s[i] != s[i+1] && !(s[i]+s[i+1] == '0'+'9' && (s[i] == '0' || s[i] == '9')) {
			x := append([]byte(nil), s...)
			x[i], x[i+1] = x[i+1], x[i]
			if checkDigit(string(x)) == have {
				t.Fatalf("%s and %s have the same digit", s, x)
			}
		}
		if x := append([]byte(nil), s...); x[i] != d {
			if x[i] = d; checkDigit(string(x)) == have {
				t.Fatalf("%s and %s have the same digit", s, x)
			}
		}
	})
}
