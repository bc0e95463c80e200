package notice

import (
	"bytes"
	"compress/zlib"
	"crypto/ed25519"
	"encoding/json"
	"io"

	"surety/kernel/ident"
)

// maxPDF bounds a file that a stranger hands in, maxEnvelope what it may unpack to.
const (
	maxPDF      = 8 << 20
	maxEnvelope = 64 << 10
)

// VerifyCertificate checks a PDF off line: that the data inside was signed with
// the key, and that the pages are exactly the print of that data. Errors:
//
//	certificate_missing    it is not a certificate of Surety
//	certificate_envelope   the data is damaged, or from another signer
//	certificate_signature  a fact was changed
//	certificate_pages      the data is genuine and is returned, but the file is not the
//	                       print of it: a page was changed, or a program saved it anew
func VerifyCertificate(pdf []byte, pub ed25519.PublicKey) (Certificate, error) {
	if len(pdf) > maxPDF {
		return Certificate{}, ident.E(ident.KindTooLarge, "file_too_large", "a certificate is smaller than %d bytes", maxPDF)
	}
	envelope := findEnvelope(pdf)
	if envelope == nil {
		return Certificate{}, ident.Invalid("file", "certificate_missing", "there is no certificate of Surety in this file")
	}
	signed, err := parseEnvelope(envelope, pub)
	if err != nil {
		return Certificate{}, err
	}
	c, err := signed.Open()
	if err != nil {
		return Certificate{}, err
	}
	again, err := RenderPDF(signed)
	if err != nil {
		return Certificate{}, err
	}
	if !bytes.Equal(again, pdf) {
		return c, ident.Invalid("file", "certificate_pages",
			"the signed data is genuine, but the file was changed around it: believe the data shown here, not the page")
	}
	return c, nil
}

// findEnvelope looks through the streams of a PDF for the envelope. It does not
// follow the file's own tables: they may have been changed. nil if there is none.
func findEnvelope(pdf []byte) []byte {
	mark := []byte(`{"payloadType":"` + payloadType)
	for rest := pdf; ; {
		i := bytes.Index(rest, []byte("stream"))
		if i < 0 {
			return nil
		}
		rest = rest[i+len("stream"):]
		body := bytes.TrimPrefix(bytes.TrimPrefix(rest, []byte("\r")), []byte("\n"))
		if bytes.HasPrefix(body, mark) {
			var raw json.RawMessage
			if json.NewDecoder(bytes.NewReader(body[:min(len(body), maxEnvelope)])).Decode(&raw) != nil {
				return []byte("damaged")
			}
			return raw
		}
		z, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			continue
		}
		head := make([]byte, len(mark))
		if _, err := io.ReadFull(z, head); err != nil || !bytes.Equal(head, mark) {
			continue
		}
		tail, err := io.ReadAll(io.LimitReader(z, maxEnvelope))
		if err != nil || len(tail) == maxEnvelope {
			return []byte("damaged")
		}
		return append(head, tail...)
	}
}
