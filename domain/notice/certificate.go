package notice

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

// Certificate is what a certificate of payment says. Its JSON, in the order of
// these fields, is what is signed; the PDF is made from it and nothing else.
type Certificate struct {
	// Layout is the form of the page, so that a later release prints an old
	// certificate as it was.
	Layout            int          `json:"layout"`
	ID                ident.ID     `json:"id"`
	Number            string       `json:"number"` // for people: "2026-000047"
	PaidAt            time.Time    `json:"paid_at"`
	Amount            money.Amount `json:"amount"`
	FromFund          string       `json:"from_fund"` // the fund's id, or its name
	PayeeName         string       `json:"payee_name"`
	OnBehalfOf        string       `json:"on_behalf_of,omitempty"` // the victim, if the payee is the heir
	BankName          string       `json:"bank_name"`
	BankAccountMasked string       `json:"bank_account_masked"`
	ClaimID           ident.ID     `json:"claim_id"`
	IncidentName      string       `json:"incident_name,omitempty"`
	Basis             string       `json:"basis"` // "ledger_record", "police_confirmation" …
	PayoutID          ident.ID     `json:"payout_id"`
	Operator          string       `json:"operator"`
	VerifyURL         string       `json:"verify_url"`
}

// Signed is a certificate with its proof.
type Signed struct {
	Payload   []byte // the JSON that is signed
	Signature []byte // Ed25519 over its DSSE encoding
	Key       ed25519.PublicKey
}

// payloadType names the JSON within the envelope.
const payloadType = "application/vnd.surety.certificate+json"

// layoutNow is the form that new certificates are printed in.
const layoutNow = 1

// encode is the JSON of a certificate: fields in order, no white space, nothing
// escaped that need not be. The same facts are the same bytes.
func (c Certificate) encode() ([]byte, error) {
	c.PaidAt = c.PaidAt.UTC().Truncate(time.Second)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c); err != nil {
		return nil, ident.E(ident.KindInternal, "encode", "the certificate could not be written as JSON").Because(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func decodeCertificate(payload []byte) (Certificate, error) {
	var c Certificate
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	err := dec.Decode(&c)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if err != nil {
		return c, ident.Invalid("certificate", "certificate_unreadable",
			"the certificate's data cannot be read by this release").Because(err)
	}
	return c, nil
}

// dsse is the envelope: Dead Simple Signing Envelope v1.0 of the
// secure-systems-lab. The signature is over the type and the payload, so that a
// signature made for something else can never pass for a certificate's.
type dsse struct {
	PayloadType string          `json:"payloadType"`
	Payload     []byte          `json:"payload"`
	Signatures  []dsseSignature `json:"signatures"`
}

type dsseSignature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// preAuth is DSSE's pre-authentication encoding: what is really signed.
func preAuth(payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload)), payload...)
}

// sign encodes and signs a certificate.
func sign(c Certificate, key ed25519.PrivateKey) (Signed, error) {
	payload, err := c.encode()
	if err != nil {
		return Signed{}, err
	}
	return Signed{Payload: payload, Signature: ed25519.Sign(key, preAuth(payload)), Key: key.Public().(ed25519.PublicKey)}, nil
}

// Open checks the signature and returns the facts.
func (s Signed) Open() (Certificate, error) {
	if len(s.Key) != ed25519.PublicKeySize || !ed25519.Verify(s.Key, preAuth(s.Payload), s.Signature) {
		return Certificate{}, ident.Invalid("certificate", "certificate_signature",
			"the signature does not fit: the certificate was changed, or was not signed with this key")
	}
	return decodeCertificate(s.Payload)
}

// Envelope is the signed JSON as a file of its own.
func (s Signed) Envelope() ([]byte, error) {
	return json.Marshal(dsse{
		PayloadType: payloadType, Payload: s.Payload,
		Signatures: []dsseSignature{{KeyID: Fingerprint(s.Key), Sig: s.Signature}},
	})
}

// parseEnvelope reads an envelope strictly: an attachment that says more than we
// write was not written by us.
func parseEnvelope(b []byte, key ed25519.PublicKey) (Signed, error) {
	var e dsse
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil || e.PayloadType != payloadType || len(e.Signatures) != 1 {
		return Signed{}, ident.Invalid("certificate", "certificate_envelope", "the data inside the file is damaged").Because(err)
	}
	s := Signed{Payload: e.Payload, Signature: e.Signatures[0].Sig, Key: key}
	again, err := s.Envelope()
	if err == nil && !bytes.Equal(again, b) {
		err = ident.Invalid("certificate", "certificate_envelope",
			"the data inside the file was not written with this key (%s)", Fingerprint(key))
	}
	return s, err
}

// Code is the verification code: 80 bits of the payload's SHA-256 in Crockford's
// base 32, in groups of four, "7KQ2-M0XA-93TB-HZ4D". It names the certificate; it
// proves nothing alone, the page that it opens does.
func (s Signed) Code() string {
	sum := sha256.Sum256(s.Payload)
	t := crockford.EncodeToString(sum[:10])
	return t[:4] + "-" + t[4:8] + "-" + t[8:12] + "-" + t[12:]
}

var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NormalCode folds a code as people type it: case, dashes, blanks, and O, I, L for
// the digits they look like. "" if it is not a code.
func NormalCode(s string) string {
	s = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(s)))
	if b, err := crockford.DecodeString(s); err != nil || len(b) != 10 {
		return ""
	}
	return s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}

// Fingerprint names a public key: the first 8 bytes of its SHA-256.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// EncodeKey is a public key as text for files and pages.
func EncodeKey(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

// ParseKey reads what EncodeKey wrote.
func ParseKey(text string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, ident.Invalid("key", "key_unreadable", "this is not a public key of certificates: 32 bytes in base64")
	}
	return b, nil
}
