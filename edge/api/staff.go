package api

import (
	"encoding/hex"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
	"surety/platform/db"
)

// SignIn is an address and a password.
type SignIn struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// Token is shown this once; it is not kept.
type Token struct {
	ID    string `json:"id,omitempty" doc:"of the key, for revoking it"`
	Token string `json:"token" doc:"send it as Authorization: Bearer"`
}

// KeyIn makes an API key.
type KeyIn struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles" doc:"of host, analyst, compliance; only host may change anything"`
}

// LinkIn makes a customer's way into the portal.
type LinkIn struct {
	Party   string `json:"party,omitempty" doc:"the holder's id, see GET /v1/accounts/{id}"`
	Account string `json:"account,omitempty" doc:"or one of their accounts, instead of party"`
	Seconds int    `json:"seconds,omitempty" doc:"how long it is good for; 600 if left out, at most seven days"`
}

// Approval is what waits for a second person.
type Approval struct {
	ID         string       `json:"id"`
	Act        string       `json:"act"`
	Object     string       `json:"object"`
	Hash       string       `json:"hash" doc:"of what is approved, in hex"`
	Summary    string       `json:"summary"`
	Amount     money.Amount `json:"amount,omitzero"`
	AskedBy    string       `json:"asked_by"`
	Asked      time.Time    `json:"asked"`
	Expires    time.Time    `json:"expires"`
	Signatures int          `json:"signatures"`
}

// Approvals are those that wait, oldest first.
type Approvals struct {
	Items []Approval `json:"items"`
}

// QueueCount is how many jobs of a kind are in a state.
type QueueCount struct {
	Kind    string    `json:"kind"`
	State   string    `json:"state" enum:"ready,leased,done,dead"`
	Jobs    int       `json:"jobs"`
	Oldest  time.Time `json:"oldest" doc:"the earliest due time among them"`
	Handled bool      `json:"handled" doc:"this process does this kind"`
}

// QueueCounts are all kinds and states.
type QueueCounts struct {
	Items []QueueCount `json:"items"`
}

// DeadJob is a job that failed too often; a person must look. Its body is not
// shown: it may name people.
type DeadJob struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Key       string    `json:"key"`
	Failures  int       `json:"failures"`
	LastError string    `json:"last_error"`
	Created   time.Time `json:"created"`
	Ended     time.Time `json:"ended"`
}

// DeadJobs are the latest of them.
type DeadJobs struct {
	Items []DeadJob `json:"items"`
}

func (s *server) staffRoutes() []route {
	return []route{
		{Method: "POST", Path: "/v1/sessions", ID: "session-open", Act: access.ActSessionOpen, Summary: "Sign in", Anonymous: true,
			Text: "For a member of staff. At most 10 failures in 30 minutes for one address.", In: jsonIn[SignIn](),
			Out: created[Token]("a session's token"), Do: s.signIn},
		{Method: "DELETE", Path: "/v1/sessions", ID: "session-close", Act: access.ActSessionClose, Shown: true,
			Summary: "End the session whose token is sent", Out: nothing("it has ended"), Do: s.signOut},
		{Method: "POST", Path: "/v1/keys", ID: "key-make", Act: access.ActKeyManage, Summary: "Make an API key", In: jsonIn[KeyIn](),
			Text: "The secret is shown this once. If the answer is lost, make another and revoke the first.",
			Out:  created[Token]("the secret"), Do: s.makeKey},
		{Method: "DELETE", Path: "/v1/keys/{id}", ID: "key-revoke", Act: access.ActKeyManage, Summary: "Revoke an API key at once and for good",
			Out: nothing("it is dead"), Do: s.revokeKey},
		{Method: "POST", Path: "/v1/links", ID: "link-make", Act: access.ActLinkCreate, Summary: "Make a customer's way into the portal",
			Text: "The token opens the portal once. It is not kept: if the answer is lost, make another.", In: jsonIn[LinkIn](),
			Out: created[Token]("the token of the link"), Do: s.makeLink},
		{Method: "GET", Path: "/v1/approvals", ID: "approval-list", Act: access.ActApprovalRead, Summary: "What waits for a second person",
			Out: jsonOut[Approvals]("oldest first"), Do: s.approvals},
	}
}

func (s *server) queueRoutes() []route {
	return []route{
		{Method: "GET", Path: "/v1/queue/counts", ID: "queue-counts", Act: access.ActQueueRead, Summary: "How many jobs there are",
			Out: jsonOut[QueueCounts]("by kind and state"), Do: s.queueCounts},
		{Method: "GET", Path: "/v1/queue/dead", ID: "queue-dead", Act: access.ActQueueRead, Summary: "Jobs that failed too often",
			Query: []param{{Name: "limit", Kind: "integer"}}, Out: jsonOut[DeadJobs]("newest first"), Do: s.deadJobs},
		{Method: "POST", Path: "/v1/queue/{id}/requeue", ID: "queue-requeue", Act: access.ActQueueRequeue, Summary: "Try a dead job again",
			Out: nothing("it is ready"), Do: s.requeue},
	}
}

func (s *server) signIn(c *call) error {
	var in SignIn
	if err := c.json(&in); err != nil {
		return err
	}
	token, err := s.cfg.Access.SignIn(c.ctx, in.Email, in.Password)
	return done(c, Token{Token: token}, err)
}

func (s *server) signOut(c *call) error {
	token, err := bearer(c.r)
	if err != nil {
		return err
	}
	return c.empty(s.cfg.Access.SignOut(c.ctx, token))
}

func (s *server) makeKey(c *call) error {
	var in KeyIn
	if err := c.json(&in); err != nil {
		return err
	}
	roles := make([]ident.Role, len(in.Roles))
	for i, r := range in.Roles {
		roles[i] = ident.Role(r)
	}
	secret, err := s.cfg.Access.NewKey(c.ctx, c.actor, in.Name, roles)
	return done(c, Token{ID: access.KeyID(secret), Token: secret}, err)
}

func (s *server) revokeKey(c *call) error {
	return c.empty(s.cfg.Access.RevokeKey(c.ctx, c.actor, c.id("id")))
}

func (s *server) makeLink(c *call) error {
	var in LinkIn
	if err := c.json(&in); err != nil {
		return err
	}
	if (in.Party == "") == (in.Account == "") {
		return ident.Invalid("party", "required", "name either the party or one of their accounts")
	}
	if in.Seconds < 0 || in.Seconds > 7*24*3600 {
		return ident.Invalid("seconds", "out_of_range", "a link is good for up to seven days")
	}
	err := s.view(c, func(tx txn) error {
		if in.Account != "" {
			a, found, err := s.cfg.Party.Account(tx, in.Account)
			if err == nil && !found {
				err = ident.Invalid("account", "account_not_found", "there is no account %s", clip(in.Account))
			}
			in.Party = a.PartyID
			return err
		}
		_, found, err := s.cfg.Party.Get(tx, in.Party)
		if err == nil && !found {
			err = ident.Invalid("party", "party_not_found", "there is no party %s", clip(in.Party))
		}
		return err
	})
	if err != nil {
		return err
	}
	token, err := s.cfg.Access.NewLink(c.ctx, c.actor, in.Party, time.Duration(in.Seconds)*time.Second)
	return done(c, Token{Token: token}, err)
}

func (s *server) approvals(c *call) error {
	out := Approvals{}
	err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		all, err := s.cfg.Access.Pending(tx)
		out.Items = make([]Approval, 0, len(all))
		for _, a := range all {
			out.Items = append(out.Items, Approval{ID: a.ID, Act: string(a.Act), Object: a.Object, Hash: hex.EncodeToString(a.Hash[:]),
				Summary: a.Summary, Amount: a.Amount, AskedBy: a.AskedBy, Asked: a.Asked, Expires: a.Expires, Signatures: len(a.Signatures)})
		}
		return err
	})
	return done(c, out, err)
}

func (s *server) queueCounts(c *call) error {
	out := QueueCounts{}
	err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		all, err := s.cfg.Queue.Counts(tx)
		out.Items = make([]QueueCount, 0, len(all))
		for _, n := range all {
			out.Items = append(out.Items, QueueCount{Kind: n.Kind, State: string(n.State), Jobs: n.Jobs, Oldest: n.Oldest, Handled: n.Handled})
		}
		return err
	})
	return done(c, out, err)
}

func (s *server) deadJobs(c *call) error {
	limit, err := c.limit()
	if err != nil {
		return err
	}
	out := DeadJobs{}
	err = s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, func(tx *db.Tx) error {
		all, err := s.cfg.Queue.Dead(tx, limit)
		out.Items = make([]DeadJob, 0, len(all))
		for _, j := range all {
			out.Items = append(out.Items, DeadJob{ID: j.ID, Kind: j.Kind, Key: j.Key, Failures: j.Failures, LastError: j.LastError,
				Created: j.Created, Ended: j.Ended})
		}
		return err
	})
	return done(c, out, err)
}

func (s *server) requeue(c *call) error {
	return c.empty(s.cfg.Access.Update(c.ctx, c.actor, c.route.Act, access.Object{ID: c.id("id")}, nil, func(tx *db.Tx) error {
		return s.cfg.Queue.Requeue(tx, c.id("id"))
	}))
}
