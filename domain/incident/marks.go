package incident

import (
	"fmt"
	"slices"
	"sort"

	"surety/domain/payment"
	"surety/kernel/money"
)

// markVictims is how many victims' accounts a foreign device must have touched
// before it is a mark: one may be a new telephone, two a family.
const markVictims = 3

// DeriveMarks finds what the thefts have in common. outs are the payments out of
// each matched victim's account in the incident's window; home is each account's
// enrolled device. A device that is foreign to at least three of the accounts is
// a mark, and so is every account that such a device paid. Pure.
func DeriveMarks(outs map[string][]payment.Payment, home map[string]string) []Mark {
	touched := map[string]map[string]bool{} // device -> accounts
	paid := map[string]map[string]bool{}    // payee -> accounts, by device below
	for account, ps := range outs {
		for _, p := range ps {
			if foreign(p, home[account]) {
				add(touched, p.Device, account)
			}
		}
	}
	var marks []Mark
	for device, accounts := range touched {
		if len(accounts) >= markVictims {
			marks = append(marks, Mark{Kind: MarkDevice, Value: device, Victims: len(accounts),
				Why: fmt.Sprintf("paid out of %d victims' accounts, enrolled for none of them", len(accounts))})
		}
	}
	for account, ps := range outs {
		for _, p := range ps {
			if foreign(p, home[account]) && len(touched[p.Device]) >= markVictims {
				add(paid, p.Payee, account)
			}
		}
	}
	for payee, accounts := range paid {
		marks = append(marks, Mark{Kind: MarkPayee, Value: payee, Victims: len(accounts),
			Why: fmt.Sprintf("received money from %d victims' accounts through such a device", len(accounts))})
	}
	sort.Slice(marks, func(i, j int) bool {
		a, b := marks[i], marks[j]
		return a.Kind < b.Kind || a.Kind == b.Kind && (a.Victims > b.Victims || a.Victims == b.Victims && a.Value < b.Value)
	})
	return marks
}

func add(m map[string]map[string]bool, key, value string) {
	if m[key] == nil {
		m[key] = map[string]bool{}
	}
	m[key][value] = true
}

// foreign reports a payment that a person could push, made with a device that is
// not the account's own. Purchases on the spot are left out: nobody was seen to
// lose money by them, and a shop's terminal is nobody's device.
func foreign(p payment.Payment, home string) bool {
	return p.Device != "" && p.Device != home && (p.Type == "transfer" || p.Type == "withdrawal")
}

// stopped reports a payment that never went out: an attempt is a mark, no loss.
func stopped(p payment.Payment) bool {
	switch p.State {
	case payment.Blocked, payment.Refused, payment.Returned, payment.Challenged, payment.Held:
		return true
	}
	return false
}

// Stolen picks the payments of one account that went out and bear a mark: made
// with a marked device, or with a foreign device to a marked payee. It returns
// their sum.
func Stolen(outs []payment.Payment, home string, marks []Mark) (sum money.Amount, ids []string, err error) {
	for _, p := range outs {
		if !foreign(p, home) || stopped(p) {
			continue
		}
		if marked(marks, MarkDevice, p.Device) || marked(marks, MarkPayee, p.Payee) {
			if sum, err = sum.Add(p.Amount); err != nil {
				return sum, ids, err
			}
			ids = append(ids, p.ID)
		}
	}
	return sum, ids, nil
}

func marked(marks []Mark, k MarkKind, value string) bool {
	return slices.ContainsFunc(marks, func(m Mark) bool { return m.Kind == k && m.Value == value })
}
