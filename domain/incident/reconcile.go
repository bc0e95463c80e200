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
// Before these: a dead holder without an heir, a match that is in doubt, and an
// account that itself received stolen money are a person's to decide; and what
// only such an account's user says is false.
//
// Who claimed more than the records show is paid what is confirmed and marked
// "claimed_more"; who reported twice is marked "said_twice".
func Judge(v Victim) (Verdict, []string, money.Amount) {
	police, said := v.Police.Minor > 0, v.Reported.Minor > 0
	verdict, reasons, amount := judge(v)
	if !police && !said && verdict == Unmatched && v.Party != "" {
		reasons = append(reasons, "no_record") // found by a search whose payments do not count any more
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

func judge(v Victim) (verdict Verdict, reasons []string, amount money.Amount) {
	police, records, said := v.Police.Minor > 0, v.Recorded.Minor > 0, v.Reported.Minor > 0
	switch {
	case v.Party == "":
		return Unmatched, []string{"nobody_found"}, amount
	case v.Estate && v.Claimant == v.Party:
		return Differs, []string{"heir_unknown"}, amount
	case police && v.Doubt != "":
		return Differs, []string{v.Doubt}, amount
	case v.Suspect && said && !police:
		return False, []string{"received_stolen_money", "not_on_police_list"}, amount
	case v.Suspect:
		return Differs, []string{"received_stolen_money"}, amount
	case v.Estate && records && v.Recorded == v.Police:
		return Inherited, []string{"records_equal_estate"}, v.Recorded
	case police && records && v.Police == v.Recorded:
		return Confirmed, []string{"records_equal_police"}, v.Police
	case police && records:
		return Differs, []string{"records_differ_from_police"}, amount
	case police && v.Estate:
		return Differs, []string{"estate_without_record"}, amount
	case police:
		return PoliceConfirmed, []string{"no_record", "police_confirm"}, v.Police
	case records:
		return FoundByUs, []string{"records_show_theft", "not_on_police_list"}, amount
	case said:
		return False, []string{"no_record", "not_on_police_list"}, amount
	}
	return Unmatched, nil, amount
}
