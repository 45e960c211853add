package buffer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

func TestMain(m *testing.M) { localtest.Main(m) }

var testKey = func() payment.IDKey {
	key, err := payment.NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		panic(err)
	}
	return key
}()

// order gives a valid request; change may be nil.
func order(t testing.TB, number string, change func(*payment.Draft)) payment.Request {
	t.Helper()
	return orderOf(t, "acme", number, change)
}

func orderOf(t testing.TB, tenant payment.TenantID, number string, change func(*payment.Draft)) payment.Request {
	t.Helper()
	draft := payment.Draft{
		OrderNumber: number, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa",
		Customer: "c_81", Description: "two books", Metadata: map[string]string{"cart": "918273"},
	}
	if change != nil {
		change(&draft)
	}
	request, err := payment.NewRequest(testKey, tenant, draft, time.Now())
	if err != nil {
		t.Fatalf("request %s: %v", number, err)
	}
	return request
}

// open starts a JetStream of the test's own and a buffer on it.
func open(t testing.TB, change func(*Config)) *Buffer {
	t.Helper()
	cfg := Config{
		InProcess: localtest.NATS(t).InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(),
	}
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

func put(t testing.TB, b *Buffer, request payment.Request) payment.Receipt {
	t.Helper()
	receipt, err := b.Put(t.Context(), request)
	if err != nil {
		t.Fatalf("put %s: %v", request.OrderNumber, err)
	}
	return receipt
}

// fetchAll fetches until n deliveries have come.
func fetchAll(t testing.TB, s *Shard, n int) []payment.Delivery {
	t.Helper()
	var all []payment.Delivery
	deadline := time.Now().Add(20 * time.Second)
	for len(all) < n && time.Now().Before(deadline) {
		deliveries, err := s.Fetch(t.Context(), 100)
		if err != nil {
			t.Fatalf("fetch: %v", err)
		}
		all = append(all, deliveries...)
	}
	if len(all) != n {
		t.Fatalf("fetched %d deliveries, want %d", len(all), n)
	}
	return all
}

func streamMessages(t testing.TB, s *Shard) uint64 {
	t.Helper()
	info, err := s.stream.Info(t.Context())
	if err != nil {
		t.Fatalf("stream info: %v", err)
	}
	return info.State.Msgs
}

func TestPut_isHandedOutWhole(t *testing.T) {
	b := open(t, nil)
	want := order(t, "A-1", nil)
	receipt := put(t, b, want)
	if receipt.Duplicate || receipt.First.ID != want.ID {
		t.Fatalf("receipt %+v", receipt)
	}
	got := fetchAll(t, b.Shards()[0], 1)[0]
	if got.Poison != nil || got.Conflict {
		t.Fatalf("delivery %+v", got)
	}
	if fmt.Sprintf("%+v", got.Request) != fmt.Sprintf("%+v", want) {
		t.Errorf("request came out as\n%+v, went in as\n%+v", got.Request, want)
	}
}

func TestPut_repetitionGetsTheFirst(t *testing.T) {
	b := open(t, nil)
	first := order(t, "A-1", nil)
	put(t, b, first)
	again := order(t, "A-1", func(d *payment.Draft) { d.Description = "told differently" })
	again.AcceptedAt = again.AcceptedAt.Add(time.Hour)
	receipt := put(t, b, again)
	if !receipt.Duplicate || !receipt.First.AcceptedAt.Equal(first.AcceptedAt) {
		t.Errorf("receipt %+v, want the first request back", receipt)
	}
	b.recent = newRecent(time.Minute) // as in another process: now the stream must know
	receipt = put(t, b, again)
	if !receipt.Duplicate || !receipt.First.AcceptedAt.Equal(first.AcceptedAt) ||
		receipt.First.Description != first.Description {
		t.Errorf("receipt %+v, want the first request back", receipt)
	}
	if n := streamMessages(t, b.Shards()[0]); n != 1 {
		t.Errorf("%d messages on the stream, want 1", n)
	}
}

func TestPut_otherBodyIsRefusedAndOnRecord(t *testing.T) {
	b := open(t, nil)
	first := order(t, "A-1", nil)
	put(t, b, first)
	other := order(t, "A-1", func(d *payment.Draft) { d.AmountMinor = 1 })
	for range 2 { // the same other body twice is one record
		_, err := b.Put(t.Context(), other)
		if code, _ := payment.CodeOf(err); code != payment.CodeOrderConflict {
			t.Fatalf("put gave %v, want %s", err, payment.CodeOrderConflict)
		}
	}
	deliveries := fetchAll(t, b.Shards()[0], 2)
	if deliveries[0].Conflict || !deliveries[1].Conflict {
		t.Errorf("conflict marks %v, %v; want only the second", deliveries[0].Conflict, deliveries[1].Conflict)
	}
	found, ok, err := b.Peek(t.Context(), first.ID)
	if err != nil || !ok || found.Money != first.Money {
		t.Errorf("peek gave %+v, %v, %v; want the first body", found, ok, err)
	}
}

func TestPut_manyAtOnceAreEachStoredOnce(t *testing.T) {
	b := open(t, nil)
	const orders, senders = 200, 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	firsts := map[payment.ID]int{}
	for range senders {
		wg.Go(func() {
			for n := range orders {
				request := order(t, fmt.Sprintf("A-%d", n), nil)
				receipt, err := b.Put(t.Context(), request)
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				if !receipt.Duplicate {
					mu.Lock()
					firsts[request.ID]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(firsts) != orders {
		t.Errorf("%d orders were first once, want %d", len(firsts), orders)
	}
	for id, n := range firsts {
		if n != 1 {
			t.Errorf("%s was told to be first %d times", id, n)
		}
	}
	fetchAll(t, b.Shards()[0], orders)
}

func TestPut_fullIsRefusedAndARepetitionStillKnown(t *testing.T) {
	b := open(t, func(c *Config) { c.StreamBytesMax, c.TenantShare = 64<<10, 1 })
	fill := strings.Repeat("x", 900)
	var stored []payment.Request
	var full error
	for n := range 200 {
		request := order(t, fmt.Sprintf("A-%d", n), func(d *payment.Draft) { d.Description = fill })
		if _, full = b.Put(t.Context(), request); full != nil {
			break
		}
		stored = append(stored, request)
	}
	if code, _ := payment.CodeOf(full); code != payment.CodeBufferFull {
		t.Fatalf("put into a full stream gave %v, want %s", full, payment.CodeBufferFull)
	}
	if refused := full.(*payment.Error); refused.RetryAfter < time.Second { //nolint:errorlint // returned bare
		t.Errorf("Retry-After %s, want at least a second", refused.RetryAfter)
	}
	if receipt := put(t, b, stored[0]); !receipt.Duplicate {
		t.Error("a repetition while full is not known as one")
	}
	if deliveries := fetchAll(t, b.Shards()[0], len(stored)); deliveries[0].Request.ID != stored[0].ID {
		t.Error("the oldest payment is no longer first: something was discarded")
	}
}

func TestPut_forgottenFirstIsStoredAgain(t *testing.T) {
	b := open(t, nil)
	shard := b.Shards()[0]
	request := order(t, "A-1", nil)
	put(t, b, request)
	if err := shard.stream.Purge(t.Context()); err != nil {
		t.Fatalf("purge: %v", err)
	}
	b.recent = newRecent(time.Minute) // as in another process
	if receipt := put(t, b, request); !receipt.Duplicate {
		t.Error("the stream's window still knows the id, the receipt does not say so")
	}
	if got := fetchAll(t, shard, 1)[0]; got.Request.ID != request.ID {
		t.Errorf("fetched %s, want %s", got.Request.ID, request.ID)
	}
}

func TestPut_noServerIsNeverAReceipt(t *testing.T) {
	t.Parallel() // it mostly waits
	server := localtest.NATS(t)
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(), PutTimeout: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer b.Close()
	server.Stop()
	_, err = b.Put(t.Context(), order(t, "A-1", nil))
	coded, ok := err.(*payment.Error) //nolint:errorlint // returned bare
	if !ok || coded.Code != payment.CodeBufferUnavailable || coded.RetryAfter <= 0 {
		t.Errorf("put without a server gave %v, want %s and a Retry-After", err, payment.CodeBufferUnavailable)
	}
	if _, _, err := b.Peek(t.Context(), "pay_x"); err == nil {
		t.Error("peek without a server found nothing, want an error")
	}
}

func TestFetch_unacknowledgedComesAgain(t *testing.T) {
	b := open(t, func(c *Config) { c.AckWait = 200 * time.Millisecond })
	shard := b.Shards()[0]
	put(t, b, order(t, "A-1", nil))
	fetchAll(t, shard, 1)
	again := fetchAll(t, shard, 1)[0]
	if err := again.Ack(); err != nil {
		t.Fatalf("ack: %v", err)
	}
	waitFor(t, "the backlog to be empty", func() bool {
		if err := shard.measure(t.Context(), time.Now()); err != nil {
			t.Fatalf("measure: %v", err)
		}
		return shard.Stats().Backlog == 0
	})
}

func TestFetch_garbageIsPoisonWithItsBytes(t *testing.T) {
	b := open(t, nil)
	shard := b.Shards()[0]
	for _, body := range []string{
		"not json", `{"v":99}`, `{"v":1,"id":"pay_x"}`,
		`{"v":1,"id":"` + string(order(t, "A-1", nil).ID) + `","tenant":"acme","order_number":"A","amount":-5,"currency":"EUR","payment_method":"m"}`,
	} {
		if _, err := b.js.Publish(t.Context(), intakePrefix+"0.x", []byte(body)); err != nil {
			t.Fatalf("publish: %v", err)
		}
		got := fetchAll(t, shard, 1)[0]
		if got.Poison == nil || string(got.Raw) != body || got.Subject != intakePrefix+"0.x" {
			t.Errorf("%q came as %+v, want poison with its bytes", body, got)
		}
	}
}

func TestDecode_memberFromALaterVersionIsIgnored(t *testing.T) {
	data := encode(order(t, "A-1", nil))
	later := strings.Replace(string(data), `{`, `{"not_before":"2027-01-01T00:00:00Z",`, 1)
	if _, err := decode([]byte(later)); err != nil {
		t.Errorf("decode: %v", err)
	}
}

func TestOpen_differentStreamIsAnErrorWithTheDifference(t *testing.T) {
	server := localtest.NATS(t)
	cfg := Config{InProcess: server.InProcess(), StreamBytesMax: 64 << 20, Durability: StreamOnly}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	b.Close()
	cfg.DedupWindow = time.Minute
	_, err = Open(t.Context(), cfg)
	code, detail := payment.CodeOf(err)
	if code != payment.CodeConfig || !strings.Contains(detail, "duplicate window is 2m0s, should be 1m0s") {
		t.Errorf("open with another window gave %q", detail)
	}
}

func TestShards_anOrderAlwaysGoesToOne(t *testing.T) {
	b := open(t, func(c *Config) { c.Shards = 3 })
	const orders = 60
	for n := range orders {
		request := order(t, fmt.Sprintf("A-%d", n), nil)
		put(t, b, request)
		if receipt := put(t, b, request); !receipt.Duplicate {
			t.Fatalf("the repetition of %s went to another shard", request.OrderNumber)
		}
		if _, found, err := b.Peek(t.Context(), request.ID); err != nil || !found {
			t.Fatalf("peek: %v, %v", found, err)
		}
	}
	total := uint64(0)
	for _, shard := range b.Shards() {
		n := streamMessages(t, shard)
		if n == 0 {
			t.Errorf("%s got none of %d payments", shard.name, orders)
		}
		total += n
	}
	if total != orders {
		t.Errorf("%d messages, want %d", total, orders)
	}
}

func TestPut_contextEndedIsNotAReceipt(t *testing.T) {
	b := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Put(ctx, order(t, "A-1", nil)); err == nil {
		t.Error("put with an ended context gave a receipt")
	}
}

// waitFor polls until ok, at most a minute.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
		pause(t.Context(), 10*time.Millisecond)
	}
}
