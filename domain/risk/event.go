package risk

import (
	"math"
	"time"

	"surety/kernel/ident"
	"surety/kernel/money"
	"surety/platform/tally"
)

// Type is what kind of payment it is.
type Type string

// The types of payments.
const (
	Transfer   Type = "transfer"   // to another account of the wallet
	Purchase   Type = "purchase"   // to a merchant
	Deposit    Type = "deposit"    // from a bank into the wallet
	Withdrawal Type = "withdrawal" // to a bank
)

// bit is the type's place in a set of types, 0 if it is unknown.
func (t Type) bit() uint8 {
	switch t {
	case Transfer:
		return 1
	case Purchase:
		return 2
	case Deposit:
		return 4
	case Withdrawal:
		return 8
	}
	return 0
}

func knownType(t Type) bool { return t.bit() != 0 }

// Event is a payment as it is about to happen. Accounts, devices and addresses
// are the host's own names for them.
type Event struct {
	ID      ident.ID
	At      time.Time
	Payer   string
	Payee   string
	Amount  money.Amount
	Type    Type
	Channel string // "app", "qr", "face" …
	Device  string // "" if the host does not know it
	IP      string // "" if the host does not know it
	City    string // where it is made, "" if unknown

	Terminal string // the till or the reader, "" if there is none
	Merchant string // the shop, where it is not the payee itself
	Card     string // the card or the bank account that pays, as the host names it
	Phone    string // keyed blind index of the number that is used, hex
	Region   string // as fine as watches need it; City if empty
	Place    Place  // where it is made, if the host knows it
}

// Place is a point on the earth.
type Place struct {
	Lat, Lon int32 // microdegrees, north and east positive
	Given    bool  // false: unknown, and Lat and Lon are 0
}

// maxText bounds the names of an event, in bytes: they are hashed for each payment.
const maxText = 256

// Check refuses an event that could not be judged and names the field.
func (e *Event) Check() error {
	for i := range required {
		if e.field(required[i]) == "" {
			name := fieldNames[required[i]]
			return ident.Invalid(name, "required", "%s is missing", name)
		}
	}
	if e.ID == "" {
		return ident.Invalid("id", "required", "id is missing")
	}
	if !knownType(e.Type) {
		return ident.Invalid("type", "type_unknown", "type must be transfer, purchase, deposit or withdrawal, it is %q", e.Type)
	}
	if len(e.Channel) > 64 {
		return ident.Invalid("channel", "too_long", "channel has %d bytes, at most 64 are allowed", len(e.Channel))
	}
	for f := range nFields {
		if n := len(e.field(f)); n > maxText {
			return ident.Invalid(fieldNames[f], "too_long", "%s has %d bytes, at most %d are allowed", fieldNames[f], n, maxText)
		}
	}
	if err := e.Amount.Check("amount"); err != nil { // zero is a card's authorisation of nothing; below zero is refused last
		return err
	}
	if err := e.Place.check(); err != nil {
		return err
	}
	ev := tally.Event{At: ident.Micros(e.At), Amount: e.Amount.Minor}
	return ev.Check()
}

// required are the fields that every event has.
var required = [...]field{fieldPayer, fieldPayee}

// PlaceOf makes a place of degrees, north and east positive. Errors are of kind
// invalid and name "lat" or "lon": a number that is none, or is not on the earth.
func PlaceOf(lat, lon float64) (Place, error) {
	for _, d := range []struct {
		name       string
		value, max float64
	}{{"lat", lat, 90}, {"lon", lon, 180}} {
		if !(math.Abs(d.value) <= d.max) { // a NaN is not
			return Place{}, ident.Invalid(d.name, "place_out_of_range", "%s must lie between -%g and %g degrees, it is %g",
				d.name, d.max, d.max, d.value)
		}
	}
	return Place{Lat: int32(math.Round(lat * 1e6)), Lon: int32(math.Round(lon * 1e6)), Given: true}, nil
}

func (p Place) check() error {
	if p.Lat < -maxLat || p.Lat > maxLat {
		return ident.Invalid("lat", "place_out_of_range", "lat must lie between -90 and 90 degrees, it is %d microdegrees", p.Lat)
	}
	if p.Lon < -maxLon || p.Lon > maxLon {
		return ident.Invalid("lon", "place_out_of_range", "lon must lie between -180 and 180 degrees, it is %d microdegrees", p.Lon)
	}
	return nil
}

const (
	maxLat = 90_000_000
	maxLon = 180_000_000
)

// field is a text of an event that can name an entity or be counted.
type field uint8

const (
	fieldPayer field = iota
	fieldPayee
	fieldDevice
	fieldAddress
	fieldTerminal
	fieldMerchant
	fieldCard
	fieldPhone
	fieldRegion
	keyFields // those before it may be keys of entities
)

const (
	fieldCity field = keyFields + iota
	fieldChannel
	fieldType
	nFields
	fieldPlace = nFields // no text: what a column of places holds
)

// fieldNames are the words of a pack.
var fieldNames = [...]string{"payer", "payee", "device", "address", "terminal", "merchant", "card", "phone", "region",
	"city", "channel", "type", "place"}

func (e *Event) field(f field) string {
	switch f {
	case fieldPayer:
		return e.Payer
	case fieldPayee:
		return e.Payee
	case fieldDevice:
		return e.Device
	case fieldAddress:
		return e.IP
	case fieldTerminal:
		return e.Terminal
	case fieldMerchant:
		return e.Merchant
	case fieldCard:
		return e.Card
	case fieldPhone:
		return e.Phone
	case fieldRegion:
		if e.Region != "" {
			return e.Region
		}
		return e.City
	case fieldCity:
		return e.City
	case fieldChannel:
		return e.Channel
	case fieldType:
		return string(e.Type)
	}
	return ""
}

// Account is what the house knows of one side of a payment. The zero Account is
// a stranger: a bank account, or an account that was never imported.
type Account struct {
	Opened       time.Time // zero if unknown
	Device       string    // the device it is enrolled with, "" if none is known
	City         string    // home, "" if unknown
	Verification string    // "full", "basic", "" if unknown
	Kind         string    // "person", "merchant", "" if unknown
	NameIndex    string    // keyed blind index of the holder's name, hex; "" if unknown
	PhoneIndex   string    // keyed blind index of the holder's number, hex; "" if unknown
}

// Facts are the two sides of a payment.
type Facts struct {
	Payer Account
	Payee Account
}
