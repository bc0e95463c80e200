package access

import (
	"slices"
	"strings"

	"surety/kernel/ident"
	"surety/platform/db"
)

const staffColumns = "id, email, name, roles, password, epoch, added_at, disabled_at, first"

type scanner = func(dest ...any) error

func scanStaff(scan scanner) (staffRow, error) {
	var s staffRow
	var rs string
	var added, disabled, first int64
	err := scan(&s.ID, &s.Email, &s.Name, &rs, &s.phc, &s.epoch, &added, &disabled, &first)
	s.Roles, s.Added, s.Disabled = splitRoles(rs), ident.FromMicros(added), ident.FromMicros(disabled)
	s.first = first == 1
	return s, err
}

func oneStaff(tx *db.Tx, where string, arg any) (s staffRow, found bool, err error) {
	query := "select " + staffColumns + " from staff where " + where
	err = tx.Rows(query, []any{arg}, func(scan func(...any) error) (err error) {
		found = true
		s, err = scanStaff(scan)
		return err
	})
	return s, found, err
}

func staffByID(tx *db.Tx, id ident.ID) (staffRow, bool, error) { return oneStaff(tx, "id = $1", id) }

func staffByEmail(tx *db.Tx, email string) (staffRow, bool, error) {
	return oneStaff(tx, "email = $1", email)
}

func listStaff(tx *db.Tx) (out []Staff, err error) {
	err = tx.Rows("select "+staffColumns+" from staff order by name, id", nil, func(scan func(...any) error) error {
		s, err := scanStaff(scan)
		out = append(out, s.Staff)
		return err
	})
	return out, err
}

// insertStaff adds the row, or returns the one that is there if it is the same
// but for its password, which cannot be compared here.
func insertStaff(tx *db.Tx, s staffRow) (staffRow, error) {
	first := int64(0)
	if s.first {
		first = 1
		if done, existing, err := bootstrapped(tx, s); done || err != nil {
			return existing, err
		}
	}
	n, err := tx.Exec(`insert into staff (id, email, name, roles, password, epoch, added_at, first)
		values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
		s.ID, s.Email, s.Name, joinRoles(s.Roles), s.phc, s.epoch, ident.Micros(s.Added), first)
	if err != nil {
		return staffRow{}, err
	}
	if n == 1 {
		return s, nil
	}
	old, found, err := staffByID(tx, s.ID)
	if err != nil {
		return staffRow{}, err
	}
	if !found || old.Email != s.Email || old.Name != s.Name || !slices.Equal(old.Roles, s.Roles) {
		return staffRow{}, staffTaken()
	}
	return old, nil
}

// bootstrapped finds out whether there is staff already, and whether it is this
// very administrator. The unique index staff_first guards what this cannot see.
func bootstrapped(tx *db.Tx, s staffRow) (done bool, existing staffRow, err error) {
	var n int64
	if _, err := tx.Row([]any{&n}, "select count(*) from staff"); err != nil || n == 0 {
		return false, staffRow{}, err
	}
	existing, found, err := staffByEmail(tx, s.Email)
	if err != nil {
		return false, staffRow{}, err
	}
	if found && existing.first && existing.Name == s.Name {
		return true, existing, nil
	}
	return false, staffRow{}, ident.E(ident.KindState, "already_bootstrapped",
		"there is staff already; sign in as an administrator to add more")
}

// updateStaff saves s if its epoch is still old, and moves the epoch on: all
// sessions opened under the old one are over.
func updateStaff(tx *db.Tx, s staffRow, old int64) error {
	miss := ident.E(ident.KindConflict, "staff_changed", "somebody else has just changed this person; look again")
	return tx.ExecOne(miss, `update staff set roles = $1, password = $2, disabled_at = $3, epoch = epoch + 1
		where id = $4 and epoch = $5`, joinRoles(s.Roles), s.phc, disabledMicros(s), s.ID, old)
}

func disabledMicros(s staffRow) int64 {
	if s.Disabled.IsZero() {
		return 0
	}
	return ident.Micros(s.Disabled)
}

func joinRoles(rs []ident.Role) string {
	words := make([]string, len(rs))
	for i, r := range rs {
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}

func splitRoles(s string) []ident.Role {
	var out []ident.Role
	for _, w := range strings.Fields(s) {
		out = append(out, ident.Role(w))
	}
	return out
}
