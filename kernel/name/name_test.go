package name

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNormalize(t *testing.T) {
	for _, c := range []struct {
		in, text  string
		script    Script
		suspicion string
	}{
		{"和震", "和震", Han, ""},
		{" 王　小 明\t", "王小明", Han, ""},
		{"ＷＡＮＧ　ｗｅｉ", "WANG wei", Latin, ""},
		{"买买提•吐尔逊", "买买提·吐尔逊", Han, ""},
		{"买买提・吐尔逊", "买买提·吐尔逊", Han, ""},
		{"Jose\u0301", "José", Latin, ""},
		{"John\u00a0 Smith", "John Smith", Latin, ""},
		{"王\u200b小明", "王小明", Han, "invisible"},
		{"\u202eabc", "abc", Latin, "invisible"},
		{"王\ufe00小明", "王小明", Han, "invisible"},
		{"王\ufeff小明", "王小明", Han, "invisible"},
		{"王\u3164小明", "王小明", Han, "invisible"},
		{"a\x00b", "ab", Latin, "invisible"},
		{"Z" + strings.Repeat("\u0301", 50) + "o", "Ź\u0301\u0301\u0301o", Latin, "styled"},
		{"a\xffb", "ab", Latin, "invisible"},
		{"a\ue000b", "ab", Latin, "invisible"},
		{"𝐉𝐨𝐡𝐧", "John", Latin, "styled"},
		{"⼈", "人", Han, "styled"},
		{"ﬁn", "fin", Latin, "styled"},
		{"Иван", "Иван", Other, ""},
		{"Сoco", "Сoco", Mixed, "mingled"},
		{"Иван Smith", "Иван Smith", Mixed, ""},
		{"王 Wei", "王 Wei", Mixed, ""},
		{"123", "123", Empty, ""},
		{"", "", Empty, ""},
		{strings.Repeat("王", MaxLen+1), strings.Repeat("王", MaxLen), Han, "too_long"},
	} {
		n := Normalize(c.in)
		got := ""
		for _, e := range suspicions(n) {
			got += e.Rule
		}
		if n.Text != c.text || n.Script != c.script || got != c.suspicion {
			t.Errorf("%q: %+v %q", c.in, n, got)
		}
	}
}

// compared is our own hand-made set: asked, registered, answer, first rule.
var compared = []struct {
	asked, registered string
	answer            Answer
	rule              string
}{
	// Han
	{"和震", "和震", Match, "equal"},
	{"王 小　明", "王小明", Match, "equal"},
	{"买买提.吐尔逊", "买买提·吐尔逊", Close, "look_alike"}, // an ASCII dot is not the dot of a name
	{"買買提·吐爾遜", "买买提·吐尔逊", Close, "traditional"},
	{"陳偉", "陈伟", Close, "traditional"},
	{"張麗華", "张丽华", Close, "traditional"},
	{"张伟", "张炜", Close, "homophone"},
	{"张伟", "张军", NoMatch, "character"},
	{"张伟", "李伟", NoMatch, "surname"},
	{"王小明", "王小朋", Close, "character"},
	{"王小明", "王大朋", NoMatch, "character"},
	{"王小明", "张小明", NoMatch, "surname"},
	{"王小明", "汪晓鸣", Close, "homophone"},
	{"王明", "王小明", NoMatch, "length"},
	{"王小末", "王小未", Close, "look_alike"},
	{"王小明", "壬小明", Close, "look_alike"},
	{"阿卜杜热依木", "阿卜杜热木", Close, "character"},
	{"欧阳娜娜", "欧阳娜", NoMatch, "length"},
	{"曾明", "层明", NoMatch, "surname"}, // ceng is a reading of 曾, but not of the surname
	{"单雄", "善雄", Close, "homophone"},
	{"单雄", "丹雄", NoMatch, "surname"},
	// Han and pinyin
	{"Wang Xiaoming", "王小明", Close, "pinyin"},
	{"xiaoming wang", "王小明", Close, "pinyin"},
	{"WANG, Xiao-Ming", "王小明", Close, "pinyin"},
	{"Zeng Ming", "曾明", Close, "pinyin"},
	{"Ceng Ming", "曾明", NoMatch, "different"},
	{"Shan Xiong", "单雄", Close, "pinyin"},
	{"Lü Bu", "吕布", Close, "pinyin"},
	{"Lyu Bu", "吕布", Close, "pinyin"},
	{"Lv Bu", "吕布", Close, "pinyin"},
	{"Ouyang Nana", "欧阳娜娜", Close, "pinyin"},
	{"Wang Xiao", "王小明", NoMatch, "different"},
	{"Chen Wei", "陳偉", Close, "pinyin"},
	// Latin
	{"john smith", "JOHN SMITH", Match, "folded"},
	{"Smith John", "John Smith", Match, "order"},
	{"Smith, John", "John Smith", Match, "order"},
	{"Jose Garcia", "José García", Match, "folded"},
	{"Mueller Hans", "Hans Müller", Match, "umlaut"},
	{"Muller Hans", "Hans Müller", Match, "order"},
	{"Gauß", "Gauss", Match, "folded"},
	{"O'Brien Pat", "Pat OBrien", Match, "order"},
	{"Anne-Marie Roy", "Anne Marie Roy", Match, "folded"},
	{"Annemarie Roy", "Anne Marie Roy", Close, "spacing"},
	{"J. Smith", "John Smith", Close, "initial"},
	{"Smith J", "John Smith", Close, "initial"},
	{"John Smith", "John Michael Smith", Close, "middle_name"},
	{"John M Smith", "John Michael Smith", Close, "initial"},
	{"Smith Michael John", "John Michael Smith", Close, "order"},
	{"J S", "John Smith", NoMatch, "different"},
	{"John", "John Smith", NoMatch, "different"},
	{"John Smyth", "John Smith", NoMatch, "different"},
	{"John Brown", "John Smith", NoMatch, "different"},
	{"John Smith Brown", "John Smith", NoMatch, "different"},
	{"Trust I", "Trust II", NoMatch, "different"},
	{"Trust Fund", "Trust 2 Fund", NoMatch, "different"},
	{"Trust II Fund", "Trust Fund", NoMatch, "different"},
	// other scripts keep their marks
	{"иван петров", "Петров Иван", Match, "order"},
	{"Андрей", "Андреи", NoMatch, "different"},
	{"はなこ", "ばなこ", NoMatch, "different"},
	// deception
	{"王\u200b小明", "王小明", Close, "equal"},
	{"王\u200b小明", "王\u200b小明", Close, "equal"},
	{"𝐉𝐨𝐡𝐧 Smith", "John Smith", Close, "equal"},
	{"Јohn Smith", "John Smith", Close, "look_alike"}, // Cyrillic Ј
	{"Сосо", "Coco", Close, "look_alike"},             // all Cyrillic
	{"J0hn Smith", "John Smith", Close, "look_alike"},
	{"BiII Gates", "Bill Gates", Close, "look_alike"},
	{"Αννα", "Avva", Close, "look_alike"}, // Greek
	{"ロ力", "口カ", Close, "look_alike"},     // katakana and Han
	{strings.Repeat("a", 200), strings.Repeat("a", 200), Close, "equal"},
	// nothing
	{"", "", NoMatch, "empty"},
	{"", "王小明", NoMatch, "empty"},
	{"123", "123", NoMatch, "empty"},
	{"\u200b", "\u200b", NoMatch, "empty"},
	{"***", "***", NoMatch, "empty"},
}

func TestCompare(t *testing.T) {
	for _, c := range compared {
		r := Compare(c.asked, c.registered)
		rule := ""
		for _, e := range r.Evidence {
			rule = e.Rule // the last of the differing characters decides, before suspicions
			if e.Rule == c.rule {
				break
			}
		}
		if r.Answer != c.answer || rule != c.rule {
			t.Errorf("%.40q and %.40q: %+v, want %s %s", c.asked, c.registered, r, c.answer, c.rule)
		}
		if back := Compare(c.registered, c.asked); back.Answer != r.Answer {
			t.Errorf("%.40q and %.40q: %s one way, %s the other", c.asked, c.registered, r.Answer, back.Answer)
		}
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"刘和震": "*和震", "白辰": "*辰", "王": "*", "欧阳娜娜": "**娜娜", "歐陽娜娜": "**娜娜", "欧阳": "*阳",
		"买买提·吐尔逊": "***·吐尔逊", "王 小 明": "*小明", "John Smith": "J*** S****", "J Smith": "* S****",
		"Anne-Marie Roy": "A***-M**** R**",
		"José":           "J***", "Иван": "И***", "王 Wei": "* W**", "Shop 24": "S*** **", "": "", "\u200b王明": "*明",
		"O'Brien": "*'B****",
	} {
		if got := Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSkeleton(t *testing.T) {
	for _, same := range [][]string{
		{"John Smith", "J0HN SM1TH", "Јоhn Ѕmіth", "ｊｏｈｎｓｍｉｔｈ", "Jo\u200bhn Smlth"},
		{"modern", "rnodern", "Mоdern"},
		{"vvang", "wang", "Wang"},
		{"王未", "玉末", "壬末", "王 未"},
		{"陈口", "陳ロ"},
	} {
		for _, s := range same {
			if Skeleton(s) != Skeleton(same[0]) {
				t.Errorf("%q -> %q, %q -> %q", same[0], Skeleton(same[0]), s, Skeleton(s))
			}
		}
	}
	if Skeleton("John Smith") == Skeleton("Jane Smith") || Skeleton("王小明") == Skeleton("王大明") {
		t.Error("different names have one skeleton")
	}
}

// The tables are typed by hand, so they are checked: a slip would shift every
// pair that follows it.
func TestTables(t *testing.T) {
	for _, table := range []string{traditional, confusable, toned} {
		if n := utf8.RuneCountInString(table); n%2 != 0 {
			t.Errorf("a table of pairs has %d characters: …%.40s", n, table)
		}
	}
	if len(toSimplified) < 500 {
		t.Errorf("%d traditional forms", len(toSimplified))
	}
	for a, b := range toSimplified {
		if !sameSound(a, b, false) {
			t.Errorf("%c and %c are not read alike: %v %v", a, b, readings(a, false), readings(b, false))
		}
		if _, again := toSimplified[b]; again {
			t.Errorf("%c is simplified to %c, which is simplified again", a, b)
		}
	}
	for r, first := range toLookalike {
		if look(first) != first {
			t.Errorf("%c looks like %c, which looks like %c", r, first, look(first))
		}
	}
	for r, sound := range surnameSound {
		if all := readings(r, false); !strings.Contains(" "+strings.Join(all, " ")+" ", " "+sound+" ") {
			t.Errorf("the surname %c is read %s, the dictionary has %v", r, sound, all)
		}
	}
	for _, latin := range toLatin {
		if latin < 'a' || latin > 'z' {
			t.Errorf("%c is not a small Latin letter", latin)
		}
	}
}

func drawName(t *rapid.T, label string) string {
	r := rapid.OneOf(rapid.SampledFrom([]rune("王汪小晓明鸣陳陈曾単·· aAbJohnSmithéüßIl1о\u200bС０")), rapid.Rune())
	return string(rapid.SliceOfN(r, 0, 12).Draw(t, label))
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawName(t, "a")
		b := rapid.OneOf(rapid.Custom(func(t *rapid.T) string { return drawName(t, "b") }), rapid.Just(a)).Draw(t, "b")
		check(t.Fatalf, a, b)
	})
}

// check holds what is true of any two names.
func check(fatal func(string, ...any), a, b string) {
	n := Normalize(a)
	if again := Normalize(n.Text); again.Text != n.Text || again.Invisible || again.Styled || !utf8.ValidString(n.Text) ||
		utf8.RuneCountInString(n.Text) > MaxLen {
		fatal("%q is folded to %q and again to %+v", a, n.Text, again)
	}
	one, two := Compare(a, b), Compare(b, a)
	if one.Answer != two.Answer || len(one.Evidence) == 0 {
		fatal("%q and %q: %+v and %+v", a, b, one, two)
	}
	if one.Answer == Match && (n.Suspicious() || Normalize(b).Suspicious()) {
		fatal("%q and %q match although suspicious", a, b)
	}
	if self := Compare(a, a).Answer; n.Script != Empty && self == NoMatch || self == Match && n.Suspicious() {
		fatal("%q with itself: %s", a, self)
	}
	if one.Answer == Match && Skeleton(a) != Skeleton(b) && n.Script == Han {
		fatal("%q and %q match but look different", a, b)
	}
	m := Mask(a)
	if utf8.RuneCountInString(m) > MaxLen || n.Script != Empty && !strings.Contains(m, "*") {
		fatal("Mask(%q) = %q", a, m)
	}
	if len(Skeleton(a)) > 8*MaxLen {
		fatal("the skeleton of %q has %d bytes", a, len(Skeleton(a)))
	}
}

func FuzzCompare(f *testing.F) {
	for _, c := range compared {
		f.Add(c.asked, c.registered)
	}
	f.Add(strings.Repeat("\u0301", 5000), strings.Repeat("ﷺ", 500))
	f.Add(strings.Repeat("a ", 5000), strings.Repeat("b ", 5000))
	f.Add(strings.Repeat("单", 300), strings.Repeat("shan", 300))
	f.Fuzz(func(t *testing.T, a, b string) { check(t.Fatalf, a, b) })
}

func BenchmarkCompare(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Compare("Wang Xiaoming", "王小明")
		Compare("王小明", "汪晓鸣")
		Compare("J. Smith", "John Smith")
	}
}
