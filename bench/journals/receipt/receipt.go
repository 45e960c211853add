// Package receipt makes the payloads that journals are compared with: payments
// as intake writes them down, each different, of about 300 bytes.
//
// It promises that a payload can be recognised without keeping it: one changed,
// missing or foreign byte shows. Nothing else here knows what a payload looks
// like.
package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strconv"
)

// format has the members of a payment on the stream (buffer/wire.go) behind the
// letter that a receipt begins with (buffer/receipts.go).
const format = `R{"v":1,"id":"pay_%s","tenant":"shop-%02d","order_number":"%08d-%s",` +
	`"amount":%d,"currency":"EUR","payment_method":"tok_visa","customer":"c_%s","description":"two books",` +
	`"metadata":{"cart":"%d"},"accepted_at_ms":%d}`

const (
	numbersMax = 100_000_000 // so that all have the same number of digits
	tenants    = 20
	firstMilli = 1_795_253_400_000
)

var (
	encoding    = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	orderMember = []byte(`"order_number":"`)
)

// Of gives the payload of a number from 0 up to a hundred million. Ids and order
// numbers look random, as they do in life, so that compressing gains no more than
// it would there.
func Of(number int) []byte {
	sum := sha256.Sum256(strconv.AppendInt(nil, int64(number), 10))
	return fmt.Appendf(nil, format, encoding.EncodeToString(sum[:16]), number%tenants, number%numbersMax,
		hex.EncodeToString(sum[16:28]), 100+int(sum[28])<<8, hex.EncodeToString(sum[29:32]), 100_000+number, firstMilli+number)
}

// Mark gives a part of a payload that no other has, and that starts in its first
// half.
func Mark(number int) []byte {
	return fmt.Appendf(nil, `%s%08d-`, orderMember, number%numbersMax)
}

// Number tells which payload this is; false if it is none that Of gives, in each
// of its bytes.
func Number(payload []byte) (int, bool) {
	_, rest, found := bytes.Cut(payload, orderMember)
	digits, _, parted := bytes.Cut(rest, []byte("-"))
	if !found || !parted {
		return 0, false
	}
	number, err := strconv.Atoi(string(digits))
	if err != nil || number < 0 || number >= numbersMax {
		return 0, false
	}
	return number, bytes.Equal(payload, Of(number))
}
