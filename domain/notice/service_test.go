package notice

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/queue"
	"surety/platform/vault"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// house is a Service on one database, with one customer.
type house struct {
	*testing.T
	ctx    context.Context
	d      *db.DB
	faults *db.Faults
	s      *Service
	q      *queue.Queue
	clock  *ident.ManualClock
	dir    string // the outgoing folder
	wire   *wire
	who    ident.ID
}

// wire is an outside world that can be out of order, and checks the contract that
// one id comes with one body.
type wire struct {
	t     *testing.T
	next  []error
	heard map[ident.ID]string
	calls int
}

func (w *wire) Deliver(_ context.Context, d Delivery) error {
	w.calls++
	if was, again := w.heard[d.ID]; again && was != d.Body {
		w.t.Errorf("message %s came with two bodies", d.ID)
	}
	w.heard[d.ID] = d.Body
	if len(w.next) == 0 {
		return nil
	}
	err := w.next[0]
	w.next = w.next[1:]
	return err
}

func each(t *testing.T, fn func(h *house)) {
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) { fn(newHouse(t, dialect)) })
	}
}

func newHouse(t *testing.T, dialect db.Dialect) *house {
	t.Helper()
	h := &house{T: t, ctx: context.Background(), faults: &db.Faults{}, dir: filepath.Join(t.TempDir(), "out")}
	h.d = dbtest.Open(t, dialect, dbtest.Options{Faults: h.faults,
		Migrations: []fs.FS{audit.Migrations, access.Migrations, queue.Migrations, party.Migrations, Migrations}})
	h.clock = ident.NewManualClock(time.Date(2026, 5, 30, 15, 0, 0, 0, time.UTC))
	ids := ident.NewMaker(h.clock)
	secret, public, err := note.GenerateKey(rand.Reader, "test")
	h.ok(err)
	signer, err := note.NewSigner(secret)
	h.ok(err)
	verifier, err := note.NewVerifier(public)
	h.ok(err)
	log, err := audit.New(audit.Config{DB: h.d, Clock: h.clock, IDs: ids, Signer: signer, Verifier: verifier})
	h.ok(err)
	acc, err := access.New(access.Config{DB: h.d, Audit: log, Clock: h.clock, IDs: ids})
	h.ok(err)
	h.q, err = queue.New(queue.Config{DB: h.d, Clock: h.clock, IDs: ids})
	h.ok(err)
	v, err := vault.LoadOrCreate(t.TempDir())
	h.ok(err)
	ps, err := party.New(party.Config{Access: acc, Vault: v, Clock: h.clock, IDs: ids})
	h.ok(err)
	h.wire = &wire{t: t, heard: map[ident.ID]string{}}
	h.s, err = New(Config{DB: h.d, Access: acc, Queue: h.q, Vault: v, Party: ps, Clock: h.clock, IDs: ids, Signer: testKey,
		Operator: "微付支付", VerifyURL: "https://pay.example.cn/verify",
		Channels: map[ChannelName]Channel{SMS: Folder{Dir: h.dir}, Webhook: h.wire}})
	h.ok(err)
	h.ok(h.d.Update(h.ctx, func(tx *db.Tx) (err error) {
		h.who, err = ps.Add(tx, party.Person, "尹和震", "51991619610411501X", "17000088892")
		return err
	}))
	return h
}

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) want(err error, code string) {
	h.Helper()
	if ident.CodeOf(err) != code {
		h.Fatalf("got %v, want %s", err, code)
	}
}

func (h *house) customer(id ident.ID) ident.Actor {
	return ident.Actor{Kind: ident.Customer, ID: id, Roles: []ident.Role{ident.RoleCustomer}, Session: "ses_1"}
}

func (h *house) message(key string, ch ChannelName) Message {
	return Message{Key: key, To: h.who, Channel: ch, Template: "claim.confirmed", Data: Data{
		"claim": "2026-000001", "amount": money.Yuan(100), "pay_by": h.clock.Now(), "payee_account": "****0075"}}
}

func (h *house) send(m Message) (out Message, err error) {
	err = h.d.Update(h.ctx, func(tx *db.Tx) error {
		out, err = h.s.Send(tx, ident.Job("test"), m)
		return err
	})
	return out, err
}

func (h *house) count(table string) (n int) {
	h.Helper()
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
		_, err := tx.Row([]any{&n}, "select count(*) from "+table)
		return err
	}))
	return n
}

// The inbox: a message is there with the commit, once for a key, for its person
// alone, and sealed on the disk.
func TestInbox(t *testing.T) {
	each(t, func(h *house) {
		first, err := h.send(h.message("a", ""))
		h.ok(err)
		other := h.message("a", "")
		other.Data["claim"] = "2026-999999"
		again, err := h.send(other)
		h.ok(err)
		if again.ID != first.ID || again.Body != first.Body || h.count("notice_message") != 1 {
			h.Errorf("the same key was not kept once: %+v", again)
		}
		me := h.customer(h.who)
		box, err := h.s.Inbox(h.ctx, me, h.who, "", 0)
		h.ok(err)
		if len(box) != 1 || box[0].State != Sent || !strings.Contains(box[0].Body, "100.00 元") || box[0].Lang != ZH {
			h.Fatalf("%+v", box)
		}
		_, err = h.s.Inbox(h.ctx, h.customer("pty_other"), h.who, "", 0)
		h.want(err, "notice_not_found")
		_, err = h.s.MarkRead(h.ctx, h.customer("pty_other"), first.ID)
		h.want(err, "notice_not_found")
		_, err = h.s.MarkRead(h.ctx, me, "msg_none")
		h.want(err, "notice_not_found")
		for range 2 {
			m, err := h.s.MarkRead(h.ctx, me, first.ID)
			h.ok(err)
			if m.State != Read {
				h.Errorf("state %s", m.State)
			}
		}
		var body []byte
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			_, err := tx.Row([]any{&body}, `select body_sealed from notice_message`)
			return err
		}))
		if strings.Contains(string(body), "2026-000001") {
			h.Error("the body lies open in the database")
		}
	})
}

func TestSendRefuses(t *testing.T) {
	each(t, func(h *house) {
		for code, change := range map[string]func(*Message){
			"required":         func(m *Message) { m.Key = "" },
			"channel_missing":  func(m *Message) { m.Channel = Letter },
			"template_unknown": func(m *Message) { m.Template = "x" },
			"placeholder":      func(m *Message) { delete(m.Data, "claim") },
			"lang_unknown":     func(m *Message) { m.Lang = "fr" },
		} {
			m := h.message("k", App)
			change(&m)
			_, err := h.send(m)
			h.want(err, code)
		}
		if n := h.count("notice_message"); n != 0 {
			h.Errorf("%d messages were kept", n)
		}
	})
}

// The folder channel: one whole file for a message, whatever is retried.
func TestFolder(t *testing.T) {
	each(t, func(h *house) {
		m, err := h.send(h.message("sms", SMS))
		h.ok(err)
		if _, err := h.q.Drain(h.ctx); err != nil {
			h.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(h.dir, m.ID+".json"))
		h.ok(err)
		var f folderFile
		h.ok(json.Unmarshal(b, &f))
		if f.Phone != "17000088892" || f.Name != "尹和震" || f.Body != m.Body {
			h.Errorf("%+v", f)
		}
		files, err := os.ReadDir(h.dir)
		h.ok(err)
		if len(files) != 1 {
			h.Errorf("%d files", len(files))
		}
		h.state(m.ID, Sent, "")
	})
}

func (h *house) state(id ident.ID, want State, reason string) {
	h.Helper()
	var ms []Message
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) (err error) { ms, err = h.s.SentTo(tx, h.who); return err }))
	for _, m := range ms {
		if m.ID == id && m.State == want && m.Reason == reason {
			return
		}
	}
	h.Errorf("want %s %q: %+v", want, reason, ms)
}

// A channel that is out of order is tried again with the same message; one that
// refuses for good ends it.
func TestDelivery(t *testing.T) {
	each(t, func(h *house) {
		h.wire.next = []error{errors.New("no line"), ident.E(ident.KindUnknown, "lost", "lost"), nil}
		m, err := h.send(h.message("a", Webhook))
		h.ok(err)
		for range 5 {
			_, err := h.q.Drain(h.ctx)
			h.ok(err)
			h.clock.Advance(time.Hour)
		}
		h.state(m.ID, Sent, "")
		if h.wire.calls != 3 || len(h.wire.heard) != 1 {
			h.Errorf("%d calls for %d messages", h.wire.calls, len(h.wire.heard))
		}
		h.wire.next = []error{ident.Invalid("to", "gone", "gone")}
		m, err = h.send(h.message("b", Webhook))
		h.ok(err)
		_, err = h.q.Drain(h.ctx)
		h.ok(err)
		h.state(m.ID, Failed, "gone")
	})
}

// Every state with every event.
func TestMessageStates(t *testing.T) {
	allowed := map[[2]string]State{{"queued", "delivered"}: Sent, {"queued", "refused"}: Failed, {"sent", "opened"}: Read}
	for _, s := range []State{Queued, Sent, Failed, Read} {
		for _, e := range []Event{Delivered, Refused, Opened} {
			want, can := allowed[[2]string{string(s), string(e)}]
			if got, ok := Next(s, e); ok != can || got != want {
				t.Errorf("%s %s: got %q %v, want %q %v", s, e, got, ok, want, can)
			}
		}
	}
}

func (h *house) payout(id ident.ID) IssueIn {
	return IssueIn{Owner: h.who, PaidAt: h.clock.Now(), Amount: money.Yuan(112_828), FromFund: "emergency", PayeeName: "尹和震",
		BankName: "农业银行", BankAccount: "6270899306786900075", ClaimID: "clm_1", IncidentID: "inc_1", IncidentName: "“3·19”系列盗窃案",
		Basis: "ledger_record", PayoutID: id}
}

func (h *house) issue(in IssueIn) (out Issued, err error) {
	err = h.d.Update(h.ctx, func(tx *db.Tx) error {
		out, err = h.s.Issue(tx, ident.Job("test"), in)
		return err
	})
	return out, err
}

// One certificate for one payout; the same facts again are the same certificate,
// other facts are refused.
func TestIssue(t *testing.T) {
	each(t, func(h *house) {
		first, err := h.issue(h.payout("po_1"))
		h.ok(err)
		in := h.payout("po_1")
		h.clock.Advance(time.Hour)
		again, err := h.issue(in)
		h.ok(err)
		if again.ID != first.ID || again.Code != first.Code || string(again.Signed.Payload) != string(first.Signed.Payload) {
			h.Errorf("another certificate: %+v", again)
		}
		in.Amount = money.Yuan(1)
		_, err = h.issue(in)
		h.want(err, "certificate_conflict")
		second, err := h.issue(h.payout("po_2"))
		h.ok(err)
		if first.Number != "2026-000001" || second.Number != "2026-000002" || first.Code == second.Code || first.BankAccountMasked != "****0075" {
			h.Errorf("%+v %+v", first, second)
		}
		found, ok, err := h.s.Check(h.ctx, ident.Job("portal"), strings.ToLower(first.Code))
		h.ok(err)
		if !ok || found.Certificate != first.Certificate {
			h.Errorf("%v %+v", ok, found)
		}
		if _, ok, err := h.s.Check(h.ctx, ident.Job("portal"), "0000-0000-0000-0000"); ok || err != nil {
			h.Errorf("a code that was never issued: %v", err)
		}
		if _, err := h.s.Open(h.ctx, h.customer(h.who), first.ID); err != nil {
			h.Error(err)
		}
		_, err = h.s.Open(h.ctx, h.customer("pty_other"), first.ID)
		h.want(err, "certificate_not_found")
		pdf, err := found.PDF()
		h.ok(err)
		if c, err := VerifyCertificate(pdf, h.s.PublicKey()); err != nil || c != first.Certificate {
			h.Errorf("%+v %v", c, err)
		}
		var n int
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) (err error) { n, err = h.s.CountByIncident(tx, "inc_1"); return err }))
		if n != 2 {
			h.Errorf("%d certificates", n)
		}
	})
}

// A certificate changed behind our back is not shown.
func TestChangedRow(t *testing.T) {
	each(t, func(h *house) {
		c, err := h.issue(h.payout("po_1"))
		h.ok(err)
		h.ok(h.d.Update(h.ctx, func(tx *db.Tx) error {
			bad := append([]byte{}, c.Signed.Signature...)
			bad[3] ^= 1
			_, err := tx.Exec(`update certificate set signature = $1`, bad)
			return err
		}))
		_, _, err = h.s.Check(h.ctx, ident.Job("portal"), c.Code)
		h.want(err, "certificate_broken")
	})
}

// Each write lost, and done but the answer lost: once either way.
func TestFaults(t *testing.T) {
	each(t, func(h *house) {
		for name, write := range map[string]func() (ident.ID, error){
			"message":     func() (ident.ID, error) { m, err := h.send(h.message("x", "")); return m.ID, err },
			"certificate": func() (ident.ID, error) { c, err := h.issue(h.payout("po_x")); return c.ID, err },
		} {
			table := map[string]string{"message": "notice_message", "certificate": "certificate"}[name]
			h.faults.LoseCommit(1)
			if _, err := write(); !ident.Is(err, ident.KindUnavailable) && !ident.Is(err, ident.KindUnknown) || h.count(table) != 0 {
				h.Fatalf("%s lost: %v, %d rows", name, err, h.count(table))
			}
			h.faults.MuteCommit(1)
			if _, err := write(); !ident.Is(err, ident.KindUnknown) || h.count(table) != 1 {
				h.Fatalf("%s muted: %v, %d rows", name, err, h.count(table))
			}
			first, err := write()
			h.ok(err)
			if again, err := write(); err != nil || again != first || h.count(table) != 1 {
				h.Errorf("%s again: %v, %d rows", name, err, h.count(table))
			}
		}
	})
}
