package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// fake is a courier whose endpoints do what a test says. It counts, and watches order.
type fake struct {
	mu   sync.Mutex
	do   map[string]func(ctx context.Context, p parcel) answer // by URL
	got  map[string][]parcel
	now  map[string]int // under way
	most map[string]int
}

func newFake() *fake {
	return &fake{do: map[string]func(context.Context, parcel) answer{}, got: map[string][]parcel{}, now: map[string]int{}, most: map[string]int{}}
}

func (f *fake) deliver(ctx context.Context, p parcel) answer {
	f.mu.Lock()
	do := f.do[p.url]
	f.got[p.url] = append(f.got[p.url], p)
	f.now[p.url]++
	f.most[p.url] = max(f.most[p.url], f.now[p.url])
	f.mu.Unlock()
	a := answer{status: 200}
	if do != nil {
		a = do(ctx, p)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now[p.url]--
	return a
}

// on says what an endpoint does from now on.
func (f *fake) on(url string, do func(context.Context, parcel) answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.do[url] = do
}

func (f *fake) sent(url string) []parcel {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got[url])
}

// mostOf is how many requests were under way at once.
func (f *fake) mostOf(url string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most[url]
}

// after answers with a status after a time.
func after(d time.Duration, status int) func(context.Context, parcel) answer {
	return func(context.Context, parcel) answer { time.Sleep(d); return answer{status: status} }
}

// hang never answers.
func hang(context.Context, parcel) answer {
	time.Sleep(15 * time.Second)
	return answer{err: errSlow}
}

func until(t *testing.T, what string, limit time.Duration, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
		pause(t.Context(), max(10*time.Millisecond, limit/5000))
	}
}

func TestRun_deliversEachOnceAndRecordsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		m.tellMany(one, 1000)
		s, stop := run(t, m, f, Config{})
		until(t, "all are delivered", time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) == 1000 })
		stop()
		if n := len(f.sent("https://one")); n != 1000 {
			t.Errorf("%d requests for 1000 deliveries", n)
		}
		if n := len(m.attemptsAt(one)); n != 1000 {
			t.Errorf("%d attempts are on record", n)
		}
		if m.records > 500 {
			t.Errorf("%d writes: results are not written together", m.records)
		}
		if stats := s.Stats(); stats.Attempts[ResultDelivered] != 1000 || stats.InFlight+stats.Queued+stats.Results != 0 {
			t.Errorf("the counts are %+v", stats)
		}
		if m.endpoints[one].worker != "" {
			t.Error("the endpoint was not given back at the stop")
		}
	})
}

func TestRun_eventsOfOnePaymentComeInOrderAndNeverTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		failed := map[string]bool{}
		f.do["https://one"] = func(_ context.Context, p parcel) answer {
			time.Sleep(20 * time.Millisecond)
			f.mu.Lock()
			defer f.mu.Unlock()
			if len(p.id)%2 == 0 || failed[p.id] {
				return answer{status: 200}
			}
			failed[p.id] = true
			return answer{status: 400}
		}
		for range 4 {
			for i := range 20 {
				m.tell(one, payment.ID(fmt.Sprintf("pay_%d", i)))
			}
		}
		_, stop := run(t, m, f, Config{})
		defer stop()
		until(t, "all are delivered", time.Hour, func() bool { return m.count(one, payment.DeliveryDelivered) == 80 })
		last := map[payment.ID]int64{}
		for _, a := range m.attemptsAt(one) {
			id := m.row(one, a.Sequence).Event.PaymentID
			if a.Sequence < last[id] {
				t.Errorf("%s: event %d was sent after %d", id, a.Sequence, last[id])
			}
			last[id] = a.Sequence
		}
	})
}

func TestRun_followsTheScheduleToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		f.on("https://one", after(0, 404))
		m.tell(one, "pay_1")
		s, stop := run(t, m, f, Config{HoldEvery: 20 * time.Second, Lease: 10 * time.Minute})
		defer stop()
		until(t, "it is dead", 8*24*time.Hour, func() bool { return m.count(one, payment.DeliveryDead) == 1 })
		attempts := m.attemptsAt(one)
		if len(attempts) != len(DefaultSchedule()) {
			t.Fatalf("%d tries, want %d", len(attempts), len(DefaultSchedule()))
		}
		for i := 1; i < len(attempts); i++ {
			waited, planned := attempts[i].StartedAt.Sub(attempts[i-1].StartedAt), DefaultSchedule()[i]
			// Due deliveries are looked for that often.
			if waited < planned*8/10 || waited > planned*12/10+21*time.Second {
				t.Errorf("try %d came after %s, planned are %s", i+1, waited, planned)
			}
		}
		if d := m.row(one, 1); d.Reason != payment.DeadExhausted || attempts[0].Error != "answered 404" {
			t.Errorf("it died of %q, with %q", d.Reason, attempts[0].Error)
		}
		if s.Stats().Dead != 1 {
			t.Errorf("the counts are %+v", s.Stats())
		}
	})
}

func TestRun_goneDisablesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		f.on("https://one", after(time.Millisecond, 410))
		m.tellMany(one, 100)
		_, stop := run(t, m, f, Config{})
		defer stop()
		until(t, "it is disabled", time.Minute, func() bool { return m.count(one, payment.DeliveryDead) == 100 })
		if n := len(f.sent("https://one")); n > placesFirst {
			t.Errorf("it was sent %d requests", n)
		}
	})
}

func TestRun_anEndpointThatFailsForDaysIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		f.on("https://one", after(0, 500))
		m.tellMany(one, 3)
		_, stop := run(t, m, f, Config{DisableAfter: 2 * time.Hour})
		defer stop()
		until(t, "it is disabled", 5*time.Hour, func() bool { return m.count(one, payment.DeliveryDead) == 3 })
		first, last := m.attemptsAt(one)[0], time.Now()
		if e := m.shown(one); e.StatusReason != payment.DisabledFailing || last.Sub(first.StartedAt) < 2*time.Hour {
			t.Errorf("after %s its status is %s, %q", last.Sub(first.StartedAt), e.Status, e.StatusReason)
		}
	})
}

// An endpoint that asks for a pause gets it, and the pauses grow if it does not say how
// long.
func TestRun_throttledEndpointsArePaused(t *testing.T) {
	for name, test := range map[string]struct {
		answer answer
		least  []time.Duration
	}{
		"429":             {answer{status: 429}, []time.Duration{4 * time.Second, 8 * time.Second, 16 * time.Second}},
		"503 with a time": {answer{status: 503, retryAfter: time.Minute}, []time.Duration{time.Minute, time.Minute, time.Minute}},
		"502":             {answer{status: 502}, []time.Duration{4 * time.Second, 8 * time.Second, 16 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, f := newMemory(), newFake()
				one := m.endpoint("acme", "whe_1", "https://one")
				f.do["https://one"] = func(context.Context, parcel) answer { return test.answer }
				m.tell(one, "pay_1")
				_, stop := run(t, m, f, Config{Schedule: []time.Duration{0, 0, 0, 0, 0}})
				defer stop()
				until(t, "it was tried four times", time.Hour, func() bool { return len(m.attemptsAt(one)) == 4 })
				for i, attempts := 0, m.attemptsAt(one); i < 3; i++ {
					if waited := attempts[i+1].StartedAt.Sub(attempts[i].StartedAt); waited < test.least[i] {
						t.Errorf("pause %d was %s, want at least %s", i+1, waited, test.least[i])
					}
				}
			})
		})
	}
}

func TestRun_aDeadEndpointOnlyGetsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		f.on("https://one", hang)
		m.tellMany(one, 10_000)
		s, stop := run(t, m, f, Config{})
		defer stop()
		pause(t.Context(), 2*time.Hour)
		if n := len(f.sent("https://one")); n < 10 || n > 60 {
			t.Errorf("it was sent %d requests in two hours", n)
		}
		if most := f.mostOf("https://one"); most > placesFirst {
			t.Errorf("it held %d places", most)
		}
		stats := s.Stats()
		if stats.Open != 1 || stats.Queued > 1 {
			t.Errorf("the counts are %+v", stats)
		}
		f.on("https://one", after(time.Millisecond, 200))
		until(t, "it is back", 20*time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) > 9000 })
		if s.Stats().Open != 0 {
			t.Error("its circuit is open")
		}
	})
}

// healthyTime is how long 99 endpoints take for their deliveries, beside another.
func healthyTime(t *testing.T, hundredth func(context.Context, parcel) answer) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		for i := range 100 {
			url := fmt.Sprintf("https://%d", i)
			e := m.endpoint(fmt.Sprintf("tenant-%d", i), fmt.Sprintf("whe_%02d", i), url)
			f.on(url, after(10*time.Millisecond, 200))
			if i == 99 {
				f.on(url, hundredth)
			}
			m.tellMany(e, 150)
		}
		s, stop := run(t, m, f, Config{Concurrency: 64})
		defer stop()
		started := time.Now()
		until(t, "99 endpoints have all", time.Hour, func() bool { return s.Stats().Attempts[ResultDelivered] >= 99*150 })
		took = time.Since(started)
	})
	return took
}

func TestRun_oneHangingAmongAHundredCostsTheOthersNearlyNothing(t *testing.T) {
	hanging, alone := healthyTime(t, hang), healthyTime(t, after(0, 410))
	if hanging > alone*105/100 {
		t.Errorf("with one that hangs the others take %s, without %s", hanging, alone)
	}
}

func TestRun_aTenantWithAThousandEndpointsThatHangLeavesOthersPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		for i := range 1000 {
			url := fmt.Sprintf("https://bad%d", i)
			f.on(url, hang)
			m.tellMany(m.endpoint("bad", fmt.Sprintf("whe_a%04d", i), url), 20)
		}
		good := m.endpoint("good", "whe_good", "https://good")
		f.on("https://good", after(5*time.Millisecond, 200))
		_, stop := run(t, m, f, Config{})
		defer stop()
		pause(t.Context(), 20*time.Second) // they all are at it
		m.tellMany(good, 100)
		started := time.Now()
		until(t, "the other tenant has its own", time.Minute, func() bool { return m.count(good, payment.DeliveryDelivered) == 100 })
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("that took %s", took)
		}
	})
}

func TestRun_aTenantWithManyDeliveriesDoesNotDelayOneWithOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		for i := range 50 {
			url := fmt.Sprintf("https://big%d", i)
			f.on(url, after(50*time.Millisecond, 200))
			m.tellMany(m.endpoint("big", fmt.Sprintf("whe_b%04d", i), url), 500)
		}
		_, stop := run(t, m, f, Config{})
		defer stop()
		pause(t.Context(), 2*time.Second)
		small := m.endpoint("small", "whe_small", "https://small")
		f.on("https://small", after(50*time.Millisecond, 200))
		m.tell(small, "pay_1")
		started := time.Now()
		until(t, "the small one has its own", time.Minute, func() bool { return m.count(small, payment.DeliveryDelivered) == 1 })
		if took := time.Since(started); took > 2*time.Second { // a second until it is found, at most
			t.Errorf("that took %s", took)
		}
	})
}

func TestRun_aWakeIsFasterThanThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		m.tell(one, "pay_1")
		s, stop := run(t, m, f, Config{})
		defer stop()
		until(t, "the first is delivered", time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) == 1 })
		pause(t.Context(), 100*time.Millisecond)
		m.tell(one, "pay_2")
		s.Wake()
		pause(t.Context(), 50*time.Millisecond)
		if m.count(one, payment.DeliveryDelivered) != 2 {
			t.Error("it was not delivered after the wake")
		}
	})
}

func TestRun_idleEndpointsAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		m.tell(one, "pay_1")
		s, stop := run(t, m, f, Config{})
		defer stop()
		until(t, "it is given back", time.Minute, func() bool { return s.Stats().Held == 0 && m.count(one, payment.DeliveryDelivered) == 1 })
		m.tell(one, "pay_2")
		until(t, "it is taken again", 2*time.Second, func() bool { return m.count(one, payment.DeliveryDelivered) == 2 })
	})
}

// Dead endpoints have nothing due for hours and are not disabled for days: as many as a
// worker can hold must not keep it from all others.
func TestRun_endpointsThatAreDownMakeRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		down := m.endpoint("acme", "whe_1", "https://down")
		f.on("https://down", after(time.Millisecond, 500))
		m.tellMany(down, failuresMax)
		s, stop := run(t, m, f, Config{EndpointsMax: 1})
		defer stop()
		until(t, "it is taken for down", time.Minute, func() bool { return s.Stats().Open == 1 })
		up := m.endpoint("bolt", "whe_2", "https://up")
		m.tell(up, "pay_1")
		until(t, "the other is sent to", 10*time.Minute, func() bool { return m.count(up, payment.DeliveryDelivered) == 1 })
	})
}

// A worker that is cut off from the outbox stops before its lease is over; another
// sends again what the first could not record, with the same id.
func TestRun_whatADeadWorkerLeftAnotherSendsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		f.on("https://one", after(100*time.Millisecond, 200))
		m.tellMany(one, 2000)
		first, stopFirst := run(t, m, f, Config{ResultsMax: 100_000, StopTimeout: time.Second})
		until(t, "some are delivered", time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) > 100 })
		m.mu.Lock()
		m.down = func(worker string) bool { return worker == first.worker }
		leasedUntil := m.workers[first.worker]
		m.mu.Unlock()
		second, stopSecond := run(t, m, f, Config{})
		until(t, "the lease is over", time.Minute, func() bool { return !time.Now().Before(leasedUntil) })
		if n := first.Stats().InFlight; n != 0 {
			t.Errorf("it has %d requests under way at the end of its lease", n)
		}
		if second.Stats().Held != 0 && time.Now().Before(leasedUntil) {
			t.Error("two hold the endpoint")
		}
		until(t, "all are delivered", time.Hour, func() bool { return m.count(one, payment.DeliveryDelivered) == 2000 })
		stopFirst()
		stopSecond()
		twice, seen := 0, map[string]int{}
		for _, p := range f.sent("https://one") {
			if seen[p.id]++; seen[p.id] == 2 {
				twice++
			}
		}
		if len(seen) != 2000 || twice == 0 {
			t.Errorf("%d ids were sent, %d of them again", len(seen), twice)
		}
	})
}

func TestRun_withoutTheOutboxSendingPausesAndResultsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		f.on("https://one", after(time.Millisecond, 200))
		m.tellMany(one, 5000)
		s, stop := run(t, m, f, Config{ResultsMax: 50})
		defer stop()
		until(t, "some are delivered", time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) > 100 })
		m.mu.Lock()
		m.down = func(string) bool { return true }
		m.mu.Unlock()
		pause(t.Context(), 5*time.Second) // shorter than the lease
		stats := s.Stats()
		if stats.Results == 0 || stats.Results+stats.InFlight > 50 {
			t.Errorf("the counts are %+v", stats)
		}
		if stats.OutboxErrors == 0 {
			t.Error("no error was counted")
		}
		m.mu.Lock()
		m.down = nil
		m.mu.Unlock()
		until(t, "all are delivered", time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) == 5000 })
		if n := len(f.sent("https://one")); n != 5000 {
			t.Errorf("%d requests: what was sent before was sent again", n)
		}
	})
}

func TestRun_aStopFinishesWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		f.on("https://one", after(3*time.Second, 200))
		m.tellMany(one, 100)
		s, stop := run(t, m, f, Config{})
		until(t, "some are under way", time.Minute, func() bool { return s.Stats().InFlight == placesFirst })
		stop()
		if n := m.count(one, payment.DeliveryDelivered); n != placesFirst {
			t.Errorf("%d were recorded, %d were under way", n, placesFirst)
		}
		if m.endpoints[one].worker != "" || len(m.workers) != 0 {
			t.Error("the lease was not given back")
		}
	})
}

func TestRun_aResultThatCanNeverBeStoredHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		m.refused = func(r payment.DeliveryResult) bool { return r.Attempt.Sequence == 7 }
		m.tellMany(one, 20)
		_, stop := run(t, m, f, Config{})
		defer stop()
		until(t, "the others are recorded", time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) == 19 })
		pause(t.Context(), time.Minute)
		if n := len(f.sent("https://one")); n != 20 {
			t.Errorf("%d requests: it is sent again and again", n)
		}
	})
}

func TestRun_secretsThatCannotBeOpenedAreNotTheEndpointsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		m.change(one, func(e *payment.Endpoint) { e.Secret.KeyID = "lost" })
		m.tell(one, "pay_1")
		s, err := New(m, m, &keyring{lacks: "lost"}, Config{})
		if err != nil {
			t.Fatal(err)
		}
		s.courier = f
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		pause(t.Context(), 10*time.Second)
		if s.Stats().Unopened != 1 || len(m.attemptsAt(one)) != 0 {
			t.Errorf("the counts are %+v, with %d attempts", s.Stats(), len(m.attemptsAt(one)))
		}
		m.change(one, func(e *payment.Endpoint) { e.Secret.KeyID = "k1" })
		until(t, "it is delivered with another secret", 3*time.Second, func() bool { return m.count(one, payment.DeliveryDelivered) == 1 })
		if s.Stats().Unopened != 0 {
			t.Errorf("the counts are %+v", s.Stats())
		}
		cancel()
		<-ended
	})
}

func TestRun_secretsAreOpenedOncePerVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		m.tellMany(one, 500)
		s, stop := run(t, m, f, Config{})
		defer stop()
		until(t, "all are delivered", time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) == 500 })
		if n := s.opener.(*keyring).opened; n != 1 {
			t.Errorf("it was opened %d times", n)
		}
	})
}

func TestRun_clearsAwayWhatEndedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMemory(), newFake()
		one := m.endpoint("acme", "whe_1", "https://one")
		m.tell(one, "pay_1")
		_, stop := run(t, m, f, Config{Keep: time.Hour})
		defer stop()
		pause(t.Context(), 50*time.Minute)
		if m.count(one, payment.DeliveryDelivered) != 1 {
			t.Error("it is gone before its time")
		}
		until(t, "it is gone", 20*time.Minute, func() bool { return m.count(one, payment.DeliveryDelivered) == 0 })
	})
}

func TestNew_refusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]Config{
		"a schedule that begins late": {Schedule: []time.Duration{time.Second}},
		"a pause below nothing":       {Schedule: []time.Duration{0, -time.Second}},
		"too many tries":              {Schedule: make([]time.Duration, scheduleLenMax+1)},
		"a lease that runs out":       {Lease: time.Second},
		"less than no places":         {Concurrency: -1},
		"an invalid network":          {Targets: Targets{Allow: make([]netip.Prefix, 1)}},
	} {
		if _, err := New(newMemory(), newMemory(), &keyring{}, cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := New(newMemory(), newMemory(), &keyring{}, Config{}); err != nil {
		t.Error(err)
	}
}

func TestOpen_refusesShortSecrets(t *testing.T) {
	for _, secret := range []string{"", "short", "twenty-three characters"} {
		e := payment.Endpoint{ID: "whe_1", Secret: seal(secret)}
		if _, err := newSigner(&keyring{}, e, time.Now()); !errors.Is(err, errSecretShort) {
			t.Errorf("%q: %v", secret, err)
		}
	}
}
