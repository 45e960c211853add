package access

import (
	"crypto/hmac"
	"net/http"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Keyring holds the keys of all tenants. It is asked on every request, so it
// answers from memory.
type Keyring interface {
	// Key finds a key by its public part.
	Key(id string) (payment.APIKey, bool)
	// Ready tells that the keys have been loaded. Until then nobody is let in, and
	// nobody is told that their key is wrong.
	Ready() bool
}

// GuardConfig has a working zero value.
type GuardConfig struct {
	// DevTenant, if set, is the tenant of requests without a key from this
	// machine. Leave it empty wherever others can reach the listener.
	DevTenant payment.TenantID
	// Clock tells the time that keys expire by; time.Now if nil.
	Clock func() time.Time
}

// Guard names the tenant of a request.
type Guard struct {
	keys    Keyring
	authKey AuthKey
	cfg     GuardConfig
}

// keysLoadTime is how long a client should wait for keys that are being loaded.
const keysLoadTime = time.Second

// NewGuard makes a guard that knows the keys of one installation.
func NewGuard(keys Keyring, authKey AuthKey, cfg GuardConfig) *Guard {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Guard{keys: keys, authKey: authKey, cfg: cfg}
}

// Authenticate gives the tenant that a request comes from. The error is an
// *payment.Error: CodeUnauthenticated, which says which check failed, or
// CodeUnavailable as long as the keys are not loaded.
func (g *Guard) Authenticate(r *http.Request) (payment.TenantID, error) {
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) == 0 && g.cfg.DevTenant != "":
		return g.keyless(r)
	case len(headers) == 0:
		return "", refused("there is no Authorization header; send Authorization: Bearer pbk_<id>_<secret>")
	case len(headers) > 1:
		return "", refused("there is more than one Authorization header")
	}
	id, secret, err := bearerKey(headers[0])
	if err != nil {
		return "", err
	}
	if !g.keys.Ready() {
		return "", &payment.Error{
			Code:       payment.CodeUnavailable,
			Detail:     "the API keys are still being loaded",
			RetryAfter: keysLoadTime,
		}
	}
	return g.tenantOf(id, secret)
}

// keyless lets in a request without a key that provably was made here.
func (g *Guard) keyless(r *http.Request) (payment.TenantID, error) {
	if doubt := foreignness(r); doubt != "" {
		return "", refused("there is no Authorization header, which only a request from this machine may do without: " + doubt)
	}
	return g.cfg.DevTenant, nil
}

// bearerKey reads the key out of the header (RFC 6750, section 2.1).
func bearerKey(header string) (id, secret string, err error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", "", refused("the Authorization header is not of the Bearer scheme; send Authorization: Bearer pbk_<id>_<secret>")
	}
	id, secret, ok := splitKey(strings.TrimLeft(token, " "))
	if !ok {
		return "", "", refused("the API key is not of the form pbk_<id>_<secret>")
	}
	return id, secret, nil
}

// tenantOf does the same work whether the id is unknown or the secret wrong.
// Only who has the secret learns that a key was revoked or has expired.
func (g *Guard) tenantOf(id, secret string) (payment.TenantID, error) {
	key, known := g.keys.Key(id)
	hash := g.authKey.hash(id, secret)
	right := hmac.Equal(hash[:], key.Hash[:])
	switch {
	case !known || !right:
		return "", refused("the API key is unknown or its secret is wrong")
	case !key.RevokedAt.IsZero():
		return "", refused("the API key was revoked at " + timeText(key.RevokedAt))
	case !key.ExpiresAt.IsZero() && !g.cfg.Clock().Before(key.ExpiresAt):
		return "", refused("the API key expired at " + timeText(key.ExpiresAt))
	}
	return key.Tenant, nil
}

func refused(detail string) error {
	return &payment.Error{Code: payment.CodeUnauthenticated, Detail: detail}
}

func timeText(at time.Time) string {
	return at.UTC().Format(time.RFC3339)
}
