// Package access knows who a request comes from: it makes API keys, keeps of
// each only a keyed hash, and names the tenant of an HTTP request.
//
// It promises that a key is never repeated in an error, that an unknown key and
// a wrong secret cannot be told apart by text or by work done, and that a
// request without a key is let in only from this very machine and only if it was
// configured so. No other package reads the Authorization header.
package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/paybuf/paybuf/payment"
)

// The form of a key is pbk_<id>_<secret>. The prefix lets secret scanners find
// one that was committed by mistake.
const (
	keyPrefix       = "pbk_"
	keyIDLen        = 12 // 60 bits: enough to be unique, no secret
	secretBytes     = 32
	secretLen       = 52 // 32 bytes of base32
	authKeyBytesMin = 32
	keyAlphabet     = "abcdefghijklmnopqrstuvwxyz234567" // RFC 4648 in lower case; no "_"
)

var keyEncoding = base32.NewEncoding(keyAlphabet).WithPadding(base32.NoPadding)

// AuthKey is the installation's secret under which keys are hashed. A stolen
// database is of no use without it; changing it voids every API key.
type AuthKey struct {
	secret []byte
}

// NewAuthKey takes a secret of at least 32 bytes.
func NewAuthKey(secret []byte) (AuthKey, error) {
	if len(secret) < authKeyBytesMin {
		return AuthKey{}, fmt.Errorf("auth key: %d bytes, at least %d are needed", len(secret), authKeyBytesMin)
	}
	return AuthKey{secret: append([]byte(nil), secret...)}, nil
}

// NewKey makes an API key. The plaintext is shown to its owner once and kept
// nowhere; key has ID and Hash, and its maker adds the tenant and the dates.
func NewKey(authKey AuthKey) (plaintext string, key payment.APIKey) {
	id := randomText(keyIDLen)[:keyIDLen] // base32 is longer than its bytes
	secret := randomText(secretBytes)
	return keyPrefix + id + "_" + secret, payment.APIKey{ID: id, Hash: authKey.hash(id, secret)}
}

// hash covers the id too, so that a stored hash is of no use under another id.
func (k AuthKey) hash(id, secret string) (hash [sha256.Size]byte) {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write([]byte(id)) // of a fixed length, so that no separator is needed
	mac.Write([]byte(secret))
	mac.Sum(hash[:0])
	return hash
}

// splitKey takes a key apart if it has the form of one.
func splitKey(text string) (id, secret string, ok bool) {
	rest, prefixed := strings.CutPrefix(text, keyPrefix)
	id, secret, parted := strings.Cut(rest, "_")
	ok = prefixed && parted && len(id) == keyIDLen && len(secret) == secretLen &&
		inKeyAlphabet(id) && inKeyAlphabet(secret)
	return id, secret, ok
}

// KeyID gives the public part of a key, by which it is listed and revoked.
func KeyID(plaintext string) (id string, ok bool) {
	id, _, ok = splitKey(plaintext)
	return id, ok
}

func inKeyAlphabet(text string) bool {
	return strings.Trim(text, keyAlphabet) == ""
}

func randomText(bytes int) string {
	random := make([]byte, bytes)
	_, _ = rand.Read(random) // never fails since Go 1.24: the process dies instead
	return keyEncoding.EncodeToString(random)
}
