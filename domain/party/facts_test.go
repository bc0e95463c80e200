package party_test

import (
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/vault"
)

func (w *world) facts(s *party.Service, ids ...string) []party.Facts {
	w.Helper()
	out := make([]party.Facts, len(ids))
	for i := range out { // what a caller left in it says nothing
		out[i].ID = "old"
	}
	w.ok(s.Facts(w.ctx, w.db, ids, out))
	return out
}

// index is how a name or telephone is found.
func (w *world) index(field, plain string) string {
	w.Helper()
	var b []byte
	w.view(func(tx *db.Tx) error {
		_, err := tx.Row([]any{&b}, "select "+field+"_index from party p join account a on a.party_id = p.id where a.id = $1", plain)
		return err
	})
	return hex.EncodeToString(b)
}

func TestFacts(t *testing.T) {
	both(t, func(w *world) {
		w.load(town)
		for range 2 { // from the database, then from memory
			f := w.facts(w.Service, "W1", "BANK:1", "W1B", "M1")
			if !f[0].Known() || f[0].Device != "dev-1" || f[0].Verification != party.Full || f[0].Kind != party.Person || f[1].Known() ||
				f[2].City != "成都" || f[3].Kind != party.Merchant {
				t.Fatalf("%+v", f)
			}
			if f[0].NameIndex == "" || f[0].NameIndex != w.index("name", "W1") || f[0].PhoneIndex != w.index("phone", "W1") ||
				f[3].PhoneIndex != "" || f[0].NameIndex != f[2].NameIndex {
				t.Fatalf("%+v", f)
			}
		}
		f := w.facts(w.Service, "W1", "W1", "W8")
		if f[0] != f[1] || f[2].Known() {
			t.Fatalf("%+v", f)
		}
		before := f[0]
		w.load(strings.Replace(town, "17000015947,乐山,dev-1,", "17000015948,绵阳,dev-7,", 1))
		f = w.facts(w.Service, "W1", "W1B")
		if f[0].Device != "dev-7" || f[0].PhoneIndex == before.PhoneIndex || f[1].PhoneIndex != f[0].PhoneIndex {
			t.Fatalf("after a change: %+v", f)
		}
		w.load(header + "W8,石言,519924197604160380,17000087046,成都,dev-8,full,2026-05-10,person\n")
		if f = w.facts(w.Service, "W8"); f[0].Device != "dev-8" {
			t.Fatalf("a stranger was imported: %+v", f)
		}
		w.faults.MuteCommit(1)
		if _, err := w.ImportAccounts(w.ctx, host, strings.NewReader(
			header+"W8,石言,519924197604160380,17000087046,成都,dev-88,full,2026-05-10,person\n")); !ident.Is(err, ident.KindUnknown) {
			t.Fatal(err)
		}
		if f = w.facts(w.Service, "W8"); f[0].Device != "dev-88" {
			t.Fatalf("after an unknown outcome: %+v", f)
		}
		w.faults.LoseCommit(1)
		if _, err := w.ImportAccounts(w.ctx, host, strings.NewReader(
			header+"W8,石言,519924197604160380,17000087046,成都,dev-99,full,2026-05-10,person\n")); !ident.Is(err, ident.KindUnavailable) {
			t.Fatal(err)
		}
		if f = w.facts(w.Service, "W8"); f[0].Device != "dev-88" {
			t.Fatalf("after a lost act: %+v", f)
		}
	})
}

// second is the same people's service in another process.
func (w *world) second(clock ident.Clock) *party.Service {
	w.Helper()
	ids := ident.NewMaker(clock)
	signer, verifier, err := audit.LoadOrCreateKey(w.TB.(*testing.T).TempDir())
	w.ok(err)
	log, err := audit.New(audit.Config{DB: w.db, Clock: clock, IDs: ids, Signer: signer, Verifier: verifier})
	w.ok(err)
	acc, err := access.New(access.Config{DB: w.db, Audit: log, Clock: clock, IDs: ids})
	w.ok(err)
	key := make([]byte, 32)
	v, err := vault.New(vault.Config{Keys: map[string][]byte{"k1": key}, Current: "k1", IndexKey: key})
	w.ok(err)
	s, err := party.New(party.Config{Access: acc, Vault: v, Clock: clock, IDs: ids, Remember: 4})
	w.ok(err)
	return s
}

// Where other processes may write, what they changed is seen within two seconds.
func TestFactsOfAnotherProcess(t *testing.T) {
	w := newWorld(t, db.Postgres)
	w.load(town)
	clock := ident.NewManualClock(time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC))
	s := w.second(clock)
	w.facts(s, "W1")
	w.load(strings.Replace(town, "乐山,dev-1,", "乐山,dev-7,", 1))
	clock.Advance(time.Second)
	if f := w.facts(s, "W1"); f[0].Device != "dev-1" {
		t.Fatal("nothing was remembered")
	}
	clock.Advance(time.Second)
	if f := w.facts(s, "W1"); f[0].Device != "dev-7" {
		t.Fatal("it was believed for more than two seconds")
	}
	clock.Advance(-time.Hour)
	w.load(strings.Replace(town, "乐山,dev-1,", "乐山,dev-8,", 1))
	if f := w.facts(s, "W1"); f[0].Device != "dev-8" {
		t.Fatal("a clock set back prolonged a memory")
	}
}

// The memory is bounded, and right when it is too small for those who ask.
func TestFactsOfMany(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.load(town)
	s := w.second(ident.NewManualClock(time.Date(2026, 5, 30, 1, 0, 0, 0, time.UTC)))
	ids := []string{"W1", "W1B", "W2", "W3", "M1", "BANK:7"}
	for range 3 {
		for i, f := range w.facts(s, ids...) {
			if f.Known() != (i < 5) || f.Known() && f.ID != ids[i] {
				t.Fatalf("%s: %+v", ids[i], f)
			}
		}
	}
}

// Nobody who asks after an import has answered hears what was before it, however
// many ask beside it.
func TestFactsUnderWay(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.load(town)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			out := make([]party.Facts, 1)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := w.Facts(w.ctx, w.db, []string{"W1"}, out); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 100 {
		device := "dev-" + string(rune('a'+i%26))
		w.load(strings.Replace(town, "乐山,dev-1,", "乐山,"+device+",", 1))
		if f := w.facts(w.Service, "W1"); f[0].Device != device {
			t.Errorf("after import %d: %s, want %s", i, f[0].Device, device)
			break
		}
	}
	close(stop)
	wg.Wait()
}
