package buffer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

const smallDiskBytes = 48 << 20

// A full disk makes nats-server fall silent for good. The buffer must notice,
// refuse at once, and go on after the server was started again.
func TestPut_aFullDiskIsRefusedAtOnceAndLosesNothing(t *testing.T) {
	localtest.OnSmallDisk(t, smallDiskBytes, func(t *testing.T, disk *localtest.SmallDisk) {
		server, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: disk.Dir() + "/nats"})
		if err != nil {
			t.Fatalf("nats: %v", err)
		}
		t.Cleanup(server.Stop)
		rows := newRowSet()
		b := auditing(t, server, rows)
		claimed := claimAll(t, b)
		senders := sendOn(t, b)
		waitFor(t, "some to be accepted", func() bool { return senders.count() > 200 })

		disk.Fill(t)
		began := time.Now()
		waitFor(t, "the store to be known as failed", func() bool { return b.Writable(t.Context()) != nil })
		t.Logf("noticed after %s", time.Since(began))
		before := time.Now()
		_, err = b.Put(t.Context(), order(t, "while-full", nil))
		code, _ := payment.CodeOf(err)
		if took := time.Since(before); code != payment.CodeBufferFull || took > 500*time.Millisecond {
			t.Errorf("a request meanwhile gave %v after %s", err, took)
		}

		disk.Free(t)
		if server.HasRoom() != true {
			t.Error("there is no room")
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatalf("restart: %v", err)
		}
		waitFor(t, "the store to work again", func() bool { return b.Writable(t.Context()) == nil })
		t.Logf("works again after %s", time.Since(began))
		n := senders.count()
		waitFor(t, "more to be accepted", func() bool { return senders.count() > n+200 })
		accepted := senders.stop()
		waitFor(t, "all to be claimed", func() bool { return claimed.has(accepted) })
		_ = fmt.Sprint(len(accepted))
	})
}

type sending struct {
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	mu       sync.Mutex
	accepted []payment.ID
	errors   map[payment.Code]int
}

func sendOn(t *testing.T, b *Buffer) *sending {
	ctx, cancel := context.WithCancel(t.Context())
	s := &sending{cancel: cancel, errors: map[payment.Code]int{}}
	for lane := range 8 {
		s.wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				receipt, err := b.Put(ctx, order(t, fmt.Sprintf("A-%d-%d", lane, n), nil))
				s.mu.Lock()
				if err == nil {
					s.accepted = append(s.accepted, receipt.First.ID)
				} else {
					code, _ := payment.CodeOf(err)
					s.errors[code]++
				}
				s.mu.Unlock()
				pause(ctx, 5*time.Millisecond)
			}
		})
	}
	return s
}

func (s *sending) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.accepted)
}

func (s *sending) stop() []payment.ID {
	s.cancel()
	s.wg.Wait()
	return s.accepted
}

type claims struct {
	mu  sync.Mutex
	ids map[payment.ID]int
}

func (c *claims) has(ids []payment.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.ids[id] == 0 {
			return false
		}
	}
	return true
}

func claimAll(t *testing.T, b *Buffer) *claims {
	c := &claims{ids: map[payment.ID]int{}}
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
				c.ids[d.Request.ID]++
				c.mu.Unlock()
				_ = d.Ack()
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c
}
