package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// CrowdMax is how many clients may wait: their connections take a port each.
	CrowdMax = 20_000
	// waitSeconds is how long a client asks the server to wait, and so how long a crowd
	// may be kept waiting for nothing.
	waitSeconds = 50
	// waitedBytesMax is the longest answer to a client that waits: there is a buffer
	// for each.
	waitedBytesMax = 2 << 10
)

var (
	finalMark = []byte(`"final":true`)

	errWaitsEnded = errors.New("the clients would not wait that long")
)

// Crowd are clients that wait for payments at a server, each on a connection of its own.
type Crowd struct {
	Address string // host:port
	APIKey  string
	Clients int
}

// waiter is one of them.
type waiter struct {
	client *client
	head   string // of its requests, behind the id
}

// check finds a crowd that cannot be.
func (c Crowd) check() error {
	if c.Clients < 1 || c.Clients > CrowdMax {
		return fmt.Errorf("%d clients: 1 to %d are possible", c.Clients, CrowdMax)
	}
	return nil
}

// head is what each request has behind the id.
func (c Crowd) head() string {
	return fmt.Sprintf(" HTTP/1.1\r\nHost: %s\r\n%sPrefer: wait=%d\r\n\r\n",
		c.Address, Plan{APIKey: c.APIKey}.authorization(), waitSeconds)
}

// connect gives a client that waits. head is the crowd's.
func (c Crowd) connect(ctx context.Context, head string, deadline time.Time) (*waiter, error) {
	client, err := dialWith(ctx, c.Address, waitedBytesMax, deadline)
	if err != nil {
		return nil, err
	}
	return &waiter{client: client, head: head}, nil
}

// connectAll gives all of them.
func (c Crowd) connectAll(ctx context.Context, deadline time.Time) ([]*waiter, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	head := c.head()
	waiters := make([]*waiter, 0, c.Clients)
	for range c.Clients {
		w, err := c.connect(ctx, head, deadline)
		if err != nil {
			hangUpAll(waiters)
			return nil, err
		}
		waiters = append(waiters, w)
	}
	return waiters, nil
}

// hangUp ends the connection, such that it does not keep its port.
func (w *waiter) hangUp() {
	if conn, is := w.client.conn.(*net.TCPConn); is {
		_ = conn.SetLinger(0) // it is closed in any case
	}
	_ = w.client.conn.Close() // whoever reads from it sees it
}

func hangUpAll(waiters []*waiter) {
	for _, w := range waiters {
		w.hangUp()
	}
}

// ask waits for a payment once, and tells whether it has come to its end.
func (w *waiter) ask(id string) (final bool, err error) {
	got, err := w.client.exchange([]byte("GET /v1/payments/" + id + w.head))
	if err != nil {
		return false, err
	}
	if got.status != http.StatusOK || !bytes.Contains(got.text, []byte(id)) {
		return false, fmt.Errorf("a client that waits for %s was answered\n%s", id, got.text)
	}
	return bytes.Contains(got.text, finalMark), nil
}

// Hold has the crowd wait for payments to which nothing happens, each client for one of
// the ids in turn, and gives how many were answered all the same. Once all have asked and
// so much time has passed that the server has settled, it calls probe, and again when the
// window is over. An error means that a connection broke, ctx ended, or probe failed.
func (c Crowd) Hold(ctx context.Context, ids []string, settle, window time.Duration, probe func() error) (answered int64, err error) {
	if len(ids) == 0 {
		return 0, fmt.Errorf("load: %w", errNoIDs)
	}
	started := time.Now()
	waiters, err := c.connectAll(ctx, started.Add(waitSeconds*time.Second+answerTimeout))
	if err != nil {
		return 0, fmt.Errorf("load: %w", err)
	}
	var (
		count   atomic.Int64
		leaving atomic.Bool
		broken  = make(chan error, len(waiters))
		wg      sync.WaitGroup
	)
	for i, w := range waiters {
		wg.Go(func() {
			if _, err := w.ask(ids[i%len(ids)]); err == nil {
				count.Add(1)
			} else if !leaving.Load() {
				broken <- err
			}
		})
	}
	_, err = measure(ctx, Plan{WarmUp: settle, Window: window}, &phase{}, probe)
	answered = count.Load()
	if err == nil && time.Since(started) > waitSeconds*time.Second {
		err = errWaitsEnded
	}
	leaving.Store(true)
	hangUpAll(waiters)
	wg.Wait()
	close(broken)
	if err := errors.Join(err, <-broken); err != nil { // nil if none broke
		return 0, fmt.Errorf("load: %w", err)
	}
	return answered, nil
}
