package web

import (
	"context"
	"net/url"
	"strings"
	"time"

	"surety/kernel/ident"
)

// View is what the components need to know about the page they are part of. It
// travels in the context; Web.Handler puts it there.
type View struct {
	Lang  Lang
	Zone  *time.Location // in which times are shown
	Clock ident.Clock    // nil: relative times are left out
	URL   *url.URL       // address of the page; sort, page and language links keep its query
	Flash *FlashMessage  // what the last act said, shown once
	HTTPS bool           // browsers reach us over https: cookies are Secure
}

type viewKey struct{}

// China is the zone of the product's people: no summer time since 1991.
func China() *time.Location { return time.FixedZone("UTC+8", 8*60*60) }

// WithView returns a context that carries v.
func WithView(ctx context.Context, v View) context.Context {
	return context.WithValue(ctx, viewKey{}, v)
}

// ViewOf returns the View of the context; without one it is Chinese, in China's
// zone and without a clock.
func ViewOf(ctx context.Context) View {
	v, ok := ctx.Value(viewKey{}).(View)
	if !ok {
		v = View{}
	}
	if v.Lang == "" {
		v.Lang = ZH
	}
	if v.Zone == nil {
		v.Zone = China()
	}
	if v.URL == nil {
		v.URL = &url.URL{Path: "/"}
	}
	return v
}

// LangOf is the language of the context's View.
func LangOf(ctx context.Context) Lang { return ViewOf(ctx).Lang }

// Here is the address of the page with some of its query changed: pairs of name
// and value, "" takes the name away. All links that sort, turn pages or switch
// the language are made by it, so each of them reproduces the list.
func Here(ctx context.Context, pairs ...string) string {
	u := ViewOf(ctx).URL
	q := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return u.Path
	}
	return u.Path + "?" + q.Encode()
}

// current tells which of the items is the page: the longest href that is the
// path or a folder above it, -1 if none.
func current(ctx context.Context, hrefs []string) int {
	path := ViewOf(ctx).URL.Path
	best, length := -1, -1
	for i, h := range hrefs {
		h, _, _ = strings.Cut(h, "?")
		folder := strings.TrimSuffix(h, "/") + "/"
		if (path == h || strings.HasPrefix(path, folder)) && len(h) > length {
			best, length = i, len(h)
		}
	}
	return best
}
