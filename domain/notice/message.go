package notice

import (
	"context"
	"time"

	"surety/kernel/ident"
)

// ChannelName is a way by which a message reaches a person.
type ChannelName string

// The ways. App is the inbox in the portal and is always there; the others need
// a Channel in the Config.
const (
	App     ChannelName = "app"
	SMS     ChannelName = "sms"
	Letter  ChannelName = "letter"
	Webhook ChannelName = "webhook"
)

// State is where a message stands.
type State string

// The states of a message.
const (
	Queued State = "queued" // written, not yet handed over
	Sent   State = "sent"   // in the inbox, or handed to the channel
	Failed State = "failed" // the channel refused it for good; Reason says why
	Read   State = "read"   // the person opened it in the inbox
)

// Event moves a message.
type Event string

// The events of a message.
const (
	Delivered Event = "delivered"
	Refused   Event = "refused"
	Opened    Event = "opened"
)

// moves is the one table of a message's states.
var moves = map[State]map[Event]State{
	Queued: {Delivered: Sent, Refused: Failed},
	Sent:   {Opened: Read},
}

// Next is where an event takes a message; ok is false if it may not happen.
func Next(s State, e Event) (next State, ok bool) {
	next, ok = moves[s][e]
	return next, ok
}

// Message is what is said to one person once. Key, To, Template and Data are the
// sender's to fill; ID, State, At, Subject and Body are filled by Send.
type Message struct {
	ID       ident.ID
	Key      string      // the sender's reason, "clm_…:paid:1": the same key is kept once
	To       ident.ID    // party id
	Channel  ChannelName // App if ""
	Template string      // "claim.paid"
	Lang     Lang        // the Config's language if ""
	Data     Data        // not kept: the text made of it is

	State   State
	Reason  string // why it failed
	At      time.Time
	Changed time.Time
	Subject string
	Body    string
}

// Delivery is a message on its way out.
type Delivery struct {
	ID      ident.ID
	Channel ChannelName
	Name    string // of the person
	Phone   string // digits, "" if not known
	Lang    Lang
	Subject string
	Body    string
	At      time.Time
}

// Channel carries messages out of the house.
//
// Contract: Deliver returns nil only when the message is durably handed over. It
// is called at least once for each message, maybe again after an answer was lost,
// maybe from several processes, so the same ID must reach the person once: use it
// as the idempotency key. An error of ident.KindInvalid means that it can never
// be delivered (no such number) and makes the message failed; any other error
// means that the same may be tried later. It must return soon after ctx ends.
type Channel interface {
	Deliver(ctx context.Context, d Delivery) error
}
