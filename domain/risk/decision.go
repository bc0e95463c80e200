package risk

import "surety/kernel/policy"

// Outcome is what is to be done with a payment.
type Outcome string

// The outcomes, mildest first.
const (
	Allow     Outcome = "allow"
	Challenge Outcome = "challenge" // goes if the payer gives one of the proofs
	Hold      Outcome = "hold"      // waits until a person has looked
	Block     Outcome = "block"     // does not go
)

// severity orders outcomes; 0 is unknown.
func (o Outcome) severity() int {
	switch o {
	case Allow:
		return 1
	case Challenge:
		return 2
	case Hold:
		return 3
	case Block:
		return 4
	}
	return 0
}

// Reason is why: a rule that fired, or one of the codes of the engine's own.
type Reason struct {
	Code   string `json:"code"` // the rule's id
	ZH     string `json:"zh"`
	EN     string `json:"en"`
	Weight int    `json:"weight"` // permille that it alone gives to the score
}

// The codes of reasons that are no rules.
const (
	ReasonDegraded = "degraded" // a rule, a value or a model could not be judged
	ReasonCurrency = "currency" // the pack has no limits in this currency
	ReasonModel    = "model"    // the model finds it too likely a theft to let it go
	ReasonStop     = "stop"     // a person's order touches it
)

func ownCode(id string) bool {
	return id == ReasonDegraded || id == ReasonCurrency || id == ReasonModel || id == ReasonStop
}

// How late a payment came, in Decision.Late.
const (
	LateWindows   = "windows"   // later than the slack: long windows may not have all they should
	LateUncounted = "uncounted" // older than the memory: judged by what there is, and not counted
)

// Decision is what the engine says of one payment.
type Decision struct {
	Outcome  Outcome        `json:"outcome"`
	Score    int            `json:"score"`            // permille: 0 nothing speaks against it, 1000 all
	Reasons  []Reason       `json:"reasons"`          // of live rules that fired, weightiest first
	Proofs   []string       `json:"proofs"`           // any one of them will do; see Proofs
	Shadow   []Reason       `json:"shadow,omitempty"` // of shadow and capped rules: what they would have said
	Failed   []string       `json:"failed,omitempty"` // what could not be judged: ids of rules, "model:NAME", "where:ENTITY"
	Features Values         `json:"features"`
	Pack     policy.Version `json:"pack"`

	Model       *ModelView  `json:"model,omitempty"` // of the champion; nil if there is none or it failed
	Challengers []ModelView `json:"challengers,omitempty"`
	Stop        string      `json:"stop,omitempty"` // the person's order that touched it
	StopOutcome Outcome     `json:"stop_outcome,omitempty"`
	Listed      []string    `json:"listed,omitempty"` // entries of lists that match: "deny:ENTRY"
	Capped      []string    `json:"capped,omitempty"` // rules over their limit of the day: they only note
	Late        string      `json:"late,omitempty"`   // "", LateWindows or LateUncounted
}

// Degraded reports whether the decision was made without all of its rules, or
// without the model that should have had its say.
func (d Decision) Degraded() bool { return len(d.Failed) > 0 }

// ProofInfo describes one proof that a payer may be asked for.
type ProofInfo struct {
	Code string `json:"code"`
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}

// Proofs lists the proofs a pack may ask for. A text message is not among them:
// where a device is new the number may be hijacked with it.
func Proofs() []ProofInfo {
	return []ProofInfo{
		{"password", "支付密码", "payment password"},
		{"face", "人脸核验（活体）", "face check with liveness"},
		{"known_device", "在已绑定的设备上确认", "confirmation on the enrolled device"},
		{"id_card", "身份证件核验", "identity card check"},
		{"callback", "客服回拨确认", "call back by the service"},
	}
}

func proofInfo(code string) (ProofInfo, bool) {
	for _, p := range Proofs() {
		if p.Code == code {
			return p, true
		}
	}
	return ProofInfo{}, false
}
