package risk

import (
	"time"

	"surety/kernel/ident"
	"surety/kernel/policy"
)

// day is what the features call a day.
const day = 24 * time.Hour

// unknown is the value of an age that cannot be told. Rules say "x >= 0 && x < 30"
// where it matters.
const unknown = int64(-1)

// fact is a value that comes from the payment or from what the house knows of
// its two sides, not from history.
type fact int

// The facts, in the order in which people see them.
const (
	factAmount fact = iota
	factType
	factChannel
	factHour
	factAway
	factWeekday
	factMinute
	factSecond
	factSelf
	factCity
	factRegion
	factPlace
	factAddress
	factTerminal
	factMerchant
	factCard
	factPhone
	factPayerAge
	factPayerVerification
	factPayerKind
	factPayerCity
	factPayerKnown
	factPayerDevice
	factDeviceGiven
	factDeviceEnrolled
	factPayeeAge
	factPayeeKind
	factPayeeVerification
	factPayeeCity
	factPayeeKnown
	nFacts
)

// where a fact comes from and whether it is always recorded; the others are
// recorded by packs that use them.
const (
	ofEvent = 1 << iota // from the payment alone: a filter of a feature may use it
	always
)

var factInfos = [nFacts]struct {
	FeatureInfo
	flags int
}{
	factAmount:     {fi("amount", policy.Int, "minor", "本笔金额", "amount of this payment"), ofEvent | always},
	factType:       {fi("type", policy.String, "", "支付类型", "type of payment"), ofEvent | always},
	factChannel:    {fi("channel", policy.String, "", "支付渠道", "channel"), ofEvent | always},
	factHour:       {fi("hour", policy.Int, "", "当地时间（时）", "hour of the day, local"), ofEvent | always},
	factAway:       {fi("away", policy.Bool, "", "不在付款人常住城市", "made away from the payer's home city"), always},
	factWeekday:    {fi("weekday", policy.Int, "", "星期（1为星期一）", "day of the week, local, 1 is Monday"), ofEvent},
	factMinute:     {fi("minute_of_day", policy.Int, "", "当天第几分钟", "minute of the day, local"), ofEvent},
	factSecond:     {fi("second_of_day", policy.Int, "", "当天第几秒", "second of the day, local"), ofEvent},
	factSelf:       {fi("self", policy.Bool, "", "付给自己的账户", "payer and payee are one account"), ofEvent},
	factCity:       {fi("city", policy.String, "", "付款城市", "city where it is made"), ofEvent},
	factRegion:     {fi("region", policy.String, "", "付款地区", "region where it is made"), ofEvent},
	factPlace:      {fi("place.given", policy.Bool, "", "有位置信息", "the place is told"), ofEvent},
	factAddress:    {fi("address.given", policy.Bool, "", "有网络地址", "the network address is told"), ofEvent},
	factTerminal:   {fi("terminal.given", policy.Bool, "", "有终端信息", "the terminal is told"), ofEvent},
	factMerchant:   {fi("merchant.given", policy.Bool, "", "有商户信息", "the merchant is told"), ofEvent},
	factCard:       {fi("card.given", policy.Bool, "", "有卡信息", "the card is told"), ofEvent},
	factPhone:      {fi("phone.given", policy.Bool, "", "有手机号信息", "the phone number is told"), ofEvent},
	factPayerAge:   {fi("payer.age_days", policy.Int, "d", "付款账户开立天数（未知为-1）", "age of the payer's account in days (-1: unknown)"), always},
	factPayerKind:  {fi("payer.kind", policy.String, "", "付款方类别", "kind of payer"), 0},
	factPayerCity:  {fi("payer.city", policy.String, "", "付款人常住城市", "the payer's home city"), 0},
	factPayerKnown: {fi("payer.known", policy.Bool, "", "付款账户是本机构账户", "the payer's account is one of ours"), 0},
	factPayeeAge:   {fi("payee.age_days", policy.Int, "d", "收款账户开立天数（未知为-1）", "age of the payee's account in days (-1: unknown)"), always},
	factPayeeKind:  {fi("payee.kind", policy.String, "", "收款方类别", "kind of payee"), always},
	factPayeeCity:  {fi("payee.city", policy.String, "", "收款人常住城市", "the payee's home city"), 0},
	factPayeeKnown: {fi("payee.known", policy.Bool, "", "收款账户是本机构账户", "the payee's account is one of ours"), 0},
	factPayerVerification: {fi("payer.verification", policy.String, "",
		"付款人实名等级", "how the payer is verified"), always},
	factPayeeVerification: {fi("payee.verification", policy.String, "", "收款人实名等级", "how the payee is verified"), 0},
	factPayerDevice:       {fi("payer.has_device", policy.Bool, "", "付款人绑定了设备", "the payer is enrolled with a device"), 0},
	factDeviceGiven:       {fi("device.given", policy.Bool, "", "有设备信息", "the device is told"), ofEvent | always},
	factDeviceEnrolled: {fi("device.enrolled", policy.Bool, "",
		"是付款人绑定的设备", "the device is the one the payer is enrolled with"), always},
}

func fi(name string, t policy.Type, unit, zh, en string) FeatureInfo {
	return FeatureInfo{Name: name, Type: t, Unit: unit, Kind: "fact", ZH: zh, EN: en}
}

// filler writes facts into a row; a fact that the pack does not use has no slot.
type filler struct {
	slots *[nFacts]int
	row   *policy.Row
}

func (w filler) int(f fact, v int64) {
	if slot := w.slots[f]; slot >= 0 {
		w.row.N[slot] = v
	}
}

func (w filler) bool(f fact, v bool) {
	if slot := w.slots[f]; slot >= 0 {
		w.row.SetBool(slot, v)
	}
}

func (w filler) text(f fact, v string) {
	if slot := w.slots[f]; slot >= 0 {
		w.row.S[slot] = v
	}
}

// eventFacts fills what comes from the payment alone. minor is the amount in the
// pack's currency, 0 if it is in another.
func (p *Pack) eventFacts(e *Event, minor int64, row *policy.Row) {
	w := filler{&p.facts, row}
	second := floorDiv(ident.Micros(e.At), 1_000_000) + int64(p.offset/time.Second)
	days := floorDiv(second, 86400)
	ofDay := second - days*86400
	w.int(factAmount, minor)
	w.text(factType, string(e.Type))
	w.text(factChannel, e.Channel)
	w.int(factHour, ofDay/3600)
	w.int(factWeekday, floorMod(days+3, 7)+1) // 1970 began on a Thursday
	w.int(factMinute, ofDay/60)
	w.int(factSecond, ofDay)
	w.bool(factSelf, e.Payer == e.Payee)
	w.text(factCity, bounded(e.City))
	w.text(factRegion, bounded(e.field(fieldRegion)))
	w.bool(factPlace, e.Place.Given)
	w.bool(factAddress, e.IP != "")
	w.bool(factTerminal, e.Terminal != "")
	w.bool(factMerchant, e.Merchant != "")
	w.bool(factCard, e.Card != "")
	w.bool(factPhone, e.Phone != "")
	w.bool(factDeviceGiven, e.Device != "")
}

// accountFacts fills what the house knows of the two sides.
func (p *Pack) accountFacts(e *Event, f *Facts, row *policy.Row) {
	w := filler{&p.facts, row}
	w.bool(factAway, e.City != "" && f.Payer.City != "" && e.City != f.Payer.City)
	w.int(factPayerAge, ageDays(e.At, f.Payer.Opened))
	w.text(factPayerVerification, bounded(f.Payer.Verification))
	w.text(factPayerKind, bounded(f.Payer.Kind))
	w.text(factPayerCity, bounded(f.Payer.City))
	w.bool(factPayerKnown, f.Payer != (Account{}))
	w.bool(factPayerDevice, f.Payer.Device != "")
	w.bool(factDeviceEnrolled, e.Device != "" && e.Device == f.Payer.Device)
	w.int(factPayeeAge, ageDays(e.At, f.Payee.Opened))
	w.text(factPayeeKind, bounded(f.Payee.Kind))
	w.text(factPayeeVerification, bounded(f.Payee.Verification))
	w.text(factPayeeCity, bounded(f.Payee.City))
	w.bool(factPayeeKnown, f.Payee != (Account{}))
}

func ageDays(at, opened time.Time) int64 {
	if opened.IsZero() {
		return unknown
	}
	return max(0, int64(at.Sub(opened)/day))
}

// bounded keeps a word from outside within what a rule may read, so that an
// overlong one cannot make rules fail.
func bounded(s string) string {
	if len(s) > 64 {
		return "invalid"
	}
	return s
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

// localDay is the number of the local day since 1970 that a time falls on, and
// how much of it has gone by, in microseconds.
func (p *Pack) localDay(at int64) (number, gone int64) {
	local := at + p.offset.Microseconds()
	number = floorDiv(local, day.Microseconds())
	return number, local - number*day.Microseconds()
}
