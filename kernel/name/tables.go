package name

import "strings"

// traditional pairs each traditional or variant form with the simplified one,
// for the characters that are usual in names. A test checks that each pair
// shares a reading.
const traditional = "" +
	"陳陈張张劉刘楊杨黃黄趙赵吳吴孫孙馬马謝谢許许鄧邓馮冯蕭萧葉叶潘潘鄭郑鄒邹蘇苏盧卢蔣蒋賈贾閻阎薛薛餘余於于" +
	"鐘钟鍾钟湯汤龔龚賴赖顧顾龍龙萬万錢钱嚴严魯鲁韋韦倫伦喬乔賀贺龐庞樊樊蘭兰齊齐畢毕溫温紀纪莊庄聶聂關关" +
	"歐欧區区麥麦簡简連连駱骆鮑鲍單单柴柴寧宁練练遊游塗涂塗涂陸陆車车閔闵褚褚應应詹詹儲储談谈鄔邬諸诸" +
	"葛葛勞劳祿禄閆闫權权費费廖廖傅傅華华薑姜國国偉伟強强彊强軍军傑杰東东榮荣貴贵輝辉煇辉飛飞鵬鹏龍龙鳳凤" +
	"麗丽豔艳艷艳紅红蓮莲瓊琼潔洁瑩莹穎颖頴颖靜静倩倩慶庆業业興兴揚扬陽阳勝胜聖圣賢贤義义禮礼學学愛爱" +
	"寶宝寳宝珍珍銀银銘铭銳锐鋒锋鋼钢錦锦鑫鑫鎮镇鐵铁鈞钧釗钊鈺钰鉅钜鍵键鏡镜鑒鉴鑑鉴剛刚劍剑創创動动" +
	"勳勋勛勋勵励勁劲協协衛卫廣广廳厅開开闊阔闖闯閏闰問问間间聞闻風风颯飒飄飘馳驰駿骏騰腾騏骐驊骅驥骥" +
	"鶴鹤鴻鸿鶯莺鷹鹰鷗鸥鸞鸾鳴鸣魚鱼麟麟齡龄龐庞嵐岚峰峰峯峰嶺岭島岛嶽岳巖岩崗岗岡冈濤涛澤泽潤润濱滨" +
	"瀾澜灝灏瀟潇淵渊漢汉漣涟溝沟滿满漸渐濟济潔洁無无煒炜煥焕燁烨燦灿熾炽爾尔瑋玮瓏珑璽玺瑪玛環环現现" +
	"琺珐瑣琐畫画異异盡尽確确碩硕禎祯禪禅種种稱称穩稳穎颖競竞筆笔簫箫籌筹粵粤純纯紅红級级紋纹紹绍紳绅" +
	"細细終终組组結结絲丝綺绮經经維维綱纲綠绿緒绪綸纶緣缘緯纬練练縱纵總总績绩繡绣繼继續续纖纤羅罗習习" +
	"聰聪聯联聲声職职肅肃膽胆臨临蘊蕴薔蔷蔭荫蔣蒋蘆芦藝艺藍蓝薩萨萊莱葦苇莖茎號号虛虚蟬蝉補补裡里裏里" +
	"見见規规視视親亲覺觉觀观訓训記记訪访設设詠咏詩诗誠诚話话詳详語语誌志說说説说課课調调論论諾诺" +
	"諺谚謀谋謙谦證证識识譚谭譯译譽誉讓让讚赞贊赞豐丰豔艳貞贞財财貢贡貝贝賓宾賞赏質质賦赋賽赛趕赶" +
	"躍跃軒轩軟软載载輕轻輔辅輪轮輯辑轉转辭辞達达運运過过進进遠远適适選选遙遥邁迈遲迟鄉乡醫医釋释" +
	"鑾銮長长門门閃闪陰阴陣阵隊队階阶際际隨随險险隱隐隴陇雋隽雙双離离雲云電电霧雾靈灵韓韩響响頂顶項项" +
	"順顺頌颂預预頓顿領领頤颐頻频顏颜顔颜顯显飯饭養养館馆駒驹駕驾駐驻騫骞驍骁驕骄驗验體体鮮鲜鯉鲤鯤鲲" +
	"雞鸡鷄鸡鴛鸳鴦鸯鵑鹃鵝鹅鵲鹊鸚鹦鹽盐黨党齋斋龜龟個个們们倉仓備备傳传傾倾僑侨儀仪億亿優优兒儿內内" +
	"兩两冊册準准淨净凱凯則则務务區区參参員员啟启啓启喚唤嘉嘉喬乔園园圓圆圖图團团堅坚場场塵尘壇坛壯壮" +
	"壽寿夢梦奧奥奮奋妝妆婦妇媽妈嬌娇嬰婴孫孙宮宫實实寬宽審审專专將将尋寻對对導导屆届層层屬属幫帮幹干" +
	"幾几廟庙張张彌弥彥彦後后徑径從从復复徵征徹彻恆恒悅悦惠惠慈慈惲恽憶忆憲宪懷怀戀恋戰战戲戏戶户拋抛" +
	"揮挥據据擁拥擇择擊击擔担擬拟敏敏敗败敘叙數数斷断時时晉晋晝昼暉晖暢畅曄晔曉晓曠旷書书會会朧胧條条" +
	"棟栋楓枫榮荣構构槍枪樂乐樓楼標标樞枢樸朴樹树橋桥機机檢检權权歡欢歲岁歷历殘残殷殷殺杀氣气決决沖冲" +
	"沒没況况潑泼濃浓澀涩灑洒灘滩災灾為为爲为烏乌煙烟營营燈灯燕燕爐炉爭争牆墙狀状獨独獅狮獎奖獲获獻献" +
	"瑤瑶產产疊叠療疗發发盜盗監监盤盘矚瞩礎础礦矿祇只禦御稅税穀谷積积竇窦節节範范築筑籃篮糧粮紗纱納纳" +
	"絨绒給给統统絹绢綢绸緊紧編编縣县織织纓缨羣群翹翘聖圣聽听腦脑臺台興兴舊旧艦舰蕓芸蘋苹藥药蘄蕲虹虹" +
	"蟲虫術术裝装複复襲袭計计訂订託托註注評评詞词該该誼谊請请諒谅謹谨變变貫贯貨货責责貿贸賜赐購购贏赢" +
	"賬账趨趋跡迹踐践轄辖農农邊边還还鄰邻鄺邝鄂鄂釀酿鉀钾鈴铃鉛铅鋪铺錄录錫锡鍋锅鍛锻鎖锁鎬镐鏢镖鑄铸" +
	"難难霽霁韻韵頁页頭头題题額额願愿類类饒饶馨馨馴驯騎骑驚惊髮发鬥斗魏魏鯨鲸鳥鸟鷺鹭麵面黎黎點点鼎鼎" +
	"龎庞龢和淩凌况况昇升堃坤喆哲甦苏祕秘恒恒鉄铁乹乾擧举舉举眾众衆众佔占佈布兇凶劃划勢势匯汇厲厉買买賣卖遜逊"

// lookalike groups Han characters, and signs beside them, that a hurried eye
// takes for one another; the first of a group stands for all.
const lookalike = "未末 土士 己已巳 日曰 人入 大太犬 王玉壬主 干千于 天夭 刀力 戊戌戍 候侯 晴睛 辨辩辫 暮幕慕 拔拨 " +
	"微徽 彭膨 冯馮 洪拱 玫攻 博搏 沈沉 宇字 晖辉 李季 徐除 茅芽 汪江 杨扬场 林材 材村 何河 陈阵 孙逊 胡湖 " +
	"郎朗 苗笛 崔催 尹伊 史吏 牛午 田由甲申 白自 石右 古占 贝见 风凤 元无 内肉 冉再 丘兵 东乐 幻幼 今令 冷泠 " +
	"治冶 析折 柳卯 竞竟 景影 清请情 洒酒 免兔 乌鸟 折拆 亨享 茶荼 遣遗 盲肓 嬴赢羸 市巿 祥详 晓哓 宜宣 夫失 " +
	"工エ 力カ 夕タ 卜ト 口ロ囗□ 八ハ 二ニ 千チ 一ー—―－-ㅡ 三ミ 〇○◯ 丶、"

// polyphone gives surnames their own reading; the first reading in a dictionary
// is the common word's, which is wrong for them.
const polyphone = "曾zeng 单shan 仇qiu 解xie 朴piao 查zha 盖ge 区ou 任ren 华hua 乐yue 冼xian 洗xian 翟zhai 宁ning " +
	"覃qin 员yun 缪miao 召shao 折she 种chong 秘bi 纪ji 葛ge 那na 万wan 隗wei 逄pang 牟mu 褚chu 晁chao " +
	"谌chen 车che 石shi 沈shen 柏bai 贾jia 角jue 繁po 郗xi 祭zhai 能nai 过guo 句gou 俞yu 曲qu 长zhang 重chong " +
	"尉yu 令ling 澹tan 教jiao 燕yan 於yu 洪hong 尹yin 谷gu 干gan 强qiang 相xiang 应ying 卜bu 邵shao 哈ha 訾zi " +
	"不fou 撒sa 冒mo 铅qian 适kuo 殷yin 夏xia 郇xun 宓mi 阚kan 芮rui 咸xian 幺yao 尧yao 都du 行xing 降jiang"

// compound lists surnames of two characters.
const compound = "欧阳 司马 上官 诸葛 司徒 东方 皇甫 尉迟 公孙 令狐 慕容 长孙 宇文 夏侯 端木 南宫 独孤 百里 东郭 " +
	"万俟 闻人 呼延 轩辕 澹台 公冶 宗政 濮阳 淳于 单于 太叔 申屠 仲孙 钟离 鲜于 闾丘 司空 西门 南门 第五 赫连 拓跋 梁丘 左丘"

// confusable maps letters of other scripts, digits and signs to the Latin letters
// that they look like, in lower case. Pairs: what is seen, what it stands for.
const confusable = "" +
	"аaеeоoрpсcуyхxіiјjѕsԁdһhԛqԝwкkмmтtнhвbгrпnғfӏlԍgүvѵv" + // Cyrillic, small
	"АaВbЕeЅsІiЈjКkМmНhОoРpСcТtУyХxҮyԌgԚqԜwӀlҺhԀd" + // Cyrillic, capital
	"αaοoνvρpιiκkτtυuχxγyηnωwσoςcεe" + // Greek, small
	"ΑaΒbΕeΖzΗhΙiΚkΜmΝnΟoΡpΤtΥyΧxϹcϺm" + // Greek, capital
	"0o1l|lǀlıiɑaɡgʏyᴄcᴏoᴠvᴡwᴢzՕoօoոnսuցgհhԁdℓlℹiꓐbꓑpꓒdꓓtꓔtꓗkꓠnꓣrꓪwꓬyꓮaꓲiꓳo"

// toned pairs the vowels of pinyin with their plain letters.
const toned = "āaáaǎaàaēeéeěeèeêeīiíiǐiìiōoóoǒoòoūuúuǔuùuüvǖvǘvǚvǜvńnňnǹnḿm"

// pairs turns a table of "ab" pairs into a map a -> b.
func pairs(table string) map[rune]rune {
	m := make(map[rune]rune, len(table)/6)
	var first rune
	for _, r := range table {
		if first == 0 {
			first = r
			continue
		}
		if first != r {
			m[first] = r
		}
		first = 0
	}
	return m
}

// groups turns "abc de" into b -> a, c -> a, e -> d.
func groups(table string) map[rune]rune {
	m := map[rune]rune{}
	for g := range strings.FieldsSeq(table) {
		var first rune
		for _, r := range g {
			switch {
			case first == 0:
				if first = r; m[r] != 0 {
					first = m[r] // the groups touch: one group
				}
			case r != first:
				m[r] = first
			}
		}
	}
	return m
}

func surnames(table string) map[rune]string {
	m := map[rune]string{}
	for w := range strings.FieldsSeq(table) {
		for i, r := range w {
			if i == 0 {
				m[r] = strings.TrimPrefix(w, string(r))
			}
		}
	}
	return m
}

func words(table string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(table) {
		m[w] = true
	}
	return m
}

// The tables as maps; made once, never written.
var (
	toSimplified = pairs(traditional)
	toLookalike  = groups(lookalike)
	toLatin      = pairs(confusable)
	toPlainVowel = pairs(toned)
	surnameSound = surnames(polyphone)
	isCompound   = words(compound)
)
