package payment

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

const (
	idPrefix      = "pay_"
	idBytes       = 16
	idKeyBytesMin = 32
	tenantLenMax  = 40
)

// idEncoding is RFC 4648 base32 in lower case, since ids are read aloud, typed
// into search fields and used as a subject token.
var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ID names one payment in every service: the status URL, the Msg-Id of the
// stream, the primary key and the payer's idempotency key. It is "pay_" and 26
// characters of lower-case base32.
type ID string

// TenantID names a client organisation: 1 to 40 characters of a-z, 0-9, "-" and
// "_", the first a letter or digit.
type TenantID string

// IDKey is the secret that ids are derived with. Changing it would give every
// order number a new id, so an installation keeps one for ever.
type IDKey struct {
	secret []byte
}

// NewIDKey takes a secret of at least 32 bytes.
func NewIDKey(secret []byte) (IDKey, error) {
	if len(secret) < idKeyBytesMin {
		return IDKey{}, fmt.Errorf("id key: %d bytes, at least %d are needed", len(secret), idKeyBytesMin)
	}
	return IDKey{secret: append([]byte(nil), secret...)}, nil
}

// Derive gives the id of a tenant's order number: the same for every repetition,
// so a duplicate needs no look-up, and not to be guessed without the key.
// retryOf is empty, or the failed payment that this one tries again.
func (k IDKey) Derive(tenant TenantID, orderNumber string, retryOf ID) ID {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(tenant))
	mac.Write([]byte{0})
	mac.Write([]byte(orderNumber))
	if retryOf != "" {
		mac.Write([]byte{0})
		mac.Write([]byte(retryOf))
	}
	return ID(idPrefix + idEncoding.EncodeToString(mac.Sum(nil)[:idBytes]))
}

// Check is a short digest by which two processes tell that they were given the
// same key without showing it.
func (k IDKey) Check() string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte("paybuf id key check"))
	return idEncoding.EncodeToString(mac.Sum(nil)[:idBytes])
}

// ParseID checks the form of an id; whether there is such a payment is another
// question.
func ParseID(text string) (ID, error) {
	encoded, prefixed := strings.CutPrefix(text, idPrefix)
	if !prefixed {
		return "", errors.New("a payment id begins with " + idPrefix)
	}
	if !encodesID(encoded) {
		return "", errors.New("not a payment id")
	}
	return ID(text), nil
}

// encodesID tells whether a text is what idEncoding makes of an id's bytes.
func encodesID(text string) bool {
	decoded, err := idEncoding.DecodeString(text)
	return err == nil && len(decoded) == idBytes && idEncoding.EncodeToString(decoded) == text
}

// ParseTenantID checks the form of a tenant's id.
func ParseTenantID(text string) (TenantID, error) {
	if text == "" || len(text) > tenantLenMax {
		return "", fmt.Errorf("a tenant id has 1 to %d characters", tenantLenMax)
	}
	for i, r := range text {
		alnum := (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9')
		if !alnum && (i == 0 || (r != '-' && r != '_')) {
			return "", errors.New("a tenant id has only a-z, 0-9, '-' and '_', and begins with a letter or digit")
		}
	}
	return TenantID(text), nil
}
