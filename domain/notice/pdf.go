package notice

import (
	"bytes"
	"strings"
	"sync"

	"codeberg.org/go-pdf/fpdf"
	"rsc.io/qr"

	"surety/kernel/ident"
)

// The page: A4 with a margin, in millimetres.
const (
	left, right = 22.0, 188.0
	column      = 79.0 // of the two languages, side by side
	gutter      = right - left - 2*column
	footTop     = 234.0
)

// latinFonts are the Latin fonts cut down once to what European names need, so
// that each certificate parses kilobytes of them and not a megabyte.
var latinFonts = sync.OnceValue(func() [2][]byte {
	var set strings.Builder
	for r := rune(' '); r < 0x2e80; r++ {
		if inLatin(r) {
			set.WriteRune(r)
		}
	}
	return [2][]byte{fpdf.UTF8CutFont(latinTTF, set.String()), fpdf.UTF8CutFont(boldTTF, set.String())}
})

// RenderPDF prints a certificate: one A4 page in Chinese and English with the
// signed data inside as an attachment. The same data gives the same bytes, for
// the dates and the order of the file come from it.
func RenderPDF(s Signed) ([]byte, error) {
	c, err := s.Open()
	if err != nil {
		return nil, err
	}
	if c.Layout != layoutNow {
		return nil, ident.Invalid("layout", "layout_unknown", "this release does not know layout %d; use a newer one", c.Layout)
	}
	envelope, err := s.Envelope()
	if err != nil {
		return nil, ident.E(ident.KindInternal, "encode", "the envelope could not be written").Because(err)
	}
	cat, err := loadCatalogue()
	if err != nil {
		return nil, err
	}
	code, err := qr.Encode(strings.TrimSuffix(c.VerifyURL, "/")+"/"+s.Code(), qr.M)
	if err != nil {
		return nil, ident.E(ident.KindInternal, "qr", "the QR code could not be made").Because(err)
	}
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.SetCatalogSort(true)
	pdf.SetCreationDate(c.PaidAt.UTC())
	pdf.SetModificationDate(c.PaidAt.UTC())
	pdf.SetProducer("Surety", true)
	pdf.SetTitle(cat.Certificate["title"].ZH+" "+cat.Certificate["title"].EN+" "+c.Number, true)
	pdf.SetAuthor(c.Operator, true)
	pdf.SetAutoPageBreak(false, 0)
	fonts := latinFonts()
	pdf.AddUTF8FontFromBytes(fontHan, "", hanTTF)
	pdf.AddUTF8FontFromBytes(fontLatin, "", fonts[0])
	pdf.AddUTF8FontFromBytes(fontBold, "", fonts[1])
	pdf.SetAttachments([]fpdf.Attachment{{Content: envelope, Filename: "certificate.json", Description: "signed data (DSSE)"}})
	pdf.AddPage()
	set := setter{page: page{pdf}, c: c, s: s, words: cat, qr: code}
	set.head()
	set.amount()
	set.says()
	set.facts()
	set.foot()
	var out bytes.Buffer
	if err := pdf.Output(&out); err != nil {
		return nil, ident.E(ident.KindInternal, "pdf", "the certificate could not be printed").Because(err)
	}
	return out.Bytes(), nil
}

// setter sets one certificate, from top to bottom; y is where the next part begins.
type setter struct {
	page
	c     Certificate
	s     Signed
	words *Catalogue
	qr    *qr.Code
	y     float64
}

func (t *setter) word(key string) Text { return t.words.Certificate[key] }

func (t *setter) head() {
	t.fill(0, 0, 210, 6, accent)
	t.text(left, 22, t.c.Operator, style{11, false, black})
	number := t.word("number")
	t.right(right, 22, number.ZH+" "+number.EN+"  "+t.c.Number, style{11, false, black})
	t.rule(left, 26, right-left, 0.3, pale)
	title := t.word("title")
	t.text(left, 46, title.ZH, style{30, false, accent})
	t.text(left, 55, title.EN, style{14, false, grey})
	t.y = 63
}

func (t *setter) amount() {
	t.fill(left, t.y, right-left, 32, paper)
	t.fill(left, t.y, 1.6, 32, accent)
	label := t.word("amount")
	t.text(left+8, t.y+8.5, label.ZH+"  "+label.EN, style{9.5, false, grey})
	end := t.text(left+8, t.y+19.5, t.c.Amount.Digits(), style{25, true, black})
	t.text(end+2.5, t.y+19.5, string(t.c.Amount.Currency), style{13, false, grey})
	t.text(left+8, t.y+27.5, capital(t.c.Amount), style{13, false, black})
	t.y += 32 + 10
}

// says is the sentence of the certificate, in both languages side by side.
func (t *setter) says() {
	bottom := t.y
	for i, l := range []Lang{ZH, EN} {
		date := t.c.PaidAt.In(china).Format("2 January 2006")
		if l == ZH {
			date = t.c.PaidAt.In(china).Format("2006年1月2日")
		}
		text, err := fill(t.word("says").In(l), l, Data{"operator": t.c.Operator, "date": date})
		if err != nil {
			text = t.c.Operator // an operator without a name was refused by New
		}
		y := t.y
		for _, line := range t.wrap(text, column, style{10, false, black}) {
			t.text(left+float64(i)*(column+gutter), y, line, style{10, false, black})
			y += 5.4
		}
		bottom = max(bottom, y)
	}
	t.y = bottom + 3
}

// facts is the table: label in both languages, then the value.
func (t *setter) facts() {
	fund, basis := t.c.FromFund, t.c.Basis
	if w, ok := t.words.Funds[fund]; ok {
		fund = w.ZH + "  " + w.EN
	}
	if w, ok := t.words.Bases[basis]; ok {
		basis = w.ZH + "  " + w.EN
	}
	when := t.c.PaidAt.In(china).Format("2006-01-02 15:04:05") + " (UTC+8)"
	type row struct {
		label Text
		lines []string
	}
	var rows []row
	value, extra := style{10.5, false, black}, 0
	for _, f := range []struct{ key, value string }{
		{"payee", t.c.PayeeName}, {"on_behalf", t.c.OnBehalfOf}, {"bank", t.c.BankName}, {"account", t.c.BankAccountMasked},
		{"paid_at", when}, {"fund", fund}, {"basis", basis}, {"incident", t.c.IncidentName},
		{"claim", t.c.ClaimID}, {"payout", t.c.PayoutID},
	} {
		if f.value == "" {
			continue
		}
		lines := t.wrap(f.value, right-left-58, value)
		if len(lines) > 2 {
			lines = []string{lines[0], lines[1] + "…"} // the signed data has the rest
		}
		rows = append(rows, row{t.word(f.key), lines})
		extra += len(lines) - 1
	}
	pitch := min(8.8, (footTop-4-t.y-5*float64(extra))/float64(len(rows)))
	for _, r := range rows {
		t.rule(left, t.y, right-left, 0.2, pale)
		base := t.y + pitch*0.67
		t.text(left, base, r.label.ZH, style{10, false, black})
		t.text(left+25, base, r.label.EN, style{9, false, grey})
		for i, line := range r.lines {
			t.text(left+58, base+5*float64(i), line, value)
		}
		t.y += pitch + 5*float64(len(r.lines)-1)
	}
	t.rule(left, t.y, right-left, 0.2, pale)
}

// foot is how to check the certificate.
func (t *setter) foot() {
	const top, side = footTop, 32.0
	module := side / float64(t.qr.Size)
	for y := range t.qr.Size {
		for x := 0; x < t.qr.Size; x++ {
			from := x
			for x < t.qr.Size && t.qr.Black(x, y) {
				x++
			}
			if x > from {
				t.fill(left+float64(from)*module, top+float64(y)*module, float64(x-from)*module, module, black)
			}
		}
	}
	x := left + side + 8
	label := t.word("code")
	t.text(x, top+3.4, label.ZH+"  "+label.EN, style{9.5, false, grey})
	t.text(x, top+11.5, t.s.Code(), style{17, true, black})
	y := top + 17.5
	for _, line := range []string{t.word("how").ZH, t.word("how").EN} {
		t.text(x, y, line, style{8.5, false, black})
		y += 4.1
	}
	t.text(x, y, t.c.VerifyURL, style{8.5, false, accent})
	offline := t.word("offline")
	t.text(x, y+6, offline.ZH+" "+offline.EN+"  surety verify certificate "+t.c.Number+".pdf", style{8.5, false, grey})
	key := t.word("key")
	t.text(left, 276.5, key.ZH+" "+key.EN+"  Ed25519 "+Fingerprint(t.s.Key), style{7.5, false, grey})
	truth := t.word("truth")
	t.text(left, 281, truth.ZH, style{7.5, false, grey})
	t.text(left, 285, truth.EN, style{7.5, false, grey})
	t.fill(0, 291, 210, 6, accent)
}
