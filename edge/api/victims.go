package api

import (
	"time"

	"surety/domain/incident"
	"surety/kernel/money"
	"surety/platform/access"
)

// Victim is one account's (or person's) place in an incident.
type Victim struct {
	ID         string       `json:"id"`
	Party      string       `json:"party,omitempty"`
	Account    string       `json:"account,omitempty"`
	Name       string       `json:"name"`
	PoliceCase string       `json:"police_case,omitempty"`
	Police     money.Amount `json:"police" doc:"what the police say was lost"`
	Reported   money.Amount `json:"reported" doc:"what the user said"`
	Reports    int          `json:"reports" doc:"how often the user said it"`
	Recorded   money.Amount `json:"recorded" doc:"what the records show by the marks"`
	Payments   []string     `json:"payments"`
	Estate     bool         `json:"estate" doc:"the holder has died"`
	Verdict    string       `json:"verdict"`
	Payable    bool         `json:"payable"`
	Reasons    []string     `json:"reasons"`
	Amount     money.Amount `json:"amount" doc:"what will be paid"`
	Claim      string       `json:"claim,omitempty"`
	Claimant   string       `json:"claimant,omitempty"`
	PayTo      PayTo        `json:"pay_to,omitzero"`
	Payout     string       `json:"payout,omitempty"`
	State      string       `json:"state,omitempty" doc:"of the payout"`
	Called     string       `json:"called,omitempty" enum:"reached,no_answer,call_back"`
	CalledAt   time.Time    `json:"called_at,omitzero"`
	CallWords  string       `json:"call_words,omitempty"`
	Version    int          `json:"version"`
}

// Victims are all of an incident, with the batch that they make.
type Victims struct {
	Items []Victim `json:"items"`
	Batch *Batch   `json:"batch,omitempty" doc:"who can be paid now; left out while one of them has no account to be paid to"`
}

// CallIn is what came of calling a victim.
type CallIn struct {
	Outcome string `json:"outcome" enum:"reached,no_answer,call_back"`
	Words   string `json:"words,omitempty"`
}

// ResolutionIn is a person's decision on a victim.
type ResolutionIn struct {
	Amount money.Amount `json:"amount"`
	PayTo  PayTo        `json:"pay_to,omitzero" doc:"left out: the one that is known"`
	Why    string       `json:"why"`
}

// RefusalIn is a person's refusal of a false report.
type RefusalIn struct {
	Words string `json:"words"`
}

func (s *server) victimRoutes() []route {
	return []route{
		{Method: "GET", Path: "/v1/incidents/{id}/victims", ID: "incident-victims", Act: access.ActIncidentRead,
			Summary: "All victims with their verdicts and reasons", Out: jsonOut[Victims]("the victims, and the batch to sign"), Do: s.victims},
		{Method: "POST", Path: "/v1/victims/{id}/calls", ID: "victim-call", Act: access.ActIncidentCall,
			Summary: "Note what came of calling a victim", In: jsonIn[CallIn](), Out: nothing("it is noted"), Do: s.callVictim},
		{Method: "POST", Path: "/v1/victims/{id}/resolution", ID: "victim-resolve", Act: access.ActIncidentReconcile,
			Summary: "Decide an amount that the check could not", In: jsonIn[ResolutionIn](), Out: nothing("it is decided"), Do: s.resolve},
		{Method: "POST", Path: "/v1/victims/{id}/refusal", ID: "victim-refuse", Act: access.ActIncidentReconcile,
			Summary: "Refuse a report without any trace", In: jsonIn[RefusalIn](), Out: nothing("it is refused"), Do: s.refuse},
	}
}

func wireVictim(v incident.Victim) Victim {
	to := wirePayTo(v.PayTo)
	return Victim{
		ID: v.ID, Party: v.Party, Account: v.Account, Name: v.Name, PoliceCase: v.PoliceCase, Police: v.Police, Reported: v.Reported,
		Reports: v.Reports, Recorded: v.Recorded, Payments: list(v.Payments), Estate: v.Estate, Verdict: string(v.Verdict),
		Payable: v.Verdict.Payable(), Reasons: list(v.Reasons), Amount: v.Amount, Claim: v.Claim, Claimant: v.Claimant, PayTo: to,
		Payout: v.Payout, State: string(v.State), Called: string(v.Called), CalledAt: v.CalledAt, CallWords: v.CallWords,
		Version: v.Version,
	}
}

func (s *server) victims(c *call) error {
	_, vs, err := s.cfg.Incident.View(c.ctx, c.actor, c.id("id"))
	if err != nil {
		return err
	}
	out := Victims{Items: make([]Victim, 0, len(vs))}
	for _, v := range vs {
		out.Items = append(out.Items, wireVictim(v))
	}
	if b, err := incident.BatchOf(vs); err == nil { // an error says that somebody has no account yet
		wire := wireBatch(b)
		out.Batch = &wire
	}
	return c.reply(out)
}

func (s *server) callVictim(c *call) error {
	var in CallIn
	if err := c.json(&in); err != nil {
		return err
	}
	return c.empty(s.cfg.Incident.Call(c.ctx, c.actor, c.id("id"), incident.CallOutcome(in.Outcome), in.Words))
}

func (s *server) resolve(c *call) error {
	var in ResolutionIn
	if err := c.json(&in); err != nil {
		return err
	}
	return c.empty(s.cfg.Incident.Resolve(c.ctx, c.actor, c.id("id"), in.Amount, in.PayTo.plain(), in.Why))
}

func (s *server) refuse(c *call) error {
	var in RefusalIn
	if err := c.json(&in); err != nil {
		return err
	}
	return c.empty(s.cfg.Incident.Refuse(c.ctx, c.actor, c.id("id"), in.Words))
}
