package vault_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"surety/kernel/ident"
	"surety/platform/vault"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func config(current string, ids ...string) vault.Config {
	cfg := vault.Config{Keys: map[string][]byte{}, Current: current, IndexKey: key(99)}
	for _, id := range ids {
		cfg.Keys[id] = key(id[len(id)-1])
	}
	return cfg
}

func build(t testing.TB, cfg vault.Config) *vault.Vault {
	t.Helper()
	v, err := vault.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func seal(t testing.TB, v *vault.Vault, row, field, plain string) []byte {
	t.Helper()
	sealed, err := v.Seal(row, field, plain)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// refused checks that an envelope does not open and that the error tells nothing.
func refused(t testing.TB, v *vault.Vault, row, field string, sealed []byte, code, plain string) {
	t.Helper()
	got, err := v.Open(row, field, sealed)
	if got != "" || !ident.Is(err, ident.KindInternal) || ident.CodeOf(err) != code {
		t.Fatalf("opened as %q, %v; want %s", got, err, code)
	}
	if plain != "" && strings.Contains(err.Error(), plain) {
		t.Fatalf("the error holds the plaintext: %v", err)
	}
}

func TestSealAndOpen(t *testing.T) {
	v := build(t, config("k1", "k1"))
	for _, plain := range []string{"", "17012348892", "张伟", "\x00\xff", strings.Repeat("x", 64<<10)} {
		one, two := seal(t, v, "pty_1", "party.phone", plain), seal(t, v, "pty_1", "party.phone", plain)
		if bytes.Equal(one, two) {
			t.Fatal("two envelopes of one value are equal: it shows that they are")
		}
		if len(plain) > 4 && bytes.Contains(one, []byte(plain)) {
			t.Fatal("the envelope holds the plaintext")
		}
		for _, sealed := range [][]byte{one, two} {
			got, err := v.Open("pty_1", "party.phone", sealed)
			if err != nil || got != plain {
				t.Fatalf("opened as %.20q: %v", got, err)
			}
		}
	}
	if _, err := v.Seal("pty_1", "party.phone", strings.Repeat("x", 64<<10+1)); !ident.Is(err, ident.KindTooLarge) {
		t.Fatalf("too long: %v", err)
	}
	for _, place := range [][2]string{{"", "f"}, {"r", ""}} {
		if _, err := v.Seal(place[0], place[1], "x"); ident.CodeOf(err) != "vault_place" {
			t.Fatalf("no place: %v", err)
		}
		if _, err := v.Open(place[0], place[1], seal(t, v, "r", "f", "x")); ident.CodeOf(err) != "vault_place" {
			t.Fatalf("no place: %v", err)
		}
	}
}

// A value moved to another row or field does not open, also where the two names
// run together to the same letters.
func TestBoundToRowAndField(t *testing.T) {
	v := build(t, config("k1", "k1"))
	const plain = "519900199001015011"
	sealed := seal(t, v, "pty_12", "3.id", plain)
	for _, place := range [][2]string{{"pty_13", "3.id"}, {"pty_12", "3.phone"}, {"pty_1", "23.id"}, {"pty_123", ".id"}} {
		refused(t, v, place[0], place[1], sealed, "sealed_broken", plain)
	}
}

func TestFlippedAndCut(t *testing.T) {
	v := build(t, config("k1", "k1", "k0"))
	const plain = "17012348892"
	sealed := seal(t, v, "r", "f", plain)
	for i := range sealed {
		for bit := range 8 {
			bad := slices.Clone(sealed)
			bad[i] ^= 1 << bit
			got, err := v.Open("r", "f", bad)
			if err == nil || got != "" || !ident.Is(err, ident.KindInternal) || strings.Contains(err.Error(), plain) {
				t.Fatalf("byte %d bit %d: %q %v", i, bit, got, err)
			}
		}
	}
	for n := range len(sealed) {
		if _, err := v.Open("r", "f", sealed[:n]); err == nil {
			t.Fatalf("cut to %d bytes it opens", n)
		}
	}
	if _, err := v.Open("r", "f", append(slices.Clone(sealed), 0)); err == nil {
		t.Fatal("with a byte more it opens")
	}
}

func TestWrongKey(t *testing.T) {
	const plain = "17012348892"
	sealed := seal(t, build(t, config("k1", "k1")), "r", "f", plain)
	refused(t, build(t, config("k2", "k2")), "r", "f", sealed, "sealed_key_missing", plain)
	other := config("k1", "k1")
	other.Keys["k1"] = key(7)
	refused(t, build(t, other), "r", "f", sealed, "sealed_broken", plain)
}

func TestRotatedKey(t *testing.T) {
	old := build(t, config("k1", "k1"))
	before := seal(t, old, "r", "f", "before")
	v := build(t, config("k2", "k1", "k2"))
	after := seal(t, v, "r", "f", "after")
	for plain, sealed := range map[string][]byte{"before": before, "after": after} {
		if got, err := v.Open("r", "f", sealed); err != nil || got != plain {
			t.Fatalf("%s: %q %v", plain, got, err)
		}
	}
	for want, sealed := range map[string][]byte{"k1": before, "k2": after} {
		if id, err := vault.KeyID(sealed); err != nil || id != want {
			t.Fatalf("sealed with %q (%v), want %s", id, err, want)
		}
	}
	refused(t, old, "r", "f", after, "sealed_key_missing", "after")
	relabelled := slices.Clone(before)
	relabelled[3] = '2' // says k2
	refused(t, v, "r", "f", relabelled, "sealed_broken", "before")
	if !bytes.Equal(old.Index("f", "x"), v.Index("f", "x")) {
		t.Fatal("a rotation changed the index")
	}
}

func TestIndex(t *testing.T) {
	v := build(t, config("k1", "k1"))
	a := v.Index("party.phone", "17012348892")
	if len(a) != 16 || !bytes.Equal(a, v.Index("party.phone", "17012348892")) {
		t.Fatalf("%x", a)
	}
	other := config("k1", "k1")
	other.IndexKey = key(98)
	for name, b := range map[string][]byte{
		"value": v.Index("party.phone", "17012348893"), "field": v.Index("party.id", "17012348892"),
		"border": v.Index("party.phone1", "7012348892"), "key": build(t, other).Index("party.phone", "17012348892"),
	} {
		if bytes.Equal(a, b) {
			t.Errorf("another %s has the same index", name)
		}
	}
	if empty := v.Index("f", ""); empty == nil || len(empty) != 0 {
		t.Fatalf("the index of nothing is %v", empty)
	}
	// The stored form may never change: every index in every database would be lost.
	if got := fmt.Sprintf("%x", a); got != goldenIndex {
		t.Fatalf("the index is %s, it was %s", got, goldenIndex)
	}
}

const goldenIndex = "221b17276f381b0146b2d5eddc13e546"

// The stored form may never change: this envelope was sealed once and for all.
func TestGoldenEnvelope(t *testing.T) {
	v := build(t, config("k1", "k1"))
	got, err := v.Open("pty_1", "party.phone", goldenEnvelope())
	if err != nil || got != "17012348892" {
		t.Fatalf("%q %v", got, err)
	}
}

func goldenEnvelope() []byte {
	raw, _ := hex.DecodeString("01026b31e2f25e891c40eae4b5f21ddb7af0dd34785e8dd8ace3e5ac8cf9" +
		"9cf94db7010b950eb7c99474bd")
	return raw
}

func TestNewRefuses(t *testing.T) {
	for code, spoil := range map[string]func(*vault.Config){
		"vault_current":   func(c *vault.Config) { c.Current = "k2" },
		"vault_key_size":  func(c *vault.Config) { c.Keys["k1"] = key(1)[:31] },
		"vault_key_id":    func(c *vault.Config) { c.Keys["K 1"] = key(1) },
		"vault_index_key": func(c *vault.Config) { c.IndexKey = key(1)[:16] },
	} {
		cfg := config("k1", "k1")
		spoil(&cfg)
		if _, err := vault.New(cfg); ident.CodeOf(err) != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
}

func TestPrintsNoKeys(t *testing.T) {
	cfg := config("k1", "k1")
	cfg.Keys["k1"] = []byte("a-secret-key-of-exactly-32-bytes")
	v := build(t, cfg)
	var out bytes.Buffer
	for _, thing := range []any{cfg, &cfg, v, *v} {
		fmt.Fprintf(&out, "%v %+v %#v %s\n", thing, thing, thing, thing)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", thing)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", thing)
	}
	for _, leak := range []string{ // of the sealing key, then of the index key
		"a-secret", "YS1zZWNyZXQ", "97 45 115 101", "0x61, 0x2d", "612d736563",
		"cccc", "Y2Nj", "99 99", "0x63, 0x63", "6363",
	} {
		if strings.Contains(out.String(), leak) {
			t.Fatalf("printed %q", leak)
		}
	}
}

func TestLoadOrCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	v, err := vault.LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, v, "r", "f", "plain")
	again, err := vault.LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open("r", "f", sealed); err != nil || got != "plain" {
		t.Fatalf("after a restart: %q %v", got, err)
	}
	if !bytes.Equal(v.Index("f", "x"), again.Index("f", "x")) {
		t.Fatal("a restart changed the index")
	}
	path := filepath.Join(dir, vault.KeyFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Fatalf("left in the folder: %v %v", left, err)
	}

	rotated, err := vault.Rotate(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []*vault.Vault{rotated, mustLoad(t, dir)} {
		if got, err := v.Open("r", "f", sealed); err != nil || got != "plain" || v.Current() == again.Current() {
			t.Fatalf("after a rotation: %q %v %s", got, err, v.Current())
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode after a rotation %v %v", info.Mode(), err)
	}
}

func mustLoad(t *testing.T, dir string) *vault.Vault {
	t.Helper()
	v, err := vault.LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestKeyFileRefused(t *testing.T) {
	dir := t.TempDir()
	mustLoad(t, dir)
	path := filepath.Join(dir, vault.KeyFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(good, &parts); err != nil {
		t.Fatal(err)
	}
	without := func(name string, value string) string {
		changed := maps.Clone(parts)
		delete(changed, name)
		if value != "" {
			changed[name] = json.RawMessage(value)
		}
		raw, _ := json.Marshal(changed)
		return string(raw)
	}
	for name, text := range map[string]string{
		"empty": "", "cut": string(good[:len(good)/2]), "more": string(good) + "{}",
		"no keys": without("keys", ""), "no current": without("current", ""), "no index key": without("index_key", ""),
		"another version": without("version", "2"), "unknown field": without("extra", "1"), "short key": without("index_key", `"QUJD"`),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for what, try := range map[string]func(string) (*vault.Vault, error){
			"LoadOrCreate": vault.LoadOrCreate, "Rotate": vault.Rotate,
		} {
			if v, err := try(dir); err == nil || v != nil || !ident.Is(err, ident.KindInternal) {
				t.Errorf("%s: %s took it (%v)", name, what, err)
			}
		}
		if kept, _ := os.ReadFile(path); string(kept) != text {
			t.Errorf("%s: the file was replaced", name)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o660, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.LoadOrCreate(dir); ident.CodeOf(err) != "vault_loose" {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, dir)
	if _, err := vault.Rotate(t.TempDir()); ident.CodeOf(err) != "vault_no_keys" {
		t.Errorf("Rotate of nothing: %v", err)
	}
}

// Processes that start at once all use the file of the one that was first.
func TestCreateTogether(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 16)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			v, err := vault.LoadOrCreate(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = v.Current()
		})
	}
	all.Wait()
	if slices.Sort(ids); ids[0] != ids[15] || ids[0] == "" {
		t.Fatalf("they use different keys: %v", ids)
	}
}

func TestMasks(t *testing.T) {
	for _, c := range []struct {
		mask      func(string) string
		name      string
		in, wants string
	}{
		{vault.MaskPhone, "phone", "17012348892", "170****8892"},
		{vault.MaskPhone, "phone", "+86 170-1234-8892", "170****8892"},
		{vault.MaskPhone, "phone", "008617012348892", "170****8892"},
		{vault.MaskPhone, "phone", "１７０１２３４８８９２", "170****8892"},
		{vault.MaskPhone, "phone", "+442071838750", "442****8750"},
		{vault.MaskPhone, "phone", "02883331234", "028****1234"},
		{vault.MaskPhone, "phone", "83331234", "****1234"},
		{vault.MaskPhone, "phone", "8333123", "****23"},
		{vault.MaskPhone, "phone", "110", "****"},
		{vault.MaskPhone, "phone", "", ""},
		{vault.MaskPhone, "phone", "张伟", ""},
		{vault.MaskIDNumber, "id", "51990019900101501x", "5199**********501X"},
		{vault.MaskIDNumber, "id", "５１９９００１９９００１０１５０１Ｘ", "5199**********501X"},
		{vault.MaskIDNumber, "id", "519900900101501", "5199*******1501"},
		{vault.MaskIDNumber, "id", "E12345678", "*******78"},
		{vault.MaskIDNumber, "id", "E12345", "******"},
		{vault.MaskIDNumber, "id", "", ""},
		{vault.MaskAccount, "account", "6222 0212 3456 7888", "****7888"},
		{vault.MaskAccount, "account", "DE89370400440532013000", "****3000"},
		{vault.MaskAccount, "account", "1234567", "****67"},
		{vault.MaskAccount, "account", "12345", "****"},
		{vault.MaskAccount, "account", "", ""},
	} {
		if got := c.mask(c.in); got != c.wants {
			t.Errorf("%s %q: got %q, want %q", c.name, c.in, got, c.wants)
		}
	}
}

// No mask shows more than 8 characters or more than 7/11 of what it was given.
func FuzzMasks(f *testing.F) {
	f.Add("17012348892")
	f.Add("51990019900101501X")
	f.Add("张伟 ６２２２")
	f.Fuzz(func(t *testing.T, s string) {
		for _, mask := range []func(string) string{vault.MaskPhone, vault.MaskIDNumber, vault.MaskAccount} {
			shown := len(strings.ReplaceAll(mask(s), "*", ""))
			if runes := len([]rune(s)); shown > 8 || shown*11 > runes*7 {
				t.Fatalf("%q is shown as %q", s, mask(s))
			}
		}
	})
}

// Open of anything never panics, and opens only what is an envelope for the place.
func FuzzOpen(f *testing.F) {
	v := build(f, config("k2", "k1", "k2"))
	for _, sealed := range [][]byte{nil, {1}, {1, 255}, goldenEnvelope(), seal(f, v, "row", "field", "plain")} {
		f.Add("row", "field", sealed)
	}
	f.Fuzz(func(t *testing.T, row, field string, sealed []byte) {
		if plain, err := v.Open(row, field, sealed); err != nil && (plain != "" || !ident.Is(err, ident.KindInternal)) {
			t.Fatalf("%q %v", plain, err)
		}
		if row == "" || field == "" {
			return
		}
		plain := string(sealed)
		if len(plain) > 64<<10 {
			return
		}
		own := seal(t, v, row, field, plain)
		if got, err := v.Open(row, field, own); err != nil || got != plain {
			t.Fatalf("%q %v", got, err)
		}
		if _, err := v.Open(row+"x", field, own); err == nil {
			t.Fatal("it opens in another row")
		}
	})
}
