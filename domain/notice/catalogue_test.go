package notice

import (
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

func texts(t testing.TB) *Catalogue {
	t.Helper()
	c, err := loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every text has both languages and the same placeholders; and the check that
// says so can fail.
func TestCatalogueIsComplete(t *testing.T) {
	c := texts(t)
	if len(c.Messages) < 10 {
		t.Errorf("%d messages", len(c.Messages))
	}
	for name, bad := range map[string]Text{
		"missing language": {ZH: "你好"}, "other placeholders": {ZH: "{a}", EN: "{b}"}, "one more": {ZH: "{a}", EN: "{a} {b}"},
	} {
		broken := Catalogue{Funds: map[string]Text{"x": bad}}
		if broken.check() == nil {
			t.Errorf("%s was not found", name)
		}
	}
}

// every is a value for each placeholder that the messages have.
func every(c *Catalogue) Data {
	d := Data{}
	for _, t := range c.Messages {
		for _, s := range []string{t.Subject.EN, t.Body.EN} {
			for _, p := range placeholders(s) {
				d[p[1:len(p)-1]] = "x"
			}
		}
	}
	d["amount"] = money.Of(11282800, money.CNY)
	d["at"] = time.Date(2026, 5, 30, 16, 0, 0, 0, time.UTC)
	return d
}

func TestRender(t *testing.T) {
	c := texts(t)
	d := every(c)
	for name := range c.Messages {
		for _, l := range []Lang{ZH, EN} {
			subject, body, err := c.Render(name, l, d)
			if err != nil || subject == "" || body == "" || strings.ContainsAny(subject+body, "{}") {
				t.Errorf("%s %s: %q %q %v", name, l, subject, body, err)
			}
		}
	}
	_, zh, _ := c.Render("claim.paid", ZH, d)
	_, en, _ := c.Render("claim.paid", EN, d)
	if !strings.Contains(zh, "112,828.00 元") || !strings.Contains(zh, "2026年5月31日 00:00") ||
		!strings.Contains(en, "112,828.00 CNY") || !strings.Contains(en, "31 May 2026, 00:00") {
		t.Errorf("%s\n%s", zh, en)
	}
	delete(d, "code")
	if _, _, err := c.Render("claim.paid", ZH, d); ident.CodeOf(err) != "placeholder" || !strings.Contains(err.Error(), "{code}") {
		t.Errorf("a missing value: %v", err)
	}
	if _, _, err := c.Render("no.such", ZH, d); ident.CodeOf(err) != "template_unknown" {
		t.Errorf("got %v", err)
	}
}

func figures() Figures {
	at := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, china) }
	return Figures{
		Operator: "微付支付", Incident: "“3·19”系列盗窃案", AsOf: at(5, 31), From: at(5, 18), To: at(5, 28), Deadline: at(6, 1),
		Victims: 47, VictimsAmount: money.Yuan(13_300_000), Paid: 47, PaidAmount: money.Yuan(13_300_000),
		Heirs: 1, HeirsAmount: money.Yuan(2_060_000), LeftAmount: money.Yuan(0), Confirmed: 44, PoliceConfirmed: 3,
		Reports: 61, Inflated: 2, False: 14, Fund: "emergency", FundLeft: money.Yuan(16_700_000),
		ClaimURL: "https://pay.example.cn/claim", PoliceCase: "川公刑〔2026〕1180号",
	}
}

// The statement tells its parts in order, apology last, and only what is so.
func TestStatement(t *testing.T) {
	for l, want := range map[Lang][]string{
		ZH: {"先行赔付", "47 名受害人支付 13,300,000.00 元", "继承人", "均已赔付完毕", "16,700,000.00 元", "发生了什么", "如何申请", "已向公安机关报案", "致歉"},
		EN: {"Compensation first", "13,300,000.00 CNY has been paid to 47 victims", "heirs", "Every victim on the list has been paid",
			"emergency compensation fund, which holds 16,700,000.00 CNY", "What happened", "How to claim", "Who has been told", "An apology"},
	} {
		md, err := StatementMarkdown(figures(), l)
		if err != nil {
			t.Fatal(err)
		}
		rest := md
		for _, w := range want {
			i := strings.Index(rest, w)
			if i < 0 {
				t.Fatalf("%s: %q is missing or out of order in\n%s", l, w, md)
			}
			rest = rest[i:]
		}
		if strings.ContainsAny(md, "{}") || strings.Contains(md, "草稿") || strings.Contains(md, "Draft") {
			t.Errorf("%s", md)
		}
	}
	f := figures()
	f.Incident, f.Version = "<script>*x*", 3
	page, err := StatementHTML(f, EN)
	if err != nil || strings.Contains(page, "<script>") || !strings.Contains(page, "Draft, version 3") {
		t.Errorf("%v\n%s", err, page)
	}
	md, err := StatementMarkdown(f, EN)
	if err != nil || strings.Contains(md, "<script>") || strings.Contains(md, "*x*") && !strings.Contains(md, `\*x\*`) {
		t.Errorf("%v\n%s", err, md)
	}
}

// Figures that contradict each other make no statement.
func TestStatementRefusesFigures(t *testing.T) {
	for name, change := range map[string]func(*Figures){
		"people":   func(f *Figures) { f.Paid = 46 },
		"money":    func(f *Figures) { f.PaidAmount = money.Yuan(13_299_999) },
		"heirs":    func(f *Figures) { f.Heirs = 48 },
		"records":  func(f *Figures) { f.Confirmed = 47 },
		"reports":  func(f *Figures) { f.False = 60 },
		"no date":  func(f *Figures) { f.From = time.Time{} },
		"currency": func(f *Figures) { f.LeftAmount = money.Of(1, "USD") },
	} {
		f := figures()
		change(&f)
		if md, err := StatementMarkdown(f, EN); !ident.Is(err, ident.KindInvalid) || md != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
