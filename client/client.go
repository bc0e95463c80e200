package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"surety/kernel/ident"
)

// Config is how a client behaves; the zero Config is good.
type Config struct {
	// HTTP carries the calls; one without a total time limit is used if nil, for
	// imports and streams take as long as they take. Bound calls by their context.
	HTTP *http.Client
	// Retries is how often a call is repeated when the answer says that nothing was
	// done; 4 if zero, none if negative.
	Retries int
	// Wait is how long to wait before the first repetition, if the answer does not
	// say; it doubles with each. 200 ms if zero.
	Wait time.Duration
}

// Client speaks to one Surety as one caller. It is safe for many goroutines.
type Client struct {
	base  string
	token string
	cfg   Config
}

// New makes a client for the address (https://surety.example) and an API key or
// the token of a session.
func New(baseURL, token string) (*Client, error) { return NewWith(baseURL, token, Config{}) }

// NewWith is New with a Config.
func NewWith(baseURL, token string, cfg Config) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, ident.Invalid("base_url", "url_malformed", "the address must look like https://surety.example")
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a token is not carried elsewhere
		}}
	}
	if cfg.Retries == 0 {
		cfg.Retries = 4
	}
	if cfg.Wait == 0 {
		cfg.Wait = 200 * time.Millisecond
	}
	return &Client{base: strings.TrimSuffix(baseURL, "/"), token: token, cfg: cfg}, nil
}

// As is a client for the same address as another caller.
func (c *Client) As(token string) *Client { return &Client{base: c.base, token: token, cfg: c.cfg} }

// Problem is an answer that says no, as RFC 9457 has it.
type Problem struct {
	Kind      ident.Kind     `json:"kind"`
	Code      string         `json:"code"`
	Status    int            `json:"status"`
	Title     string         `json:"title"`
	Detail    string         `json:"detail"`
	Errors    []ProblemField `json:"errors"`
	Lookup    string         `json:"lookup"`     // kind unknown: look here whether it happened
	RequestID string         `json:"request_id"` // to name when asking the operator

	wait time.Duration // that the answer asks for
}

// ProblemField is one place that is wrong.
type ProblemField struct {
	Field  string `json:"field"`
	Row    int    `json:"row"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Error implements error.
func (p *Problem) Error() string {
	s := string(p.Kind) + ": " + p.Detail + " (" + p.Code
	if f := p.Field(); f != "" {
		s += ", field " + f
	}
	if r := p.Row(); r > 0 {
		s += ", row " + strconv.Itoa(r)
	}
	return s + ")"
}

// Field is the first place that is wrong, "" if the whole request is.
func (p *Problem) Field() string {
	if len(p.Errors) == 0 {
		return ""
	}
	return p.Errors[0].Field
}

// Row is the first row that is wrong, 0 if it is not about a file.
func (p *Problem) Row() int {
	if len(p.Errors) == 0 {
		return 0
	}
	return p.Errors[0].Row
}

// AsProblem returns the problem in err, if there is one.
func AsProblem(err error) (*Problem, bool) {
	var p *Problem
	ok := errors.As(err, &p)
	return p, ok
}

// request is one call.
type request struct {
	method, path string
	kind         string    // content type
	accept       string    // "" is JSON
	body         []byte    // may be sent again
	stream       io.Reader // is sent once
}

// send does the call, again if nothing was done by it.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	wait := c.cfg.Wait
	for try := 0; ; try++ {
		resp, err := c.once(ctx, r)
		p, isProblem := AsProblem(err)
		if err == nil || !isProblem || p.Kind != ident.KindUnavailable || r.stream != nil || try >= c.cfg.Retries {
			return resp, err
		}
		timer := time.NewTimer(max(wait, p.wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
		wait *= 2
	}
}

func (c *Client) once(ctx context.Context, r request) (*http.Response, error) {
	body := r.stream
	if body == nil && r.body != nil {
		body = bytes.NewReader(r.body)
	}
	q, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, body)
	if err != nil {
		return nil, ident.Invalid("path", "path_malformed", "the request cannot be made").Because(err)
	}
	if r.kind != "" {
		q.Header.Set("Content-Type", r.kind)
	}
	if r.accept != "" {
		q.Header.Set("Accept", r.accept)
	}
	if c.token != "" {
		q.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.cfg.HTTP.Do(q)
	if err != nil {
		return nil, broken(r, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readProblem(r, resp)
}

// broken is an answer that did not come: what was asked may have been done.
func broken(r request, err error) error {
	if r.method == http.MethodGet {
		return ident.E(ident.KindUnavailable, "connection", "Surety did not answer; try again").Because(err)
	}
	return ident.E(ident.KindUnknown, "connection",
		"the answer was lost; call again with the same id and the same values").Because(err)
}

// maxProblem bounds what is read of a problem.
const maxProblem = 1 << 20

func readProblem(r request, resp *http.Response) error {
	p := &Problem{Status: resp.StatusCode}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return broken(r, err)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(raw, p) != nil {
		return ident.E(ident.KindUnknown, "not_surety", "%s answered %s, not as Surety does; is there a proxy between?", r.path, resp.Status)
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 && s < 3600 {
		p.wait = time.Duration(s) * time.Second
	}
	return p
}

// Do sends in as JSON (nil: no body) and reads the answer into out (nil: not
// read). again says that the answer was recorded before. It reaches whatever has
// no method of its own; see /openapi.json.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) (again bool, err error) {
	r := request{method: method, path: path}
	if in != nil {
		if r.body, err = json.Marshal(in); err != nil {
			return false, ident.Invalid("", "encode", "this cannot be sent as JSON").Because(err)
		}
		r.kind = typeJSON
	}
	return c.read(ctx, r, out)
}

const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeCSV    = "text/csv"
)

func (c *Client) read(ctx context.Context, r request, out any) (again bool, err error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	again = resp.Header.Get("Idempotency-Hit") == "true"
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return again, nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return again, broken(r, err)
	}
	return again, nil
}

// bytes is an answer that is not JSON.
func (c *Client) bytes(ctx context.Context, path string) ([]byte, error) {
	r := request{method: http.MethodGet, path: path}
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, broken(r, err)
	}
	return b, nil
}

// seg is one part of a path.
func seg(id string) string { return url.PathEscape(id) }
