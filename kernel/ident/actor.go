package ident

// ActorKind says in what capacity somebody acts.
type ActorKind string

// The kinds of actors. Only Staff are people who can approve: an API key never
// counts as one of two people.
const (
	Staff    ActorKind = "staff"    // a named employee, signed in
	Customer ActorKind = "customer" // a payer, payee, heir or helper, signed in to the portal
	Key      ActorKind = "key"      // a program of the operator's, by API key
	System   ActorKind = "system"   // the product itself: a job, a timer
)

// Role is what a member of staff or an API key may be. One actor may have several.
type Role string

// The roles. What each may do is a table in platform/access.
const (
	RoleAdmin      Role = "admin"      // staff, keys and settings; moves no money
	RoleAnalyst    Role = "analyst"    // risk: payments, decisions, rules
	RoleHandler    Role = "handler"    // claims
	RoleFund       Role = "fund"       // funds, payouts
	RoleLead       Role = "lead"       // incidents
	RoleCompliance Role = "compliance" // reads all, approves, verifies
	RoleHost       Role = "host"       // the wallet's own systems: assess, file, import
	RoleCustomer   Role = "customer"   // own payments and claims only
)

// Actor is who does something. Every operation of every domain package takes one.
type Actor struct {
	Kind    ActorKind
	ID      ID     // stf_…, the customer's party id, key_…, or the name of a job
	Name    string // for the record; "" for a customer
	Roles   []Role
	Session ID // the session or request that proves it, "" for System
}

// Has reports whether the actor has the role.
func (a Actor) Has(r Role) bool {
	for _, have := range a.Roles {
		if have == r {
			return true
		}
	}
	return false
}

// Job is the actor under which the product itself works, named after the job.
func Job(name string) Actor { return Actor{Kind: System, ID: name, Name: name} }
