package access_test

import (
	"bufio"
	"os"
	"strings"
	"sync"
	"testing"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
)

// seats are the columns of testdata/matrix.txt.
var seats = []struct {
	name  string
	actor ident.Actor
	owner ident.ID
}{
	{"admin", staffOf(ident.RoleAdmin), ""},
	{"analyst", staffOf(ident.RoleAnalyst), ""},
	{"handler", staffOf(ident.RoleHandler), ""},
	{"fund", staffOf(ident.RoleFund), ""},
	{"lead", staffOf(ident.RoleLead), ""},
	{"compliance", staffOf(ident.RoleCompliance), ""},
	{"no-role", staffOf(), ""},
	{"staff-as-host", staffOf(ident.RoleHost, ident.RoleCustomer, "root"), ""},
	{"key-host", keyOf(ident.RoleHost), ""},
	{"key-analyst", keyOf(ident.RoleAnalyst), ""},
	{"key-compliance", keyOf(ident.RoleCompliance), ""},
	{"key-rest", keyOf(ident.RoleAdmin, ident.RoleHandler, ident.RoleFund, ident.RoleLead, ident.RoleCustomer), ""},
	{"owner", customerOf("pty_1"), "pty_1"},
	{"other", customerOf("pty_1"), "pty_2"},
	{"system", ident.Job("job"), ""},
	{"nobody", ident.Actor{}, ""},
	{"nameless", ident.Actor{Kind: ident.Staff, Roles: []ident.Role{ident.RoleAdmin, ident.RoleLead}}, ""},
	{"odd-kind", ident.Actor{Kind: "god", ID: "x", Roles: []ident.Role{ident.RoleAdmin, ident.RoleLead}}, ""},
}

func staffOf(rs ...ident.Role) ident.Actor {
	return ident.Actor{Kind: ident.Staff, ID: "stf_1", Roles: rs}
}
func keyOf(rs ...ident.Role) ident.Actor { return ident.Actor{Kind: ident.Key, ID: "key_1", Roles: rs} }

// customerOf is a customer who also claims every role: roles are not theirs to have.
func customerOf(id ident.ID) ident.Actor {
	every := []ident.Role{ident.RoleCustomer, ident.RoleAdmin, ident.RoleLead, ident.RoleHost}
	return ident.Actor{Kind: ident.Customer, ID: id, Roles: every}
}

var marks = map[ident.Kind]string{"": "+", ident.KindDenied: "-", ident.KindNotFound: "0", ident.KindUnsignedIn: "?"}

// expectations reads testdata/matrix.txt: act, way of logging, one mark per seat.
func expectations(t *testing.T) map[access.Act][]string {
	t.Helper()
	file, err := os.Open("testdata/matrix.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := map[access.Act][]string{}
	in := bufio.NewScanner(file)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if words[0] == "act" {
			for i, s := range seats {
				if words[2+i] != s.name {
					t.Fatalf("column %d is %s, want %s", i, words[2+i], s.name)
				}
			}
			continue
		}
		if len(words) != 2+len(seats) {
			t.Fatalf("row %q has %d words, want %d", words[0], len(words), 2+len(seats))
		}
		out[access.Act(words[0])] = words[1:]
	}
	return out
}

// Every act for every seat, through Update and the audit log, against the file.
// A new act without a row fails, and so does a row without an act.
func TestMatrix(t *testing.T) {
	want := expectations(t)
	for act := range want {
		if _, ok := access.Lookup(act); !ok {
			t.Errorf("%s is expected but is not an act", act)
		}
	}
	each(t, false, func(h *house, _ *db.Faults) {
		var wg sync.WaitGroup
		acts := append(access.Acts(), access.Spec{Act: "claim.invented"}, access.Spec{Act: ""})
		for _, spec := range acts {
			row, ok := want[spec.Act]
			if _, known := access.Lookup(spec.Act); !known {
				row = strings.Fields("always - - - - - - - - - - - - - - - - - -") // unknown: denied to all
			} else if !ok {
				t.Errorf("%s has no row in testdata/matrix.txt", spec.Act)
				continue
			}
			if known, _ := access.Lookup(spec.Act); spec.Log != known.Log || spec.Log != "" && row[0] != string(spec.Log) {
				t.Errorf("%s is logged %q, want %q", spec.Act, spec.Log, row[0])
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i, s := range seats {
					h.tryCell(spec.Act, s.name, s.actor, s.owner, row[0], row[1+i])
				}
			}()
		}
		wg.Wait()
	})
}

// tryCell does one act for one seat and looks for its trace in the log. The act
// with no name has none to record: there it is enough that it fails.
func (h *house) tryCell(act access.Act, seat string, actor ident.Actor, owner ident.ID, log, want string) {
	obj := access.Object{ID: string(act) + "/" + seat, Owner: owner}
	ran := false
	err := h.a.Update(h.ctx, actor, act, obj, nil, func(*db.Tx) error { ran = true; return nil })
	if got := marks[ident.KindOf(err)]; got != want || ran != (want == "+") {
		h.Errorf("%s %s: %q (%v, ran %v), want %q", act, seat, got, err, ran, want)
	}
	if act == "" {
		return
	}
	outcome := map[string]audit.Outcome{"always": audit.Done, "read": audit.Read, "never": ""}[log]
	if want != "+" {
		outcome = audit.Refused
	}
	if got := h.history(obj.ID); got != string(outcome) {
		h.Errorf("%s %s: the log says %q, want %q", act, seat, got, outcome)
	}
	seen := false
	obj.ID += "/view"
	err = h.a.View(h.ctx, actor, act, obj, func(*db.Tx) error { seen = true; return nil })
	if got := marks[ident.KindOf(err)]; got != want || seen != (want == "+") {
		h.Errorf("%s %s, view: %q (%v, ran %v), want %q", act, seat, got, err, seen, want)
	}
	if got := h.history(obj.ID); got != string(outcome) {
		h.Errorf("%s %s, view: the log says %q, want %q", act, seat, got, outcome)
	}
}

// history is the outcomes of an object's records.
func (h *house) history(object ident.ID) string {
	var out []string
	err := h.d.View(h.ctx, func(tx *db.Tx) error {
		rs, err := h.log.History(tx, object)
		out = nil
		for _, r := range rs {
			out = append(out, string(r.Outcome))
		}
		return err
	})
	if err != nil {
		h.Error(err)
	}
	return strings.Join(out, " ")
}

// What ends payouts is for people: a key's answers of a bank are not taken, and
// nobody ends a payout of unknown outcome alone.
func TestWhoEndsPayouts(t *testing.T) {
	for _, c := range []struct {
		act      access.Act
		fourEyes bool
	}{{access.ActFundSettle, false}, {access.ActFundReconcile, true}} {
		spec, ok := access.Lookup(c.act)
		if !ok || spec.FourEyes != c.fourEyes || spec.Customer || len(spec.Roles) != 1 || spec.Roles[0] != ident.RoleFund {
			t.Errorf("%s: %+v", c.act, spec)
		}
	}
}

// An owner of "*" is nobody's and everybody's: it is refused to all.
func TestNoWildcardOwner(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		for _, s := range seats {
			actor := s.actor
			if actor.Kind == ident.Customer {
				actor.ID = "*"
			}
			err := h.a.Update(h.ctx, actor, access.ActPaymentRead, access.Object{ID: "pay_1", Owner: "*"}, nil,
				func(*db.Tx) error { return nil })
			if err == nil {
				t.Errorf("%s passed", s.name)
			}
		}
		nobody := ident.Actor{Kind: ident.Customer}
		err := h.a.Update(h.ctx, nobody, access.ActPaymentList, access.Object{}, nil, func(*db.Tx) error { return nil })
		h.want(err, ident.KindUnsignedIn, "not_signed_in")
	})
}
