package incident

import (
	"surety/kernel/money"
)

// Judge is the verdict over one victim from what the police say, what the user
// said and what the records show. Pure.
//
//	police  records  user        verdict            paid
//	  =        =      any         confirmed          that amount
//	 yes      none    any         police_confirmed   what the police say
//	  ≠        ≠      any         differs            nothing until a person decides
//	none      yes     yes / no    found_by_us        nothing until the police or a person confirm
//	none      none    yes         false              nothing; a person refuses
//	estate    yes     -           inherited          what the records show, if the estate claims the same
//	no account found              unmatched          nothing until a person has looked
//
// Who claimed more than the records show is paid what is confirmed and marked
// "claimed_more"; who reported twice is marked "said_twice".
func Judge(v Victim) (Verdict, []string, money.Amount) {
	var reasons []string
	police, records, said := v.Police.Minor > 0, v.Recorded.Minor > 0, v.Reported.Minor > 0
	verdict, amount := Unmatched, money.Amount{}
	switch {
	case v.Party == "":
		reasons = append(reasons, "nobody_found")
	case v.Estate && records && v.Recorded == v.Police:
		verdict, amount = Inherited, v.Recorded
		reasons = append(reasons, "records_equal_estate")
	case police && records && v.Police == v.Recorded:
		verdict, amount = Confirmed, v.Police
		reasons = append(reasons, "records_equal_police")
	case police && records:
		verdict = Differs
		reasons = append(reasons, "records_differ_from_police")
	case police && v.Estate:
		verdict = Differs
		reasons = append(reasons, "estate_without_record")
	case police:
		verdict, amount = PoliceConfirmed, v.Police
		reasons = append(reasons, "no_record", "police_confirm")
	case records:
		verdict = FoundByUs
		reasons = append(reasons, "records_show_theft", "not_on_police_list")
	case said:
		verdict = False
		reasons = append(reasons, "no_record", "not_on_police_list")
	}
	if said && amount.Minor > 0 {
		switch {
		case v.Reported.Minor > amount.Minor:
			reasons = append(reasons, "claimed_more")
		case v.Reported.Minor < amount.Minor:
			reasons = append(reasons, "claimed_less")
		}
	}
	if v.Reports > 1 {
		reasons = append(reasons, "said_twice")
	}
	return verdict, reasons, amount
}
