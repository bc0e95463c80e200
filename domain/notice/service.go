package notice

import (
	"context"
	"crypto/ed25519"
	"embed"
	"io/fs"

	"surety/domain/party"
	"surety/kernel/ident"
	"surety/platform/access"
	"surety/platform/db"
	"surety/platform/queue"
	"surety/platform/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of this package.
var Migrations fs.FS = db.Folder(migrations)

// deliverJob is the kind of the queue's jobs that hand messages to channels.
const deliverJob = "notice.deliver"

// Config is what the package needs. All but Channels and Lang is required.
type Config struct {
	DB     *db.DB
	Access *access.Access
	Queue  *queue.Queue
	Vault  *vault.Vault
	Party  *party.Service
	Clock  ident.Clock
	IDs    *ident.Maker
	// Signer signs certificates; see LoadOrCreateKey.
	Signer ed25519.PrivateKey
	// Operator is the company's name as it stands on certificates.
	Operator string
	// VerifyURL is the page where a certificate is checked, "https://…/verify";
	// a code is put behind it. It is printed, so it should stay for years.
	VerifyURL string
	// Channels carry messages out; the inbox needs none.
	Channels map[ChannelName]Channel
	// Lang is the language of people whose own is not known; ZH if "".
	Lang Lang
}

// Service writes messages and certificates.
type Service struct {
	cfg       Config
	catalogue *Catalogue
}

// New refuses a missing part and registers the job that delivers messages.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Access == nil || cfg.Queue == nil || cfg.Vault == nil || cfg.Party == nil ||
		cfg.Clock == nil || cfg.IDs == nil {
		return nil, ident.E(ident.KindInternal, "config", "notice needs DB, Access, Queue, Vault, Party, Clock and IDs")
	}
	if len(cfg.Signer) != ed25519.PrivateKeySize || cfg.Operator == "" || cfg.VerifyURL == "" {
		return nil, ident.E(ident.KindInternal, "config", "notice needs Signer, Operator and VerifyURL")
	}
	if cfg.Lang == "" {
		cfg.Lang = ZH
	}
	c, err := loadCatalogue()
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, catalogue: c}
	cfg.Queue.HandleOutside(deliverJob, s.deliver)
	return s, nil
}

// job is the actor under which messages and certificates are written: the act
// that they tell of was checked by its own noun, and its actor is in the detail.
var job = ident.Job("notice")

// Send writes a message in the caller's transaction. The same key again returns
// the message that was kept, whatever its text. An App message is in the inbox
// with the commit; others are handed to their channel by the queue afterwards.
// It does not ask whether the actor may: the act that it tells of was checked.
// It is logged, with the actor.
func (s *Service) Send(tx *db.Tx, actor ident.Actor, m Message) (Message, error) {
	if m.Key == "" || m.To == "" {
		return Message{}, ident.Invalid("key", "required", "a message needs a key and a receiver")
	}
	if m.Channel == "" {
		m.Channel = App
	}
	if m.Lang == "" {
		m.Lang = s.cfg.Lang
	}
	if m.Channel != App && s.cfg.Channels[m.Channel] == nil {
		return Message{}, ident.Invalid("channel", "channel_missing", "there is no channel %q; set one up", m.Channel)
	}
	var err error
	if m.Subject, m.Body, err = s.catalogue.Render(m.Template, m.Lang, m.Data); err != nil {
		return Message{}, err
	}
	m.ID, m.At, m.State, m.Reason = s.cfg.IDs.New("msg"), s.cfg.Clock.Now(), Queued, ""
	if m.Channel == App {
		m.State, _ = Next(Queued, Delivered)
	}
	m.Changed = m.At
	added, err := s.insertMessage(tx, m)
	if err != nil {
		return Message{}, err
	}
	if !added {
		kept, found, err := s.message(tx, `uniq = $1`, m.Key)
		if err == nil && !found {
			err = ident.E(ident.KindUnavailable, "busy", "the message is being written elsewhere; try again")
		}
		return kept, err
	}
	detail := map[string]string{"template": m.Template, "channel": string(m.Channel), "by": actor.ID}
	if err := s.cfg.Access.Check(tx, job, access.ActNoticeSend, access.Object{ID: m.ID, Owner: m.To}, detail); err != nil {
		return Message{}, err
	}
	if m.Channel != App {
		return m, s.cfg.Queue.Put(tx, deliverJob, m.ID, map[string]string{"message": m.ID}, m.At)
	}
	return m, nil
}

// deliver hands one message to its channel. It may run again for a message that
// went out already: the channel's contract keeps it to one.
func (s *Service) deliver(ctx context.Context, j queue.Job) error {
	var body struct {
		Message ident.ID `json:"message"`
	}
	if err := j.Decode(&body); err != nil {
		return err
	}
	var m Message
	var to party.Party
	err := s.cfg.DB.View(ctx, func(tx *db.Tx) (err error) {
		var found bool
		if m, found, err = s.message(tx, `id = $1`, body.Message); err != nil {
			return err
		}
		if !found {
			return ident.NotFound("message", body.Message)
		}
		to, _, err = s.cfg.Party.Get(tx, m.To)
		return err
	})
	if err != nil || m.State != Queued {
		return err
	}
	ch := s.cfg.Channels[m.Channel]
	if ch == nil {
		return ident.E(ident.KindUnavailable, "channel_missing", "there is no channel %q; set one up", m.Channel)
	}
	err = ch.Deliver(ctx, Delivery{
		ID: m.ID, Channel: m.Channel, Name: to.Name, Phone: to.Phone, Lang: m.Lang, Subject: m.Subject, Body: m.Body, At: m.At,
	})
	event, reason := Delivered, ""
	if ident.Is(err, ident.KindInvalid) {
		event, reason = Refused, ident.CodeOf(err)
	} else if err != nil {
		return err
	}
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := s.move(tx, m.ID, m.State, event, reason)
		return err
	})
}

// Inbox lists a person's messages in the portal, newest first; before is the id
// of the last one seen, "" for the first page. The look is recorded.
func (s *Service) Inbox(ctx context.Context, actor ident.Actor, to, before ident.ID, limit int) (out []Message, err error) {
	obj := access.Object{ID: to, Owner: to}
	err = s.cfg.Access.View(ctx, actor, access.ActNoticeRead, obj, func(tx *db.Tx) error {
		out, err = s.InboxOf(tx, to, before, limit)
		return err
	})
	return out, err
}

// InboxOf is Inbox inside a caller's transaction, whose own check covers it.
func (s *Service) InboxOf(tx *db.Tx, to, before ident.ID, limit int) ([]Message, error) {
	if limit <= 0 || limit > 500 {
		limit = 50
	}
	return s.messages(tx, `party = $1 and channel = 'app' and ($2 = '' or id < $2) order by id desc limit $3`, to, before, limit)
}

// SentTo lists all that was said to a person by any channel, oldest first, inside
// a caller's transaction, whose own check covers it.
func (s *Service) SentTo(tx *db.Tx, to ident.ID) ([]Message, error) {
	return s.messages(tx, `party = $1 order by id`, to)
}

// Unread counts a person's messages that were not opened, inside a caller's
// transaction.
func (s *Service) Unread(tx *db.Tx, to ident.ID) (n int, err error) {
	_, err = tx.Row([]any{&n}, `select count(*) from notice_message where party = $1 and channel = 'app' and state = 'sent'`, to)
	return n, err
}

// MarkRead notes that the person opened a message, and returns it. Again changes
// nothing; staff who look leave it unread.
func (s *Service) MarkRead(ctx context.Context, actor ident.Actor, id ident.ID) (m Message, err error) {
	err = s.cfg.Access.Run(ctx, func(tx *db.Tx) error {
		var found bool
		if m, found, err = s.message(tx, `id = $1`, id); err != nil {
			return err
		}
		obj := access.Object{ID: id, Owner: m.To}
		if !found {
			obj.Owner = ""
		}
		if err := s.cfg.Access.Check(tx, actor, access.ActNoticeRead, obj, nil); err != nil {
			return err
		}
		if !found || m.Channel != App {
			return access.Absent(access.ActNoticeRead, id)
		}
		if actor.Kind != ident.Customer || m.State != Sent {
			return nil
		}
		m, err = s.move(tx, id, m.State, Opened, "")
		return err
	})
	return m, err
}

// move is a guarded step of the table; if another process was first, its result
// stands.
func (s *Service) move(tx *db.Tx, id ident.ID, from State, e Event, reason string) (Message, error) {
	to, ok := Next(from, e)
	if !ok {
		return Message{}, ident.E(ident.KindState, "message_state", "a message that is %s cannot be %s", from, e)
	}
	_, err := tx.Exec(`update notice_message set state = $3, reason = $4, changed = $5 where id = $1 and state = $2`,
		id, string(from), string(to), reason, ident.Micros(s.cfg.Clock.Now()))
	if err != nil {
		return Message{}, err
	}
	m, _, err := s.message(tx, `id = $1`, id)
	return m, err
}
