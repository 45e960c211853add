package await

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/paybuf/paybuf/payment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("connection refused")

// rows are Postgres in memory.
type rows struct {
	mu    sync.Mutex
	found map[payment.ID]payment.Payment
	asked [][]payment.ID
	at    []time.Time // of each question
	down  bool
	hang  bool // answers only when the context ends
}

func (r *rows) PaymentsByID(ctx context.Context, ids []payment.ID) ([]payment.Payment, error) {
	r.mu.Lock()
	hang := r.hang
	r.asked, r.at = append(r.asked, ids), append(r.at, time.Now())
	r.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return nil, errDown
	}
	var found []payment.Payment
	for _, id := range ids {
		if p, ok := r.found[id]; ok {
			found = append(found, p)
		}
	}
	return found, nil
}

func (r *rows) set(change func(*rows)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// put writes a payment that nobody is told of.
func (r *rows) put(id payment.ID, state payment.State, version int64) payment.Change {
	r.set(func(r *rows) {
		r.found[id] = payment.Payment{Request: payment.Request{ID: id, Tenant: "acme"}, State: state, Version: version}
	})
	return payment.Change{ID: id, Tenant: "acme", Version: version}
}

// questions takes what was asked since the last call.
func (r *rows) questions() [][]payment.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked, r.at = nil, nil
	return asked
}

// stage is a hub at work inside a bubble of time.
type stage struct {
	*Hub
	t    *testing.T
	rows *rows
}

// inTime runs a test in a bubble, in which time passes only while all wait.
func inTime(t *testing.T, cfg Config, test func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rows := &rows{found: map[payment.ID]payment.Payment{}}
		s := &stage{Hub: New(rows, cfg), t: t, rows: rows}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		defer running.Wait()
		defer stop()
		test(s)
	})
}

// waited is how a wait ended.
type waited struct {
	last     payment.Payment
	honoured bool
	took     time.Duration
}

func final(p payment.Payment) bool { return p.State.Final() }

// start begins to wait as the tenant acme.
func (s *stage) start(ctx context.Context, id payment.ID, wait time.Duration) <-chan waited {
	ended := make(chan waited, 1)
	began := time.Now()
	go func() {
		var last payment.Payment
		honoured := s.Wait(ctx, "acme", id, began.Add(wait), func(p payment.Payment) bool {
			last = p
			return p.State.Final()
		})
		ended <- waited{last, honoured, time.Since(began)}
	}()
	synctest.Wait()
	return ended
}

func (s *stage) wait(id payment.ID, wait time.Duration) <-chan waited {
	return s.start(s.t.Context(), id, wait)
}

// want judges a wait: its state ("" for none), and that it took from least to most.
func (s *stage) want(what string, got waited, state payment.State, least, most time.Duration) {
	s.t.Helper()
	if got.last.State != state || !got.honoured || got.took < least || got.took > most {
		s.t.Errorf("%s: got %q after %s (honoured: %v), want %q after %s to %s",
			what, got.last.State, got.took, got.honoured, state, least, most)
	}
}

func (s *stage) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// wantEmpty sees to it that nothing is kept of those who have left.
func (s *stage) wantEmpty() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watches) > 0 || len(s.due) > 0 || len(s.tenants) > 0 || s.round.first != nil || s.round.last != nil {
		s.t.Errorf("left are %d payments, %d waiters, %d tenants", len(s.watches), len(s.due), len(s.tenants))
	}
}

func TestWait_isWokenByAChange(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		ended := s.wait("pay_1", 30*time.Second)
		s.sleep(3 * time.Second)
		s.Changed([]payment.Change{s.rows.put("pay_1", payment.Paying, 1)})
		s.sleep(time.Second)
		s.Changed([]payment.Change{s.rows.put("pay_1", payment.Succeeded, 2)})
		s.want("a final payment", <-ended, payment.Succeeded, 4*time.Second, 4*time.Second+gatherTime)
		s.wantEmpty()
	})
}

// Between the first read of a handler and its place in the hub anything may happen.
func TestWait_seesWhatHappenedBeforeItBegan(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		s.rows.put("pay_1", payment.Failed, 2)
		s.want("a payment that was final before", <-s.wait("pay_1", 30*time.Second), payment.Failed, 0, gatherTime)
	})
}

func TestWait_endsInTimeWithWhatIsKnown(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		s.rows.put("pay_2", payment.Unknown, 3)
		none, some := s.wait("pay_1", 7*time.Second), s.wait("pay_2", 5*time.Second)
		s.want("a payment that does not move", <-some, payment.Unknown, 5*time.Second, 5*time.Second)
		s.want("a payment that nobody claims", <-none, "", 7*time.Second, 7*time.Second)
		s.wantEmpty()
	})
}

func TestWait_aLostAnnouncementCostsTenSeconds(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		ended := s.wait("pay_1", 50*time.Second)
		s.sleep(time.Second)
		s.rows.put("pay_1", payment.Succeeded, 2)
		s.want("a change that nobody announced", <-ended, payment.Succeeded, time.Second, 10*time.Second+2*lookStep)
	})
}

func TestWait_withoutAnnouncementsItLooksEachSecond(t *testing.T) {
	var away atomic.Bool
	inTime(t, Config{Connected: func() bool { return !away.Load() }}, func(s *stage) {
		ended := s.wait("pay_1", 50*time.Second)
		s.sleep(time.Second)
		away.Store(true)
		s.sleep(time.Second)
		s.rows.put("pay_1", payment.Succeeded, 2)
		s.want("a change while NATS is away", <-ended, payment.Succeeded, 2*time.Second, 3*time.Second+2*lookStep)
	})
}

func TestWait_whatWakesTogetherIsReadTogether(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		const waiters = 600
		ctx, leave := context.WithCancel(s.t.Context())
		var changes []payment.Change
		var all []<-chan waited
		for i := range waiters {
			id := payment.ID(fmt.Sprint("pay_", i))
			all = append(all, s.start(ctx, id, 30*time.Second))
			changes = append(changes, payment.Change{ID: id, Tenant: "acme", Version: 2})
		}
		s.sleep(time.Second)
		s.rows.questions()
		for _, c := range changes {
			s.rows.put(c.ID, payment.Succeeded, 2)
		}
		s.Changed(changes)
		for i, ended := range all {
			s.want(fmt.Sprint(i), <-ended, payment.Succeeded, 0, 2*time.Second)
		}
		sizes := map[int]int{}
		for _, ids := range s.rows.questions() {
			sizes[len(ids)]++
		}
		if want := map[int]int{256: 2, 88: 1}; !maps.Equal(sizes, want) {
			t.Errorf("statements by size: %v, want %v", sizes, want)
		}
		leave()
	})
}

// Ten thousand who came at once are looked at evenly, and each in time.
func TestLooks_areSpreadEvenly(t *testing.T) {
	const waiters = 10_000
	var away atomic.Bool
	inTime(t, Config{Connected: func() bool { return !away.Load() }}, func(s *stage) {
		for i := range waiters {
			if s.sit("acme", payment.ID(fmt.Sprint("pay_", i)), time.Now().Add(time.Hour), final, func() {}) == nil {
				t.Fatal("no place")
			}
		}
		s.sleep(time.Second)
		s.rows.questions()
		for range 3 {
			s.wantRound(waiters, 10*time.Second)
		}
		away.Store(true)
		s.sleep(2 * time.Second)
		s.rows.questions()
		for range 3 {
			s.wantRound(waiters, time.Second)
		}
	})
}

// wantRound sees to it that all are looked at once in a time, and in no second many
// more than their part.
func (s *stage) wantRound(waiters int, every time.Duration) {
	s.t.Helper()
	s.sleep(every + 2*lookStep)
	s.rows.mu.Lock()
	seen, steps := map[payment.ID]bool{}, map[time.Time]int{}
	for i, ids := range s.rows.asked {
		for _, id := range ids {
			seen[id] = true
		}
		steps[s.rows.at[i].Truncate(lookStep)] += len(ids)
	}
	s.rows.mu.Unlock()
	s.rows.questions()
	part := waiters * int(lookStep) / int(every)
	if most := slices.Max(slices.Collect(maps.Values(steps))); len(seen) != waiters || most > 2*part+batchMax {
		s.t.Errorf("in %s %d of %d were looked at, at most %d at once; a part is %d", every, len(seen), waiters, most, part)
	}
}

func TestWait_aDatabaseThatIsDownEndsNoWait(t *testing.T) {
	for name, trouble := range map[string]func(*rows, bool){
		"down":  func(r *rows, on bool) { r.down = on },
		"hangs": func(r *rows, on bool) { r.hang = on },
	} {
		inTime(t, Config{}, func(s *stage) {
			s.rows.put("pay_1", payment.Paying, 1)
			short, long := s.wait("pay_1", 5*time.Second), s.wait("pay_1", 50*time.Second)
			s.sleep(time.Second)
			s.rows.set(func(r *rows) { trouble(r, true) })
			s.Changed([]payment.Change{s.rows.put("pay_1", payment.Succeeded, 2)})
			s.want(name+": who does not wait for its end", <-short, payment.Paying, 5*time.Second, 5*time.Second)
			s.sleep(15 * time.Second)
			s.rows.set(func(r *rows) { trouble(r, false) })
			s.want(name+": who does", <-long, payment.Succeeded, 20*time.Second, 27*time.Second)
		})
	}
}

func TestWait_aTenantIsNeverGivenAnothers(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		s.rows.put("pay_1", payment.Succeeded, 2)
		began := time.Now()
		shown := false
		honoured := s.Wait(s.t.Context(), "other", "pay_1", began.Add(3*time.Second), func(payment.Payment) bool {
			shown = true
			return true
		})
		if shown || !honoured || time.Since(began) != 3*time.Second {
			t.Errorf("shown: %v, after %s", shown, time.Since(began))
		}
	})
}

func TestWait_aSuccessorWakesWithoutANewVersion(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		s.rows.put("pay_1", payment.Failed, 2)
		ended := make(chan payment.Payment, 1)
		go func() {
			var last payment.Payment
			s.Wait(s.t.Context(), "acme", "pay_1", time.Now().Add(8*time.Second), func(p payment.Payment) bool {
				last = p
				return p.RetriedBy != ""
			})
			ended <- last
		}()
		s.sleep(time.Second)
		s.rows.set(func(r *rows) {
			p := r.found["pay_1"]
			p.RetriedBy = "pay_2"
			r.found["pay_1"] = p
		})
		began := time.Now()
		s.Changed([]payment.Change{{ID: "pay_2", Tenant: "acme", Version: 1, RetryOf: "pay_1"}})
		if last := <-ended; last.RetriedBy != "pay_2" || time.Since(began) > gatherTime {
			t.Errorf("got %+v after %s", last, time.Since(began))
		}
	})
}

func TestChanged_whatIsKnownIsNotReadAgain(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		s.rows.put("pay_1", payment.Paying, 3)
		ended := s.wait("pay_1", 5*time.Second)
		s.sleep(time.Second)
		s.rows.questions()
		s.Changed([]payment.Change{{ID: "pay_1", Version: 3}, {ID: "pay_1", Version: 2}, {ID: "pay_9", Version: 9}})
		s.sleep(time.Second)
		if asked := s.rows.questions(); len(asked) > 0 {
			t.Errorf("asked %v", asked)
		}
		<-ended
	})
}

func TestWait_whoLeavesFreesTheirPlaceAtOnce(t *testing.T) {
	inTime(t, Config{WaitersMax: 1, TenantShare: 1}, func(s *stage) {
		ctx, leave := context.WithCancel(s.t.Context())
		ended := s.start(ctx, "pay_1", 30*time.Second)
		if honoured := s.Wait(s.t.Context(), "acme", "pay_2", time.Now().Add(time.Second), final); honoured {
			t.Error("there was a place for two")
		}
		leave()
		<-ended
		s.wantEmpty()
		s.want("the next", <-s.wait("pay_2", time.Second), "", time.Second, time.Second)
		if got := s.Stats(); got.Refused != 1 || got.Waiters != 0 {
			t.Errorf("counted %+v", got)
		}
	})
}

func TestWait_aTenantTakesOnlyItsShare(t *testing.T) {
	inTime(t, Config{WaitersMax: 4}, func(s *stage) {
		until := time.Now().Add(time.Second)
		for i, test := range []struct {
			tenant payment.TenantID
			place  bool
		}{{"acme", true}, {"acme", true}, {"acme", false}, {"other", true}, {"other", true}, {"third", false}} {
			if place := s.sit(test.tenant, "pay_1", until, final, func() {}) != nil; place != test.place {
				t.Errorf("%d: %s got a place: %v", i, test.tenant, place)
			}
		}
	})
}

func TestRelease_endsAllWaitsAtOnce(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		s.rows.put("pay_1", payment.Paying, 1)
		ended := s.wait("pay_1", 30*time.Second)
		s.sleep(time.Second)
		s.Release()
		s.want("a released one", <-ended, payment.Paying, time.Second, time.Second)
		if honoured := s.Wait(s.t.Context(), "acme", "pay_1", time.Now().Add(time.Second), final); honoured {
			t.Error("somebody may wait after the release")
		}
		s.wantEmpty()
	})
}

func TestWait_comingAndGoingWhileNothingCanBeReadIsBounded(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		s.rows.set(func(r *rows) { r.hang = true })
		for i := range 20 * batchMax {
			ctx, leave := context.WithCancel(s.t.Context())
			leave()
			s.Wait(ctx, "acme", payment.ID(fmt.Sprint("pay_", i)), time.Now().Add(time.Second), final)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.woken) > 2*batchMax {
			t.Errorf("%d are to be read", len(s.woken))
		}
	})
}

func TestAlarms_ringForTheirOwn(t *testing.T) {
	h := New(nil, Config{})
	first, stopFirst := h.Payment("pay_1")
	again, stopAgain := h.Payment("pay_1")
	tenant, stopTenant := h.Tenant("acme")
	rung := func(channel <-chan struct{}) bool {
		select {
		case <-channel:
			return true
		default:
			return false
		}
	}
	h.Changed([]payment.Change{{ID: "pay_1", Tenant: "acme", Version: 1}, {ID: "pay_1", Tenant: "acme", Version: 2}})
	if !rung(first) || !rung(again) || !rung(tenant) {
		t.Error("an alarm did not ring")
	}
	if rung(first) || rung(tenant) {
		t.Error("an alarm rings twice")
	}
	h.Changed([]payment.Change{{ID: "pay_2", Tenant: "other", Version: 1}})
	if rung(first) || rung(tenant) {
		t.Error("an alarm rings for another")
	}
	h.Changed([]payment.Change{{ID: "pay_3", Tenant: "acme", Version: 1, RetryOf: "pay_1"}})
	if !rung(first) || !rung(tenant) {
		t.Error("a successor does not ring its predecessor's alarm")
	}
	stopFirst()
	h.Changed([]payment.Change{{ID: "pay_1", Tenant: "acme", Version: 3}})
	if rung(first) || !rung(again) {
		t.Error("the wrong alarm was stopped")
	}
	stopAgain()
	stopTenant()
	if len(h.alarms.payments)+len(h.alarms.tenants) > 0 {
		t.Error("alarms are left")
	}
}

// What an announced change costs a hub at which many wait for others.
func BenchmarkChanged(b *testing.B) {
	h := New(nil, Config{})
	for i := range 10_000 {
		h.sit("acme", payment.ID(fmt.Sprint("pay_aaaaaaaaaaaaaaaaaaaaa", i)), time.Now().Add(time.Hour), final, func() {})
	}
	changes := make([]payment.Change, 256)
	for i := range changes {
		changes[i] = payment.Change{ID: payment.ID(fmt.Sprint("pay_baaaaaaaaaaaaaaaaaaaa", i)), Tenant: "acme", Version: 1}
	}
	for b.Loop() {
		h.Changed(changes)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/change")
}

// later begins a wait that nobody blocks for.
func (s *stage) later(id payment.ID, wait time.Duration, over func()) (leave func() bool) {
	s.t.Helper()
	leave, ok := s.Later("acme", id, time.Now().Add(wait), final, over)
	if !ok {
		s.t.Fatal("no place")
	}
	return leave
}

func TestLater_tellsOnceAndWithoutTheLock(t *testing.T) {
	inTime(t, Config{}, func(s *stage) {
		told := map[string]int{}
		leaves := map[string]func() bool{}
		for _, id := range []string{"pay_final", "pay_late", "pay_released", "pay_left"} {
			wait := time.Hour
			if id == "pay_late" {
				wait = time.Second
			}
			leaves[id] = s.later(payment.ID(id), wait, func() {
				told[id]++
				s.Stats() // which takes the lock
			})
		}
		s.Changed([]payment.Change{s.rows.put("pay_final", payment.Succeeded, 2)})
		s.sleep(2 * time.Second)
		if !leaves["pay_left"]() || leaves["pay_left"]() || leaves["pay_final"]() {
			t.Error("who has left in time is not known")
		}
		if want := map[string]int{"pay_final": 1, "pay_late": 1}; !maps.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		s.Release()
		if want := map[string]int{"pay_final": 1, "pay_late": 1, "pay_released": 1}; !maps.Equal(told, want) {
			t.Errorf("told %v after the release, want %v", told, want)
		}
		if _, ok := s.Later("acme", "pay_1", time.Now().Add(time.Hour), final, func() { t.Error("told") }); ok {
			t.Error("a place after the release")
		}
		if got := s.Stats(); got.Waiters != 0 || got.Refused != 1 {
			t.Errorf("got %+v", got)
		}
	})
}
