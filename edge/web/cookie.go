package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const flashCookie = "surety_flash"

// maxFlash keeps the cookie well under the 4 kB that browsers keep.
const maxFlash = 600

// FlashMessage is what an act says on the page after it, once.
type FlashMessage struct {
	Meaning Meaning `json:"m"`
	Text    string  `json:"t"`
}

// Flash says text on the next page this browser sees. The cookie is signed, so
// that nobody can put words into our mouth, and lives a minute.
func (w *Web) Flash(rw http.ResponseWriter, r *http.Request, m Meaning, text string) {
	if runes := []rune(text); len(runes) > maxFlash {
		text = string(runes[:maxFlash]) + "…"
	}
	raw, err := json.Marshal(FlashMessage{Meaning: m, Text: text})
	if err != nil {
		return // two strings: it cannot happen, and a lost greeting is no loss
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	setCookie(rw, ViewOf(r.Context()).HTTPS, flashCookie, body+"."+w.sign(body), 60)
}

func (w *Web) readFlash(r *http.Request) *FlashMessage {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	body, sig, _ := strings.Cut(c.Value, ".")
	if !hmac.Equal([]byte(sig), []byte(w.sign(body))) {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return nil
	}
	var f FlashMessage
	if json.Unmarshal(raw, &f) != nil {
		return nil
	}
	return &f
}

func (w *Web) sign(body string) string {
	mac := hmac.New(sha256.New, w.cfg.Key)
	mac.Write([]byte("flash\x00" + body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// SetSession gives the browser a session token under name: not for scripts
// (HttpOnly), not for posts from other sites (SameSite=Lax), only over https
// where there is https, and then bound to this host by its prefix (RFC 6265bis).
func SetSession(w http.ResponseWriter, r *http.Request, name, token string, ttl time.Duration) {
	v := ViewOf(r.Context())
	setCookie(w, v.HTTPS, sessionName(v.HTTPS, name), token, int(ttl/time.Second))
}

// SessionToken is the token that SetSession gave, or "".
func SessionToken(r *http.Request, name string) string {
	c, err := r.Cookie(sessionName(ViewOf(r.Context()).HTTPS, name))
	if err != nil {
		return ""
	}
	return c.Value
}

// ClearSession takes the token away.
func ClearSession(w http.ResponseWriter, r *http.Request, name string) {
	v := ViewOf(r.Context())
	setCookie(w, v.HTTPS, sessionName(v.HTTPS, name), "", -1)
}

func sessionName(https bool, name string) string {
	if https {
		return "__Host-" + name
	}
	return name
}

func setCookie(w http.ResponseWriter, https bool, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: https, SameSite: http.SameSiteLaxMode})
}
