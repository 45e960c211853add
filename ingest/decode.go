package ingest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

const (
	// nestingMax is how deep a body may be nested; a valid one has two levels.
	nestingMax = 16
	// echoBytesMax is the longest number that an answer repeats: one digit less
	// than the shortest card number.
	echoBytesMax = 12
)

// decoder reads one body in one pass. A wrong member does not stop it, so that
// one answer can name them all; only what is no JSON does.
type decoder struct {
	json *jsontext.Decoder
	document
}

// ownDuplicates: names that repeat are our own business, as json/v2 would stop at
// the first.
var ownDuplicates = jsontext.AllowDuplicateNames(true)

var readers = sync.Pool{New: func() any { return jsontext.NewDecoder(new(bytes.Buffer), ownDuplicates) }}

// decode reads a body. The error is what makes it unreadable; what is wrong with
// single members is kept in the document.
func decode(body *bytes.Buffer, form *shape) (document, error) {
	whole := body.Bytes()
	d := decoder{json: readers.Get().(*jsontext.Decoder)} //nolint:forcetypeassert // the pool holds nothing else
	d.form = form
	defer readers.Put(d.json)
	d.json.Reset(body, ownDuplicates)
	if err := d.body(); err != nil {
		return document{}, unreadable(err, whole)
	}
	return d.document, nil
}

func (d *decoder) body() error {
	if err := d.topLevel(); err != nil {
		return err
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}

func (d *decoder) topLevel() error {
	if kind := d.json.PeekKind(); kind != '{' {
		d.noObject = true
		return d.wrongKind("", "must be a JSON object", kind)
	}
	return d.object(d.member)
}

// object reads the members of an object.
func (d *decoder) object(member func(name []byte) error) error {
	if _, err := d.json.ReadToken(); err != nil { // the brace
		return err
	}
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadValue() // also fails where no name can be
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// member reads a member of the request, its name still quoted.
func (d *decoder) member(quoted []byte) error {
	name := unquoted(quoted)
	index := slices.IndexFunc(pointers[:], func(pointer string) bool { return pointer[1:] == string(name) })
	switch {
	case index < 0 || !d.form.may[index]:
		return d.unknown(string(name))
	case d.given[index]:
		d.refuse(pointers[index], "is given more than once")
		return d.skip(pointers[index])
	}
	d.given[index] = true
	switch index {
	case memberAmount:
		return d.integer("/amount", "must be an integer in minor units", &d.draft.AmountMinor)
	case memberExpiresIn:
		return d.integer("/expires_in", "must be a whole number of seconds", &d.expiresIn)
	case memberMetadata:
		return d.metadata()
	}
	return d.text(pointers[index], d.textOf(index))
}

// text reads a string. It leaves into alone if there is none.
func (d *decoder) text(pointer string, into *string) error {
	if kind := d.json.PeekKind(); kind != '"' {
		return d.wrongKind(pointer, "must be a string", kind)
	}
	quoted, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	*into = string(unquoted(quoted))
	return nil
}

// integer takes whole numbers in plain digits: 1e3 and 1.0 are what programs
// write that count money in floating point.
func (d *decoder) integer(pointer, wanted string, into *int64) error {
	if kind := d.json.PeekKind(); kind != '0' {
		return d.wrongKind(pointer, "must be a JSON integer", kind)
	}
	number, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	text := string(number)
	value, err := strconv.ParseInt(text, 10, 64)
	switch {
	case len(text) > echoBytesMax && payment.ContainsCardNumber(text):
		d.foundCard(pointer, cardDetail)
	case errors.Is(err, strconv.ErrSyntax) && len(text) > echoBytesMax:
		d.refuse(pointer, wanted)
	case errors.Is(err, strconv.ErrSyntax):
		d.refuse(pointer, wanted+", not "+text)
	}
	*into = value // out of range it is the nearest int64, and whoever judges it names the limit
	return nil
}

func (d *decoder) metadata() error {
	if kind := d.json.PeekKind(); kind != '{' {
		return d.wrongKind("/metadata", "must be an object of strings", kind)
	}
	return d.object(d.metadataMember)
}

func (d *decoder) metadataMember(quoted []byte) error {
	name := string(unquoted(quoted))
	if _, again := d.draft.Metadata[name]; again {
		pointer := pointerTo("/metadata", name)
		d.refuse(pointer, "is given more than once")
		return d.skip(pointer)
	}
	if d.draft.Metadata == nil {
		d.draft.Metadata = map[string]string{}
	}
	d.draft.Metadata[name] = "" // also if the value is refused: names and their number are judged too
	if kind := d.json.PeekKind(); kind != '"' {
		return d.wrongKind(pointerTo("/metadata", name), "must be a string", kind)
	}
	quoted, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	d.draft.Metadata[name] = string(unquoted(quoted))
	return nil
}

// unknown refuses a member that a request does not have.
func (d *decoder) unknown(name string) error {
	pointer := pointerTo("", name)
	switch {
	case payment.ContainsCardNumber(name):
		d.foundCard("", "a member's name "+cardDetail)
	case pointer == "":
		d.refuse("", "has a member with an unknown name of "+strconv.Itoa(len(name))+" bytes")
	default:
		d.refuse(pointer, "is not a member of "+d.form.what+d.form.hint(name))
	}
	return d.skip(pointer)
}

// wrongKind refuses a value of another type than wanted.
func (d *decoder) wrongKind(pointer, wanted string, kind jsontext.Kind) error {
	if kind == 'n' {
		d.refuse(pointer, "must not be null")
	} else {
		d.refuse(pointer, wanted+", not "+kindName(kind))
	}
	return d.skip(pointer)
}

// skip reads a value that is refused already, and looks for card numbers in it:
// in names as in values, in texts as in numbers.
func (d *decoder) skip(pointer string) error {
	depth := d.json.StackDepth()
	for {
		token, err := d.json.ReadToken()
		if err != nil {
			return err
		}
		if d.json.StackDepth() > nestingMax {
			return errTooDeep
		}
		if holdsCardToken(token) {
			d.foundCard(pointer, cardDetail)
		}
		if d.json.StackDepth() == depth {
			return nil
		}
	}
}

// unquoted reads a JSON string that the decoder has found valid. What it gives
// may lie in the decoder's buffer.
func unquoted(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // valid, so it cannot fail
	return text
}

func kindName(kind jsontext.Kind) string {
	switch kind {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	case '[':
		return "an array"
	default: // null has its own text, and nothing else begins a value
		return "an object"
	}
}
