package payment

import (
	"strings"
	"testing"
)

func TestCheckIdempotencyKey_saysWhatIsWrongAndRepeatsNothing(t *testing.T) {
	const long = "the idempotency key has more than 255 characters"
	for text, want := range map[string]struct {
		code   Code
		detail string
	}{
		"":                       {CodeKeyInvalid, "the idempotency key is empty"},
		strings.Repeat("x", 256): {CodeKeyInvalid, long},
		"two words":              {CodeKeyInvalid, "the idempotency key has something else than a visible ASCII character at byte 3"},
		"Schlüssel":              {CodeKeyInvalid, "the idempotency key has something else than a visible ASCII character at byte 4"},
		"a\x7f":                  {CodeKeyInvalid, "the idempotency key has something else than a visible ASCII character at byte 1"},
		"\t":                     {CodeKeyInvalid, "the idempotency key has something else than a visible ASCII character at byte 0"},
		"4242424242424242":       {CodeCardNumber, "an idempotency key must not contain a card number"},
		"try-4242-4242-4242-4242": {
			CodeCardNumber, "an idempotency key must not contain a card number",
		},
	} {
		code, detail := CodeOf(CheckIdempotencyKey(text))
		if code != want.code || detail != want.detail {
			t.Errorf("%q: got %s %q, want %s %q", text, code, detail, want.code, want.detail)
		}
	}
	for _, text := range []string{
		"k", `!"#$%&'()*+,-./:;<=>?@[\]^_{|}~`, strings.Repeat("x", 255),
		"34d0263a-a517-4306-9413-295da6c74d05", // its digits alone are a card number's
	} {
		if err := CheckIdempotencyKey(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestHashIdempotencyKey_isOneTenantsOwn(t *testing.T) {
	key, err := NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewIDKey([]byte(strings.Repeat("o", 32)))
	if err != nil {
		t.Fatal(err)
	}
	hash := key.HashIdempotencyKey("acme", "k-1")
	if hash != key.HashIdempotencyKey("acme", "k-1") {
		t.Error("the hash changes")
	}
	if len(hash) != 26 || strings.ContainsAny(string(hash), ".*> ") {
		t.Errorf("%q is no token of a subject", hash)
	}
	for what, differs := range map[string]KeyHash{
		"another tenant":       key.HashIdempotencyKey("umbrella", "k-1"),
		"another key":          key.HashIdempotencyKey("acme", "k-2"),
		"another installation": other.HashIdempotencyKey("acme", "k-1"),
		"a payment's id":       KeyHash(strings.TrimPrefix(string(key.Derive("acme", "k-1", "")), "pay_")),
	} {
		if differs == hash {
			t.Errorf("%s has the same hash", what)
		}
	}
}

func TestContainsCardNumber_uuidIsNone(t *testing.T) {
	for text, want := range map[string]bool{
		"34d0263a-a517-4306-9413-295da6c74d05":                   false,
		"7ecfb05f-bd77-4c4b-8db5-017578409871":                   false,
		"7ECFB05F-BD77-4C4B-8DB5-017578409871":                   false,
		"cart 34d0263a-a517-4306-9413-295da6c74d05, try 2":       false,
		"34d0263a-a517-4306-9413-295da6c74d05 4242424242424242":  true,
		"4242 4242 4242 4242 34d0263a-a517-4306-9413-295da6c74d": true,
		"42424242-4242-4242-0000-000000000000":                   true, // no letter: nobody draws such a UUID
		"7ecfb05f-bd77-4c4b-8db5-4242424242424242":               true, // goes on for too long
		"7ecfb05f-bd77-4c4b-8db5x017578409871":                   false,
	} {
		if got := ContainsCardNumber(text); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}
