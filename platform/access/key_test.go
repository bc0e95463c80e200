package access_test

import (
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
)

// A key that worked is believed for a second, also by another process that has
// not revoked it; where it was revoked it is dead at once, also if the answer to
// that was lost.
func TestKeysInMemory(t *testing.T) {
	each(t, true, func(h *house, f *db.Faults) {
		secret, err := h.a.NewKey(h.ctx, h.admin, "wallet", []ident.Role{"host"})
		h.ok(err)
		other, err := access.New(access.Config{DB: h.d, Audit: h.log, Clock: h.clock, IDs: ident.NewMaker(h.clock)})
		h.ok(err)
		for _, a := range []*access.Access{h.a, other} {
			for range 2 {
				_, err := a.ByKey(h.ctx, secret)
				h.ok(err)
			}
		}
		before := f.Commits()
		f.MuteCommit(1)
		h.want(h.a.RevokeKey(h.ctx, h.admin, access.KeyID(secret)), ident.KindUnknown, "outcome_unknown")
		_, err = h.a.ByKey(h.ctx, secret)
		h.want(err, ident.KindUnsignedIn, "key_wrong")
		if f.Commits() != before+2 {
			t.Fatalf("%d commits, want the revocation and the refusal", f.Commits()-before)
		}
		_, err = other.ByKey(h.ctx, secret)
		h.ok(err)
		h.clock.Advance(-time.Hour) // a clock set back prolongs nothing
		_, err = other.ByKey(h.ctx, secret)
		h.want(err, ident.KindUnsignedIn, "key_wrong")
		h.clock.Advance(time.Hour + time.Second)
		_, err = other.ByKey(h.ctx, secret)
		h.want(err, ident.KindUnsignedIn, "key_wrong")
	})
}

// What is permitted now and recorded later leaves one entry with who did it; a
// refusal is logged at once.
func TestMayAndRecord(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		host := ident.Actor{Kind: ident.Key, ID: "key_1", Roles: []ident.Role{ident.RoleHost}}
		nobody := ident.Actor{Kind: ident.Staff, ID: "stf_1", Roles: []ident.Role{ident.RoleFund}}
		before := h.rows()
		h.ok(h.a.May(h.ctx, host, access.ActPaymentAssess, access.Object{ID: "P1"}, nil))
		if h.rows() != before {
			t.Fatal("a permission was logged before anything was done")
		}
		h.want(h.logged(access.ActPaymentAssess, audit.Refused, func() error {
			return h.a.May(h.ctx, nobody, access.ActPaymentAssess, access.Object{ID: "P1"}, nil)
		}), ident.KindDenied, "not_allowed")
		h.ok(h.logged(access.ActPaymentAssess, audit.Done, func() error {
			return h.d.Update(h.ctx, func(tx *db.Tx) error {
				return h.a.Record(tx, ident.Actor{Kind: ident.Key, ID: "key_1"}, access.ActPaymentAssess, access.Object{ID: "P1"}, "x")
			})
		}))
	})
}
