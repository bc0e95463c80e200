package access

import (
	"slices"
	"strings"

	"surety/kernel/ident"
)

// Object is what an act is done to.
type Object struct {
	ID    ident.ID // "" for an act on many or on none
	Owner ident.ID // party id of the customer whose thing it is, "" if nobody's
}

// Absent is the error for an object that is not there. Domain packages return
// it, so that a customer hears the same of another's object as of none.
func Absent(act Act, id ident.ID) *ident.Error {
	noun, _, _ := strings.Cut(string(act), ".")
	return ident.NotFound(noun, id)
}

// decide says whether the actor may do the act to the object; nil means yes. It
// looks at nothing but its arguments and the table.
func decide(actor ident.Actor, act Act, obj Object) *ident.Error {
	spec, known := table[act]
	if !known || obj.Owner == "*" {
		return denied(act)
	}
	if actor.ID == "" {
		return unsigned()
	}
	switch actor.Kind {
	case ident.Customer:
		return decideCustomer(actor, act, obj, spec)
	case ident.System:
		if spec.System {
			return nil
		}
		return denied(act)
	case ident.Staff:
		if slices.ContainsFunc(spec.Roles, func(r ident.Role) bool { return r != host && actor.Has(r) }) {
			return nil
		}
		return denied(act)
	case ident.Key:
		may := func(r ident.Role) bool {
			return actor.Has(r) && slices.Contains(keyRoles, r) && (r == host || spec.Log != Always)
		}
		if !spec.FourEyes && slices.ContainsFunc(spec.Roles, may) {
			return nil
		}
		return denied(act)
	}
	return unsigned()
}

// decideCustomer lets customers at their own things. For another's object every
// act answers as for an absent one: a "denied" would say that it exists.
func decideCustomer(actor ident.Actor, act Act, obj Object, spec Spec) *ident.Error {
	own := obj.Owner == actor.ID
	switch {
	case own && spec.Customer:
		return nil
	case !own && obj.ID != "":
		return Absent(act, obj.ID)
	}
	return denied(act)
}

func denied(act Act) *ident.Error {
	return ident.E(ident.KindDenied, "not_allowed", "you may not do this (%s); ask an administrator if you should", act)
}

func unsigned() *ident.Error {
	return ident.E(ident.KindUnsignedIn, "not_signed_in", "sign in first, or send an API key")
}
