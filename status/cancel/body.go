package cancel

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/payment"
)

const bodyBytesMax = 4 << 10

// readNothing takes in what says no more than the path: no body, or an empty object.
func (h *Handler) readNothing(w http.ResponseWriter, r *http.Request) error {
	return h.read(w, r, &struct{}{}, true)
}

// readOrderNumber takes in which order to cancel.
func (h *Handler) readOrderNumber(w http.ResponseWriter, r *http.Request) (string, error) {
	var order struct {
		Number *string `json:"order_number"`
	}
	if err := h.read(w, r, &order, false); err != nil {
		return "", err
	}
	if order.Number == nil { // or null
		return "", invalid("/order_number", "is required")
	}
	return *order.Number, payment.CheckOrderNumber(*order.Number)
}

// read takes in one JSON object without unknown members.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, into any, mayBeEmpty bool) error {
	whole, err := body.Read(w, r, bodyBytesMax, h.cfg.BodyTimeout)
	if err != nil {
		return err
	}
	defer body.Done(whole)
	if mayBeEmpty && whole.Len() == 0 {
		return nil
	}
	if _, err := body.MediaType(r.Header, body.JSON); err != nil {
		return err
	}
	if bytes.Equal(bytes.TrimSpace(whole.Bytes()), []byte("null")) { // which json takes for an empty object
		return invalid("", "must not be null")
	}
	err = json.Unmarshal(whole.Bytes(), into, json.RejectUnknownMembers(true))
	if _, isJSON := errors.AsType[*json.SemanticError](err); isJSON {
		return invalid("", "must be "+wanted(mayBeEmpty))
	}
	if err != nil { // its text quotes the body
		return &payment.Error{Code: payment.CodeMalformed, Detail: detailOf(err)}
	}
	return nil
}

func wanted(mayBeEmpty bool) string {
	if mayBeEmpty {
		return "an empty JSON object, or nothing at all"
	}
	return `a JSON object with the one member "order_number", a string`
}

func detailOf(err error) string {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return "a member is given more than once"
	}
	return "the body is not valid JSON"
}

func invalid(pointer, detail string) error {
	return &payment.Error{
		Code:   payment.CodeInvalid,
		Detail: "the request has fields that must change",
		Fields: []payment.FieldError{{Pointer: pointer, Detail: detail}},
	}
}
