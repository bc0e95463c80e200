package list_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"testing"
	"time"

	"surety/domain/list"
	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
	"surety/platform/queue"
	"surety/platform/vault"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

var migrations = []fs.FS{audit.Migrations, queue.Migrations, access.Migrations, party.Migrations, list.Migrations}

var start = time.Date(2026, 5, 18, 1, 0, 0, 0, time.UTC)

var (
	analyst = ident.Actor{Kind: ident.Staff, ID: "stf_ana", Roles: []ident.Role{ident.RoleAnalyst}}
	handler = ident.Actor{Kind: ident.Staff, ID: "stf_han", Roles: []ident.Role{ident.RoleHandler}}
	fund    = ident.Actor{Kind: ident.Staff, ID: "stf_fun", Roles: []ident.Role{ident.RoleFund}}
	carrier = ident.Actor{Kind: ident.Key, ID: "key_carrier", Roles: []ident.Role{ident.RoleHost}}
	other   = ident.Actor{Kind: ident.Key, ID: "key_other", Roles: []ident.Role{ident.RoleHost}}
)

// world is the lists over one database.
type world struct {
	*list.Service
	testing.TB
	ctx    context.Context
	db     *db.DB
	clock  *ident.ManualClock
	faults *db.Faults
	audit  *audit.Log
	vault  *vault.Vault
	cfg    list.Config
	party  *party.Service
}

func newWorld(t testing.TB, dialect db.Dialect, seed byte) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), faults: &db.Faults{}, clock: ident.NewManualClock(start)}
	w.db = dbtest.Open(t, dialect, dbtest.Options{Migrations: migrations, Faults: w.faults})
	ids := ident.NewMaker(w.clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	w.ok(err)
	w.audit, err = audit.New(audit.Config{DB: w.db, Clock: w.clock, IDs: ids, Signer: signer, Verifier: verifier})
	w.ok(err)
	acc, err := access.New(access.Config{DB: w.db, Audit: w.audit, Clock: w.clock, IDs: ids})
	w.ok(err)
	key := bytes.Repeat([]byte{seed}, 32)
	w.vault, err = vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	w.ok(err)
	w.party, err = party.New(party.Config{Access: acc, Vault: w.vault, Clock: w.clock, IDs: ids})
	w.ok(err)
	w.cfg = list.Config{DB: w.db, Access: acc, Vault: w.vault, Clock: w.clock, IDs: ids}
	w.Service = w.process()
	return w
}

// process is another process over the same database.
func (w *world) process() *list.Service {
	w.Helper()
	s, err := list.New(w.cfg)
	w.ok(err)
	w.ok(s.Load(w.ctx))
	return s
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// code fails unless the error has the kind and the code.
func (w *world) code(err error, kind ident.Kind, code string) {
	w.Helper()
	if !ident.Is(err, kind) || ident.CodeOf(err) != code {
		w.Errorf("error is %v (%s), want %s %s", err, ident.CodeOf(err), kind, code)
	}
}

func deny(id, account string) list.Statement {
	return list.Statement{ID: id, Kind: list.Deny, Subject: list.Account, Value: account, Source: list.Police, Confidence: 900,
		Reason: list.Reason{ZH: "涉案收款账户", EN: "receives stolen money"}}
}

func (w *world) add(st list.Statement) list.Entry {
	w.Helper()
	e, again, err := w.Add(w.ctx, analyst, st)
	w.ok(err)
	if again {
		w.Errorf("%s was there already", st.ID)
	}
	return e
}

// on says which entry a list names for a value, in any spelling, now.
func (w *world) on(s *list.Service, kind list.Kind, subject list.Subject, value string) string {
	w.Helper()
	key := value
	if subject != list.Address {
		var err error
		key, err = s.Key(subject, value)
		w.ok(err)
	}
	id, ok := s.Listed(string(kind), string(subject), key, w.clock.Now())
	if ok != (id != "") {
		w.Errorf("%v but %q", ok, id)
	}
	return id
}

func (w *world) rows(table string) (n int) {
	w.Helper()
	w.ok(w.db.View(w.ctx, func(tx *db.Tx) error {
		_, err := tx.Row([]any{&n}, "select count(*) from "+table)
		return err
	}))
	return n
}

// both runs fn in a fresh world on both databases.
func both(t *testing.T, fn func(w *world)) {
	for _, d := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(d), func(t *testing.T) { fn(newWorld(t, d, 1)) })
	}
}
