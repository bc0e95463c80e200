package party_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/db"
)

func TestImport(t *testing.T) {
	both(t, func(w *world) {
		rep := w.load(town)
		if rep.Rows != 5 || rep.Added != 5 {
			w.Fatalf("%+v", rep)
		}
		if p, a := w.counts(); p != 4 || a != 5 {
			w.Fatalf("%d parties, %d accounts", p, a)
		}
		if w.holder("W1").ID != w.holder("W1B").ID {
			w.Fatal("one person is two parties")
		}
		// Two telephones of one person do not push each other out at every import.
		before := fmt.Sprint(w.holder("W1"))
		for range 2 {
			if rep = w.load(town); rep.Unchanged != 5 || rep.Changed+rep.Added+len(rep.Refused) != 0 {
				w.Fatalf("again: %+v", rep)
			}
		}
		if rep = w.load("\xef\xbb\xbf" + town); rep.Unchanged != 5 { // as some programs save it
			w.Fatalf("%+v", rep)
		}
		if after := fmt.Sprint(w.holder("W1")); after != before {
			w.Fatalf("%s became %s", before, after)
		}
		moved := strings.Replace(town, "17000015947,乐山,dev-1,", "17000015948,绵阳,dev-7,", 1)
		if rep = w.load(moved); rep.Changed != 1 || rep.Unchanged != 4 || w.holder("W1").Phone != "17000015948" {
			w.Fatalf("%+v", rep)
		}
		w.view(func(tx *db.Tx) error {
			a, _, err := w.Account(tx, "W1")
			if a.Device != "dev-7" || a.City != "绵阳" {
				w.Errorf("%+v", a)
			}
			return err
		})
		w.holdersStay()
	})
}

// holdersStay tries to give accounts to other people by import.
func (w *world) holdersStay() {
	w.Helper()
	for why, row := range map[string]string{
		"another number": "W2,汤哲绍,519925198202276744,17000024755,德阳,dev-2,full,2022-12-28,person",
		"another's":      "W2,宋伟,51990619580201663X,17000024755,德阳,dev-2,full,2022-12-28,person",
		"another name":   "W2,石言,,17000024755,德阳,dev-2,full,2022-12-28,person",
		"a shop for one": "M1,尹艳小吃店,51990619580201663X,,乐山,,full,2020-01-01,merchant",
	} {
		account, _, _ := strings.Cut(row, ",")
		before := fmt.Sprint(w.holder(account))
		rep := w.load(header + row + "\n")
		if len(rep.Refused) != 1 || rep.Refused[0].Code != "holder_changed" || fmt.Sprint(w.holder(account)) != before {
			w.Errorf("%s: %+v", why, rep)
		}
	}
	// Who had no number gets one when the host has verified them.
	rep := w.load(header + "M1,尹艳小吃店,519925198202276744,,乐山,,full,2020-01-01,merchant\n")
	if rep.Changed != 1 || w.holder("M1").IDNumber != "519925198202276744" {
		w.Errorf("%+v", rep)
	}
}

func TestImportNamesEveryWrongRow(t *testing.T) {
	w := newWorld(t, db.SQLite)
	good := "W1,宋伟,519906195802016636,17000015947,乐山,dev-1,full,2023-06-16,person\n"
	bad := good +
		"W 2,汤哲绍,519911195009143841,1,德阳,dev-2,full,2022-12-28,person\n" + // 3
		"W3,,1,1,德阳,dev-2,full,2022-12-28,person\n" + // 4
		"W4,甲,1,1,德阳,dev-2,fully,2022-12-28,person\n" + // 5
		"W5,甲,1,1,德阳,dev-2,full,28.12.2022,person\n" + // 6
		"W6,甲,1,1,德阳,dev-2,full,2022-12-28,robot\n" + // 7
		good + // 8: twice
		"W7,too,few\n" + // 9
		"W8,\xcb\xce\xce\xb0,1,1,德阳,dev-2,full,2022-12-28,person\n" + // 10: GB18030
		"W9," + strings.Repeat("长", 101) + ",1,1,德阳,dev-2,full,2022-12-28,person\n" + // 11
		"\"W10\nx\",甲,1,1,德阳,dev-2,full,2022-12-28,person\n" // 12
	rep, err := w.ImportAccounts(w.ctx, host, strings.NewReader(header+bad))
	want := []string{"3 account bad_character", "4 name required", "5 verification unknown", "6 opened date", "7 kind unknown",
		"8 account twice", "9  csv", "10 name encoding", "11 name text", "12 account text"}
	var got []string
	for _, p := range rep.Refused {
		got = append(got, fmt.Sprintf("%d %s %s", p.Row, p.Field, p.Code))
	}
	if strings.Join(got, "; ") != strings.Join(want, "; ") || err == nil {
		t.Fatalf("%q\nwant\n%q\n%v", got, want, err)
	}
	if p, a := w.counts(); p+a != 0 {
		t.Fatal("a file with a wrong row was half imported")
	}
	for _, file := range []string{"", "x\n", strings.Replace(header, "account", "Account", 1) + good, "\xff\xfea\x00", header + "\"W1,x"} {
		if _, err := w.ImportAccounts(w.ctx, host, strings.NewReader(file)); !ident.Is(err, ident.KindInvalid) {
			t.Errorf("%q: %v", file, err)
		}
	}
	endless := header + strings.Repeat("W 1,x,,,,,,,\n", 50_000)
	if rep, _ := w.ImportAccounts(w.ctx, host, strings.NewReader(endless)); len(rep.Refused) != 1000 {
		t.Errorf("%d problems are named", len(rep.Refused))
	}
	staff := ident.Actor{Kind: ident.Staff, ID: "stf_1", Roles: []ident.Role{ident.RoleHandler}}
	if _, err := w.ImportAccounts(w.ctx, staff, strings.NewReader(header+good)); !ident.Is(err, ident.KindDenied) {
		t.Error(err)
	}
}

// An import that is interrupted leaves whole acts; the same import completes it.
func TestImportLostAndMuted(t *testing.T) {
	both(t, func(w *world) {
		var b strings.Builder
		b.WriteString(header)
		for i := range 450 {
			fmt.Fprintf(&b, "W%d,人%d,5199%014d,1700%07d,乐山,dev-%d,full,2023-06-16,person\n", i, i, i, i, i)
		}
		w.faults.LoseCommit(2)
		if _, err := w.ImportAccounts(w.ctx, host, strings.NewReader(b.String())); !ident.Is(err, ident.KindUnavailable) {
			w.Fatal(err)
		}
		if p, a := w.counts(); p != 200 || a != 200 {
			w.Fatalf("%d parties, %d accounts", p, a)
		}
		w.faults.MuteCommit(2)
		if _, err := w.ImportAccounts(w.ctx, host, strings.NewReader(b.String())); !ident.Is(err, ident.KindUnknown) {
			w.Fatal(err)
		}
		if rep := w.load(b.String()); rep.Unchanged != 400 || rep.Added != 50 {
			w.Fatalf("%+v", rep)
		}
		if p, a := w.counts(); p != 450 || a != 450 {
			w.Fatalf("%d parties, %d accounts", p, a)
		}
	})
}

// People are found however their name, telephone or number is written.
func TestFind(t *testing.T) {
	both(t, func(w *world) {
		w.load(town)
		w.view(func(tx *db.Tx) error {
			for _, n := range []string{"51990619580201663X", "51990619580201663x", "５１９９０６１９５８０２０１６６３Ｘ", " 519906 19580201 663x "} {
				if p, found, err := w.ByIDNumber(tx, n); err != nil || !found || p.Name != "宋伟" {
					w.Errorf("number %q: %v %v", n, found, err)
				}
			}
			for _, n := range []string{"17000024755", "170-0002-4755", "+8617000024755", "0086 170 0002 4755", "１７００００２４７５５", "(86)17000024755"} {
				if ps, err := w.ByPhone(tx, n); err != nil || len(ps) != 1 || ps[0].Name != "汤哲绍" {
					w.Errorf("telephone %q: %v %v", n, ps, err)
				}
			}
			for _, n := range []string{"Anna  Müller", "anna müller", "ANNA　MÜLLER", "AnnaMu\u0308ller", "Ａｎｎａ Müller"} {
				if ps, err := w.ByName(tx, n); err != nil || len(ps) != 1 || ps[0].IDNumber != "519929198301193755" {
					w.Errorf("name %q: %v %v", n, ps, err)
				}
			}
			for _, n := range []string{"", " ", "宋"} {
				p, byName := w.ByName(tx, n)
				q, byPhone := w.ByPhone(tx, n)
				_, found, byNumber := w.ByIDNumber(tx, n)
				if err := errors.Join(byName, byPhone, byNumber); err != nil || found || len(p)+len(q) != 0 {
					w.Errorf("%q finds %v %v %v %v", n, p, q, found, err)
				}
			}
			as, err := w.AccountsOf(tx, w.mustFind(tx, "宋伟").ID)
			if len(as) != 2 || as[0].ID != "W1" || as[1].ID != "W1B" {
				w.Errorf("%+v", as)
			}
			return err
		})
	})
}

func (w *world) mustFind(tx *db.Tx, name string) party.Party {
	w.Helper()
	ps, err := w.ByName(tx, name)
	if err != nil || len(ps) != 1 {
		w.Fatalf("%v %v", ps, err)
	}
	return ps[0]
}

func TestView(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.load(town)
	song := w.holder("W1")
	p, as, err := w.View(w.ctx, ident.Actor{Kind: ident.Customer, ID: song.ID}, song.ID)
	w.ok(err)
	if p.Name != "宋伟" || len(as) != 2 {
		t.Fatalf("%+v %+v", p, as)
	}
	other := ident.Actor{Kind: ident.Customer, ID: w.holder("W2").ID}
	p, _, a := w.View(w.ctx, other, song.ID)
	_, _, b := w.View(w.ctx, other, "pty_none")
	if p.Name != "" || !ident.Is(a, ident.KindNotFound) || strings.ReplaceAll(a.Error(), song.ID, "pty_none") != b.Error() {
		t.Fatalf("%v and %v differ", a, b)
	}
	if _, _, err := w.View(w.ctx, host, song.ID); !ident.Is(err, ident.KindDenied) {
		t.Fatal(err)
	}
}

// Whoever steals the database file reads no name, telephone or number in it.
func TestNothingReadableInTheFile(t *testing.T) {
	w := newWorld(t, db.SQLite)
	w.load(town)
	w.load(strings.Replace(town, "17000015947", "17000015948", 1))
	files, err := filepath.Glob(strings.TrimPrefix(w.url, "sqlite:") + "*")
	w.ok(err)
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		w.ok(err)
		all = append(all, b...)
	}
	if !bytes.Contains(all, []byte("dev-1b")) || len(files) < 2 {
		t.Fatalf("the account's device is not found in %v: the search finds nothing at all", files)
	}
	for _, secret := range []string{"宋伟", "汤哲绍", "Müller", "müller", "尹艳", "51990619580201663", "519911195009143841", "17000015947",
		"17000015948", "17000024755", "17000099999"} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("%s stands in the file", secret)
		}
	}
}
