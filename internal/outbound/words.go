package outbound

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// retryAfterMax keeps a payer from putting a payment off for ever.
const (
	retryAfterMax        = 24 * time.Hour
	retryAfterSecondsMax = uint64(retryAfterMax / time.Second)
)

const (
	codeBytesMax = 64
	idBytesMax   = 255
)

// RetryAfter reads seconds or a date (RFC 9110, section 10.2.3), at most a day,
// and tells whether there was one to read.
func RetryAfter(header http.Header) (time.Duration, bool) {
	text := header.Get("Retry-After")
	if text == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, retryAfterSecondsMax)) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	return min(max(time.Until(at), 0), retryAfterMax), true
}

// IsID tells that a text is 1 to 255 characters of visible ASCII, as an id is.
func IsID(text string) bool {
	return text != "" && len(text) <= idBytesMax && !strings.ContainsFunc(text, NotVisible)
}

// NotVisible is what net/http would refuse in a header, and the space that would
// end a token (RFC 6750, section 2.1, allows less still).
func NotVisible(r rune) bool { return r <= ' ' || r > '~' }

// Declined is why a payer declined. A tenant is shown the payer's code only if it
// looks like one, and not like one of ours.
func Declined(code string) payment.Failure {
	failure := payment.Failure{Code: "declined", Message: "the payer declined the payment"}
	if IsCode(code) && !payment.IsOwnFailure(code) {
		failure.Code = code
		failure.Message += ": " + code
	}
	return failure
}

// IsCode tells that a text is 1 to 64 letters, digits, "_", "-" and ".", and no
// card number.
func IsCode(text string) bool {
	return text != "" && len(text) <= codeBytesMax && !strings.ContainsFunc(text, notCodeChar) &&
		!payment.ContainsCardNumber(text)
}

func notCodeChar(r rune) bool {
	isLetter := (r|0x20 >= 'a') && (r|0x20 <= 'z')
	isDigit := r >= '0' && r <= '9'
	return !isLetter && !isDigit && r != '_' && r != '-' && r != '.'
}
