package buffer

import (
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// The stream stands still for longer than it takes to send again, and two nodes
// have the same order, accepted in the same millisecond, under way.
func TestPut_ofTwoNodesThatSentAgainOneIsFirst(t *testing.T) {
	servers := localtest.NewServers(t, 1)
	localtest.NewStreams(t, servers.URLs()...).AwaitReady(1)
	var nodes []*Buffer
	for range 2 {
		b, err := Open(t.Context(), Config{URL: servers.URLs()[0], JournalDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		nodes = append(nodes, b)
	}
	request := order(t, "A-1", nil)
	request.AcceptedAt = time.Now().UTC().Truncate(time.Millisecond)
	servers.Pause(0)
	receipts := make([]payment.Receipt, len(nodes))
	var putting sync.WaitGroup
	for i, node := range nodes {
		putting.Go(func() {
			var err error
			if receipts[i], err = node.Put(t.Context(), request); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, "both to have sent again", func() bool {
		for _, node := range nodes {
			if !node.pub.inDoubt() {
				return false
			}
		}
		return true
	})
	servers.Resume(0)
	putting.Wait()
	if receipts[0].Duplicate == receipts[1].Duplicate {
		t.Errorf("both were told duplicate=%v", receipts[0].Duplicate)
	}
}

// inDoubt tells whether something is sent for the second time.
func (p *publisher) inDoubt() bool {
	for slot := range p.slots {
		if s := p.slots[slot].Load(); s != nil {
			s.mu.Lock()
			doubt := s.doubt
			s.mu.Unlock()
			if doubt != nil {
				return true
			}
		}
	}
	return false
}
