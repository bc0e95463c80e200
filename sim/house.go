package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"surety/app"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// start is the first moment of every life: the morning after the thefts.
var start = time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC)

// password is that of all staff here; nobody else can reach these houses.
const password = "correct horse battery"

// host is the wallet's own system.
var host = ident.Actor{Kind: ident.Key, ID: "key_host", Name: "wallet", Roles: []ident.Role{ident.RoleHost}}

// people are the staff of a house, by role.
type people struct {
	admin, lead, fund, compliance, handler ident.Actor
}

// hire makes the staff, or finds it in a house that was opened before.
func hire(ctx context.Context, a *app.App) (p people, err error) {
	have := map[string]access.Staff{}
	err = a.DB.View(ctx, func(tx *db.Tx) error {
		all, err := a.Access.StaffList(tx)
		for _, s := range all {
			have[s.Email] = s
		}
		return err
	})
	if err != nil {
		return p, err
	}
	actor := func(s access.Staff) ident.Actor {
		return ident.Actor{Kind: ident.Staff, ID: s.ID, Name: s.Name, Roles: s.Roles, Session: "ses_sim"}
	}
	const boss = "admin@sim.example"
	s, ok := have[boss]
	if !ok {
		if s, err = a.Access.Bootstrap(ctx, boss, "Admin", password); err != nil {
			return p, err
		}
	}
	p.admin = actor(s)
	for _, one := range []struct {
		role ident.Role
		into *ident.Actor
	}{
		{ident.RoleLead, &p.lead}, {ident.RoleFund, &p.fund}, {ident.RoleCompliance, &p.compliance}, {ident.RoleHandler, &p.handler},
	} {
		email := string(one.role) + "@sim.example"
		s, ok := have[email]
		if !ok {
			s, err = a.Access.AddStaff(ctx, p.admin, access.NewStaff{ID: "stf_" + string(one.role), Email: email,
				Name: string(one.role), Roles: []ident.Role{one.role}, Password: password})
			if err != nil {
				return p, err
			}
		}
		*one.into = actor(s)
	}
	return p, nil
}

// person makes the n-th customer: an identity number with a right check digit,
// as 5199xx is nobody's region.
func person(n int) party.Row {
	const family, given = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", "伟芳娜敏静秀丽强磊军洋勇艳杰娟涛"
	f, g := []rune(family), []rune(given)
	id := fmt.Sprintf("5199%02d19800101%03d", n/1000%100, n%1000)
	weights, check := []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}, 0
	for i, w := range weights {
		check += int(id[i]-'0') * w
	}
	return party.Row{
		Account: fmt.Sprintf("W%06d", n), Name: string(f[n%len(f)]) + string(g[n/16%len(g)]) + string(g[n/7%len(g)]),
		IDNumber: id + string("10X98765432"[check%11]), Phone: fmt.Sprintf("170%08d", n), City: "绵阳",
		Device: fmt.Sprintf("dev-home-%d", n), Verification: party.Full, Opened: start.AddDate(-2, 0, 0), Kind: party.Person,
	}
}

// theft is one stolen payment of the n-th customer.
func theft(n, nth int, amount money.Amount) payment.Request {
	return payment.Request{
		ID: fmt.Sprintf("pay-%d-%d", n, nth), At: start.Add(-24 * time.Hour).Add(time.Duration(n*10+nth) * time.Second),
		Payer: person(n).Account, Payee: "W900001", Amount: amount, Type: "transfer", Channel: "app", Device: "dev-thief",
		IP: "203.0.113.9", City: "广州", Settled: true,
	}
}

// stolen is what the n-th victim lost: all different, none round.
func stolen(n int) money.Amount { return money.Of(int64(1_000_003+n*10_007), money.CNY) }

// settle writes the customers, the thief and the payments of an incident.
func settle(ctx context.Context, a *app.App, first, victims int) error {
	rows := []party.Row{person(90001)}
	rows[0].Account, rows[0].Device = "W900001", "dev-thief-own"
	var stolenOnes []payment.Request
	for n := first; n < first+victims; n++ {
		rows = append(rows, person(n))
		stolenOnes = append(stolenOnes, theft(n, 1, stolen(n)))
	}
	if rep, err := a.Party.ImportRows(ctx, host, rows); err != nil || len(rep.Refused) > 0 {
		return errors.Join(err, fmt.Errorf("import of %d accounts refused %v", len(rows), rep.Refused))
	}
	res, err := a.Payment.AssessBatch(ctx, host, stolenOnes)
	for _, r := range res {
		err = errors.Join(err, r.Err)
	}
	return err
}

// policeList is the list of these victims as a police station writes it.
func policeList(first, victims int) []byte {
	var b strings.Builder
	b.WriteString("序号,报案编号,报案时间,姓名,身份证号,手机号,账户,被盗金额（元）,收款人,收款银行及账号,备注\n")
	for n := first; n < first+victims; n++ {
		p := person(n)
		fmt.Fprintf(&b, "%d,绵公刑〔2026〕%04d号,2026/05/29,%s,%s,%s,%s,%s,%s,农业银行 62708993067869%05d,\n",
			n-first+1, n, p.Name, p.IDNumber, p.Phone, p.Account, stolen(n).Plain(), p.Name, n)
	}
	return []byte(b.String())
}

// incidentID is the prepared incident.
const incidentID = "inc_sim"

// prepare brings a house to the point where an incident is approved and nobody
// is paid yet: what a crash in the pay-out starts from.
func prepare(ctx context.Context, a *app.App, victims int) error {
	p, err := hire(ctx, a)
	if err != nil {
		return err
	}
	if err := openFund(ctx, a, p, "emergency", fund.Emergency, money.Yuan(1_000_000)); err != nil {
		return err
	}
	if err := settle(ctx, a, 1, victims); err != nil {
		return err
	}
	_, err = a.Incident.Declare(ctx, p.lead, declaration(incidentID))
	if err != nil {
		return err
	}
	if _, err := a.Incident.ImportList(ctx, p.lead, incidentID, "list.csv", bytes.NewReader(policeList(1, victims))); err != nil {
		return err
	}
	if _, err := a.Incident.Gather(ctx, p.lead, incidentID); err != nil {
		return err
	}
	if _, err := a.Incident.Reconcile(ctx, p.lead, incidentID); err != nil {
		return err
	}
	b, _, err := a.Incident.Propose(ctx, p.lead, incidentID)
	if err != nil {
		return err
	}
	if len(b.Victims) != victims {
		return fmt.Errorf("of %d victims only %d can be paid", victims, len(b.Victims))
	}
	_, err = a.Incident.Approve(ctx, p.compliance, incidentID, b.Hash)
	return err
}

func declaration(id ident.ID) incident.DeclareIn {
	return incident.DeclareIn{ID: id, Title: "“3·19”系列盗窃", FundID: "emergency", From: start.AddDate(0, 0, -3), To: start,
		Deadline: start.Add(12 * time.Hour)}
}

func openFund(ctx context.Context, a *app.App, p people, id string, kind fund.Kind, amount money.Amount) error {
	err := a.Fund.Create(ctx, p.fund, fund.Fund{ID: id, NameZH: "基金", NameEN: "Fund " + id, Kind: kind, Currency: money.CNY})
	if err != nil {
		return err
	}
	return a.Fund.Deposit(ctx, p.fund, "first-"+id, id, amount, "first deposit")
}
