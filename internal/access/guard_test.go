package access_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/payment"
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// ring is a keyring in memory.
type ring struct {
	keys    map[string]payment.APIKey
	loading bool
}

func (r ring) Key(id string) (payment.APIKey, bool) {
	key, known := r.keys[id]
	return key, known
}

func (r ring) Ready() bool { return !r.loading }

// newKey puts a key of the tenant acme, changed by edit, on the ring.
func newKey(t *testing.T, keys ring, edit func(*payment.APIKey)) (plaintext string) {
	t.Helper()
	plaintext, key := access.NewKey(authKey(t, "k"))
	key.Tenant = "acme"
	if edit != nil {
		edit(&key)
	}
	keys.keys[key.ID] = key
	return plaintext
}

func authenticate(t *testing.T, keys ring, authorization ...string) (payment.TenantID, error) {
	t.Helper()
	guard := access.NewGuard(keys, authKey(t, "k"), access.GuardConfig{Clock: func() time.Time { return now }})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/payments", nil)
	request.Header["Authorization"] = authorization
	return guard.Authenticate(request)
}

// wantRefusal checks code and text, and that the text repeats nothing of the key.
func wantRefusal(t *testing.T, err error, detail string) {
	t.Helper()
	code, got := payment.CodeOf(err)
	if code != payment.CodeUnauthenticated || got != detail {
		t.Errorf("got %s %q, want unauthenticated %q", code, got, detail)
	}
}

func TestAuthenticate_aKeyNamesItsTenant(t *testing.T) {
	keys := ring{keys: map[string]payment.APIKey{}}
	other := newKey(t, keys, func(key *payment.APIKey) { key.Tenant = "umbrella" })
	plaintext := newKey(t, keys, nil)
	overlap := newKey(t, keys, func(key *payment.APIKey) { key.ExpiresAt = now.Add(time.Nanosecond) })
	for authorization, want := range map[string]payment.TenantID{
		"Bearer " + plaintext:  "acme",
		"bearer " + plaintext:  "acme",
		"BEARER  " + plaintext: "acme",
		"Bearer " + overlap:    "acme",
		"Bearer " + other:      "umbrella",
	} {
		if tenant, err := authenticate(t, keys, authorization); err != nil || tenant != want {
			t.Errorf("got %q, %v, want %s", tenant, err, want)
		}
	}
}

func TestAuthenticate_saysWhichCheckFailed(t *testing.T) {
	keys := ring{keys: map[string]payment.APIKey{}}
	good := newKey(t, keys, nil)
	revoked := newKey(t, keys, func(key *payment.APIKey) { key.RevokedAt = now.Add(time.Hour) })
	expired := newKey(t, keys, func(key *payment.APIKey) { key.ExpiresAt = now })
	const (
		notBearer = "the Authorization header is not of the Bearer scheme; send Authorization: Bearer pbk_<id>_<secret>"
		notOfForm = "the API key is not of the form pbk_<id>_<secret>"
		unknown   = "the API key is unknown or its secret is wrong"
	)
	for name, test := range map[string]struct {
		authorization []string
		want          string
	}{
		"nothing":        {nil, "there is no Authorization header; send Authorization: Bearer pbk_<id>_<secret>"},
		"two":            {[]string{"Bearer " + good, "Bearer " + good}, "there is more than one Authorization header"},
		"empty":          {[]string{""}, notBearer},
		"basic":          {[]string{"Basic dXNlcjpwYXNz"}, notBearer},
		"no scheme":      {[]string{good}, notBearer},
		"no key":         {[]string{"Bearer "}, notOfForm},
		"other prefix":   {[]string{"Bearer sk_" + good[4:]}, notOfForm},
		"upper case":     {[]string{"Bearer " + strings.ToUpper(good)}, notOfForm},
		"no secret":      {[]string{"Bearer " + good[:17]}, notOfForm},
		"cut":            {[]string{"Bearer " + good[:len(good)-1]}, notOfForm},
		"longer":         {[]string{"Bearer " + good + "a"}, notOfForm},
		"trailing space": {[]string{"Bearer " + good + " "}, notOfForm},
		"two keys":       {[]string{"Bearer " + good + ", Bearer " + good}, notOfForm},
		"digit outside":  {[]string{"Bearer " + good[:20] + "1" + good[21:]}, notOfForm},
		"unknown id":     {[]string{"Bearer pbk_aaaaaaaaaaaa" + good[16:]}, unknown},
		"wrong secret":   {[]string{"Bearer " + good[:17] + strings.Repeat("a", 52)}, unknown},
		"other's secret": {[]string{"Bearer " + good[:17] + revoked[17:]}, unknown},
		"revoked":        {[]string{"Bearer " + revoked}, "the API key was revoked at 2026-11-21T10:00:00Z"},
		"expired":        {[]string{"Bearer " + expired}, "the API key expired at 2026-11-21T09:00:00Z"},
		"revoked, wrong": {[]string{"Bearer " + revoked[:17] + strings.Repeat("a", 52)}, unknown},
		"expired, wrong": {[]string{"Bearer " + expired[:17] + strings.Repeat("a", 52)}, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			tenant, err := authenticate(t, keys, test.authorization...)
			if tenant != "" {
				t.Errorf("the refused request is %q's", tenant)
			}
			wantRefusal(t, err, test.want)
		})
	}
}

func TestAuthenticate_aKeyHashedUnderAnotherSecretIsUnknown(t *testing.T) {
	plaintext, key := access.NewKey(authKey(t, "x"))
	key.Tenant = "acme"
	_, err := authenticate(t, ring{keys: map[string]payment.APIKey{key.ID: key}}, "Bearer "+plaintext)
	wantRefusal(t, err, "the API key is unknown or its secret is wrong")
}

// A row whose hash was lost or never written must not match anything.
func TestAuthenticate_aKeyWithoutAHashIsUnknown(t *testing.T) {
	keys := ring{keys: map[string]payment.APIKey{}}
	plaintext := newKey(t, keys, func(key *payment.APIKey) { key.Hash = [32]byte{} })
	_, err := authenticate(t, keys, "Bearer "+plaintext)
	wantRefusal(t, err, "the API key is unknown or its secret is wrong")
}

func TestAuthenticate_beforeTheKeysAreLoadedNobodyIsToldTheirsIsWrong(t *testing.T) {
	keys := ring{keys: map[string]payment.APIKey{}, loading: true}
	plaintext := newKey(t, keys, nil)
	_, err := authenticate(t, keys, "Bearer "+plaintext)
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || coded.Code != payment.CodeUnavailable || coded.RetryAfter != time.Second {
		t.Fatalf("got %v, want unavailable and to be told to come back after a second", err)
	}
	_, err = authenticate(t, keys)
	wantRefusal(t, err, "there is no Authorization header; send Authorization: Bearer pbk_<id>_<secret>")
}
