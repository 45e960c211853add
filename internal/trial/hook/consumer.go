// Package hook is a consumer of webhooks that remembers all that it was sent. It
// verifies each delivery with the reference library of Standard Webhooks as it comes,
// sees that each forgery made of it is refused, and keeps it for the reference library
// of another language. It can misbehave as consumers do.
//
// It promises to judge by nothing but what came over HTTP and the secrets that it was
// told: what was signed, which events came, how often, in which order per payment, and
// whether one webhook-id stands for one body. It knows nothing of Paybuf but the form
// of an event. It is for tests only.
package hook

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// bodyBytesMax is what Standard Webhooks advises.
	bodyBytesMax      = 20 << 10
	readHeaderTimeout = 10 * time.Second
	closeTimeout      = 5 * time.Second
)

// Config has a working zero value.
type Config struct {
	Address string // to listen on; any port of 127.0.0.1 if ""
	Spool   string // file of all deliveries, made anew; none if ""
	Seed    uint64 // of all that is chance
}

// Consumer is one, at a URL of its own. It behaves well until Behave.
type Consumer struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
	closing  chan struct{}

	mu      sync.Mutex
	random  *rand.Rand
	spool   *spool
	keys    []key
	share   float64
	manners []Manner
	came    []*Delivery
	times   map[string]int               // accepted, by webhook-id
	finals  map[payment.ID]payment.State // of the accepted events that say so
	forged  int
	faults  []error
}

// Delivery is one request, as it came.
type Delivery struct {
	At       time.Time
	Remote   string // host:port
	Header   http.Header
	Body     []byte
	Event    Event
	Secrets  []string // of those known then, those that verify it
	Accepted bool     // it was answered 2xx
}

// ID is the webhook-id.
func (d *Delivery) ID() string { return d.Header.Get("webhook-id") }

// Start begins to listen.
func Start(cfg Config) (*Consumer, error) {
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Address)
	if err != nil {
		return nil, err
	}
	c := &Consumer{
		listener: listener, closing: make(chan struct{}), times: map[string]int{}, finals: map[payment.ID]payment.State{},
		random: rand.New(rand.NewPCG(cfg.Seed, 2)), //nolint:gosec // the same manners again for the same seed
	}
	if cfg.Spool != "" {
		if c.spool, err = openSpool(cfg.Spool); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	c.server = &http.Server{Handler: http.HandlerFunc(c.take), ReadHeaderTimeout: readHeaderTimeout}
	c.serving.Go(func() {
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.fault(err)
		}
	})
	return c, nil
}

// URL is what an endpoint is made with.
func (c *Consumer) URL() string { return "http://" + c.listener.Addr().String() + "/hook" }

// Behave answers a share of the requests from now on in one of the manners, and the
// others well.
func (c *Consumer) Behave(share float64, manners ...Manner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.share, c.manners = share, manners
}

// Close ends what is under way, stops listening and completes the spool.
func (c *Consumer) Close() error {
	close(c.closing)
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := c.server.Shutdown(ctx)
	if err != nil {
		err = c.server.Close()
	}
	c.serving.Wait()
	return errors.Join(err, c.Flush())
}

// Flush completes the spool as far as deliveries have come.
func (c *Consumer) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spool == nil {
		return nil
	}
	return c.spool.flush()
}

// take keeps a delivery, and answers.
func (c *Consumer) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if errors.As(err, new(*http.MaxBytesError)) {
		c.fault(err)
	}
	if err != nil { // the sender has died while it wrote
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	d := &Delivery{At: time.Now(), Remote: r.RemoteAddr, Header: r.Header.Clone(), Body: body}
	manner := c.note(d, r.Method)
	manner.answer(w, r, c.closing)
}

// note keeps a delivery before it is answered, so that what comes after the answer
// comes after it here, too, and chooses how it is answered.
func (c *Consumer) note(d *Delivery, method string) Manner {
	c.mu.Lock()
	defer c.mu.Unlock()
	manner := Well
	if len(c.manners) > 0 && c.random.Float64() < c.share {
		manner = c.manners[c.random.IntN(len(c.manners))]
	}
	d.Accepted = manner.accepts
	faults := d.read(method)
	if d.Accepted {
		c.times[d.ID()]++
		if state := d.Event.final(); state != "" {
			c.finals[d.Event.PaymentID] = state
		}
	}
	secrets, forged, wrong := verify(c.keys, d)
	d.Secrets, c.forged = secrets, c.forged+forged
	c.came = append(c.came, d)
	if c.spool != nil {
		faults = append(faults, c.spool.write(d))
	}
	if err := errors.Join(append(faults, wrong...)...); err != nil {
		c.faults = append(c.faults, named(d, err))
	}
	return manner
}

func (c *Consumer) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, err)
}
