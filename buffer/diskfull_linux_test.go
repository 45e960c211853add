package buffer

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// noticeTimeout is within which a full disk must be known as one: a second until
// a message counts as unanswered, two looks, and slack for a busy machine.
const noticeTimeout = 10 * time.Second

// A full disk makes nats-server fall silent for good. The buffer must notice,
// refuse at once, and go on after the server was started again.
func TestPut_aFullDiskIsRefusedAtOnceAndLosesNothing(t *testing.T) {
	localtest.OnSmallDisk(t, 48<<20, func(t *testing.T, disk *localtest.SmallDisk) {
		server, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: filepath.Join(disk.Dir(), "nats")})
		if err != nil {
			t.Fatalf("nats: %v", err)
		}
		t.Cleanup(server.Stop)
		// Less than it takes to notice: what the stream loses is older than that when the
		// server is started again.
		b := open(t, func(c *Config) { c.InProcess, c.PutTimeout = server.InProcess(), 2*time.Second })
		senders := sendOn(t, b)
		waitFor(t, "some to be accepted", func() bool { return senders.count() > 200 })
		written := senders.soFar()
		// An embedded stream acknowledges before it writes, a few milliseconds.
		waitFor(t, "these to be written", func() bool { return senders.count() > len(written)+100 })

		disk.Fill(t)
		began := time.Now()
		waitFor(t, "the store to be known as failed", func() bool { return b.Writable(t.Context()) != nil })
		if took := time.Since(began); took > noticeTimeout {
			t.Errorf("noticed after %s", took)
		}
		began = time.Now()
		_, err = b.Put(t.Context(), order(t, "while-full", nil))
		if code, _ := payment.CodeOf(err); code != payment.CodeBufferFull || time.Since(began) > resendAfter/2 {
			t.Errorf("a request meanwhile gave %v after %s", err, time.Since(began))
		}
		if server.HasRoom() {
			t.Error("a full disk is said to have room")
		}

		claimed := claimAll(t, b)
		waitFor(t, "what was written to be claimed meanwhile", func() bool { return claimed.missing(written) == 0 })

		disk.Free(t)
		if !server.HasRoom() {
			t.Error("an empty disk is said to be full")
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatalf("restart: %v", err)
		}
		waitFor(t, "the store to work again", func() bool { return b.Writable(t.Context()) == nil })
		n := senders.count()
		waitFor(t, "more to be accepted", func() bool { return senders.count() > n+200 })
		accepted := senders.stop()
		waitFor(t, "all that was accepted to be claimed", func() bool { return claimed.missing(accepted) == 0 })
	})
}

func TestPut_aFullDiskUnderTheJournalShowsAndPasses(t *testing.T) {
	localtest.OnSmallDisk(t, 8<<20, func(t *testing.T, disk *localtest.SmallDisk) {
		b := open(t, func(c *Config) { c.JournalDir, c.JournalSegmentBytes = filepath.Join(disk.Dir(), "journal"), 1<<20 })
		put(t, b, order(t, "before", nil))
		disk.Fill(t)
		_, refused := flood(t, b, "acme", 20_000) // until the segment that is there is full
		if refused == nil || refused.Code != payment.CodeBufferFull {
			t.Errorf("a full disk gave %v, want %s", refused, payment.CodeBufferFull)
		}
		if p := b.Pressure(); b.Writable(t.Context()) == nil || !p.JournalRefusing || p.Refused[RefusedNoSpace] == 0 {
			t.Errorf("it does not show: %+v", p)
		}
		disk.Free(t)
		waitFor(t, "readiness, without a request", func() bool { return b.Writable(t.Context()) == nil })
		put(t, b, order(t, "after", nil))
	})
}

// traffic is a load that goes on until it is stopped.
type traffic struct {
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	mu       sync.Mutex
	accepted []payment.ID
}

func sendOn(t *testing.T, b *Buffer) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &traffic{cancel: cancel}
	for lane := range 8 {
		s.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				receipt, err := b.Put(ctx, order(t, fmt.Sprintf("A-%d-%d", lane, n), nil))
				if err == nil {
					s.mu.Lock()
					s.accepted = append(s.accepted, receipt.First.ID)
					s.mu.Unlock()
				}
				pause(ctx, 5*time.Millisecond)
			}
		})
	}
	return s
}

func (s *traffic) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.accepted)
}

func (s *traffic) soFar() []payment.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.accepted)
}

// stop ends the load and gives what was accepted.
func (s *traffic) stop() []payment.ID {
	s.cancel()
	s.wg.Wait()
	return s.accepted
}

// claims is a ledger: an id that comes again is one claim.
type claims struct {
	mu  sync.Mutex
	ids map[payment.ID]bool
}

func (c *claims) missing(of []payment.ID) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range of {
		if !c.ids[id] {
			n++
		}
	}
	return n
}

// claimAll claims whatever comes until the test ends.
func claimAll(t *testing.T, b *Buffer) *claims {
	t.Helper()
	c := &claims{ids: map[payment.ID]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			deliveries, err := b.Shards()[0].Fetch(ctx, 100)
			if err != nil {
				pause(ctx, 100*time.Millisecond)
			}
			for _, d := range deliveries {
				c.mu.Lock()
				c.ids[d.Request.ID] = true
				c.mu.Unlock()
				_ = d.Ack() // or it comes again
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c
}
