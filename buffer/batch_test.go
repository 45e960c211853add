package buffer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// batchOf makes the list of the given requests.
func batchOf(t testing.TB, requests []payment.Request) payment.Batch {
	t.Helper()
	batch, err := payment.NewBatch(testKey, "acme", requests, time.Now())
	if err != nil {
		t.Fatalf("batch: %v", err)
	}
	return batch
}

func putBatch(t testing.TB, b *Buffer, batch payment.Batch) {
	t.Helper()
	if err := b.PutBatch(t.Context(), batch); err != nil {
		t.Fatalf("put %s: %v", batch.ID, err)
	}
}

func costing(minor int64) func(*payment.Draft) {
	return func(d *payment.Draft) { d.AmountMinor = minor }
}

func codeOf(err error) payment.Code {
	if err == nil {
		return ""
	}
	code, _ := payment.CodeOf(err)
	return code
}

func TestPutAll_answersEachInOrder(t *testing.T) {
	b := open(t, nil)
	requests := orders(t, "A", payment.BatchItemsMax)
	put(t, b, requests[7])
	for i, result := range b.PutAll(t.Context(), requests) {
		if result.Err != nil || result.Receipt.First.ID != requests[i].ID || result.Receipt.Duplicate != (i == 7) ||
			result.Receipt.Durability != string(JournalAndStream) {
			t.Fatalf("request %d: %+v", i, result)
		}
	}
	if n := streamMessages(t, b.Shards()[0]); n != payment.BatchItemsMax {
		t.Errorf("%d messages, want %d", n, payment.BatchItemsMax)
	}
	if results := b.PutAll(t.Context(), nil); len(results) != 0 {
		t.Errorf("%d answers to nothing", len(results))
	}
}

// Whatever the network does, the first of a batch is the first on the stream.
func TestPutAll_whatRepeatsInsideTheBatchComesAfterItsFirst(t *testing.T) {
	for round := range 10 {
		b := open(t, nil)
		var requests []payment.Request
		var want []payment.Code
		for i := range 60 {
			number := fmt.Sprintf("A-%d", i)
			requests = append(requests, order(t, number, costing(100)))
			want = append(want, "")
			requests = append(requests, order(t, number, costing(int64(100+i%2))), order(t, number, costing(100)))
			want = append(want, []payment.Code{"", payment.CodeOrderConflict}[i%2], "")
		}
		results := b.PutAll(t.Context(), requests)
		for i, result := range results {
			if codeOf(result.Err) != want[i] {
				t.Fatalf("round %d, request %d: %v, want %q", round, i, result.Err, want[i])
			}
			if result.Err == nil && (result.Receipt.Duplicate != (i%3 > 0) || result.Receipt.First.Money.Minor() != 100) {
				t.Fatalf("round %d, request %d: %+v", round, i, result.Receipt)
			}
		}
	}
}

func TestPutAll_isNotRefusedForItsOwnSize(t *testing.T) {
	b := open(t, func(c *Config) { c.InFlightMax = 16 })
	var wg sync.WaitGroup
	for n := range 3 { // three batches compete for the places
		wg.Go(func() {
			for i, result := range b.PutAll(t.Context(), orders(t, fmt.Sprintf("A%d", n), 200)) {
				if result.Err != nil {
					t.Errorf("batch %d, request %d: %v", n, i, result.Err)
				}
			}
		})
	}
	wg.Wait()
}

func TestPutAll_placesThatNeverComeFreeAreARefusal(t *testing.T) {
	b := open(t, func(c *Config) { c.InFlightMax, c.PutTimeout = 1, 50*time.Millisecond })
	b.pub.mu.Lock()
	b.pub.free = nil // somebody holds the only place for ever
	b.pub.mu.Unlock()
	for _, result := range b.PutAll(t.Context(), orders(t, "A", 3)) {
		if codeOf(result.Err) != payment.CodeBufferFull {
			t.Errorf("got %v, want %s", result.Err, payment.CodeBufferFull)
		}
	}
	if n := streamMessages(t, b.Shards()[0]); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}

// A later body must not become the payment because the first had bad luck.
func TestPutAll_withoutAReceiptForTheFirstItsRepetitionsGetNone(t *testing.T) {
	b := open(t, func(c *Config) { c.PutTimeout = 100 * time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results := b.PutAll(ctx, []payment.Request{order(t, "A-1", nil), order(t, "A-1", costing(5)), order(t, "A-1", nil)})
	for i, result := range results {
		if codeOf(result.Err) != payment.CodeBufferUnavailable || result.Receipt.First.ID != "" {
			t.Errorf("request %d: %+v", i, result)
		}
	}
}

func TestPutBatch_isHandedOutWholeAndOnce(t *testing.T) {
	b := open(t, nil)
	batch := batchOf(t, orders(t, "A", payment.BatchItemsMax))
	putBatch(t, b, batch)
	again := batch
	again.CreatedAt = batch.CreatedAt.Add(time.Second)
	putBatch(t, b, again)
	got := fetchAll(t, b.Shards()[0], 1)[0]
	if got.Poison != nil || got.Conflict || got.Batch == nil || fmt.Sprint(*got.Batch) != fmt.Sprint(batch) {
		t.Errorf("got %+v, want %+v", got, batch)
	}
	if n := streamMessages(t, b.Shards()[0]); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	if n := len(got.Raw); n > messageBytesMax/2 {
		t.Errorf("the longest list has %d bytes", n)
	}
}

func TestPeekBatch_findsWhatWasPut(t *testing.T) {
	b := open(t, func(c *Config) { c.Shards = 3 })
	for i := range 9 {
		batch := batchOf(t, orders(t, fmt.Sprintf("A%d", i), 2))
		if _, found, err := b.PeekBatch(t.Context(), batch.ID); found || err != nil {
			t.Fatalf("before: %v, %v", found, err)
		}
		putBatch(t, b, batch)
		found, ok, err := b.PeekBatch(t.Context(), batch.ID)
		if err != nil || !ok || !slices.Equal(found.Payments, batch.Payments) {
			t.Errorf("got %+v, %v, %v", found, ok, err)
		}
	}
}

func TestFetch_listThatNobodyCanReadIsPoisonWithItsID(t *testing.T) {
	b := open(t, nil)
	id := batchOf(t, orders(t, "A", 1)).ID
	for i, body := range []string{"garbage", `{"v":2}`, `{"v":1,"id":"` + string(id) + `","tenant":"acme","payments":[]}`} {
		if _, err := b.js.Publish(t.Context(), b.Shards()[0].batchSubject(id), []byte(body)); err != nil {
			t.Fatalf("publish: %v", err)
		}
		got := fetchAll(t, b.Shards()[0], 1)[0]
		if got.Poison == nil || got.Batch == nil || got.Batch.ID != id || string(got.Raw) != body {
			t.Errorf("message %d: %+v", i, got)
		}
	}
}

// batchSet is a ledger, as far as an audit asks for lists.
type batchSet map[payment.BatchID]bool

func (s batchSet) missing(_ context.Context, ids []payment.BatchID) ([]payment.BatchID, error) {
	return slices.DeleteFunc(slices.Clone(ids), func(id payment.BatchID) bool { return s[id] }), nil
}

func TestAudit_batchThatTheStreamLostIsHandedOutAgain(t *testing.T) {
	requests := orders(t, "A", 20)
	lost, kept := batchOf(t, requests[:10]), batchOf(t, requests[10:])
	b := auditing(t, localtest.NATS(t), newRowSet(requests...))
	rows := batchSet{kept.ID: true}
	if err := b.AnswerBatches(rows.missing); err != nil {
		t.Fatalf("answer: %v", err)
	}
	putAll(t, b, requests)
	putBatch(t, b, lost)
	putBatch(t, b, kept)
	forgetIDs(t, b)
	audit(t, b)
	got := fetchAll(t, b.Shards()[0], 1)[0]
	if got.Batch == nil || got.Batch.ID != lost.ID || !slices.Equal(got.Batch.Payments, lost.Payments) {
		t.Fatalf("handed out again: %+v, want %s", got, lost.ID)
	}
	if stats := b.Audit(); stats.Repairs != 1 || stats.Segments == 0 {
		t.Errorf("stats %+v, want one repair, and the journal kept until it has a row", stats)
	}
	rows[lost.ID] = true
	if err := got.Ack(); err != nil {
		t.Fatalf("ack: %v", err)
	}
	waitFor(t, "the acknowledgement", func() bool {
		_, waiting, err := b.Shards()[0].oldestUnclaimed(t.Context())
		return err == nil && !waiting
	})
	audit(t, b)
	if stats := b.Audit(); stats.Segments != 0 {
		t.Errorf("stats %+v, want the journal removed", stats)
	}
}

// A process of an earlier version answers for payments and knows of no batches.
func TestAudit_withoutAnAnswerForBatchesNothingIsConcluded(t *testing.T) {
	requests := orders(t, "A", 3)
	b := auditing(t, localtest.NATS(t), newRowSet(requests...))
	putAll(t, b, requests)
	putBatch(t, b, batchOf(t, requests))
	empty(t, b)
	if err := b.audit.round(t.Context()); err != nil {
		t.Fatalf("sealing: %v", err)
	}
	if err := b.audit.round(t.Context()); err == nil {
		t.Error("an audit that nobody answered ended well")
	}
	if stats := b.Audit(); stats.Segments == 0 {
		t.Errorf("stats %+v, want the journal kept", stats)
	}
}

func TestRestart_listsOfTheLostTailArePublishedAgain(t *testing.T) {
	b := auditing(t, localtest.NATS(t), nil)
	batch := batchOf(t, orders(t, "A", 5))
	putBatch(t, b, batch)
	rotate(t, b)
	forgetIDs(t, b)
	if err := b.audit.publishTail(t.Context(), time.Now()); err != nil {
		t.Fatalf("publish: %v", err)
	}
	if found, ok, err := b.PeekBatch(t.Context(), batch.ID); err != nil || !ok || found.ID != batch.ID {
		t.Errorf("got %+v, %v, %v", found, ok, err)
	}
}

func TestOpen_streamOfAnEarlierVersionTakesBatches(t *testing.T) {
	server := localtest.NATS(t)
	opened := func() (*Buffer, error) {
		return Open(t.Context(), Config{InProcess: server.InProcess(), StreamBytesMax: 64 << 20, Durability: StreamOnly})
	}
	subjects := func(b *Buffer, change func([]string) []string) {
		cfg := b.Shards()[0].streamConfig()
		cfg.Subjects = change(cfg.Subjects)
		if _, err := b.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatalf("update: %v", err)
		}
	}
	old, err := opened()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	subjects(old, func(all []string) []string { return all[:2] })
	put(t, old, order(t, "A-1", nil))

	upgraded, err := opened()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	putBatch(t, upgraded, batchOf(t, orders(t, "B", 1)))
	put(t, old, order(t, "A-2", nil)) // what still runs goes on
	if n := streamMessages(t, upgraded.Shards()[0]); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}

	subjects(old, func(all []string) []string { return append(all[:2], "somebody.elses") })
	old.Close()
	upgraded.Close()
	if _, err := opened(); codeOf(err) != payment.CodeConfig {
		t.Errorf("a stream with a subject that is not ours: %v, want %s", err, payment.CodeConfig)
	}
}
