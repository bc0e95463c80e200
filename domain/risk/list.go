package risk

import "time"

// ListKind is what a list is for: ListAllow, ListDeny or ListWatch. It is plain
// text, so that whoever keeps lists need not know this package.
type ListKind = string

// The kinds of lists.
const (
	ListAllow ListKind = "allow" // checked by a person: doubts of lower rank are put aside
	ListDeny  ListKind = "deny"  // not to be dealt with
	ListWatch ListKind = "watch" // to be looked at more closely
)

// Subject is what an entry of a list names; plain text, as ListKind is.
type Subject = string

// The subjects of lists.
const (
	SubjectAccount Subject = "account"
	SubjectDevice  Subject = "device"
	SubjectPhone   Subject = "phone"   // by keyed blind index, hex
	SubjectName    Subject = "name"    // by keyed blind index, hex
	SubjectAddress Subject = "address" // an IP; entries are networks (CIDR)
)

// Lists is asked while a payment is judged. An implementation answers from
// memory: no I/O, no allocation, safe for many goroutines. entry names the entry
// that matches, for the record. It is not asked about an empty value.
type Lists interface {
	Listed(kind ListKind, subject Subject, value string, at time.Time) (entry string, ok bool)
}

// listOf is what a feature of kind "listed" may ask about.
type listOf uint8

const (
	listPayer listOf = iota
	listPayee
	listDevice
	listAddress
	listPhone
	listPayerPhone
	listPayeePhone
	listPayerName
	listPayeeName
)

// listOfs are their words in a pack, and the subject that each is.
var listOfs = [...]struct {
	word    string
	subject Subject
}{
	listPayer: {"payer", SubjectAccount}, listPayee: {"payee", SubjectAccount}, listDevice: {"device", SubjectDevice},
	listAddress: {"address", SubjectAddress}, listPhone: {"phone", SubjectPhone},
	listPayerPhone: {"payer.phone", SubjectPhone}, listPayeePhone: {"payee.phone", SubjectPhone},
	listPayerName: {"payer.name", SubjectName}, listPayeeName: {"payee.name", SubjectName},
}

func (o listOf) value(e *Event, f *Facts) string {
	switch o {
	case listPayer:
		return e.Payer
	case listPayee:
		return e.Payee
	case listDevice:
		return e.Device
	case listAddress:
		return e.IP
	case listPhone:
		return e.Phone
	case listPayerPhone:
		return f.Payer.PhoneIndex
	case listPayeePhone:
		return f.Payee.PhoneIndex
	case listPayerName:
		return f.Payer.NameIndex
	}
	return f.Payee.NameIndex
}

// readLists asks the lists for each feature that wants them. It needs no lock:
// an entry is as of the payment's own time.
func (p *Pack) readLists(lists Lists, s *scratch, e *Event, f *Facts) {
	for _, x := range p.listed {
		on := int64(0)
		if value := x.listOf.value(e, f); value != "" && lists != nil {
			if entry, ok := lists.Listed(x.list, listOfs[x.listOf].subject, value, e.At); ok {
				on = 1
				s.listed = append(s.listed, x.list+":"+entry)
			}
		}
		s.row.N[x.slot] = on
	}
}
