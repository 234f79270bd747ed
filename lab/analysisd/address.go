package analysisd

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// network is an address with a mask, as <srcip> and <dstip> name them. The mask of an IPv4 network
// need not be a prefix.
type network struct {
	ip, mask []byte // of 4 or 16 bytes
}

// parseNetwork reads an address, with a prefix length or a netmask (OS_IsValidIP). A leading ! is
// passed over without effect, a habit of 4.14.
func parseNetwork(text string) (network, bool) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "!"), "\n")
	if text == "any" {
		return network{make([]byte, 16), make([]byte, 16)}, true
	}
	host, length, masked := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return network{}, false
	}
	if addr = addr.Unmap(); addr.Is6() && strings.Contains(host, ".") {
		return network{}, false
	}
	ip := addr.AsSlice()
	mask := prefixMask(len(ip), addr.BitLen())
	if masked {
		var ok bool
		if mask, ok = parseMask(length, len(ip)); !ok || host == "::" {
			return network{}, false
		}
	}
	for i := range ip {
		ip[i] &= mask[i]
	}
	return network{ip, mask}, true
}

func parseMask(text string, size int) ([]byte, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		plain := text == strconv.Itoa(n) || size == 16 && len(text) == 2
		return prefixMask(size, n), plain && n >= 0 && n <= 8*size
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || size != 4 || !addr.Is4() {
		return nil, false
	}
	return addr.AsSlice(), true
}

// prefixMask makes a mask of size bytes that begins with bits ones.
func prefixMask(size, bits int) []byte {
	mask := make([]byte, size)
	for i := range min(max(bits, 0), 8*size) {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return mask
}

// has reports whether an address lies in a network. The C code keeps both kinds in one place: an
// IPv4 address is compared with the first eight bytes of an IPv6 network as if they were address and
// mask, which those that begin with as many zeros pass (OS_IPFoundList).
func (n network) has(addr netip.Addr) bool {
	if addr.Is4() {
		ip, mask := n.ip, n.mask
		if len(ip) == 16 {
			ip, mask = n.ip[:4], n.ip[4:8]
		}
		bytes := addr.As4()
		return binary.BigEndian.Uint32(bytes[:])&binary.BigEndian.Uint32(mask) == binary.BigEndian.Uint32(ip)
	}
	if len(n.ip) != 16 {
		return false
	}
	for i, b := range addr.As16() {
		if b&n.mask[i] != n.ip[i] {
			return false
		}
	}
	return true
}
