package api

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"surety/kernel/money"
	"surety/platform/access"
)

// route is one operation. The mux, the OpenAPI document, the metrics and the
// tests are all made from the table of these.
type route struct {
	Method  string
	Path    string // with {name} for each part that is an id
	ID      string // operation id, "claim-file": a verb and its noun
	Act     access.Act
	Also    []access.Act // by what the body says, one of these is the act
	Summary string
	Text    string // more, in the document
	Query   []param
	In      body
	Out     answer
	// Shown: what the caller shows (a password, a token) decides, and access
	// itself does and logs it; there is no role to ask for first.
	Shown bool
	// Anonymous: the caller has no token yet.
	Anonymous bool
	// Lookup is where an unknown outcome is resolved; {id} is the path's or the
	// one that the handler names with c.subject.
	Lookup string
	// Long: may take minutes (imports, exports, streams).
	Long bool
	// Do answers. A returned error becomes a problem.
	Do func(c *call) error
}

// param is a query parameter; an unnamed one is refused.
type param struct {
	Name string
	Doc  string
	Enum []string
	Kind string // "" is a text; "integer", "time"
	Must bool
}

// body is what a route reads.
type body struct {
	Types []string     // content types; none: the body must be empty
	JSON  reflect.Type // of an application/json body
	Limit int64        // bytes; 1 MiB if zero
	Doc   string
}

// answer is what a route gives back when all is well.
type answer struct {
	Status int          // 200 if zero
	Type   string       // application/json if ""
	JSON   reflect.Type // of an application/json answer, or of each line of NDJSON
	Doc    string
}

const (
	mib         = 1 << 20
	bodyLimit   = 1 * mib
	importLimit = 64 * mib

	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeCSV    = "text/csv"
	typeAny    = "application/octet-stream"
	typeXML    = "application/xml"
	typePDF    = "application/pdf"
	typeEvents = "text/event-stream"
	typeText   = "text/plain; charset=utf-8"
)

// jsonIn is a JSON body of type T.
func jsonIn[T any]() body {
	return body{Types: []string{typeJSON}, JSON: reflect.TypeFor[T]()}
}

// jsonOut is a JSON answer of type T.
func jsonOut[T any](doc string) answer { return answer{JSON: reflect.TypeFor[T](), Doc: doc} }

func created[T any](doc string) answer {
	return answer{Status: http.StatusCreated, JSON: reflect.TypeFor[T](), Doc: doc}
}

// nothing is an empty answer.
func nothing(doc string) answer { return answer{Status: http.StatusNoContent, Doc: doc} }

// fileIn is a file as it is, in any of the types.
func fileIn(limit int64, doc string, types ...string) body {
	return body{Types: types, Limit: limit, Doc: doc}
}

func (r route) writes() bool { return r.Method != http.MethodGet }

func (r route) pattern() string { return r.Method + " " + r.Path }

// pathNames are the names within braces.
func (r route) pathNames() []string {
	var out []string
	for _, part := range strings.Split(r.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			name, _, _ = strings.Cut(name, "}")
			out = append(out, name)
		}
	}
	return out
}

func (b body) limit() int64 {
	if b.Limit == 0 {
		return bodyLimit
	}
	return b.Limit
}

// How long a request may take, and how slowly its body may come.
const (
	ordinaryTime = 60 * time.Second
	longTime     = 30 * time.Minute
)

// namer gives the schemas of other packages names that do not collide.
func namer(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	pkg := t.PkgPath()
	pkg = pkg[strings.LastIndexByte(pkg, '/')+1:]
	if pkg == "" || pkg == "api" || pkg == "money" {
		return name
	}
	pkg = strings.ToUpper(pkg[:1]) + pkg[1:]
	if strings.HasPrefix(name, pkg) {
		return name
	}
	return pkg + name
}

const documentText = `Payment protection for a wallet: judge payments before they go, make victims of theft whole afterwards.

**Identity.** Send ` + "`Authorization: Bearer sk_…`" + ` (an API key of the host) or the token of a staff or customer session.
A customer can reach only what is theirs; another's object answers like one that does not exist (404).

**Ids and repeating.** The caller makes the ids of what it creates (in the body or the path): 1 to 64 of A-Z a-z 0-9 - _ . :
The same id with the same body gets the recorded answer again, with the header ` + "`Idempotency-Hit: true`" + `; with another
body it is 409. So after a lost answer, send exactly the same again. No Idempotency-Key header is needed.

**Amounts** are {"value": integer minor units, "currency": ISO 4217}. **Times** are RFC 3339. Unknown, repeated or differently
written names are refused, as are unknown query parameters.

**Problems** are RFC 9457 (application/problem+json) with kind, code, and errors[] that name field and row:
invalid 422, not_found 404, conflict and state 409, denied 403, unsigned 401, limit 422, too_large 413, unavailable 503 with
Retry-After (nothing was done: repeat the same), unknown 503 with code outcome_unknown and a lookup link (it may have
happened: look it up, never send it under another id), internal 500.

**Pages.** Lists give {"items": […], "next": "…"}; send next as ?cursor= for the following page; "" ends it.`

// schemas is an empty registry but for the amount: in answers, one that is zero
// because nothing was said has no currency.
func schemas() huma.Registry {
	reg := huma.NewMapRegistry("#/components/schemas/", namer)
	currency := reg.Schema(reflect.TypeFor[money.Amount](), false, "").Properties["currency"]
	currency.MinLength, currency.MaxLength, currency.Pattern = nil, nil, "^([A-Z]{3})?$"
	currency.PrecomputeMessages()
	return reg
}

// document describes the routes. The version says what runs, so the committed
// copy is made with "v1".
func document(routes []route, version string) *huma.OpenAPI {
	reg := schemas()
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "Surety", Version: version, Description: documentText},
		Components: &huma.Components{
			Schemas: reg,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: "an API key (sk_…) or the token of a session"},
			},
		},
	}
	problem := reg.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, r := range routes {
		doc.AddOperation(r.operation(reg, problem))
	}
	return doc
}

func (r route) operation(reg huma.Registry, problem *huma.Schema) *huma.Operation {
	op := &huma.Operation{
		Method: r.Method, Path: r.Path, OperationID: r.ID, Summary: r.Summary, Description: r.Text,
		Tags: []string{strings.Split(strings.TrimPrefix(r.Path, "/v1/"), "/")[0]},
		Responses: map[string]*huma.Response{
			strconv.Itoa(r.Out.status()): r.Out.response(reg),
			"default": {Description: "a problem", Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: problem},
			}},
		},
		Extensions: map[string]any{"x-surety-act": string(r.Act)},
	}
	if !r.Anonymous {
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	for _, name := range r.pathNames() {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "path", Required: true,
			Schema: &huma.Schema{Type: "string", MaxLength: pointer(64)}})
	}
	for _, q := range r.Query {
		op.Parameters = append(op.Parameters, q.describe())
	}
	if len(r.In.Types) > 0 {
		op.RequestBody = &huma.RequestBody{Required: true, Description: r.In.Doc, Content: map[string]*huma.MediaType{}}
		for _, t := range r.In.Types {
			media := &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
			if r.In.JSON != nil && t != typeFrames {
				media.Schema = reg.Schema(r.In.JSON, true, r.ID)
			}
			op.RequestBody.Content[t] = media
		}
	}
	return op
}

func pointer[T any](v T) *T { return &v }

func (q param) describe() *huma.Param {
	s := &huma.Schema{Type: "string"}
	switch q.Kind {
	case "integer":
		s.Type = "integer"
	case "time":
		s.Format = "date-time"
	}
	for _, v := range q.Enum {
		s.Enum = append(s.Enum, v)
	}
	return &huma.Param{Name: q.Name, In: "query", Description: q.Doc, Required: q.Must, Schema: s}
}

func (a answer) status() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

func (a answer) response(reg huma.Registry) *huma.Response {
	out := &huma.Response{Description: a.Doc}
	if out.Description == "" {
		out.Description = http.StatusText(a.status())
	}
	if a.status() == http.StatusNoContent {
		return out
	}
	kind, schema := a.Type, &huma.Schema{Type: "string"}
	if a.JSON != nil {
		schema = reg.Schema(a.JSON, true, "")
	}
	if kind == "" {
		kind = typeJSON
	}
	out.Content = map[string]*huma.MediaType{kind: {Schema: schema}}
	return out
}
