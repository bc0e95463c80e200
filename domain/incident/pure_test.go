package incident_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
)

// Every state with every event, as the table in the package comment says.
func TestNextOfAll(t *testing.T) {
	want := map[incident.Status]string{ // in the order of Events: gather reconcile propose withdraw approve pay settle close
		incident.Declared:   "gathering - - - - - - closed",
		incident.Gathering:  "gathering reconciled - - - gathering - closed",
		incident.Reconciled: "gathering reconciled proposed - - reconciled - closed",
		incident.Proposed:   "- - - reconciled approved - - -",
		incident.Approved:   "- - - - - paying - -",
		incident.Paying:     "gathering - proposed - - paying paid -",
		incident.Paid:       "gathering - proposed - - - - closed",
		incident.Closed:     "- - - - - - - -",
	}
	if len(want) != len(incident.Statuses()) {
		t.Fatal("a state is missing here")
	}
	for _, s := range incident.Statuses() {
		row := strings.Fields(want[s])
		if len(row) != len(incident.Events()) {
			t.Fatal("an event is missing here")
		}
		for i, e := range incident.Events() {
			to, err := incident.Next(s, e)
			if row[i] == "-" {
				if !ident.Is(err, ident.KindState) || to != s {
					t.Errorf("%s %s gives %s, %v", s, e, to, err)
				}
			} else if err != nil || string(to) != row[i] {
				t.Errorf("%s %s gives %s, %v; want %s", s, e, to, err, row[i])
			}
		}
	}
	if _, err := incident.Next("", "nonsense"); err == nil {
		t.Error("nonsense moves something")
	}
}

// Judge over every combination of police, records, what was said, estate, party,
// doubt and suspicion, against a table written by hand.
func TestJudgeOfAll(t *testing.T) {
	yuan := func(n int64) money.Amount { return money.Yuan(n) }
	// police none / yes; in each: records none, equal (100), other (90); in each: said none / something.
	plain := map[string]incident.Verdict{
		"p0 r0 s0": incident.Unmatched, "p0 r0 s1": incident.False,
		"p0 r1 s0": incident.FoundByUs, "p0 r1 s1": incident.FoundByUs, "p0 r2 s0": incident.FoundByUs, "p0 r2 s1": incident.FoundByUs,
		"p1 r0 s0": incident.PoliceConfirmed, "p1 r0 s1": incident.PoliceConfirmed,
		"p1 r1 s0": incident.Confirmed, "p1 r1 s1": incident.Confirmed,
		"p1 r2 s0": incident.Differs, "p1 r2 s1": incident.Differs,
	}
	heir := map[string]incident.Verdict{
		"p0 r0 s0": incident.Unmatched, "p0 r0 s1": incident.False,
		"p0 r1 s0": incident.FoundByUs, "p0 r1 s1": incident.FoundByUs, "p0 r2 s0": incident.FoundByUs, "p0 r2 s1": incident.FoundByUs,
		"p1 r0 s0": incident.Differs, "p1 r0 s1": incident.Differs,
		"p1 r1 s0": incident.Inherited, "p1 r1 s1": incident.Inherited,
		"p1 r2 s0": incident.Differs, "p1 r2 s1": incident.Differs,
	}
	n := 0
	for p, police := range []int64{0, 100} {
		for r, records := range []int64{0, 100, 90} {
			for _, said := range []int64{0, 50, 100, 150} {
				for _, estate := range []string{"", "heir", "nobody"} {
					for _, party := range []string{"", "pty_1"} {
						for _, doubt := range []string{"", "account_of_another"} {
							for _, suspect := range []bool{false, true} {
								n++
								v := incident.Victim{Party: party, Claimant: party, Police: yuan(police), Recorded: yuan(records), Reported: yuan(said),
									Estate: estate != "", Doubt: doubt, Suspect: suspect}
								if estate == "heir" {
									v.Claimant = "pty_heir"
								}
								key := fmt.Sprintf("p%d r%d s%d", p, r, min(said, 1))
								want := plain[key]
								if estate == "heir" {
									want = heir[key]
								}
								if suspect {
									want = incident.Differs
									if police == 0 && said > 0 {
										want = incident.False
									}
								}
								if doubt != "" && police > 0 || estate == "nobody" {
									want = incident.Differs
								}
								if party == "" {
									want = incident.Unmatched
									if estate == "heir" {
										v.Claimant = "pty_heir"
									}
								}
								checkJudged(t, v, want)
							}
						}
					}
				}
			}
		}
	}
	if n != 2*3*4*3*2*2*2 {
		t.Fatal(n)
	}
	v := incident.Victim{Party: "p", Claimant: "p", Police: yuan(100), Recorded: yuan(100), Reports: 2}
	if _, why, _ := incident.Judge(v); !slices.Contains(why, "said_twice") {
		t.Error(why)
	}
}

func checkJudged(t *testing.T, v incident.Victim, want incident.Verdict) {
	t.Helper()
	got, why, amount := incident.Judge(v)
	if got != want {
		t.Fatalf("%+v: %s %v, want %s", v, got, why, want)
	}
	if got.Payable() != (amount.Minor > 0) || got.Payable() && amount != v.Police {
		t.Fatalf("%+v: %s %s", v, got, amount)
	}
	if len(why) == 0 {
		t.Fatalf("%+v: no reason", v)
	}
	if more := slices.Contains(why, "claimed_more"); more != (got.Payable() && v.Reported.Minor > amount.Minor) {
		t.Fatalf("%+v: %v", v, why)
	}
	if less := slices.Contains(why, "claimed_less"); less != (got.Payable() && v.Reported.Minor > 0 && v.Reported.Minor < amount.Minor) {
		t.Fatalf("%+v: %v", v, why)
	}
}

func move(id, payer, payee, device, kind string, yuan int64) payment.Payment {
	return payment.Payment{State: payment.Settled, Request: payment.Request{ID: id, Payer: payer, Payee: payee, Device: device, Type: kind,
		Amount: money.Yuan(yuan)}}
}

func TestDeriveMarksAndStolen(t *testing.T) {
	home := map[string]string{"A": "a", "B": "b", "C": "c", "D": "d"}
	outs := map[string][]payment.Payment{
		"A": {move("1", "A", "T1", "thief", "transfer", 10), move("2", "A", "S", "a", "transfer", 1), move("3", "A", "X", "two", "transfer", 5)},
		"B": {move("4", "B", "T1", "thief", "transfer", 20), move("5", "B", "SHOP", "till", "purchase", 2),
			move("6", "B", "X", "two", "transfer", 5)},
		"C": {move("7", "C", "T2", "thief", "withdrawal", 30), move("8", "C", "SHOP", "till", "purchase", 2),
			move("9", "C", "T1", "", "transfer", 3)},
		"D": {move("10", "D", "T1", "other", "transfer", 40), move("11", "D", "SHOP", "till", "purchase", 2)},
	}
	marks := incident.DeriveMarks(outs, home)
	var got []string
	for _, m := range marks {
		got = append(got, fmt.Sprintf("%s %s %d", m.Kind, m.Value, m.Victims))
		if m.Why == "" {
			t.Error("a mark without a reason")
		}
	}
	// A device at two victims is a family's; a till is nobody's; a payment without a device proves nothing.
	if want := []string{"device thief 3", "payee T1 2", "payee T2 1"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	blocked := move("12", "D", "T1", "thief", "transfer", 1000)
	for _, s := range []payment.State{payment.Blocked, payment.Refused, payment.Returned, payment.Challenged, payment.Held} {
		blocked.State = s
		if sum, ids, err := incident.Stolen([]payment.Payment{blocked}, "d", marks); err != nil || sum.Minor != 0 || ids != nil {
			t.Errorf("a payment that is %s counts as stolen", s)
		}
	}
	for account, want := range map[string]string{"A": "1", "B": "4", "C": "7", "D": "10"} { // D by payee and a foreign device
		sum, ids, err := incident.Stolen(outs[account], home[account], marks)
		if err != nil || strings.Join(ids, ",") != want || sum.IsZero() {
			t.Errorf("%s: %v %s %v", account, ids, sum, err)
		}
	}
	big := move("13", "A", "T1", "thief", "transfer", 1)
	big.Amount.Minor = 1 << 62
	if _, _, err := incident.Stolen([]payment.Payment{big, big}, "a", marks); err == nil {
		t.Error("an overflow passes")
	}
	if incident.DeriveMarks(nil, nil) != nil {
		t.Error("marks out of nothing")
	}
}

func TestBatchIsWhatIsSigned(t *testing.T) {
	to := fund.PayTo{Name: "尹和震", Bank: "农业银行", Account: "6270899306786900075", Rail: fund.RailBank}
	vs := []incident.Victim{
		{ID: "vic_1", Verdict: incident.Confirmed, Amount: money.Yuan(10), PayTo: to, Claim: "c1"},
		{ID: "vic_2", Verdict: incident.PoliceConfirmed, Amount: money.Yuan(20), PayTo: to, Claim: "c2"},
		{ID: "vic_3", Verdict: incident.Differs, Amount: money.Yuan(40), PayTo: to},
		{ID: "vic_4", Verdict: incident.Confirmed, Amount: money.Yuan(80), PayTo: to, Payout: "po_4"},
		{ID: "vic_5", Verdict: incident.Confirmed, Amount: money.Yuan(160), PayTo: to, Approval: "apr_1"},
		{ID: "vic_6", Verdict: incident.Confirmed, Amount: money.Yuan(320)},
	}
	b, err := incident.BatchOf(vs)
	if err != nil || len(b.Victims) != 2 || b.Total != money.Yuan(30) || len(b.Waiting) != 1 || b.Waiting[0].ID != "vic_6" {
		t.Fatalf("%+v %v", b, err)
	}
	for name, change := range map[string]func(*incident.Victim){
		"amount": func(v *incident.Victim) { v.Amount.Minor++ }, "account": func(v *incident.Victim) { v.PayTo.Account = "6270899306786900076" },
		"name": func(v *incident.Victim) { v.PayTo.Name = "石言" }, "claim": func(v *incident.Victim) { v.Claim = "c9" },
		"verdict": func(v *incident.Victim) { v.Verdict = incident.Resolved }, "out": func(v *incident.Victim) { v.Verdict = incident.False },
	} {
		other := slices.Clone(vs)
		change(&other[0])
		if c, err := incident.BatchOf(other); err != nil || c.Hash == b.Hash {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func TestCountIsLateAtOnce(t *testing.T) {
	deadline := time.Date(2026, 5, 30, 16, 0, 0, 0, time.UTC)
	i := incident.Incident{Deadline: deadline, Status: incident.Paying}
	vs := []incident.Victim{
		{Verdict: incident.Confirmed, Amount: money.Yuan(10), Approval: "a", Payout: "p1", State: fund.Settled},
		{Verdict: incident.Confirmed, Amount: money.Yuan(20), Approval: "a", Payout: "p2", State: fund.Unknown},
		{Verdict: incident.Confirmed, Amount: money.Yuan(40), Approval: "a", Payout: "p3", State: fund.Rejected, Called: incident.Reached},
		{Verdict: incident.Confirmed, Amount: money.Yuan(80), Approval: "a"},
		{Verdict: incident.False, Reported: money.Yuan(5)},
	}
	for after, late := range map[time.Duration]int{-time.Minute: 0, 0: 0, time.Second: 3, time.Hour: 3} {
		b, err := incident.Count(i, vs, map[ident.ID]bool{"p1": true}, deadline.Add(after))
		if err != nil || b.Late != late || b.Unknown != 1 || b.Rejected != 1 || b.Left.People != 3 || b.Left.Money != money.Yuan(140) {
			t.Fatalf("%v: %+v %v", after, b, err)
		}
		if b.Steps[3].People != 4 || b.Steps[4].Money != money.Yuan(10) || b.Steps[5].People != 1 || b.Called["not_called"] != 3 {
			t.Fatalf("%+v", b)
		}
	}
}
