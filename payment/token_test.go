package payment

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

var tokenExpiry = time.Date(2026, 11, 21, 10, 0, 0, 7e6, time.UTC)

func mustMoney(t testing.TB, minor int64, currency string) Money {
	t.Helper()
	money, err := NewMoney(minor, currency)
	if err != nil {
		t.Fatal(err)
	}
	return money
}

func TestToken_isReadBackAsItWasSigned(t *testing.T) {
	key := mustKey(t, 'k')
	for _, money := range []Money{mustMoney(t, 1, "JPY"), mustMoney(t, AmountMinorMax, "EUR")} {
		want := NewToken("acme", money, tokenExpiry.Add(600*time.Microsecond))
		text := key.SignToken(want)
		got, err := key.ReadToken("acme", text)
		if err != nil || got != want || !got.ExpiresAt.Equal(tokenExpiry) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		if len(text) != 95 || !strings.HasPrefix(text, "pbt_") {
			t.Errorf("the text is %q", text)
		}
	}
}

// A golden value: a token that a process of before has signed is worth the same to
// the one that takes its place.
func TestToken_isSignedAsEver(t *testing.T) {
	key := mustKey(t, 'k')
	token := Token{Tenant: "acme", Money: mustMoney(t, 1999, "EUR"), ExpiresAt: tokenExpiry}
	copy(token.Nonce[:], "0123456789abcdef")
	const want = "pbt_ATAxMjM0NTY3ODlhYmNkZWYAAAAAAAAHz0VVUgAAAaH9jGkH6AlVbZ_yhqAb9TSQ27P96VPO76L17ZdrEe4MRsdJFKk"
	if got := key.SignToken(token); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := token.OrderNumber(); got != "token-gaytemzugu3doobzmfrggzdfmy" {
		t.Errorf("the order number is %s", got)
	}
}

func TestToken_eachIsForAnOrderOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		token := NewToken("acme", mustMoney(t, 1999, "EUR"), tokenExpiry)
		number := token.OrderNumber()
		if seen[number] || CheckOrderNumber(number) != nil {
			t.Fatalf("the order number %s is taken or is none", number)
		}
		seen[number] = true
	}
}

func TestReadToken_noFlippedBitIsAccepted(t *testing.T) {
	key := mustKey(t, 'k')
	text := key.SignToken(NewToken("acme", mustMoney(t, 1999, "EUR"), tokenExpiry))
	for i := range len(text) {
		for bit := range 8 {
			forged := []byte(text)
			forged[i] ^= 1 << bit
			if _, err := key.ReadToken("acme", string(forged)); err == nil {
				t.Fatalf("byte %d of %s may be %q", i, text, forged[i])
			}
		}
	}
	signed, err := base64.RawURLEncoding.DecodeString(text[len(tokenPrefix):])
	if err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		for change := 1; change < 256; change++ {
			forged := append([]byte(nil), signed...)
			forged[i] ^= byte(change)
			if _, err := key.ReadToken("acme", tokenPrefix+base64.RawURLEncoding.EncodeToString(forged)); err == nil {
				t.Fatalf("signed byte %d may be changed by %x", i, change)
			}
		}
	}
}

func TestReadToken_whatIsNoTokenOfTheTenantIsRefusedAlike(t *testing.T) {
	key := mustKey(t, 'k')
	token := NewToken("acme", mustMoney(t, 1999, "EUR"), tokenExpiry)
	text := key.SignToken(token)
	other := token
	other.Tenant = "umbrella"
	for name, forged := range map[string]string{
		"empty": "", "truncated": text[:len(text)-1], "longer": text + "A", "another's": key.SignToken(other),
		"another key's": mustKey(t, 'l').SignToken(token), "an id": string(key.Derive("acme", "A-1", "")),
		"another prefix": "pbk_" + text[4:], "padded": text[:len(text)-1] + "=", "with a line break": text[:50] + "\n" + text[51:],
		"no money": key.SignToken(Token{Tenant: "acme", ExpiresAt: tokenExpiry}),
	} {
		if _, err := key.ReadToken("acme", forged); err == nil || err.Error() != errNoToken.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The tenant stands behind terms of one length, so that no two pairs look alike.
func TestReadToken_aTenantIsNotTakenForAnother(t *testing.T) {
	key := mustKey(t, 'k')
	text := key.SignToken(NewToken("acme", mustMoney(t, 1999, "EUR"), tokenExpiry))
	for _, tenant := range []TenantID{"", "acm", "acme2", "cme", "ACME"} {
		if _, err := key.ReadToken(tenant, text); err == nil {
			t.Errorf("it is a token of %q too", tenant)
		}
	}
}

// FuzzToken holds that a text is either refused or exactly what was signed.
func FuzzToken(f *testing.F) {
	key := mustKey(f, 'k')
	text := key.SignToken(NewToken("acme", mustMoney(f, 1999, "EUR"), tokenExpiry))
	for _, seed := range []string{"", "pbt_", text, text[:60], text + "A", strings.ToUpper(text), "pbt_" + strings.Repeat("A", 91)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := key.ReadToken("acme", text)
		if err == nil && key.SignToken(token) != text {
			t.Fatalf("%q is read as %s", text, fmt.Sprint(token))
		}
	})
}
