package risk

import (
	"fmt"
	"strings"

	"surety/kernel/policy"
)

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

// Reason is why: a rule that fired, or "degraded" or "currency".
type Reason struct {
	Code   string `json:"code"` // the rule's id
	ZH     string `json:"zh"`
	EN     string `json:"en"`
	Weight int    `json:"weight"` // permille that it alone gives to the score
}

// The codes of reasons that are no rules.
const (
	ReasonDegraded = "degraded" // a rule could not be judged
	ReasonCurrency = "currency" // the pack has no limits in this currency
)

// Decision is what the engine says of one payment.
type Decision struct {
	Outcome  Outcome        `json:"outcome"`
	Score    int            `json:"score"`            // permille: 0 nothing speaks against it, 1000 all
	Reasons  []Reason       `json:"reasons"`          // of live rules that fired, weightiest first
	Proofs   []string       `json:"proofs"`           // any one of them will do; see Proofs
	Shadow   []Reason       `json:"shadow,omitempty"` // of shadow rules: what they would have said
	Failed   []string       `json:"failed,omitempty"` // ids of rules that could not be judged
	Features Values         `json:"features"`
	Pack     policy.Version `json:"pack"`
}

// Degraded reports whether the decision was made without all of its rules.
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

// Explain tells a decision to a person, one thing a line. lang is "zh" or "en";
// any other is taken as "en".
func Explain(d Decision, lang string) string {
	zh := lang == "zh"
	pick := func(z, e string) string {
		if zh {
			return z
		}
		return e
	}
	var b strings.Builder
	fmt.Fprintf(&b, pick("%s，风险分 %d（满分 1000）\n", "%s, score %d of 1000\n"), outcomeName(d.Outcome, zh), d.Score)
	if len(d.Reasons) == 0 {
		b.WriteString(pick("没有规则命中。\n", "No rule speaks against it.\n"))
	}
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "- %s [%s, %d]\n", pick(r.ZH, r.EN), r.Code, r.Weight)
	}
	if len(d.Proofs) > 0 {
		names := make([]string, len(d.Proofs))
		for i, code := range d.Proofs {
			p, _ := proofInfo(code)
			names[i] = pick(p.ZH, p.EN)
		}
		b.WriteString(pick("任选一种方式核验：", "Any one of these proofs will do: "))
		b.WriteString(strings.Join(names, pick("、", ", ")))
		b.WriteString(pick("。\n", ".\n"))
	}
	for _, r := range d.Shadow {
		fmt.Fprintf(&b, pick("- （试运行，未生效）%s [%s]\n", "- (on trial, not acted on) %s [%s]\n"), pick(r.ZH, r.EN), r.Code)
	}
	if d.Degraded() {
		fmt.Fprintf(&b, pick("未能运行的规则：%s\n", "Rules that could not be judged: %s\n"), strings.Join(d.Failed, ", "))
	}
	fmt.Fprintf(&b, pick("规则包 %s 第 %d 版", "Rules: %s number %d"), d.Pack.Name, d.Pack.Number)
	return b.String()
}

func outcomeName(o Outcome, zh bool) string {
	names := map[Outcome][2]string{
		Allow:     {"放行", "Allowed"},
		Challenge: {"需要核验", "Challenged"},
		Hold:      {"暂缓，等待人工复核", "Held for a person to look at"},
		Block:     {"拦截", "Blocked"},
	}
	if zh {
		return names[o][0]
	}
	return names[o][1]
}
