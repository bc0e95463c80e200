package risk

import (
	"bytes"
	"encoding/json"
	"time"

	"surety/kernel/ident"
	"surety/kernel/policy"
	"surety/platform/tally"
)

// The dimensions of the windows. An account has one history as payer and one as
// payee.
const (
	dimPayer     tally.Dim = iota + 1 // party: the payee
	dimPayee                          // party: the payer
	dimDevice                         // party: the payer
	dimPairPayee                      // payer with payee
	dimPairDev                        // payer with device
)

// The windows that are read, shortest first, and their places.
const (
	win10m = iota
	win1h
	win1d
	win7d
	win30d
	win90d
	nWindows
)

// day is what the features call a day.
const day = 24 * time.Hour

// horizon is what the memory keeps: the longest window and two days in which a
// payment may come late.
const horizon = 92 * day

// A device or a payee stays new for a while after its first payment: a thief who
// begins with one yuan must not have made his device known by it.
const (
	deviceNewFor = 3 * day
	payeeNewFor  = 1 * day
)

// unknown is the value of an age or a share that cannot be told. Rules say
// "x >= 0 && x < 30" where it matters.
const unknown = int64(-1)

// The features, in the order in which people see them.
const (
	fAmount = iota
	fType
	fChannel
	fHour
	fAway
	fPayerCount10m
	fPayerCount1h
	fPayerCount1d
	fPayerCount30d
	fPayerSum10m
	fPayerSum1h
	fPayerSum1d
	fPayerSum30d
	fPayerPayees1h
	fPayerPayees1d
	fPayerPayees30d
	fPayerHistory90d
	fPayerMax90d
	fPayerMean90d
	fPayerMaxPct
	fPayerIdle
	fPayerIn1d
	fPayerAge
	fPayerVerification
	fDeviceGiven
	fDeviceEnrolled
	fDeviceNew
	fDevicePairAge
	fDeviceAccounts1h
	fDeviceAccounts1d
	fDeviceAccounts7d
	fPayeeNew
	fPayeePairAge
	fPayeePayers1d
	fPayeePayers7d
	fPayeeIn1d
	fPayeeIn7d
	fPayeeAge
	fPayeeKind
	nFeatures
)

// FeatureInfo describes one feature: what a rule may name, and what a person
// reads beside its value.
type FeatureInfo struct {
	Name string      `json:"name"`
	Type policy.Type `json:"type"`
	Unit string      `json:"unit"` // "minor", "s", "h", "d", "percent", ""
	ZH   string      `json:"zh"`
	EN   string      `json:"en"`
}

// infos is the table of all features. Counts and sums of windows include the
// payment that is judged; max, mean and history are what came before it.
var infos = [nFeatures]FeatureInfo{
	fAmount:  {"amount", policy.Int, "minor", "本笔金额", "amount of this payment"},
	fType:    {"type", policy.String, "", "支付类型", "type of payment"},
	fChannel: {"channel", policy.String, "", "支付渠道", "channel"},
	fHour:    {"hour", policy.Int, "", "当地时间（时）", "hour of the day, local"},
	fAway:    {"away", policy.Bool, "", "不在付款人常住城市", "made away from the payer's home city"},
	fPayerCount10m: {"payer.count_10m", policy.Int, "",
		"付款人10分钟内笔数（含本笔）", "payer's payments in 10 minutes, this one included"},
	fPayerCount1h: {"payer.count_1h", policy.Int, "",
		"付款人1小时内笔数（含本笔）", "payer's payments in 1 hour, this one included"},
	fPayerCount1d: {"payer.count_1d", policy.Int, "",
		"付款人24小时内笔数（含本笔）", "payer's payments in 24 hours, this one included"},
	fPayerCount30d: {"payer.count_30d", policy.Int, "",
		"付款人30天内笔数（含本笔）", "payer's payments in 30 days, this one included"},
	fPayerSum10m: {"payer.sum_10m", policy.Int, "minor",
		"付款人10分钟内金额（含本笔）", "paid by the payer in 10 minutes, this one included"},
	fPayerSum1h: {"payer.sum_1h", policy.Int, "minor",
		"付款人1小时内金额（含本笔）", "paid by the payer in 1 hour, this one included"},
	fPayerSum1d: {"payer.sum_1d", policy.Int, "minor",
		"付款人24小时内金额（含本笔）", "paid by the payer in 24 hours, this one included"},
	fPayerSum30d: {"payer.sum_30d", policy.Int, "minor",
		"付款人30天内金额（含本笔）", "paid by the payer in 30 days, this one included"},
	fPayerPayees1h: {"payer.payees_1h", policy.Int, "",
		"付款人1小时内收款方数（含本笔）", "different payees in 1 hour, this one included"},
	fPayerPayees1d: {"payer.payees_1d", policy.Int, "",
		"付款人24小时内收款方数（含本笔）", "different payees in 24 hours, this one included"},
	fPayerPayees30d: {"payer.payees_30d", policy.Int, "",
		"付款人30天内收款方数（含本笔）", "different payees in 30 days, this one included"},
	fPayerHistory90d: {"payer.history_90d", policy.Int, "",
		"付款人此前90天笔数", "payer's payments in the 90 days before"},
	fPayerMax90d: {"payer.max_90d", policy.Int, "minor",
		"付款人此前90天最大单笔", "payer's largest payment in the 90 days before"},
	fPayerMean90d: {"payer.mean_90d", policy.Int, "minor",
		"付款人此前90天平均单笔", "payer's mean payment in the 90 days before"},
	fPayerMaxPct: {"payer.max_pct", policy.Int, "percent",
		"本笔占此前最大单笔的百分比（无历史为-1）", "this payment in percent of the largest before (-1: no history)"},
	fPayerIdle: {"payer.idle_s", policy.Int, "s",
		"距付款人上一笔的秒数（无历史为-1）", "seconds since the payer's last payment (-1: none)"},
	fPayerIn1d: {"payer.in_1d", policy.Int, "minor", "付款人24小时内收到的金额", "received by the payer in 24 hours"},
	fPayerAge: {"payer.age_days", policy.Int, "d",
		"付款账户开立天数（未知为-1）", "age of the payer's account in days (-1: unknown)"},
	fPayerVerification: {"payer.verification", policy.String, "", "付款人实名等级", "how the payer is verified"},
	fDeviceGiven:       {"device.given", policy.Bool, "", "有设备信息", "the device is told"},
	fDeviceEnrolled: {"device.enrolled", policy.Bool, "",
		"是付款人绑定的设备", "the device is the one the payer is enrolled with"},
	fDeviceNew: {"device.new", policy.Bool, "",
		"付款人的新设备（首次使用未满3天）", "device new for the payer (first used less than 3 days ago)"},
	fDevicePairAge: {"device.pair_age_h", policy.Int, "h",
		"付款人首次使用该设备至今小时数（从未为-1）", "hours since the payer first used the device (-1: never)"},
	fDeviceAccounts1h: {"device.accounts_1h", policy.Int, "",
		"该设备1小时内付款账户数（含本笔）", "accounts paying from the device in 1 hour, this one included"},
	fDeviceAccounts1d: {"device.accounts_1d", policy.Int, "",
		"该设备24小时内付款账户数（含本笔）", "accounts paying from the device in 24 hours, this one included"},
	fDeviceAccounts7d: {"device.accounts_7d", policy.Int, "",
		"该设备7天内付款账户数（含本笔）", "accounts paying from the device in 7 days, this one included"},
	fPayeeNew: {"payee.new", policy.Bool, "",
		"付款人的新收款方（首次付款未满1天）", "payee new for the payer (first paid less than a day ago)"},
	fPayeePairAge: {"payee.pair_age_h", policy.Int, "h",
		"付款人首次付给该收款方至今小时数（从未为-1）", "hours since the payer first paid the payee (-1: never)"},
	fPayeePayers1d: {"payee.payers_1d", policy.Int, "",
		"收款方24小时内付款人数（含本笔）", "different payers of the payee in 24 hours, this one included"},
	fPayeePayers7d: {"payee.payers_7d", policy.Int, "",
		"收款方7天内付款人数（含本笔）", "different payers of the payee in 7 days, this one included"},
	fPayeeIn1d: {"payee.in_1d", policy.Int, "minor",
		"收款方24小时内收款金额（含本笔）", "received by the payee in 24 hours, this one included"},
	fPayeeIn7d: {"payee.in_7d", policy.Int, "minor",
		"收款方7天内收款金额（含本笔）", "received by the payee in 7 days, this one included"},
	fPayeeAge: {"payee.age_days", policy.Int, "d",
		"收款账户开立天数（未知为-1）", "age of the payee's account in days (-1: unknown)"},
	fPayeeKind: {"payee.kind", policy.String, "", "收款方类别", "kind of payee"},
}

// Features lists all features in the order in which people see them.
func Features() []FeatureInfo { return append([]FeatureInfo(nil), infos[:]...) }

// vector is the features of one payment. Each is an int64, a bool or a string.
type vector [nFeatures]any

// keys are the hashes of one event, made once.
type keys struct {
	payer, payee, device uint64
	ev                   tally.Event // Party is set for each dimension
}

func (e Event) keys(minor int64) keys {
	k := keys{payer: tally.Hash(e.Payer), payee: tally.Hash(e.Payee)}
	if e.Device != "" {
		k.device = tally.Hash(e.Device)
	}
	k.ev = tally.Event{ID: tally.Hash(e.ID), At: ident.Micros(e.At), Amount: minor}
	return k
}

// entry is one history that a payment belongs to, and the payment as it stands
// there.
type entry struct {
	key tally.Key
	ev  tally.Event
}

func (k keys) entry(d tally.Dim, hash, party uint64) entry {
	ev := k.ev
	ev.Party = party
	return entry{tally.Key{Dim: d, Hash: hash}, ev}
}

// standing are the histories of payments that stand. A payment without a device
// belongs to no device's: all of those would else be one.
func (k keys) standing() []entry {
	list := make([]entry, 0, 5)
	list = append(list,
		k.entry(dimPayer, k.payer, k.payee),
		k.entry(dimPayee, k.payee, k.payer),
		k.entry(dimPairPayee, tally.Pair(k.payer, k.payee), 0))
	if k.device != 0 {
		list = append(list, k.entry(dimPairDev, tally.Pair(k.payer, k.device), 0))
	}
	return list
}

// attempts are the histories that refused payments belong to as well: which
// accounts a device has tried is told by its failures too.
func (k keys) attempts() []entry {
	if k.device == 0 {
		return nil
	}
	return []entry{k.entry(dimDevice, k.device, k.payer)}
}

func (k keys) entries() []entry { return append(k.standing(), k.attempts()...) }

// scratch is room for one reading; the engine has one, behind its lock.
type scratch struct {
	payer, payee, inflow, device [nWindows]tally.Window
}

// read computes the features of a payment from the store as it stands. The
// payment itself is left out of what is read and then added, so that it makes no
// difference whether it has been observed already.
func (en *Engine) read(e Event, f Facts, k keys, v *vector) {
	s := &en.scratch
	at := k.ev.At
	ask := func(d tally.Dim, hash, with uint64, spans tally.Spans, out []tally.Window) tally.History {
		q := tally.Query{Key: tally.Key{Dim: d, Hash: hash}, At: at, Except: k.ev.ID, With: with}
		return en.store.Read(q, spans, out[:spans.Len()])
	}
	payer := ask(dimPayer, k.payer, k.payee, en.spans, s.payer[:])
	ask(dimPayee, k.payee, k.payer, en.short, s.payee[:])
	ask(dimPayee, k.payer, 0, en.short, s.inflow[:])
	pair := ask(dimPairPayee, tally.Pair(k.payer, k.payee), 0, tally.Spans{}, nil)
	var dev tally.History
	s.device = [nWindows]tally.Window{}
	if k.device != 0 {
		ask(dimDevice, k.device, k.payer, en.short, s.device[:])
		dev = ask(dimPairDev, tally.Pair(k.payer, k.device), 0, tally.Spans{}, nil)
	}
	minor := k.ev.Amount
	local := e.At.UTC().Add(en.pack.offset)

	v[fAmount], v[fType], v[fChannel] = minor, string(e.Type), e.Channel
	v[fHour] = int64(local.Hour())
	v[fAway] = e.City != "" && f.Payer.City != "" && e.City != f.Payer.City
	v.payer(s, payer, minor, at)
	v[fPayerIn1d] = s.inflow[win1d].Sum
	v[fPayerAge] = ageDays(e.At, f.Payer.Opened)
	v[fPayerVerification] = bounded(f.Payer.Verification)
	v.device(s, e, f, dev, payer, at, k.device != 0)

	v[fPayeeNew] = isNew(pair.First, at, payeeNewFor)
	v[fPayeePairAge] = hoursSince(pair.First, at)
	v[fPayeePayers1d] = s.payee[win1d].Distinct
	v[fPayeePayers7d] = s.payee[win7d].Distinct
	v[fPayeeIn1d], v[fPayeeIn7d] = s.payee[win1d].Sum+minor, s.payee[win7d].Sum+minor
	v[fPayeeAge] = ageDays(e.At, f.Payee.Opened)
	v[fPayeeKind] = bounded(f.Payee.Kind)
}

// payer sets what comes from the payer's own history.
func (v *vector) payer(s *scratch, h tally.History, minor, at int64) {
	for i, w := range [...]int{win10m, win1h, win1d, win30d} {
		v[fPayerCount10m+i] = s.payer[w].Count + 1
		v[fPayerSum10m+i] = s.payer[w].Sum + minor
	}
	v[fPayerPayees1h] = s.payer[win1h].Distinct
	v[fPayerPayees1d] = s.payer[win1d].Distinct
	v[fPayerPayees30d] = s.payer[win30d].Distinct
	w := s.payer[win90d]
	v[fPayerHistory90d], v[fPayerMax90d] = w.Count, w.Max
	mean, pct, idle := int64(0), unknown, unknown
	if w.Count > 0 {
		mean = w.Sum / w.Count
	}
	if w.Max > 0 {
		pct = minor * 100 / w.Max // minor is at most 2^46
	}
	if h.Last > 0 {
		idle = (at - h.Last) / 1_000_000
	}
	v[fPayerMean90d], v[fPayerMaxPct], v[fPayerIdle] = mean, pct, idle
}

// device sets what is known of the device. Where neither an enrolled device nor
// a history says what is usual, nothing is new: the first days of an engine, or
// of a customer, must not disturb everybody. A payer who has an enrolled device
// and pays from none that is told is treated as on a new one.
func (v *vector) device(s *scratch, e Event, f Facts, pair, payer tally.History, at int64, given bool) {
	enrolled := given && e.Device == f.Payer.Device
	usual := f.Payer.Device != "" || payer.First > 0 && at-payer.First > deviceNewFor.Microseconds()
	v[fDeviceGiven] = given
	v[fDeviceEnrolled] = enrolled
	v[fDeviceNew] = !enrolled && usual && (!given || isNew(pair.First, at, deviceNewFor))
	v[fDevicePairAge] = hoursSince(pair.First, at)
	for i, w := range [...]int{win1h, win1d, win7d} {
		v[fDeviceAccounts1h+i] = s.device[w].Distinct // 0 if no device is told
	}
}

func isNew(first, at int64, span time.Duration) bool {
	return first == 0 || at-first < span.Microseconds()
}

func hoursSince(first, at int64) int64 {
	if first == 0 {
		return unknown
	}
	return (at - first) / time.Hour.Microseconds()
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

// Value is one feature with its value: an int64, a bool or a string.
type Value struct {
	Name  string
	Value any
}

// Values are the features of a decision in the order of Features(). As JSON they
// are one object in that order.
type Values []Value

// Get returns the value of a feature: an int64, a bool or a string.
func (vs Values) Get(name string) (any, bool) {
	for _, v := range vs {
		if v.Name == name {
			return v.Value, true
		}
	}
	return nil, false
}

func (v *vector) values() Values {
	out := make(Values, nFeatures)
	for i := range v {
		out[i] = Value{infos[i].Name, v[i]}
	}
	return out
}

// MarshalJSON writes {"amount": 100, …}.
func (vs Values) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, v := range vs {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(v.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(v.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote, also by an earlier version with
// other features, in the order written.
func (vs *Values) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return err
	}
	*vs = nil
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		value, err := dec.Token()
		if err != nil {
			return err
		}
		if n, ok := value.(json.Number); ok {
			if value, err = n.Int64(); err != nil {
				return ident.Invalid("features", "feature_not_integer", "the feature %v is %s, not a whole number", name, n)
			}
		}
		text, _ := name.(string)
		*vs = append(*vs, Value{text, value})
	}
	return nil
}
