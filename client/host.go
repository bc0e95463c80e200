package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"surety/kernel/ident"
)

// What a host wallet needs every day.

// ImportAccounts sends the host's CSV of accounts. If any row is wrong, nothing
// is written and the *Problem names each. Sending it again completes it.
func (c *Client) ImportAccounts(ctx context.Context, csv io.Reader) (AccountsReport, error) {
	var out AccountsReport
	_, err := c.read(ctx, request{method: http.MethodPost, path: "/v1/accounts/import", kind: typeCSV, stream: csv}, &out)
	return out, err
}

// ImportPayments sends the host's CSV of past payments and calls progress, if it
// is not nil, as they are judged.
func (c *Client) ImportPayments(ctx context.Context, csv io.Reader, progress func(done, total int)) (ImportReport, error) {
	r := request{method: http.MethodPost, path: "/v1/payments/import", kind: typeCSV, accept: typeNDJSON, stream: csv}
	resp, err := c.send(ctx, r)
	if err != nil {
		return ImportReport{}, err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var line struct {
			Done    int           `json:"done"`
			Total   int           `json:"total"`
			Report  *ImportReport `json:"report"`
			Problem *Problem      `json:"problem"`
		}
		switch err := dec.Decode(&line); {
		case err != nil:
			return ImportReport{}, broken(r, err)
		case line.Problem != nil:
			return ImportReport{}, line.Problem
		case line.Report != nil:
			return *line.Report, nil
		case progress != nil:
			progress(line.Done, line.Total)
		}
	}
}

// Account is one account with its holder.
func (c *Client) Account(ctx context.Context, id string) (Account, error) {
	var out Account
	_, err := c.Do(ctx, http.MethodGet, "/v1/accounts/"+seg(id), nil, &out)
	return out, err
}

// Assess judges a payment before it goes. again says that it was judged before.
func (c *Client) Assess(ctx context.Context, p Payment) (out Assessed, again bool, err error) {
	again, err = c.Do(ctx, http.MethodPost, "/v1/payments/assess", p, &out)
	return out, again, err
}

// AssessAll judges payments in the order given while they are still being made,
// and hands each answer to got, in that order. An error of got stops it. What has
// no answer when an error is returned was not judged, or its answer was lost: send
// it again as it was.
func (c *Client) AssessAll(ctx context.Context, payments iter.Seq[Payment], got func(BatchLine) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	sent := make(chan int, 1)
	go func() {
		n := 0
		buf := bufio.NewWriter(pw)
		enc := json.NewEncoder(buf)
		var err error
		for p := range payments {
			if err = enc.Encode(p); err != nil {
				break
			}
			n++
		}
		if err == nil {
			err = buf.Flush()
		}
		sent <- n
		pw.CloseWithError(err)
	}()
	defer pr.Close() // a producer that waits is set free
	r := request{method: http.MethodPost, path: "/v1/payments/assess-batch", kind: typeNDJSON, stream: pr}
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answered := 0
	for dec := json.NewDecoder(resp.Body); ; answered++ {
		var line BatchLine
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return broken(r, err)
		}
		if err := got(line); err != nil {
			return err
		}
	}
	pr.Close()
	if n := <-sent; n != answered {
		return ident.E(ident.KindUnavailable, "batch_stopped", "%d of %d payments were answered; send the others again", answered, n)
	}
	return nil
}

// Payment is one payment as it stands.
func (c *Client) Payment(ctx context.Context, id string) (Assessed, error) {
	var out Assessed
	_, err := c.Do(ctx, http.MethodGet, "/v1/payments/"+seg(id), nil, &out)
	return out, err
}

// Payments is a page of payments, newest first; cursor is "" for the first.
func (c *Client) Payments(ctx context.Context, account, cursor string) (PaymentPage, error) {
	var out PaymentPage
	q := url.Values{}
	set(q, "account", account)
	set(q, "cursor", cursor)
	_, err := c.Do(ctx, http.MethodGet, "/v1/payments?"+q.Encode(), nil, &out)
	return out, err
}

func set(q url.Values, name, v string) {
	if v != "" {
		q.Set(name, v)
	}
}

// PaymentEvent says what became of a payment: settle, pass_challenge,
// fail_challenge, take_back; a person: release, refuse.
func (c *Client) PaymentEvent(ctx context.Context, id, event string) (Assessed, error) {
	var out Assessed
	_, err := c.Do(ctx, http.MethodPost, "/v1/payments/"+seg(id)+"/events", map[string]string{"event": event}, &out)
	return out, err
}

// FileClaim hands in a claim. again says that it was handed in before.
func (c *Client) FileClaim(ctx context.Context, in NewClaim) (out Claim, again bool, err error) {
	again, err = c.Do(ctx, http.MethodPost, "/v1/claims", in, &out)
	return out, again, err
}

// Claim is one claim as it stands.
func (c *Client) Claim(ctx context.Context, id string) (Claim, error) {
	var out Claim
	_, err := c.Do(ctx, http.MethodGet, "/v1/claims/"+seg(id), nil, &out)
	return out, err
}

// AddEvidence hands in a file; the same bytes again are the same file.
func (c *Client) AddEvidence(ctx context.Context, claim, filename string, file io.Reader) (Evidence, error) {
	var out Evidence
	path := "/v1/claims/" + seg(claim) + "/evidence?filename=" + url.QueryEscape(filename)
	_, err := c.read(ctx, request{method: http.MethodPost, path: path, kind: "application/octet-stream", stream: file}, &out)
	return out, err
}

// ClaimEvent moves a claim: ask, answer, investigate, close, withdraw, appeal.
func (c *Client) ClaimEvent(ctx context.Context, id, event, words string) (Claim, error) {
	var out Claim
	_, err := c.Do(ctx, http.MethodPost, "/v1/claims/"+seg(id)+"/events", map[string]string{"event": event, "words": words}, &out)
	return out, err
}

// PayClaimTo names the account that a claim is to be paid to.
func (c *Client) PayClaimTo(ctx context.Context, id string, to PayTo) error {
	_, err := c.Do(ctx, http.MethodPut, "/v1/claims/"+seg(id)+"/pay-to", to, nil)
	return err
}

// PortalLink makes the token with which the holder of an account enters the portal
// once, within seconds (600 if zero).
func (c *Client) PortalLink(ctx context.Context, account string, seconds int) (string, error) {
	var out struct {
		Token string `json:"token"`
	}
	_, err := c.Do(ctx, http.MethodPost, "/v1/links", map[string]any{"account": account, "seconds": seconds}, &out)
	return out.Token, err
}

// SignIn opens a session for a member of staff and returns a client for it.
func (c *Client) SignIn(ctx context.Context, email, password string) (*Client, error) {
	var out struct {
		Token string `json:"token"`
	}
	_, err := c.Do(ctx, http.MethodPost, "/v1/sessions", map[string]string{"email": email, "password": password}, &out)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return c.As(out.Token), nil
}
