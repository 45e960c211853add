package listen

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/nearest"
	"github.com/paybuf/paybuf/payment"
)

// secretBytes are in a secret that is made here (Standard Webhooks 1.0.0: 24 to 64).
const secretBytes = 32

// Options are what the flags of `paybuf listen` set.
type Options struct {
	ForwardTo  string   // URL of the developer's program
	After      string   // cursor to begin behind, or client.FeedLatest; "" for the first event
	CursorFile string   // where the cursor is kept, and taken from if it is there; none if ""
	Secret     string   // that signs, "whsec_..."; made up if ""
	Types      []string // of events to forward; none: all

	Stdout io.Writer // for lines about events, and the summary
}

// Check finds what cannot work before anything is asked.
func (o Options) Check() error {
	if err := checkForwardTo(o.ForwardTo); err != nil {
		return err
	}
	if o.Secret != "" {
		if _, err := client.NewWebhook(o.Secret); err != nil {
			return fmt.Errorf("--secret: %w", err)
		}
	}
	for _, name := range o.Types {
		if known := payment.EventTypes(); !slices.Contains(known, name) {
			return fmt.Errorf("--types: %q is no type of event%s", name, meant(name, known))
		}
	}
	return nil
}

// checkForwardTo allows any host: it is the developer who says where to.
func checkForwardTo(text string) error {
	parsed, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("--forward-to is missing: the URL of your program, such as http://127.0.0.1:3000/paybuf")
	case err != nil, parsed.Scheme != "http" && parsed.Scheme != "https", parsed.Host == "":
		return errors.New("--forward-to must be a URL with http:// or https:// and a host, such as http://127.0.0.1:3000/paybuf")
	}
	return nil
}

func meant(wrong string, known []string) string {
	if name, found := nearest.Name(wrong, known); found {
		return "; did you mean " + name + "?"
	}
	return ": one of " + strings.Join(known, ", ")
}

// newSecret makes a secret in the form of an endpoint's.
func newSecret() string {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}
