package access_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/payment"
)

// local is a request as curl makes it on this machine, changed by edit.
func local(t *testing.T, edit func(*http.Request)) *http.Request {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/payments", nil)
	request.RemoteAddr = "127.0.0.1:50000"
	request.Host = "127.0.0.1:8080"
	if edit != nil {
		edit(request)
	}
	return request
}

func devGuard(t *testing.T, keys ring) *access.Guard {
	t.Helper()
	return access.NewGuard(keys, authKey(t, "k"), access.GuardConfig{DevTenant: "dev"})
}

func TestDevTenant_aProgramOnThisMachineNeedsNoKey(t *testing.T) {
	for name, edit := range map[string]func(*http.Request){
		"by address":     nil,
		"by name":        func(r *http.Request) { r.Host = "localhost:8080" },
		"without a port": func(r *http.Request) { r.Host = "LocalHost" },
		"by IPv6":        func(r *http.Request) { r.Host, r.RemoteAddr = "[::1]:8080", "[::1]:50000" },
		"IPv6, no port":  func(r *http.Request) { r.Host = "[::1]" },
		"mapped IPv4":    func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:50000" },
		"another of 127": func(r *http.Request) { r.RemoteAddr = "127.9.9.9:50000" },
		"our own page": func(r *http.Request) {
			r.Header.Set("Origin", "http://127.0.0.1:8080")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		},
		"a typed address": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
	} {
		t.Run(name, func(t *testing.T) {
			if tenant, err := devGuard(t, ring{}).Authenticate(local(t, edit)); err != nil || tenant != "dev" {
				t.Errorf("got %q, %v, want dev", tenant, err)
			}
		})
	}
}

func TestDevTenant_whatMayComeFromElsewhereNeedsAKey(t *testing.T) {
	const (
		prefix = "there is no Authorization header, which only a request from this machine may do without: "
		host   = "the Host header is not localhost or a loopback address"
		origin = "it was made by a web page of another origin"
	)
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, test := range map[string]struct {
		edit func(*http.Request)
		want string
	}{
		"another machine":  {func(r *http.Request) { r.RemoteAddr = "192.168.1.7:50000" }, "the peer is not on loopback"},
		"no peer":          {func(r *http.Request) { r.RemoteAddr = "@" }, "the peer is not on loopback"},
		"forwarded":        {header("Forwarded", "for=203.0.113.9"), "it came through a proxy (Forwarded)"},
		"forwarded for":    {header("X-Forwarded-For", "203.0.113.9"), "it came through a proxy (X-Forwarded-For)"},
		"real ip":          {header("X-Real-IP", "203.0.113.9"), "it came through a proxy (X-Real-Ip)"},
		"via":              {header("Via", "1.1 proxy"), "it came through a proxy (Via)"},
		"rebound name":     {func(r *http.Request) { r.Host = "evil.example:8080" }, host},
		"name like ours":   {func(r *http.Request) { r.Host = "localhost.evil.example" }, host},
		"address as name":  {func(r *http.Request) { r.Host = "127.0.0.1.evil.example:8080" }, host},
		"no host":          {func(r *http.Request) { r.Host = "" }, host},
		"any address":      {func(r *http.Request) { r.Host = "0.0.0.0:8080" }, host},
		"stranger's page":  {header("Origin", "https://evil.example"), origin},
		"sandboxed page":   {header("Origin", "null"), origin},
		"other local port": {header("Origin", "http://127.0.0.1:3000"), origin},
		"empty origin":     {header("Origin", ""), origin},
		"stranger's image": {header("Sec-Fetch-Site", "cross-site"), origin},
		"sister site":      {header("Sec-Fetch-Site", "same-site"), origin},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := devGuard(t, ring{}).Authenticate(local(t, test.edit))
			wantRefusal(t, err, prefix+test.want)
		})
	}
}

func TestDevTenant_aKeyThatIsSentIsJudged(t *testing.T) {
	keys := ring{keys: map[string]payment.APIKey{}}
	plaintext := newKey(t, keys, nil)
	guard := devGuard(t, keys)

	tenant, err := guard.Authenticate(local(t, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+plaintext) }))
	if err != nil || tenant != "acme" {
		t.Errorf("got %q, %v, want the key's tenant", tenant, err)
	}
	_, err = guard.Authenticate(local(t, func(r *http.Request) { r.Header.Set("Authorization", "Bearer nonsense") }))
	wantRefusal(t, err, "the API key is not of the form pbk_<id>_<secret>")
	_, err = guard.Authenticate(local(t, func(r *http.Request) { r.Header.Set("Authorization", "") }))
	if err == nil {
		t.Error("an empty Authorization header passed for none")
	}
}
