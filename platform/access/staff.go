package access

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"surety/kernel/ident"
	"surety/platform/db"
)

// Staff is a member of staff.
type Staff struct {
	ID       ident.ID // stf_…
	Email    string   // lower case
	Name     string
	Roles    []ident.Role // sorted
	Added    time.Time
	Disabled time.Time // zero if the person may sign in
}

// NewStaff is what AddStaff needs.
type NewStaff struct {
	ID       ident.ID // made by the caller, so that a lost answer can be asked for again; "" to have one made
	Email    string
	Name     string
	Roles    []ident.Role // of admin, analyst, handler, fund, lead, compliance
	Password string       // at least 12 characters; the person should change it
}

// staffRow is a Staff with what only this package may see.
type staffRow struct {
	Staff
	phc   string
	epoch int64
	first bool
}

// Bootstrap makes the first administrator. It works only while there is no staff
// at all; called again with the same data it gives the same answer.
func (a *Access) Bootstrap(ctx context.Context, email, name, password string) (Staff, error) {
	in := NewStaff{Email: email, Name: name, Roles: roles{admin}, Password: password}
	return a.addStaff(ctx, ident.Job("bootstrap"), ActStaffBootstrap, in)
}

// AddStaff adds a person. The same call with the same id gives the same answer;
// another body under the id, or a taken e-mail address, is KindConflict.
func (a *Access) AddStaff(ctx context.Context, actor ident.Actor, in NewStaff) (Staff, error) {
	return a.addStaff(ctx, actor, ActStaffManage, in)
}

func (a *Access) addStaff(ctx context.Context, actor ident.Actor, act Act, in NewStaff) (Staff, error) {
	row, err := a.newStaff(in)
	if err != nil {
		return Staff{}, err
	}
	row.first = act == ActStaffBootstrap
	if why := decide(actor, act, Object{ID: row.ID}); why != nil { // before the slow hash
		return Staff{}, a.record(ctx, refuse(why, actor, act, row.ID, nil))
	}
	if row.phc, err = a.hashPassword(ctx, in.Password); err != nil {
		return Staff{}, err
	}
	var out staffRow
	err = a.Update(ctx, actor, act, Object{ID: row.ID}, map[string]any{"roles": row.Roles}, func(tx *db.Tx) error {
		out, err = insertStaff(tx, row)
		return err
	})
	if err != nil {
		return Staff{}, err
	}
	if out.phc != row.phc { // it was there: the password is part of the body
		same, err := a.matches(ctx, in.Password, out.phc)
		if err != nil {
			return Staff{}, err
		}
		if !same {
			return Staff{}, staffTaken()
		}
	}
	return out.Staff, nil
}

// newStaff checks the input and puts it in order.
func (a *Access) newStaff(in NewStaff) (staffRow, error) {
	if in.ID == "" {
		in.ID = a.ids.New("stf")
	}
	if err := ident.CheckID("id", in.ID); err != nil {
		return staffRow{}, err
	}
	email, err := normalEmail(in.Email)
	if err != nil {
		return staffRow{}, err
	}
	name, err := normalName(in.Name)
	if err != nil {
		return staffRow{}, err
	}
	rs, err := normalRoles(in.Roles, staffRoles)
	if err != nil {
		return staffRow{}, err
	}
	if err := checkPassword(in.Password); err != nil {
		return staffRow{}, err
	}
	return staffRow{Staff: Staff{ID: in.ID, Email: email, Name: name, Roles: rs, Added: a.clock.Now()}, epoch: 1}, nil
}

// SetRoles gives a member of staff other roles and ends their sessions. Nobody
// sets their own.
func (a *Access) SetRoles(ctx context.Context, actor ident.Actor, id ident.ID, to []ident.Role) (Staff, error) {
	rs, err := normalRoles(to, staffRoles)
	if err != nil {
		return Staff{}, err
	}
	return a.changeStaff(ctx, actor, id, map[string]any{"roles": rs}, func(s *staffRow) { s.Roles = rs })
}

// Disable shuts a member of staff out at once: sessions end, signatures on open
// approvals no longer count. Nobody disables themselves, so one administrator stays.
func (a *Access) Disable(ctx context.Context, actor ident.Actor, id ident.ID) (Staff, error) {
	now := a.clock.Now()
	return a.changeStaff(ctx, actor, id, map[string]any{"disabled": true}, func(s *staffRow) {
		if s.Disabled.IsZero() {
			s.Disabled = now
		}
	})
}

// Enable lets a disabled member of staff in again.
func (a *Access) Enable(ctx context.Context, actor ident.Actor, id ident.ID) (Staff, error) {
	return a.changeStaff(ctx, actor, id, map[string]any{"disabled": false}, func(s *staffRow) { s.Disabled = time.Time{} })
}

// changeStaff changes another person's row under the guard of its epoch. What is
// already so stays as it is, sessions included: a repeated call does nothing more.
func (a *Access) changeStaff(ctx context.Context, actor ident.Actor, id ident.ID, detail any,
	change func(*staffRow)) (Staff, error) {
	var out Staff
	err := a.Run(ctx, func(tx *db.Tx) error {
		if err := a.Check(tx, actor, ActStaffManage, Object{ID: id}, detail); err != nil {
			return err
		}
		if actor.ID == id {
			return refuse(ident.E(ident.KindDenied, "own_account",
				"nobody changes their own roles or standing; ask another administrator"), actor, ActStaffManage, id, detail)
		}
		old, found, err := staffByID(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return Absent(ActStaffManage, id)
		}
		s := old
		change(&s)
		out = s.Staff
		if slices.Equal(s.Roles, old.Roles) && s.Disabled.Equal(old.Disabled) {
			return nil
		}
		return updateStaff(tx, s, old.epoch)
	})
	if err != nil {
		return Staff{}, err
	}
	return out, nil
}

// ChangePassword changes the actor's own password and ends all their sessions.
// A wrong old password counts as a failed sign-in.
func (a *Access) ChangePassword(ctx context.Context, actor ident.Actor, old, fresh string) error {
	if err := checkPassword(fresh); err != nil {
		return err
	}
	obj := Object{ID: actor.ID}
	if why := decide(actor, ActStaffPassword, obj); why != nil {
		return a.record(ctx, refuse(why, actor, ActStaffPassword, actor.ID, nil))
	}
	var row staffRow
	err := a.db.View(ctx, func(tx *db.Tx) (err error) {
		row, _, err = staffByID(tx, actor.ID)
		return err
	})
	if err != nil {
		return err
	}
	t, err := a.try(ctx, row.Email, old)
	if err != nil {
		return err
	}
	phc, err := a.hashPassword(ctx, fresh)
	if err != nil {
		return err
	}
	return a.Update(ctx, actor, ActStaffPassword, obj, nil, func(tx *db.Tx) error {
		if err := t.giveBack(tx); err != nil {
			return err
		}
		s := t.staff
		s.phc = phc
		return updateStaff(tx, s, t.staff.epoch)
	})
}

// StaffList returns all staff by name. Call it in a View for ActStaffRead.
func (a *Access) StaffList(tx *db.Tx) ([]Staff, error) { return listStaff(tx) }

// StaffByID returns one member of staff, also a disabled one. Call it where the
// name of an actor is to be shown.
func (a *Access) StaffByID(tx *db.Tx, id ident.ID) (Staff, error) {
	row, found, err := staffByID(tx, id)
	if err != nil {
		return Staff{}, err
	}
	if !found {
		return Staff{}, Absent(ActStaffRead, id)
	}
	return row.Staff, nil
}

func staffTaken() error {
	return ident.E(ident.KindConflict, "staff_exists",
		"there is somebody with this id or e-mail address already, with other data")
}

// normalEmail makes an address comparable. It does not judge addresses: that
// it has one @ and no blanks keeps slips out, sending a message proves the rest.
func normalEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, ok := strings.Cut(s, "@")
	bad := strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || bad || len(s) > 254 || !utf8.ValidString(s) {
		return "", ident.Invalid("email", "email_malformed", "the e-mail address must look like name@example.org")
	}
	return s, nil
}

func normalName(s string) (string, error) {
	s = strings.TrimSpace(s)
	bad := strings.ContainsFunc(s, unicode.IsControl)
	if s == "" || bad || utf8.RuneCountInString(s) > 100 || !utf8.ValidString(s) {
		return "", ident.Invalid("name", "name_malformed", "the name must have 1 to 100 characters on one line")
	}
	return s, nil
}

// normalRoles sorts roles, drops doubles and refuses those that may not be held.
func normalRoles(rs, allowed []ident.Role) ([]ident.Role, error) {
	if len(rs) == 0 {
		return nil, ident.Invalid("roles", "roles_missing", "at least one role is needed")
	}
	for _, r := range rs {
		if !slices.Contains(allowed, r) {
			return nil, ident.Invalid("roles", "role_unknown", "the role %q cannot be given here; the roles are %v", r, allowed)
		}
	}
	out := slices.Clone(rs)
	slices.Sort(out)
	return slices.Compact(out), nil
}
