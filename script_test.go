package surety_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/text/encoding/simplifiedchinese"

	"surety/app/demo"
	"surety/domain/fund"
)

// TestScripts runs testdata/script: one script for each requirement that is done,
// against one house in which the mass theft has been lived. They run one after
// another, for they share its clock; each makes its own ids for what it changes,
// so any of them can be run alone.
func TestScripts(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "surety")
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/surety").CombinedOutput(); err != nil {
		t.Fatalf("cmd/surety does not build: %v\n%s", err, out)
	}
	h := live(t, bin)
	testscript.RunT(inTurn{t}, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LIVED", h.lived)
			e.Setenv("AFTER", h.after)
			e.Setenv("SOON", h.demo.Clock.Now().Add(10*time.Minute).Format(time.RFC3339))
			c := &cast{h: h}
			e.Values[castKey{}] = c
			e.Defer(func() {
				if err := c.leave(); err != nil {
					t.Error(err)
				}
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"api": apiCmd, "field": fieldCmd, "save": saveCmd, "page": pageCmd, "portal": portalCmd, "tap": tapCmd,
			"surety": h.suretyCmd, "exits": h.exitsCmd, "clock": clockCmd, "bank": bankCmd, "summary": summaryCmd,
			"house": houseCmd, "work": workCmd, "sum": sumCmd, "mend": mendCmd, "quote": quoteCmd, "customer": customerCmd, "encode": encodeCmd,
			"flip": flipCmd, "balance": balanceCmd, "link": linkCmd,
		},
	})
}

// inTurn runs the scripts one after another: the clock is one for all.
type inTurn struct{ *testing.T }

// Parallel does nothing.
func (inTurn) Parallel() {}

// Verbose is the flag -v.
func (inTurn) Verbose() bool { return testing.Verbose() }

// Run runs a script.
func (t inTurn) Run(name string, fn func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { fn(inTurn{t}) })
}

// stage is the house in which the story was lived.
type stage struct {
	demo    *demo.Demo
	bin     string // the program
	lived   string // a copy of the data directory as it stood after the story
	after   string // the time after the story
	summary []byte
	web     *http.Client
	tokens  map[string]string // of staff, by seat, and the host's key
	bank    fund.Bank
	banked  map[string]bool    // files that the bank has answered
	servers []*httptest.Server // of a script's own house
}

// emails are the demo's people by their seats in the scripts.
var emails = map[string]string{
	"analyst": "zhou.lan@demo.example", "admin": "admin@demo.example", "lead": "chen.jing@demo.example", "fund": "zhao.min@demo.example",
	"handler": "wang.fang@demo.example", "compliance": "li.wei@demo.example",
}

// live lives the story once and keeps its servers running.
func live(t *testing.T, bin string) *stage {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "house")
	d, sum, err := demo.Run(t.Context(), demo.Config{Dir: dir, Out: io.Discard, Staff: "127.0.0.1:0", Portal: "127.0.0.1:0"})
	if err != nil {
		t.Fatalf("the story: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing the house: %v", err)
		}
	})
	h := &stage{demo: d, bin: bin, lived: filepath.Join(t.TempDir(), "lived"), tokens: map[string]string{}, banked: map[string]bool{}}
	h.after = d.Clock.Now().Add(time.Second).Format(time.RFC3339)
	h.web = &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 5 * time.Second}, Timeout: time.Minute}
	t.Cleanup(h.web.CloseIdleConnections)
	if h.summary, err = json.Marshal(sum); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-r", dir, h.lived).CombinedOutput(); err != nil { // nobody writes now
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(d.App.BankOut(), "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		h.banked[f] = true
	}
	return h
}

// cast is who plays in one script, and what was answered last.
type cast struct {
	h       *stage
	own     bool         // the stage is this script's alone
	account string       // of the customer
	token   string       // the customer's session
	browser *http.Client // the customer's, for the portal
	last    any          // the last JSON, or the list of the lines of the last NDJSON
	page    []byte       // the last page
}

type castKey struct{}

func of(ts *testscript.TestScript) *cast { return ts.Value(castKey{}).(*cast) }

// request is one call.
type request struct {
	method, url, kind string
	body              io.Reader
	length            int64
	header            map[string]string
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (h *stage) do(web *http.Client, r request) (answer, error) {
	q, err := http.NewRequest(r.method, r.url, r.body)
	if err != nil {
		return answer{}, err
	}
	if r.length > 0 {
		q.ContentLength = r.length
		q.Header.Set("Expect", "100-continue") // so that a refusal comes before the body
	}
	if r.kind != "" {
		q.Header.Set("Content-Type", r.kind)
	}
	for k, v := range r.header {
		q.Header.Set(k, v)
	}
	resp, err := web.Do(q)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

// ask asks the API for a token by a JSON body.
func (h *stage) ask(path, bearer string, body any) (string, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	a, err := h.do(h.web, request{method: "POST", url: h.demo.StaffURL + path, kind: "application/json", body: bytes.NewReader(b),
		header: map[string]string{"Authorization": "Bearer " + bearer}})
	if err != nil {
		return "", err
	}
	var out struct{ Token string }
	if err := json.Unmarshal(a.body, &out); err != nil || out.Token == "" {
		return "", fmt.Errorf("%s: HTTP %d %s", path, a.status, a.body)
	}
	return out.Token, nil
}

// token is what the seat shows: a session that is still good, or the host's key.
func (h *stage) token(seat string) (string, error) {
	if t := h.tokens[seat]; t != "" {
		return t, nil
	}
	if seat == "host" {
		admin, err := h.token("admin")
		if err != nil {
			return "", err
		}
		h.tokens[seat], err = h.ask("/v1/keys", admin, map[string]any{"name": "scripts", "roles": []string{"host"}})
		return h.tokens[seat], err
	}
	email, ok := emails[seat]
	if !ok {
		return "", fmt.Errorf("there is no seat %q; there are nobody, customer, host and %v", seat, slices.Sorted(maps.Keys(emails)))
	}
	var err error
	h.tokens[seat], err = h.ask("/v1/sessions", "", map[string]string{"email": email, "password": demo.Password})
	return h.tokens[seat], err
}

// flags takes -name value pairs from the front of args.
func flags(ts *testscript.TestScript, args []string, names ...string) (map[string]string, []string) {
	out := map[string]string{}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name := args[0][1:]
		if !slices.Contains(names, name) || len(args) < 2 {
			ts.Fatalf("there is no -%s, or it has no value; there are %v", name, names)
		}
		out[name], args = args[1], args[2:]
	}
	return out, args
}

var kinds = map[string]string{".json": "application/json", ".csv": "text/csv", ".xml": "application/xml", ".pdf": "application/pdf",
	".ndjson": "application/x-ndjson"}

// body is the request's body: a file; or JSON as it stands, with ${NAME} replaced;
// or spaces:N for so many bytes.
func body(ts *testscript.TestScript, path, arg string) (kind string, r io.Reader, length int64) {
	if strings.HasPrefix(arg, "{") {
		return "application/json", strings.NewReader(os.Expand(arg, ts.Getenv)), 0
	}
	if size, ok := strings.CutPrefix(arg, "spaces:"); ok {
		n, err := strconv.ParseInt(size, 10, 64)
		ts.Check(err)
		return "application/json", io.LimitReader(spaces{}, n), n
	}
	kind = kinds[filepath.Ext(arg)]
	for _, as := range []string{"/lists", "/reports", "/evidence"} { // any file, as it is
		if p, _, _ := strings.Cut(path, "?"); kind == "" || strings.HasSuffix(p, as) {
			kind = "application/octet-stream"
		}
	}
	b := ts.ReadFile(arg)
	if kind == "application/json" || kind == "application/x-ndjson" {
		b = os.Expand(b, ts.Getenv)
	}
	return kind, strings.NewReader(b), 0
}

// spaces is a body without end.
type spaces struct{}

// Read gives spaces.
func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// apiCmd is: api [-as seat] [-type content/type] [-out file] METHOD PATH [body].
// It prints the status, some headers and the body, JSON over several lines.
func apiCmd(ts *testscript.TestScript, neg bool, args []string) {
	opt, args := flags(ts, args, "as", "type", "out")
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: api [-as seat] [-type content/type] [-out file] METHOD PATH [body]; ask for the status with stdout")
	}
	c := of(ts)
	r := request{method: args[0], url: c.h.demo.StaffURL + args[1], header: map[string]string{}}
	if len(args) == 3 {
		r.kind, r.body, r.length = body(ts, args[1], args[2])
	}
	if opt["type"] != "" {
		r.kind = opt["type"]
	}
	if token := c.bearer(ts, opt["as"]); token != "" {
		r.header["Authorization"] = "Bearer " + token
	}
	a, err := c.h.do(c.h.web, r)
	ts.Check(err)
	if opt["out"] != "" {
		ts.Check(os.WriteFile(ts.MkAbs(opt["out"]), a.body, 0o600))
	}
	c.say(ts, a, opt["out"] != "")
}

// bearer is what the seat shows.
func (c *cast) bearer(ts *testscript.TestScript, seat string) string {
	switch seat {
	case "", "nobody":
		return ""
	case "customer":
		if c.token == "" {
			ts.Fatalf("nobody is the customer; say first: customer ACCOUNT")
		}
		return c.token
	}
	token, err := c.h.token(seat)
	ts.Check(err)
	return token
}

// say prints an answer and remembers its JSON.
func (c *cast) say(ts *testscript.TestScript, a answer, saved bool) {
	w := ts.Stdout()
	fmt.Fprintf(w, "HTTP %d\n", a.status)
	for _, name := range []string{"Allow", "Idempotency-Hit", "Retry-After", "Content-Disposition", "Www-Authenticate"} {
		if v := a.header.Get(name); v != "" {
			fmt.Fprintf(w, "%s: %s\n", name, v)
		}
	}
	c.last = nil
	kind := a.header.Get("Content-Type")
	switch {
	case strings.HasPrefix(kind, "application/json"), strings.HasPrefix(kind, "application/problem+json"):
		c.last = decoded(ts, a.body)
		var pretty bytes.Buffer
		ts.Check(json.Indent(&pretty, a.body, "", "  "))
		fmt.Fprintf(w, "%s\n", &pretty)
	case strings.HasPrefix(kind, "application/x-ndjson"):
		lines := []any{}
		for line := range bytes.Lines(a.body) {
			lines = append(lines, decoded(ts, line))
		}
		c.last = lines
		fmt.Fprintf(w, "%s\n", a.body)
	case !saved:
		fmt.Fprintf(w, "%s\n", a.body)
	}
}

func decoded(ts *testscript.TestScript, b []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	return v
}

// step is one part of a path: a name, a number or "count", then [key=value]
// for those of a list.
var step = regexp.MustCompile(`^([^.\[]*)((?:\[[^\]=]+=[^\]]*\])*)(?:\.|$)`)

// at finds a path in JSON: items[account=W1].amount.value, errors.0.row, items.count.
func at(v any, path string) (any, error) {
	for path != "" {
		m := step.FindStringSubmatch(path)
		if m == nil || m[0] == "" {
			return nil, fmt.Errorf("%q is no path", path)
		}
		var err error
		if v, err = member(v, m[1]); err != nil {
			return nil, err
		}
		for _, f := range strings.Split(strings.Trim(m[2], "[]"), "][") {
			if key, want, ok := strings.Cut(f, "="); ok {
				v = those(v, key, want)
			}
		}
		path = path[len(m[0]):]
	}
	return v, nil
}

// member is one member of an object or a list; of a list of one, of that one.
func member(v any, name string) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if got, ok := v[name]; ok {
			return got, nil
		}
		return nil, fmt.Errorf("there is no %q; there are %v", name, slices.Sorted(maps.Keys(v)))
	case []any:
		if name == "count" {
			return json.Number(strconv.Itoa(len(v))), nil
		}
		if n, err := strconv.Atoi(name); err == nil && n < len(v) {
			return v[n], nil
		}
		if len(v) == 1 {
			return member(v[0], name)
		}
		return nil, fmt.Errorf("%q in a list of %d", name, len(v))
	}
	return nil, fmt.Errorf("%q in %v", name, v)
}

// those are the objects of a list whose member key is want.
func those(v any, key, want string) []any {
	out := []any{}
	list, _ := v.([]any)
	for _, e := range list {
		if got, err := at(e, key); err == nil && text(got) == want {
			out = append(out, e)
		}
	}
	return out
}

// text is a JSON value as a script writes it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// fieldCmd is: [!] field PATH WANT, of the last JSON.
func fieldCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: field PATH WANT")
	}
	got, err := at(of(ts).last, args[0])
	ts.Check(err)
	if (text(got) == args[1]) == neg {
		ts.Fatalf("%s is %s, want %s (not: %v)", args[0], text(got), args[1], neg)
	}
}

// saveCmd is: save NAME PATH; the value is then $NAME.
func saveCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: save NAME PATH")
	}
	got, err := at(of(ts).last, args[1])
	ts.Check(err)
	ts.Setenv(args[0], text(got))
}

var (
	unseen = regexp.MustCompile(`(?s)<(script|style|svg|head)\b.*?</(script|style|svg|head)>|<!--.*?-->`)
	block  = regexp.MustCompile(`</?(p|div|li|tr|h[1-6]|dt|section|article|header|form|table|ul|ol|main|nav|br|button|option|` +
		`label|summary)\b[^>]*>`)
	tag    = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`[^\S\n]+`)
	lines  = regexp.MustCompile(`\s*\n\s*`)
)

// words is the text of a page as a person reads it, a line for each block.
func words(page []byte) string {
	s := unseen.ReplaceAllString(string(page), " ")
	s = tag.ReplaceAllString(block.ReplaceAllString(s, "\n"), " ")
	return strings.TrimSpace(lines.ReplaceAllString(blanks.ReplaceAllString(html.UnescapeString(s), " "), "\n")) + "\n"
}

// pageCmd is: page [-as seat] [-lang zh] PATH; it prints the text of a page of the
// console.
func pageCmd(ts *testscript.TestScript, neg bool, args []string) {
	opt, args := flags(ts, args, "as", "lang")
	if neg || len(args) != 1 {
		ts.Fatalf("usage: page [-as seat] [-lang zh|en] PATH")
	}
	if opt["as"] == "" {
		opt["as"] = "lead"
	}
	c := of(ts)
	r := request{method: "GET", url: c.h.demo.StaffURL + args[0], header: map[string]string{"Accept-Language": or(opt["lang"], "en")}}
	if token := c.bearer(ts, opt["as"]); token != "" {
		r.header["Cookie"] = "surety_staff=" + token
	}
	a, err := c.h.do(c.h.web, r)
	ts.Check(err)
	c.page = a.body
	fmt.Fprintf(ts.Stdout(), "HTTP %d\n%s", a.status, words(a.body))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// customerCmd is: customer ACCOUNT; the holder opens the portal from the wallet,
// by a link that the host's program makes and that works once.
func customerCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: customer ACCOUNT")
	}
	c := of(ts)
	key, err := c.h.token("host")
	ts.Check(err)
	link, err := c.h.ask("/v1/links", key, map[string]any{"account": args[0], "seconds": 3600})
	ts.Check(err)
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	c.account, c.browser = args[0], &http.Client{Jar: jar, Transport: c.h.web.Transport, Timeout: time.Minute}
	a, err := c.h.do(c.browser, request{method: "GET", url: c.h.demo.PortalURL + "/in/" + link})
	ts.Check(err)
	if a.status != http.StatusOK {
		ts.Fatalf("the link of %s: HTTP %d", args[0], a.status)
	}
	u, err := url.Parse(c.h.demo.PortalURL)
	ts.Check(err)
	for _, k := range jar.Cookies(u) {
		if k.Name == "surety_me" {
			c.token = k.Value
		}
	}
}

// portalCmd is: portal [-lang zh] PATH; it prints the text of a page of the portal,
// as the customer if there is one.
func portalCmd(ts *testscript.TestScript, neg bool, args []string) {
	opt, args := flags(ts, args, "lang", "out")
	if neg || len(args) != 1 {
		ts.Fatalf("usage: portal [-lang zh|en] [-out file] PATH")
	}
	of(ts).visit(ts, request{method: "GET", url: args[0], header: map[string]string{"Accept-Language": or(opt["lang"], "en")}}, opt["out"])
}

// tapCmd is: tap PATH name=value...; the customer sends a form of the portal.
func tapCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: tap PATH name=value...")
	}
	form := url.Values{}
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		form.Add(name, value)
	}
	of(ts).visit(ts, request{method: "POST", url: args[0], kind: "application/x-www-form-urlencoded",
		body: strings.NewReader(form.Encode()), header: map[string]string{"Accept-Language": "en", "Sec-Fetch-Site": "same-origin"}}, "")
}

func (c *cast) visit(ts *testscript.TestScript, r request, out string) {
	web := c.browser
	if web == nil {
		web = c.h.web
	}
	r.url = c.h.demo.PortalURL + r.url
	a, err := c.h.do(web, r)
	ts.Check(err)
	if out != "" {
		ts.Check(os.WriteFile(ts.MkAbs(out), a.body, 0o600))
		fmt.Fprintf(ts.Stdout(), "HTTP %d\n%s\n", a.status, a.header.Get("Content-Type"))
		return
	}
	c.page = a.body
	fmt.Fprintf(ts.Stdout(), "HTTP %d\n%s", a.status, words(a.body))
}

// linkCmd is: link NAME REGEXP; the first link or field of the last page that fits
// is then $NAME.
func linkCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: link NAME REGEXP")
	}
	want, err := regexp.Compile("^(?:" + args[1] + ")$")
	ts.Check(err)
	for _, m := range linked.FindAllSubmatch(of(ts).page, -1) {
		if u := html.UnescapeString(string(m[1])); want.MatchString(u) {
			ts.Setenv(args[0], u)
			return
		}
	}
	ts.Fatalf("the page has no link or value like %s", args[1])
}

var linked = regexp.MustCompile(`(?:href|action|value)="([^"]*)"`)

// suretyCmd is: [!] surety ARGS..., the program itself.
func (h *stage) suretyCmd(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(h.bin, args...)
	if neg == (err == nil) {
		ts.Fatalf("surety %s: %v, want failure %v", strings.Join(args, " "), err, neg)
	}
}

// exitsCmd is: exits CODE surety ARGS....
func (h *stage) exitsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "surety" {
		ts.Fatalf("usage: exits CODE surety ARGS...")
	}
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(h.bin, args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// clockCmd is: clock +10m; the house's time moves on, and who was signed in signs
// in again. In a house of the script's own $NOW is that time, and the house has
// looked after itself, as it does every ten seconds.
func clockCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: clock +10m")
	}
	c := of(ts)
	by, err := time.ParseDuration(strings.TrimPrefix(args[0], "+"))
	ts.Check(err)
	c.h.demo.Clock.Advance(by)
	if c.own {
		ts.Setenv("NOW", c.h.demo.Clock.Now().Format(time.RFC3339))
		ts.Check(c.h.demo.App.Look(context.Background()))
	}
	maps.DeleteFunc(c.h.tokens, func(seat, _ string) bool { return seat != "host" })
	if c.account != "" {
		customerCmd(ts, false, []string{c.account})
	}
}

// bankCmd is: bank [reject]; the orders that are due go to the bank, which carries
// out or rejects all of them; its answer goes in through the API.
func bankCmd(ts *testscript.TestScript, neg bool, args []string) {
	c := of(ts)
	h, reject := c.h, len(args) == 1 && args[0] == "reject"
	if neg || len(args) > 0 && !reject {
		ts.Fatalf("usage: bank [reject]")
	}
	ctx := context.Background()
	_, err := h.demo.App.Queue.Drain(ctx)
	ts.Check(err)
	files, err := filepath.Glob(filepath.Join(h.demo.App.BankOut(), "*.xml"))
	ts.Check(err)
	for _, name := range files {
		if h.banked[name] {
			continue
		}
		order, err := os.ReadFile(name)
		ts.Check(err)
		refused := map[string]string{}
		for _, m := range endToEnd.FindAllSubmatch(order, -1) {
			if reject {
				refused[string(m[1])] = "AC01"
			}
		}
		status, err := h.bank.AnswerAll(order, refused, h.demo.Clock.Now())
		ts.Check(err)
		token, err := h.token("fund")
		ts.Check(err)
		a, err := h.do(h.web, request{method: "POST", url: h.demo.StaffURL + "/v1/payouts/status", kind: "application/xml",
			body: bytes.NewReader(status), header: map[string]string{"Authorization": "Bearer " + token}})
		ts.Check(err)
		h.banked[name] = true
		ts.Check(os.WriteFile(ts.MkAbs("pain001.xml"), order, 0o600))
		ts.Check(os.WriteFile(ts.MkAbs("pain002.xml"), status, 0o600))
		c.say(ts, a, false)
	}
	_, err = h.demo.App.Queue.Drain(ctx)
	ts.Check(err)
}

var endToEnd = regexp.MustCompile(`<EndToEndId>([^<]+)</EndToEndId>`)

// summaryCmd is: summary; the last line of surety demo --json.
func summaryCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: summary")
	}
	c := of(ts)
	c.last = decoded(ts, c.h.summary)
	fmt.Fprintf(ts.Stdout(), "%s\n", c.h.summary)
}

// encodeCmd is: encode gb18030 FROM TO.
func encodeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || args[0] != "gb18030" {
		ts.Fatalf("usage: encode gb18030 FROM TO")
	}
	s, err := simplifiedchinese.GB18030.NewEncoder().String(ts.ReadFile(args[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(s), 0o600))
}

// flipCmd is: flip FILE TEXT; one bit of the first byte of TEXT is turned around
// in the file, wherever it stands there.
func flipCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE TEXT")
	}
	b := []byte(ts.ReadFile(args[0]))
	n := bytes.Count(b, []byte(args[1]))
	if n == 0 {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	for i, from := 0, 0; i < n; i++ {
		from += bytes.Index(b[from:], []byte(args[1]))
		b[from] ^= 1
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, fs.FileMode(0o600)))
}

// balanceCmd is: balance ACCOUNT WANT; the word of another program: hledger adds
// the exported books, which the script has saved as books.journal.
func balanceCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: balance ACCOUNT WANT")
	}
	out, err := exec.Command("hledger", "-f", ts.MkAbs("books.journal"), "balance", "-N", "--flat", "--no-elide",
		"--format", "%(total)", "^"+regexp.QuoteMeta(args[0])+"$").CombinedOutput()
	if err != nil {
		ts.Fatalf("hledger: %v: %s", err, out)
	}
	if got := strings.TrimSpace(string(out)); got != args[1] {
		ts.Fatalf("hledger says that %s holds %q, want %q", args[0], got, args[1])
	}
}
