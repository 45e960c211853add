package httppayer

import (
	"crypto/tls"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// Defaults of a Config.
const (
	payTimeoutDefault      = 10 * time.Second
	lookupTimeoutDefault   = 5 * time.Second
	connectionsDefault     = 256
	keyWindowDefault       = 24 * time.Hour
	visibilityDelayDefault = 30 * time.Second
)

// Config tunes an adapter. The zero value works.
type Config struct {
	// Timeout ends one charge, from the wait for a connection to the last byte of
	// the answer. 0 means 10 s.
	Timeout time.Duration
	// LookupTimeout does the same for a look-up. 0 means 5 s.
	LookupTimeout time.Duration
	// Connections limits the connections to the payer, and all of them may idle.
	// Give it at least the number of charges and look-ups that run at once; a call
	// beyond waits for its turn within its time-out. 0 means 256.
	Connections int
	// Token is sent as "Authorization: Bearer <Token>" unless it is empty, and
	// appears nowhere else.
	Token string
	// Traits are what this payer offers, which its contract says and no answer
	// shows. Nil means keys remembered for 24 h, look-ups, and 30 s until a
	// look-up can be believed.
	Traits *payment.Traits
	// TLS replaces the system's trust, for a payer with an authority of its own
	// or one that wants a client certificate. Nil means the system's.
	TLS *tls.Config
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Timeout < 0 || c.LookupTimeout < 0:
		return c, badConfig("the payer's time-outs must not be negative")
	case c.Connections < 0:
		return c, badConfig("the payer's connections must not be negative")
	case strings.ContainsFunc(c.Token, outbound.NotVisible):
		return c, badConfig("the payer's token must be printable ASCII without spaces")
	}
	c.Timeout = orDefault(c.Timeout, payTimeoutDefault)
	c.LookupTimeout = orDefault(c.LookupTimeout, lookupTimeoutDefault)
	if c.Connections == 0 {
		c.Connections = connectionsDefault
	}
	traits := payment.Traits{
		KeyWindow: keyWindowDefault, CanLookup: true, VisibilityDelay: visibilityDelayDefault, CanPend: true,
	}
	if c.Traits != nil {
		traits = *c.Traits
	}
	c.Traits = &traits
	return c, nil
}
