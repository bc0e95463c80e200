package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"surety/kernel/ident"
)

// Problem is the answer to a request that did not succeed: RFC 9457, with what a
// program needs to act on it.
type Problem struct {
	Type      string         `json:"type" doc:"names the kind of problem" example:"urn:surety:problem:invalid"`
	Title     string         `json:"title" doc:"what the kind means, in a few words"`
	Status    int            `json:"status" doc:"the HTTP status" example:"422"`
	Detail    string         `json:"detail" doc:"one sentence for a person that says what to do"`
	Kind      string         `json:"kind" doc:"what the caller can do about it"`
	Code      string         `json:"code" doc:"stable, for programs" example:"amount_not_positive"`
	Errors    []ProblemField `json:"errors,omitempty" doc:"each place that is wrong; at most 1000"`
	Lookup    string         `json:"lookup,omitempty" doc:"for kind unknown: look here whether it happened"`
	RequestID string         `json:"request_id" doc:"name this when asking the operator"`
}

// ProblemField is one place that is wrong.
type ProblemField struct {
	Field  string `json:"field,omitempty" doc:"JSON path, parameter or column"`
	Row    int    `json:"row,omitempty" doc:"row of a file or line of a batch, counted from 1"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// maxProblems bounds the places named in one answer.
const maxProblems = 1000

// status is the one place where an error kind becomes an HTTP status and a title.
// A limit (a balance, a rate, a cap on an amount) is 422: the request is well
// understood, is in conflict with nothing, and will not work as it is. An unknown
// outcome is 503 without Retry-After: a gateway in between answers 504 itself, and
// ours must not be taken for that one, which says nothing of us.
func status(k ident.Kind) (code int, title string) {
	switch k {
	case ident.KindInvalid:
		return http.StatusUnprocessableEntity, "The request is wrong"
	case ident.KindNotFound:
		return http.StatusNotFound, "There is no such thing"
	case ident.KindConflict:
		return http.StatusConflict, "The id is taken by another content, or it has changed"
	case ident.KindState:
		return http.StatusConflict, "Not possible in the present state"
	case ident.KindDenied:
		return http.StatusForbidden, "Not allowed"
	case ident.KindUnsignedIn:
		return http.StatusUnauthorized, "Not signed in"
	case ident.KindLimit:
		return http.StatusUnprocessableEntity, "A limit would be exceeded"
	case ident.KindTooLarge:
		return http.StatusRequestEntityTooLarge, "Too large"
	case ident.KindUnavailable:
		return http.StatusServiceUnavailable, "Not available now; nothing was done"
	case ident.KindUnknown:
		return http.StatusServiceUnavailable, "It may or may not have happened"
	}
	return http.StatusInternalServerError, "A defect on our side"
}

// problemOf turns an error into what the caller may know of it.
func problemOf(err error, requestID, lookup string, writes bool) Problem {
	all := parts(normal(err, writes))
	first := all[0]
	code, title := status(first.Kind)
	p := Problem{
		Type: "urn:surety:problem:" + string(first.Kind), Title: title, Status: code, Detail: first.Message,
		Kind: string(first.Kind), Code: first.Code, RequestID: requestID,
	}
	switch first.Kind {
	case ident.KindInternal:
		p.Code = "internal"
		p.Detail = "Something went wrong on our side. It is recorded; name the request id when you ask about it."
	case ident.KindUnknown:
		p.Code, p.Lookup = "outcome_unknown", lookup
		p.Detail = "It may or may not have happened. Look it up before anything else, and never send it under another id."
	}
	wrong := 0
	for _, e := range all {
		if e.Kind != ident.KindInvalid && e.Row == 0 || e.Field == "" && e.Row == 0 {
			continue
		}
		wrong++
		if len(p.Errors) < maxProblems {
			p.Errors = append(p.Errors, ProblemField{Field: e.Field, Row: e.Row, Code: e.Code, Detail: e.Message})
		}
	}
	if wrong > 1 {
		p.Detail = fmt.Sprintf("%d places are wrong and nothing was done; the first: %s", wrong, first.Message)
	}
	return p
}

// normal gives errors of the standard library the kind they have here.
func normal(err error, writes bool) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return ident.E(ident.KindTooLarge, "body_too_large", "the body is over %d bytes", large.Limit).Because(err)
	case ident.KindOf(err) != ident.KindInternal, ident.CodeOf(err) != "":
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		if writes { // the act may be in a commit that is under way
			return ident.E(ident.KindUnknown, "outcome_unknown", "the time ran out").Because(err)
		}
		return ident.E(ident.KindUnavailable, "timeout", "this took too long; try again later").Because(err)
	}
	return err
}

// parts are the errors that were joined, the first of them first; never empty.
func parts(err error) []*ident.Error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*ident.Error
		for _, one := range many.Unwrap() {
			out = append(out, parts(one)...)
		}
		if len(out) > 0 {
			return out
		}
	}
	var known *ident.Error
	if errors.As(err, &known) {
		return []*ident.Error{known}
	}
	return []*ident.Error{ident.E(ident.KindInternal, "internal", "internal").Because(err)}
}

// retryAfter is how many seconds a caller is asked to wait when nothing was done.
const retryAfter = 2

// write sends the problem.
func (p Problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch ident.Kind(p.Kind) {
	case ident.KindUnsignedIn:
		h.Set("WWW-Authenticate", `Bearer realm="surety"`)
	case ident.KindUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	case ident.KindTooLarge:
		h.Set("Connection", "close") // the rest of the body is not read
	}
	body, err := json.Marshal(p)
	if err != nil { // a struct of strings and numbers always encodes
		body = []byte(`{"kind":"internal"}`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the caller has gone: there is nobody to tell
}
