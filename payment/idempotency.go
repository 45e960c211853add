package payment

import (
	"fmt"
)

// IdempotencyKeyLenMax is the longest key that a client may give a request.
const IdempotencyKeyLenMax = 255

// KeyHash stands for one tenant's idempotency key wherever it is kept or sent:
// 26 characters of lower-case base32, from which the key cannot be had.
type KeyHash string

// CheckIdempotencyKey tells whether a text can be an idempotency key: 1 to 255
// visible ASCII characters that are no card number. The error is an *Error with
// CodeKeyInvalid or CodeCardNumber and does not repeat the text.
func CheckIdempotencyKey(text string) error {
	switch {
	case text == "":
		return keyInvalid("is empty")
	case len(text) > IdempotencyKeyLenMax:
		return keyInvalid(fmt.Sprintf("has more than %d characters", IdempotencyKeyLenMax))
	}
	for i, b := range []byte(text) {
		if b <= ' ' || b > '~' {
			return keyInvalid(fmt.Sprintf("has something else than a visible ASCII character at byte %d", i))
		}
	}
	if ContainsCardNumber(text) {
		return &Error{Code: CodeCardNumber, Detail: "an idempotency key must not contain a card number"}
	}
	return nil
}

func keyInvalid(problem string) error {
	return &Error{Code: CodeKeyInvalid, Detail: "the idempotency key " + problem}
}

// HashIdempotencyKey hashes a tenant's idempotency key, so that two tenants never
// share one and nobody without the id key can guess it.
func (k IDKey) HashIdempotencyKey(tenant TenantID, text string) KeyHash {
	// No tenant has such a name, so no id is made like this.
	return KeyHash(k.digest("paybuf idempotency key", string(tenant), text))
}
