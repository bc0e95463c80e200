package api

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"surety/domain/claim"
	"surety/domain/fund"
	"surety/domain/incident"
	lists "surety/domain/list"
	"surety/domain/notice"
	"surety/domain/party"
	"surety/domain/payment"
	"surety/domain/report"
	"surety/domain/risk"
	"surety/domain/rulebook"
	"surety/domain/watch"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/ledger"
	"surety/platform/queue"
	"surety/platform/vault"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// password is everybody's.
const password = "correct horse battery staple"

var start = time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC)

const accountsCSV = `account,name,id_number,phone,city,device,verification,opened,kind
W100001,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person
W100002,汤哲绍,519911195009143841,17000024755,德阳,dev-2,full,2022-12-28,person
W100009,石言,519924197604160380,17000087046,成都,dev-9,full,2026-05-10,person
`

const paymentsCSV = `payment_id,time,payer,payee,amount_fen,currency,type,channel,device,ip,city
pay-1,2026-05-20T10:00:00+08:00,W100001,W100009,11282800,CNY,transfer,app,dev-thief,10.0.0.1,成都
pay-2,2026-05-20T10:05:00+08:00,W100002,W100009,2000000,CNY,transfer,app,dev-thief,10.0.0.1,成都
`

// house is the interface over all that stands below it.
type house struct {
	t       *testing.T
	db      *db.DB
	clock   *ident.ManualClock
	api     *server
	url     string
	queue   *queue.Queue
	cfg     Config
	log     *safeBuffer
	tokens  map[string]string // by seat
	parties map[string]string // by account
}

// safeBuffer keeps log lines of many goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// migrations are the tables of all packages; some give them as a function.
func migrations(t *testing.T) []fs.FS {
	var out []fs.FS
	for _, m := range []any{audit.Migrations, queue.Migrations, access.Migrations, ledger.Migrations, party.Migrations,
		notice.Migrations, payment.Migrations, fund.Migrations, claim.Migrations, incident.Migrations, lists.Migrations,
		rulebook.Migrations, watch.Migrations} {
		switch m := m.(type) {
		case fs.FS:
			out = append(out, m)
		case func() (fs.FS, error):
			f, err := m()
			must(t, err)
			out = append(out, f)
		}
	}
	return out
}

// settles is a wallet that pays at once, once for each id.
type settles struct{}

func (settles) Send(context.Context, fund.Payout) (fund.Answer, error) {
	return fund.Answer{Status: fund.StatusSettled, Ref: "w1"}, nil
}

func (settles) Lookup(context.Context, fund.Payout) (fund.Answer, error) {
	return fund.Answer{Status: fund.StatusSettled, Ref: "w1"}, nil
}

// both runs fn over a house on each database.
func both(t *testing.T, fn func(h *house)) {
	dbtest.Run(t, dbtest.Options{Migrations: migrations(t)}, func(t *testing.T, d *db.DB) { fn(build(t, d)) })
}

// onSQLite is for what the database has no part in.
func onSQLite(t *testing.T, o dbtest.Options) *house {
	o.Migrations = migrations(t)
	return build(t, dbtest.Open(t, db.SQLite, o))
}

func build(t *testing.T, d *db.DB) *house {
	t.Helper()
	h := &house{t: t, db: d, clock: ident.NewManualClock(start), log: &safeBuffer{}, tokens: map[string]string{},
		parties: map[string]string{}}
	ids := ident.NewMaker(h.clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	must(t, err)
	cfg := Config{DB: d, Clock: h.clock, IDs: ids, Log: slog.New(slog.NewJSONHandler(h.log, nil))}
	cfg.Audit, err = audit.New(audit.Config{DB: d, Clock: h.clock, IDs: ids, Signer: signer, Verifier: verifier})
	must(t, err)
	cfg.Access, err = access.New(access.Config{DB: d, Audit: cfg.Audit, Clock: h.clock, IDs: ids})
	must(t, err)
	cfg.Queue, err = queue.New(queue.Config{DB: d, Clock: h.clock, IDs: ids})
	must(t, err)
	cfg.Ledger, err = ledger.New(ledger.Config{Clock: h.clock})
	must(t, err)
	key := bytes.Repeat([]byte{7}, 32)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	must(t, err)
	cfg.Party, err = party.New(party.Config{Access: cfg.Access, Vault: v, Clock: h.clock, IDs: ids})
	must(t, err)
	engine, err := risk.New(risk.Config{Clock: h.clock})
	must(t, err)
	cfg.Payment, err = payment.New(payment.Config{DB: d, Access: cfg.Access, Queue: cfg.Queue, Party: cfg.Party, Engine: engine,
		Clock: h.clock})
	must(t, err)
	cfg.Notice, err = notice.New(notice.Config{DB: d, Access: cfg.Access, Queue: cfg.Queue, Vault: v, Party: cfg.Party, Clock: h.clock,
		IDs: ids, Signer: ed25519.NewKeyFromSeed(key), Operator: "微付", VerifyURL: "https://pay.example/verify"})
	must(t, err)
	cfg.Fund, err = fund.New(fund.Config{DB: d, Access: cfg.Access, Queue: cfg.Queue, Ledger: cfg.Ledger, Vault: v, Clock: h.clock, IDs: ids,
		OutDir: t.TempDir(), Debtor: fund.Debtor{Name: "微付", Account: "6200000000000000017", Bank: "建设银行"}, Wallet: settles{}})
	must(t, err)
	files, err := claim.OpenFiles(t.TempDir())
	must(t, err)
	cfg.Claim, err = claim.New(claim.Config{DB: d, Access: cfg.Access, Queue: cfg.Queue, Vault: v, Party: cfg.Party, Payment: cfg.Payment,
		Fund: cfg.Fund, Notice: cfg.Notice, Clock: h.clock, IDs: ids, Files: files})
	must(t, err)
	cfg.Incident, err = incident.New(incident.Config{DB: d, Access: cfg.Access, Queue: cfg.Queue, Vault: v, Party: cfg.Party,
		Payment: cfg.Payment, Claim: cfg.Claim, Fund: cfg.Fund, Notice: cfg.Notice, Clock: h.clock, IDs: ids,
		Operator: map[string]string{"zh": "微付", "en": "Weifu"}})
	must(t, err)
	cfg.List, err = lists.New(lists.Config{DB: d, Access: cfg.Access, Vault: v, Clock: h.clock, IDs: ids})
	must(t, err)
	must(t, cfg.List.Load(context.Background()))
	cfg.Engine = engine
	cfg.Rulebook, err = rulebook.New(rulebook.Config{DB: d, Access: cfg.Access, Queue: cfg.Queue, Party: cfg.Party, Payment: cfg.Payment,
		Engine: engine, Clock: h.clock, IDs: ids})
	must(t, err)
	must(t, cfg.Rulebook.Load(context.Background()))
	meter, err := watch.NewMeter(watch.MeterConfig{Keys: 256, Seen: 1024, Pairs: 10_000, Recent: 1024}, start)
	must(t, err)
	cfg.Watch, err = watch.New(watch.Config{DB: d, Access: cfg.Access, Payment: cfg.Payment, Meter: meter, Clock: h.clock, IDs: ids,
		Push: engine.SetStops, Uses: engine.StopUses})
	must(t, err)
	must(t, cfg.Watch.Load(context.Background()))
	cfg.Report, err = report.New(report.Config{Access: cfg.Access})
	must(t, err)
	h.cfg, h.queue = cfg, cfg.Queue
	h.api, err = newServer(cfg)
	must(t, err)
	h.api.streams = 5 * time.Millisecond
	h.people()
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	h.seed()
	return h
}

// people gives everybody a seat: staff of each role, two leads, keys, nobody yet
// of the customers.
func (h *house) people() {
	ctx, acc := context.Background(), h.cfg.Access
	admin, err := acc.Bootstrap(ctx, "admin@pay.example", "Admin", password)
	must(h.t, err)
	boss := ident.Actor{Kind: ident.Staff, ID: admin.ID, Roles: admin.Roles}
	for _, seat := range []string{"analyst", "handler", "fund", "lead", "lead2", "compliance"} {
		_, err := acc.AddStaff(ctx, boss, access.NewStaff{Email: seat + "@pay.example", Name: seat,
			Roles: []ident.Role{ident.Role(strings.TrimSuffix(seat, "2"))}, Password: password})
		must(h.t, err)
	}
	for _, seat := range []string{"admin", "analyst", "handler", "fund", "lead", "lead2", "compliance"} {
		h.tokens[seat], err = acc.SignIn(ctx, seat+"@pay.example", password)
		must(h.t, err)
	}
	for _, role := range []ident.Role{ident.RoleHost, ident.RoleAnalyst, ident.RoleCompliance} {
		h.tokens["key-"+string(role)], err = acc.NewKey(ctx, boss, string(role), []ident.Role{role})
		must(h.t, err)
	}
	h.tokens["wrong"] = "sk_wrong"
}

// seed is what the tests are about: two customers with a stolen payment each.
func (h *house) seed() {
	h.want(200, "POST", "/v1/accounts/import", "key-host", text{typeCSV, accountsCSV})
	h.want(200, "POST", "/v1/payments/import", "key-host", text{typeCSV, paymentsCSV})
	for seat, account := range map[string]string{"owner": "W100001", "other": "W100002"} {
		var a Account
		h.into(&a, 200, "GET", "/v1/accounts/"+account, "handler", nil)
		h.parties[account] = a.Holder.ID
		var link Token
		h.into(&link, 201, "POST", "/v1/links", "key-host", LinkIn{Party: a.Holder.ID})
		session, err := h.cfg.Access.ByLink(context.Background(), link.Token)
		must(h.t, err)
		h.tokens[seat] = session
	}
	h.want(201, "POST", "/v1/funds", "fund", FundIn{ID: "emergency", NameZH: "应急", NameEN: "Emergency", Kind: "emergency", Currency: "CNY"})
	h.want(201, "POST", "/v1/funds/emergency/deposits", "fund", DepositIn{ID: "dep-1", Amount: money.Yuan(1_000_000)})
}

// text is a body as it is.
type text struct{ kind, body string }

// answered is what came back.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// call sends a request as a seat; body is nil, a text, or what is sent as JSON.
func (h *house) call(method, path, seat string, body any) answered {
	h.t.Helper()
	var r io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case text:
		r, kind = strings.NewReader(b.body), b.kind
	default:
		raw, err := json.Marshal(b)
		must(h.t, err)
		r, kind = bytes.NewReader(raw), typeJSON
	}
	q, err := http.NewRequest(method, h.url+path, r)
	must(h.t, err)
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	if seat != "" {
		q.Header.Set("Authorization", "Bearer "+h.tokens[seat])
	}
	resp, err := http.DefaultClient.Do(q)
	must(h.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(h.t, err)
	h.conforms(q, resp, b)
	return answered{resp.StatusCode, resp.Header, b}
}

// conforms holds every answer of every test against the document.
func (h *house) conforms(q *http.Request, resp *http.Response, body []byte) {
	h.t.Helper()
	_, pattern := h.api.mux.Handler(q)
	for _, r := range h.api.routes {
		if r.pattern() != pattern {
			continue
		}
		reg := schemas()
		check := func(kind reflect.Type, raw []byte) {
			var v any
			must(h.t, json.Unmarshal(raw, &v))
			var found huma.ValidateResult
			huma.Validate(reg, reg.Schema(kind, true, ""), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, &found)
			for _, e := range found.Errors {
				h.t.Errorf("%s %d is not as the document says: %v\n%s", r.ID, resp.StatusCode, e, raw)
			}
		}
		switch {
		case resp.StatusCode >= 400:
			check(reflect.TypeFor[Problem](), body)
		case resp.StatusCode != r.Out.status():
			h.t.Errorf("%s: %d, the document says %d", r.ID, resp.StatusCode, r.Out.status())
		case r.Out.JSON != nil && r.Out.Type == typeNDJSON:
			for line := range bytes.Lines(body) {
				check(r.Out.JSON, line)
			}
		case r.Out.JSON != nil && resp.Header.Get("Content-Type") == typeJSON:
			check(r.Out.JSON, body)
		}
	}
}

func (h *house) want(status int, method, path, seat string, body any) answered {
	h.t.Helper()
	a := h.call(method, path, seat, body)
	if a.status != status {
		h.t.Fatalf("%s %s as %s: %d, want %d: %s\n%s", method, path, seat, a.status, status, a.body, h.log)
	}
	return a
}

func (h *house) into(v any, status int, method, path, seat string, body any) answered {
	h.t.Helper()
	a := h.want(status, method, path, seat, body)
	must(h.t, json.Unmarshal(a.body, v))
	return a
}

func (a answered) problem(t *testing.T) Problem {
	t.Helper()
	var p Problem
	if a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("not a problem: %d %s %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	must(t, json.Unmarshal(a.body, &p))
	return p
}

// rows counts what is stored of everything that a request could write.
func (h *house) rows() map[string]int {
	out := map[string]int{}
	must(h.t, h.db.View(context.Background(), func(tx *db.Tx) error {
		for _, table := range []string{"payment", "party", "account", "claim", "claim_event", "claim_evidence", "incident", "incident_victim",
			"fund", "fund_payout", "ledger_transfers", "api_keys", "portal_links", "risk_list_entry",
			"risk_pack", "risk_draft", "risk_model", "risk_publication", "risk_label", "risk_replay", "risk_stop"} {
			var n int
			if _, err := tx.Row([]any{&n}, "select count(*) from "+table); err != nil {
				return err
			}
			out[table] = n
		}
		return nil
	}))
	return out
}
