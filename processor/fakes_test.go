package processor

import (
	"context"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/processortest"
)

// queueSource is a buffer that hands out each delivery until it is acknowledged.
type queueSource struct {
	mu      sync.Mutex
	waiting []payment.Delivery
	acked   int
	fetched int
}

func (s *queueSource) add(deliveries ...payment.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range deliveries {
		d.Ack = func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.acked++
			return nil
		}
		s.waiting = append(s.waiting, d)
	}
}

func (s *queueSource) Fetch(ctx context.Context, limit int) ([]payment.Delivery, error) {
	if n := s.left(); n == 0 {
		pause(ctx, time.Second)
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(limit, len(s.waiting))
	taken := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	s.fetched += n
	return taken, nil
}

func (s *queueSource) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

func (s *queueSource) ackedCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked
}

// memoryLedger is the model of the ledger with faults that tests ask for.
type memoryLedger struct {
	*processortest.Ledger

	mu      sync.Mutex
	letters []payment.DeadLetter
	fail    error           // every call fails with it
	invalid map[string]bool // order numbers that can never be stored
	lost    bool            // the next claim commits, but its answer is lost
	// histories are the states that payments came to.
	histories map[payment.ID][]payment.State
	batches   map[payment.BatchID]payment.Batch
	noBatch   payment.BatchID // can never be stored
}

func newMemoryLedger() *memoryLedger {
	return &memoryLedger{
		Ledger:  processortest.NewLedger(),
		batches: map[payment.BatchID]payment.Batch{}, invalid: map[string]bool{}, histories: map[payment.ID][]payment.State{},
	}
}

func (l *memoryLedger) Claim(
	ctx context.Context, requests, conflicts []payment.Request, lease time.Duration,
) (payment.Claimed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return payment.Claimed{}, l.fail
	}
	for _, r := range requests {
		if l.invalid[r.OrderNumber] {
			return payment.Claimed{}, &payment.Error{Code: payment.CodeInvalid, Detail: "cannot be stored"}
		}
	}
	claimed, err := l.Ledger.Claim(ctx, requests, conflicts, lease)
	l.note(claimed.Works)
	if l.lost {
		l.lost = false
		return payment.Claimed{}, &payment.Error{Code: payment.CodeUnavailable, Detail: "commit answer lost"}
	}
	return claimed, err
}

func (l *memoryLedger) Lease(ctx context.Context, limit int, lease time.Duration) ([]payment.Work, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	works, err := l.Ledger.Lease(ctx, limit, lease)
	l.note(works)
	return works, err
}

func (l *memoryLedger) Settle(ctx context.Context, outcomes []payment.Outcome) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return 0, l.fail
	}
	settled, err := l.Ledger.Settle(ctx, outcomes)
	for _, o := range outcomes {
		if p, known := l.Payment(o.ID); known {
			l.histories[o.ID] = append(l.histories[o.ID], p.State)
		}
	}
	return settled, err
}

func (l *memoryLedger) note(works []payment.Work) {
	for _, work := range works {
		l.histories[work.ID] = append(l.histories[work.ID], work.State)
	}
}

func (l *memoryLedger) KeepBatches(_ context.Context, batches []payment.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	for _, batch := range batches {
		if batch.ID == l.noBatch {
			return &payment.Error{Code: payment.CodeInvalid, Detail: "cannot be stored"}
		}
	}
	for _, batch := range batches {
		l.batches[batch.ID] = batch
	}
	return nil
}

func (l *memoryLedger) Bury(_ context.Context, letters []payment.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters = append(l.letters, letters...)
	return nil
}

func (l *memoryLedger) setFail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *memoryLedger) count(state payment.State) int {
	n := 0
	for _, p := range l.Payments() {
		if p.State == state {
			n++
		}
	}
	return n
}

// scriptedPayer charges unless charge says otherwise, and remembers its charges.
type scriptedPayer struct {
	mu      sync.Mutex
	charge  func(ctx context.Context, request payment.Request, send int) payment.Answer
	traits  payment.Traits
	sends   map[payment.ID]int
	charged map[payment.ID]int
	seen    map[payment.ID]time.Time // when it was charged first
	asked   int
	// hiddenFor is how long a look-up misses a charge.
	hiddenFor time.Duration
}

func newScriptedPayer() *scriptedPayer {
	return &scriptedPayer{
		traits: traits, sends: map[payment.ID]int{}, charged: map[payment.ID]int{}, seen: map[payment.ID]time.Time{},
	}
}

func (p *scriptedPayer) Traits() payment.Traits { return p.traits }

func (p *scriptedPayer) Charge(ctx context.Context, request payment.Request) payment.Answer {
	p.mu.Lock()
	p.sends[request.ID]++
	send := p.sends[request.ID]
	p.mu.Unlock()
	answer := payment.Answer{Verdict: payment.VerdictCharged}
	if p.charge != nil {
		answer = p.charge(ctx, request, send)
	}
	if answer.Verdict == payment.VerdictCharged && answer.PayerReference == "" { // not a replay
		p.book(request.ID)
	}
	return answer
}

func (p *scriptedPayer) book(id payment.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.charged[id]++
	if _, again := p.seen[id]; !again {
		p.seen[id] = time.Now()
	}
}

func (p *scriptedPayer) Lookup(_ context.Context, id payment.ID, _ payment.Money) payment.Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.charged[id] > 0 && time.Since(p.seen[id]) >= p.hiddenFor {
		return payment.Answer{Verdict: payment.VerdictCharged}
	}
	return payment.Answer{Verdict: payment.VerdictNotFound}
}

func (p *scriptedPayer) totals() (sends, charges, doubles int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.sends {
		sends += n
	}
	for _, n := range p.charged {
		charges += n
		if n > 1 {
			doubles++
		}
	}
	return sends, charges, doubles
}
