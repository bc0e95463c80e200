package api

import (
	"time"

	"surety/domain/notice"
	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/access"
)

// Certificate says that somebody was paid.
type Certificate struct {
	ID           string       `json:"id"`
	Number       string       `json:"number" doc:"for people"`
	Code         string       `json:"code" doc:"the verification code"`
	PaidAt       time.Time    `json:"paid_at"`
	Amount       money.Amount `json:"amount"`
	FromFund     string       `json:"from_fund"`
	PayeeName    string       `json:"payee_name"`
	OnBehalfOf   string       `json:"on_behalf_of,omitempty" doc:"the victim, if the payee is the heir"`
	BankName     string       `json:"bank_name"`
	BankAccount  string       `json:"bank_account" doc:"its end"`
	ClaimID      string       `json:"claim_id"`
	IncidentName string       `json:"incident_name,omitempty"`
	Basis        string       `json:"basis"`
	PayoutID     string       `json:"payout_id"`
	Operator     string       `json:"operator"`
}

// Verification is what a check of a certificate found.
type Verification struct {
	Genuine     bool         `json:"genuine" doc:"the signature is ours and the pages are exactly what was signed"`
	Problem     string       `json:"problem,omitempty" doc:"certificate_missing, _envelope, _signature or _pages"`
	Detail      string       `json:"detail,omitempty"`
	Certificate *Certificate `json:"certificate,omitempty" doc:"the signed facts; if the pages were changed, believe these"`
}

func (s *server) certificateRoutes() []route {
	return []route{
		{Method: "GET", Path: "/v1/certificates/{code}", ID: "certificate-get", Act: access.ActCertificateRead,
			Summary: "A certificate by its verification code", Out: jsonOut[Certificate]("the certificate"), Do: s.getCertificate},
		{Method: "GET", Path: "/v1/certificates/{code}/pdf", ID: "certificate-pdf", Act: access.ActCertificateRead,
			Summary: "The certificate to print", Out: answer{Type: typePDF, Doc: "always the same bytes"}, Do: s.certificatePDF},
		{Method: "POST", Path: "/v1/certificates/verify", ID: "certificate-verify", Act: access.ActCertificateCheck,
			Summary: "Check a certificate's file", In: fileIn(8*mib, "the PDF", typePDF), Out: jsonOut[Verification]("what was found"),
			Do: s.verifyCertificate},
	}
}

func wireCertificate(c notice.Certificate, code string) Certificate {
	return Certificate{
		ID: c.ID, Number: c.Number, Code: code, PaidAt: c.PaidAt, Amount: c.Amount, FromFund: c.FromFund, PayeeName: c.PayeeName,
		OnBehalfOf: c.OnBehalfOf, BankName: c.BankName, BankAccount: c.BankAccountMasked, ClaimID: c.ClaimID,
		IncidentName: c.IncidentName, Basis: c.Basis, PayoutID: c.PayoutID, Operator: c.Operator,
	}
}

// certificate finds a certificate by its code and opens it for the actor. To a
// customer another's looks like none: by the code, not by the id behind it.
func (s *server) certificate(c *call) (notice.Issued, error) {
	code := c.id("code")
	absent := ident.NotFound("certificate", code)
	var id ident.ID
	err := s.view(c, func(tx txn) error {
		i, _, err := s.cfg.Notice.ByCode(tx, code)
		id = i.ID
		return err
	})
	if err != nil {
		return notice.Issued{}, err
	}
	if id == "" {
		return notice.Issued{}, absent
	}
	i, err := s.cfg.Notice.Open(c.ctx, c.actor, id)
	if ident.Is(err, ident.KindNotFound) {
		return notice.Issued{}, absent
	}
	return i, err
}

func (s *server) getCertificate(c *call) error {
	i, err := s.certificate(c)
	return done(c, wireCertificate(i.Certificate, i.Code), err)
}

func (s *server) certificatePDF(c *call) error {
	i, err := s.certificate(c)
	if err != nil {
		return err
	}
	b, err := i.PDF()
	if err != nil {
		return err
	}
	return c.replyFile(b, typePDF, i.Number+".pdf")
}

// verifyCertificate checks a file. A forged one is an answer, not an error: the
// question was whether it is genuine.
func (s *server) verifyCertificate(c *call) error {
	b, err := c.file()
	if err != nil {
		return err
	}
	if err := s.cfg.Access.View(c.ctx, c.actor, c.route.Act, access.Object{}, nobody); err != nil {
		return err
	}
	cert, err := notice.VerifyCertificate(b, s.cfg.Notice.PublicKey())
	out := Verification{Genuine: err == nil}
	if err != nil && !ident.Is(err, ident.KindInvalid) {
		return err
	}
	if err != nil {
		out.Problem, out.Detail = ident.CodeOf(err), parts(err)[0].Message
	}
	if cert.ID != "" {
		wire := wireCertificate(cert, "")
		out.Certificate = &wire
	}
	return c.reply(out)
}
