package await

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// shelf is Postgres in memory, in which each statement takes some time.
type shelf struct {
	takes time.Duration
	down  bool

	mu      sync.Mutex
	sizes   []int // of the statements
	at, max int   // under way
}

// PaymentsOf has a payment for each id but "none"; all are acme's.
func (s *shelf) PaymentsOf(ctx context.Context, tenants []payment.TenantID, ids []payment.ID) ([]*payment.Payment, error) {
	s.mu.Lock()
	s.sizes = append(s.sizes, len(ids))
	s.at++
	s.max = max(s.max, s.at)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.at--; s.mu.Unlock() }()
	rest(ctx, s.takes)
	if s.down || ctx.Err() != nil {
		return nil, errDown
	}
	found := make([]*payment.Payment, len(ids))
	for i, id := range ids {
		if id != "none" && tenants[i] == "acme" {
			found[i] = &payment.Payment{Request: payment.Request{ID: id, Tenant: "acme"}, Version: 1}
		}
	}
	return found, nil
}

func TestTogether_whoComesAtOnceSharesStatements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const askers = 10_000
		s := &shelf{takes: 10 * time.Millisecond}
		together := NewTogether(s)
		var all sync.WaitGroup
		for i := range askers {
			all.Go(func() {
				id := payment.ID(fmt.Sprint("pay_", i))
				if p, err := together.Payment(t.Context(), "acme", id); err != nil || p.ID != id {
					t.Errorf("%s: got %s, %v", id, p.ID, err)
				}
			})
		}
		all.Wait()
		asked := 0
		for _, size := range s.sizes {
			asked += size
		}
		if asked != askers || len(s.sizes) > 2*askers/batchMax || s.max > statementsMax {
			t.Errorf("%d were asked for in %d statements, %d at once", asked, len(s.sizes), s.max)
		}
		if together.busy != 0 || len(together.asked) != 0 {
			t.Errorf("%d statements are under way for %d", together.busy, len(together.asked))
		}
	})
}

func TestTogether_whatIsNotTheTenantsIsNotFound(t *testing.T) {
	together := NewTogether(&shelf{})
	var said []string
	for _, ask := range []struct {
		tenant payment.TenantID
		id     payment.ID
	}{{"acme", "none"}, {"umbrella", "pay_1"}} {
		_, err := together.Payment(t.Context(), ask.tenant, ask.id)
		if code, _ := payment.CodeOf(err); code != payment.CodeNotFound {
			t.Fatalf("got %v", err)
		}
		said = append(said, err.Error())
	}
	if said[0] != said[1] {
		t.Errorf("they are told apart: %q", said)
	}
}

func TestTogether_anErrorIsForAllAndPasses(t *testing.T) {
	s := &shelf{down: true}
	together := NewTogether(s)
	if _, err := together.Payment(t.Context(), "acme", "pay_1"); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	s.down = false
	if _, err := together.Payment(t.Context(), "acme", "pay_1"); err != nil {
		t.Error(err)
	}
}

// Whoever leaves, with or without the turn, keeps nobody from being answered.
func TestTogether_whoLeavesHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		together := NewTogether(&shelf{takes: 10 * time.Millisecond})
		var all sync.WaitGroup
		for i := range 4000 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%25)*time.Millisecond)
			stays := i%5 == 0
			if stays {
				ctx = t.Context()
			}
			all.Go(func() {
				defer cancel()
				_, err := together.Payment(ctx, "acme", "pay_1")
				if stays && err != nil || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if together.busy != 0 || len(together.asked) != 0 {
			t.Errorf("%d statements are under way for %d", together.busy, len(together.asked))
		}
	})
}
