package incident_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	"surety/domain/notice"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/queue"
)

// The main job, whole: from the police list to 47 people paid, on both databases.
func TestStory(t *testing.T) {
	both(t, func(w *world) {
		w.begin(true)
		w.gathered()
		w.reconciled()
		w.approved()
		w.paid()
		w.told()
		w.closed()
		w.nothingReadable()
	})
}

// nothingReadable searches the SQLite file for the victims of the list and the heir.
func (w *world) nothingReadable() {
	w.Helper()
	path, ok := strings.CutPrefix(w.url, "sqlite:")
	if !ok {
		return
	}
	files, err := filepath.Glob(path + "*")
	w.ok(err)
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		w.ok(err)
		all = append(all, b...)
	}
	if !bytes.Contains(all, []byte("川公刑〔2026〕1180号")) || !bytes.Contains(all, []byte("W102751")) {
		w.Fatalf("the search finds nothing at all in %v", files)
	}
	secrets := []string{"胡淑芬", "陈国栋", "6217000000000000017"}
	for _, v := range w.victims() {
		secrets = append(secrets, v.Name, v.PayTo.Account)
	}
	for _, secret := range secrets {
		if secret != "" && bytes.Contains(all, []byte(secret)) {
			w.Errorf("%s stands in the file", secret)
		}
	}
}

func (w *world) gathered() {
	w.Helper()
	rep := w.list()
	if rep.List.Encoding != "GB18030" || rep.List.Totals.Victims != 46 || rep.List.Totals.Duplicates != 1 || !rep.List.Totals.Agrees() {
		w.Fatalf("the list: %+v", rep.List.Totals)
	}
	if !maps.Equal(rep.Matched, map[string]int{"account": 44, "id_number": 2}) {
		w.Fatalf("matched %v", rep.Matched)
	}
	first := w.gather()
	if len(first.Marks) != 7 || first.Marks[0].Value != "dev-7a1e0c55" || first.Marks[0].Victims != 43 {
		w.Fatalf("marks %+v", first.Marks)
	}
	if !slices.Equal(first.Found, []string{"W101043"}) {
		w.Fatalf("found %v", first.Found)
	}
	if w.reconcile().Verdicts[incident.FoundByUs] != 1 {
		w.Fatal("who was found by a search must be called before anything is paid")
	}
	r := w.reports()
	if r.Reports.Read != 60 || r.Reports.Duplicates != 1 || len(r.Unknown) != 0 || r.Filed != 14 || r.Joined != 47 {
		w.Fatalf("reports: read %d twice %d filed %d joined %d unknown %v", r.Reports.Read, r.Reports.Duplicates, r.Filed, r.Joined, r.Unknown)
	}
	w.estate()
	if again := w.gather(); len(again.Marks) != 7 || len(again.Found) != 0 {
		w.Fatalf("the second search found %+v", again)
	}
	before := fmt.Sprintf("%+v", w.victims())
	if !w.list().Again || !w.reports().Again {
		w.Fatal("a file that was read before is not known")
	}
	w.estate()
	if after := fmt.Sprintf("%+v", w.victims()); after != before {
		w.Fatal("reading the same files again has changed something")
	}
	w.rowsLead()
}

// rowsLead checks that every row of every source led to somebody or has a reason.
func (w *world) rowsLead() {
	w.Helper()
	var sources []incident.Source
	w.view(func(tx *db.Tx) (err error) { sources, err = w.Sources(tx, inc); return err })
	got := map[string]int{}
	for _, src := range sources {
		rows, err := w.RowsOf(w.ctx, w.lead, inc, src.ID)
		w.ok(err)
		for _, r := range rows {
			led := "none"
			if r.Victim != "" {
				led = "somebody"
			}
			got[src.Kind+" "+r.Kind+" "+led]++
		}
	}
	want := map[string]int{"police_list title none": 1, "police_list header none": 1, "police_list total none": 1,
		"police_list duplicate none":  1,
		"police_list victim somebody": 46, "user_reports header none": 1, "user_reports victim somebody": 60,
		"user_reports duplicate somebody": 1, "estate estate somebody": 1}
	if !maps.Equal(got, want) {
		w.Fatalf("the rows led\n%v\nwant\n%v", got, want)
	}
}

func (w *world) reconciled() {
	w.Helper()
	rep := w.reconcile()
	checkVerdicts(w, rep)
	if again := w.reconcile(); !maps.Equal(again.Verdicts, rep.Verdicts) || again.Payable != rep.Payable {
		w.Fatalf("checked again: %+v", again)
	}
}

func checkVerdicts(w *world, rep incident.ReconcileReport) {
	w.Helper()
	want := map[incident.Verdict]int{incident.Confirmed: 43, incident.PoliceConfirmed: 3, incident.Inherited: 1, incident.False: 14}
	if !maps.Equal(rep.Verdicts, want) || rep.Payable != money.Yuan(13_300_000) {
		w.Fatalf("verdicts %v, payable %s", rep.Verdicts, rep.Payable)
	}
	if rep.Reasons["claimed_more"] != 2 || rep.Reasons["said_twice"] != 1 || rep.Reasons["no_record"] != 14+3 {
		w.Fatalf("reasons %v", rep.Reasons)
	}
}

func (w *world) approved() {
	w.Helper()
	b, _, err := w.Propose(w.ctx, w.lead, inc)
	w.ok(err)
	if len(b.Victims) != 47 || b.Total != money.Yuan(13_300_000) || len(b.Waiting) != 0 {
		w.Fatalf("the batch: %d people, %s", len(b.Victims), b.Total)
	}
	_, err = w.Approve(w.ctx, w.lead, inc, b.Hash)
	w.want(err, ident.KindDenied, "second_person_needed")
	key := w.treasurer
	key.Kind = ident.Key
	_, err = w.Approve(w.ctx, key, inc, b.Hash)
	w.want(err, ident.KindDenied, ident.CodeOf(err))
	if w.figures().Earmarked.Minor != 0 || w.inc().Status != incident.Proposed {
		w.Fatal("a refused approval has done something")
	}
	// The treasurer may not decide claims; as one of two they release money.
	i, err := w.Approve(w.ctx, w.treasurer, inc, b.Hash)
	w.ok(err)
	if i.Status != incident.Approved {
		w.Fatal(i.Status)
	}
	for _, v := range w.victims() {
		if c := w.claimOf(v); v.Verdict.Payable() != (c.Status == claim.Decided) || v.Verdict.Payable() && c.Confirmed != v.Amount {
			w.Fatalf("%s: claim %s %s", v.Verdict, c.Status, c.Confirmed)
		}
	}
	f := w.figures()
	if f.EarmarkedFor != money.Yuan(13_300_000) || f.Free != money.Yuan(16_700_000) {
		w.Fatalf("%+v", f)
	}
	err = w.fund.Earmark(w.ctx, w.treasurer, "ear-other", "emergency", "clm_other", money.Yuan(1))
	w.want(err, ident.KindState, "fund_frozen")
}

func (w *world) paid() {
	w.Helper()
	rep, err := w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	if rep != (incident.PayReport{Ordered: 47}) {
		w.Fatalf("%+v", rep)
	}
	rep, err = w.PayAll(w.ctx, w.lead, inc, nil)
	w.ok(err)
	if rep != (incident.PayReport{Already: 47}) {
		w.Fatalf("again: %+v", rep)
	}
	w.want(w.Close(w.ctx, w.lead, inc), ident.KindState, "payouts_under_way")
	_, err = w.WriteStatement(w.ctx, w.lead, inc, notice.ZH) // in the middle of it: nobody is paid yet
	w.ok(err)
	w.settle()
	paid := w.bank.Paid()
	slices.Sort(paid)
	if len(paid) != 47 || len(slices.Compact(paid)) != 47 {
		w.Fatalf("the bank has paid %d times", len(paid))
	}
	if w.inc().Status != incident.Paid {
		w.Fatal(w.inc().Status)
	}
	w.counted()
	w.booksHold()
}

// counted compares the board with a recount from the claims, the payouts and the
// certificates themselves.
func (w *world) counted() {
	w.Helper()
	b, err := w.Board(w.ctx, w.analyst, inc)
	w.ok(err)
	var payouts []fund.Payout
	var certs []notice.Issued
	w.view(func(tx *db.Tx) (err error) {
		if payouts, err = w.fund.ByPurpose(tx, inc); err != nil {
			return err
		}
		certs, err = w.notice.ByIncident(tx, inc)
		return err
	})
	sum, people := int64(0), map[ident.ID]bool{}
	for _, p := range payouts {
		if p.State == fund.Settled {
			sum += p.Amount.Minor
			people[p.Claim] = true
		}
	}
	certified := int64(0)
	for _, c := range certs {
		certified += c.Amount.Minor
	}
	steps := map[string]incident.Step{}
	for _, s := range b.Steps {
		steps[s.Name] = s
	}
	if steps["paid"].People != len(people) || steps["paid"].Money.Minor != sum || b.Compensate.Minor != sum || sum != 1_330_000_000 {
		w.Fatalf("paid: board %+v, recount %d people %d", steps["paid"], len(people), sum)
	}
	if steps["certified"].People != len(certs) || steps["certified"].Money.Minor != certified || len(certs) != 47 {
		w.Fatalf("certified: board %+v, recount %d %d", steps["certified"], len(certs), certified)
	}
	for name, people := range map[string]int{"reported": 61, "matched": 61, "confirmed": 47, "approved": 47} {
		if steps[name].People != people {
			w.Fatalf("%s: %d people, want %d", name, steps[name].People, people)
		}
	}
	if b.Left.People != 0 || b.Late != 0 || b.FundFree != money.Yuan(16_700_000) || b.Earmarked.Minor != 0 {
		w.Fatalf("%+v", b)
	}
	if len(w.victims()) != 61 || b.Verdicts[incident.False] != 14 || b.Called["not_called"] != 47 {
		w.Fatalf("%d victims, verdicts %v, called %v", len(w.victims()), b.Verdicts, b.Called)
	}
}

func (w *world) told() {
	w.Helper()
	for lang, parts := range map[notice.Lang][]string{
		notice.ZH: {"47", "13,300,000.00", "2,060,000.00", "16,700,000.00", "微付支付"},
		notice.EN: {"47", "13,300,000.00", "2,060,000.00", "16,700,000.00", "Weifu Pay"},
	} {
		st, err := w.WriteStatement(w.ctx, w.lead, inc, lang)
		w.ok(err)
		for _, p := range parts {
			if !strings.Contains(st.Body, p) {
				w.Fatalf("the %s statement lacks %s:\n%s", lang, p, st.Body)
			}
		}
		f := st.Figures
		if f.Victims != 47 || f.Paid != 47 || f.Heirs != 1 || f.HeirsAmount != money.Yuan(2_060_000) || f.False != 14 || f.Inflated != 2 ||
			f.PoliceConfirmed != 3 || f.Confirmed != 44 || f.Reports != 61 || f.Left != 0 {
			w.Fatalf("%+v", f)
		}
	}
	// One cent that the books do not have, and nothing is written.
	w.tamper(`update incident_victim set amount = amount + 1 where id = (select min(id) from incident_victim where payout <> '')`)
	_, err := w.WriteStatement(w.ctx, w.lead, inc, notice.ZH)
	w.want(err, ident.KindInternal, "books_differ")
	w.tamper(`update incident_victim set amount = amount - 1 where id = (select min(id) from incident_victim where payout <> '')`)
}

func (w *world) tamper(query string) {
	w.Helper()
	w.ok(w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := tx.Exec(query); return err }))
}

func (w *world) closed() {
	w.Helper()
	w.ok(w.Close(w.ctx, w.lead, inc))
	var f fund.Fund
	w.view(func(tx *db.Tx) (err error) { f, _, err = w.fund.Get(tx, "emergency"); return err })
	if f.FrozenFor != "" || w.inc().Status != incident.Closed || w.figures().Free != money.Yuan(16_700_000) {
		w.Fatalf("%+v", f)
	}
	w.ok(w.fund.Earmark(w.ctx, w.treasurer, "ear-other", "emergency", "clm_other", money.Yuan(1)))
	w.want(w.Call(w.ctx, w.lead, w.victims()[0].ID, incident.Reached, ""), ident.KindState, "closed")
	_, err := w.ImportList(w.ctx, w.handler, inc, "late.csv", strings.NewReader(string(say([]string{"川1号", "宋伟", "519906195802016636",
		"17000015947", "W100000", "10.00", "宋伟", "6270899306786900075", ""}))))
	w.want(err, ident.KindState, "not_in_this_state")
	w.booksHold()
	w.view(func(tx *db.Tx) error {
		all, err := w.queue.List(tx, queue.Filter{Limit: 1000})
		for _, j := range all {
			if j.Failures > 0 {
				w.Errorf("job %s %s: %s", j.Kind, j.Key, j.LastError)
			}
		}
		return err
	})
}

// Whatever comes first, the outcome is the same.
func TestOrderOfSourcesDoesNotMatter(t *testing.T) {
	for _, order := range []string{"lre", "ler", "rle", "rel", "elr", "erl"} {
		t.Run(order, func(t *testing.T) {
			w := newWorld(t, db.SQLite)
			w.begin(false)
			for _, c := range order {
				switch c {
				case 'l':
					w.list()
				case 'r':
					w.reports()
				case 'e':
					w.estate()
				}
				w.gather() // a search in between changes nothing either
				w.reconcile()
			}
			w.gather()
			checkVerdicts(w, w.reconcile())
			if b := w.release(); len(b.Victims) != 47 {
				t.Fatal(len(b.Victims))
			}
			v := w.victim("W101043")
			if v.PayTo.Name != "胡淑芬" || v.Claimant == v.Party || w.claimOf(v).PayTo != v.PayTo {
				t.Fatalf("%+v", v)
			}
		})
	}
}
