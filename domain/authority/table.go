package authority

import (
	"bufio"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

var tableTitles = map[string][]string{
	"zh": {
		"行", "类型", "序号", "报案编号", "报案时间", "姓名", "身份证号", "手机号", "账户", "金额",
		"收款人", "收款银行", "收款账号", "备注", "修正", "提示", "未能读取原因", "原文",
	},
	"en": {
		"row", "kind", "no", "case no", "reported", "name", "id number", "phone", "account", "amount",
		"payee", "bank", "bank account", "remark", "mended", "notes", "refused because", "as it came",
	},
}

var kindWords = map[Kind]string{
	RowTitle: "标题", RowHeader: "表头", RowBlank: "空行", RowVictim: "受害人", RowDuplicate: "重复",
	RowTotal: "合计", RowFooter: "附注", RowRefused: "未读取",
}

// WriteTable writes what was read, mended and refused of every row as CSV for a
// spreadsheet (UTF-8 with a byte order mark, so that Excel reads it). A cell that
// a spreadsheet would take for a formula, or round as a number, begins with an
// apostrophe: the text comes from outside. lang is "zh" or "en".
func (l List) WriteTable(w io.Writer, lang string) error {
	if lang != "zh" {
		lang = "en"
	}
	out := bufio.NewWriter(w)
	out.WriteString("\ufeff")
	c := csv.NewWriter(out)
	c.UseCRLF = true
	if err := c.Write(tableTitles[lang]); err != nil {
		return err
	}
	for _, r := range l.Rows {
		if err := c.Write(tableRow(r, lang)); err != nil {
			return err
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return err
	}
	return out.Flush()
}

func tableRow(r Row, lang string) []string {
	kind := string(r.Kind)
	if lang == "zh" {
		kind = kindWords[r.Kind]
	}
	if r.SameAs > 0 {
		kind += " = " + strconv.Itoa(r.SameAs)
	}
	v, amount, reported := r.Read, "", ""
	if r.Kind == RowVictim || r.Kind == RowDuplicate {
		amount = v.Amount.Plain()
		if !v.ReportedAt.IsZero() {
			form := "2006-01-02 15:04"
			if v.DayOnly {
				form = "2006-01-02"
			}
			reported = v.ReportedAt.In(Options{}.filled().Zone).Format(form)
		}
	}
	var mended []string
	for _, m := range r.Mended {
		mended = append(mended, string(m.Field)+": “"+m.From+"” → “"+m.To+"” ("+m.Why.Text(lang)+")")
	}
	cells := []string{
		strconv.Itoa(r.Line), kind, v.Number, v.CaseNo, reported, v.Name, v.IDNumber, v.Phone, v.Account, amount,
		v.Payee, v.Bank, v.BankAccount, v.Remark,
		strings.Join(mended, "; "), problemText(r.Notes, lang), problemText(r.Refused, lang), strings.Join(r.Raw, " | "),
	}
	for i := range cells {
		cells[i] = guard(cells[i])
	}
	return cells
}

func problemText(ps []Problem, lang string) string {
	var out []string
	for _, p := range ps {
		s := string(p.Field) + ": " + p.Why.Text(lang)
		if p.Value != "" {
			s += " “" + clip(p.Value) + "”"
		}
		if p.Line > 0 {
			s += " (" + strconv.Itoa(p.Line) + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

// guard keeps a spreadsheet from running a cell as a formula (OWASP, CSV
// injection; East Asian editions take the full-width signs too) and from turning
// a long number into a rounded one.
func guard(s string) string {
	first, _ := utf8.DecodeRuneInString(s)
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠|%'", first) || len(s) > 11 && allDigits(s) {
		return "'" + s
	}
	return s
}
