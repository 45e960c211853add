package object_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/object"
)

func TestBase_isWhereTheClientReachedUs(t *testing.T) {
	for name, test := range map[string]struct {
		publicURL, host string
		tls             bool
		want            string
	}{
		"plain":            {"", "127.0.0.1:8080", false, "http://127.0.0.1:8080"},
		"TLS":              {"", "pay.example", true, "https://pay.example"},
		"IPv6":             {"", "[::1]:8080", false, "http://[::1]:8080"},
		"configured":       {"https://pay.example", "10.0.0.7:8080", false, "https://pay.example"},
		"configured slash": {"https://pay.example/buffer/", "10.0.0.7", false, "https://pay.example/buffer"},
		"no host":          {"", "", false, ""},
		"user info":        {"", "pay.example@evil.example", false, ""},
		"path":             {"", "evil.example/x", false, ""},
		"markup":           {"", `"><script>`, false, ""},
		"too long":         {"", strings.Repeat("a", 260), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/payments", nil)
			request.Host = test.host
			if test.tls {
				request.TLS = &tls.ConnectionState{}
			}
			if got := object.Base(test.publicURL, request); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
