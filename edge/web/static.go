package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// staticPath is where the files live; their names carry a hash of what is in
// them, so they may be kept for a year.
const staticPath = "/static/"

//go:embed static
var staticFiles embed.FS

// asset is one file as it is served.
type asset struct {
	url, etag, mime string
	body            []byte
}

// assets are the embedded files by plain name ("surety.css") and by address.
var assets = sync.OnceValue(func() map[string]asset {
	mimes := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".svg": "image/svg+xml"}
	out := map[string]asset{}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // the files are embedded: a build has them
	}
	for _, e := range entries {
		body, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err) // the files are embedded: a build has them right or wrong
		}
		sum := sha256.Sum256(body)
		hash := hex.EncodeToString(sum[:6])
		ext := path.Ext(e.Name())
		a := asset{url: staticPath + strings.TrimSuffix(e.Name(), ext) + "." + hash + ext,
			etag: `"` + hash + `"`, mime: mimes[ext], body: body}
		out[e.Name()], out[a.url] = a, a
	}
	return out
})

// Asset is the address of an embedded file: Asset("surety.css").
func Asset(name string) string { return assets()[name].url }

// Static serves the embedded files under /static/. Web.Handler already does; an
// application that mounts several handlers may mount it beside them.
func Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets()[r.URL.Path]
		if !ok || !strings.HasPrefix(r.URL.Path, staticPath) {
			http.NotFound(w, r)
			return
		}
		setHeaders(w.Header())
		w.Header().Set("Content-Type", a.mime)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("ETag", a.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
	})
}
