package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/payment"
)

const (
	batchBytesMax = 8 << 20
	ndjsonType    = "application/x-ndjson"
	blanks        = " \t\r\n" // white space of JSON (RFC 8259, section 2)
)

// split parts the body of a batch into its items, which share its bytes. Its
// error is about the batch as a whole; what an item holds is not looked at yet.
func split(whole []byte, mediaType string) (items [][]byte, err error) {
	if mediaType == body.JSON && len(bytes.Trim(whole, blanks)) > 0 {
		items, err = splitArray(whole)
	} else {
		items, err = splitLines(whole)
	}
	if err == nil && len(items) == 0 {
		err = &payment.Error{
			Code:   payment.CodeInvalid,
			Detail: fmt.Sprintf("send 1 to %d payment requests", payment.BatchItemsMax),
			Fields: []payment.FieldError{{Detail: "must not be empty"}},
		}
	}
	return items, err
}

// splitLines gives the lines of NDJSON that are not blank. A line ends with LF or
// CR LF.
func splitLines(body []byte) ([][]byte, error) {
	var items [][]byte
	for line := range bytes.Lines(body) {
		item := bytes.Trim(line, blanks)
		if len(item) == 0 {
			continue
		}
		if len(items) == payment.BatchItemsMax {
			return items, tooMany()
		}
		items = append(items, item)
	}
	return items, nil
}

// splitArray gives the elements of a JSON array, once all of it is known to be
// JSON.
func splitArray(body []byte) ([][]byte, error) {
	json := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	switch kind := json.PeekKind(); kind {
	case '{', '"', '0', 't', 'f', 'n':
		return nil, noArray(body, kind)
	default: // an array, or what is no JSON
	}
	items, err := elements(json, body)
	if err == nil {
		if _, err = json.ReadToken(); errors.Is(err, io.EOF) {
			return items, nil
		}
		err = errTrailing
	}
	if _, coded := errors.AsType[*payment.Error](err); coded {
		return nil, err
	}
	return nil, unreadable(err, body)
}

func elements(json *jsontext.Decoder, body []byte) ([][]byte, error) {
	if _, err := json.ReadToken(); err != nil { // the bracket
		return nil, err
	}
	var items [][]byte
	for json.PeekKind() != ']' {
		value, err := json.ReadValue() // also fails where no value can be
		if err != nil {
			return nil, err
		}
		if len(items) == payment.BatchItemsMax {
			return nil, tooMany()
		}
		end := json.InputOffset()
		items = append(items, body[end-int64(len(value)):end])
	}
	_, err := json.ReadToken()
	return items, err
}

// noArray refuses JSON that is something else than an array.
func noArray(body []byte, kind jsontext.Kind) error {
	wrong := "must be a JSON array, not " + kindName(kind)
	if kind == 'n' {
		wrong = "must not be null"
	}
	refusal := &payment.Error{
		Code:   payment.CodeInvalid,
		Detail: "send an array of payment requests, or one per line as " + ndjsonType,
		Fields: []payment.FieldError{{Detail: wrong}},
	}
	if holdsCard(body) {
		refusal.Code, refusal.Detail = payment.CodeCardNumber, cardRefusal
		refusal.Fields[0].Detail = cardDetail + "; also, " + wrong
	}
	return refusal
}

func tooMany() error {
	return &payment.Error{
		Code:   payment.CodeTooLarge,
		Detail: fmt.Sprintf("the batch has more than %d items", payment.BatchItemsMax),
	}
}
