package client

import (
	"time"

	"surety/kernel/money"
)

// Payment is a payment to be judged and, in answers, what became of it.
type Payment struct {
	ID      string       `json:"id"` // made by the caller
	At      time.Time    `json:"at"`
	Payer   string       `json:"payer"`
	Payee   string       `json:"payee"`
	Amount  money.Amount `json:"amount"`
	Type    string       `json:"type"` // transfer, purchase, deposit, withdrawal
	Channel string       `json:"channel,omitempty"`
	Device  string       `json:"device,omitempty"`
	IP      string       `json:"ip,omitempty"`
	City    string       `json:"city,omitempty"`
	Settled bool         `json:"settled,omitempty"` // history: it has gone already
}

// Reason is why a payment was judged as it was.
type Reason struct {
	Code   string `json:"code"`
	ZH     string `json:"zh"`
	EN     string `json:"en"`
	Weight int    `json:"weight"`
}

// Decision is what was said of a payment.
type Decision struct {
	Outcome  string   `json:"outcome"` // allow, challenge, hold, block
	Score    int      `json:"score"`
	Reasons  []Reason `json:"reasons"`
	Proofs   []string `json:"proofs"` // any one of them will do
	Pack     string   `json:"pack"`
	Degraded bool     `json:"degraded"`
}

// Assessed is a payment with its decision.
type Assessed struct {
	Payment
	State    string    `json:"state"`
	Decision Decision  `json:"decision"`
	ClaimID  string    `json:"claim_id"`
	Created  time.Time `json:"created"`
	Version  int       `json:"version"`
}

// BatchLine is the answer to one payment of a batch: Payment or Problem is set.
type BatchLine struct {
	Line    int       `json:"line"` // counted from 1
	Again   bool      `json:"again"`
	Payment *Assessed `json:"payment"`
	Problem *Problem  `json:"problem"`
}

// PaymentPage is a page of payments; Next is the cursor of the following one.
type PaymentPage struct {
	Items []Assessed `json:"items"`
	Next  string     `json:"next"`
}

// AccountsReport accounts for every row of an import of accounts.
type AccountsReport struct {
	Rows      int            `json:"rows"`
	Added     int            `json:"added"`
	Changed   int            `json:"changed"`
	Unchanged int            `json:"unchanged"`
	Refused   []ProblemField `json:"refused"`
}

// ImportReport accounts for every row of an import of payments.
type ImportReport struct {
	Rows     int            `json:"rows"`
	Assessed int            `json:"assessed"` // new
	Again    int            `json:"again"`    // known already
	Outcomes map[string]int `json:"outcomes"`
	Refused  []ProblemField `json:"refused"`
}

// Account is one account with its holder.
type Account struct {
	ID           string    `json:"id"`
	Kind         string    `json:"kind"`
	Verification string    `json:"verification"`
	Opened       time.Time `json:"opened"`
	Device       string    `json:"device"`
	City         string    `json:"city"`
	Holder       struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		IDNumber string `json:"id_number"` // masked
		Phone    string `json:"phone"`     // masked
	} `json:"holder"`
}

// PayTo is where money shall go; in answers only the end of the account is shown.
type PayTo struct {
	Name    string `json:"name"`
	Bank    string `json:"bank"`
	Account string `json:"account"`
	Rail    string `json:"rail"` // bank, wallet
}

// NewClaim is a claim to be filed.
type NewClaim struct {
	ID         string       `json:"id"` // made by the caller
	Kind       string       `json:"kind"`
	Account    string       `json:"account"`
	Payments   []string     `json:"payments,omitempty"`
	Claimed    money.Amount `json:"claimed,omitzero"` // if no payments are named
	Basis      string       `json:"basis,omitempty"`
	PoliceCase string       `json:"police_case,omitempty"`
	LossDate   time.Time    `json:"loss_date,omitzero"`
	Words      string       `json:"words,omitempty"`
	PayTo      PayTo        `json:"pay_to,omitzero"`
}

// Clock is a promise with a date.
type Clock struct {
	Name   string    `json:"name"`
	Owner  string    `json:"owner"`
	Due    time.Time `json:"due"`
	Paused time.Time `json:"paused"`
	Done   time.Time `json:"done"`
}

// Claim is one person's loss and what is done about it.
type Claim struct {
	ID        string       `json:"id"`
	Number    string       `json:"number"`
	Kind      string       `json:"kind"`
	Holder    string       `json:"holder"`
	Claimant  string       `json:"claimant"`
	Account   string       `json:"account"`
	Payments  []string     `json:"payments"`
	Claimed   money.Amount `json:"claimed"`
	Confirmed money.Amount `json:"confirmed"`
	Basis     string       `json:"basis"`
	PayTo     PayTo        `json:"pay_to"`
	Incident  string       `json:"incident"`
	Verdict   string       `json:"verdict"`
	Reasons   []string     `json:"reasons"`
	Status    string       `json:"status"`
	Decision  string       `json:"decision"`
	Ground    string       `json:"ground"`
	Payout    string       `json:"payout"`
	Clocks    []Clock      `json:"clocks"`
	Filed     time.Time    `json:"filed"`
	Version   int          `json:"version"`
}

// Evidence is one file of a claim.
type Evidence struct {
	ID     string    `json:"id"`
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"`
	Type   string    `json:"type"`
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
}

// NewIncident declares an incident.
type NewIncident struct {
	ID       string    `json:"id"` // made by the caller
	Title    string    `json:"title"`
	FundID   string    `json:"fund_id"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Deadline time.Time `json:"deadline"`
}

// Incident is one event with many victims.
type Incident struct {
	NewIncident
	Status   string    `json:"status"`
	Approval string    `json:"approval"`
	Created  time.Time `json:"created"`
	Version  int       `json:"version"`
}

// ListRow is one row of a police list.
type ListRow struct {
	Line    int       `json:"line"`
	Kind    string    `json:"kind"`
	Raw     []string  `json:"raw"`
	Mended  []RowNote `json:"mended"`
	Refused []RowNote `json:"refused"`
	SameAs  int       `json:"same_as"`
}

// RowNote is what was mended or refused in a row, and why.
type RowNote struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
	Value string `json:"value"`
	Why   string `json:"why"`
}

// ListReport accounts for every row of a police list.
type ListReport struct {
	List struct {
		Title    string    `json:"title"`
		Encoding string    `json:"encoding"`
		SHA256   string    `json:"sha256"`
		Rows     []ListRow `json:"rows"`
		Totals   struct {
			Victims      int          `json:"victims"`
			Sum          money.Amount `json:"sum"`
			Duplicates   int          `json:"duplicates"`
			Refused      int          `json:"refused"`
			StatedCount  int          `json:"stated_count"`
			StatedSum    money.Amount `json:"stated_sum"`
			CountDiffers bool         `json:"count_differs"`
			SumDiffers   bool         `json:"sum_differs"`
		} `json:"totals"`
	} `json:"list"`
	Again   bool           `json:"again"`
	Matched map[string]int `json:"matched"`
}

// ReportsReport accounts for a file of users' own reports.
type ReportsReport struct {
	Again   bool     `json:"again"`
	Filed   int      `json:"filed"`
	Joined  int      `json:"joined"`
	Unknown []string `json:"unknown"`
}

// Mark is a thief's device or receiving account.
type Mark struct {
	Kind    string `json:"kind"` // device, payee
	Value   string `json:"value"`
	Victims int    `json:"victims"`
	Why     string `json:"why"`
}

// GatherReport is what a search of the records found.
type GatherReport struct {
	Marks []Mark   `json:"marks"`
	Found []string `json:"found"`
}

// ReconcileReport counts the verdicts.
type ReconcileReport struct {
	Verdicts map[string]int `json:"verdicts"`
	Reasons  map[string]int `json:"reasons"`
	Payable  money.Amount   `json:"payable"`
}

// Batch is what two people sign.
type Batch struct {
	People   int          `json:"people"`
	Total    money.Amount `json:"total"`
	Hash     string       `json:"hash"`     // sent back to approve exactly this
	Approval string       `json:"approval"` // of a proposal
}

// PayReport says what a call of PayAll did.
type PayReport struct {
	Ordered int `json:"ordered"`
	Already int `json:"already"`
}

// Step is one step of the board.
type Step struct {
	Name   string       `json:"name"`
	People int          `json:"people"`
	Money  money.Amount `json:"money"`
}

// Board is how far an incident is.
type Board struct {
	Incident  string         `json:"incident"`
	Title     string         `json:"title"`
	Status    string         `json:"status"`
	Deadline  time.Time      `json:"deadline"`
	Now       time.Time      `json:"now"`
	Minutes   int64          `json:"minutes_left"`
	Left      Step           `json:"left"`
	Steps     []Step         `json:"steps"`
	Called    map[string]int `json:"called"`
	Late      int            `json:"late"`
	Verdicts  map[string]int `json:"verdicts"`
	Unknown   int            `json:"payouts_unknown"`
	Rejected  int            `json:"payouts_rejected"`
	FundFree  money.Amount   `json:"fund_free"`
	Earmarked money.Amount   `json:"earmarked"`
	PaidOut   money.Amount   `json:"paid_out"`
}

// Victim is one person's place in an incident.
type Victim struct {
	ID       string       `json:"id"`
	Party    string       `json:"party"`
	Account  string       `json:"account"`
	Name     string       `json:"name"`
	Police   money.Amount `json:"police"`
	Reported money.Amount `json:"reported"`
	Recorded money.Amount `json:"recorded"`
	Estate   bool         `json:"estate"`
	Verdict  string       `json:"verdict"`
	Payable  bool         `json:"payable"`
	Reasons  []string     `json:"reasons"`
	Amount   money.Amount `json:"amount"`
	Claim    string       `json:"claim"`
	Claimant string       `json:"claimant"`
	Payout   string       `json:"payout"`
	State    string       `json:"state"`
	Called   string       `json:"called"`
}

// Statement is one version of the public statement.
type Statement struct {
	Number int       `json:"number"`
	Lang   string    `json:"lang"`
	Body   string    `json:"body"` // Markdown
	At     time.Time `json:"at"`
}

// NewFund opens a fund.
type NewFund struct {
	ID       string         `json:"id"`
	NameZH   string         `json:"name_zh"`
	NameEN   string         `json:"name_en"`
	Kind     string         `json:"kind"` // yearly, emergency, reward
	Currency money.Currency `json:"currency"`
}

// Fund is money set aside to make people whole.
type Fund struct {
	NewFund
	FrozenFor string `json:"frozen_for"`
	Figures   struct {
		Balance   money.Amount `json:"balance"`
		Free      money.Amount `json:"free"`
		Earmarked money.Amount `json:"earmarked"`
		Underway  money.Amount `json:"underway"`
		PaidOut   money.Amount `json:"paid_out"`
	} `json:"figures"`
}

// Payout is money on its way to somebody.
type Payout struct {
	ID      string       `json:"id"`
	FundID  string       `json:"fund_id"`
	Purpose string       `json:"purpose"`
	Claim   string       `json:"claim"`
	Amount  money.Amount `json:"amount"`
	PayTo   PayTo        `json:"pay_to"`
	State   string       `json:"state"`
	Batch   string       `json:"batch"`
	Reason  string       `json:"reason"`
	Settled time.Time    `json:"settled"`
	// Certificate is the code of its certificate, in the answer for one payout.
	Certificate string `json:"certificate"`
}

// PayoutPage is a page of payouts; Next is the cursor of the following one.
type PayoutPage struct {
	Items []Payout `json:"items"`
	Next  string   `json:"next"`
}

// StatusReport accounts for every entry of a bank's answer.
type StatusReport struct {
	Message   string         `json:"message"`
	Entries   int            `json:"entries"`
	Settled   int            `json:"settled"`
	Rejected  int            `json:"rejected"`
	Pending   int            `json:"pending"`
	Unchanged int            `json:"unchanged"`
	Problems  []ProblemField `json:"problems"`
}

// Certificate says that somebody was paid.
type Certificate struct {
	ID          string       `json:"id"`
	Number      string       `json:"number"`
	Code        string       `json:"code"`
	PaidAt      time.Time    `json:"paid_at"`
	Amount      money.Amount `json:"amount"`
	FromFund    string       `json:"from_fund"`
	PayeeName   string       `json:"payee_name"`
	OnBehalfOf  string       `json:"on_behalf_of"`
	BankName    string       `json:"bank_name"`
	BankAccount string       `json:"bank_account"` // its end
	ClaimID     string       `json:"claim_id"`
	PayoutID    string       `json:"payout_id"`
	Operator    string       `json:"operator"`
}

// Verification is what a check of a certificate's file found.
type Verification struct {
	Genuine     bool         `json:"genuine"`
	Problem     string       `json:"problem"`
	Detail      string       `json:"detail"`
	Certificate *Certificate `json:"certificate"`
}

// BooksCheck is the proof of the books.
type BooksCheck struct {
	Accounts  int      `json:"accounts"`
	Transfers int      `json:"transfers"`
	Balanced  bool     `json:"balanced"`
	Problems  []string `json:"problems"`
}
