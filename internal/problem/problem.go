// Package problem turns an error into the API's answer: problem details as in
// RFC 9457, with the one table from payment.Code to HTTP status.
//
// It promises that every refusal of every endpoint has the same form, and that
// the text of an internal error stays inside: the client sees that there was
// one, the Observer sees which. No other package sets the status of a refusal.
package problem

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

// ContentType is the media type of problem details (RFC 9457, section 6.1).
const ContentType = "application/problem+json"

// RequestIDHeader names the header that the request's id is answered in. Whoever
// sets it on the ResponseWriter before Write finds it in the body too.
const RequestIDHeader = "X-Request-Id"

// typePrefix makes a code a URI (RFC 8141). It names the class of a problem and
// is not for fetching.
const typePrefix = "urn:paybuf:problem:"

const (
	internalDetail = "an error on our side"
	retryAfterMin  = time.Second
)

// Document is the wire form. Its members are part of the API.
type Document struct {
	Type       string       `json:"type"`
	Title      string       `json:"title"`
	Status     int          `json:"status"`
	Detail     string       `json:"detail"`
	Code       payment.Code `json:"code"`
	Errors     []fieldError `json:"errors,omitempty"`
	PaymentID  payment.ID   `json:"payment_id,omitempty"`
	PaymentURL string       `json:"payment_url,omitempty"`
	RequestID  string       `json:"request_id,omitempty"`
	Items      any          `json:"items,omitempty"` // an extension member, of batches
}

type fieldError struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Write answers with the problem that err is, and gives the status it sent. An
// error without a code is internal. The error itself goes to the Observer.
func Write(w http.ResponseWriter, r *http.Request, err error) (status int) {
	return write(w, r, err, Document{})
}

// WriteAbout is Write for a refusal that is about an existing payment, whose
// absolute or relative URL the client is told.
func WriteAbout(w http.ResponseWriter, r *http.Request, err error, paymentURL string) (status int) {
	return write(w, r, err, Document{PaymentURL: paymentURL})
}

// WriteItems is Write for a refusal of several things at once, with what came of
// each as the member items.
func WriteItems(w http.ResponseWriter, r *http.Request, err error, items any) (status int) {
	return write(w, r, err, Document{Items: items})
}

// Of gives the document of an error, to be shown inside another answer. If it is
// about an existing payment, that payment's URL is given.
func Of(err error, paymentURL string) Document {
	doc := describe(err)
	doc.PaymentURL = paymentURL
	return doc
}

func write(w http.ResponseWriter, r *http.Request, err error, more Document) int {
	Observe(w, err)
	doc := describe(err)
	doc.PaymentURL, doc.Items = more.PaymentURL, more.Items
	doc.RequestID = w.Header().Get(RequestIDHeader)
	setHeaders(w.Header(), err, doc.Status)
	w.WriteHeader(doc.Status)
	if r.Method == http.MethodHead {
		return doc.Status // RFC 9110, 9.3.2
	}
	// A pointer can name a member of the client's, so its text is not trusted to
	// be UTF-8: a refusal must always get out.
	if err := json.MarshalWrite(w, doc, jsontext.AllowInvalidUTF8(true)); err != nil {
		Observe(w, fmt.Errorf("write problem: %w", err)) // the client is gone
	}
	return doc.Status
}

// describe is the part of the document that the error alone decides.
func describe(err error) Document {
	code, detail := payment.CodeOf(err)
	class := classOf(code)
	if class.status == http.StatusInternalServerError {
		detail = internalDetail
	}
	doc := Document{
		Type:   typePrefix + string(class.code),
		Title:  class.title,
		Status: class.status,
		Detail: detail,
		Code:   class.code,
	}
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || class.status == http.StatusInternalServerError {
		return doc
	}
	doc.PaymentID = coded.PaymentID
	for _, field := range coded.Fields {
		doc.Errors = append(doc.Errors, fieldError(field))
	}
	return doc
}

func setHeaders(header http.Header, err error, status int) {
	header.Set("Content-Type", ContentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer") // RFC 9110, 15.5.2, asks for a challenge
	}
	if wait := retryAfter(err, status); wait > 0 {
		header.Set("Retry-After", Seconds(wait))
	}
}

// retryAfter is when to try again, 0 if that would not help. A 503 and a 429
// always name a time, so that no client is left to guess one.
func retryAfter(err error, status int) time.Duration {
	var wait time.Duration
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		wait = coded.RetryAfter
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		wait = max(wait, retryAfterMin)
	}
	return wait
}

// Seconds writes a duration as Retry-After has it (RFC 9110, 10.2.3): whole
// seconds, rounded up so that nobody comes back too early.
func Seconds(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}
