package notice

import (
	"bytes"
	"context"
	"encoding/json"

	"surety/kernel/ident"
	"surety/platform/disk"
)

// Folder is a channel that writes each message as a JSON file into a folder, from
// where an operator's own gateway takes it: many send SMS by file.
type Folder struct {
	Dir string
}

// folderFile is the file's content; its name is the message's id, so that a
// message written twice is one file.
type folderFile struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Name    string `json:"name"`
	Phone   string `json:"phone"`
	Lang    string `json:"lang"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
	At      string `json:"at"`
}

// Deliver implements Channel. The file appears whole or not at all and is on the
// disk before Deliver returns.
func (f Folder) Deliver(ctx context.Context, d Delivery) error {
	if err := ctx.Err(); err != nil {
		return ident.E(ident.KindUnavailable, "stopped", "the message was not written: the work was stopped").Because(err)
	}
	if err := ident.CheckID("id", d.ID); err != nil {
		return err
	}
	if d.Channel == SMS && d.Phone == "" {
		return ident.Invalid("phone", "phone_missing", "there is no phone number to send the message to; call or write instead")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(folderFile{
		ID: d.ID, Channel: string(d.Channel), Name: d.Name, Phone: d.Phone, Lang: string(d.Lang),
		Subject: d.Subject, Body: d.Body, At: d.At.UTC().Format("2006-01-02T15:04:05Z"),
	})
	if err != nil {
		return ident.E(ident.KindInternal, "encode", "the message could not be written as JSON").Because(err)
	}
	if err := disk.Write(f.Dir, d.ID+".json", b.Bytes(), 0o600); err != nil {
		return ident.E(ident.KindUnavailable, "folder", "the outgoing folder cannot be written to; check the disk").Because(err)
	}
	return nil
}
