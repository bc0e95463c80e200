package audit_test

import (
	"encoding/hex"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"surety/platform/audit"
	"surety/platform/db"
	"surety/platform/db/dbtest"
)

// The known answers of RFC 6962 and of the Certificate Transparency test data,
// so that any tool of that family can check our log.
func TestVectors(t *testing.T) {
	if h := hex.EncodeToString(hashOf(tlog.RecordHash(nil))); h != "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" {
		t.Errorf("leaf of nothing: %s", h)
	}
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := map[int]string{
		0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var raw [][]byte
	for _, l := range leaves {
		b, err := hex.DecodeString(l)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b)
	}
	for n := range 9 {
		root := audit.RootOf(raw[:n])
		if want := roots[n]; want != "" && hex.EncodeToString(hashOf(root)) != want {
			t.Errorf("root of %d: %x, want %s", n, root, want)
		}
	}
}

func hashOf(h tlog.Hash) []byte { return h[:] }

// The root of every size is that of the plain definition in RFC 6962 §2.1, on
// whatever way the entries were batched.
func TestRootIsThatOfTheDefinition(t *testing.T) {
	dbtest.Run(t, opts(nil), func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for n := 0; n < 70; {
			batch := 1 + n%7
			w.update(func(tx *db.Tx) error {
				for i := range batch {
					if _, err := w.log.Append(tx, entry(n+i)); err != nil {
						return err
					}
				}
				return nil
			})
			n += batch
			var bodies [][]byte
			w.view(func(tx *db.Tx) error {
				bodies = nil
				return tx.Rows("select body from audit_leaf order by idx", nil, func(scan func(...any) error) error {
					var b []byte
					err := scan(&b)
					bodies = append(bodies, b)
					return err
				})
			})
			if h := w.sign(); h.Size != int64(n) || h.Root != definition(bodies) {
				t.Fatalf("size %d root %s, want %d and %s", h.Size, h.Root, n, definition(bodies))
			}
		}
	})
}

// definition is MTH of RFC 6962 §2.1, word for word.
func definition(d [][]byte) tlog.Hash {
	n := len(d)
	if n == 1 {
		return tlog.RecordHash(d[0])
	}
	k := 1
	for k*2 < n {
		k *= 2
	}
	return tlog.NodeHash(definition(d[:k]), definition(d[k:]))
}
