package console

import (
	"github.com/a-h/templ"

	"surety/edge/web"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
)

// staffRoles and keyRoles are what can be given here; access refuses the rest.
func staffRoles() []ident.Role {
	return []ident.Role{ident.RoleAnalyst, ident.RoleHandler, ident.RoleFund, ident.RoleLead, ident.RoleCompliance, ident.RoleAdmin}
}

func keyRoles() []ident.Role {
	return []ident.Role{ident.RoleHost, ident.RoleAnalyst, ident.RoleCompliance}
}

// staff is who works here and which programs may call.
func (a *ask) staff() error { return a.staffPage(nil) }

func (a *ask) staffPage(fresh templ.Component) error {
	var people []access.Staff
	err := a.view(access.ActStaffRead, "", func(tx *db.Tx) (err error) {
		people, err = a.c.cfg.Access.StaffList(tx)
		return err
	})
	if err != nil {
		return err
	}
	var keys []access.Key
	if a.may(access.ActKeyRead) {
		err := a.view(access.ActKeyRead, "", func(tx *db.Tx) (err error) {
			keys, err = a.c.cfg.Access.Keys(tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	body := []templ.Component{fresh, a.staffTable(people), a.keysTable(keys, people)}
	if a.may(access.ActStaffManage) {
		body = append(body, columns(a.addStaffForm(), a.addKeyForm()))
	}
	return a.show(web.PageProps{Title: a.t("staff.title"), Lead: a.t("staff.lead")}, body...)
}

func (a *ask) staffTable(people []access.Staff) templ.Component {
	rows := make([]web.Row, len(people))
	for i, p := range people {
		state := web.Badge(web.Good, a.t("staff.active"))
		if !p.Disabled.IsZero() {
			state = web.Badge(web.Held, a.t("staff.disabled"))
		}
		rows[i] = web.Row{ID: p.ID, Name: p.Name, Cells: []templ.Component{web.Two(p.Name, p.Email), web.Text(a.rolesText(p.Roles)), state,
			web.Date(p.Added), a.staffActs(p)}}
	}
	return web.Table(web.TableProps{ID: "staff", Title: a.t("staff.people"), Rows: rows, Count: a.t("staff.count", len(rows)),
		Columns: []web.Column{{Label: a.t("staff.name")}, {Label: a.t("staff.roles"), Wide: true},
			{Label: a.t("payments.state")}, {Label: a.t("staff.added")},
			{Label: a.t("staff.acts")}}})
}

func (a *ask) staffActs(p access.Staff) templ.Component {
	if !a.may(access.ActStaffManage) || p.ID == a.actor.ID {
		return web.Muted("—")
	}
	acts := []templ.Component{}
	if p.Disabled.IsZero() {
		acts = append(acts, web.Confirm(web.ConfirmProps{Button: a.t("staff.disable"), Danger: true, Action: "/staff/" + p.ID + "/disable",
			Says: a.t("staff.disable_says", p.Name), Yes: a.t("staff.disable_yes", p.Name)}))
	} else {
		acts = append(acts, web.Confirm(web.ConfirmProps{Button: a.t("staff.enable"), Action: "/staff/" + p.ID + "/enable",
			Says: a.t("staff.enable_says", p.Name), Yes: a.t("staff.enable_yes", p.Name)}))
	}
	acts = append(acts, web.Confirm(web.ConfirmProps{Button: a.t("staff.change"), Action: "/staff/" + p.ID + "/roles",
		Says: a.t("staff.roles_says", p.Name),
		Yes:  a.t("staff.roles_yes"), Body: fieldsOf(a.roleBoxes("roles-"+p.ID, staffRoles(), p.Roles))}))
	return web.Group(acts...)
}

// roleBoxes are a box for each role.
func (a *ask) roleBoxes(form string, all, have []ident.Role) (out []web.FieldProps) {
	for _, r := range all {
		f := web.FieldProps{Name: "role_" + string(r), Label: a.word("role.", string(r)), Hint: a.t("role_hint." + string(r)), Type: "checkbox"}
		for _, h := range have {
			if h == r {
				f.Value = "on"
			}
		}
		out = append(out, a.field(form, f))
	}
	return out
}

func (a *ask) postedRoles(all []ident.Role) (out []ident.Role) {
	for _, r := range all {
		if a.posted("role_"+string(r)) == "on" {
			out = append(out, r)
		}
	}
	return out
}

func (a *ask) addStaffForm() templ.Component {
	id := a.c.cfg.IDs.New("stf")
	if a.bad == "staff" && a.posted("id") != "" {
		id = a.posted("id")
	}
	fields := []web.FieldProps{
		{Name: "name", Label: a.t("staff.name"), Autocomplete: "off"},
		{Name: "email", Label: a.t("signin.email"), Type: "email", Autocomplete: "off"},
		{Name: "password", Label: a.t("staff.first_password"), Type: "password", Hint: a.t("me.fresh_hint"), Autocomplete: "new-password"},
	}
	return a.card("staff.add", a.form("staff", web.FormProps{Action: "/staff/add", Submit: a.t("staff.add_submit"),
		Hidden: []web.Hidden{{Name: "id", Value: id}}},
		append(fields, a.roleBoxes("staff", staffRoles(), nil)...)...))
}

func (a *ask) addKeyForm() templ.Component {
	fields := []web.FieldProps{{Name: "name", Label: a.t("key.name"), Hint: a.t("key.name_hint")}}
	return a.card("key.add", a.form("key", web.FormProps{Action: "/keys/add", Submit: a.t("key.add_submit")},
		append(fields, a.roleBoxes("key", keyRoles(), nil)...)...))
}

func (a *ask) keysTable(keys []access.Key, people []access.Staff) templ.Component {
	names := map[ident.ID]string{}
	for _, p := range people {
		names[p.ID] = p.Name
	}
	rows := make([]web.Row, len(keys))
	for i, k := range keys {
		state, act := web.Badge(web.Good, a.t("key.works")), templ.Component(web.Muted("—"))
		if !k.Revoked.IsZero() {
			state = web.Badge(web.Held, a.t("key.revoked"))
		} else if a.may(access.ActKeyManage) {
			act = web.Confirm(web.ConfirmProps{Button: a.t("key.revoke"), Danger: true, Action: "/keys/" + k.ID + "/revoke",
				Says: a.t("key.revoke_says", k.Name), Yes: a.t("key.revoke_yes")})
		}
		rows[i] = web.Row{ID: k.ID, Name: k.Name, Cells: []templ.Component{web.Two(k.Name, k.ID), web.Text(a.rolesText(k.Roles)), state,
			web.Two(orRaw(names[k.MadeBy], []string{k.MadeBy}), web.OnDay(a.ctx, k.Made)), act}}
	}
	return web.Table(web.TableProps{ID: "api-keys", Title: a.t("key.title"), Rows: rows, Count: a.t("key.count", len(rows)),
		Columns: []web.Column{{Label: a.t("key.name")}, {Label: a.t("staff.roles"), Wide: true}, {Label: a.t("payments.state")},
			{Label: a.t("key.made")},
			{Label: a.t("staff.acts")}},
		Empty: web.EmptyProps{Title: a.t("key.empty"), Text: a.t("key.empty_text")}})
}

func (a *ask) staffAdd() error {
	in := access.NewStaff{ID: a.posted("id"), Email: a.posted("email"), Name: a.posted("name"), Password: a.r.PostForm.Get("password"),
		Roles: a.postedRoles(staffRoles())}
	if _, err := a.c.cfg.Access.AddStaff(a.ctx, a.actor, in); err != nil {
		return a.again("staff", err, (*ask).staff)
	}
	return a.done("/staff", "staff.added_done", in.Name)
}

func (a *ask) staffChange() error {
	var err error
	switch what := a.path("what"); what {
	case "disable":
		_, err = a.c.cfg.Access.Disable(a.ctx, a.actor, a.path("id"))
	case "enable":
		_, err = a.c.cfg.Access.Enable(a.ctx, a.actor, a.path("id"))
	case "roles":
		_, err = a.c.cfg.Access.SetRoles(a.ctx, a.actor, a.path("id"), a.postedRoles(staffRoles()))
	default:
		return a.nowhere()
	}
	if err != nil {
		return a.again("", err, (*ask).staff)
	}
	return a.done("/staff", "staff.changed")
}

// keyAdd makes a key and shows its secret this once, on the answer to the post:
// it is in no address and in no history of the browser.
func (a *ask) keyAdd() error {
	secret, err := a.c.cfg.Access.NewKey(a.ctx, a.actor, a.posted("name"), a.postedRoles(keyRoles()))
	if err != nil {
		return a.again("key", err, (*ask).staff)
	}
	a.r.PostForm = nil // the form is empty again
	return a.staffPage(noteWith(web.Held, a.t("key.secret"), a.t("key.secret_text"), web.Code(secret)))
}

func (a *ask) keyRevoke() error {
	if err := a.c.cfg.Access.RevokeKey(a.ctx, a.actor, a.path("id")); err != nil {
		return a.again("", err, (*ask).staff)
	}
	return a.done("/staff", "key.revoked_done")
}
