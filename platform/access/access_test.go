package access_test

import (
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const password = "correct horse battery"

// house is an Access on one database with an administrator who opened it.
type house struct {
	*testing.T
	ctx   context.Context
	d     *db.DB
	a     *access.Access
	log   *audit.Log
	clock *ident.ManualClock
	ids   *ident.Maker
	admin ident.Actor
}

// each runs fn in a fresh house on both databases.
func each(t *testing.T, faults bool, fn func(h *house, f *db.Faults)) {
	var f *db.Faults
	for _, dialect := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(dialect), func(t *testing.T) {
			if faults {
				f = &db.Faults{}
			}
			sets := []fs.FS{audit.Migrations, access.Migrations}
			d := dbtest.Open(t, dialect, dbtest.Options{Migrations: sets, Faults: f})
			fn(newHouse(t, d), f)
		})
	}
}

func newHouse(t *testing.T, d *db.DB) *house {
	t.Helper()
	h := &house{T: t, ctx: context.Background(), d: d}
	h.clock = ident.NewManualClock(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	h.ids = ident.NewMaker(h.clock)
	secret, public, err := note.GenerateKey(rand.Reader, "test")
	h.ok(err)
	signer, err := note.NewSigner(secret)
	h.ok(err)
	verifier, err := note.NewVerifier(public)
	h.ok(err)
	h.log, err = audit.New(audit.Config{DB: d, Clock: h.clock, IDs: h.ids, Signer: signer, Verifier: verifier})
	h.ok(err)
	h.a, err = access.New(access.Config{DB: d, Audit: h.log, Clock: h.clock, IDs: h.ids})
	h.ok(err)
	s, err := h.a.Bootstrap(h.ctx, "admin@example.org", "Admin", password)
	h.ok(err)
	h.admin = person(s)
	return h
}

func person(s access.Staff) ident.Actor {
	return ident.Actor{Kind: ident.Staff, ID: s.ID, Name: s.Name, Roles: s.Roles, Session: "ses_test"}
}

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) want(err error, k ident.Kind, code string) {
	h.Helper()
	if ident.KindOf(err) != k || ident.CodeOf(err) != code {
		h.Fatalf("got %v (%s), want %s %s", err, ident.CodeOf(err), k, code)
	}
}

// hire adds a member of staff.
func (h *house) hire(name string, rs ...ident.Role) ident.Actor {
	h.Helper()
	s, err := h.a.AddStaff(h.ctx, h.admin, access.NewStaff{
		Email: name + "@example.org", Name: name, Roles: rs, Password: password})
	h.ok(err)
	return person(s)
}

// rows is how many audit records there are.
func (h *house) rows() (n int) {
	h.Helper()
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
		_, err := tx.Row([]any{&n}, "select count(*) from audit_leaf")
		return err
	}))
	return n
}

// last is the newest audit record.
func (h *house) last() (r audit.Record) {
	h.Helper()
	h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
		rs, err := h.log.Recent(tx, 1)
		if err == nil && len(rs) == 1 {
			r = rs[0]
		}
		return err
	}))
	return r
}

// logged runs fn and demands exactly one more audit record, with this outcome.
func (h *house) logged(act access.Act, o audit.Outcome, fn func() error) error {
	h.Helper()
	before := h.rows()
	err := fn()
	if n := h.rows() - before; n != 1 {
		h.Fatalf("%s left %d audit records, want 1 (error %v)", act, n, err)
	}
	if r := h.last(); r.Act != string(act) || r.Outcome != o {
		h.Fatalf("audit says %s %s, want %s %s (error %v)", r.Act, r.Outcome, act, o, err)
	}
	return err
}

func TestNewRefusesMissingParts(t *testing.T) {
	if _, err := access.New(access.Config{}); ident.CodeOf(err) != "access_config" {
		t.Fatal(err)
	}
}

// A refused act leaves nothing but its record, also when the caller has gone, and
// also when the Check that refused is inside fn.
func TestRefusalIsLoggedAndUndone(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		lead := h.hire("lea", ident.RoleLead)
		obj := access.Object{ID: "clm_1", Owner: "pty_1"}
		err := h.logged(access.ActKeyManage, audit.Refused, func() error {
			return h.a.Update(h.ctx, lead, access.ActClaimDecide, obj, nil, func(tx *db.Tx) error {
				return h.a.Check(tx, lead, access.ActKeyManage, access.Object{ID: "key_1"}, nil)
			})
		})
		h.want(err, ident.KindDenied, "not_allowed")

		ctx, cancel := context.WithCancel(h.ctx)
		err = h.logged(access.ActKeyManage, audit.Refused, func() error {
			return h.a.Run(ctx, func(tx *db.Tx) error {
				cancel()
				return h.a.Check(tx, lead, access.ActKeyManage, access.Object{ID: "key_1"}, nil)
			})
		})
		h.want(err, ident.KindDenied, "not_allowed")
	})
}

// An act whose record cannot be written does not happen, nor does a read.
func TestUnloggedActFails(t *testing.T) {
	each(t, true, func(h *house, f *db.Faults) {
		lead := h.hire("lea", ident.RoleLead)
		ran := false
		f.FailStatement("insert into audit_leaf")
		err := h.a.View(h.ctx, lead, access.ActClaimRead, access.Object{ID: "clm_1"}, func(*db.Tx) error {
			ran = true
			return nil
		})
		if err == nil || ran {
			t.Fatalf("read without a record: %v, ran %v", err, ran)
		}
		f.FailStatement("insert into audit_leaf")
		if _, err := h.a.SetRoles(h.ctx, h.admin, lead.ID, []ident.Role{ident.RoleFund}); err == nil {
			t.Fatal("changed without a record")
		}
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			s, err := h.a.StaffByID(tx, lead.ID)
			if err == nil && s.Roles[0] != ident.RoleLead {
				t.Fatalf("the change stayed: %v", s.Roles)
			}
			return err
		}))
		// A refusal stands even if its record fails.
		f.FailStatement("insert into audit_leaf")
		err = h.a.Update(h.ctx, lead, access.ActKeyManage, access.Object{}, nil, func(*db.Tx) error { return nil })
		h.want(err, ident.KindDenied, "not_allowed")
	})
}

// Another customer's object and an absent one cannot be told apart.
func TestAnothersObjectIsAbsent(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		me := ident.Actor{Kind: ident.Customer, ID: "pty_me", Roles: []ident.Role{ident.RoleCustomer}}
		for _, spec := range access.Acts() {
			absent := access.Absent(spec.Act, "x_1")
			for _, owner := range []ident.ID{"pty_other", ""} {
				err := h.a.Update(h.ctx, me, spec.Act, access.Object{ID: "x_1", Owner: owner}, nil, func(*db.Tx) error {
					t.Fatalf("%s ran", spec.Act)
					return nil
				})
				h.want(err, absent.Kind, absent.Code)
				if err.Error() != absent.Error() {
					t.Fatalf("%s: %q is not %q", spec.Act, err, absent)
				}
			}
		}
		if got := access.Absent(access.ActClaimEvidenceRead, "clm_9").Error(); got != `not_found: there is no claim "clm_9"` {
			t.Fatal(got)
		}
	})
}
