package list

// Word is a code with what people read for it.
type Word struct {
	Code string `json:"code"`
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}

// Vocabulary is all codes of this package that people meet.
type Vocabulary struct {
	Kinds    []Word `json:"kinds"`
	Subjects []Word `json:"subjects"`
	Sources  []Word `json:"sources"`
	States   []Word `json:"states"`
	Events   []Word `json:"events"`
	Signals  []Word `json:"signals"`
}

// Words is what screens call the codes, in the order in which they are offered.
func (s *Service) Words() Vocabulary {
	v := Vocabulary{
		Kinds: []Word{
			{string(Deny), "黑名单", "Deny list"}, {string(Watch), "关注名单", "Watch list"}, {string(Allow), "白名单", "Allow list"},
		},
		Subjects: []Word{
			{string(Account), "账户", "Account"}, {string(Device), "设备", "Device"}, {string(Phone), "手机号", "Phone number"},
			{string(Name), "姓名", "Name"}, {string(Address), "网络地址", "Network address"},
		},
		Sources: []Word{
			{string(Carrier), "运营商", "Carrier"}, {string(Police), "公安机关", "Police"}, {string(Institution), "其他机构", "Another institution"},
			{string(Own), "本公司", "This company"}, {string(Other), "其他", "Other"},
		},
		States: []Word{
			{string(Live), "生效中", "In force"}, {string(Waiting), "未到生效时间", "Not yet in force"},
			{string(Expired), "已到期", "Expired"}, {string(Removed), "已移除", "Removed"},
		},
		Events: []Word{
			{string(EventAdded), "加入", "Added"}, {string(EventExtended), "延期", "Extended"},
			{string(EventRenewed), "导入时更新", "Renewed by an import"}, {string(EventRemoved), "移除", "Removed"},
		},
	}
	for _, sig := range s.pack.signals {
		v.Signals = append(v.Signals, Word{sig.ID, sig.ZH, sig.EN})
	}
	return v
}
