package portal_test

import (
	"bytes"
	"image"
	"image/png"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/notice"
	"surety/edge/portal"
	"surety/edge/web"
	"surety/edge/web/webtest"
	"surety/kernel/ident"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

func both(t *testing.T, fn func(t *testing.T, w *world)) {
	dbtest.Run(t, dbtest.Options{Migrations: migrations}, func(t *testing.T, d *db.DB) { fn(t, newWorld(t, d)) })
}

func picture(t testing.TB) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWords(t *testing.T) {
	var files fs.FS = os.DirFS("catalogue")
	c, err := web.NewCatalogue(files)
	if err != nil {
		t.Fatal(err)
	}
	webtest.CheckCatalogue(t, c, ".")
	for _, group := range []struct {
		prefix string
		keys   []string
	}{
		{"p.event.", words(claim.Events())},
		{"p.owner.", words([]claim.Owner{claim.Us, claim.Claimant, claim.Police, claim.PayeePSP, claim.Insurer})},
		{"p.basis.", words([]claim.Basis{claim.LedgerRecord, claim.PoliceConfirmation, claim.ThirdPartyRecord, claim.SwornStatement})},
		{"p.kind.", words([]claim.Kind{claim.Theft, claim.FacePayment, claim.Impostor, claim.Deceived, claim.PaidThenBlocked,
			claim.WrongAccount})},
		{"p.clock.", []string{claim.FirstAnswer, claim.DecisionBy, claim.PaymentBy, claim.ClaimantAnswer}},
		{"p.step.", []string{claim.FirstAnswer, claim.DecisionBy, claim.PaymentBy, claim.ClaimantAnswer}},
	} {
		for _, k := range group.keys {
			if !c.Has(group.prefix + k) {
				t.Errorf("no words for %s%s", group.prefix, k)
			}
		}
	}
}

func words[S ~string](in []S) (out []string) {
	for _, s := range in {
		out = append(out, string(s))
	}
	return out
}

func TestConfigIsWhole(t *testing.T) {
	if _, err := portal.New(portal.Config{}); ident.CodeOf(err) != "config" {
		t.Errorf("an empty Config gives %v", err)
	}
}

// A link opens the portal once; used, made up and too old look alike and say what
// to do; a preview does not spend it.
func TestLink(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.visitor()
		v.see("/", 200, "Come in through your wallet")
		v.see("/payments", 401, "Please open it from your wallet again")
		link := w.link(w.wang)
		for _, h := range []string{"Sec-Purpose", "Purpose"} {
			r, err := http.NewRequest(http.MethodGet, w.address+link, nil)
			w.ok(err)
			r.Header.Set(h, "prefetch")
			v.is(v.do(r), link, 401, "Please open the link yourself")
		}
		v.see("/payments", 200, "My payments", "", link+"?to=/payments")
		v.see("/", 200, "Hello, 王建国", "", link) // again, in the same browser: they are in already
		w.visitor().see(link, 401, "This link was used or is too old")
		w.visitor().see("/in/nonsense", 401, "This link was used or is too old")

		late := w.link(w.wang)
		w.clock.Advance(11 * time.Minute)
		w.visitor().see(late, 401, "This link was used or is too old")
		v.see("/", 200, "Hello", "", w.link(w.wang)+"?to=//evil.example/")

		v.is(v.post("/sign-out", nil), "/", 200, "You are signed out.")
		v.see("/claims", 401, "Please open it from your wallet again")

		idle := w.enter(w.li)
		w.clock.Advance(31 * time.Minute)
		idle.see("/claims", 401, "Please open it from your wallet again")
	})
}

// The list shows the customer's own payments only, masked, in pages.
func TestPayments(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		first := v.see("/payments", 200, "not your usual phone")
		for _, want := range []string{"石*", "尹艳小吃店", "8,000.00", "Bank account ****2233", "Today", "your own phone"} {
			v.is(first, "/payments", 200, want)
		}
		for _, hide := range []string{"石言", "6222020200112233", "123.00", "dev-x", "10.0.0.1"} {
			if strings.Contains(first.body, hide) {
				t.Errorf("the list shows %s", hide)
			}
		}
		seen := ids(first.body)
		next := first
		for pages := 1; strings.Contains(next.body, `rel="next"`); pages++ {
			_, after, _ := strings.Cut(next.body, `rel="next" href="`)
			next = v.fetch(after[:strings.IndexByte(after, '"')])
			seen = append(seen, ids(next.body)...)
			if pages > 5 {
				t.Fatal("the pages do not end")
			}
		}
		if n := len(seen); n != 44 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 44 {
			t.Errorf("%d payments in the pages, want 44, each once: %v", n, seen)
		}
		v.see("/payments/T1", 200, "8,000.00 CNY to 石*")
		for _, path := range []string{"/payments/L1", "/payments/none", "/payments?before=L1", "/report/L1", "/report/none", "/no/such"} {
			v.is(v.fetch(path), "", 404, "There is no such page")
		}
	})
}

func ids(body string) (out []string) {
	for _, part := range strings.Split(body, `href="/payments/`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		out = append(out, id)
	}
	return out
}

// Three taps make a claim; the same form again, and the same payment in another
// form, lead to the same claim.
func TestFile(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		page, sent := v.file("T1", bankAccount)
		if also := sent["also"]; !slices.Equal(also, []string{"T2", "T3"}) {
			t.Errorf("suggested %v, want the two of the strange phone", also)
		}
		cs := w.claimsOf(w.wang)
		if len(cs) != 1 {
			t.Fatalf("%d claims", len(cs))
		}
		c := w.get(cs[0].ID)
		v.is(page, "/claims/"+c.ID, 200, "We have it and are checking 24,400.50 CNY", c.Number, "A first answer", "****3445",
			"Next to act: Some Wallet", "tomorrow 09:00")
		if c.Claimed.Minor != 2_440_050 || c.Kind != claim.Theft || c.Source != "portal" || c.Basis != claim.LedgerRecord ||
			c.Account != "W1" ||
			c.PayTo != (fund.PayTo{Name: "王建国", Bank: "工商银行", Account: "6222020200112233445", Rail: fund.RailBank}) {
			t.Errorf("the claim is %+v", c)
		}
		v.is(v.post("/report/T1", sent), "/claims/"+c.ID, 200, c.Number) // a double tap
		other := url.Values{"claim": sent["claim"], "how": {"not_me"}, "kind": {"theft"}, "bank": {"农业银行"}, "account": {"12345678901"}}
		v.is(v.post("/report/T1", other), "/claims/"+c.ID, 200, "Nothing was sent twice")
		other.Set("claim", "clm_another")
		v.is(v.post("/report/T2", other), "/claims/"+c.ID, 200, "Nothing was sent twice")
		v.is(v.fetch("/report/T1"), "/claims/"+c.ID, 200, "Nothing was sent twice")
		if n := len(w.claimsOf(w.wang)); n != 1 {
			t.Errorf("%d claims after sending again", n)
		}
		v.see("/claims", 200, "24,400.50")
		v.is(v.fetch("/payments"), "/payments", 200, "reported", "See how the claim stands")
		v.see("/messages", 200, "1 unread")
	})
}

// The commit is lost, or only its answer: the same form, still filled in, sent
// again is one claim.
func TestFileFaults(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		for _, mute := range []bool{false, true} {
			f := &db.Faults{}
			w := newWorld(t, dbtest.Open(t, dialect, dbtest.Options{Migrations: migrations, Faults: f}))
			v := w.enter(w.wang)
			choice := fields(v.fetch("/report/T1"))
			choice.Set("kind", "theft")
			send := fields(v.fetch("/report/T1/money?" + choice.Encode()))
			send.Set("bank", "工商银行")
			send.Set("account", "6222020200112233445")
			want, status, kept := "it was not taken", 503, 0
			if mute { // the first commit records the look at the payments, the second is the claim
				want, status, kept = "it counts only once", 504, 1
				f.MuteCommit(2)
			} else {
				f.LoseCommit(2)
			}
			v.is(v.post("/report/T1", send), "/report/T1", status, want)
			if n := len(w.claimsOf(w.wang)); n != kept {
				t.Fatalf("%s, mute %v: %d claims, want %d", dialect, mute, n, kept)
			}
			v.is(v.post("/report/T1", send), "/claims/"+send.Get("claim"), 200, "We have it and are checking")
			if n := len(w.claimsOf(w.wang)); n != 1 {
				t.Fatalf("%s, mute %v: %d claims after sending again", dialect, mute, n)
			}
		}
	}
}

// What is wrong is said beside the field and nothing typed is lost; a report can
// be sent without an account, which is named later.
func TestFileErrors(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		for want, form := range map[string]url.Values{
			"Name the bank":                        {"bank": {" "}, "account": {"62220202001"}},
			"Enter the account number":             {"bank": {"工商银行"}},
			"An account number has digits only":    {"bank": {"工商银行"}, "account": {"6222abc<script>"}},
			"An account number has 9 to 30 digits": {"bank": {"工商银行"}, "account": {"12345"}},
			"This is too long. Make it shorter":    {"bank": {"工商银行"}, "account": {"62220202001"}, "words": {strings.Repeat("字", 2001)}},
			"This bank's name is too long":         {"bank": {strings.Repeat("行", 61)}, "account": {"62220202001"}},
		} {
			page, _ := v.file("T1", form)
			v.is(page, "/report/T1", 422, want)
			for k := range form {
				if k != "words" && form.Get(k) != " " && !strings.Contains(page.body, strings.ReplaceAll(form.Get(k), "<script>", "&lt;script&gt;")) {
					t.Errorf("%s was typed and is lost", form.Get(k))
				}
			}
		}
		v.is(v.fetch("/report/T1/money?claim=clm_1&kind=nonsense&also=T2"), "/report/T1/money", 422, "Choose what comes closest")
		for _, path := range []string{"/report/T1/money?kind=theft", "/report/T1/money?claim=clm_1&kind=theft&also=L1",
			"/report/L1/money?claim=clm_1&kind=theft"} {
			v.is(v.fetch(path), "", 404, "There is no such page")
		}
		v.is(v.post("/report/T1", url.Values{"claim": {"clm_1"}, "kind": {"theft"}, "also": {"L1"}, "later": {"1"}}), "", 404)
		if n := len(w.claimsOf(w.wang)); n != 0 {
			t.Fatalf("%d claims from refused forms", n)
		}
		page, sent := v.file("T1", url.Values{"later": {"1"}, "also": nil})
		id := sent.Get("claim")
		v.is(page, "/claims/"+id, 200, "Where shall the money go?", "8,000.00 CNY")
		v.is(v.post("/claims/"+id+"/account", url.Values{"bank": {"工商银行"}, "account": {"1"}}), "", 422, "9 to 30 digits")
		v.is(v.post("/claims/"+id+"/account", bankAccount), "/claims/"+id, 200, "The money will go to: 王建国 · 工商银行 ****3445")
		v.is(v.post("/claims/"+id+"/account", bankAccount), "/claims/"+id, 200, "****3445")
	})
}

// A loss that no record shows is claimed on the person's word.
func TestFileOther(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		form := fields(v.see("/report", 200, "Tell us about the money that is missing"))
		bad := v.post("/report", url.Values{"claim": form["claim"], "amount": {"1e9"}, "date": {"2027-01-01"}})
		v.is(bad, "/report", 422, "Choose what comes closest", "Enter the amount", "cannot be in the future", "Please write a line")
		form.Set("kind", "deceived")
		form.Set("amount", "１,２００.5")
		form.Set("date", "2026-05-01")
		form.Set("words", "钱不见了")
		page := v.post("/report", form)
		id := form.Get("claim")
		v.is(page, "/claims/"+id, 200, "1,200.50 CNY", "your own word")
		v.is(v.post("/report", form), "/claims/"+id, 200)
		c := w.get(id)
		if c.Claimed.Minor != 120_050 || c.Basis != claim.SwornStatement || c.Kind != claim.Deceived || len(w.claimsOf(w.wang)) != 1 {
			t.Errorf("the claim is %+v", c)
		}
	})
}

// Question, answer, refusal, objection, with each act sent twice.
func TestAnswerAndAppeal(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		id := sent.Get("claim")
		v.is(v.fetch("/claims/"+id+"/answer"), "/claims/"+id, 200, "was done already or is not possible now")
		w.triage(id)
		w.ask(id, "您当时在哪里？<b>")
		v.is(v.fetch("/"), "/", 200, "We need an answer from you")
		v.is(v.fetch("/claims/"+id), "", 200, "您当时在哪里？<b>", "stands still until you have answered", "Next to act: you")
		v.see("/claims/"+id+"/answer", 200, "您当时在哪里？")
		v.is(v.post("/claims/"+id+"/answer", url.Values{"words": {"  "}}), "", 422, "Please write a line")
		for range 2 {
			v.is(v.post("/claims/"+id+"/answer", url.Values{"words": {"在家睡觉"}}), "/claims/"+id, 200, "We have your answer")
		}
		v.is(v.post("/claims/"+id+"/answer", url.Values{"words": {"别的话"}}), "/claims/"+id, 200, "was done already or is not possible now")
		w.refuse(id)
		v.is(v.fetch("/claims/"+id), "", 200, "not accepted", "the holder made the payment", "our records show no such payment", "say so by")
		v.is(v.upload("/claims/"+id+"/evidence", file{"a.png", picture(t)}), "", 409, "object first")
		for range 2 {
			v.is(v.post("/claims/"+id+"/appeal", url.Values{"words": {"不是我"}}), "/claims/"+id, 200, "Another person will look at it anew")
		}
		if c := w.get(id); c.Status != claim.Appealed {
			t.Errorf("the claim is %s", c.Status)
		}
		v.is(v.fetch("/claims/"+id), "", 200, "Another person decides anew")
	})
}

func TestWithdraw(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		id := sent.Get("claim")
		for range 2 {
			v.is(v.post("/claims/"+id+"/withdraw", nil), "/claims/"+id, 200, "The claim is taken back.")
		}
		if c := w.get(id); c.Status != claim.Withdrawn {
			t.Errorf("the claim is %s", c.Status)
		}
		v.is(v.fetch("/claims/"+id+"/account"), "/claims/"+id, 200, "not possible now")
	})
}

// Files: types by their bytes, sizes, names, several at once, given back as sent.
func TestEvidence(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		at := "/claims/" + sent.Get("claim") + "/evidence"
		v.is(v.upload(at), at, 422, "Choose a file first")
		v.is(v.upload(at, file{"x.png", []byte("<html><script>alert(1)</script>")}), at, 422, "This kind of file is not taken")
		v.is(v.upload(at, file{"big.png", append(picture(t), make([]byte, claim.MaxEvidence)...)}), at, 413, "each may have up to 20 MB")
		v.is(v.upload(at, slices.Repeat([]file{{"a.png", picture(t)}}, 11)...), at, 422, "At most 10 files")
		two := []file{{"截图 1.png", picture(t)}, {"bad.exe", []byte("MZ\x90\x00\x03")}}
		v.is(v.upload(at, two...), at, 422, "bad.exe", "截图 1.png", "1 file")
		v.is(v.upload(at, file{"截图 1.png", picture(t)}), at, 200, "1 file received", "1 file")
		name := `"><script>alert(1)</script>` + strings.Repeat("长", 100) + ".txt"
		page := v.upload(at, file{name, []byte("hello")})
		v.is(page, at, 200, "2 files")
		if strings.Contains(page.body, "<script>alert") {
			t.Error("a file's name runs as a script")
		}
		i := strings.Index(page.body, at+"/evd_")
		href := page.body[i : i+strings.IndexByte(page.body[i:], '"')]
		got := v.fetch(href)
		if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") ||
			got.header.Get("X-Content-Type-Options") != "nosniff" || got.body != string(picture(t)) {
			t.Errorf("the file came back as %d %v", got.status, got.header)
		}
		li := w.enter(w.li)
		li.is(li.fetch(href), "", 404, "There is no such page")
		li.is(li.upload(at, file{"a.png", picture(t)}), "", 404, "There is no such page")
		v.is(v.fetch(at+"/evd_none"), "", 404, "There is no such page")
	})
}

// Whatever a customer does with another's claim, message or certificate looks
// the same as with one that does not exist.
func TestNothingOfOthers(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		id := sent.Get("claim")
		w.triage(id)
		w.pay(id)
		var message, cert ident.ID
		w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
			ms, err := w.notice.InboxOf(tx, w.wang, "", 10)
			w.ok(err)
			message = ms[0].ID
			cs, err := w.notice.ByClaim(tx, id)
			w.ok(err)
			cert = cs[0].ID
			return nil
		}))
		li := w.enter(w.li)
		same := func(a, b answer) {
			t.Helper()
			if a.status != 404 || b.status != 404 || text(a.body) != text(b.body) {
				t.Errorf("%s: %d and %s: %d differ:\n%s\n%s", a.path, a.status, b.path, b.status, text(a.body), text(b.body))
			}
		}
		for _, page := range []string{"", "/answer", "/appeal", "/account", "/evidence", "/evidence/evd_1"} {
			same(li.fetch("/claims/"+id+page), li.fetch("/claims/clm_none"+page))
		}
		for _, act := range []string{"/answer", "/appeal", "/account", "/withdraw"} {
			form := url.Values{"words": {"x"}, "bank": {"工商银行"}, "account": {"123456789"}}
			same(li.post("/claims/"+id+act, form), li.post("/claims/clm_none"+act, form))
		}
		same(li.fetch("/messages/"+message), li.fetch("/messages/msg_none"))
		same(li.fetch("/certificates/"+cert), li.fetch("/certificates/crt_none"))
		// With the same id another's report is theirs no more than before.
		form := url.Values{"claim": {id}, "kind": {"theft"}, "later": {"1"}}
		if a := li.post("/report/L1", form); a.status == 200 || strings.Contains(a.body, "24,400.50") {
			t.Errorf("another's claim id gives %d %s", a.status, a.path)
		}
	})
}

// Paid: the money, the certificate, its check by strangers, on line and off.
func TestPaidAndVerified(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		id := sent.Get("claim")
		w.triage(id)
		w.pay(id)
		v.is(v.fetch("/claims/"+id), "", 200, "You have been paid 24,400.50 CNY", "The money you received", "Download the certificate",
			"5·18 盗刷事件")
		var c notice.Issued
		w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
			cs, err := w.notice.ByClaim(tx, id)
			c = cs[0]
			return err
		}))
		pdf := v.fetch("/certificates/" + c.ID)
		if pdf.status != 200 || pdf.header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(pdf.body, "%PDF") {
			t.Fatalf("the certificate is %d %v", pdf.status, pdf.header)
		}
		s := w.visitor()
		typed := strings.ToLower(strings.ReplaceAll(c.Code, "-", " "))
		good := s.fetch("/verify?code=" + url.QueryEscape(typed))
		s.is(good, "/verify/"+c.Code, 200, "The certificate is genuine", "24,400.50", "王**", "****3445", "Emergency fund")
		if strings.Contains(good.body, "王建国") {
			t.Error("a stranger reads the whole name")
		}
		s.is(s.upload("/verify", file{"c.pdf", []byte(pdf.body)}), "/verify", 200, "The certificate is genuine", "24,400.50")
		s.is(s.upload("/verify", file{"c.pdf", []byte(pdf.body + "\n")}), "/verify", 200, "The file was changed", "24,400.50")
		s.is(s.upload("/verify", file{"c.pdf", []byte("%PDF-1.7 nothing")}), "/verify", 422, "There is no certificate of ours")
		s.is(s.upload("/verify"), "/verify", 422, "Choose a file first")
		s.is(s.upload("/verify", file{"c.pdf", make([]byte, 9<<20)}), "/verify", 413, "too large to be a certificate")
		s.is(s.fetch("/verify?code=123"), "/verify", 422, "16 letters and digits")
		s.is(s.fetch("/verify/0000-0000-0000-0000"), "", 404, "There is no such code")
		s.is(s.fetch("/verify/%3Cscript%3E"), "", 404, "There is no such code")
		w.clock.Advance(time.Minute)
		for i := range 21 {
			a := s.fetch("/verify/0000-0000-0000-0000")
			if want := map[bool]int{true: 404, false: 429}[i < 20]; a.status != want {
				t.Fatalf("try %d gives %d, want %d", i+1, a.status, want)
			}
		}
		a := s.fetch("/verify/" + c.Code)
		s.is(a, "", 429, "That was too many tries")
		w.clock.Advance(time.Minute)
		s.is(s.fetch("/verify/"+c.Code), "", 200, "The certificate is genuine")
	})
}

// The bank sends the money back: the page says so and asks for another account,
// unless it was approved with an incident's others.
func TestBounced(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		id := sent.Get("claim")
		w.join(id, "", "")
		w.order(id, map[string]string{"po_1": "AC01"})
		v.is(v.fetch("/claims/"+id), "", 200, "The bank sent the money back", "You will get 24,400.50 CNY", "Change the account")
		other := url.Values{"bank": {"农业银行"}, "account": {"1234567890123"}}
		v.is(v.post("/claims/"+id+"/account", other), "/claims/"+id, 200, "****0123")
	})
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		id := sent.Get("claim")
		w.triage(id)
		w.order(id, map[string]string{"po_1": "AC01"})
		v.is(v.fetch("/claims/"+id), "", 200, "The bank sent the money back", "Two people must approve another account")
		other := url.Values{"bank": {"农业银行"}, "account": {"1234567890123"}}
		v.is(v.post("/claims/"+id+"/account", other), "/claims/"+id, 200, "not possible now", "****3445")
	})
}

// Messages are read once, counted, and lead to their claim.
func TestMessages(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		v.see("/messages", 200, "No messages")
		_, sent := v.file("T1", bankAccount)
		list := v.see("/messages", 200, "1 unread")
		i := strings.Index(list.body, "/messages/msg_")
		href := list.body[i : i+strings.IndexByte(list.body[i:], '"')]
		page := v.see(href, 200, "24,400.50")
		if !strings.Contains(page.body, "/claims/"+sent.Get("claim")) {
			t.Error("the message does not lead to its claim")
		}
		v.see("/messages", 200, "0 unread")
	})
}

// An heir sees that they act for somebody; the one they act for sees it no more.
func TestHeir(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		_, sent := v.file("T1", bankAccount)
		id := sent.Get("claim")
		w.in(func(tx *db.Tx) error {
			return w.claim.TakeOverTx(tx, handler, id, claim.TakeOverIn{Heir: w.li, Relation: "配偶", Documents: []string{"结婚证"},
				PayTo: fund.PayTo{Name: "李秀英", Bank: "工商银行", Account: "6222000011112222", Rail: fund.RailBank}})
		})
		li := w.enter(w.li)
		li.is(li.fetch("/claims/"+id), "", 200, "You act for 王建国", "配偶", "8,000.00", "****2222")
		li.see("/claims", 200, "24,400.50")
		v.is(v.fetch("/claims/"+id), "", 404)
		v.see("/claims", 200, "You have no claims")
	})
}

// publish is the second person's act.
func (w *world) publish(lang notice.Lang, number int) {
	w.Helper()
	other := ident.Actor{Kind: ident.Staff, ID: "stf_other", Roles: []ident.Role{ident.RoleCompliance}}
	w.ok(w.incident.Publish(w.ctx, other, "inc_1", lang, number))
}

// The statement is public, in the reader's language, and the figures are the books'.
func TestStatement(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		s := w.visitor()
		s.is(s.fetch("/statement/inc_1"), "", 404, "There is no such page")
		w.ok(w.fund.Create(w.ctx, job, emergency))
		_, err := w.incident.Declare(w.ctx, handler, declaration)
		w.ok(err)
		_, err = w.incident.WriteStatement(w.ctx, handler, "inc_1", notice.ZH)
		w.ok(err)
		s.is(s.fetch("/statement/inc_1"), "", 404, "There is no such page") // a draft is nobody's business
		w.publish(notice.ZH, 1)
		s.is(s.fetch("/statement/inc_1"), "", 200, "Version 1", "盗刷")
		_, err = w.incident.WriteStatement(w.ctx, handler, "inc_1", notice.EN)
		w.ok(err)
		w.publish(notice.EN, 1)
		page := s.fetch("/statement/inc_1")
		s.is(page, "", 200, "<img src=x>", "Some Wallet")
		if strings.Contains(page.body, "<img") || strings.Contains(text(page.body), `\<`) {
			t.Error("the title is not shown as it was written")
		}
	})
}

// Posts from another site do nothing; what people write is never markup; every
// answer has the policy that forbids foreign scripts.
func TestSafety(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		v := w.enter(w.wang)
		probe := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
		form := url.Values{"bank": {"工商银行"}, "account": {"6222020200112233"}, "words": {probe}, "police_case": {probe}}
		page, sent := v.file("T1", form)
		id := sent.Get("claim")
		v.is(page, "/claims/"+id, 200, probe)
		w.triage(id)
		w.ask(id, probe)
		for _, path := range []string{"/claims/" + id, "/claims/" + id + "/answer", "/claims", "/messages", "/?x=" + url.QueryEscape(probe),
			"/verify?code=" + url.QueryEscape(probe), "/in/" + url.PathEscape(probe), "/payments?before=" + url.QueryEscape(probe),
			"/report/T3/money?claim=clm_2&how=" + url.QueryEscape(probe) + "&kind=" + url.QueryEscape(probe)} {
			a := v.fetch(path)
			if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img src=x") {
				t.Errorf("%s carries markup from outside", path)
			}
			if !strings.Contains(a.header.Get("Content-Security-Policy"), "script-src 'self'") {
				t.Errorf("%s has no policy", path)
			}
		}
		for _, path := range []string{"/claims/" + id + "/withdraw", "/claims/" + id + "/account", "/report/T1", "/sign-out"} {
			r, err := http.NewRequest(http.MethodPost, w.address+path, strings.NewReader(bankAccount.Encode()))
			w.ok(err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Origin", "https://evil.example")
			v.is(v.do(r), "", 403)
		}
		if c := w.get(id); c.Status != claim.Awaiting || c.PayTo.Account != "6222020200112233" {
			t.Errorf("another site moved the claim: %s", c.Status)
		}
		v.see("/", 200, "Hello")
	})
}
