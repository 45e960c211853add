package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/internal/nearest"
	"github.com/paybuf/paybuf/payment"
)

const (
	fieldErrorsMax = 50
	// nameEchoBytesMax is the longest name of a member that an answer repeats.
	nameEchoBytesMax = 64

	cardDetail = "must not contain a card number"
)

// pointerEscapes are those of RFC 6901, section 3.
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// Form is one JSON object with few members, of which all that is wrong is noted, so
// that one answer can name it. What was refused reads as not given.
type Form struct {
	members map[string]jsontext.Value
	fields  []payment.FieldError
	card    bool
}

// FormShape is what a form may be.
type FormShape struct {
	What       string   // whose members they are, for errors: "an endpoint"
	Members    []string // that it may have
	BytesMax   int64
	Timeout    time.Duration // of the body's arrival
	MayBeEmpty bool          // no body at all is a form without members
}

// ReadForm takes a body in and reads it. Its error is what makes the body unreadable;
// all else that is wrong is in Err.
func ReadForm(w http.ResponseWriter, r *http.Request, shape FormShape) (*Form, error) {
	whole, err := Read(w, r, shape.BytesMax, shape.Timeout)
	if err != nil {
		return nil, err
	}
	defer Done(whole)
	if shape.MayBeEmpty && whole.Len() == 0 {
		return &Form{}, nil
	}
	if _, err := MediaType(r.Header, JSON); err != nil {
		return nil, err
	}
	return parseForm(whole.Bytes(), shape)
}

func parseForm(whole []byte, shape FormShape) (*Form, error) {
	f := &Form{members: map[string]jsontext.Value{}}
	document := jsontext.NewDecoder(bytes.NewReader(whole), jsontext.AllowDuplicateNames(true))
	if kind := document.PeekKind(); kind != '{' {
		if err := document.SkipValue(); err != nil {
			return nil, noJSON(err)
		}
		f.wrongKind("", "must be a JSON object", kind)
		return f, atEnd(document)
	}
	if _, err := document.ReadToken(); err != nil {
		return nil, noJSON(err)
	}
	for document.PeekKind() == '"' {
		name, err := document.ReadToken()
		if err != nil {
			return nil, noJSON(err)
		}
		text := name.String() // it is gone when the next is read
		value, err := document.ReadValue()
		if err != nil {
			return nil, noJSON(err)
		}
		f.member(text, value.Clone(), shape)
	}
	if _, err := document.ReadToken(); err != nil { // the brace, or what cannot be there
		return nil, noJSON(err)
	}
	return f, atEnd(document)
}

// noJSON does not show the decoder's own text, since that quotes the body.
func noJSON(err error) error {
	detail := "the body is not valid JSON"
	if errors.Is(err, io.EOF) {
		detail = "the body is empty; send a JSON object"
	}
	return &payment.Error{Code: payment.CodeMalformed, Detail: detail}
}

func atEnd(document *jsontext.Decoder) error {
	if _, err := document.ReadToken(); !errors.Is(err, io.EOF) {
		return &payment.Error{Code: payment.CodeMalformed, Detail: "the body goes on after its JSON document"}
	}
	return nil
}

func (f *Form) member(name string, value jsontext.Value, shape FormShape) {
	pointer := pointerTo(name)
	_, again := f.members[name]
	switch {
	case payment.ContainsCardNumber(name):
		f.foundCard("")
	case !slices.Contains(shape.Members, name):
		f.unknown(name, shape)
	case again:
		f.Refuse(pointer, "is given more than once")
	default:
		f.members[name] = value
	}
	if holdsCard(value) {
		f.foundCard(pointer)
		delete(f.members, name)
	}
}

func (f *Form) unknown(name string, shape FormShape) {
	detail := "is not a member of " + shape.What
	if meant, near := nearest.Name(name, shape.Members); near && len(name) <= nameEchoBytesMax {
		detail += `; did you mean "` + meant + `"?`
	}
	f.Refuse(pointerTo(name), detail)
}

// pointerTo points to a member, or to the document if its name must not be repeated.
func pointerTo(name string) string {
	if len(name) > nameEchoBytesMax || payment.ContainsCardNumber(name) {
		return ""
	}
	return "/" + pointerEscapes.Replace(name)
}

// holdsCard looks for a card number in all names, texts and numbers of a value.
func holdsCard(value jsontext.Value) bool {
	tokens := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
	for {
		token, err := tokens.ReadToken()
		if err != nil { // the end: it was read before
			return false
		}
		if kind := token.Kind(); (kind == '"' || kind == '0') && payment.ContainsCardNumber(token.String()) {
			return true
		}
	}
}

// Given tells whether a member is there, be it of a wrong kind.
func (f *Form) Given(name string) bool {
	_, given := f.members[name]
	return given
}

// Require refuses a form without a member, if it is an object at all.
func (f *Form) Require(name string) {
	if !f.Given(name) && !f.Refused("") && !f.Refused("/"+name) {
		f.Refuse("/"+name, "is required")
	}
}

// Text gives a string.
func (f *Form) Text(name string) (text string, given bool) {
	value, given := f.members[name]
	if !given || !f.isKind("/"+name, "must be a string", value, '"') {
		return "", false
	}
	return unquoted(value), true
}

// Texts gives an array of strings. An element that is none is refused, and is "" here,
// so that the others can be looked at all the same.
func (f *Form) Texts(name string) (texts []string, given bool) {
	value, given := f.members[name]
	if !given || !f.isKind("/"+name, "must be an array of strings", value, '[') {
		return nil, false
	}
	texts = []string{}
	elements := jsontext.NewDecoder(bytes.NewReader(value))
	_, _ = elements.ReadToken() // the bracket; the value is valid JSON
	for elements.PeekKind() != ']' {
		element, err := elements.ReadValue()
		if err != nil {
			return nil, false
		}
		text := ""
		if f.isKind("/"+name+"/"+strconv.Itoa(len(texts)), "must be a string", element, '"') {
			text = unquoted(element)
		}
		texts = append(texts, text)
	}
	return texts, true
}

// Integer gives a whole number in plain digits.
func (f *Form) Integer(name string) (number int64, given bool) {
	value, given := f.members[name]
	if !given || !f.isKind("/"+name, "must be a JSON integer", value, '0') {
		return 0, false
	}
	number, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		f.Refuse("/"+name, "must be a whole number in plain digits, and not too large")
		return 0, false
	}
	return number, true
}

func (f *Form) isKind(pointer, wanted string, value jsontext.Value, kind jsontext.Kind) bool {
	if value.Kind() == kind {
		return true
	}
	f.wrongKind(pointer, wanted, value.Kind())
	return false
}

func (f *Form) wrongKind(pointer, wanted string, kind jsontext.Kind) {
	if kind == 'n' {
		wanted = "must not be null"
	}
	f.Refuse(pointer, wanted)
}

// Refuse notes what is wrong at a pointer.
func (f *Form) Refuse(pointer, detail string) {
	if len(f.fields) < fieldErrorsMax {
		f.fields = append(f.fields, payment.FieldError{Pointer: pointer, Detail: detail})
	}
}

func (f *Form) foundCard(pointer string) {
	f.card = true
	f.Refuse(pointer, cardDetail)
}

// Refused tells whether anything is noted at a pointer.
func (f *Form) Refused(pointer string) bool {
	return slices.ContainsFunc(f.fields, func(field payment.FieldError) bool { return field.Pointer == pointer })
}

// Err gives all that was noted, nil if nothing was: an *payment.Error with
// CodeInvalid or CodeCardNumber.
func (f *Form) Err() error {
	if len(f.fields) == 0 {
		return nil
	}
	refusal := &payment.Error{
		Code: payment.CodeInvalid, Detail: "the request has fields that must change", Fields: f.fields,
	}
	if f.card {
		refusal.Code, refusal.Detail = payment.CodeCardNumber, "send the payer's token, never a card number"
	}
	return refusal
}

// unquoted reads a JSON string that was found valid.
func unquoted(value jsontext.Value) string {
	text, _ := jsontext.AppendUnquote(nil, value)
	return string(text)
}
