package claim

import (
	"strings"
	"time"

	"surety/domain/notice"
)

// appealTime is how long a claimant has to disagree.
const appealTime = 30 * 24 * time.Hour

// phrases are the grounds of refusals and the reasons of triage, as people read them.
var phrases = map[string]notice.Text{
	"no_loss_found":              {ZH: "经核对，没有发现损失", EN: "no loss was found"},
	"not_the_holder":             {ZH: "申请人不是账户持有人，也没有代办证明", EN: "the claimant is not the holder and has shown no standing"},
	"paid_by_holder":             {ZH: "付款由账户持有人本人作出", EN: "the holder made the payment"},
	"paid_already":               {ZH: "这笔损失已经赔付", EN: "this loss was compensated before"},
	"no_record":                  {ZH: "平台记录中没有相应的交易", EN: "our records show no such payment"},
	"not_on_police_list":         {ZH: "公安机关的名单中没有该账户", EN: "the account is not on the list of the police"},
	"police_confirm":             {ZH: "公安机关已核实", EN: "the police have confirmed it"},
	"records_equal_police":       {ZH: "平台记录与公安机关核实的金额一致", EN: "our records and the police name the same amount"},
	"records_differ_from_police": {ZH: "平台记录与公安机关核实的金额不一致", EN: "our records and the police name different amounts"},
	"records_equal_estate":       {ZH: "平台记录与继承人所报金额一致", EN: "our records and the estate name the same amount"},
	"records_show_theft":         {ZH: "平台记录显示被盗", EN: "our records show a theft"},
	"estate_without_record":      {ZH: "继承人所报损失在平台没有记录", EN: "the estate names a loss that our records do not show"},
	"claimed_more":               {ZH: "所报金额高于实际损失", EN: "more was claimed than was lost"},
	"claimed_less":               {ZH: "所报金额低于实际损失", EN: "less was claimed than was lost"},
	"said_twice":                 {ZH: "重复报告", EN: "reported more than once"},
	"nobody_found":               {ZH: "未找到对应的账户", EN: "no account was found"},
	"claimed_elsewhere":          {ZH: "同一损失可能已在另一份申请中", EN: "another claim may be for the same loss"},
	"claim_withdrawn":            {ZH: "申请人已撤回申请", EN: "the claim was withdrawn"},
	"heir_unknown":               {ZH: "账户持有人已去世，继承人尚未确认", EN: "the holder has died and no heir has stepped in"},
	"account_of_another":         {ZH: "名单上的账户属于他人", EN: "the account on the list is another person's"},
	"identity_differs":           {ZH: "身份证号与账户持有人不一致", EN: "the identity number is not the account holder's"},
	"two_payees":                 {ZH: "名单上有两个不同的收款账户", EN: "the list names two different receiving accounts"},
	"received_stolen_money":      {ZH: "该账户收到过被盗资金", EN: "the account received stolen money"},
	"more_after_payment":         {ZH: "赔付之后又有新的损失", EN: "more was lost than was paid"},
	"decided_other_amount":       {ZH: "此前已按另一金额作出决定", EN: "another amount was decided before"},
	"decided_by_person":          {ZH: "经人工核定", EN: "decided by a person"},
}

// Words turns codes, separated by spaces, into a sentence a person reads. A text
// that is no code is kept as it is.
func Words(codes string, lang notice.Lang) string {
	var out []string
	for _, code := range strings.Fields(codes) {
		t, ok := phrases[code]
		if !ok {
			return codes
		}
		out = append(out, t.In(lang))
	}
	if lang == notice.ZH {
		return strings.Join(out, "；")
	}
	return strings.Join(out, "; ")
}

// Grounds are the codes that a refusal can name, in the order of a form.
func Grounds() []string {
	return []string{"no_loss_found", "not_the_holder", "paid_by_holder", "paid_already"}
}
