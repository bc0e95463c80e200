package authority

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"surety/kernel/money"
)

var (
	totalWords    = []string{"合计", "总计", "共计", "总数", "total", "grandtotal", "sum"}
	subtotalWords = []string{"小计", "本页小计", "本页合计", "subtotal"}
)

func firstCell(cells []string) string {
	for _, c := range cells {
		t, _ := foldTitle(c)
		if t != "" {
			return t
		}
	}
	return ""
}

func isTotal(cells []string) bool {
	first := firstCell(cells)
	return slices.Contains(totalWords, first) || slices.Contains(subtotalWords, first)
}

// linkPersons finds rows of one person. The same case and amount is the same
// loss said twice; anything else is kept and marked for a person to decide, for
// one victim can be robbed twice and one clerk can mistype.
func linkPersons(rows []Row) {
	person, account, payTo := map[string]int{}, map[string]int{}, map[string]int{}
	losses := map[loss]int{}
	for i := range rows {
		r := &rows[i]
		if r.Kind != RowVictim {
			continue
		}
		v := &r.Read
		key := personKey(*v)
		if first, said := losses[loss{key, v.CaseNo, v.Amount}]; said {
			r.Kind, r.SameAs = RowDuplicate, first
			continue
		}
		losses[loss{key, v.CaseNo, v.Amount}] = r.Line
		if j, known := person[key]; known {
			mark(r, &rows[j], FieldIDNumber, NoteSamePerson)
			continue
		}
		if remarkSays(v.Remark, remarkDuplicate) {
			r.Notes = append(r.Notes, Problem{Field: FieldRemark, Why: NoteSaidDuplicate, Value: v.Remark})
		}
		person[key] = i
		both(rows, account, i, v.Account, FieldAccount, NoteSameAccount)
		both(rows, payTo, i, v.BankAccount, FieldBankAccount, NoteSamePayTo)
	}
}

// loss is what makes two rows of one person the same.
type loss struct {
	person, caseNo string
	amount         money.Amount
}

func personKey(v Victim) string {
	if v.IDNumber != "" {
		return "id:" + v.IDNumber
	}
	return "name:" + v.Name + "|" + v.Phone + "|" + v.Account
}

func both(rows []Row, seen map[string]int, i int, value string, f Field, why Reason) {
	if value == "" {
		return
	}
	if j, known := seen[value]; known {
		mark(&rows[i], &rows[j], f, why)
		return
	}
	seen[value] = i
}

func mark(a, b *Row, f Field, why Reason) {
	a.Notes = append(a.Notes, Problem{Field: f, Why: why, Line: b.Line})
	b.Notes = append(b.Notes, Problem{Field: f, Why: why, Line: a.Line})
}

// total counts what was read and compares it with the list's own total row.
func total(rows []Row, cols []Column, o Options) Totals {
	t := Totals{Sum: money.Of(0, o.Currency), StatedCount: -1}
	for i := range rows {
		r := &rows[i]
		switch r.Kind {
		case RowVictim:
			sum, err := t.Sum.Add(r.Read.Amount)
			if err != nil {
				r.Kind = RowRefused
				r.Refused = append(r.Refused, Problem{Field: FieldAmount, Why: BadAmount, Value: r.Read.Amount.Digits()})
				t.Refused++
				continue
			}
			t.Sum = sum
			t.Victims++
		case RowDuplicate:
			t.Duplicates++
		case RowRefused:
			if t.StatedLine > 0 && isText(*r) {
				r.Kind, r.Refused = RowFooter, []Problem{}
				continue
			}
			t.Refused++
		case RowTotal:
			readTotal(r, cols, &t, o)
		}
	}
	if t.StatedLine > 0 {
		t.CountDiffers = t.StatedCount >= 0 && t.StatedCount != t.Victims
		t.SumDiffers = t.StatedSum != (money.Amount{}) && t.StatedSum != t.Sum
	}
	return t
}

// isText is a line such as 制表人：… : one cell, and not a number.
func isText(r Row) bool {
	filled := 0
	for _, c := range r.Raw {
		if c = strings.TrimFunc(c, isSpace); c != "" {
			filled++
			if allDigits(norm.NFKC.String(c)) {
				return false
			}
		}
	}
	return filled == 1
}

// readTotal reads "合计 … 46人 … 11,240,000.00". The last total row counts.
func readTotal(r *Row, cols []Column, t *Totals, o Options) {
	if slices.Contains(subtotalWords, firstCell(r.Raw)) {
		r.Notes = append(r.Notes, Problem{Field: FieldRow, Why: NoteSubtotal})
		return
	}
	t.StatedLine, t.StatedCount, t.StatedSum = r.Line, -1, money.Amount{}
	rd := &reading{row: r, opt: o}
	for i, c := range r.Raw {
		s := start(FieldRow, c)
		if s.now == "" || i >= len(cols) {
			continue
		}
		if cols[i].Field == FieldAmount {
			if t.StatedSum = rd.amount(c); t.StatedSum.IsZero() {
				r.Notes = append(r.Notes, Problem{Field: FieldAmount, Why: BadTotal, Value: c})
				r.Refused = []Problem{}
			}
			continue
		}
		number := strings.TrimSpace(strings.TrimPrefix(s.now, "共"))
		for _, unit := range []string{"人", "名", "位", "件", "宗", " victims", " people", " persons"} {
			number = strings.TrimSuffix(number, unit)
		}
		if n, err := strconv.Atoi(number); err == nil && n >= 0 && t.StatedCount < 0 {
			t.StatedCount = n
		}
	}
}

// Text says in one sentence what was read and whether the total row agrees;
// lang is "zh" or "en".
func (t Totals) Text(lang string) string {
	zh := lang == "zh"
	s := fmt.Sprintf("read %d victims with %s; %d said twice, %d refused", t.Victims, t.Sum, t.Duplicates, t.Refused)
	if zh {
		s = fmt.Sprintf("读取受害人 %d 名，金额 %s 元；重复 %d 行，未能读取 %d 行", t.Victims, t.Sum.Digits(), t.Duplicates, t.Refused)
	}
	pick := func(chinese, english string) string {
		if zh {
			return chinese
		}
		return english
	}
	switch {
	case t.StatedLine == 0:
		return s + pick("；名单没有合计行。", "; the list has no total row.")
	case t.Agrees():
		return s + pick("；与合计行一致。", "; the total row agrees.")
	}
	count := pick("未写人数", "no count")
	if t.StatedCount >= 0 {
		count = strconv.Itoa(t.StatedCount)
	}
	return s + fmt.Sprintf(pick("；与合计行（第 %d 行：%s，%s）不一致。", "; the total row (row %d: %s, %s) DIFFERS."),
		t.StatedLine, count, t.StatedSum.Digits())
}
