package console

import (
	"encoding/csv"
	"encoding/hex"
	"net/http"
	"strings"

	"surety/kernel/ident"
)

// csvOut answers with a table for a spreadsheet: UTF-8 with a byte order mark, so
// that Excel reads Chinese. What begins as a formula is made text (OWASP CSV
// injection): the cells come from outside.
func csvOut(w http.ResponseWriter, name string, fill func(row func(cells ...string) error) error) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	if _, err := w.Write([]byte("\xef\xbb\xbf")); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	err := fill(func(cells ...string) error {
		for i := range cells {
			cells[i] = harmless(cells[i])
		}
		return out.Write(cells)
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// harmless puts an apostrophe before what a spreadsheet would run: the signs of
// formulas, also full-width ones, also behind white space.
func harmless(cell string) string {
	lead := strings.TrimLeft(cell, " \u00a0\u3000")
	if lead == "" {
		return cell
	}
	if strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(lead)[0]) {
		return "'" + cell
	}
	return cell
}

func hexHash(h [32]byte) string { return hex.EncodeToString(h[:]) }

// shortHash is enough of a hash for two people to compare on the telephone.
func shortHash(h [32]byte) string { return strings.ToUpper(hexHash(h)[:4] + " " + hexHash(h)[4:8]) }

// readHash reads a posted hash: what the person saw.
func readHash(s string) (h [32]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, ident.Invalid("hash", "hash_malformed", "the form was damaged; open the page again")
	}
	copy(h[:], b)
	return h, nil
}
