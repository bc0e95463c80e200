package fund

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// world is what happens outside: a wallet that loses what it is told to lose. It
// is the auditor's truth, and asserts the contract of a Rail.
type world struct {
	mu     sync.Mutex
	bodies map[ident.ID]string
	end    map[ident.ID]Status // what each id comes to, once it is carried out
	paid   map[ident.ID]int
	plan   []string // of the next calls: "", "lost", "done and lost", "accepted", "rejected"
	broken []string // breaches of the contract
}

func newWorld() *world {
	return &world{bodies: map[ident.ID]string{}, end: map[ident.ID]Status{}, paid: map[ident.ID]int{}}
}

func (w *world) Send(_ context.Context, p Payout) (Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	plan := ""
	if len(w.plan) > 0 {
		plan, w.plan = w.plan[0], w.plan[1:]
	}
	if plan == "lost" {
		return Answer{}, ident.E(ident.KindUnknown, "lost", "lost on the way there")
	}
	body := fmt.Sprint(p.ID, p.To, p.Amount)
	if have, again := w.bodies[p.ID]; again && have != body {
		w.broken = append(w.broken, p.ID+" came with another body")
		return Answer{}, ident.E(ident.KindConflict, "rail_conflict", "another body")
	} else if !again {
		w.bodies[p.ID], w.end[p.ID] = body, StatusSettled
		if plan == "rejected" || plan == "accepted" {
			w.end[p.ID] = Status(plan)
		}
		if plan != "rejected" {
			w.paid[p.ID]++
		}
	}
	if plan == "done and lost" {
		return Answer{}, ident.E(ident.KindUnknown, "lost", "lost on the way back")
	}
	return Answer{Status: w.end[p.ID], Ref: "w", Reason: "closed"}, nil
}

func (w *world) Lookup(_ context.Context, p Payout) (Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.plan) > 0 && w.plan[0] == "lost" {
		w.plan = w.plan[1:]
		return Answer{}, ident.E(ident.KindUnavailable, "lost", "lost")
	}
	s, found := w.end[p.ID]
	if !found {
		s = StatusAbsent
	}
	if s == StatusAccepted {
		w.end[p.ID] = StatusSettled // next time
	}
	return Answer{Status: s, Ref: "w", Reason: "closed"}, nil
}

// pair is two services on one database, as two processes are.
type pair struct {
	hs     []*house
	faults *db.Faults
	world  *world
	clock  *ident.ManualClock
}

func newPair(t testing.TB, dialect db.Dialect) *pair {
	url := dbtest.NewURL(t, dialect)
	p := &pair{faults: &db.Faults{}, world: newWorld(), clock: newClock(t)}
	dir := filepath.Join(t.TempDir(), "out")
	for range 2 {
		d := dbtest.OpenURL(t, url, dbtest.Options{Migrations: migrationsOf(t), Faults: p.faults})
		t.Cleanup(func() { d.Close() }) // a second time does nothing
		p.hs = append(p.hs, newHouse(t, d, p.clock, dir, func(c *Config) { c.Wallet = p.world }))
	}
	return p
}

func (p *pair) close() {
	for _, h := range p.hs {
		h.d.Close()
	}
}

// model is the auditor's own books of one fund: what was ordered and acknowledged,
// in plain numbers.
type model struct {
	*pair
	rt       *rapid.T
	fund     ident.ID
	n        int // makes ids
	deposits int64
	set      map[ident.ID]int64 // set aside less released, by purpose
	opened   map[ident.ID]bool
	frozen   ident.ID
	orders   map[ident.ID]PayIn
	state    map[ident.ID]PayoutState
	refused  map[ident.ID]bool // by the bank
	answered map[string]string // files, and the bank's answers
}

func (m *model) id(prefix string) ident.ID {
	m.n++
	return fmt.Sprintf("%s_%s_%d", prefix, m.fund, m.n)
}
func (m *model) purposeIDs() []ident.ID {
	return []ident.ID{"inc_a", "inc_b"}
}
func (m *model) purpose() ident.ID { return rapid.SampledFrom(m.purposeIDs()).Draw(m.rt, "purpose") }
func (m *model) yuan(most int) money.Amount {
	return money.Yuan(int64(rapid.IntRange(1, most).Draw(m.rt, "yuan")))
}
func (m *model) house() *house { return m.hs[rapid.IntRange(0, 1).Draw(m.rt, "house")] }

// do calls fn until the outcome is known, and demands that it is want ("" is success).
func (m *model) do(what, want string, fn func(h *house) error) {
	h := m.house()
	switch rapid.IntRange(0, 5).Draw(m.rt, "fault") {
	case 0:
		m.faults.LoseCommit(rapid.IntRange(1, 3).Draw(m.rt, "at"))
	case 1:
		m.faults.MuteCommit(rapid.IntRange(1, 3).Draw(m.rt, "at"))
	}
	for try := 0; ; try++ {
		err := fn(h)
		if try < 6 && (ident.Is(err, ident.KindUnknown) || ident.Is(err, ident.KindUnavailable)) {
			continue
		}
		if ident.CodeOf(err) != want || err != nil && want == "" {
			m.rt.Fatalf("%s: got %v (%s), want %q", what, err, ident.CodeOf(err), want)
		}
		return
	}
}

// sum adds the orders of a purpose in one of the states.
func (m *model) sum(purpose ident.ID, states ...PayoutState) (sum int64) {
	for id, in := range m.orders {
		if in.Purpose == purpose && slices.Contains(states, m.state[id]) {
			sum += in.Amount.Minor
		}
	}
	return sum
}

func (m *model) held(purpose ident.ID) int64   { return m.sum(purpose, Approved, Sending, Sent, Unknown) }
func (m *model) posted(purpose ident.ID) int64 { return m.set[purpose] - m.sum(purpose, Settled) }
func (m *model) free() int64 {
	free := m.deposits
	for _, s := range m.set {
		free -= s
	}
	return free
}

// out is what an outgoing act must come to before anything else is looked at.
func (m *model) out(purpose ident.ID) string {
	if m.frozen != "" && m.frozen != purpose {
		return "fund_frozen"
	}
	return ""
}

func (m *model) deposit() {
	id, a := m.id("d"), m.yuan(500)
	m.do("deposit", "", func(h *house) error { return h.Deposit(h.ctx, tester, id, m.fund, a, "") })
	m.deposits += a.Minor
}

func (m *model) earmark() {
	id, p, a := m.id("e"), m.purpose(), m.yuan(300)
	want := m.out(p)
	if want == "" && a.Minor > m.free() {
		want = "balance_too_low"
	}
	m.do("earmark", want, func(h *house) error { return h.Earmark(h.ctx, tester, id, m.fund, p, a) })
	if want == "" {
		m.set[p] += a.Minor
		m.opened[p] = true
	}
}

func (m *model) release() {
	id, p := m.id("r"), m.purpose()
	want, left := m.out(p), m.posted(p)-m.held(p)
	m.do("release", want, func(h *house) error { return h.ReleaseEarmark(h.ctx, tester, id, m.fund, p) })
	if want == "" {
		m.set[p] -= left
	}
}

func (m *model) freeze() {
	p := m.purpose()
	want := m.out(p)
	if rapid.Bool().Draw(m.rt, "on") {
		m.do("freeze", want, func(h *house) error { return h.Freeze(h.ctx, tester, m.fund, p) })
		if want == "" {
			m.frozen = p
		}
		return
	}
	m.do("unfreeze", want, func(h *house) error { return h.Unfreeze(h.ctx, tester, m.fund, p) })
	if want == "" {
		m.frozen = ""
	}
}

func (m *model) pay() {
	in := order(0, 1, rapid.SampledFrom([]string{RailBank, RailWallet}).Draw(m.rt, "rail"))
	in.ID, in.FundID, in.Purpose, in.Amount = m.id("po"), m.fund, m.purpose(), m.yuan(150)
	in.Claim = fmt.Sprintf("clm_%s_%d", m.fund, rapid.IntRange(1, 6).Draw(m.rt, "claim"))
	want := m.out(in.Purpose)
	for id, other := range m.orders {
		if want == "" && other.Claim == in.Claim && m.state[id] != Rejected && m.state[id] != Returned {
			want = "claim_paid"
		}
	}
	switch {
	case want != "":
	case !m.opened[in.Purpose]:
		want = "earmark_missing"
	case in.Amount.Minor > m.posted(in.Purpose)-m.held(in.Purpose):
		want = "balance_too_low"
	}
	m.do("pay", want, func(h *house) error { _, err := h.pay(in); return err })
	if want == "" {
		m.orders[in.ID], m.state[in.ID] = in, Approved
	}
}

func (m *model) anyOrder() (in PayIn, ok bool) {
	ids := slices.Sorted(maps.Keys(m.orders))
	if len(ids) == 0 {
		return in, false
	}
	return m.orders[rapid.SampledFrom(ids).Draw(m.rt, "order")], true
}

// again is a retry of an order long after, and a forged one.
func (m *model) again() {
	in, ok := m.anyOrder()
	if !ok {
		return
	}
	m.do("pay again", "", func(h *house) error { _, err := h.pay(in); return err })
	in.Amount.Minor++
	m.do("pay other", "payout_exists", func(h *house) error { _, err := h.pay(in); return err })
}

func (m *model) work() {
	m.world.mu.Lock()
	for range rapid.IntRange(0, 3).Draw(m.rt, "plans") {
		m.world.plan = append(m.world.plan, rapid.SampledFrom([]string{"", "lost", "done and lost", "accepted", "rejected"}).Draw(m.rt, "plan"))
	}
	m.world.mu.Unlock()
	m.clock.Advance(time.Duration(rapid.IntRange(0, 120).Draw(m.rt, "seconds")) * time.Second)
	m.do("drain", "", func(h *house) error { _, err := h.cfg.Queue.Drain(h.ctx); return err })
}

// bank answers a file: whole or in part, once or twice, or only "pending" at first.
func (m *model) bank() {
	h := m.hs[0]
	files := h.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := files[name]
		if m.answered[name] == "" {
			reject := map[string]string{}
			for _, id := range slices.Sorted(maps.Keys(m.orders)) {
				if strings.Contains(file, ">"+id+"<") && rapid.IntRange(0, 3).Draw(m.rt, "reject") == 0 {
					reject[id], m.refused[id] = "AC04", true
				}
			}
			answer, err := h.bank.AnswerAll([]byte(file), reject, m.clock.Now())
			if err != nil {
				m.rt.Fatal(err)
			}
			m.answered[name] = string(answer)
		}
		answer := m.answered[name]
		if rapid.IntRange(0, 3).Draw(m.rt, "pending") == 0 {
			answer = strings.ReplaceAll(answer, ">ACSC<", ">ACSP<")
		}
		m.do("import", "", func(h *house) error {
			rep, err := h.importStatus(answer)
			if err == nil && len(rep.Problems) > 0 {
				return rep.Problems[0]
			}
			return err
		})
	}
}

func (m *model) giveBack() {
	in, ok := m.anyOrder()
	if !ok || m.state[in.ID] != Settled {
		return
	}
	m.do("give back", "", func(h *house) error { _, err := h.GiveBack(h.ctx, tester, in.ID, in.Amount, "closed"); return err })
}

// look reads what the house says of each payout, and demands that the world agrees;
// then the house's figures must be those of the auditor's own arithmetic.
func (m *model) look() {
	h := m.house()
	ids := slices.Sorted(maps.Keys(m.orders))
	live := map[ident.ID]ident.ID{}
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	if len(m.world.broken) > 0 {
		m.rt.Fatal(m.world.broken)
	}
	bankPaid := map[ident.ID]int{}
	for _, id := range m.hs[0].bank.Paid() {
		bankPaid[id]++
	}
	for _, id := range ids {
		p, found, err := h.load(h.ctx, id)
		if err != nil || !found || p.PayIn != m.orders[id] {
			m.rt.Fatalf("%s: %+v %v %v", id, p, found, err)
		}
		m.state[id] = p.State
		paid := m.world.paid[id] + bankPaid[id]
		arrived := p.State == Settled || p.State == Returned
		if paid > 1 || arrived && paid != 1 || p.State == Rejected && paid != 0 || p.State == Approved && paid != 0 {
			m.rt.Fatalf("%s is %s and was paid %d times", id, p.State, paid)
		}
		if p.State == Rejected || p.State == Returned {
			continue
		}
		if other, twice := live[p.Claim]; twice {
			m.rt.Fatalf("claim %s is paid by %s and %s", p.Claim, other, id)
		}
		live[p.Claim] = id
	}
	m.compare(h)
}

func (m *model) compare(h *house) {
	for _, purpose := range m.purposeIDs() {
		var f Figures
		if err := h.d.View(h.ctx, func(tx *db.Tx) (err error) {
			f, err = h.FiguresTx(tx, m.fund, purpose)
			return err
		}); err != nil {
			m.rt.Fatal(err)
		}
		a, b := m.purposeIDs()[0], m.purposeIDs()[1]
		cny := func(minor int64) money.Amount { return money.Of(minor, money.CNY) }
		want := Figures{
			Free: cny(m.free()), Earmarked: cny(m.posted(a) + m.posted(b)), Balance: cny(m.free() + m.posted(a) + m.posted(b)),
			Underway: cny(m.held(a) + m.held(b)), PaidOut: cny(m.sum(a, Settled) + m.sum(b, Settled)),
			EarmarkedFor: cny(m.posted(purpose)), PaidFor: cny(m.sum(purpose, Settled)),
		}
		if f != want {
			m.rt.Fatalf("figures for %s are %+v\nwant %+v", purpose, f, want)
		}
	}
}

// settleAll lets everything come to its end.
func (m *model) settleAll() {
	for range 25 {
		m.world.mu.Lock()
		m.world.plan = nil
		m.world.mu.Unlock()
		m.clock.Advance(5 * time.Minute)
		m.do("drain", "", func(h *house) error { _, err := h.cfg.Queue.Drain(h.ctx); return err })
		m.bank()
		m.look()
		open := 0
		for _, s := range m.state {
			if !s.Final() {
				open++
			}
		}
		if open == 0 {
			return
		}
	}
	m.rt.Fatalf("not everything came to an end: %v", m.state)
}

// Random days in a fund, with lost and muted commits, lost requests and answers,
// retries and two processes; the auditor predicts every balance and every payout.
func TestModel(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f != nil && f.Value.String() == "100" {
		f.Value.Set("12") // each is a day of some 40 acts on a real database
		defer f.Value.Set("100")
	}
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				p := newPair(t, dialect)
				defer p.close()
				m := &model{pair: p, rt: rt, fund: "f", set: map[ident.ID]int64{}, opened: map[ident.ID]bool{},
					orders: map[ident.ID]PayIn{}, state: map[ident.ID]PayoutState{}, refused: map[ident.ID]bool{}, answered: map[string]string{}}
				m.do("create", "", func(h *house) error {
					return h.Create(h.ctx, tester, Fund{ID: m.fund, NameZH: "基金", NameEN: "Fund", Kind: Yearly, Currency: money.CNY})
				})
				acts := []func(){m.deposit, m.deposit, m.earmark, m.earmark, m.earmark, m.release, m.freeze, m.pay, m.pay, m.pay, m.pay, m.again,
					m.work, m.work, m.bank, m.giveBack}
				m.deposit()
				for range rapid.IntRange(10, 40).Draw(rt, "acts") {
					acts[rapid.IntRange(0, len(acts)-1).Draw(rt, "act")]()
					m.look()
				}
				m.settleAll()
				p.hs[0].cleanBooks()
				p.worldAndLedgerAgree()
			})
		})
	}
}

// worldAndLedgerAgree counts in the ledger, not in this package: what left the
// bank is what the world paid, each once.
func (p *pair) worldAndLedgerAgree() {
	h := p.hs[0]
	h.Helper()
	want := map[ident.ID]int{}
	for id, n := range p.world.paid {
		want[id] += n
	}
	for _, id := range h.bank.Paid() {
		want[id]++
	}
	got := map[ident.ID]int{}
	for _, purpose := range []ident.ID{"inc_a", "inc_b", "inc_1"} {
		_, times := h.ledgerPaid(purpose)
		for id, n := range times {
			got[id] += n
		}
	}
	if !maps.Equal(got, want) {
		h.Fatalf("the ledger posted %v\nthe world paid %v", got, want)
	}
	for id, n := range got {
		if n != 1 {
			h.Fatalf("%s was paid %d times", id, n)
		}
	}
}

// race runs fn on both services at the same time.
func (p *pair) race(fn func(h *house, n int) error) (errs [2]error) {
	var wg sync.WaitGroup
	for n, h := range p.hs {
		wg.Go(func() { errs[n] = fn(h, n) })
	}
	wg.Wait()
	return errs
}

// oneOf demands that one has succeeded and the other has been refused with code.
func (p *pair) oneOf(errs [2]error, code string) {
	h := p.hs[0]
	h.Helper()
	if (errs[0] == nil) == (errs[1] == nil) {
		h.Fatalf("not one of two: %v", errs)
	}
	for _, err := range errs {
		if err != nil && ident.CodeOf(err) != code {
			h.Fatalf("refused with %v, want %s", err, code)
		}
	}
}

// endAll brings everything to its end, on both services at the same time.
func (p *pair) endAll() {
	h := p.hs[0]
	h.Helper()
	for range 3 {
		p.race(func(h *house, _ int) error { _, err := h.cfg.Queue.Drain(h.ctx); return err })
		p.clock.Advance(time.Minute)
	}
	for _, file := range h.files() {
		answer, err := h.bank.AnswerAll([]byte(file), nil, p.clock.Now())
		h.ok(err)
		for _, err := range p.race(func(h *house, _ int) error {
			rep, err := h.importStatus(string(answer))
			if err == nil && len(rep.Problems) > 0 {
				return rep.Problems[0]
			}
			return err
		}) {
			h.ok(err)
		}
	}
}

// Two processes race for the last yuan, for one claim, for one id, and with a freeze.
func TestRaces(t *testing.T) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			p := newPair(t, dialect)
			h := p.hs[0]
			h.rich(1000, 1)
			n, paid := 0, int64(0)
			id := func() PayIn { n++; return order(n, 1, []string{RailBank, RailWallet}[n%2]) }
			for round := range 8 {
				a, b := id(), id()
				p.oneOf(p.race(func(h *house, n int) error { _, err := h.pay([]PayIn{a, b}[n]); return err }), "balance_too_low")
				h.ok(h.Earmark(h.ctx, tester, fmt.Sprint("more-", round), "emergency", "inc_1", money.Yuan(3)))
				c, d := id(), id()
				d.Claim = c.Claim
				p.oneOf(p.race(func(h *house, n int) error { _, err := h.pay([]PayIn{c, d}[n]); return err }), "claim_paid")
				e := id()
				for _, err := range p.race(func(h *house, _ int) error { _, err := h.pay(e); return err }) {
					h.ok(err)
				}
				paid += 3
				for _, err := range p.race(func(h *house, _ int) error { _, err := h.cfg.Queue.Drain(h.ctx); return err }) {
					h.ok(err)
				}
				p.clock.Advance(time.Minute)
				f := id()
				errs := p.race(func(h *house, n int) error {
					if n == 0 {
						return h.Freeze(h.ctx, tester, "emergency", "inc_2")
					}
					_, err := h.pay(f)
					return err
				})
				h.ok(errs[0])
				if errs[1] == nil {
					paid++
				} else {
					h.want(errs[1], ident.KindState, "fund_frozen")
				}
				_, err := h.pay(id())
				h.want(err, ident.KindState, "fund_frozen")
				h.ok(h.Unfreeze(h.ctx, tester, "emergency", "inc_2"))
				if errs[1] != nil { // so that each round begins with one yuan
					_, err := h.pay(f)
					h.ok(err)
					paid++
				}
				h.ok(h.Earmark(h.ctx, tester, fmt.Sprint("last-", round), "emergency", "inc_1", money.Yuan(1)))
			}
			p.endAll()
			if f := h.figures("inc_1"); f.PaidFor != money.Yuan(paid) || !f.Underway.IsZero() {
				t.Fatalf("%+v, want %d paid", f, paid)
			}
			h.cleanBooks()
			p.worldAndLedgerAgree()
		})
	}
}

// The control of "nobody is paid twice": without the index the tests above see it.
func TestWithoutTheIndexClaimsArePaidTwice(t *testing.T) {
	both(t, nil, func(h *house, _ *db.Faults) {
		h.rich(0, 100)
		h.ok(h.d.Update(h.ctx, func(tx *db.Tx) error { _, err := tx.Exec("drop index fund_payout_claim"); return err }))
		a, b := order(1, 10, RailBank), order(2, 10, RailBank)
		b.Claim = a.Claim
		_, err := h.pay(a)
		h.ok(err)
		if _, err = h.pay(b); err != nil {
			h.Fatal("something else than the index stops it: ", err)
		}
	})
}
