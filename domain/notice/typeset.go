package notice

import (
	_ "embed"
	"encoding/binary"
	"strings"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
)

//go:embed font/DroidSansFallback.ttf
var hanTTF []byte

//go:embed font/DejaVuSansCondensed.ttf
var latinTTF []byte

//go:embed font/DejaVuSansCondensed-Bold.ttf
var boldTTF []byte

// The fonts: Han for East Asian characters, which it has alone, and Latin for the
// rest. Bold is Latin only.
const (
	fontHan   = "han"
	fontLatin = "latin"
	fontBold  = "bold"
)

// geta is what Chinese printers set for a character that they do not have.
const geta = '〓'

// fontOf picks the font of a character; one that neither font has becomes geta.
func fontOf(r rune, bold bool) (string, rune) {
	latin := fontLatin
	if bold {
		latin = fontBold
	}
	switch {
	case inLatin(r):
		return latin, r
	case hasGlyph(hanTTF, r):
		return fontHan, r
	}
	return fontHan, geta
}

// inLatin reports whether a character is set in the Latin font: Latin, Greek,
// Cyrillic, Armenian, punctuation and signs. Scripts that join or run from right to
// left need more than a font, so they are left out and show as geta.
func inLatin(r rune) bool {
	return (r < 0x590 || r >= 0x1e00 && r < 0x2400) && hasGlyph(latinTTF, r)
}

// hasGlyph looks a character up in a TrueType font's character map, format 4
// (OpenType specification, "cmap"). The fonts are our own, so their tables are
// where they say.
func hasGlyph(ttf []byte, r rune) bool {
	if r > 0xffff || unicode.IsControl(r) {
		return false
	}
	be := binary.BigEndian
	for t := 0; t < int(be.Uint16(ttf[4:])); t++ {
		rec := ttf[12+16*t:]
		if string(rec[:4]) != "cmap" {
			continue
		}
		cmap := ttf[be.Uint32(rec[8:]):]
		for i := 0; i < int(be.Uint16(cmap[2:])); i++ {
			sub := cmap[be.Uint32(cmap[4+8*i+4:]):]
			if be.Uint16(sub) == 4 {
				return glyph4(sub, uint16(r)) != 0
			}
		}
	}
	return false
}

func glyph4(sub []byte, c uint16) uint16 {
	be := binary.BigEndian
	n := int(be.Uint16(sub[6:])) // twice the number of segments
	lo, hi := 0, n/2
	for lo < hi { // the first segment that does not end before c
		if mid := (lo + hi) / 2; be.Uint16(sub[14+2*mid:]) < c {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	start := be.Uint16(sub[16+n+2*lo:])
	if c < start {
		return 0
	}
	delta, at := be.Uint16(sub[16+2*n+2*lo:]), 16+3*n+2*lo
	offset := be.Uint16(sub[at:])
	if offset == 0 {
		return c + delta
	}
	g := be.Uint16(sub[at+int(offset)+2*int(c-start):])
	if g == 0 {
		return 0
	}
	return g + delta
}

// ink is a colour.
type ink struct{ r, g, b int }

var (
	black  = ink{28, 28, 32}
	grey   = ink{108, 110, 116}
	pale   = ink{222, 222, 218}
	paper  = ink{246, 245, 240}
	accent = ink{20, 92, 82}
)

// style is how a text is set; size in points.
type style struct {
	size float64
	bold bool
	ink  ink
}

// page sets text of mixed scripts; lengths in millimetres.
type page struct {
	pdf *fpdf.Fpdf
}

// run is a piece of text in one font.
type run struct {
	font, text string
}

func runs(s string, bold bool) []run {
	var out []run
	for _, r := range s {
		f, r := fontOf(r, bold)
		if r == ' ' && len(out) > 0 {
			f = out[len(out)-1].font
			if f == fontHan {
				f = fontLatin
			}
		}
		if len(out) == 0 || out[len(out)-1].font != f {
			out = append(out, run{font: f})
		}
		out[len(out)-1].text += string(r)
	}
	return out
}

// width measures a text.
func (p page) width(s string, st style) (w float64) {
	for _, r := range runs(s, st.bold) {
		p.pdf.SetFont(r.font, "", st.size)
		w += p.pdf.GetStringWidth(r.text)
	}
	return w
}

// text sets one line with its baseline at y and returns where it ends.
func (p page) text(x, y float64, s string, st style) float64 {
	p.pdf.SetTextColor(st.ink.r, st.ink.g, st.ink.b)
	for _, r := range runs(s, st.bold) {
		p.pdf.SetFont(r.font, "", st.size)
		p.pdf.Text(x, y, r.text)
		x += p.pdf.GetStringWidth(r.text)
	}
	return x
}

// right sets one line that ends at x.
func (p page) right(x, y float64, s string, st style) {
	p.text(x-p.width(s, st), y, s, st)
}

// noStart may not begin a line (GB/T 15834, punctuation at line ends).
const noStart = "，。、；：！？）》〉」』】〕”’%,.;:!?)]}"

// wrap breaks a text into lines no wider than w: between words of Latin, and
// anywhere in Han but before closing punctuation. A word that is too wide is cut.
func (p page) wrap(s string, w float64, st style) []string {
	var lines []string
	line := ""
	for _, word := range words(s) {
		if p.width(line+strings.TrimRight(word, " "), st) <= w {
			line += word
			continue
		}
		if line != "" {
			lines = append(lines, strings.TrimRight(line, " "))
			line = ""
		}
		for _, r := range word {
			if p.width(line+string(r), st) > w && line != "" {
				lines = append(lines, line)
				line = ""
			}
			line += string(r)
		}
	}
	return append(lines, strings.TrimRight(line, " "))
}

// words are the pieces between which a line may break.
func words(s string) []string {
	var out []string
	open := false // the piece at the end may grow
	for _, r := range s {
		single := r >= 0x2e80
		grow := open && !single || len(out) > 0 && strings.ContainsRune(noStart, r)
		if grow {
			out[len(out)-1] += string(r)
		} else {
			out = append(out, string(r))
		}
		open = !single && r != ' '
	}
	return out
}

// fill paints a rectangle.
func (p page) fill(x, y, w, h float64, c ink) {
	p.pdf.SetFillColor(c.r, c.g, c.b)
	p.pdf.Rect(x, y, w, h, "F")
}

// rule draws a horizontal line.
func (p page) rule(x, y, w, thick float64, c ink) {
	p.pdf.SetDrawColor(c.r, c.g, c.b)
	p.pdf.SetLineWidth(thick)
	p.pdf.Line(x, y, x+w, y)
}
