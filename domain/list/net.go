package list

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// key is an address as a number.
func key(a netip.Addr) u128 {
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a u128) after(b u128) bool { return a.hi > b.hi || a.hi == b.hi && a.lo > b.lo }

// within says whether an address lies in the network of a key and its first bits.
func (a u128) within(network u128, bits uint8) bool {
	if bits <= 64 {
		return (a.hi^network.hi)>>(64-bits) == 0
	}
	return a.hi == network.hi && (a.lo^network.lo)>>(128-bits) == 0
}

// netShardOf is the shard of an address and of every network that holds it: none
// is wider than what decides it here (widest4, widest6).
func netShardOf(a netip.Addr) int {
	if a.Is4() {
		return int(a.As4()[0])
	}
	b := a.As16()
	top := uint32(binary.BigEndian.Uint16(b[:2]))
	return netShards/2 + int(top*40503>>8)&(netShards/2-1)
}

// address finds the narrowest network that holds an address.
//
// Networks are nested or apart. So of those that do not begin after the address
// the last one in the order (address, then the wider first) is the narrowest that
// holds it, or lies within that one: its parents lead there.
func (snap *snapshot) address(text string) chain {
	if i := strings.IndexByte(text, '%'); i >= 0 {
		text = text[:i] // the zone says which wire, not which address
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return chain{first: -1}
	}
	a = a.Unmap()
	n := snap.nets[netShardOf(a)]
	if n == nil {
		return chain{first: -1}
	}
	k := key(a)
	lo, hi := 0, len(n.keys)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if n.keys[mid].after(k) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	c := chain{in: &n.slab, net: n, node: int32(lo - 1), addr: k}
	c.settle()
	return c
}

// settle goes up from a network until one holds the address.
func (c *chain) settle() {
	for ; c.node >= 0; c.node = c.net.nodes[c.node].parent {
		if nd := &c.net.nodes[c.node]; c.addr.within(c.net.keys[c.node], nd.bits) {
			c.first = int(nd.at) + valueHead + len(c.in.valueAt(int(nd.at)))
			return
		}
	}
	c.first = -1
}

// up goes on to the next wider network, if there is one.
func (c *chain) up() {
	if c.net == nil {
		c.first = -1
		return
	}
	c.node = c.net.nodes[c.node].parent
	c.settle()
}

// buildNets makes a shard of items that renewed has sorted. A shard is of one
// family, so their order is that of the keys.
func buildNets(items []item) *netShard {
	if len(items) == 0 {
		return nil
	}
	n := &netShard{}
	n.slab = pack(items, func(at int, it item) {
		bits := it.prefix.Bits()
		if it.prefix.Addr().Is4() {
			bits += 96
		}
		n.keys = append(n.keys, key(it.prefix.Addr()))
		n.nodes = append(n.nodes, node{parent: -1, at: uint32(at), bits: uint8(bits)})
	})
	n.keys, n.nodes = append([]u128(nil), n.keys...), append([]node(nil), n.nodes...) // no spare room
	for i := 1; i < len(n.nodes); i++ {
		at := int32(i - 1)
		for at >= 0 && !(n.nodes[at].bits < n.nodes[i].bits && n.keys[i].within(n.keys[at], n.nodes[at].bits)) {
			at = n.nodes[at].parent
		}
		n.nodes[i].parent = at
	}
	return n
}

// items is what the shard was made of, with the networks read again.
func (n *netShard) items() []item {
	if n == nil {
		return nil
	}
	out := n.slab.items()
	for i := range out {
		if p, err := netip.ParsePrefix(out[i].value); err == nil { // it was read before it was put in
			out[i].prefix = p
		}
	}
	return out
}
