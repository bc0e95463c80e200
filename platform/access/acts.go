package access

import (
	"maps"
	"slices"

	"surety/kernel/ident"
)

// Act is one thing that can be done, "claim.file". What stands before the first
// dot is the noun that a customer hears in "there is no claim …".
type Act string

// The acts of the product, by noun. Each has one row in the table below.
const (
	ActPaymentAssess Act = "payment.assess" // judge a payment before it goes
	ActPaymentImport Act = "payment.import" // take over past payments
	ActPaymentRead   Act = "payment.read"   // one payment with all about it
	ActPaymentList   Act = "payment.list"   // many payments
	ActPaymentDecide Act = "payment.decide" // a person releases or stops a held payment
	ActPaymentSettle Act = "payment.settle" // the host says what became of it

	ActPartyImport Act = "party.import" // take over customers and accounts
	ActPartyRead   Act = "party.read"   // one person with personal data
	ActPartyList   Act = "party.list"   // search persons
	ActPartyEdit   Act = "party.edit"   // correct a person's data

	ActClaimFile         Act = "claim.file"          // "this was not me"
	ActClaimRead         Act = "claim.read"          // one claim
	ActClaimList         Act = "claim.list"          // many claims
	ActClaimEvidenceAdd  Act = "claim.evidence.add"  // hand in a file
	ActClaimEvidenceRead Act = "claim.evidence.read" // open a file
	ActClaimAssign       Act = "claim.assign"        // whose claim it is to work on
	ActClaimAsk          Act = "claim.ask"           // ask the claimant for more
	ActClaimDecide       Act = "claim.decide"        // accept or refuse
	ActClaimWithdraw     Act = "claim.withdraw"      // the claimant takes it back
	ActClaimTakeOver     Act = "claim.take_over"     // an heir steps in
	ActClaimAdvance      Act = "claim.advance"       // pay before all is known
	ActClaimAppeal       Act = "claim.appeal"        // the claimant disagrees
	ActClaimRecover      Act = "claim.recover"       // money got back from elsewhere
	ActClaimRemind       Act = "claim.remind"        // a clock ran out

	ActIncidentDeclare   Act = "incident.declare"   // many victims at once
	ActIncidentRead      Act = "incident.read"      // with victims' names
	ActIncidentBoard     Act = "incident.board"     // counts and sums only
	ActIncidentImport    Act = "incident.import"    // the police list
	ActIncidentGather    Act = "incident.gather"    // look for victims ourselves
	ActIncidentReconcile Act = "incident.reconcile" // reports against records
	ActIncidentPropose   Act = "incident.propose"   // ask for approval of the batch
	ActIncidentApprove   Act = "incident.approve"   // release the batch
	ActIncidentPay       Act = "incident.pay"       // pay what was released
	ActIncidentCall      Act = "incident.call"      // note a call with a victim
	ActIncidentStatement Act = "incident.statement" // write the public statement
	ActIncidentClose     Act = "incident.close"     // nothing is left to do

	ActFundCreate    Act = "fund.create"    // open a fund
	ActFundDeposit   Act = "fund.deposit"   // money comes in
	ActFundRead      Act = "fund.read"      // entries with names
	ActFundBoard     Act = "fund.board"     // balances only
	ActFundEarmark   Act = "fund.earmark"   // set money aside for one purpose
	ActFundPay       Act = "fund.pay"       // money goes out
	ActFundFreeze    Act = "fund.freeze"    // stop and restart payouts
	ActFundSettle    Act = "fund.settle"    // what a rail answered
	ActFundReconcile Act = "fund.reconcile" // resolve a payout of unknown outcome

	ActRiskRead    Act = "risk.read"    // rules and their figures
	ActRiskEdit    Act = "risk.edit"    // draft and try rules
	ActRiskPublish Act = "risk.publish" // put rules into force

	ActLabelAdd Act = "label.add" // say whether a payment was a theft

	ActListRead   Act = "list.read"   // who stands on a list
	ActListEdit   Act = "list.edit"   // put on, take off, import
	ActListReport Act = "list.report" // shared intelligence from outside

	ActWatchRead Act = "watch.read" // unusual rises and what was done
	ActWatchEdit Act = "watch.edit" // what is watched, and from when on it is unusual
	ActWatchStop Act = "watch.stop" // stop or challenge all payments that match, or lift it

	ActReportRead   Act = "report.read"   // sums and rates
	ActOverviewRead Act = "overview.read" // today's board

	ActNoticeRead Act = "notice.read" // what was sent to whom
	ActNoticeSend Act = "notice.send" // send a message

	ActCertificateRead  Act = "certificate.read"  // open a certificate
	ActCertificateIssue Act = "certificate.issue" // write one
	ActCertificateCheck Act = "certificate.check" // a stranger checks a code

	ActApprovalRead     Act = "approval.read"     // what waits for a second person
	ActApprovalAsk      Act = "approval.ask"      // ask, and sign first
	ActApprovalSign     Act = "approval.sign"     // sign second
	ActApprovalWithdraw Act = "approval.withdraw" // take the request back

	ActAuditRead   Act = "audit.read"   // the log
	ActAuditVerify Act = "audit.verify" // check the log
	ActBooksExport Act = "books.export" // the books for another program
	ActBooksVerify Act = "books.verify" // check the books

	ActStaffRead      Act = "staff.read"      // who works here
	ActStaffManage    Act = "staff.manage"    // add, change roles, disable
	ActStaffPassword  Act = "staff.password"  // change one's own password
	ActStaffBootstrap Act = "staff.bootstrap" // the first administrator
	ActKeyRead        Act = "key.read"        // which API keys there are
	ActKeyManage      Act = "key.manage"      // make and revoke API keys
	ActKeyUse         Act = "key.use"         // a wrong or revoked key was shown
	ActLinkCreate     Act = "link.create"     // a customer's way into the portal
	ActSessionOpen    Act = "session.open"    // sign in, or follow a link
	ActSessionClose   Act = "session.close"   // sign out
	ActSessionSweep   Act = "session.sweep"   // delete what has expired long ago

	ActQueueRead      Act = "queue.read"      // jobs and dead letters
	ActQueueRequeue   Act = "queue.requeue"   // try a dead letter again
	ActSettingsRead   Act = "settings.read"   // settings
	ActSettingsManage Act = "settings.manage" // change settings
)

// Logging says when a permitted act is written to the audit log. A refusal
// always is.
type Logging string

// The ways of logging.
const (
	Always Logging = "always" // it changes something: outcome "done"
	OnRead Logging = "read"   // it changes nothing but shows what not all may see: outcome "read"
	Never  Logging = "never"  // a board of counts and sums, nobody's data in it
)

// Spec is an act's row in the table.
type Spec struct {
	Act      Act
	Roles    []ident.Role // staff and API keys with one of these may
	Customer bool         // the customer whose object it is may
	System   bool         // the product itself may
	Log      Logging
	FourEyes bool // needs two people, always or above a limit; an API key never may
}

// Short names, so that the table can be read.
const (
	admin      = ident.RoleAdmin
	analyst    = ident.RoleAnalyst
	handler    = ident.RoleHandler
	fund       = ident.RoleFund
	lead       = ident.RoleLead
	compliance = ident.RoleCompliance
	host       = ident.RoleHost
)

type roles = []ident.Role

// table is the one place that says who may do what. testdata/matrix.txt holds
// what is expected of each row for each actor, and a test compares them.
var table = map[Act]Spec{
	ActPaymentAssess: {Roles: roles{host}, System: true, Log: Always},
	ActPaymentImport: {Roles: roles{host, analyst, lead}, System: true, Log: Always},
	ActPaymentRead: {Roles: roles{host, analyst, handler, fund, lead, compliance},
		Customer: true, System: true, Log: OnRead},
	ActPaymentList: {Roles: roles{host, analyst, handler, fund, lead, compliance},
		Customer: true, System: true, Log: OnRead},
	ActPaymentDecide: {Roles: roles{analyst, lead}, System: true, Log: Always},
	ActPaymentSettle: {Roles: roles{host}, System: true, Log: Always},

	ActPartyImport: {Roles: roles{host, analyst, lead}, System: true, Log: Always},
	ActPartyRead:   {Roles: roles{analyst, handler, fund, lead, compliance}, Customer: true, System: true, Log: OnRead},
	ActPartyList:   {Roles: roles{analyst, handler, fund, lead, compliance}, System: true, Log: OnRead},
	ActPartyEdit:   {Roles: roles{host, handler}, System: true, Log: Always},

	ActClaimFile: {Roles: roles{host, handler, lead}, Customer: true, System: true, Log: Always},
	ActClaimRead: {Roles: roles{host, handler, fund, lead, compliance},
		Customer: true, System: true, Log: OnRead},
	ActClaimList: {Roles: roles{host, handler, fund, lead, compliance},
		Customer: true, System: true, Log: OnRead},
	ActClaimEvidenceAdd:  {Roles: roles{host, handler, lead}, Customer: true, System: true, Log: Always},
	ActClaimEvidenceRead: {Roles: roles{handler, lead, compliance}, Customer: true, System: true, Log: OnRead},
	ActClaimAssign:       {Roles: roles{handler, lead}, System: true, Log: Always},
	ActClaimAsk:          {Roles: roles{handler, lead}, System: true, Log: Always},
	ActClaimDecide:       {Roles: roles{handler, lead}, System: true, Log: Always},
	ActClaimWithdraw:     {Roles: roles{host, handler}, Customer: true, Log: Always},
	ActClaimTakeOver:     {Roles: roles{handler, lead}, System: true, Log: Always},
	ActClaimAdvance:      {Roles: roles{handler, lead}, System: true, Log: Always},
	ActClaimAppeal:       {Roles: roles{host, handler}, Customer: true, Log: Always},
	ActClaimRecover:      {Roles: roles{handler, fund}, System: true, Log: Always},
	ActClaimRemind:       {System: true, Log: Always},

	ActIncidentDeclare:   {Roles: roles{lead}, Log: Always},
	ActIncidentRead:      {Roles: roles{analyst, handler, fund, lead, compliance}, System: true, Log: OnRead},
	ActIncidentBoard:     {Roles: roles{analyst, handler, fund, lead, compliance}, System: true, Log: Never},
	ActIncidentImport:    {Roles: roles{handler, lead}, Log: Always},
	ActIncidentGather:    {Roles: roles{analyst, handler, lead}, System: true, Log: Always},
	ActIncidentReconcile: {Roles: roles{analyst, handler, lead}, System: true, Log: Always},
	ActIncidentPropose:   {Roles: roles{lead}, Log: Always},
	ActIncidentApprove:   {Roles: roles{lead, fund, compliance}, Log: Always, FourEyes: true},
	ActIncidentPay:       {Roles: roles{lead, fund}, System: true, Log: Always},
	ActIncidentCall:      {Roles: roles{handler, lead}, Log: Always},
	ActIncidentStatement: {Roles: roles{lead, compliance}, System: true, Log: Always},
	ActIncidentClose:     {Roles: roles{lead}, Log: Always},

	ActFundCreate:    {Roles: roles{fund}, System: true, Log: Always},
	ActFundDeposit:   {Roles: roles{fund}, System: true, Log: Always},
	ActFundRead:      {Roles: roles{fund, lead, compliance}, System: true, Log: OnRead},
	ActFundBoard:     {Roles: roles{analyst, handler, fund, lead, compliance}, System: true, Log: Never},
	ActFundEarmark:   {Roles: roles{fund, lead}, System: true, Log: Always},
	ActFundPay:       {Roles: roles{fund, lead, compliance}, System: true, Log: Always, FourEyes: true},
	ActFundFreeze:    {Roles: roles{fund, compliance}, System: true, Log: Always},
	ActFundSettle:    {Roles: roles{fund}, System: true, Log: Always}, // no key: its word ends payouts
	ActFundReconcile: {Roles: roles{fund}, System: true, Log: Always, FourEyes: true},

	ActRiskRead:    {Roles: roles{analyst, lead, compliance}, System: true, Log: Never},
	ActRiskEdit:    {Roles: roles{analyst}, System: true, Log: Always},
	ActRiskPublish: {Roles: roles{analyst, lead, compliance}, System: true, Log: Always, FourEyes: true},

	ActLabelAdd: {Roles: roles{host, analyst, handler, lead}, System: true, Log: Always},

	ActListRead:   {Roles: roles{host, analyst, handler, lead, compliance}, System: true, Log: OnRead},
	ActListEdit:   {Roles: roles{analyst, lead}, System: true, Log: Always},
	ActListReport: {Roles: roles{host, analyst}, System: true, Log: Always},

	ActWatchRead: {Roles: roles{analyst, handler, lead, compliance}, System: true, Log: Never},
	ActWatchEdit: {Roles: roles{analyst, lead}, System: true, Log: Always},
	ActWatchStop: {Roles: roles{analyst, lead}, System: true, Log: Always},

	ActReportRead:   {Roles: roles{analyst, handler, fund, lead, compliance}, System: true, Log: Never},
	ActOverviewRead: {Roles: roles{admin, analyst, handler, fund, lead, compliance}, System: true, Log: Never},

	ActNoticeRead: {Roles: roles{handler, lead, compliance}, Customer: true, System: true, Log: OnRead},
	ActNoticeSend: {Roles: roles{handler, lead}, System: true, Log: Always},

	ActCertificateRead: {Roles: roles{host, handler, fund, lead, compliance},
		Customer: true, System: true, Log: OnRead},
	ActCertificateIssue: {Roles: roles{handler, lead}, System: true, Log: Always},
	// The page for strangers acts as the product itself.
	ActCertificateCheck: {Roles: roles{host, handler, fund, lead, compliance}, System: true, Log: OnRead},

	// Who may sign what is the row of the act that is to be approved; here stands
	// who may sign anything at all.
	ActApprovalRead:     {Roles: roles{analyst, fund, lead, compliance}, System: true, Log: OnRead},
	ActApprovalAsk:      {Roles: roles{analyst, fund, lead, compliance}, Log: Always, FourEyes: true},
	ActApprovalSign:     {Roles: roles{analyst, fund, lead, compliance}, Log: Always, FourEyes: true},
	ActApprovalWithdraw: {Roles: roles{analyst, fund, lead, compliance}, Log: Always, FourEyes: true},

	ActAuditRead:   {Roles: roles{compliance}, System: true, Log: OnRead},
	ActAuditVerify: {Roles: roles{admin, compliance}, System: true, Log: OnRead},
	ActBooksExport: {Roles: roles{fund, compliance}, System: true, Log: OnRead},
	ActBooksVerify: {Roles: roles{fund, compliance}, System: true, Log: OnRead},

	ActStaffRead:      {Roles: roles{admin, compliance}, System: true, Log: OnRead},
	ActStaffManage:    {Roles: roles{admin}, Log: Always},
	ActStaffPassword:  {Roles: roles{admin, analyst, handler, fund, lead, compliance}, Log: Always},
	ActStaffBootstrap: {System: true, Log: Always},
	ActKeyRead:        {Roles: roles{admin, compliance}, System: true, Log: OnRead},
	ActKeyManage:      {Roles: roles{admin}, Log: Always},
	ActLinkCreate:     {Roles: roles{host, handler, lead}, System: true, Log: Always},
	ActSessionSweep:   {System: true, Log: Always},
	// Nobody may by role: what was shown (a password, a link, a token, a key)
	// decides, and this package logs the outcome itself.
	ActKeyUse:       {Log: Always},
	ActSessionOpen:  {Log: Always},
	ActSessionClose: {Log: Always},

	ActQueueRead:      {Roles: roles{admin, compliance}, System: true, Log: OnRead},
	ActQueueRequeue:   {Roles: roles{admin}, System: true, Log: Always},
	ActSettingsRead:   {Roles: roles{admin, compliance}, System: true, Log: Never},
	ActSettingsManage: {Roles: roles{admin}, Log: Always},
}

// keyRoles are the roles that an API key may hold. As host it does what the
// wallet's systems do: judge, file, import. In the others it only reads: a
// program does not decide about money or people.
var keyRoles = roles{host, analyst, compliance}

// staffRoles are the roles that a person may hold.
var staffRoles = roles{admin, analyst, handler, fund, lead, compliance}

// Lookup returns an act's row; ok is false for an act that is not in the table.
func Lookup(act Act) (s Spec, ok bool) {
	s, ok = table[act]
	s.Act, s.Roles = act, slices.Clone(s.Roles)
	return s, ok
}

// Acts returns all rows, by name: for the settings page and for tests that must
// cover every act.
func Acts() []Spec {
	out := make([]Spec, 0, len(table))
	for _, act := range slices.Sorted(maps.Keys(table)) {
		s, _ := Lookup(act)
		out = append(out, s)
	}
	return out
}
