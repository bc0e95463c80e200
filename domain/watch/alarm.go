package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// AlarmState is where an alarm stands.
type AlarmState string

// The states of an alarm.
const (
	Open         AlarmState = "open"         // nobody has looked
	Acknowledged AlarmState = "acknowledged" // somebody is at it
	Acted        AlarmState = "acted"        // a stop was made from it
	Closed       AlarmState = "closed"       // by a person, or calm for an hour; final
)

// AlarmStates lists all of them.
func AlarmStates() []AlarmState { return []AlarmState{Open, Acknowledged, Acted, Closed} }

// AlarmEvent is what can happen to an alarm.
type AlarmEvent string

// The events of an alarm.
const (
	Acknowledge AlarmEvent = "acknowledge" // a person says: I am at it
	Act         AlarmEvent = "act"         // a stop is made from it
	Close       AlarmEvent = "close"       // a person says what it was
	Calm        AlarmEvent = "calm"        // an hour without it
)

// AlarmEvents lists all of them.
func AlarmEvents() []AlarmEvent { return []AlarmEvent{Acknowledge, Act, Close, Calm} }

// alarmMoves is the one table of what may happen in which state.
var alarmMoves = map[AlarmState]map[AlarmEvent]AlarmState{
	Open:         {Acknowledge: Acknowledged, Act: Acted, Close: Closed, Calm: Closed},
	Acknowledged: {Act: Acted, Close: Closed, Calm: Closed},
	Acted:        {Act: Acted, Close: Closed, Calm: Closed},
}

// NextAlarm is the state after an event, or a KindState error.
func NextAlarm(s AlarmState, e AlarmEvent) (AlarmState, error) {
	if to, ok := alarmMoves[s][e]; ok {
		return to, nil
	}
	return s, ident.E(ident.KindState, "alarm_"+string(s), "an alarm that is %s cannot be moved by %s", s, e)
}

// Verdict is what a person found an alarm to be.
type Verdict string

// The verdicts.
const (
	Unsaid   Verdict = ""
	Theft    Verdict = "theft"
	Ordinary Verdict = "ordinary"
)

// Alarm is an unusual rise.
type Alarm struct {
	ID        ident.ID
	Watch     ident.ID
	Dimension Dimension // "" of the alarm that stands for those over the limit
	Key       string
	Measure   Measure
	Window    time.Duration
	State     AlarmState
	Cause     ident.ID // the alarm whose payments these are too, "" if it stands alone
	Since     time.Time
	Raised    time.Time
	Last      time.Time // when it was last above what is ordinary
	Closed    time.Time // zero while it is not
	Quiet     time.Time // until then the same rise is not told again
	// Observed is the measure at its highest: payments, or minor units.
	Observed int64
	// Expected is the same by the past 28 days, thousandths.
	Expected int64
	// Surprise is the natural logarithm of one over the chance of it, thousandths.
	Surprise int64
	Payments int64 // in the window, when it was highest
	Stopped  int64
	Amount   money.Amount
	Payers   int64 // different ones among the recent payments
	Also     int64 // other rises of the same cause
	Examples []string
	ZH, EN   string
	By       ident.ID // who looked at it
	Words    string   // what they said
	Verdict  Verdict
	Changed  time.Time
	Version  int
}

// over is the watch of the alarm that stands for all those over the limit.
const over = "too-many"

// alarmID is made from what the alarm is, so that a retry or another process finds
// the same one.
func alarmID(watch ident.ID, d Dimension, name string, since int64) ident.ID {
	sum := sha256.Sum256([]byte(watch + "\x00" + string(d) + "\x00" + name + "\x00" + strconv.FormatInt(since, 10)))
	return "alm_" + hex.EncodeToString(sum[:13])
}

// alarm is what a finding is told as.
func (f *finding) alarm(cur money.Currency, now time.Time) Alarm {
	w := f.watch
	a := Alarm{ID: alarmID(w.ID, w.Dimension, f.name, f.since), Watch: w.ID, Dimension: w.Dimension, Key: f.name, Measure: w.Measure,
		Window: w.Window, State: Open, Since: time.Unix(f.since*60, 0).UTC(), Raised: now, Last: now, Changed: now, Version: 1,
		Amount: money.Of(0, cur)}
	f.figures(&a)
	return a
}

// figures writes what a finding says now into an alarm.
func (f *finding) figures(a *Alarm) {
	a.Observed, a.Expected, a.Surprise = int64(f.observed), int64(f.expected*1000), int64(min(-f.chance, 1e6)*1000)
	a.Payments, a.Stopped, a.Amount.Minor = f.sum.count, f.sum.stopped, f.sum.amount
	a.Payers, a.Examples = int64(f.payers), f.examples
	a.ZH, a.EN = a.words()
}

// Expectation is Expected for people: "4.2", or an amount.
func (a Alarm) Expectation() string {
	if a.Measure == Amount {
		return money.Of(a.Expected/1000, a.Amount.Currency).String()
	}
	return strconv.FormatFloat(float64(a.Expected)/1000, 'f', 1, 64)
}

// words says what happened in both languages.
func (a *Alarm) words() (zh, en string) {
	d, w := dimensionWords(a.Dimension), spanWords(a.Window)
	head := [2]string{d[0] + " " + a.Key + "：", d[1] + " " + a.Key + ": "}
	e := a.Expectation()
	var zhs, ens string
	switch a.Measure {
	case Amount:
		sum := money.Of(a.Observed, a.Amount.Currency)
		zhs = fmt.Sprintf("%s内收付 %s（%d 笔），平时约 %s", w[0], sum, a.Payments, e)
		ens = fmt.Sprintf("%s in %s (%d payments), %s expected", sum, w[1], a.Payments, e)
	case Stopped:
		zhs = fmt.Sprintf("%s内 %d 笔被拦下（共 %d 笔），平时约 %s 笔", w[0], a.Observed, a.Payments, e)
		ens = fmt.Sprintf("%d of %d payments stopped in %s, %s expected", a.Observed, a.Payments, w[1], e)
	case Share:
		zhs = fmt.Sprintf("%s内 %d 笔中有 %d 笔被拦下，按平时比例约 %s 笔", w[0], a.Payments, a.Observed, e)
		ens = fmt.Sprintf("%d of %d payments stopped in %s, by the usual share %s", a.Observed, a.Payments, w[1], e)
	case NewPayers:
		zhs = fmt.Sprintf("%s内 %d 位首次付款的付款人，平时约 %s 位", w[0], a.Observed, e)
		ens = fmt.Sprintf("%d payers paid here for the first time in %s, %s expected", a.Observed, w[1], e)
	case Labels:
		zhs = fmt.Sprintf("已有 %d 笔确认被盗", a.Observed)
		ens = fmt.Sprintf("%d payments are confirmed frauds", a.Observed)
	default:
		zhs = fmt.Sprintf("%s内 %d 笔，平时约 %s 笔", w[0], a.Observed, e)
		ens = fmt.Sprintf("%d payments in %s, %s expected", a.Observed, w[1], e)
	}
	return head[0] + zhs, head[1] + ens
}

// tooMany is the alarm that stands for those that were held back in an hour.
func tooMany(n int64, cur money.Currency, now time.Time) Alarm {
	since := now.Truncate(time.Hour)
	return Alarm{ID: alarmID(over, "", "", since.Unix()/60), Watch: over, Measure: Count, Window: time.Hour, State: Open, Since: since,
		Raised: now, Last: now, Changed: now, Version: 1, Observed: n, Amount: money.Of(0, cur), Examples: []string{},
		ZH: fmt.Sprintf("异常过多：一小时内另有 %d 个对象异常，未逐一列出；请先查共同原因", n),
		EN: fmt.Sprintf("too many rises: %d more keys in one hour, not listed one by one; look for the common cause first", n)}
}

// dimensionWords names a dimension in zh and en.
func dimensionWords(d Dimension) [2]string {
	return map[Dimension][2]string{
		Terminal: {"终端", "terminal"}, Merchant: {"商户", "merchant"}, Payee: {"收款方", "payee"}, Device: {"设备", "device"},
		Method: {"支付方式", "method"}, Region: {"地区", "region"}, Type: {"交易类型", "payment type"},
	}[d]
}

// Name is the dimension for people; lang is "zh", anything else is English.
func (d Dimension) Name(lang string) string {
	if lang == "zh" {
		return dimensionWords(d)[0]
	}
	return dimensionWords(d)[1]
}

// Name is the measure for people; lang is "zh", anything else is English.
func (x Measure) Name(lang string) string {
	w := map[Measure][2]string{
		Count: {"笔数", "payments"}, Amount: {"金额", "amount"}, Stopped: {"被拦笔数", "payments stopped"}, Share: {"被拦比例", "share stopped"},
		NewPayers: {"首次付款人数", "first-time payers"}, Labels: {"确认被盗", "confirmed frauds"},
	}[x]
	if lang == "zh" {
		return w[0]
	}
	return w[1]
}

// Name is the state for people; lang is "zh", anything else is English.
func (s AlarmState) Name(lang string) string {
	w := map[AlarmState][2]string{
		Open: {"待处理", "open"}, Acknowledged: {"处理中", "acknowledged"}, Acted: {"已处置", "acted on"}, Closed: {"已关闭", "closed"},
	}[s]
	if lang == "zh" {
		return w[0]
	}
	return w[1]
}

func spanWords(d time.Duration) [2]string {
	if m := int(d / time.Minute); m < 60 || m%60 != 0 {
		return [2]string{fmt.Sprintf("%d 分钟", m), fmt.Sprintf("%d minutes", m)}
	}
	h := int(d / time.Hour)
	if h == 1 {
		return [2]string{"1 小时", "1 hour"}
	}
	return [2]string{fmt.Sprintf("%d 小时", h), fmt.Sprintf("%d hours", h)}
}
