package stripepayer

import (
	"net/url"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// Defaults of a Config, and what Stripe promises.
const (
	timeoutDefault         = 10 * time.Second
	lookupTimeoutDefault   = 5 * time.Second
	connectionsDefault     = 256
	visibilityDelayDefault = time.Hour

	keyWindow   = 24 * time.Hour
	keyBytesMax = 255
)

// Config tunes an adapter. Only SecretKey is required.
type Config struct {
	// SecretKey is a secret or restricted key: sk_... or rk_.... It appears nowhere
	// but in the header of a request.
	SecretKey string
	// Timeout ends one charge. 0 means 10 s.
	Timeout time.Duration
	// LookupTimeout ends one look-up, which is two requests. 0 means 5 s.
	LookupTimeout time.Duration
	// Connections limits the connections to Stripe. 0 means 256.
	Connections int
	// VisibilityDelay is how long the search may miss a charge. 0 means 1 h.
	VisibilityDelay time.Duration
	// NoSearch is for accounts without the search, which are those in India. Stripe
	// is then asked by the same charge with the same key.
	NoSearch bool
	// OffSession tells Stripe that the customer has agreed to be charged while
	// absent.
	OffSession bool
	// BaseURL is for tests. "" means Stripe's.
	BaseURL string
}

func (c Config) withDefaults() (Config, error) {
	isSecret := strings.HasPrefix(c.SecretKey, "sk_") || strings.HasPrefix(c.SecretKey, "rk_")
	switch {
	case !isSecret || strings.ContainsFunc(c.SecretKey, outbound.NotVisible):
		return c, badConfig("Stripe needs a secret key, which begins with sk_ or rk_")
	case c.Timeout < 0 || c.LookupTimeout < 0 || c.VisibilityDelay < 0 || c.Connections < 0:
		return c, badConfig("Stripe's time-outs, visibility delay and connections must not be negative")
	}
	setDefault(&c.Timeout, timeoutDefault)
	setDefault(&c.LookupTimeout, lookupTimeoutDefault)
	setDefault(&c.VisibilityDelay, visibilityDelayDefault)
	setDefault(&c.Connections, connectionsDefault)
	setDefault(&c.BaseURL, stripe.APIURL)
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Hostname() == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return c, badConfig("Stripe's URL must begin with https:// or http:// and name a host")
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

func badConfig(detail string) error {
	return &payment.Error{Code: payment.CodeConfig, Detail: detail}
}
