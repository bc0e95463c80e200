package sim

import "fmt"

// auditor keeps books of its own, in simple maps, from what a client of the house
// saw: the calls that were answered, and what the bank and the wallet did. It
// says beforehand what each call must answer: "" or the code of the refusal.
type auditor struct {
	bank    int64
	free    map[string]int64  // by fund
	ear     map[spot]int64    // set aside
	held    map[spot]int64    // of it, on its way
	frozen  map[string]string // by fund: for which purpose
	payouts map[string]*order
	claims  map[string]*dossier
	stolen  map[string]string // payment -> the claim that it belongs to
}

// spot is an earmark.
type spot struct{ fund, purpose string }

// order is a payout as it was ordered.
type order struct {
	at     spot
	claim  string
	amount int64
	rail   string
	state  string // open, settled, rejected
}

// dossier is a claim as the client knows it.
type dossier struct {
	status, decision string
	amount           int64
	payout           string
	incident         bool
}

func newAuditor() *auditor {
	return &auditor{free: map[string]int64{}, ear: map[spot]int64{}, held: map[spot]int64{}, frozen: map[string]string{},
		payouts: map[string]*order{}, claims: map[string]*dossier{}, stolen: map[string]string{}}
}

func (a *auditor) deposit(fund string, n int64) {
	a.free[fund] += n
	a.bank += n
}

// stopped reports that a freeze keeps money from going out for the purpose.
func (a *auditor) stopped(at spot) bool {
	f := a.frozen[at.fund]
	return f != "" && f != at.purpose
}

func (a *auditor) earmark(at spot, n int64) string {
	switch {
	case a.stopped(at):
		return "fund_frozen"
	case a.free[at.fund] < n:
		return "balance_too_low"
	}
	a.free[at.fund] -= n
	a.ear[at] += n
	return ""
}

func (a *auditor) release(at spot) string {
	if a.stopped(at) {
		return "fund_frozen"
	}
	n := a.ear[at] - a.held[at]
	a.ear[at] -= n
	a.free[at.fund] += n
	return ""
}

func (a *auditor) freeze(at spot) string {
	if a.stopped(at) {
		return "fund_frozen"
	}
	a.frozen[at.fund] = at.purpose
	return ""
}

func (a *auditor) unfreeze(at spot) string {
	if a.stopped(at) {
		return "fund_frozen"
	}
	delete(a.frozen, at.fund)
	return ""
}

// mayPay says what an order must answer, without doing it.
func (a *auditor) mayPay(o order) string {
	known, have := a.ear[o.at]
	switch {
	case a.stopped(o.at):
		return "fund_frozen"
	case !have:
		return "earmark_missing"
	case known-a.held[o.at] < o.amount:
		return "balance_too_low"
	}
	return ""
}

func (a *auditor) pay(id string, o order) {
	o.state = "open"
	a.payouts[id] = &o
	a.held[o.at] += o.amount
	if c := a.claims[o.claim]; c != nil {
		c.status, c.payout = "paying", id
	}
}

// end is a payout that the client saw settled or rejected; truth is what the rail
// did. It returns what is wrong with that, "" if nothing is.
func (a *auditor) end(id, state, truth string) string {
	o := a.payouts[id]
	switch {
	case o == nil:
		return fmt.Sprintf("payout %s was never ordered and is %s", id, state)
	case o.state == state:
		return ""
	case o.state != "open":
		return fmt.Sprintf("payout %s was %s and is %s", id, o.state, state)
	case truth != state:
		return fmt.Sprintf("payout %s is %s, and the %s says %q", id, state, o.rail, truth)
	}
	o.state = state
	a.held[o.at] -= o.amount
	c := a.claims[o.claim]
	if state == "settled" {
		a.ear[o.at] -= o.amount
		a.bank -= o.amount
	}
	if c != nil {
		c.status = map[string]string{"settled": "settled", "rejected": "decided"}[state]
	}
	return ""
}

// accounts are the balances that must stand in the ledger.
func (a *auditor) accounts() map[string]int64 {
	out := map[string]int64{"bank:safeguarded": a.bank}
	for f, n := range a.free {
		out["fund:"+f+":free"] = n
	}
	for at, n := range a.ear {
		out["fund:"+at.fund+":ear:"+at.purpose] = n
	}
	return out
}
