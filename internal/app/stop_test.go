package app_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// A graceful stop in the middle of everything: requests are coming in, some wait
// in the buffer, and the payer is being called.
func TestStop_losesNothingAndLeavesNothingToGuess(t *testing.T) {
	t.Parallel()
	in := installOn(t, localtest.Postgres(t), newPayer(t, func(o *simulator.Options) {
		o.Latency = 300 * time.Millisecond
	}))
	opts := in.options(app.Roles()...)
	opts.Processor.Concurrency = 16              // so that there is a backlog
	opts.Processor.PayTimeout = 30 * time.Second // no answer is lost before the stop
	first := in.startWith(opts)
	first.awaitReady("")
	c := in.client(first, "acme")

	senders := sendUntilRefused(c)
	eventually(t, "the payer is being called and more wait", func() bool {
		return in.payer.sends() >= 16 && senders.accepted() >= 100
	})
	first.stop()
	due := senders.wait()
	equal(t, "payments that are still held, or of which nobody knows the end",
		in.count("SELECT count(*) FROM payments WHERE state IN ('paying', 'unknown')"), "0")

	second := in.start()
	c = newCaller(t, second.app.URL(), c.key)
	c.awaitSucceeded(due)
	in.payer.wantOnce(due)
}

// A payer limits connections, too: those that idle go with the process.
func TestStop_leavesThePayerNoConnections(t *testing.T) {
	t.Parallel()
	engine, err := simulator.Open(simulator.Options{Ledger: filepath.Join(t.TempDir(), "payer.ndjson")})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	var open atomic.Int64
	server := httptest.NewUnstartedServer(engine.Handler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state { //nolint:exhaustive // only the first and the last count
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()

	in := install(t)
	opts := in.options(app.Roles()...)
	opts.PayerURL = server.URL
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")
	c.awaitSucceeded(c.acceptMany("A-", 20))
	if open.Load() == 0 {
		t.Error("no connection is kept for the next call")
	}
	p.stop()
	if !within(5*time.Second, func() bool { return open.Load() == 0 }) {
		t.Errorf("%d connections to the payer are left", open.Load())
	}
}

// senders send from several connections until the door is closed.
type senders struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	due map[payment.ID]int64
}

func sendUntilRefused(c *caller) *senders {
	const connections, ordersMax = 4, 50_000
	s := &senders{due: map[payment.ID]int64{}}
	for n := range connections {
		s.wg.Go(func() {
			for i := range ordersMax {
				got, err := c.tryPost(order("A-"+itoa(n)+"-"+itoa(i), 100))
				if err != nil {
					return
				}
				if got.status == http.StatusAccepted {
					s.add(got.shown.ID)
				}
				<-time.After(5 * time.Millisecond)
			}
		})
	}
	return s
}

func (s *senders) add(id payment.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due[id] = 100
}

func (s *senders) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.due)
}

// wait gives what was accepted, once all were refused.
func (s *senders) wait() map[payment.ID]int64 {
	s.wg.Wait()
	return s.due
}
