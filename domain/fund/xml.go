package fund

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"surety/kernel/ident"
)

// Bounds of a message from outside.
const (
	maxMessage  = 16 << 20
	maxElements = 1_000_000
	maxDepth    = 32
)

// readXML reads one message strictly: one root of the right name space, no
// document type (so no entities to expand), no processing instructions, UTF-8
// only, bounded in size, depth and number of elements.
func readXML(data []byte, into any, space string) error {
	bad := func(format string, args ...any) *ident.Error {
		return ident.Invalid("file", "xml_invalid", format, args...)
	}
	if len(data) > maxMessage {
		return ident.E(ident.KindTooLarge, "file_too_large", "the file has more than %d MiB", maxMessage>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	dec := xml.NewDecoder(bytes.NewReader(data))
	depth, elements, roots := 0, 0, 0
	for {
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bad("the file is not XML that can be read").Because(err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			elements++
			if depth > maxDepth || elements > maxElements {
				return bad("the file is nested too deeply or has too many elements")
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return bad("the file has a document type; messages of ISO 20022 have none")
		case xml.ProcInst:
			if t.Target != "xml" {
				return bad("the file has a processing instruction")
			}
		}
	}
	if roots != 1 || depth != 0 {
		return bad("the file holds %d messages, it must hold one", roots)
	}
	var root struct{ XMLName xml.Name }
	if err := xml.Unmarshal(data, &root); err != nil {
		return bad("the file is not XML that can be read").Because(err)
	}
	if root.XMLName.Space != space || root.XMLName.Local != "Document" {
		return bad("the file is %q in %q, it must be Document in %q", root.XMLName.Local, root.XMLName.Space, space)
	}
	if err := xml.Unmarshal(data, into); err != nil {
		return bad("the file is not the message that was expected").Because(err)
	}
	return nil
}
