package notice

import (
	"bytes"
	"crypto/ed25519"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
)

var testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func sample() Certificate {
	return Certificate{
		Layout: layoutNow, ID: "crt_01k8z3v5q8e4tn9m2xw7c6hd0r", Number: "2026-000047",
		PaidAt: time.Date(2026, 5, 30, 15, 42, 7, 0, time.UTC), Amount: money.Of(206000000, money.CNY), FromFund: "emergency",
		PayeeName: "胡淑芬", OnBehalfOf: "陈国栋", BankName: "建设银行绵阳涪城支行", BankAccountMasked: "****0017",
		ClaimID: "clm_01k8z3v5q8e4tn9m2xw7c6hd0a", IncidentName: "“3·19”系列盗窃案", Basis: "police_confirmation",
		PayoutID: "po_01k8z3v5q8e4tn9m2xw7c6hd0b", Operator: "微付（四川）支付有限公司", VerifyURL: "https://pay.example.cn/verify",
	}
}

func printed(t testing.TB, c Certificate) (Signed, []byte) {
	t.Helper()
	s, err := sign(c, testKey)
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := RenderPDF(s)
	if err != nil {
		t.Fatal(err)
	}
	return s, pdf
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s is needed (make test installs poppler-utils and qpdf): %v\n%s", name, err, out)
	}
	return string(out)
}

// The page is sound for other programs and says what it should, in characters
// that can be copied out; its fonts are inside.
func TestPDF(t *testing.T) {
	s, pdf := printed(t, sample())
	path := filepath.Join(t.TempDir(), "certificate.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "qpdf", "--check", path); !strings.Contains(out, "No syntax or stream encoding errors") {
		t.Error(out)
	}
	text := tool(t, "pdftotext", "-layout", path, "-")
	for _, want := range []string{
		"赔付凭证", "Certificate of compensation paid", "2026-000047", "2,060,000.00", "人民币贰佰零陆万元整", "胡淑芬", "陈国栋",
		"建设银行绵阳涪城支行", "****0017", "2026-05-30 23:42:07", "应急赔付基金", "Emergency compensation fund", "公安机关核实",
		"“3·19”系列盗窃案", "clm_01k8z3v5q8e4tn9m2xw7c6hd0a", "po_01k8z3v5q8e4tn9m2xw7c6hd0b", "微付（四川）支付有限公司",
		s.Code(), "https://pay.example.cn/verify", Fingerprint(s.Key), "surety verify certificate",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, line := range strings.Split(tool(t, "pdffonts", path), "\n")[2:] {
		if f := strings.Fields(line); len(f) > 6 && f[len(f)-5] != "yes" {
			t.Errorf("a font is not embedded: %s", line)
		}
	}
	if len(pdf) > 120_000 {
		t.Errorf("the file has %d bytes", len(pdf))
	}
}

// The same data is the same file, whenever it is printed.
func TestPDFIsDeterministic(t *testing.T) {
	_, first := printed(t, sample())
	for range 5 {
		if _, again := printed(t, sample()); !bytes.Equal(first, again) {
			t.Fatal("two prints of one certificate differ")
		}
	}
}

// The long, the rare and the malicious: nothing makes the page fail.
func TestPDFOfAnyName(t *testing.T) {
	for _, name := range []string{
		"𠮷野家", "Ñandú Ærøskøbing-Łódź", "ا", strings.Repeat("长", 100), strings.Repeat("W", 300), "a\x00b\n\tc", "(name) \\) Tj", "👨‍👩‍👧", "",
	} {
		c := sample()
		c.PayeeName, c.IncidentName, c.BankName = name, name, name
		s, pdf := printed(t, c)
		if got, err := VerifyCertificate(pdf, s.Key); err != nil || got.PayeeName != name {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestVerifyCertificate(t *testing.T) {
	s, pdf := printed(t, sample())
	c, err := VerifyCertificate(pdf, s.Key)
	if err != nil || c != sample() {
		t.Fatalf("%+v %v", c, err)
	}
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	for name, f := range map[string]struct {
		pdf  []byte
		key  ed25519.PublicKey
		code string
	}{
		"another key":    {pdf, other, "certificate_envelope"},
		"not a PDF":      {[]byte("hello"), s.Key, "certificate_missing"},
		"cut off":        {pdf[:len(pdf)-100], s.Key, "certificate_pages"},
		"with more":      {append(bytes.Clone(pdf), "\n%%EOF\n"...), s.Key, "certificate_pages"},
		"page rewritten": {rewritten(t, pdf), s.Key, "certificate_pages"},
	} {
		if _, err := VerifyCertificate(f.pdf, f.key); ident.CodeOf(err) != f.code {
			t.Errorf("%s: got %v, want %s", name, err, f.code)
		}
	}
}

// rewritten is the file saved anew by another program: the data is still found,
// and the file no longer passes for the print.
func rewritten(t *testing.T, pdf []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.pdf"), filepath.Join(dir, "b.pdf")
	if err := os.WriteFile(in, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "qpdf", "--stream-data=uncompress", in, out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A change of any fact is found, in the data and on the page.
func TestFlippedBytes(t *testing.T) {
	s, pdf := printed(t, sample())
	for i := range s.Payload {
		bad := s
		bad.Payload = bytes.Clone(s.Payload)
		bad.Payload[i] ^= 1
		if _, err := bad.Open(); err == nil {
			t.Fatalf("byte %d of the data was flipped and the signature still fits", i)
		}
	}
	at := rand.New(rand.NewSource(1))
	for range 40 {
		i := at.Intn(len(pdf))
		bad := bytes.Clone(pdf)
		bad[i] ^= 1 << at.Intn(8)
		if _, err := VerifyCertificate(bad, s.Key); err == nil {
			t.Fatalf("byte %d of the file was flipped and it still passes", i)
		}
	}
	// The thief's way: another amount on the page, the data left alone.
	c := sample()
	c.Amount = money.Of(306000000, money.CNY)
	forged, err := sign(c, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	page, err := RenderPDF(forged)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyCertificate(page, s.Key); ident.CodeOf(err) != "certificate_envelope" {
		t.Errorf("a forged certificate: %v", err)
	}
}

func TestCapital(t *testing.T) {
	for in, want := range map[int64]string{
		100_000_000: "人民币壹佰万元整", 206_000_000: "人民币贰佰零陆万元整", 11_282_800: "人民币壹拾壹万贰仟捌佰贰拾捌元整",
		1: "人民币壹分", 10: "人民币壹角整", 105: "人民币壹元零伍分", 1_409_50: "人民币壹仟肆佰零玖元伍角整", 6007_14: "人民币陆仟零柒元壹角肆分",
		1_680_32: "人民币壹仟陆佰捌拾元叁角贰分", 16409_02: "人民币壹万陆仟肆佰零玖元零贰分", 325_04: "人民币叁佰贰拾伍元零肆分",
		10_000_01: "人民币壹万元零壹分", 100_001_00: "人民币壹拾万零壹元整", 1_000_000_000_00: "人民币壹拾亿元整",
		1_000_010_000_00: "人民币壹拾亿零壹万元整", 1_000_100_000_000_00: "人民币壹万零壹亿元整",
		0: "", -1: "",
	} {
		if got := capital(money.Of(in, money.CNY)); got != want {
			t.Errorf("%d: %s, want %s", in, got, want)
		}
	}
	if capital(money.Of(1, "USD")) != "" {
		t.Error("capital numerals are for yuan")
	}
	if got := capital(money.Of(1<<63-1, money.CNY)); !strings.HasPrefix(got, "人民币玖亿贰仟贰佰叁拾叁万") {
		t.Error(got)
	}
}

func TestCode(t *testing.T) {
	s, _ := sign(sample(), testKey)
	code := s.Code()
	for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", ""), " " + strings.ReplaceAll(code, "-", " ")} {
		if NormalCode(typed) != code {
			t.Errorf("%q is not read as %s", typed, code)
		}
	}
	if NormalCode("OIL0-OIL0-OIL0-OIL0") != "0110-0110-0110-0110" || NormalCode("7KQ2") != "" || NormalCode("") != "" || NormalCode("UUUU-UUUU-UUUU-UUUU") != "" {
		t.Error("codes are not folded as people type them")
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadOrCreateKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(dir)
	if err != nil || !first.Equal(again) {
		t.Fatalf("another key the second time: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, PublicFile))
	if err != nil {
		t.Fatal(err)
	}
	if pub, err := ParseKey(string(text)); err != nil || !pub.Equal(first.Public()) {
		t.Errorf("the public file holds another key: %v", err)
	}
	if err := os.Chmod(filepath.Join(dir, keyFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateKey(dir); ident.CodeOf(err) != "certificate_key_open" {
		t.Errorf("an open key file: %v", err)
	}
}

func BenchmarkRenderPDF(b *testing.B) {
	s, err := sign(sample(), testKey)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := RenderPDF(s); err != nil {
			b.Fatal(err)
		}
	}
}
