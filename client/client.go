package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits and defaults of a Client.
const (
	// RetryTimeoutDefault is for how long a call is repeated if Config says nothing.
	RetryTimeoutDefault = 2 * time.Minute
	// AttemptTimeoutDefault is for how long one attempt may take if Config says
	// nothing. It is well over the time for which the API itself tries to store a
	// request.
	AttemptTimeoutDefault = 30 * time.Second

	answerBytesMax = 16 << 20 // a page of a thousand payments, or a batch that is refused item by item
	idleConnsMax   = 100
)

// ErrNoAnswer marks an error after which nobody knows whether the request has
// arrived: the transport failed, the API said "later" until the time was up, or
// what came back was no answer of Paybuf's. Sending the same again is safe. Such
// an error may hold the last *Problem too, so ask for ErrNoAnswer first.
var ErrNoAnswer = errors.New("no definite answer")

// errAttemptSlow is the cause of the end of an attempt that took too long.
var errAttemptSlow = errors.New("the API took too long to answer")

// Config tunes a Client. Its zero value works against an API that needs no key,
// such as `paybuf dev` on loopback.
type Config struct {
	// Key is the API key, "pbk_...". Without one no Authorization is sent.
	Key string
	// HTTPClient is used as it is. The default keeps a hundred connections and
	// follows no redirect, so that a key is never sent elsewhere.
	HTTPClient *http.Client
	// RetryTimeout limits how long a call is repeated; negative means never.
	RetryTimeout time.Duration
	// AttemptTimeout limits one attempt, the reading of its answer included. The time
	// for which the API is asked to hold an answer back comes on top.
	AttemptTimeout time.Duration
	// MayRetry, if set, decides about each repetition in place of RetryTimeout. It
	// is called from whichever goroutine made the call.
	MayRetry func(Retry) bool
}

// Client calls one API with one key. It may be used by many goroutines at once.
type Client struct {
	base    string // without a slash at its end
	baseErr error  // why base cannot be used, reported by every call
	cfg     Config
}

// New gives a client of the API at baseURL, such as "https://pay.example.com". A
// base URL that is none makes every call fail at once; CheckURL tells beforehand.
func New(baseURL string, cfg Config) *Client {
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = defaultHTTPClient()
	}
	if cfg.RetryTimeout == 0 {
		cfg.RetryTimeout = RetryTimeoutDefault
	}
	if cfg.AttemptTimeout <= 0 {
		cfg.AttemptTimeout = AttemptTimeoutDefault
	}
	return &Client{
		base:    strings.TrimRight(baseURL, "/"),
		baseErr: CheckURL(baseURL),
		cfg:     cfg,
	}
}

// CheckURL tells what keeps a text from being the base URL of an API.
func CheckURL(baseURL string) error {
	parsed, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return fmt.Errorf("base URL: %w", err)
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		return fmt.Errorf("base URL %q: must begin with http:// or https://", baseURL)
	case parsed.Host == "":
		return fmt.Errorf("base URL %q: has no host", baseURL)
	case parsed.RawQuery != "" || parsed.Fragment != "":
		return fmt.Errorf("base URL %q: must end with the path", baseURL)
	}
	return nil
}

func defaultHTTPClient() *http.Client {
	client := &http.Client{CheckRedirect: refuseRedirect}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		transport := standard.Clone()
		transport.MaxIdleConnsPerHost = idleConnsMax // all calls go to one host
		client.Transport = transport
	}
	return client
}

// refuseRedirect hands a redirect to the caller as the answer that it is.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
