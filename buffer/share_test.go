package buffer

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// flood puts a tenant's orders until one is refused, and gives those that were
// not and the refusal.
func flood(t *testing.T, b *Buffer, tenant payment.TenantID, limit int) ([]payment.Request, *payment.Error) {
	t.Helper()
	var accepted []payment.Request
	for n := range limit {
		request := orderOf(t, tenant, fmt.Sprintf("%s-%d", tenant, n), nil)
		_, err := b.Put(t.Context(), request)
		var refused *payment.Error
		if errors.As(err, &refused) {
			return accepted, refused
		}
		if err != nil {
			t.Fatalf("put: %v", err)
		}
		accepted = append(accepted, request)
	}
	return accepted, nil
}

func TestPut_oneTenantsFloodLeavesOthersRoom(t *testing.T) {
	const limit = 200
	b := open(t, func(c *Config) { c.StreamMessagesMax = limit })
	accepted, refused := flood(t, b, "flood", limit)
	if refused == nil || refused.Code != payment.CodeTenantShare || len(accepted) < limit/3 || len(accepted) > limit/2+1 {
		t.Fatalf("a flood was refused after %d of %d by %v", len(accepted), limit, refused)
	}
	if refused.RetryAfter < retryAfterMin || refused.RetryAfter > retryAfterMax {
		t.Errorf("Retry-After %s", refused.RetryAfter)
	}
	if others, refused := flood(t, b, "quiet", limit/8); refused != nil {
		t.Errorf("another tenant was refused after %d: %v", len(others), refused)
	}
	if receipt := put(t, b, accepted[0]); !receipt.Duplicate {
		t.Error("a repetition above the share is not known as one")
	}
	waitFor(t, "the tenant to be counted", func() bool { return b.Pressure().TenantsOver == 1 })
	if n := b.Pressure().Refused[RefusedTenantShare]; n != 1 {
		t.Errorf("%d refusals for a share, want 1", n)
	}

	for _, d := range fetchAll(t, b.Shards()[0], len(accepted)+limit/8) {
		if err := d.Ack(); err != nil {
			t.Fatalf("ack: %v", err)
		}
	}
	waitFor(t, "the flood to have room again", func() bool {
		_, err := b.Put(t.Context(), orderOf(t, "flood", "late", nil))
		return err == nil
	})
	if over := b.Pressure().TenantsOver; over != 0 {
		t.Errorf("%d tenants are over their share", over)
	}
}

func TestPut_messagesHaveALimit(t *testing.T) {
	b := open(t, func(c *Config) { c.StreamMessagesMax, c.TenantShare = 20, 1 })
	accepted, refused := flood(t, b, "acme", 30)
	if refused == nil || refused.Code != payment.CodeBufferFull || len(accepted) != 20 {
		t.Errorf("refused after %d by %v, want after 20 by %s", len(accepted), refused, payment.CodeBufferFull)
	}
	if n := b.Pressure().Refused[RefusedFull]; n != 1 {
		t.Errorf("%d refusals counted, want 1", n)
	}
}

func TestAccount_countsWhatTheStreamCounts(t *testing.T) {
	b := open(t, nil)
	put(t, b, order(t, "A-1", nil))
	put(t, b, order(t, "A-1", nil)) // costs nothing
	_, err := b.Put(t.Context(), order(t, "A-1", func(d *payment.Draft) { d.AmountMinor = 1 }))
	if code, _ := payment.CodeOf(err); code != payment.CodeOrderConflict {
		t.Fatalf("another body: %v", err)
	}
	info, err := b.Shards()[0].stream.Info(t.Context())
	if err != nil {
		t.Fatalf("stream: %v", err)
	}
	held := b.tenants.find("acme").accounts[0].holds()
	if want := (load{int64(info.State.Bytes), int64(info.State.Msgs)}); held != want || held.messages != 2 {
		t.Errorf("the account has %+v, the stream %+v", held, want)
	}
}

func (a *account) holds() load {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held
}

func newTestTenants(messagesMax int64) *tenants {
	return newTenants(Config{StreamMessagesMax: messagesMax}.withDefaults())
}

// hold stores messages of a tenant until it is over its share, and gives how many.
func hold(t *testing.T, in *tenants, tenant payment.TenantID, last *uint64) (n int64) {
	t.Helper()
	account := &in.find(tenant).accounts[0]
	for ; !account.over.Load(); n++ {
		*last++
		account.add(ack{Sequence: *last}, load{1, 1})
	}
	in.seal(0)
	in.settle(0, measured{at: time.Now(), last: *last, load: load{int64(*last), int64(*last)}})
	return n
}

func TestShare_isOfTheRoomThatOthersLeave(t *testing.T) {
	const limit = 1000
	in := newTestTenants(limit)
	var last uint64
	for i, want := range []int64{501, 250, 125, 63, 31, 16} {
		if got := hold(t, in, payment.TenantID(fmt.Sprint("flood", i)), &last); got < want-2 || got > want+2 {
			t.Errorf("flood %d held %d, want about %d", i, got, want)
		}
	}
	if last >= limit {
		t.Error("six floods left no room")
	}
	// A tenant that holds nothing is never above its share, even of nothing: what
	// refuses it then is the full stream.
	in.settle(0, measured{at: time.Now(), last: last, load: load{limit, limit}})
	if in.find("late").isOver() {
		t.Error("a tenant without a message is over its share")
	}
}

func TestAccount_aMillionMessagesCostAFewKilobytes(t *testing.T) {
	const ticks, perTick = 10_000, 100
	in := newTestTenants(math.MaxInt64)
	account := &in.find("acme").accounts[0]
	var last uint64
	for range ticks {
		for range perTick {
			last++
			account.add(ack{Sequence: last}, load{300, 1})
		}
		in.seal(0)
	}
	if n := len(account.sealed); n > bucketsMax || cap(account.sealed) > 2*bucketsMax {
		t.Errorf("%d buckets, room for %d", n, cap(account.sealed))
	}
	if account.held != (load{300 * ticks * perTick, ticks * perTick}) {
		t.Errorf("the account has %+v", account.held)
	}
	in.settle(0, measured{at: time.Now(), floor: last / 2, last: last})
	if half := int64(ticks * perTick / 2); account.held.messages < half || account.held.messages > half+half/20 {
		t.Errorf("half of a million were claimed, %d are left", account.held.messages)
	}
	in.settle(0, measured{at: time.Now(), floor: last, last: last})
	if account.held != (load{}) {
		t.Errorf("all were claimed, %+v are left", account.held)
	}
}

func TestAccount_forgetsWhatTheStreamLost(t *testing.T) {
	in := newTestTenants(100)
	account := &in.find("acme").accounts[0]
	account.add(ack{Sequence: 70}, load{1, 1})
	in.seal(0)
	in.settle(0, measured{at: time.Now(), floor: 10, last: 40})
	if account.held != (load{}) {
		t.Errorf("%+v are held on a stream that ends before them", account.held)
	}
}

func TestAccount_retryAfterIsByTheTenantsOwnPace(t *testing.T) {
	in := newTestTenants(1000)
	slow, fast := &in.find("slow").accounts[0], &in.find("fast").accounts[0]
	for _, a := range []*account{slow, fast} {
		a.held, a.allowed = load{0, 600}, load{1, 500}
	}
	slow.drained, fast.drained = rate{1, 2}, rate{1, 100}
	if got := fast.roomIn(); got != 2*time.Second { // 125 above 95 % of 500
		t.Errorf("fast: %s", got)
	}
	if got := slow.roomIn(); got != retryAfterMax {
		t.Errorf("slow: %s", got)
	}
	slow.drained = rate{}
	if got := slow.roomIn(); got != retryAfterMax/2 {
		t.Errorf("not claimed at all: %s", got)
	}
}

func TestEnter_noTenantTakesAllPlaces(t *testing.T) {
	in := newTenants(Config{InFlightMax: 100}.withDefaults())
	enterAll := func(id payment.TenantID) (n int) {
		for in.enter(in.find(id)) {
			n++
		}
		return n
	}
	for i, want := range []int{50, 25, 12} {
		if got := enterAll(payment.TenantID(fmt.Sprint("flood", i))); got < want-1 || got > want+1 {
			t.Errorf("flood %d got %d places, want about %d", i, got, want)
		}
	}
	if !in.enter(in.find("quiet")) {
		t.Error("there is no place for one who has none")
	}
	first := in.find("flood0")
	for range 30 {
		in.leave(first)
	}
	if !in.enter(first) {
		t.Error("places that were given back are not given out")
	}
}

func TestOpen_aShareThatIsNoneIsRefused(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.TenantShare = -0.1 }, func(c *Config) { c.TenantShare = 1.1 },
		func(c *Config) { c.TenantShare = math.NaN() }, func(c *Config) { c.StreamMessagesMax = -1 },
	} {
		cfg := Config{URL: "nats://127.0.0.1:1"}
		change(&cfg)
		_, err := Open(t.Context(), cfg)
		if code, detail := payment.CodeOf(err); code != payment.CodeConfig || detail == "" {
			t.Errorf("%+v gave %v", cfg, err)
		}
	}
}

// What every request pays for the shares.
func BenchmarkAdmit(b *testing.B) {
	in := newTestTenants(math.MaxInt64)
	for i := range 1000 {
		in.find(payment.TenantID(fmt.Sprint("tenant", i)))
	}
	for b.Loop() {
		tenant := in.find("tenant500")
		if tenant.accounts[0].over.Load() || !in.enter(tenant) {
			b.Fatal("refused")
		}
		in.leave(tenant)
	}
}

// settle and add run side by side with what the hot path reads.
func TestTenants_areSafeForManyAtOnce(t *testing.T) {
	in := newTestTenants(1 << 40)
	var wg sync.WaitGroup
	for lane := range 4 {
		wg.Go(func() {
			for n := range 500 {
				tenant := in.find(payment.TenantID(fmt.Sprint(n % 7)))
				if in.enter(tenant) {
					tenant.accounts[0].add(ack{Sequence: uint64(lane*500 + n + 1)}, load{1, 1})
					in.leave(tenant)
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			in.seal(0)
			in.settle(0, measured{at: time.Now(), last: math.MaxUint64})
		}
	})
	wg.Wait()
	total := int64(0)
	for n := range 7 {
		total += in.find(payment.TenantID(fmt.Sprint(n))).accounts[0].holds().messages
	}
	if total != 2000 || in.inFlight.Load() != 0 {
		t.Errorf("%d messages are on accounts and %d in flight, want 2000 and 0", total, in.inFlight.Load())
	}
}
