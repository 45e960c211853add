package buffer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// keyed is an order that came with an idempotency key.
func keyed(t testing.TB, number, key string, change func(*payment.Draft)) payment.Request {
	t.Helper()
	request := order(t, number, change)
	request.KeyHash = testKey.HashIdempotencyKey(request.Tenant, key)
	return request
}

func dearer(d *payment.Draft) { d.AmountMinor++ }

// wantReserved checks that a key is bound to the request, and tells whether it was before.
func wantReserved(t testing.TB, b *Buffer, request payment.Request, wantKnown bool) payment.Request {
	t.Helper()
	first, known, err := b.Reserve(t.Context(), request)
	if err != nil || known != wantKnown || first.ID != request.ID {
		t.Fatalf("reserve gave %s, known %t, %v; want %s, known %t", first.ID, known, err, request.ID, wantKnown)
	}
	return first
}

func wantRefused(t testing.TB, b *Buffer, request payment.Request, want payment.Code) *payment.Error {
	t.Helper()
	first, known, err := b.Reserve(t.Context(), request)
	coded, ok := err.(*payment.Error) //nolint:errorlint // returned bare
	if !ok || coded.Code != want {
		t.Fatalf("reserve gave %+v, known %t, %v; want %s", first, known, err, want)
	}
	return coded
}

// second opens another node on the same servers.
func second(t testing.TB, first *Buffer, change func(*Config)) *Buffer {
	t.Helper()
	cfg := first.cfg
	cfg.JournalDir = t.TempDir()
	if change != nil {
		change(&cfg)
	}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(b.Close)
	return b
}

func bindingsKept(t testing.TB, b *Buffer) uint64 {
	t.Helper()
	if err := b.bindings.measure(t.Context()); err != nil {
		t.Fatalf("measure: %v", err)
	}
	return b.IdempotencyKeys().Keys
}

func TestReserve_repetitionIsKnownWithItsFirstTime(t *testing.T) {
	b := open(t, nil)
	first := keyed(t, "A-1", "k", nil)
	wantReserved(t, b, first, false)
	put(t, b, first)
	again := keyed(t, "A-1", "k", func(d *payment.Draft) { d.Description = "told differently" })
	again.AcceptedAt = first.AcceptedAt.Add(time.Hour)
	got := wantReserved(t, b, again, true)
	if !got.AcceptedAt.Equal(first.AcceptedAt) || got.Description != again.Description {
		t.Errorf("got %+v, want the repetition with the first time of acceptance", got)
	}
	if receipt := put(t, b, got); !receipt.Duplicate {
		t.Error("the repetition was stored")
	}
}

func TestReserve_keyOfAnotherRequestIsRefusedAlsoAfterARestart(t *testing.T) {
	b := open(t, nil)
	first := keyed(t, "A-1", "k", nil)
	wantReserved(t, b, first, false)
	put(t, b, first)
	for _, node := range []*Buffer{b, second(t, b, nil)} {
		wantRefused(t, node, keyed(t, "A-1", "k", dearer), payment.CodeKeyReused)
		wantRefused(t, node, keyed(t, "A-2", "k", nil), payment.CodeKeyReused)
		wantReserved(t, node, first, true)
	}
	if n := bindingsKept(t, b); n != 1 {
		t.Errorf("%d keys are kept, want 1", n)
	}
}

func TestReserve_tenantsDoNotShareKeys(t *testing.T) {
	b := open(t, nil)
	wantReserved(t, b, keyed(t, "A-1", "k", nil), false)
	other := order(t, "A-2", nil)
	other.Tenant = "umbrella"
	other.KeyHash = testKey.HashIdempotencyKey(other.Tenant, "k")
	wantReserved(t, b, other, false)
}

func TestReserve_requestWithoutAKeyLeavesNothing(t *testing.T) {
	b := open(t, nil)
	put(t, b, order(t, "A-1", nil))
	if n := bindingsKept(t, b); n != 0 {
		t.Errorf("%d keys are kept", n)
	}
	if got := fetchAll(t, b.Shards()[0], 1)[0]; strings.Contains(string(got.Raw), "key_hash") {
		t.Errorf("the message speaks of a key: %s", got.Raw)
	}
}

// The node that reserved is gone, or believed to be.
func TestReserve_whatACrashLeftWithoutItsPaymentIsStoredByTheNextTry(t *testing.T) {
	b := open(t, func(c *Config) { c.PutTimeout = 2 * time.Second })
	request := keyed(t, "A-1", "k", nil)
	wantReserved(t, b, request, false)

	other := second(t, b, nil)
	refused := wantRefused(t, other, request, payment.CodeKeyInUse)
	if refused.RetryAfter <= 0 {
		t.Error("the client is not told when to come again")
	}
	waitFor(t, "the first node to have had its time", func() bool {
		_, known, err := other.Reserve(t.Context(), request)
		return err == nil && known
	})
	wantRefused(t, other, keyed(t, "A-2", "k", nil), payment.CodeKeyReused)
	if receipt := put(t, other, request); receipt.Duplicate {
		t.Error("there was a payment without anybody putting it")
	}
	put(t, b, request) // the first node was alive after all
	if n := streamMessages(t, b.Shards()[0]); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
}

func TestReserve_sameNodeGoesOnAtOnce(t *testing.T) {
	b := open(t, nil)
	request := keyed(t, "A-1", "k", nil)
	wantReserved(t, b, request, false)
	wantReserved(t, b, request, true) // the caller knows that nothing is under way
}

func TestReserve_paymentThatIsStoredIsNotUnderWay(t *testing.T) {
	b := open(t, func(c *Config) { c.PutTimeout = time.Minute })
	request := keyed(t, "A-1", "k", nil)
	wantReserved(t, b, request, false)
	put(t, b, request)
	wantReserved(t, second(t, b, nil), request, true)
}

func TestBind_ownTryWhoseAcknowledgementWasLostFindsItself(t *testing.T) {
	b := open(t, nil)
	request := keyed(t, "A-1", "k", nil)
	mine := bindingOf(request, b.bindings.nextID())
	body, err := mine.encode()
	if err != nil {
		t.Fatal(err)
	}
	// Stored by the first sending; what answers the second depends on whether the
	// stream still knows the message's id.
	for _, id := range []string{mine.by, ""} {
		if err := b.bindings.bucket.stream.Purge(t.Context()); err != nil {
			t.Fatalf("purge: %v", err)
		}
		message := nats.NewMsg(bindingPrefix + string(request.KeyHash))
		message.Data = body
		if id != "" {
			message.Header.Set(messageIDHeader, id)
		}
		if _, err := b.js.PublishMsg(t.Context(), message); err != nil {
			t.Fatalf("publish: %v", err)
		}
		bound, err := b.bind(t.Context(), request.KeyHash, mine)
		if err != nil || bound.by != mine.by {
			t.Errorf("bind gave %+v, %v; want the try itself", bound, err)
		}
	}
	theirs := bindingOf(request, second(t, b, nil).bindings.nextID())
	if bound, err := b.bind(t.Context(), request.KeyHash, theirs); err != nil || bound.by != mine.by {
		t.Errorf("bind gave %+v, %v; want the first try", bound, err)
	}
}

func TestReserve_keyIsFreeWhenItWasDeletedOrHasExpired(t *testing.T) {
	b := open(t, nil)
	first, other := keyed(t, "A-1", "k", nil), keyed(t, "A-2", "k", nil)
	wantReserved(t, b, first, false)
	bucket, err := b.js.KeyValue(t.Context(), bindingBucket)
	if err != nil {
		t.Fatalf("bucket: %v", err)
	}
	if err := bucket.Delete(t.Context(), string(first.KeyHash)); err != nil {
		t.Fatalf("delete: %v", err)
	}
	wantReserved(t, b, other, false)
	wantRefused(t, b, first, payment.CodeKeyReused)

	short := b.bindings.streamConfig()
	short.MaxAge, short.Duplicates = time.Second, time.Second
	if _, err := b.js.UpdateStream(t.Context(), short); err != nil {
		t.Fatalf("update: %v", err)
	}
	waitFor(t, "the key to expire", func() bool {
		_, known, err := b.Reserve(t.Context(), first)
		return err == nil && !known
	})
}

func TestReserve_withoutRoomOnlyNewKeysAreRefused(t *testing.T) {
	b := open(t, func(c *Config) { c.IdempotencyBytesMax = 4 << 10 })
	first := keyed(t, "A-0", "k-0", nil)
	wantReserved(t, b, first, false)
	var full error
	for n := 1; n < 200 && full == nil; n++ {
		_, _, full = b.Reserve(t.Context(), keyed(t, fmt.Sprintf("A-%d", n), fmt.Sprintf("k-%d", n), nil))
	}
	code, detail := payment.CodeOf(full)
	if code != payment.CodeBufferFull || !strings.Contains(detail, "idempotency key") {
		t.Fatalf("a full bucket gave %v, want %s in words about keys", full, payment.CodeBufferFull)
	}
	wantReserved(t, b, first, true)
	wantRefused(t, b, keyed(t, "B-1", "k-0", nil), payment.CodeKeyReused)
	put(t, b, order(t, "B-2", nil))
}

func TestOpen_bucketHasTheTimeToLiveAndAnotherIsAnError(t *testing.T) {
	b := open(t, func(c *Config) { c.IdempotencyTTL = 48 * time.Hour })
	info, err := b.bindings.bucket.stream.Info(t.Context())
	if err != nil {
		t.Fatalf("info: %v", err)
	}
	if info.Config.MaxAge != 48*time.Hour || info.Config.Discard != jetstream.DiscardNew || info.Config.MaxBytes != 1<<30 {
		t.Errorf("the bucket is %+v", info.Config)
	}
	cfg := b.cfg
	cfg.IdempotencyTTL, cfg.JournalDir = 24*time.Hour, t.TempDir()
	_, err = Open(t.Context(), cfg)
	code, detail := payment.CodeOf(err)
	for _, want := range []string{"PAYBUF_IDEMPOTENCY", "--idempotency-key-ttl", "max age is 48h0m0s, should be 24h0m0s"} {
		if code != payment.CodeConfig || !strings.Contains(detail, want) {
			t.Errorf("open gave %s %q, want %q in it", code, detail, want)
		}
	}
}

func TestOpen_timeToLiveHasLimits(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, 31 * 24 * time.Hour, -time.Hour} {
		_, err := Open(t.Context(), Config{InProcess: localtest.NATS(t).InProcess(), JournalDir: t.TempDir(), IdempotencyTTL: ttl})
		if code, detail := payment.CodeOf(err); code != payment.CodeConfig || !strings.Contains(detail, "between 1m0s and 720h0m0s") {
			t.Errorf("%s: %v", ttl, err)
		}
	}
}

func TestReserve_noServerIsUnavailable(t *testing.T) {
	server := localtest.NATS(t)
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(), PutTimeout: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer b.Close()
	server.Stop()
	if refused := wantRefused(t, b, keyed(t, "A-1", "k", nil), payment.CodeBufferUnavailable); refused.RetryAfter <= 0 {
		t.Error("the client is not told when to come again")
	}
}

// contest has many clients of two nodes use each key for one of several requests
// at once, and repeat until they are answered for good.
type contest struct {
	mu   sync.Mutex
	won  map[payment.KeyHash]map[payment.Fingerprint]bool
	puts map[payment.ID]bool
}

func (c *contest) enter(ctx context.Context, b *Buffer, request payment.Request) error {
	for ctx.Err() == nil {
		first, _, err := b.Reserve(ctx, request)
		code, _ := payment.CodeOf(err)
		switch {
		case err == nil:
			if _, err := b.Put(ctx, first); err != nil {
				return err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.won[request.KeyHash] == nil {
				c.won[request.KeyHash] = map[payment.Fingerprint]bool{}
			}
			c.won[request.KeyHash][request.Fingerprint()] = true
			c.puts[request.ID] = true
			return nil
		case code == payment.CodeKeyReused:
			return nil
		case code != payment.CodeKeyInUse && code != payment.CodeBufferUnavailable:
			return err
		}
		pause(ctx, 10*time.Millisecond)
	}
	return context.Cause(ctx)
}

func runContest(t *testing.T, nodes []*Buffer, keys int) {
	t.Helper()
	const requestsPerKey = 4
	c := &contest{won: map[payment.KeyHash]map[payment.Fingerprint]bool{}, puts: map[payment.ID]bool{}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var clients sync.WaitGroup
	for k := range keys {
		for n := range requestsPerKey {
			for _, node := range nodes {
				// Two orders per key, and two bodies of each.
				request := keyed(t, fmt.Sprintf("A-%d-%d", k, n/2), fmt.Sprint(k), func(d *payment.Draft) { d.AmountMinor += int64(n % 2) })
				clients.Go(func() {
					if err := c.enter(ctx, node, request); err != nil {
						t.Errorf("key %d, request %d: %v", k, n, err)
					}
				})
			}
		}
	}
	clients.Wait()
	for key, winners := range c.won {
		if len(winners) != 1 {
			t.Errorf("%d different requests were accepted with the key %s", len(winners), key)
		}
	}
	if len(c.won) != keys || len(c.puts) != keys {
		t.Errorf("%d keys led to %d payments, want %d of each", len(c.won), len(c.puts), keys)
	}
	if n := streamMessages(t, nodes[0].Shards()[0]); n != uint64(keys) {
		t.Errorf("%d payments are stored, want %d", n, keys)
	}
	if n := bindingsKept(t, nodes[0]); n != uint64(keys) {
		t.Errorf("%d keys are kept, want %d", n, keys)
	}
}

func TestReserve_ofManyRequestsWithOneKeyOneWins(t *testing.T) {
	b := open(t, nil)
	runContest(t, []*Buffer{b, second(t, b, nil)}, 50)
}

func TestCluster_ofManyRequestsWithOneKeyOneWins(t *testing.T) {
	cluster := localtest.Cluster(t)
	nodes := make([]*Buffer, 2)
	for i := range nodes {
		b, err := Open(t.Context(), Config{
			URL: strings.Join(cluster.URLs(), ","), Replicas: 3, StreamBytesMax: 64 << 20,
			IdempotencyBytesMax: 64 << 20, Durability: StreamOnly,
		})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		t.Cleanup(b.Close)
		nodes[i] = b
	}
	runContest(t, nodes, 25)
	info, err := nodes[0].bindings.bucket.stream.Info(t.Context())
	if err != nil || info.Config.Replicas != 3 {
		t.Errorf("the bucket has %d replicas (%v), want 3", info.Config.Replicas, err)
	}
}
