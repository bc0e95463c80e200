package list_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"surety/domain/list"
)

// model is the index by brute force: all entries, asked one after another.
type model map[string]list.Plain

var signals = []string{"", "sim_swap", "phishing"}

// holds says whether an entry is about the value and in force.
func holds(p list.Plain, subject list.Subject, value string, at time.Time) bool {
	if p.Subject != subject || at.Before(p.From) || !p.Until.IsZero() && !at.Before(p.Until) {
		return false
	}
	if subject != list.Address {
		return p.Value == value
	}
	a, err := netip.ParseAddr(value)
	return err == nil && netip.MustParsePrefix(p.Value).Contains(a.WithZone("").Unmap())
}

// first is what the index must answer: the narrowest network, then the surest,
// then the smallest id.
func (m model) first(want func(p list.Plain) bool, subject list.Subject, value string, at time.Time) string {
	best, found := list.Plain{}, false
	bits := func(p list.Plain) int {
		if subject != list.Address {
			return 0
		}
		return netip.MustParsePrefix(p.Value).Bits()
	}
	for _, p := range m {
		if !want(p) || !holds(p, subject, value, at) {
			continue
		}
		if !found {
			best, found = p, true
			continue
		}
		better := bits(p) > bits(best) || bits(p) == bits(best) && (p.Confidence > best.Confidence || p.Confidence == best.Confidence && p.ID < best.ID)
		if better {
			best = p
		}
	}
	return best.ID
}

var (
	kinds    = []list.Kind{list.Allow, list.Deny, list.Watch}
	subjects = []list.Subject{list.Account, list.Device, list.Phone, list.Name, list.Address}
)

// Few values, few times and nested networks, so that they meet.
var (
	drawAt = rapid.Custom(func(t *rapid.T) time.Time {
		return start.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "s"))*time.Second + time.Duration(rapid.IntRange(-1, 1).Draw(t, "µs"))*time.Microsecond)
	})
	drawAddr = rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "six") {
			b := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: rapid.Byte().Draw(t, "last")}
			b[4], b[8] = rapid.SampledFrom([]byte{0, 1, 0x80, 0xff}).Draw(t, "b4"), rapid.SampledFrom([]byte{0, 1, 0x80, 0xff}).Draw(t, "b8")
			b[0] = rapid.SampledFrom([]byte{0x20, 0x26}).Draw(t, "b0")
			return netip.AddrFrom16(b)
		}
		mid := rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xff})
		return netip.AddrFrom4([4]byte{rapid.SampledFrom([]byte{10, 11}).Draw(t, "a"), mid.Draw(t, "b"), mid.Draw(t, "c"), mid.Draw(t, "d")})
	})
	drawPlain = rapid.Custom(func(t *rapid.T) list.Plain {
		p := list.Plain{ID: fmt.Sprint("e-", rapid.IntRange(0, 40).Draw(t, "id")), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			Subject: rapid.SampledFrom(subjects).Draw(t, "subject"), Confidence: rapid.IntRange(1, 3).Draw(t, "sure"),
			Signal: rapid.SampledFrom(signals).Draw(t, "signal"), From: start.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "from")) * time.Second)}
		if n := rapid.IntRange(0, 4).Draw(t, "until"); n > 0 {
			p.Until = p.From.Add(time.Duration(n) * time.Second)
		}
		p.Value = fmt.Sprint("v", rapid.IntRange(0, 5).Draw(t, "v"))
		if p.Subject == list.Address {
			a := drawAddr.Draw(t, "addr")
			bits := rapid.IntRange(8, 32).Draw(t, "bits")
			if a.Is6() {
				bits = rapid.IntRange(16, 128).Draw(t, "bits")
			}
			p.Value = netip.PrefixFrom(a, bits).Masked().String()
		}
		return p
	})
)

// The index answers as the brute force does, through any run of changes, to the
// microsecond of each beginning and end, for any nesting of networks.
func TestIndexIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, m := list.NewTestIndex(), model{}
		value := map[string]list.Plain{} // a value never changes under its id
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			var ps []list.Plain
			for _, p := range rapid.SliceOfN(drawPlain, 0, 20).Draw(t, "entries") {
				if old, ok := value[p.ID]; ok {
					p.Subject, p.Value = old.Subject, old.Value
				}
				value[p.ID] = p
				p.Gone = rapid.IntRange(0, 4).Draw(t, "gone") == 0
				ps = append(ps, p)
			}
			afresh := rapid.IntRange(0, 9).Draw(t, "afresh") == 0
			if afresh {
				m = model{}
			}
			x.Put(ps, time.Time{}, afresh)
			for _, p := range ps {
				if delete(m, p.ID); !p.Gone {
					m[p.ID] = p
				}
			}
			compare(t, x, m)
		}
		if n, bytes := x.Size(); n != len(m) || bytes <= 0 {
			t.Fatalf("%d entries in %d bytes, the model has %d", n, bytes, len(m))
		}
	})
}

func compare(t *rapid.T, x *list.Index, m model) {
	for range 30 {
		at, subject := drawAt.Draw(t, "at"), rapid.SampledFrom(subjects).Draw(t, "asked")
		v := fmt.Sprint("v", rapid.IntRange(0, 6).Draw(t, "value"))
		if subject == list.Address {
			a := drawAddr.Draw(t, "address")
			v = a.String()
			if a.Is4() && rapid.Bool().Draw(t, "mapped") {
				v = "::ffff:" + v
			} else if a.Is6() && rapid.Bool().Draw(t, "zone") {
				v += "%eth0"
			}
		}
		said := x.Said(string(subject), v, at)
		for i, kind := range kinds {
			want := m.first(func(p list.Plain) bool { return p.Kind == kind }, subject, v, at)
			got, ok := x.Listed(string(kind), string(subject), v, at)
			if got != want || ok != (want != "") || []string{said.Allow, said.Deny, said.Watch}[i] != want {
				t.Fatalf("%s %s %s at %v: %q %v %+v, want %q of %v", kind, subject, v, at, got, ok, said, want, m)
			}
		}
		for _, signal := range signals[1:] {
			_, ok := x.Signalled(signal, string(subject), v, at)
			if want := m.first(func(p list.Plain) bool { return p.Signal == signal }, subject, v, at); ok != (want != "") {
				t.Fatalf("%s %s %s at %v: %v, want %q", signal, subject, v, at, ok, want)
			}
		}
	}
}

// Many networks in one shard, nested at random: after each the answers are those of
// the brute force.
func TestManyNetworks(t *testing.T) {
	x, m := list.NewTestIndex(), model{}
	r := rand.New(rand.NewPCG(5, 6))
	addr := func() netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(r.UintN(4) * 80), byte(r.UintN(3) * 100), byte(r.UintN(256))})
	}
	for i := range 300 {
		p := list.Plain{ID: fmt.Sprint("n", i), Kind: list.Deny, Subject: list.Address, Confidence: i, From: start}
		p.Value = netip.PrefixFrom(addr(), 8+int(r.UintN(25))).Masked().String()
		m[p.ID] = p
		x.Put([]list.Plain{p}, time.Time{}, false)
		for range 20 {
			a := addr().String()
			want := m.first(func(list.Plain) bool { return true }, list.Address, a, start)
			if got, _ := x.Listed("deny", "address", a, start); got != want {
				t.Fatalf("%s after %d networks: %q, want %q", a, i+1, got, want)
			}
		}
	}
}

// What nobody knows stands on no list, and nothing breaks.
func TestIndexOddQuestions(t *testing.T) {
	x := list.NewTestIndex()
	x.Put([]list.Plain{{ID: "a", Kind: list.Deny, Subject: list.Account, Value: "W1", From: start},
		{ID: "n", Kind: list.Deny, Subject: list.Address, Value: "10.0.0.0/8", From: start}}, time.Time{}, true)
	for _, q := range [][3]string{{"", "account", "W1"}, {"Deny", "account", "W1"}, {"deny", "", "W1"}, {"deny", "Account", "W1"}, {"deny", "account", ""},
		{"deny", "account", "W10"}, {"deny", "device", "W1"}, {"deny", "address", ""}, {"deny", "address", "10"}, {"deny", "address", "10.0.0.0/8"},
		{"deny", "address", "%"}, {"deny", "address", "::10.0.0.1"}, {"deny", "address", "64:ff9b::10.0.0.1"}, {"allow", "address", "10.0.0.1"}} {
		if id, ok := x.Listed(q[0], q[1], q[2], start); ok || id != "" {
			t.Errorf("%v: %q", q, id)
		}
	}
	if id, _ := x.Listed("deny", "address", "::ffff:10.1.2.3", start); id != "n" {
		t.Errorf("an IPv4 address within IPv6: %q", id)
	}
	if _, ok := x.Signalled("", "account", "W1", start); ok {
		t.Error("no signal is signalled")
	}
	for range 3 { // ids that end are left out when their shard is made anew
		x.Put([]list.Plain{{ID: "old", Kind: list.Deny, Subject: list.Account, Value: "W1", From: start, Until: start.Add(time.Hour)}}, start.Add(time.Hour), false)
		if n, _ := x.Size(); n != 2 {
			t.Errorf("%d entries", n)
		}
	}
}

// A question allocates nothing.
func TestListedAllocatesNothing(t *testing.T) {
	x := bigIndex(10_000)
	for _, q := range [][2]string{{"account", "W00000017"}, {"account", "nobody"}, {"address", "10.0.3.7"}, {"address", "2001:db8::1"}, {"address", "fe80::1%eth0"}, {"phone", "x"}} {
		if n := testing.AllocsPerRun(100, func() { x.Listed("deny", q[0], q[1], start) }); n != 0 {
			t.Errorf("%v: %v allocations", q, n)
		}
		if n := testing.AllocsPerRun(100, func() { x.Said(q[0], q[1], start) }); n != 0 {
			t.Errorf("%v: %v allocations for all lists", q, n)
		}
	}
}

// A reader sees all of a write or nothing of it.
func TestIndexIsAtomic(t *testing.T) {
	x := list.NewTestIndex()
	pair := func(n int) []list.Plain {
		return []list.Plain{{ID: fmt.Sprint("a", n), Kind: list.Deny, Subject: list.Account, Value: "W1", Confidence: n, From: start},
			{ID: fmt.Sprint("b", n), Kind: list.Deny, Subject: list.Account, Value: "W1", Confidence: 500 - n, From: start}}
	}
	var readers sync.WaitGroup
	stop := make(chan struct{})
	x.Put(pair(0), time.Time{}, true)
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if id, ok := x.Listed("deny", "account", "W1", start); !ok {
					t.Errorf("between two writes: %q", id)
					return
				}
			}
		})
	}
	for n := 1; n < 400; n++ {
		gone := pair(n - 1)
		gone[0].Gone, gone[1].Gone = true, true
		x.Put(append(gone, pair(n)...), time.Time{}, false)
		if n%20 == 0 {
			x.Put(pair(n), time.Time{}, true)
		}
	}
	close(stop)
	readers.Wait()
}

// bigIndex holds n entries: six in ten accounts, two devices, one phones, one
// networks of which one in ten is of IPv6.
func bigIndex(n int) *list.Index {
	x := list.NewTestIndex()
	ps := make([]list.Plain, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range ps {
		p := list.Plain{ID: fmt.Sprintf("lst_01k8z3%020d", i), Kind: kinds[i%3], Subject: list.Account, Value: fmt.Sprintf("W%08d", i), Confidence: i % 1000,
			From: start.Add(-time.Hour), Until: start.Add(time.Duration(i%300) * day)}
		switch i % 10 {
		case 6, 7:
			p.Subject, p.Value = list.Device, fmt.Sprintf("dev-%024x", i)
		case 8:
			p.Subject, p.Value = list.Phone, fmt.Sprintf("%032x", i)
		case 9:
			p.Subject = list.Address
			if i%100 == 99 {
				p.Value = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, byte(r.UintN(32)), byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(256))}), 48).Masked().String()
			} else {
				bits := 32 - int(r.UintN(3))*4
				p.Value = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + r.UintN(220)), byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(256))}), bits).Masked().String()
			}
		}
		ps[i] = p
	}
	x.Put(ps, time.Time{}, true)
	return x
}

// One question to an index of a million entries; the values asked for are spread
// over all of it, so that no cache holds them.
func BenchmarkListed(b *testing.B) {
	const n = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := bigIndex(n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	entries, bytes := x.Size()
	held := float64(after.HeapAlloc-before.HeapAlloc) / float64(entries)
	r := rand.New(rand.NewPCG(3, 4))
	const asked = 1 << 16
	ask := map[string][]string{}
	for range asked {
		i := r.IntN(n/10)*10 + r.IntN(6)
		ask["account"] = append(ask["account"], fmt.Sprintf("W%08d", i))
		ask["account/absent"] = append(ask["account/absent"], fmt.Sprintf("X%08d", i))
		ask["phone"] = append(ask["phone"], fmt.Sprintf("%032x", i/10*10+8))
		ask["address"] = append(ask["address"], netip.AddrFrom4([4]byte{byte(1 + r.UintN(220)), byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(256))}).String())
		ask["address/six"] = append(ask["address/six"], netip.AddrFrom16([16]byte{0x20, byte(r.UintN(32)), byte(r.UintN(256)), byte(r.UintN(256)), 15: 1}).String())
	}
	names := make([]string, 0, len(ask))
	for name := range ask {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := ask[name]
		subject := name[:len(name)-len(name[min(len(name), 7):])]
		if name == "phone" {
			subject = name
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			hits := 0
			for i := 0; b.Loop(); i++ {
				if _, ok := x.Listed("deny", subject, values[i&(asked-1)], start); ok {
					hits++
				}
			}
			b.ReportMetric(float64(bytes)/float64(entries), "bytes/entry")
			b.ReportMetric(held, "heap/entry")
			b.ReportMetric(100*float64(hits)/float64(b.N), "%hit")
		})
	}
	small := bigIndex(10_000)
	b.Run("account/small", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			small.Listed("deny", "account", ask["account"][i&1023], start)
		}
	})
	b.Run("said", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			x.Said("account", ask["account"][i&(asked-1)], start)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				x.Listed("deny", "account", ask["account"][i&(asked-1)], start)
			}
		})
	})
}

// One change to an index of a million entries, and the whole of it anew.
func BenchmarkPut(b *testing.B) {
	x := bigIndex(1_000_000)
	for name, p := range map[string]list.Plain{
		"account": {ID: "lst_new", Kind: list.Deny, Subject: list.Account, Value: "W00000001", From: start},
		"network": {ID: "lst_net", Kind: list.Deny, Subject: list.Address, Value: "120.0.0.0/24", From: start},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				x.Put([]list.Plain{p}, time.Time{}, false)
			}
		})
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			bigIndex(1_000_000)
		}
	})
}
