package access_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/audit"
	"surety/platform/db"
)

func TestBootstrapOnce(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		again, err := h.a.Bootstrap(h.ctx, " ADMIN@example.org ", "Admin", password)
		h.ok(err)
		if again.ID != h.admin.ID {
			t.Fatalf("the same call made %s, was %s", again.ID, h.admin.ID)
		}
		_, err = h.a.Bootstrap(h.ctx, "admin@example.org", "Admin", "another password")
		h.want(err, ident.KindConflict, "staff_exists")
		_, err = h.a.Bootstrap(h.ctx, "thief@example.org", "Thief", password)
		h.want(err, ident.KindState, "already_bootstrapped")
	})
}

func TestStaffInput(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		good := access.NewStaff{ID: "stf_a", Email: "a@example.org", Name: "A",
			Roles: []ident.Role{"lead"}, Password: password}
		for _, c := range []struct {
			code string
			bad  func(*access.NewStaff)
		}{
			{"bad_character", func(s *access.NewStaff) { s.ID = "a b" }},
			{"email_malformed", func(s *access.NewStaff) { s.Email = "a example.org" }},
			{"email_malformed", func(s *access.NewStaff) { s.Email = "a@b@c" }},
			{"name_malformed", func(s *access.NewStaff) { s.Name = "A\nB" }},
			{"roles_missing", func(s *access.NewStaff) { s.Roles = nil }},
			{"role_unknown", func(s *access.NewStaff) { s.Roles = []ident.Role{"host"} }},
			{"role_unknown", func(s *access.NewStaff) { s.Roles = []ident.Role{"customer"} }},
			{"password_short", func(s *access.NewStaff) { s.Password = "密码密码密码密码密码密" }},
			{"password_long", func(s *access.NewStaff) { s.Password = strings.Repeat("x", 257) }},
		} {
			in := good
			c.bad(&in)
			_, err := h.a.AddStaff(h.ctx, h.admin, in)
			h.want(err, ident.KindInvalid, c.code)
		}
		first, err := h.a.AddStaff(h.ctx, h.admin, good)
		h.ok(err)
		again, err := h.a.AddStaff(h.ctx, h.admin, good)
		h.ok(err)
		if again.ID != first.ID {
			t.Fatal(again, first)
		}
		for _, other := range []access.NewStaff{
			{ID: "stf_a", Email: "a@example.org", Name: "B", Roles: good.Roles, Password: password},
			{ID: "stf_a", Email: "a@example.org", Name: "A", Roles: []ident.Role{"fund"}, Password: password},
			{ID: "stf_a", Email: "a@example.org", Name: "A", Roles: good.Roles, Password: password + "!"},
			{ID: "stf_b", Email: "A@example.org", Name: "A", Roles: good.Roles, Password: password},
		} {
			_, err = h.a.AddStaff(h.ctx, h.admin, other)
			h.want(err, ident.KindConflict, "staff_exists")
		}
		_, err = h.a.AddStaff(h.ctx, person(first), access.NewStaff{
			Email: "c@d", Name: "C", Roles: good.Roles, Password: password})
		h.want(err, ident.KindDenied, "not_allowed")
		_, err = h.a.Disable(h.ctx, h.admin, "stf_nobody")
		h.want(err, ident.KindNotFound, "staff_not_found")
		_, err = h.a.SetRoles(h.ctx, h.admin, h.admin.ID, []ident.Role{"admin", "fund"})
		h.want(err, ident.KindDenied, "own_account")
		_, err = h.a.Disable(h.ctx, h.admin, h.admin.ID)
		h.want(err, ident.KindDenied, "own_account")
	})
}

// No secret is kept in clear, and the hash is the one that OWASP asks for.
func TestSecretsAreHashed(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		lead := h.hire("lea", ident.RoleLead)
		token, err := h.a.SignIn(h.ctx, "lea@example.org", password)
		h.ok(err)
		secret, err := h.a.NewKey(h.ctx, h.admin, "wallet", []ident.Role{"host"})
		h.ok(err)
		link, err := h.a.NewLink(h.ctx, lead, "pty_1", 0)
		h.ok(err)
		if len(token) != 43 || len(link) != 43 || len(secret) != 3+26+1+43 {
			t.Fatalf("%q %q %q", token, link, secret)
		}
		var phc, all string
		h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
			if _, err := tx.Row([]any{&phc}, "select password from staff where id = $1", lead.ID); err != nil {
				return err
			}
			all = ""
			for _, q := range []string{
				"select token_hash, id from sessions", "select token_hash, party from portal_links",
				"select secret_hash, name from api_keys", "select salt, detail from audit_detail",
				"select hashes, body from audit_leaf", "select email_hash, '' from staff_tries",
			} {
				err := tx.Rows(q, nil, func(scan func(...any) error) error {
					var b []byte
					var s string
					err := scan(&b, &s)
					all += string(b) + s
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		}))
		if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Fatal(phc)
		}
		for _, s := range []string{token, link, secret, secret[30:], password, "lea@example.org"} {
			if strings.Contains(all, s) || strings.Contains(phc, s) {
				t.Fatalf("%q is stored in clear", s)
			}
		}
	})
}

// visitor is lea, a lead, signing in and out.
type visitor struct {
	*house
	lea ident.Actor
}

func (v *visitor) signIn() (token string) {
	v.Helper()
	v.ok(v.logged(access.ActSessionOpen, audit.Done, func() (err error) {
		token, err = v.a.SignIn(v.ctx, "Lea@example.org", password)
		return err
	}))
	return token
}

func (v *visitor) alive(token string) {
	v.Helper()
	who, err := v.a.Session(v.ctx, token)
	v.ok(err)
	if who.ID != v.lea.ID || !who.Has(ident.RoleLead) || who.Kind != ident.Staff || who.Session == "" {
		v.Fatalf("%+v", who)
	}
}

func (v *visitor) dead(token string) {
	v.Helper()
	_, err := v.a.Session(v.ctx, token)
	v.want(err, ident.KindUnsignedIn, "session_ended")
}

func TestSessionLife(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		v := &visitor{house: h, lea: h.hire("lea", ident.RoleLead)}
		v.dead("")
		v.dead("made up")

		// Idle: 15 minutes and not a moment more, and use extends it.
		s := v.signIn()
		h.clock.Advance(15*time.Minute - time.Microsecond)
		v.alive(s)
		h.clock.Advance(15*time.Minute - time.Microsecond)
		v.alive(s)
		h.clock.Advance(15 * time.Minute)
		v.dead(s)

		// Twelve hours in all, however much it is used.
		s = v.signIn()
		for range 12*6 - 1 {
			h.clock.Advance(10 * time.Minute)
			v.alive(s)
		}
		h.clock.Advance(10 * time.Minute)
		v.dead(s)

		s = v.signIn()
		other := v.signIn()
		h.ok(h.logged(access.ActSessionClose, audit.Done, func() error { return h.a.SignOut(h.ctx, s) }))
		before := h.rows()
		h.ok(h.a.SignOut(h.ctx, s))
		h.ok(h.a.SignOut(h.ctx, "made up"))
		if h.rows() != before {
			t.Fatal("nothing happened but was logged")
		}
		v.dead(s)
		v.alive(other)
	})
}

// Whatever changes about a person ends all their sessions at once.
func TestSessionsEndWithChange(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		v := &visitor{house: h, lea: h.hire("lea", ident.RoleLead)}
		set := func(rs ...ident.Role) func() error {
			return func() error { return errOf(h.a.SetRoles(h.ctx, h.admin, v.lea.ID, rs)) }
		}
		disable := func() error { return errOf(h.a.Disable(h.ctx, h.admin, v.lea.ID)) }
		for _, change := range []func() error{set("lead", "fund"), set("lead"), disable} {
			s := v.signIn()
			v.alive(s)
			h.ok(h.logged(access.ActStaffManage, audit.Done, change))
			v.dead(s)
			h.ok(change()) // again changes nothing
		}
		_, err := h.a.SignIn(h.ctx, "lea@example.org", password)
		h.want(err, ident.KindUnsignedIn, "sign_in_failed")
		h.ok(errOf(h.a.Enable(h.ctx, h.admin, v.lea.ID)))
		s := v.signIn()
		h.ok(set("lead")()) // as it was: the session goes on
		v.alive(s)

		err = h.a.ChangePassword(h.ctx, v.lea, "wrong wrong wrong", "a new password")
		h.want(err, ident.KindUnsignedIn, "sign_in_failed")
		h.want(h.a.ChangePassword(h.ctx, v.lea, password, "short"), ident.KindInvalid, "password_short")
		h.ok(h.logged(access.ActStaffPassword, audit.Done, func() error {
			return h.a.ChangePassword(h.ctx, v.lea, password, "a new password")
		}))
		v.dead(s)
		_, err = h.a.SignIn(h.ctx, "lea@example.org", password)
		h.want(err, ident.KindUnsignedIn, "sign_in_failed")
		_, err = h.a.SignIn(h.ctx, "lea@example.org", "a new password")
		h.ok(err)
	})
}

// A busy session writes once a minute, not with each request.
func TestSessionTouchesSeldom(t *testing.T) {
	each(t, true, func(h *house, f *db.Faults) {
		h.hire("lea", ident.RoleLead)
		token, err := h.a.SignIn(h.ctx, "lea@example.org", password)
		h.ok(err)
		before := f.Commits()
		for range 300 { // 5 minutes, one request a second
			h.clock.Advance(time.Second)
			_, err := h.a.Session(h.ctx, token)
			h.ok(err)
		}
		if n := f.Commits() - before; n != 5 {
			t.Fatalf("%d writes in 5 minutes, want 5", n)
		}
	})
}

// Ten failed tries in any 30 minutes, whoever guesses, known address or not.
func TestTenTries(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		h.hire("lea", ident.RoleLead)
		for _, email := range []string{"lea@example.org", "nobody@example.org", "not an address"} {
			start := h.clock.Now()
			for range 10 {
				err := h.logged(access.ActSessionOpen, audit.Refused, func() error {
					_, err := h.a.SignIn(h.ctx, email, "wrong wrong wrong")
					return err
				})
				h.want(err, ident.KindUnsignedIn, "sign_in_failed")
				h.clock.Advance(time.Minute)
			}
			err := h.logged(access.ActSessionOpen, audit.Refused, func() error {
				_, err := h.a.SignIn(h.ctx, strings.ToUpper(email[:1])+email[1:], password)
				return err
			})
			if email == "not an address" { // no address: not normalised, counted as typed
				_, err = h.a.SignIn(h.ctx, email, password)
			}
			h.want(err, ident.KindLimit, "too_many_tries")
			if when := start.Add(30 * time.Minute).Format("2006-01-02 15:04:05"); !strings.Contains(err.Error(), when) {
				t.Fatalf("%v does not say %s", err, when)
			}
			h.clock.Set(start.Add(30 * time.Minute)) // the first of the ten is old now: one more
			_, err = h.a.SignIn(h.ctx, email, "wrong wrong wrong")
			h.want(err, ident.KindUnsignedIn, "sign_in_failed")
			_, err = h.a.SignIn(h.ctx, email, "wrong wrong wrong")
			h.want(err, ident.KindLimit, "too_many_tries")
			h.clock.Advance(time.Hour)
		}
		for range 12 { // success does not use up tries
			_, err := h.a.SignIn(h.ctx, "lea@example.org", password)
			h.ok(err)
		}
	})
}

// Guessing in parallel gains nothing.
func TestTenTriesInParallel(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		h.hire("lea", ident.RoleLead)
		var wg sync.WaitGroup
		errs := make([]error, 24)
		for i := range errs {
			wg.Add(1)
			go func() {
				defer wg.Done()
				_, errs[i] = h.a.SignIn(h.ctx, "lea@example.org", "wrong wrong wrong")
			}()
		}
		wg.Wait()
		looked := 0
		for _, err := range errs {
			if ident.CodeOf(err) == "sign_in_failed" {
				looked++
			}
		}
		if looked != 10 {
			t.Fatalf("%d guesses were looked at, want 10: %v", looked, errors.Join(errs...))
		}
	})
}

func TestKeys(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		for _, r := range []ident.Role{"admin", "lead", "fund", "handler", "customer", "god"} {
			_, err := h.a.NewKey(h.ctx, h.admin, "wallet", []ident.Role{"host", r})
			h.want(err, ident.KindInvalid, "role_unknown")
		}
		var secret string
		h.ok(h.logged(access.ActKeyManage, audit.Done, func() (err error) {
			secret, err = h.a.NewKey(h.ctx, h.admin, "wallet", []ident.Role{"host"})
			return err
		}))
		who, err := h.a.ByKey(h.ctx, secret)
		h.ok(err)
		if who.Kind != ident.Key || who.ID != access.KeyID(secret) || who.Name != "wallet" || !who.Has("host") {
			t.Fatalf("%+v", who)
		}
		for _, bad := range []string{"", "sk_", secret[:len(secret)-1], secret + "x",
			"sk_" + strings.Repeat("0", 26) + "_x", strings.Replace(secret, "sk_", "SK_", 1)} {
			err := h.logged(access.ActKeyUse, audit.Refused, func() error { return errOf(h.a.ByKey(h.ctx, bad)) })
			h.want(err, ident.KindUnsignedIn, "key_wrong")
		}
		h.want(h.a.RevokeKey(h.ctx, who, who.ID), ident.KindDenied, "not_allowed")
		h.want(h.a.RevokeKey(h.ctx, h.admin, "key_none"), ident.KindNotFound, "key_not_found")
		h.ok(h.logged(access.ActKeyManage, audit.Done, func() error { return h.a.RevokeKey(h.ctx, h.admin, who.ID) }))
		h.ok(h.a.RevokeKey(h.ctx, h.admin, who.ID))
		_, err = h.a.ByKey(h.ctx, secret)
		h.want(err, ident.KindUnsignedIn, "key_wrong")
		h.ok(h.a.View(h.ctx, h.admin, access.ActKeyRead, access.Object{}, func(tx *db.Tx) error {
			keys, err := h.a.Keys(tx)
			if len(keys) != 1 || keys[0].Revoked.IsZero() || keys[0].MadeBy != h.admin.ID {
				t.Fatalf("%+v", keys)
			}
			return err
		}))
	})
}

func TestLinks(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		secret, err := h.a.NewKey(h.ctx, h.admin, "wallet", []ident.Role{"host"})
		h.ok(err)
		wallet, err := h.a.ByKey(h.ctx, secret)
		h.ok(err)
		_, err = h.a.NewLink(h.ctx, h.admin, "pty_1", 0)
		h.want(err, ident.KindDenied, "not_allowed")
		_, err = h.a.NewLink(h.ctx, wallet, "pty_1", 8*24*time.Hour)
		h.want(err, ident.KindInvalid, "ttl_out_of_range")
		_, err = h.a.NewLink(h.ctx, wallet, "*", 0)
		h.want(err, ident.KindInvalid, "bad_character")
		newLink := func() (token string) {
			h.ok(h.logged(access.ActLinkCreate, audit.Done, func() (err error) {
				token, err = h.a.NewLink(h.ctx, wallet, "pty_1", time.Minute)
				return err
			}))
			return token
		}
		spent := func(token string) {
			h.Helper()
			err := h.logged(access.ActSessionOpen, audit.Refused, func() error { return errOf(h.a.ByLink(h.ctx, token)) })
			h.want(err, ident.KindUnsignedIn, "link_spent")
		}
		link := newLink()
		var session string
		h.ok(h.logged(access.ActSessionOpen, audit.Done, func() (err error) {
			session, err = h.a.ByLink(h.ctx, link)
			return err
		}))
		who, err := h.a.Session(h.ctx, session)
		h.ok(err)
		if who.Kind != ident.Customer || who.ID != "pty_1" || who.Session == "" {
			t.Fatalf("%+v", who)
		}
		_, err = h.a.NewLink(h.ctx, who, "pty_1", 0)
		h.want(err, ident.KindDenied, "not_allowed")
		_, err = h.a.NewLink(h.ctx, who, "pty_2", 0)
		h.want(err, ident.KindNotFound, "link_not_found")
		spent(link)
		spent("made up")
		link = newLink()
		h.clock.Advance(time.Minute)
		spent(link)

		h.clock.Advance(29*time.Minute - time.Microsecond)
		_, err = h.a.Session(h.ctx, session)
		h.ok(err)
		h.clock.Advance(30 * time.Minute)
		_, err = h.a.Session(h.ctx, session)
		h.want(err, ident.KindUnsignedIn, "session_ended")

		n, err := h.a.Sweep(h.ctx, ident.Job("sweep"))
		h.ok(err)
		h.clock.Advance(60 * 24 * time.Hour)
		m, err := h.a.Sweep(h.ctx, ident.Job("sweep"))
		h.ok(err)
		if n != 0 || m != 3 { // 2 links, 1 session
			t.Fatalf("swept %d, then %d", n, m)
		}
	})
}

// One use, also when many use it at once.
func TestLinkInParallel(t *testing.T) {
	each(t, false, func(h *house, _ *db.Faults) {
		link, err := h.a.NewLink(h.ctx, ident.Job("test"), "pty_1", 0)
		h.ok(err)
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			wg.Add(1)
			go func() { defer wg.Done(); _, errs[i] = h.a.ByLink(h.ctx, link) }()
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				h.want(err, ident.KindUnsignedIn, "link_spent")
			}
		}
		if won != 1 {
			t.Fatalf("one link opened %d sessions", won)
		}
	})
}

// Each write both ways: lost, and done but the answer lost. After either, doing
// it again leads to the same end.
func TestStaffWritesLostAndMuted(t *testing.T) {
	each(t, true, func(h *house, f *db.Faults) {
		in := access.NewStaff{ID: "stf_x", Email: "x@example.org", Name: "X",
			Roles: []ident.Role{"lead"}, Password: password}
		secret, err := h.a.NewKey(h.ctx, h.admin, "wallet", []ident.Role{"host"})
		h.ok(err)
		fund := []ident.Role{"fund"}
		staff := func(is func(access.Staff) bool) func(tx *db.Tx) (bool, error) {
			return func(tx *db.Tx) (bool, error) {
				s, err := h.a.StaffByID(tx, "stf_x")
				if ident.Is(err, ident.KindNotFound) {
					return false, nil
				}
				return is(s), err
			}
		}
		steps := []struct {
			name string
			do   func() error
			done func(tx *db.Tx) (bool, error)
		}{
			{"add", func() error { return errOf(h.a.AddStaff(h.ctx, h.admin, in)) },
				staff(func(s access.Staff) bool { return s.Name == "X" })},
			{"roles", func() error { return errOf(h.a.SetRoles(h.ctx, h.admin, "stf_x", fund)) },
				staff(func(s access.Staff) bool { return s.Roles[0] == "fund" })},
			{"disable", func() error { return errOf(h.a.Disable(h.ctx, h.admin, "stf_x")) },
				staff(func(s access.Staff) bool { return !s.Disabled.IsZero() })},
			{"enable", func() error { return errOf(h.a.Enable(h.ctx, h.admin, "stf_x")) },
				staff(func(s access.Staff) bool { return s.Disabled.IsZero() })},
			{"revoke", func() error { return h.a.RevokeKey(h.ctx, h.admin, access.KeyID(secret)) },
				func(tx *db.Tx) (bool, error) { ks, err := h.a.Keys(tx); return !ks[0].Revoked.IsZero(), err }},
		}
		check := func(name string, want bool, done func(tx *db.Tx) (bool, error)) {
			h.Helper()
			h.ok(h.d.View(h.ctx, func(tx *db.Tx) error {
				got, err := done(tx)
				if got != want {
					t.Fatalf("%s: done is %v, want %v", name, got, want)
				}
				return err
			}))
		}
		for _, s := range steps {
			before := h.rows()
			f.LoseCommit(1)
			if err := s.do(); ident.KindOf(err) != ident.KindUnavailable {
				t.Fatalf("%s, lost: %v", s.name, err)
			}
			check(s.name, false, s.done)
			if h.rows() != before {
				t.Fatalf("%s: a lost act was logged", s.name)
			}
			f.MuteCommit(1)
			if err := s.do(); ident.KindOf(err) != ident.KindUnknown {
				t.Fatalf("%s, muted: %v", s.name, err)
			}
			check(s.name, true, s.done)
			if h.rows() != before+1 {
				t.Fatalf("%s left %d records", s.name, h.rows()-before)
			}
			h.ok(s.do())
			check(s.name, true, s.done)
		}
		h.signInFaults(f)
	})
}

// signInFaults fails each of the two commits of a sign-in, both ways.
func (h *house) signInFaults(f *db.Faults) {
	h.Helper()
	link, err := h.a.NewLink(h.ctx, ident.Job("test"), "pty_1", 0)
	h.ok(err)
	for n := 1; n <= 2; n++ {
		f.LoseCommit(n)
		_, err := h.a.SignIn(h.ctx, "admin@example.org", password)
		h.want(err, ident.KindUnavailable, "fault")
		f.MuteCommit(n)
		_, err = h.a.SignIn(h.ctx, "admin@example.org", password)
		h.want(err, ident.KindUnknown, "outcome_unknown")
		token, err := h.a.SignIn(h.ctx, "admin@example.org", password)
		h.ok(err)
		f.LoseCommit(1)
		h.want(h.a.SignOut(h.ctx, token), ident.KindUnavailable, "fault")
		_, err = h.a.Session(h.ctx, token)
		h.ok(err)
		f.MuteCommit(1)
		h.want(h.a.SignOut(h.ctx, token), ident.KindUnknown, "outcome_unknown")
		h.ok(h.a.SignOut(h.ctx, token))
		_, err = h.a.Session(h.ctx, token)
		h.want(err, ident.KindUnsignedIn, "session_ended")
	}
	f.LoseCommit(1)
	_, err = h.a.ByLink(h.ctx, link)
	h.want(err, ident.KindUnavailable, "fault")
	f.MuteCommit(1)
	_, err = h.a.ByLink(h.ctx, link)
	h.want(err, ident.KindUnknown, "outcome_unknown")
	_, err = h.a.ByLink(h.ctx, link) // it is spent: the wallet makes another
	h.want(err, ident.KindUnsignedIn, "link_spent")
}
