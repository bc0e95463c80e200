package authority

import (
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"

	"surety/kernel/ident"
)

// synonyms are the words in which senders title a column. They are compared
// without width, white space, letter case and what stands in brackets.
var synonyms = map[Field][]string{
	FieldNumber: {"序号", "no", "no.", "#", "seq", "serial", "row"},
	FieldCase: {
		"报案编号", "案件编号", "案号", "立案号", "立案编号", "报案号", "受案编号", "接警编号", "文号",
		"case", "caseno", "caseno.", "casenumber", "policecase", "case_no",
	},
	FieldReported: {
		"报案时间", "报案日期", "报警时间", "报警日期", "立案时间", "立案日期",
		"reported", "reportedat", "reporteddate", "reportdate", "datereported", "reported_at",
	},
	FieldName: {
		"姓名", "受害人", "受害人姓名", "被害人", "被害人姓名", "失主", "事主", "报案人", "报案人姓名",
		"name", "fullname", "victim", "victimname",
	},
	FieldIDNumber: {
		"身份证号", "身份证号码", "公民身份号码", "身份证", "证件号", "证件号码",
		"id", "idno", "idno.", "idnumber", "identitynumber", "id_number",
	},
	FieldPhone: {
		"手机号", "手机号码", "手机", "电话", "电话号码", "联系电话", "联系方式",
		"phone", "phoneno", "phonenumber", "mobile", "mobilenumber", "telephone",
	},
	FieldAccount: {
		"账户", "账号", "帐户", "帐号", "用户账号", "平台账号", "平台账户", "支付账户", "支付账号", "被盗账户", "被盗账号",
		"account", "accountno", "accountid", "walletaccount",
	},
	FieldAmount: {
		"被盗金额", "损失金额", "涉案金额", "被骗金额", "金额", "损失",
		"amount", "loss", "amountstolen", "stolenamount", "lossamount",
	},
	FieldPayee: {
		"收款人", "收款人姓名", "收款户名", "户名",
		"payee", "payeename", "beneficiary", "accountholder",
	},
	FieldBank: {"收款银行", "收款行", "开户行", "开户银行", "银行", "bank", "bankname", "payeebank"},
	FieldBankAccount: {
		"收款账号", "收款帐号", "银行账号", "银行帐号", "银行卡号", "收款卡号", "卡号",
		"bankaccount", "bankaccountno", "bankaccountnumber", "cardnumber", "bank_account",
	},
	FieldBankBoth: {
		"收款银行及账号", "收款银行及帐号", "开户行及账号", "收款账户", "收款银行账号", "银行及账号",
		"bankandaccount", "payeebankandaccount", "payto",
	},
	FieldRemark: {"备注", "说明", "remark", "remarks", "note", "notes", "comment"},
}

var byTitle = func() map[string]Field {
	m := map[string]Field{}
	for f, titles := range synonyms {
		for _, t := range titles {
			m[t] = f
		}
	}
	return m
}()

// foldTitle brings a column title to the form of the synonyms table; unit is
// what stands in brackets: 被盗金额（元） is 被盗金额, 元.
func foldTitle(s string) (title, unit string) {
	s = strings.ToLower(strings.Join(strings.Fields(norm.NFKC.String(s)), ""))
	if open := strings.IndexByte(s, '('); open > 0 {
		if end := strings.IndexByte(s[open:], ')'); end > 0 {
			return strings.Trim(s[:open]+s[open+end+1:], "*:"), s[open+1 : open+end]
		}
	}
	return strings.Trim(s, "*:"), ""
}

// mapHeader reads a row as a header. ok is false if it is not one: a header has
// at least three titles that are known.
func mapHeader(cells []string, line int) (cols []Column, ok bool, err error) {
	seen := map[Field]string{}
	for _, c := range cells {
		title, unit := foldTitle(c)
		f := byTitle[title]
		cols = append(cols, Column{Title: strings.TrimSpace(c), Field: f})
		if f == "" {
			continue
		}
		if first, twice := seen[f]; twice {
			err = &ident.Error{Kind: ident.KindInvalid, Code: "column_twice", Row: line, Field: string(f), Message: fmt.Sprintf(
				"two columns, %q and %q, mean the same; rename or remove one", first, strings.TrimSpace(c))}
		}
		seen[f] = strings.TrimSpace(c)
		if f == FieldAmount && unit != "" && unit != "元" && unit != "cny" && unit != "rmb" && unit != "yuan" {
			err = &ident.Error{Kind: ident.KindInvalid, Code: "unit", Row: line, Field: string(f), Message: fmt.Sprintf(
				"the amounts are in %q; only yuan (元) is read: convert the column", unit)}
		}
	}
	if len(seen) < 3 {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, must := range []Field{FieldName, FieldAmount} {
		if _, have := seen[must]; !have {
			return nil, false, &ident.Error{Kind: ident.KindInvalid, Code: "column_missing", Row: line, Field: string(must),
				Message: fmt.Sprintf("the header has no column for %s; title it %q", must, synonyms[must][0])}
		}
	}
	return cols, true, nil
}

func sameHeader(cells []string, cols []Column) bool {
	for i, c := range cells {
		if i >= len(cols) || strings.TrimSpace(c) != cols[i].Title {
			return false
		}
	}
	return len(cells) == len(cols)
}
