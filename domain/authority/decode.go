package authority

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"surety/kernel/ident"
)

// readAll reads at most max bytes and says so if there are more.
func readAll(r io.Reader, max int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, max+1))
	if err != nil {
		return nil, ident.E(ident.KindInvalid, "file_unreadable",
			"the file could not be read to its end; send it again").Because(err)
	}
	if int64(len(b)) > max {
		return nil, ident.E(ident.KindTooLarge, "file_too_large", "the file is larger than %d bytes; split it", max)
	}
	if len(b) == 0 {
		return nil, fileError("file_empty", 1, "the file is empty")
	}
	return b, nil
}

func fileError(code string, row int, message string) *ident.Error {
	return &ident.Error{Kind: ident.KindInvalid, Code: code, Row: row, Message: message}
}

// decode finds the encoding and returns the text without a byte order mark.
// A text that fits no encoding is an error that names the row where it stops
// fitting: a guess would turn a name into another person's.
func decode(b []byte) (text, encodingName string, err error) {
	switch {
	case bytes.HasPrefix(b, []byte("PK\x03\x04")) || bytes.HasPrefix(b, []byte("\xd0\xcf\x11\xe0")):
		return "", "", fileError("file_is_workbook", 1, "this is a spreadsheet workbook, not CSV; save it as CSV and send that")
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return decodeUTF8(b[3:], "UTF-8 BOM")
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM), b, "UTF-16LE")
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return decodeWith(unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM), b, "UTF-16BE")
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return "", "", nulError(bytes.Count(b[:i], []byte("\n")) + 1)
	}
	good, bad := utf8Score(b)
	if bad == 0 || good > 10*bad {
		return decodeUTF8(b, "UTF-8")
	}
	return decodeWith(simplifiedchinese.GB18030, b, "GB18030")
}

func nulError(row int) error {
	return fileError("nul_byte", row, "there is a NUL byte in the file: it is not text, or UTF-16 without its mark; "+
		"save it as CSV in UTF-8 or GB18030")
}

// utf8Score counts multi-byte characters that are UTF-8 and bytes that are not.
// A GB18030 text is nearly all bytes that are not; a damaged UTF-8 file has few.
func utf8Score(b []byte) (good, bad int) {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			good++
		}
		i += n
	}
	return good, bad
}

func decodeUTF8(b []byte, name string) (string, string, error) {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return "", "", encodingError(name, bytes.Count(b[:i], []byte("\n"))+1)
		}
		i += n
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return "", "", nulError(bytes.Count(b[:i], []byte("\n")) + 1)
	}
	return string(b), name, nil
}

func decodeWith(e encoding.Encoding, b []byte, name string) (string, string, error) {
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return "", "", encodingError(name, 1)
	}
	text := string(out)
	if i := strings.IndexRune(text, utf8.RuneError); i >= 0 {
		return "", "", encodingError(name, strings.Count(text[:i], "\n")+1)
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return "", "", nulError(strings.Count(text[:i], "\n") + 1)
	}
	return text, name, nil
}

func encodingError(name string, row int) error {
	return fileError("encoding", row, "this row holds bytes that are not "+name+
		" (UTF-8, GB18030 and UTF-16 are read); save the file again as UTF-8 or GB18030")
}
