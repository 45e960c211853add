package payment

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// TokenOrderPrefix is what the order numbers of payment tokens begin with. No
// client may choose one like it, or it could pay a token's order with an amount of
// its own.
const TokenOrderPrefix = "token-"

const (
	tokenPrefix      = "pbt_"
	tokenVersion     = 1
	tokenNonceBytes  = 16
	tokenTermsBytes  = 1 + tokenNonceBytes + 8 + 3 + 8 // version, nonce, amount, currency, expiry
	tokenSignedBytes = tokenTermsBytes + sha256.Size
)

// tokenEncoding fits URLs and forms.
var tokenEncoding = base64.RawURLEncoding.Strict()

var errNoToken = errors.New("not a payment token")

// Token is the right to submit one payment of an amount until a time. It is stored
// nowhere: its text holds all of it, signed with a key that the id key gives.
type Token struct {
	Tenant    TenantID
	Nonce     [tokenNonceBytes]byte
	Money     Money
	ExpiresAt time.Time // UTC, whole milliseconds
}

// NewToken draws a token.
func NewToken(tenant TenantID, money Money, expiresAt time.Time) Token {
	token := Token{Tenant: tenant, Money: money, ExpiresAt: expiresAt.UTC().Truncate(time.Millisecond)}
	for drawn := false; !drawn || ContainsCardNumber(token.OrderNumber()); drawn = true {
		_, _ = rand.Read(token.Nonce[:]) // never fails
	}
	return token
}

// OrderNumber is that of the payment which a token is for. It is made of the nonce,
// so that whatever tells a repeated order tells a token that was used.
func (t Token) OrderNumber() string { return TokenOrderPrefix + idEncoding.EncodeToString(t.Nonce[:]) }

// SignToken gives a token's text: "pbt_" and 91 characters of base64url.
func (k IDKey) SignToken(token Token) string {
	terms := make([]byte, 0, tokenSignedBytes)
	terms = append(terms, tokenVersion)
	terms = append(terms, token.Nonce[:]...)
	terms = binary.BigEndian.AppendUint64(terms, uint64(token.Money.Minor())) //nolint:gosec // always positive
	terms = append(terms, token.Money.Currency()...)
	terms = binary.BigEndian.AppendUint64(terms, uint64(token.ExpiresAt.UnixMilli()))
	return tokenPrefix + tokenEncoding.EncodeToString(append(terms, k.tokenMAC(token.Tenant, terms)...))
}

// ReadToken gives back what SignToken has signed for the tenant. Its one error says
// nothing of why a text is not that: whose token it may be is nobody's business.
// Whether it has expired is for the caller to see.
func (k IDKey) ReadToken(tenant TenantID, text string) (Token, error) {
	if len(text) != len(tokenPrefix)+tokenEncoding.EncodedLen(tokenSignedBytes) || text[:len(tokenPrefix)] != tokenPrefix {
		return Token{}, errNoToken
	}
	signed, err := tokenEncoding.DecodeString(text[len(tokenPrefix):])
	if err != nil || len(signed) != tokenSignedBytes { // line breaks are passed over, so it may be shorter
		return Token{}, errNoToken
	}
	terms, mac := signed[:tokenTermsBytes], signed[tokenTermsBytes:]
	if !hmac.Equal(mac, k.tokenMAC(tenant, terms)) || terms[0] != tokenVersion {
		return Token{}, errNoToken
	}
	token := Token{Tenant: tenant}
	rest := terms[1+copy(token.Nonce[:], terms[1:]):]
	minor := int64(binary.BigEndian.Uint64(rest)) //nolint:gosec // as it was signed
	if token.Money, err = RestoreMoney(minor, string(rest[8:11])); err != nil {
		return Token{}, errNoToken
	}
	token.ExpiresAt = time.UnixMilli(int64(binary.BigEndian.Uint64(rest[11:]))).UTC() //nolint:gosec // as it was signed
	return token, nil
}

// tokenMAC signs a token's terms for one tenant. The key is made for this alone, so
// that no token is ever an id, nor an id a token. The terms have one length.
func (k IDKey) tokenMAC(tenant TenantID, terms []byte) []byte {
	key := k.sum("", "paybuf payment token")
	mac := hmac.New(sha256.New, key[:])
	_, _ = mac.Write(terms) // never fails
	_, _ = mac.Write([]byte(tenant))
	return mac.Sum(nil)
}
