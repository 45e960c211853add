package payment

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code names a class of error. Callers branch on it, and it is the `code` member
// of the API's problem details, so a published code never changes its meaning.
type Code string

// The codes. internal/problem maps each to its HTTP status.
const (
	CodeInternal          Code = "internal_error"          // ours; the text stays in the log
	CodeMalformed         Code = "malformed_request"       // not the format at all
	CodeInvalid           Code = "invalid_request"         // fields that must change
	CodeCardNumber        Code = "card_number_refused"     // a card number where none may be
	CodeUnauthenticated   Code = "unauthenticated"         // no, bad or revoked API key
	CodeNotFound          Code = "not_found"               // unknown, or another tenant's
	CodeMethodNotAllowed  Code = "method_not_allowed"      // the path exists, the method does not
	CodeOrderConflict     Code = "order_conflict"          // same order number, another body
	CodeKeyInvalid        Code = "idempotency_key_invalid" // not the form of a key
	CodeKeyInUse          Code = "idempotency_key_in_use"  // its first request is under way
	CodeKeyReused         Code = "idempotency_key_reused"  // it belongs to another request
	CodeNotCancelable     Code = "not_cancelable"          // the payer may have heard of it, or it is final
	CodeNotReleasable     Code = "not_releasable"          // not parked any more, or not in the version that was looked at
	CodeTokenInvalid      Code = "payment_token_invalid"   // not one of ours, or for something else
	CodeTokenExpired      Code = "payment_token_expired"   // its time is over and nothing was submitted with it
	CodeBatchRefused      Code = "batch_refused"           // no item of a batch was accepted
	CodeTooLarge          Code = "request_too_large"       // body over its limit
	CodeMediaType         Code = "unsupported_media_type"  // not application/json
	CodeBufferFull        Code = "buffer_full"             // no room; later there is
	CodeTenantShare       Code = "tenant_share_exceeded"   // the tenant's own waiting requests are too many; later it has room
	CodeTooManyOpen       Code = "too_many_open"           // the tenant's streams and waiting requests; later there is room
	CodeBufferUnavailable Code = "buffer_unavailable"      // not known to be stored; send it again
	CodeUnavailable       Code = "unavailable"             // a dependency does not answer
	CodeConfig            Code = "configuration"           // an operator must change something
	CodeEndpointDisabled  Code = "endpoint_disabled"       // nothing is sent to it until its owner enables it
	CodeTooManyEndpoints  Code = "too_many_endpoints"      // the tenant has as many as it may
	CodeNoWebhooks        Code = "webhooks_not_configured" // the installation has no keys to seal secrets with
)

// Error is an error with a code and a detail that is safe to show to a client:
// it names what to change and never repeats a secret.
type Error struct {
	Code       Code
	Detail     string
	Fields     []FieldError  // what is wrong where, for CodeInvalid and CodeCardNumber
	PaymentID  ID            // the payment in question, for CodeOrderConflict
	RetryAfter time.Duration // when it is worth trying again; 0 if not
	Cause      error         // for the log only
}

// FieldError says what is wrong with one member of a request. Pointer is a JSON
// pointer (RFC 6901), "" for the document itself.
type FieldError struct {
	Pointer string
	Detail  string
}

// Error implements error, for logs and operators.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s", e.Code, e.Detail)
	for _, field := range e.Fields {
		fmt.Fprintf(&text, "; %s %s", field.Pointer, field.Detail)
	}
	if e.Cause != nil {
		fmt.Fprintf(&text, ": %v", e.Cause)
	}
	return text.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf gives the code and the safe detail of err. An error without a code is
// internal, and its text stays inside.
func CodeOf(err error) (Code, string) {
	if coded, ok := errors.AsType[*Error](err); ok {
		return coded.Code, coded.Detail
	}
	return CodeInternal, "internal error"
}

func invalid(fields ...FieldError) *Error {
	return &Error{Code: CodeInvalid, Detail: "the request has fields that must change", Fields: fields}
}
