package payment

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
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

// IDLength is how many characters an ID has, of one byte each.
const IDLength = 30

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
	macs *sync.Pool // of *idMAC
}

// idMAC is kept for the next id, since to set one up takes longer than to use it.
type idMAC struct {
	hash.Hash
	buffer []byte
}

// NewIDKey takes a secret of at least 32 bytes.
func NewIDKey(secret []byte) (IDKey, error) {
	if len(secret) < idKeyBytesMin {
		return IDKey{}, fmt.Errorf("id key: %d bytes, at least %d are needed", len(secret), idKeyBytesMin)
	}
	secret = bytes.Clone(secret)
	return IDKey{macs: &sync.Pool{New: func() any { return &idMAC{Hash: hmac.New(sha256.New, secret)} }}}, nil
}

// digest is the beginning of the MAC of some parts, as text.
func (k IDKey) digest(parts ...string) string {
	sum := k.sum(parts...)
	return idEncoding.EncodeToString(sum[:idBytes])
}

// sum is the MAC of some parts.
func (k IDKey) sum(parts ...string) (sum [sha256.Size]byte) {
	mac := k.macs.Get().(*idMAC) //nolint:forcetypeassert // the pool holds nothing else
	defer k.macs.Put(mac)
	mac.Reset()
	mac.buffer = mac.buffer[:0]
	for i, part := range parts {
		if i > 0 {
			mac.buffer = append(mac.buffer, 0)
		}
		mac.buffer = append(mac.buffer, part...)
	}
	_, _ = mac.Write(mac.buffer) // never fails
	mac.buffer = mac.Sum(mac.buffer[:0])
	copy(sum[:], mac.buffer)
	return sum
}

// Derive gives the id of a tenant's order number: the same for every repetition,
// so a duplicate needs no look-up, and not to be guessed without the key.
// retryOf is empty, or the failed payment that this one tries again.
func (k IDKey) Derive(tenant TenantID, orderNumber string, retryOf ID) ID {
	if retryOf == "" {
		return ID(idPrefix + k.digest(string(tenant), orderNumber))
	}
	return ID(idPrefix + k.digest(string(tenant), orderNumber, string(retryOf)))
}

// Check is a short digest by which two processes tell that they were given the
// same key without showing it.
func (k IDKey) Check() string {
	return k.digest("paybuf id key check")
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
