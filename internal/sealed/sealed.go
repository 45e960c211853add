// Package sealed keeps secrets that must be known again, such as those that webhooks
// are signed with: AES-256-GCM under keys that are not where the sealed values are
// (ADR 0027).
//
// It promises that a value opens only with its key and only for what it was sealed
// for, that several keys can be known at once so that one can be exchanged without a
// gap, and that no error and no log repeats a key or a secret.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/paybuf/paybuf/payment"
)

const (
	keyBytes   = 32 // AES-256
	keysMax    = 16
	idBytesMax = 32
)

// keyEncoding has one text for each key.
var keyEncoding = base64.StdEncoding.Strict()

// Keys seal and open. The zero value has none. They never change and may be used by
// many goroutines at once.
type Keys struct {
	keys []key // the first seals
}

type key struct {
	id   string
	aead cipher.AEAD
}

// NewKey draws a key and gives it as ParseKeys reads it: "id:BASE64".
func NewKey(id string) (string, error) {
	if err := checkID(id); err != nil {
		return "", err
	}
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	return id + ":" + keyEncoding.EncodeToString(secret), nil
}

// ParseKeys reads up to 16 keys, "id:BASE64,id:BASE64": the first seals, all open. An
// id has 1 to 32 characters of a-z, 0-9, "-" and "_", a key 32 bytes. An empty text is
// no keys. Its error has CodeConfig.
func ParseKeys(text string) (Keys, error) {
	if strings.TrimSpace(text) == "" {
		return Keys{}, nil
	}
	entries := strings.Split(text, ",")
	if len(entries) > keysMax {
		return Keys{}, badKeys("there are %d keys, at most %d are allowed", len(entries), keysMax)
	}
	var k Keys
	for i, entry := range entries {
		parsed, err := parseKey(strings.TrimSpace(entry), i+1)
		if err != nil {
			return Keys{}, err
		}
		if _, known := k.find(parsed.id); known {
			return Keys{}, badKeys("there are two keys with the id %s", parsed.id)
		}
		k.keys = append(k.keys, parsed)
	}
	return k, nil
}

// parseKey reads the key at a place, counted from 1. What stands before the colon is
// repeated only if it is an id: it may be a key whose id was forgotten.
func parseKey(entry string, place int) (key, error) {
	id, encoded, found := strings.Cut(entry, ":")
	if !found || checkID(id) != nil {
		return key{}, badKeys("key %d does not begin with an id and a colon; an id has 1 to %d characters of a-z, 0-9, - and _",
			place, idBytesMax)
	}
	secret, err := keyEncoding.DecodeString(encoded)
	if err != nil || len(secret) != keyBytes {
		return key{}, badKeys("key %d (%s) is not the base64 of %d bytes", place, id, keyBytes)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, badKeys("key %d (%s) cannot be used", place, id)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, badKeys("key %d (%s) cannot be used", place, id)
	}
	return key{id: id, aead: aead}, nil
}

func checkID(id string) error {
	wrong := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	if id == "" || len(id) > idBytesMax || strings.ContainsFunc(id, wrong) {
		return badKeys("the id of a key has 1 to %d characters of a-z, 0-9, - and _", idBytesMax)
	}
	return nil
}

// Current is the id of the key that seals, "" if there are no keys.
func (k Keys) Current() string {
	if len(k.keys) == 0 {
		return ""
	}
	return k.keys[0].id
}

// String names the keys, for logs and errors.
func (k Keys) String() string {
	ids := make([]string, 0, len(k.keys))
	for _, key := range k.keys {
		ids = append(ids, key.id)
	}
	return strings.Join(ids, ",")
}

// Seal seals a secret with the first key. It opens only for the same about: what the
// secret belongs to, so that a value that somebody moves to another row is worth
// nothing there.
func (k Keys) Seal(plain []byte, about string) (payment.Sealed, error) {
	if len(k.keys) == 0 {
		return payment.Sealed{}, badKeys("there is no key to seal with")
	}
	first := k.keys[0]
	data := first.aead.Seal(nil, nil, plain, []byte(about)) //nolint:gosec // it draws the nonce itself and takes none
	return payment.Sealed{KeyID: first.id, Data: data}, nil
}

// Open gives what was sealed. Its error has CodeConfig if the key is not known, which
// it names, and CodeInternal if the value was changed or belongs to something else.
func (k Keys) Open(s payment.Sealed, about string) ([]byte, error) {
	key, known := k.find(s.KeyID)
	if !known {
		return nil, &payment.Error{
			Code:   payment.CodeConfig,
			Detail: fmt.Sprintf("the secret of %s is sealed with the key %q, which is not among the keys that were given", about, s.KeyID),
		}
	}
	plain, err := key.aead.Open(nil, nil, s.Data, []byte(about))
	if err != nil {
		return nil, &payment.Error{
			Code:   payment.CodeInternal,
			Detail: fmt.Sprintf("the secret of %s does not open with the key %q: either of them was changed", about, s.KeyID),
			Cause:  err,
		}
	}
	return plain, nil
}

func (k Keys) find(id string) (key, bool) {
	for _, known := range k.keys {
		if known.id == id {
			return known, true
		}
	}
	return key{}, false
}

func badKeys(format string, args ...any) error {
	return &payment.Error{Code: payment.CodeConfig, Detail: "webhook keys: " + fmt.Sprintf(format, args...)}
}
