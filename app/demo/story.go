package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"surety/client"
	"surety/domain/fund"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
)

// crew makes the staff and the host's key, and signs everybody in.
func (d *Demo) crew(ctx context.Context) error {
	d.say.chapter("The people")
	a, err := d.App.Access.Bootstrap(ctx, admin, "管理员", Password)
	if err != nil {
		return err
	}
	boss := ident.Actor{Kind: ident.Staff, ID: a.ID, Name: a.Name, Roles: a.Roles}
	for _, p := range people {
		_, err := d.App.Access.AddStaff(ctx, boss, access.NewStaff{ID: p.id, Email: p.email, Name: p.name, Roles: p.roles, Password: Password})
		if err != nil {
			return err
		}
		d.say.line("%s  %-28s %v", p.name, p.email, p.roles)
	}
	c, err := client.New(d.StaffURL, "")
	if err != nil {
		return err
	}
	d.staff[""] = c
	if err := d.signIn(ctx); err != nil {
		return err
	}
	root, err := c.SignIn(ctx, admin, Password)
	if err != nil {
		return err
	}
	var key struct {
		Token string `json:"token"`
	}
	body := map[string]any{"name": "the wallet's own systems", "roles": []ident.Role{ident.RoleHost}}
	if _, err := root.Do(ctx, http.MethodPost, "/v1/keys", body, &key); err != nil {
		return err
	}
	d.host = c.As(key.Token)
	d.say.line("and the wallet's own systems, by an API key. Everything below goes through the API.")
	return nil
}

// signIn signs everybody in again: sessions end when nobody uses them.
func (d *Demo) signIn(ctx context.Context) error {
	for _, p := range people {
		c, err := d.staff[""].SignIn(ctx, p.email, Password)
		if err != nil {
			return err
		}
		d.staff[p.id] = c
	}
	return nil
}

func (d *Demo) lead() *client.Client    { return d.staff["stf_lead"] }
func (d *Demo) manager() *client.Client { return d.staff["stf_fund"] }

// funds opens the three funds of the story (A6).
func (d *Demo) funds(ctx context.Context) error {
	d.say.chapter("The funds: money set aside before anything happens")
	for _, f := range []struct {
		client.NewFund
		deposit money.Amount
	}{
		{client.NewFund{ID: "yearly", NameZH: "年度赔付基金", NameEN: "Yearly compensation fund", Kind: "yearly"}, money.Yuan(200_000_000)},
		{client.NewFund{ID: "emergency", NameZH: "应急赔付基金", NameEN: "Emergency fund", Kind: "emergency"}, money.Yuan(30_000_000)},
		{client.NewFund{ID: "reward", NameZH: "线索奖励基金", NameEN: "Reward for information", Kind: "reward"}, money.Yuan(1_000_000)},
	} {
		f.Currency = money.CNY
		if _, err := d.manager().CreateFund(ctx, f.NewFund); err != nil {
			return err
		}
		if _, err := d.manager().Deposit(ctx, f.ID, "dep-2026-"+f.ID, f.deposit, "opening"); err != nil {
			return err
		}
		d.say.line("%-30s %22s", f.NameEN, f.deposit)
	}
	return nil
}

// history takes over the wallet's accounts and 90 days of its payments, and
// judges each payment as it would have been judged when it was made.
func (d *Demo) history(ctx context.Context) error {
	d.say.chapter("Ninety days of payments, each judged as it would have been judged then")
	accounts, err := file("accounts.csv")
	if err != nil {
		return err
	}
	rep, err := d.host.ImportAccounts(ctx, bytes.NewReader(accounts))
	if err != nil {
		return err
	}
	d.say.line("%d accounts taken over.", rep.Added)
	payments, err := file("payments.csv.gz")
	if err != nil {
		return err
	}
	done, err := d.host.ImportPayments(ctx, bytes.NewReader(payments), func(n, total int) { d.say.progress("payments assessed", n, total) })
	if err != nil {
		return err
	}
	d.say.line("Of %d payments %d would have been let go, %d challenged, %d held, %d blocked.", done.Assessed,
		done.Outcomes["allow"], done.Outcomes["challenge"], done.Outcomes["hold"], done.Outcomes["block"])
	d.say.line("They had gone already: Surety was not there yet. What was lost has to be made good now.")
	return nil
}

// declare opens the incident; the emergency fund is frozen for it (A1, A11).
func (d *Demo) declare(ctx context.Context) error {
	d.say.chapter("30 May 2026, 08:00: the police call. The incident is declared")
	_, _, err := d.lead().Declare(ctx, client.NewIncident{
		ID: incidentID, Title: "3·19系列盗窃案", FundID: "emergency",
		From: time.Date(2026, 5, 15, 0, 0, 0, 0, china),
		To:   time.Date(2026, 5, 30, 0, 0, 0, 0, china), Deadline: time.Date(2026, 5, 30, 23, 59, 0, 0, china),
	})
	if err != nil {
		return err
	}
	d.say.line("Everybody is to be paid today, by 23:59. Until then the emergency fund pays for nothing else.")
	return nil
}

// gather reads the sources as they came, and searches the records (A1, A9).
func (d *Demo) gather(ctx context.Context) error {
	d.say.chapter("The victims are gathered: police, users, an heir, and our own records")
	list, err := file("police-list.csv")
	if err != nil {
		return err
	}
	rep, err := d.lead().ImportList(ctx, incidentID, "police-list.csv", bytes.NewReader(list))
	if err != nil {
		return err
	}
	d.tellList(rep)
	reports, err := file("user-reports.csv")
	if err != nil {
		return err
	}
	said, err := d.lead().ImportReports(ctx, incidentID, "user-reports.csv", bytes.NewReader(reports))
	if err != nil {
		return err
	}
	d.say.line("Users' own reports: %d claims filed, %d said before by the same user.", said.Filed, said.Joined)
	found, err := d.lead().Gather(ctx, incidentID)
	if err != nil {
		return err
	}
	for _, m := range found.Marks {
		d.say.line("Mark: %s %s %s.", m.Kind, m.Value, m.Why)
	}
	d.say.line("Searching the records by these marks finds %d account that nobody had named: %s.", len(found.Found),
		strings.Join(found.Found, ", "))
	estate, err := file("estate.json")
	if err != nil {
		return err
	}
	if err := d.lead().AddEstate(ctx, incidentID, "estate.json", bytes.NewReader(estate)); err != nil {
		return err
	}
	d.say.line("It was the late Mr Chen's, robbed after his death. His widow takes over the claim, with three documents.")
	return nil
}

func (d *Demo) tellList(rep client.ListReport) {
	mended, refused := 0, 0
	for _, r := range rep.List.Rows {
		if len(r.Mended) > 0 {
			mended++
		}
		if len(r.Refused) > 0 {
			refused++
		}
	}
	t := rep.List.Totals
	d.say.line("The police list came as %s, %d rows: %d victims, %d repeated, %d rows mended, %d refused.", rep.List.Encoding,
		len(rep.List.Rows), t.Victims, t.Duplicates, mended, refused)
	agrees := "as the list says itself"
	if t.CountDiffers || t.SumDiffers {
		agrees = "which is NOT what the list says itself"
	}
	d.say.line("Together %s, %s.", t.Sum, agrees)
	d.say.line("Found by account %d, by identity number %d, by telephone and name %d, not found %d.",
		rep.Matched["account"], rep.Matched["id_number"], rep.Matched["phone_and_name"], rep.Matched["nobody"])
}

// reconcile checks everybody against the records; a person refuses what has no
// trace (A2, A9).
func (d *Demo) reconcile(ctx context.Context) error {
	d.say.chapter("Each loss is checked against the payment records")
	rep, err := d.lead().Reconcile(ctx, incidentID)
	if err != nil {
		return err
	}
	vs, err := d.lead().Victims(ctx, incidentID)
	if err != nil {
		return err
	}
	sums := map[string]money.Amount{}
	for _, v := range vs {
		if sums[v.Verdict], err = sums[v.Verdict].Add(v.Amount); err != nil {
			return err
		}
	}
	words := map[string]string{
		"confirmed": "records and police agree", "police_confirmed": "no record here, the police vouch: paid all the same",
		"inherited": "the late holder's heir, records and estate agree",
	}
	people := 0
	for _, verdict := range []string{"confirmed", "police_confirmed", "inherited"} {
		d.say.money(words[verdict], rep.Verdicts[verdict], sums[verdict].String())
		people += rep.Verdicts[verdict]
	}
	d.say.rule()
	d.say.money("to be paid", people, rep.Payable.String())
	d.say.line("%d claimed more than was lost: paid what was lost. %d reported twice: paid once.",
		rep.Reasons["claimed_more"], rep.Reasons["said_twice"])
	refused := 0
	for _, v := range vs {
		if v.Verdict != "false" {
			continue
		}
		if err := d.staff["stf_handler"].RefuseVictim(ctx, v.ID, "在交易记录和公安名单中均未发现损失"); err != nil {
			return err
		}
		refused++
	}
	d.say.line("%d reports have no trace anywhere. A person (王芳) looked and refused them, with the ground and the way to object.", refused)
	return nil
}

// calls notes who was reached (A7).
func (d *Demo) calls(ctx context.Context) error {
	d.say.chapter("Everybody is called")
	vs, err := d.lead().Victims(ctx, incidentID)
	if err != nil {
		return err
	}
	n := map[string]int{}
	for i, v := range vs {
		if !v.Payable {
			continue
		}
		outcome := "reached"
		if i%9 == 4 {
			outcome = "no_answer"
		}
		if err := d.staff["stf_handler"].CallVictim(ctx, v.ID, outcome, ""); err != nil {
			return err
		}
		n[outcome]++
	}
	d.say.line("%d reached, %d did not answer: they are paid all the same.", n["reached"], n["no_answer"])
	return nil
}

// approve lets two people release the batch (A3).
func (d *Demo) approve(ctx context.Context) error {
	d.say.chapter("One approval, by two people, for the whole batch")
	d.Clock.Advance(10 * time.Minute)
	b, err := d.lead().Propose(ctx, incidentID)
	if err != nil {
		return err
	}
	d.say.line("陈静 proposes: %d people, %s, from the emergency fund.", b.People, b.Total)
	if _, err := d.lead().Approve(ctx, incidentID, b.Hash); err == nil {
		return ident.E(ident.KindInternal, "four_eyes", "one person could approve alone")
	} else if p, ok := client.AsProblem(err); ok {
		d.say.line("陈静 tries to approve it herself: %s", p.Detail)
	}
	if _, err := d.manager().Approve(ctx, incidentID, b.Hash); err != nil {
		return err
	}
	d.say.line("赵敏 approves exactly this batch (%s…). %s are set aside; nobody can spend them on anything else.", b.Hash[:12], b.Total)
	return nil
}

// pay orders the payouts, twice for good measure, plays the bank, and keeps the
// certificates.
func (d *Demo) pay(ctx context.Context) error {
	d.say.chapter("The pay-out")
	rep, err := d.lead().PayAll(ctx, incidentID)
	if err != nil {
		return err
	}
	again, err := d.lead().PayAll(ctx, incidentID)
	if err != nil {
		return err
	}
	d.say.line("%d payouts ordered. The button is pressed once more: %d new, %d were ordered already.",
		rep.Ordered, again.Ordered, again.Already)
	d.Clock.Advance(5 * time.Minute)
	if _, err := d.App.Queue.Drain(ctx); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(d.App.BankOut(), "*.xml"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if err := d.answer(ctx, name); err != nil {
			return err
		}
	}
	if _, err := d.App.Queue.Drain(ctx); err != nil {
		return err
	}
	if err := d.signIn(ctx); err != nil { // the clock has moved on
		return err
	}
	return d.certificates(ctx)
}

func (d *Demo) retryPay(ctx context.Context) (client.PayReport, error) {
	return d.lead().PayAll(ctx, incidentID)
}

// answer plays the bank for one file: it reads the pain.001 and sends a pain.002.
func (d *Demo) answer(ctx context.Context, name string) error {
	order, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	d.Clock.Advance(2 * time.Minute)
	status, err := d.bank.AnswerAll(order, nil, d.Clock.Now())
	if err != nil {
		return err
	}
	rep, err := d.manager().ImportStatus(ctx, bytes.NewReader(status))
	if err != nil {
		return err
	}
	d.say.line("Bank file %s (ISO 20022 pain.001) sent; the bank's answer (pain.002): %d settled, %d rejected.", filepath.Base(name),
		rep.Settled, rep.Rejected)
	return nil
}

// certificates keeps the PDF of each certificate.
func (d *Demo) certificates(ctx context.Context) error {
	vs, err := d.lead().Victims(ctx, incidentID)
	if err != nil {
		return err
	}
	dir := filepath.Join(d.cfg.Dir, "certificates")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var paid []client.Victim
	for _, v := range vs {
		if v.State == string(fund.Settled) {
			paid = append(paid, v)
		}
	}
	for i, v := range paid {
		pdf, err := d.certificate(ctx, v.Payout)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, v.Payout+".pdf"), pdf, 0o600); err != nil {
			return err
		}
		d.say.progress("certificates written", i+1, len(paid))
	}
	b, err := d.lead().Board(ctx, incidentID)
	if err != nil {
		return err
	}
	for _, s := range b.Steps {
		d.say.money(s.Name, s.People, s.Money.String())
	}
	d.say.line("%d minutes before the deadline nobody is left to be paid (%d left).", b.Minutes, b.Left.People)
	return nil
}

// certificate prints one certificate by its code, as the payee would.
func (d *Demo) certificate(ctx context.Context, payout ident.ID) ([]byte, error) {
	p, err := d.manager().Payout(ctx, payout)
	if err != nil {
		return nil, err
	}
	return d.staff["stf_handler"].CertificatePDF(ctx, p.Certificate)
}

// statement writes the public statement in both languages (A8).
func (d *Demo) statement(ctx context.Context) error {
	d.say.chapter("The public statement, with the ledger's figures")
	for _, lang := range []string{"zh", "en"} {
		st, err := d.lead().WriteStatement(ctx, incidentID, lang)
		if err != nil {
			return err
		}
		if err := d.staff["stf_compliance"].PublishStatement(ctx, incidentID, lang, st.Number); err != nil {
			return err
		}
		name := filepath.Join(d.cfg.Dir, "statement."+lang+".md")
		if err := os.WriteFile(name, []byte(st.Body), 0o600); err != nil {
			return err
		}
		if lang == "en" {
			for _, l := range strings.Split(strings.TrimSpace(st.Body), "\n")[:6] {
				if strings.TrimSpace(l) != "" {
					d.say.line("| %s", l)
				}
			}
		}
		d.say.line("%s", name)
	}
	return nil
}

// check proves the books, the log and all that ties them together.
func (d *Demo) check(ctx context.Context) error {
	d.say.chapter("Everything is checked again, from the stores")
	if _, err := d.App.Audit.SignHead(ctx); err != nil {
		return err
	}
	v, err := d.App.Verify(ctx)
	if err != nil {
		return err
	}
	var words bytes.Buffer
	v.Tell(&words)
	for _, l := range strings.Split(strings.TrimSpace(words.String()), "\n") {
		d.say.line("%s", l)
	}
	if !v.OK {
		return ident.E(ident.KindInternal, "not_verified", "the check found something; the story above is not to be believed")
	}
	for _, id := range []string{"yearly", "emergency", "reward"} {
		f, err := d.manager().Fund(ctx, id)
		if err != nil {
			return err
		}
		d.say.line("%-30s free %22s, paid out %20s", f.NameEN, f.Figures.Free, f.Figures.PaidOut)
	}
	return d.link(ctx)
}

// link makes the way into the portal of the first victim, for whoever looks.
func (d *Demo) link(ctx context.Context) error {
	vs, err := d.lead().Victims(ctx, incidentID)
	if err != nil {
		return err
	}
	sort.Slice(vs, func(i, j int) bool { return vs[i].Account < vs[j].Account })
	for _, v := range vs {
		if v.Verdict != "confirmed" {
			continue
		}
		token, err := d.host.PortalLink(ctx, v.Account, 24*3600)
		if err != nil {
			return err
		}
		d.Link = fmt.Sprintf("%s/in/%s", d.PortalURL, token)
		return nil
	}
	return nil
}
