package authority

// Reason is a stable code for why a cell was mended, noted or refused. Its words
// are in one table, in both languages.
type Reason string

// Why a cell was mended.
const (
	MendWidth      Reason = "width"       // full-width characters
	MendSpace      Reason = "white_space" // white space in or around it
	MendSeparators Reason = "separators"  // thousands separators, dashes
	MendCurrency   Reason = "currency"    // 元, ¥, CNY
	MendDate       Reason = "date_form"   // another form than 2026-05-30
	MendBrackets   Reason = "brackets"    // brackets of a case number
	MendCountry    Reason = "country_code"
	MendCase       Reason = "letter_case"
	MendEmptyWord  Reason = "empty_word" // 无, -, 不详
)

// What a person should look at, though the row was read.
const (
	NoteIDCheck       Reason = "id_check_digit"
	NoteIDBirth       Reason = "id_birth_date"
	NoteIDOther       Reason = "id_other_document"
	NoteIDMissing     Reason = "id_missing"
	NotePhoneMissing  Reason = "phone_missing"
	NoteNoAccount     Reason = "account_missing"
	NoteCaseMissing   Reason = "case_missing"
	NoteDateMissing   Reason = "date_missing"
	NoteDateFuture    Reason = "date_in_future"
	NoteLuhn          Reason = "bank_account_check_digit"
	NotePayTo         Reason = "pay_to_missing"
	NotePayeeOther    Reason = "payee_is_another"
	NoteSamePerson    Reason = "same_person"
	NoteSameAccount   Reason = "same_account"
	NoteSamePayTo     Reason = "same_pay_to"
	NoteConfirmed     Reason = "police_confirm_without_record"
	NoteDeceased      Reason = "deceased"
	NoteSaidDuplicate Reason = "said_duplicate"
	NoteSubtotal      Reason = "subtotal"
)

// Why a row was refused.
const (
	BadTooFew        Reason = "row_truncated"
	BadTooMany       Reason = "row_too_long"
	BadDamaged       Reason = "damaged_character"
	BadControl       Reason = "control_character"
	BadTooLong       Reason = "cell_too_long"
	BadRequired      Reason = "required"
	BadNobody        Reason = "nobody_to_find"
	BadName          Reason = "name_unreadable"
	BadCase          Reason = "case_unreadable"
	BadDate          Reason = "date_unreadable"
	BadID            Reason = "id_unreadable"
	BadPhone         Reason = "phone_unreadable"
	BadAccount       Reason = "account_unreadable"
	BadAmount        Reason = "amount_unreadable"
	BadAmountSign    Reason = "amount_signed"
	BadAmountZero    Reason = "amount_zero"
	BadAmountInteger Reason = "amount_not_integer"
	BadBankAccount   Reason = "bank_account_unreadable"
	BadTotal         Reason = "total_unreadable"
	BadReportTwice   Reason = "report_id_twice"
)

// words is the one catalogue of reasons: Chinese, English.
var words = map[Reason][2]string{
	MendWidth:      {"全角字符改为半角", "full-width characters folded"},
	MendSpace:      {"去除空白字符", "white space removed"},
	MendSeparators: {"去除分隔符", "separators removed"},
	MendCurrency:   {"去除货币单位", "currency sign removed"},
	MendDate:       {"统一日期格式", "date brought to one form"},
	MendBrackets:   {"统一文号括号", "brackets of the case number brought to one form"},
	MendCountry:    {"去除国家代码", "country code removed"},
	MendCase:       {"统一大小写", "letter case brought to one form"},
	MendEmptyWord:  {"按空白处理", "read as empty"},

	NoteIDCheck:       {"身份证校验码不符", "the check digit of the identity number is wrong (GB 11643)"},
	NoteIDBirth:       {"身份证中的出生日期不存在", "the birth date in the identity number does not exist"},
	NoteIDOther:       {"不是居民身份证号码", "not a resident identity number; another document?"},
	NoteIDMissing:     {"缺身份证号", "the identity number is missing"},
	NotePhoneMissing:  {"缺手机号", "the phone number is missing"},
	NoteNoAccount:     {"缺账户", "the account is missing"},
	NoteCaseMissing:   {"缺报案编号", "the case number is missing"},
	NoteDateMissing:   {"缺报案时间", "the time of the report is missing"},
	NoteDateFuture:    {"报案时间在将来", "the time of the report lies in the future"},
	NoteLuhn:          {"银行账号校验位不符", "the check digit of the bank account is wrong"},
	NotePayTo:         {"缺收款账号，须询问本人", "no bank account to pay to: ask the victim"},
	NotePayeeOther:    {"收款人不是受害人本人", "the payee is not the victim"},
	NoteSamePerson:    {"同一人另有一行，金额或案号不同，须人工核对", "the same person stands in another row with another case or amount: a person must decide"},
	NoteSameAccount:   {"同一账户另有他人", "another person is listed with the same account"},
	NoteSamePayTo:     {"同一收款账号另有他人", "another person is to be paid to the same bank account"},
	NoteConfirmed:     {"系统无记录，公安已核实", "no record in the system, confirmed by the police"},
	NoteDeceased:      {"受害人已故，须由继承人办理", "the victim has died: an heir takes over"},
	NoteSaidDuplicate: {"备注称重复，但未找到相同的行", "the remark says duplicate, but no earlier row is the same"},
	NoteSubtotal:      {"小计，未参与核对", "a subtotal; not compared"},

	BadTooFew:        {"列数不足，文件可能被截断", "the row has fewer columns than the header; the file may be cut off"},
	BadTooMany:       {"列数过多，金额中的逗号可能未加引号", "the row has more columns than the header; a comma may lack its quotes"},
	BadDamaged:       {"含有损坏的字符", "it holds a damaged character"},
	BadControl:       {"含有控制字符", "it holds a control character"},
	BadTooLong:       {"内容过长", "the text is too long"},
	BadRequired:      {"不能为空", "it is missing"},
	BadNobody:        {"身份证号、手机号、账户均缺，无法查找", "no identity number, phone or account to find the person by"},
	BadName:          {"不是姓名", "it is not a name"},
	BadCase:          {"不是报案编号", "it is not a case number"},
	BadDate:          {"不是日期", "it is not a date that exists"},
	BadID:            {"不是证件号码", "it is not an identity number"},
	BadPhone:         {"不是 11 位手机号", "it is not a mobile number of 11 digits"},
	BadAccount:       {"不是账户", "it is not an account"},
	BadAmount:        {"不是金额", "it is not an amount like 244,338.26"},
	BadAmountSign:    {"金额不能带正负号", "an amount has no sign and cannot be negative"},
	BadAmountZero:    {"金额必须大于零", "an amount must be more than zero"},
	BadAmountInteger: {"必须是整数（分）", "it must be a whole number of minor units"},
	BadBankAccount:   {"不是银行账号", "it is not a bank account number of 8 to 32 digits"},
	BadTotal:         {"合计无法读取", "the total cannot be read"},
	BadReportTwice:   {"报告编号重复", "the report id stands in an earlier row"},
}

// Text is the reason in words, lang "zh" or "en".
func (r Reason) Text(lang string) string {
	w, ok := words[r]
	if !ok {
		return string(r)
	}
	if lang == "zh" {
		return w[0]
	}
	return w[1]
}

// Reasons lists every reason, in no order; for pages that explain them.
func Reasons() []Reason {
	var out []Reason
	for r := range words {
		out = append(out, r)
	}
	return out
}
