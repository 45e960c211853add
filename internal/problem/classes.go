package problem

import (
	"net/http"

	"github.com/paybuf/paybuf/payment"
)

// class is what all problems of one code have in common.
type class struct {
	code   payment.Code
	status int
	title  string
}

// classes is the only place where a code meets an HTTP status.
var classes = []class{
	{payment.CodeInternal, http.StatusInternalServerError, "Internal error"},
	{payment.CodeConfig, http.StatusInternalServerError, "The service is not configured for this"},
	{payment.CodeMalformed, http.StatusBadRequest, "The request cannot be read"},
	{payment.CodeInvalid, http.StatusUnprocessableEntity, "The request must change"},
	{payment.CodeCardNumber, http.StatusUnprocessableEntity, "A card number was sent"},
	{payment.CodeUnauthenticated, http.StatusUnauthorized, "No valid API key"},
	{payment.CodeNotFound, http.StatusNotFound, "Not found"},
	{payment.CodeMethodNotAllowed, http.StatusMethodNotAllowed, "Method not allowed"},
	{payment.CodeNotCancelable, http.StatusConflict, "The payment cannot be canceled"},
	{payment.CodeNotReleasable, http.StatusConflict, "The payment cannot be released"},
	{payment.CodeTokenInvalid, http.StatusUnprocessableEntity, "The payment token is not valid for this"},
	{payment.CodeTokenExpired, http.StatusGone, "The payment token has expired"},
	{payment.CodeOrderConflict, http.StatusConflict, "The order number is taken by another request"},
	{payment.CodeKeyInvalid, http.StatusBadRequest, "The Idempotency-Key cannot be used"},
	{payment.CodeKeyInUse, http.StatusConflict, "A request with this Idempotency-Key is under way"},
	{payment.CodeKeyReused, http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another request"},
	{payment.CodeEndpointDisabled, http.StatusConflict, "The webhook endpoint is disabled"},
	{payment.CodeTooManyEndpoints, http.StatusUnprocessableEntity, "There are too many webhook endpoints"},
	{payment.CodeNoWebhooks, http.StatusNotImplemented, "Webhooks are not configured"},
	{payment.CodeBatchRefused, http.StatusUnprocessableEntity, "No item of the batch was accepted"},
	{payment.CodeTooLarge, http.StatusRequestEntityTooLarge, "The request is too large"},
	{payment.CodeMediaType, http.StatusUnsupportedMediaType, "The media type is not supported"},
	{payment.CodeTenantShare, http.StatusTooManyRequests, "The tenant's share of the buffer is used up"},
	{payment.CodeTooManyOpen, http.StatusTooManyRequests, "Too many streams and waiting requests are open"},
	{payment.CodeBufferFull, http.StatusServiceUnavailable, "The buffer is full"},
	{payment.CodeBufferUnavailable, http.StatusServiceUnavailable, "The buffer does not answer"},
	{payment.CodeUnavailable, http.StatusServiceUnavailable, "Temporarily unavailable"},
}

// classOf gives the class of a code. A code that is in no table is a mistake of
// ours, so it is an internal error.
func classOf(code payment.Code) class {
	for _, known := range classes {
		if known.code == code {
			return known
		}
	}
	return classes[0]
}
