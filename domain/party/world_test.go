package party_test

import (
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

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

var migrations = []fs.FS{audit.Migrations, queue.Migrations, access.Migrations, party.Migrations}

const header = "account,name,id_number,phone,city,device,verification,opened,kind\n"

// Three people, one with two accounts and two telephones, and a shop.
const town = header + `W1,宋伟,51990619580201663X,17000015947,乐山,dev-1,full,2023-06-16,person
W1B,宋伟,51990619580201663X,17000099999,成都,dev-1b,basic,2024-06-16,person
W2,汤哲绍,519911195009143841,170-0002-4755,德阳,dev-2,full,2022-12-28,person
W3,Anna  Müller,519929198301193755,+86 170 0002 9901,乐山,dev-3,none,2024-05-07,person
M1,尹艳小吃店,,,乐山,,full,2020-01-01,merchant
`

var host = ident.Actor{Kind: ident.Key, ID: "key_host", Roles: []ident.Role{ident.RoleHost}}

// world is the people's service over one database.
type world struct {
	*party.Service
	testing.TB
	ctx    context.Context
	db     *db.DB
	faults *db.Faults
	url    string
}

func newWorld(t testing.TB, dialect db.Dialect) *world {
	t.Helper()
	w := &world{TB: t, ctx: context.Background(), faults: &db.Faults{}, url: dbtest.NewURL(t, dialect)}
	w.db = dbtest.OpenURL(t, w.url, dbtest.Options{Migrations: migrations, Faults: w.faults})
	t.Cleanup(func() { w.db.Close() })
	clock := ident.NewManualClock(time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC))
	ids := ident.NewMaker(clock)
	signer, verifier, err := audit.LoadOrCreateKey(t.TempDir())
	w.ok(err)
	log, err := audit.New(audit.Config{DB: w.db, Clock: clock, IDs: ids, Signer: signer, Verifier: verifier})
	w.ok(err)
	acc, err := access.New(access.Config{DB: w.db, Audit: log, Clock: clock, IDs: ids})
	w.ok(err)
	key := make([]byte, 32)
	rand.Read(key)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	w.ok(err)
	w.Service, err = party.New(party.Config{Access: acc, Vault: v, Clock: clock, IDs: ids})
	w.ok(err)
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) load(csv string) party.ImportReport {
	w.Helper()
	rep, err := w.ImportAccounts(w.ctx, host, strings.NewReader(csv))
	w.ok(err)
	return rep
}

func (w *world) view(fn func(tx *db.Tx) error) {
	w.Helper()
	w.ok(w.db.View(w.ctx, fn))
}

// holder is the party of an account.
func (w *world) holder(account string) (p party.Party) {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		a, found, err := w.Account(tx, account)
		if err != nil || !found {
			return err
		}
		p, _, err = w.Get(tx, a.PartyID)
		return err
	})
	return p
}

func (w *world) counts() (parties, accounts int) {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		if _, err := tx.Row([]any{&parties}, "select count(*) from party"); err != nil {
			return err
		}
		_, err := tx.Row([]any{&accounts}, "select count(*) from account")
		return err
	})
	return parties, accounts
}

// both runs fn in a fresh world on both databases.
func both(t *testing.T, fn func(w *world)) {
	for _, d := range []db.Dialect{db.SQLite, db.Postgres} {
		t.Run(string(d), func(t *testing.T) { fn(newWorld(t, d)) })
	}
}
