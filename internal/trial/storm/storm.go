// Package storm sends payment requests as a shop in trouble does: many at once,
// through every door of an installation, the same order again and again, some
// with another body, some with an idempotency key. It keeps what each request was
// answered and judges whether the answers agree. In tales its customers try declined
// orders again, call them off and have them paid later.
//
// It promises that whatever it begins ends with an answer that settles the
// request, or is an error. It knows nothing of Paybuf but the API, and what the
// payer's own ledger says. It is for tests only.
package storm

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	sendersDefault = 16
	// nearOrders is among how many of the latest orders half of the repetitions
	// choose, so that they meet the first while it is under way.
	nearOrders = 4
	// tryTimeout limits one request, settleTimeout all tries of one.
	tryTimeout    = 20 * time.Second
	settleTimeout = 3 * time.Minute
	againAfter    = 20 * time.Millisecond
	minorMin      = 100
	// hastyMax is when a sender who does not wait for the answer has left.
	hastyMax = 3 * time.Millisecond
	// otherBody is what the other body of an order adds to its amount.
	otherBody = 1_000_000
)

// Config has a working zero value but for Doors and Key.
type Config struct {
	Doors   []string // URLs of the processes that accept; requests go to them in turn
	Key     string   // API key
	Senders int      // requests at once; 16 if 0
	Seed    uint64   // of all that is chance
	// Outages tells that processes and servers are taken down meanwhile. What is
	// then answered 503, or not at all, is sent again to the next door. The answer
	// that an order was new may have been lost then, or given twice: to requests of
	// one millisecond whose acknowledgements were both lost.
	Outages bool
	// Forgets tells that the dedup window is shorter than the storm. A repetition may
	// then be told that it is new, with a time of its own; there must be no Others.
	Forgets bool
}

// Wave is what is sent at a time.
type Wave struct {
	Requests  int // until ctx ends if 0
	PerSecond int // requests begun; as many as there are answers for if 0
	// Repeats is the share of the requests that repeat an order, Others the share of
	// those that do it with another body, and Keyed the share of all requests that
	// carry an idempotency key. An order and a body have one key.
	Repeats, Others, Keyed float64
	// Hasty is the share of the requests whose sender leaves within milliseconds and
	// sends again; it takes Outages.
	Hasty float64
}

// Storm is the client. Its methods may be used while Send runs.
type Storm struct {
	cfg  Config
	http *http.Client

	mu      sync.Mutex
	random  *rand.Rand
	sent    []int // requests by order
	answers map[int][]answer
	tries   map[string]int // by what was not the last answer of a request
	faults  []error
	past    history
	told    told
}

// request is one to be sent until it is settled.
type request struct {
	order int
	other bool // with the other body
	keyed bool
	hasty time.Duration // after which its sender leaves; 0 for never
	door  int
	link  *link // of a tale, which has no order and no other body
}

// New makes a storm that has sent nothing yet.
func New(cfg Config) *Storm {
	if cfg.Senders == 0 {
		cfg.Senders = sendersDefault
	}
	return &Storm{
		cfg:     cfg,
		http:    &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: cfg.Senders}, Timeout: tryTimeout},
		random:  rand.New(rand.NewPCG(cfg.Seed, 0)), //nolint:gosec // the same storm again for the same seed
		answers: map[int][]answer{},
		tries:   map[string]int{},
		past:    history{last: map[payment.ID]shown{}, asking: map[payment.ID]bool{}},
		told:    told{amounts: map[payment.ID]int64{}, notBefore: map[payment.ID]time.Time{}, pleas: map[payment.ID]plea{}},
	}
}

// Close gives the connections back.
func (s *Storm) Close() { s.http.CloseIdleConnections() }

// Send sends a wave and returns when each of its requests is settled. When ctx
// ends, no further ones are begun.
func (s *Storm) Send(ctx context.Context, wave Wave) {
	var senders sync.WaitGroup
	var begun int
	var pace <-chan time.Time
	if wave.PerSecond > 0 {
		ticker := time.NewTicker(time.Second / time.Duration(wave.PerSecond))
		defer ticker.Stop()
		pace = ticker.C
	}
	next := func() (request, bool) {
		if pace != nil {
			select {
			case <-pace:
			case <-ctx.Done():
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if ctx.Err() != nil || (wave.Requests > 0 && begun == wave.Requests) {
			return request{}, false
		}
		begun++
		return s.next(wave), true
	}
	for range s.cfg.Senders {
		senders.Go(func() {
			for r, more := next(); more; r, more = next() {
				s.settle(context.WithoutCancel(ctx), r)
			}
		})
	}
	senders.Wait()
}

// next chooses a request. The caller holds mu.
func (s *Storm) next(wave Wave) request {
	r := request{order: len(s.sent), keyed: s.random.Float64() < wave.Keyed}
	if wave.Hasty > 0 && s.random.Float64() < wave.Hasty {
		r.hasty = 1 + time.Duration(s.random.Int64N(int64(hastyMax)))
	}
	if len(s.sent) > 0 && s.random.Float64() < wave.Repeats {
		from := 0
		if s.random.IntN(2) == 0 {
			from = max(0, len(s.sent)-nearOrders)
		}
		r.order = from + s.random.IntN(len(s.sent)-from)
		r.other = s.random.Float64() < wave.Others
	} else {
		s.sent = append(s.sent, 0)
	}
	// One door after the other for each order, beginning anywhere.
	r.door = r.order + s.sent[r.order]
	s.sent[r.order]++
	return r
}

// settle sends a request of a wave, and keeps what it is answered.
func (s *Storm) settle(ctx context.Context, r request) {
	got, err := s.insist(ctx, r)
	if err != nil {
		s.fault(err)
		return
	}
	s.note(r, got)
}

// insist sends a request until it has an answer that stands.
func (s *Storm) insist(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		got, again, err := s.try(ctx, r)
		switch {
		case err != nil && (again == "" || ctx.Err() != nil):
			return answer{}, err
		case again == "":
			return got, nil
		}
		s.countTry(again)
		select {
		case <-time.After(againAfter):
		case <-ctx.Done():
		}
		r.door++
		r.hasty = 0
	}
}

func (s *Storm) note(r request, got answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[r.order] = append(s.answers[r.order], got)
	if got.accepted {
		s.past.accept(got.id, got.amount)
	}
}

func (s *Storm) fault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, err)
}

func (s *Storm) countTry(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[what]++
}

// Accepted counts the orders that were accepted so far.
func (s *Storm) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.due())
}

// Due gives the amount of each payment that was accepted so far.
func (s *Storm) Due() map[payment.ID]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due()
}

func (s *Storm) due() map[payment.ID]int64 {
	due := maps.Clone(s.told.amounts)
	for _, answers := range s.answers {
		for _, got := range answers {
			if got.accepted {
				due[got.id] = got.amount
			}
		}
	}
	return due
}

func (r request) number() string {
	if r.link != nil {
		return r.link.number
	}
	return "storm-" + strconv.Itoa(r.order)
}

func (r request) amount() int64 {
	if r.link != nil {
		return r.link.amount
	}
	minor := int64(minorMin + r.order)
	if r.other {
		minor += otherBody
	}
	return minor
}
