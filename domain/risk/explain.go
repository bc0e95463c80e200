package risk

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Explain tells a decision to a person, one thing a line. lang is "zh" or "en";
// any other is taken as "en".
func Explain(d Decision, lang string) string {
	t := teller{zh: lang == "zh"}
	t.line("%s，风险分 %d（满分 1000）", "%s, score %d of 1000", outcomeName(d.Outcome, t.zh), d.Score)
	if len(d.Reasons) == 0 {
		t.line("没有规则命中。", "No rule speaks against it.")
	}
	for _, r := range d.Reasons {
		t.line("- %s [%s, %d]", "- %s [%s, %d]", t.pick(r.ZH, r.EN), r.Code, r.Weight)
	}
	if len(d.Proofs) > 0 {
		names := make([]string, len(d.Proofs))
		for i, code := range d.Proofs {
			p, _ := proofInfo(code)
			names[i] = t.pick(p.ZH, p.EN)
		}
		t.line("任选一种方式核验：%s。", "Any one of these proofs will do: %s.", strings.Join(names, t.pick("、", ", ")))
	}
	for _, r := range d.Shadow {
		if !contains(d.Capped, r.Code) {
			t.line("- （试运行，未生效）%s [%s]", "- (on trial, not acted on) %s [%s]", t.pick(r.ZH, r.EN), r.Code)
		}
	}
	for _, id := range d.Capped {
		t.line("- （已达当日上限，仅记录）[%s]", "- (over its limit of the day, only noted) [%s]", id)
	}
	if d.Stop != "" {
		t.line("人工拦截令：%s，要求：%s", "A person's order touches it: %s, which wants it %s", d.Stop, outcomeName(d.StopOutcome, t.zh))
	}
	for _, entry := range d.Listed {
		t.line("名单命中：%s", "On a list: %s", entry)
	}
	t.model(d)
	if d.Degraded() {
		t.line("未能运行的规则：%s", "Rules that could not be judged: %s", strings.Join(d.Failed, ", "))
	}
	switch d.Late {
	case LateWindows:
		t.line("该笔送达较晚，较长窗口的历史可能不完整。", "It came late: long windows may not have all of the past.")
	case LateUncounted:
		t.line("该笔早于内存所保留的历史：已判断，但未计入。", "It is older than the memory: it was judged, but is not counted.")
	}
	t.line("规则包 %s 第 %d 版", "Rules: %s number %d", d.Pack.Name, d.Pack.Number)
	return strings.TrimSuffix(t.b.String(), "\n")
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// teller writes lines in one of two languages.
type teller struct {
	zh bool
	b  strings.Builder
}

func (t *teller) pick(zh, en string) string {
	if t.zh {
		return zh
	}
	return en
}

func (t *teller) line(zh, en string, args ...any) {
	fmt.Fprintf(&t.b, t.pick(zh, en), args...)
	t.b.WriteByte('\n')
}

// model tells what the champion said, what each outcome would cost, and why.
func (t *teller) model(d Decision) {
	m := d.Model
	if m == nil {
		return
	}
	t.line("模型 %s（%s）：被盗用的可能性 %s", "Model %s (%s): a theft with probability %s", m.Name, m.Version[:min(8, len(m.Version))],
		percent(m.Probability))
	for _, o := range outcomes {
		if cost, ok := m.Costs[o]; ok {
			t.line("- %s的预期代价：%s", "- expected cost if %s: %s", strings.ToLower(outcomeName(o, t.zh)), minor(cost))
		}
	}
	if m.Price > plainPrice {
		t.line("- 当日核验预算偏紧，核验代价按 %s 倍计", "- challenges are ahead of the day's budget: one counts %s times",
			strconv.FormatFloat(float64(m.Price)/plainPrice, 'f', 1, 64))
	}
	for _, c := range m.Contributions {
		towards, against := t.pick("更可疑", "more suspicious"), t.pick("更可信", "more credible")
		if c.Margin < 0 {
			towards = against
		}
		value := t.pick("未知", "unknown")
		if c.Value == c.Value {
			value = strconv.FormatFloat(c.Value, 'g', 6, 64)
		}
		t.line("- %s = %s：%s（%+.3f）", "- %s = %s: %s (%+.3f)", c.Feature, value, towards, c.Margin)
	}
}

func percent(p float64) string {
	return strconv.FormatFloat(math.Round(p*10000)/100, 'f', -1, 64) + " %"
}

// minor writes an amount with two places: costs are estimates, whatever the currency.
func minor(v int64) string { return fmt.Sprintf("%d.%02d", v/100, v%100) }

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
