package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"surety/kernel/ident"
)

// call is one request on its way.
type call struct {
	s     *server
	route route
	w     *seen
	r     *http.Request
	ctx   context.Context
	actor ident.Actor
	query url.Values
	about ident.ID // what an unknown outcome would be about
	buf   *[]byte  // of the body, nil if it was not read so
}

// subject names what the request makes, for the lookup link.
func (c *call) subject(id ident.ID) { c.about = id }

func (c *call) lookup() string {
	id := c.about
	if id == "" {
		id = c.r.PathValue("id")
	}
	if c.route.Lookup == "" || strings.Contains(c.route.Lookup, "{id}") && ident.CheckID("id", id) != nil {
		return ""
	}
	return strings.ReplaceAll(c.route.Lookup, "{id}", id)
}

// prepare checks all that can be checked without the handler: ids of the path,
// parameters, content type, the body's size.
func (c *call) prepare() error {
	for _, name := range c.route.pathNames() {
		if err := ident.CheckID(name, c.r.PathValue(name)); err != nil {
			return err
		}
	}
	if err := c.parseQuery(); err != nil {
		return err
	}
	if len(c.route.In.Types) == 0 {
		if c.r.ContentLength > 0 {
			return ident.Invalid("", "body_unexpected", "this request takes no body")
		}
		return nil
	}
	limit := c.route.In.limit()
	if c.r.ContentLength > limit { // not a byte of it is read
		return ident.E(ident.KindTooLarge, "body_too_large", "the body has %d bytes, at most %d are taken", c.r.ContentLength, limit)
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, limit)
	return c.contentType()
}

func (c *call) parseQuery() error {
	if c.r.URL.RawQuery == "" && len(c.route.Query) == 0 {
		return nil
	}
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return ident.Invalid("", "query_malformed", "the query of the address is malformed")
	}
	for name, values := range q {
		known := slices.ContainsFunc(c.route.Query, func(p param) bool { return p.Name == name })
		switch {
		case !known:
			return ident.Invalid(clip(name), "parameter_unknown", "there is no parameter %q here", clip(name))
		case len(values) > 1:
			return ident.Invalid(name, "parameter_twice", "the parameter %s stands twice", name)
		case len(values[0]) > 1024 || !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0):
			return ident.Invalid(name, "parameter_malformed", "the parameter %s is too long or not plain text", name)
		}
	}
	for _, p := range c.route.Query {
		v := q.Get(p.Name)
		if p.Must && v == "" {
			return ident.Invalid(p.Name, "required", "the parameter %s is missing", p.Name)
		}
		if v != "" && len(p.Enum) > 0 && !slices.Contains(p.Enum, v) {
			return ident.Invalid(p.Name, "unknown", "%s must be one of %s", p.Name, strings.Join(p.Enum, ", "))
		}
	}
	c.query = q
	return nil
}

func (c *call) contentType() error {
	given := c.r.Header.Get("Content-Type")
	if slices.Contains(c.route.In.Types, typeAny) || slices.Contains(c.route.In.Types, given) {
		return nil // a file as it is, whatever it is called
	}
	kind, params, err := mime.ParseMediaType(given)
	charset := strings.ToLower(params["charset"])
	switch {
	case err != nil || !slices.Contains(c.route.In.Types, kind):
		return ident.Invalid("Content-Type", "content_type", "the Content-Type must be %s, it is %q",
			strings.Join(c.route.In.Types, " or "), clip(given))
	case charset != "" && charset != "utf-8":
		return ident.Invalid("Content-Type", "charset", "send UTF-8; the Content-Type says %q", clip(charset))
	}
	return nil
}

// id is a part of the path.
func (c *call) id(name string) ident.ID { return c.r.PathValue(name) }

// str is a query parameter, "" if it is left out.
func (c *call) str(name string) string { return c.query.Get(name) }

// limit is the number of items wanted.
func (c *call) limit() (int, error) {
	v := c.str("limit")
	if v == "" {
		return pageSize, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxPage {
		return 0, ident.Invalid("limit", "out_of_range", "limit must be a whole number from 1 to %d", maxPage)
	}
	return n, nil
}

const (
	pageSize = 50
	maxPage  = 500
)

// when is a query parameter that is a time, zero if it is left out.
func (c *call) when(name string) (time.Time, error) {
	v := c.str(name)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return time.Time{}, ident.Invalid(name, "time_malformed", "%s must be a time like 2026-05-30T09:00:00+08:00", name)
	}
	return t.UTC(), nil
}

// json reads the body strictly into v.
func (c *call) json(v any) error {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return readError(err)
	}
	return decodeStrict(data, v)
}

// body is the whole body; it is the call's until its end.
func (c *call) body() ([]byte, error) {
	c.buf = c.s.buffer()
	b := (*c.buf)[:0]
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, 512)
		}
		n, err := c.r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		*c.buf = b
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, readError(err)
		}
	}
}

// readError is what went wrong while the body was read.
func readError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return ident.Invalid("", "body_cut_off", "the body could not be read to its end; send it again").Because(err)
}

// file is the body as bytes.
func (c *call) file() ([]byte, error) {
	b, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, readError(err)
	}
	if len(b) == 0 {
		return nil, ident.Invalid("", "body_empty", "the file is empty")
	}
	return b, nil
}

// filename is what the sender calls the file.
func (c *call) filename() (string, error) {
	name := c.str("filename")
	if name == "" || len(name) > 255 || strings.ContainsAny(name, "/\\\r\n") {
		return "", ident.Invalid("filename", "file_name", "?filename= must be a plain name of at most 255 bytes")
	}
	return name, nil
}

// reply sends v as JSON with the route's status.
func (c *call) reply(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return ident.E(ident.KindInternal, "encode", "the answer cannot be written").Because(err)
	}
	c.w.Header().Set("Content-Type", typeJSON)
	c.w.WriteHeader(c.route.Out.status())
	_, _ = c.w.Write(append(body, '\n')) // the caller has gone: there is nobody to tell
	return nil
}

// replyBytes sends JSON that is encoded already.
func (c *call) replyBytes(body []byte) {
	h := c.w.Header()
	h["Content-Type"] = jsonHeader
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.w.WriteHeader(c.route.Out.status())
	_, _ = c.w.Write(body) // the caller has gone: there is nobody to tell
}

// jsonHeader is shared by all answers; nobody writes to it.
var jsonHeader = []string{typeJSON}

// replyAgain is reply to a call whose answer may have been recorded before.
func (c *call) replyAgain(v any, again bool) error {
	if again {
		c.w.Header().Set("Idempotency-Hit", "true")
	}
	return c.reply(v)
}

// empty answers with no content.
func (c *call) empty(err error) error {
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// replyFile sends bytes as a download that no browser runs.
func (c *call) replyFile(b []byte, kind, name string) error {
	h := c.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	_, _ = c.w.Write(b) // the caller has gone: there is nobody to tell
	return nil
}

// textReader passes UTF-8 without NUL and refuses the rest with the row, so that
// a file in another encoding is named as such before any of it is believed.
type textReader struct {
	r    io.Reader
	row  int
	tail []byte // the beginning of a character
	err  error  // what was refused
}

func newTextReader(r io.Reader) *textReader { return &textReader{r: r, row: 1} }

// Read implements io.Reader.
func (t *textReader) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.r.Read(p)
	chunk := append(t.tail, p[:n]...)
	for len(chunk) > 0 {
		r, size := utf8.DecodeRune(chunk)
		if r == utf8.RuneError && size == 1 {
			if err == nil && !utf8.FullRune(chunk) {
				break
			}
			t.err = &ident.Error{Kind: ident.KindInvalid, Code: "not_utf8", Row: t.row,
				Message: "this row is not UTF-8; save the file as UTF-8 and send it again"}
			return 0, t.err
		}
		switch r {
		case '\n':
			t.row++
		case 0:
			t.err = &ident.Error{Kind: ident.KindInvalid, Code: "control_character", Row: t.row,
				Message: "this row holds a NUL character; is it a text file?"}
			return 0, t.err
		}
		chunk = chunk[size:]
	}
	t.tail = bytes.Clone(chunk)
	return n, err
}

// pick is the reader's own refusal if there is one, for a parser above it only
// says that the row was malformed.
func (t *textReader) pick(err error) error {
	if t.err != nil {
		return t.err
	}
	return err
}
