package fund

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// WalletConfig is what NewWallet needs.
type WalletConfig struct {
	// BaseURL is where the host wallet takes credits: "https://wallet.example/surety".
	// Plain http is allowed to this machine only.
	BaseURL string
	// Secret is the key of the signatures, at least 32 bytes, shared with the host.
	Secret []byte
	Clock  ident.Clock
	// Timeout bounds one call; 10 seconds if zero.
	Timeout time.Duration
	// Transport carries the calls; a plain one without proxies if nil.
	Transport http.RoundTripper
}

// Wallet is the Rail to the host wallet over HTTP.
//
//	POST {base}/credits        {"id","account","amount","currency","reference"}; amount in minor units
//	GET  {base}/credits/{id}
//
// Both answer {"id","status","amount","currency","reference","reason"} with status
// settled, accepted or rejected; amount and currency may be left out, together.
// 409 says that the id has another body, 404 of GET that there is no such credit. Headers of both:
//
//	Idempotency-Key: the id (POST only)
//	X-Surety-Timestamp: seconds since 1970
//	X-Surety-Signature: hex HMAC-SHA256 over timestamp "." method "." path "." body
type Wallet struct {
	cfg    WalletConfig
	base   string
	client *http.Client
}

// maxReply bounds what is read of an answer.
const maxReply = 64 << 10

// NewWallet checks the configuration.
func NewWallet(cfg WalletConfig) (*Wallet, error) {
	if cfg.Clock == nil || len(cfg.Secret) < 32 {
		return nil, ident.E(ident.KindInternal, "wallet_config",
			"the wallet rail needs a Clock and a Secret of at least 32 bytes")
	}
	u, err := url.Parse(cfg.BaseURL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, ident.E(ident.KindInternal, "wallet_config",
			"the wallet's address must be https://host/path without user or query")
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return nil, ident.E(ident.KindInternal, "wallet_config", "the wallet's address must begin with https://")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{TLSHandshakeTimeout: cfg.Timeout, ResponseHeaderTimeout: cfg.Timeout,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}
	}
	client := &http.Client{Timeout: cfg.Timeout, Transport: cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Wallet{cfg: cfg, base: strings.TrimRight(cfg.BaseURL, "/"), client: client}, nil
}

// credit is the body of a POST.
type credit struct {
	ID        string         `json:"id"`
	Account   string         `json:"account"`
	Amount    int64          `json:"amount"`
	Currency  money.Currency `json:"currency"`
	Reference string         `json:"reference"`
}

// reply is the wallet's word.
type reply struct {
	ID        string         `json:"id"`
	Status    Status         `json:"status"`
	Amount    int64          `json:"amount"`
	Currency  money.Currency `json:"currency"`
	Reference string         `json:"reference"`
	Reason    string         `json:"reason"`
}

// Send implements Rail.
func (w *Wallet) Send(ctx context.Context, p Payout) (Answer, error) {
	body, err := json.Marshal(credit{ID: p.ID, Account: p.To.Account, Amount: p.Amount.Minor, Currency: p.Amount.Currency,
		Reference: p.remittance()})
	if err != nil {
		return Answer{}, ident.E(ident.KindInternal, "wallet_body", "payout %s cannot be written", p.ID).Because(err)
	}
	code, raw, err := w.call(ctx, http.MethodPost, "/credits", p.ID, body)
	if err != nil {
		return Answer{}, err
	}
	return w.understand(p, code, raw)
}

// Lookup implements Rail.
func (w *Wallet) Lookup(ctx context.Context, p Payout) (Answer, error) {
	code, raw, err := w.call(ctx, http.MethodGet, "/credits/"+url.PathEscape(p.ID), "", nil)
	if err != nil {
		return Answer{}, err
	}
	if code == http.StatusNotFound {
		return Answer{Status: StatusAbsent}, nil
	}
	return w.understand(p, code, raw)
}

// call makes one signed call and reads its answer whole.
func (w *Wallet) call(ctx context.Context, method, path, key string, body []byte) (code int, raw []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, ident.E(ident.KindInternal, "wallet_request", "the call to the wallet cannot be made").Because(err)
	}
	if key != "" {
		req.GetBody = nil // or the client would repeat the call by itself, unseen: one call is one request
	}
	stamp := strconv.FormatInt(w.cfg.Clock.Now().Unix(), 10)
	req.Header.Set("X-Surety-Timestamp", stamp)
	req.Header.Set("X-Surety-Signature", Signature(w.cfg.Secret, stamp, method, req.URL.EscapedPath(), body))
	req.Header.Set("Accept", "application/json")
	if key != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := w.client.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" { // no connection, so not a byte was sent
			return 0, nil, ident.E(ident.KindUnavailable, "rail_unreachable", "the wallet cannot be reached").Because(err)
		}
		return 0, nil, lost(err)
	}
	defer res.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil || len(raw) > maxReply {
		return 0, nil, lost(err)
	}
	return res.StatusCode, raw, nil
}

func lost(err error) error {
	return ident.E(ident.KindUnknown, "rail_answer_lost",
		"the wallet's answer was lost or cannot be understood").Because(err)
}

// understand turns the wallet's answer into ours. What is neither a clear word
// nor a clear refusal is unknown.
func (w *Wallet) understand(p Payout, code int, raw []byte) (Answer, error) {
	switch {
	case code == http.StatusConflict:
		return Answer{}, ident.E(ident.KindConflict, "rail_conflict",
			"the wallet has another credit under %s; a person must look", p.ID)
	case code == http.StatusTooManyRequests:
		return Answer{}, ident.E(ident.KindUnavailable, "rail_busy", "the wallet asks us to wait")
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout:
		return Answer{}, ident.E(ident.KindInternal, "rail_refused",
			"the wallet refuses the call (%d): see the key and the address", code)
	case code < 200 || code > 299:
		return Answer{}, lost(errors.New("status " + strconv.Itoa(code)))
	}
	var r reply
	if err := json.Unmarshal(raw, &r); err != nil {
		return Answer{}, lost(err)
	}
	said := money.Of(r.Amount, r.Currency)
	if r.ID != p.ID || said != (money.Amount{}) && said != p.Amount {
		return Answer{}, ident.E(ident.KindConflict, "rail_conflict",
			"the wallet speaks of another credit under %s; a person must look", p.ID)
	}
	switch r.Status {
	case StatusSettled, StatusAccepted, StatusRejected:
		return Answer{Status: r.Status, Ref: r.Reference, Reason: r.Reason}, nil
	}
	return Answer{}, lost(errors.New("a status that is not known"))
}

// Signature is the value of X-Surety-Signature, for the host that checks it.
func Signature(secret []byte, stamp, method, path string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(stamp + "." + method + "." + path + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
