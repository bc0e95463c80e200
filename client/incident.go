package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"

	"surety/kernel/money"
)

// What runs an incident, a fund and the papers.

// Declare opens an incident. again says that it was declared before.
func (c *Client) Declare(ctx context.Context, in NewIncident) (out Incident, again bool, err error) {
	again, err = c.Do(ctx, http.MethodPost, "/v1/incidents", in, &out)
	return out, again, err
}

// Incident is one incident as it stands.
func (c *Client) Incident(ctx context.Context, id string) (Incident, error) {
	var out Incident
	_, err := c.Do(ctx, http.MethodGet, "/v1/incidents/"+seg(id), nil, &out)
	return out, err
}

// file sends a file as it is.
func (c *Client) file(ctx context.Context, incident, what, kind, filename string, file io.Reader, out any) error {
	path := "/v1/incidents/" + seg(incident) + "/" + what + "?filename=" + url.QueryEscape(filename)
	_, err := c.read(ctx, request{method: http.MethodPost, path: path, kind: kind, stream: file}, out)
	return err
}

// ImportList reads a police list as it came, in any encoding.
func (c *Client) ImportList(ctx context.Context, incident, filename string, file io.Reader) (ListReport, error) {
	var out ListReport
	err := c.file(ctx, incident, "lists", "application/octet-stream", filename, file, &out)
	return out, err
}

// ImportReports reads what users themselves have said.
func (c *Client) ImportReports(ctx context.Context, incident, filename string, file io.Reader) (ReportsReport, error) {
	var out ReportsReport
	err := c.file(ctx, incident, "reports", "application/octet-stream", filename, file, &out)
	return out, err
}

// AddEstate lets an heir take over a victim's claim.
func (c *Client) AddEstate(ctx context.Context, incident, filename string, file io.Reader) error {
	return c.file(ctx, incident, "estates", typeJSON, filename, file, nil)
}

// verb calls an operation of an incident that takes nothing.
func (c *Client) verb(ctx context.Context, method, incident, verb string, out any) error {
	_, err := c.Do(ctx, method, "/v1/incidents/"+seg(incident)+"/"+verb, nil, out)
	return err
}

// Gather derives the thefts' marks and searches for further victims.
func (c *Client) Gather(ctx context.Context, incident string) (GatherReport, error) {
	var out GatherReport
	err := c.verb(ctx, http.MethodPost, incident, "gather", &out)
	return out, err
}

// Reconcile checks every victim against the records.
func (c *Client) Reconcile(ctx context.Context, incident string) (ReconcileReport, error) {
	var out ReconcileReport
	err := c.verb(ctx, http.MethodPost, incident, "reconcile", &out)
	return out, err
}

// Propose puts everybody who can be paid before a second person.
func (c *Client) Propose(ctx context.Context, incident string) (Batch, error) {
	var out Batch
	err := c.verb(ctx, http.MethodPost, incident, "proposals", &out)
	return out, err
}

// WithdrawProposal takes the proposal back.
func (c *Client) WithdrawProposal(ctx context.Context, incident string) error {
	return c.verb(ctx, http.MethodDelete, incident, "proposals", nil)
}

// Approve is the second signature, on exactly the batch with this hash.
func (c *Client) Approve(ctx context.Context, incident, hash string) (Incident, error) {
	var out Incident
	_, err := c.Do(ctx, http.MethodPost, "/v1/incidents/"+seg(incident)+"/approvals", map[string]string{"hash": hash}, &out)
	return out, err
}

// PayAll orders the payout of everybody approved; again goes on where it stopped.
func (c *Client) PayAll(ctx context.Context, incident string) (PayReport, error) {
	var out PayReport
	err := c.verb(ctx, http.MethodPost, incident, "payouts", &out)
	return out, err
}

// Board is how far an incident is, from the books.
func (c *Client) Board(ctx context.Context, incident string) (Board, error) {
	var out Board
	err := c.verb(ctx, http.MethodGet, incident, "board", &out)
	return out, err
}

// Victims are all of an incident with their verdicts.
func (c *Client) Victims(ctx context.Context, incident string) ([]Victim, error) {
	var out struct {
		Items []Victim `json:"items"`
	}
	err := c.verb(ctx, http.MethodGet, incident, "victims", &out)
	return out.Items, err
}

// CallVictim notes what came of calling a victim: reached, no_answer, call_back.
func (c *Client) CallVictim(ctx context.Context, victim, outcome, words string) error {
	_, err := c.Do(ctx, http.MethodPost, "/v1/victims/"+seg(victim)+"/calls", map[string]string{"outcome": outcome, "words": words}, nil)
	return err
}

// ResolveVictim decides an amount that the check could not; to nil keeps the
// account that is known.
func (c *Client) ResolveVictim(ctx context.Context, victim string, amount money.Amount, to *PayTo, why string) error {
	body := map[string]any{"amount": amount, "why": why}
	if to != nil {
		body["pay_to"] = to
	}
	_, err := c.Do(ctx, http.MethodPost, "/v1/victims/"+seg(victim)+"/resolution", body, nil)
	return err
}

// RefuseVictim refuses a report without any trace.
func (c *Client) RefuseVictim(ctx context.Context, victim, words string) error {
	_, err := c.Do(ctx, http.MethodPost, "/v1/victims/"+seg(victim)+"/refusal", map[string]string{"words": words}, nil)
	return err
}

// WriteStatement writes the next version of the public statement; lang is zh or en.
func (c *Client) WriteStatement(ctx context.Context, incident, lang string) (Statement, error) {
	var out Statement
	_, err := c.Do(ctx, http.MethodPost, "/v1/incidents/"+seg(incident)+"/statements", map[string]string{"lang": lang}, &out)
	return out, err
}

// PublishStatement lets the public see a version; another person than its author.
func (c *Client) PublishStatement(ctx context.Context, incident, lang string, number int) error {
	_, err := c.Do(ctx, http.MethodPost, "/v1/incidents/"+seg(incident)+"/statements/publication",
		map[string]any{"lang": lang, "number": number}, nil)
	return err
}

// CloseIncident ends an incident and sets its fund free.
func (c *Client) CloseIncident(ctx context.Context, incident string) error {
	return c.verb(ctx, http.MethodPost, incident, "close", nil)
}

// CreateFund opens a fund.
func (c *Client) CreateFund(ctx context.Context, in NewFund) (Fund, error) {
	var out Fund
	_, err := c.Do(ctx, http.MethodPost, "/v1/funds", in, &out)
	return out, err
}

// Fund is one fund with its figures.
func (c *Client) Fund(ctx context.Context, id string) (Fund, error) {
	var out Fund
	_, err := c.Do(ctx, http.MethodGet, "/v1/funds/"+seg(id), nil, &out)
	return out, err
}

// Deposit books money that has come in; id is the caller's.
func (c *Client) Deposit(ctx context.Context, fund, id string, amount money.Amount, memo string) (Fund, error) {
	var out Fund
	body := map[string]any{"id": id, "amount": amount, "memo": memo}
	_, err := c.Do(ctx, http.MethodPost, "/v1/funds/"+seg(fund)+"/deposits", body, &out)
	return out, err
}

// Payouts is a page of an incident's or a claim's payouts; cursor is "" for the
// first.
func (c *Client) Payouts(ctx context.Context, purpose, cursor string) (PayoutPage, error) {
	var out PayoutPage
	q := url.Values{}
	set(q, "purpose", purpose)
	set(q, "cursor", cursor)
	_, err := c.Do(ctx, http.MethodGet, "/v1/payouts?"+q.Encode(), nil, &out)
	return out, err
}

// Payout is one payout, with the code of its certificate once it has arrived.
func (c *Client) Payout(ctx context.Context, id string) (Payout, error) {
	var out Payout
	_, err := c.Do(ctx, http.MethodGet, "/v1/payouts/"+seg(id), nil, &out)
	return out, err
}

// ImportStatus reads the bank's answer, pain.002 as it came.
func (c *Client) ImportStatus(ctx context.Context, xml io.Reader) (StatusReport, error) {
	var out StatusReport
	_, err := c.read(ctx, request{method: http.MethodPost, path: "/v1/payouts/status", kind: "application/xml", stream: xml}, &out)
	return out, err
}

// ReconcilePayout asks the rail what became of a payout of unknown outcome.
func (c *Client) ReconcilePayout(ctx context.Context, id string) (Payout, error) {
	var out Payout
	_, err := c.Do(ctx, http.MethodPost, "/v1/payouts/"+seg(id)+"/reconcile", nil, &out)
	return out, err
}

// Certificate is a certificate by its verification code.
func (c *Client) Certificate(ctx context.Context, code string) (Certificate, error) {
	var out Certificate
	_, err := c.Do(ctx, http.MethodGet, "/v1/certificates/"+seg(code), nil, &out)
	return out, err
}

// CertificatePDF is a certificate to print.
func (c *Client) CertificatePDF(ctx context.Context, code string) ([]byte, error) {
	return c.bytes(ctx, "/v1/certificates/"+seg(code)+"/pdf")
}

// VerifyCertificate checks a certificate's file.
func (c *Client) VerifyCertificate(ctx context.Context, pdf []byte) (Verification, error) {
	var out Verification
	r := request{method: http.MethodPost, path: "/v1/certificates/verify", kind: "application/pdf", body: bytes.Clone(pdf)}
	_, err := c.read(ctx, r, &out)
	return out, err
}

// CheckBooks proves the books from the transfers alone.
func (c *Client) CheckBooks(ctx context.Context) (BooksCheck, error) {
	var out BooksCheck
	_, err := c.Do(ctx, http.MethodGet, "/v1/books/check", nil, &out)
	return out, err
}
