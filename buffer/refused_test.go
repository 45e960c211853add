package buffer

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

func other(d *payment.Draft) { d.AmountMinor = 5 }

// refusedThenAccepted puts a body that a full stream refuses, and then, when there
// is room, another one for the same order.
func refusedThenAccepted(t *testing.T, b *Buffer) {
	t.Helper()
	put(t, b, order(t, "filler", nil))
	if _, err := b.Put(t.Context(), order(t, "A-1", nil)); codeOf(err) != payment.CodeBufferFull {
		t.Fatalf("a full stream gave %v", err)
	}
	if err := b.Shards()[0].stream.Purge(t.Context()); err != nil {
		t.Fatalf("purge: %v", err)
	}
	waitFor(t, "the other body to be accepted", func() bool {
		_, err := b.Put(t.Context(), order(t, "A-1", other))
		return err == nil
	})
}

func tiny(c *Config) { c.StreamMessagesMax, c.TenantShare = 1, 1 }

func TestRefused_bodyIsNotTheFirstAfterARestart(t *testing.T) {
	b := restarted(t, tiny, func(b *Buffer) { refusedThenAccepted(t, b) })
	if receipt := put(t, b, order(t, "A-1", other)); !receipt.Duplicate {
		t.Errorf("the body that was accepted got %+v", receipt)
	}
	if _, err := b.Put(t.Context(), order(t, "A-1", nil)); codeOf(err) != payment.CodeOrderConflict && codeOf(err) != payment.CodeBufferFull {
		t.Errorf("the body that was refused got %v", err)
	}
}

func TestRefused_bodyIsNeverPublishedInPlaceOfTheAccepted(t *testing.T) {
	cfg := Config{InProcess: localtest.NATS(t).InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir()}
	tiny(&cfg)
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	refusedThenAccepted(t, b)
	b.Close()
	cfg.InProcess, cfg.StreamMessagesMax = localtest.NATS(t).InProcess(), 0 // a stream that has nothing
	if b, err = Open(t.Context(), cfg); err != nil {
		t.Fatalf("open again: %v", err)
	}
	defer b.Close()
	for _, delivery := range fetchAll(t, b.Shards()[0], 2) {
		if delivery.Request.OrderNumber == "A-1" && delivery.Request.Money.Minor() != 5 {
			t.Errorf("the amount %d is handed out, which was refused", delivery.Request.Money.Minor())
		}
	}
}

// With an idempotency key a request that was refused comes again with its first
// time of acceptance. Its new receipt must count.
func TestRefused_theSameRequestSentAgainHasAReceiptThatCounts(t *testing.T) {
	request := order(t, "A-1", nil)
	b := restarted(t, tiny, func(b *Buffer) {
		put(t, b, order(t, "filler", nil))
		if _, err := b.Put(t.Context(), request); codeOf(err) != payment.CodeBufferFull {
			t.Fatalf("a full stream gave %v", err)
		}
		if err := b.Shards()[0].stream.Purge(t.Context()); err != nil {
			t.Fatalf("purge: %v", err)
		}
		waitFor(t, "it to be accepted", func() bool {
			_, err := b.Put(t.Context(), request)
			return err == nil
		})
	})
	if receipt := put(t, b, request); !receipt.Duplicate {
		t.Errorf("after the restart it got %+v", receipt)
	}
}

// Two Puts of one request at the same time: the withdrawal of the one must not
// void the receipt of the other, in whatever order the journal has them.
func TestRefused_aWithdrawalIsOfOnePut(t *testing.T) {
	request := order(t, "A-1", nil)
	b := restarted(t, nil, func(b *Buffer) {
		refused, accepted := b.putting(request), b.putting(request)
		if err := b.begin(t.Context(), &refused); err != nil {
			t.Fatalf("begin: %v", err)
		}
		if err := b.begin(t.Context(), &accepted); err != nil {
			t.Fatalf("begin: %v", err)
		}
		b.withdraw(refused)
		for _, p := range []putting{refused, accepted} {
			if _, err := b.finish(t.Context(), p, nil); err != nil {
				t.Fatalf("finish: %v", err)
			}
		}
		kept, _, err := parseRecord(accepted.record)
		if err != nil || b.audit.isVoid(kept) {
			t.Errorf("the receipt of the other Put is void (%v)", err)
		}
		if kept, _, err = parseRecord(refused.record); err != nil || !b.audit.isVoid(kept) {
			t.Errorf("the withdrawn receipt counts (%v)", err)
		}
	})
	if got := fetchAll(t, b.Shards()[0], 1)[0]; got.Request.ID != request.ID {
		t.Errorf("published again: %s", got.Request.ID)
	}
	if receipt := put(t, b, request); !receipt.Duplicate {
		t.Errorf("after the restart it got %+v", receipt)
	}
}

func TestRefused_whoeverGotNoAnswerHasNoReceiptThatCounts(t *testing.T) {
	server := localtest.NATS(t)
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(), PutTimeout: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer b.Close()
	put(t, b, order(t, "A-0", nil))
	server.Stop()
	left, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	for number, ctx := range map[string]context.Context{"A-1": t.Context(), "A-2": left} {
		if _, err := b.Put(ctx, order(t, number, nil)); codeOf(err) != payment.CodeBufferUnavailable {
			t.Fatalf("put without a server gave %v", err)
		}
	}
	counting := map[string]bool{}
	for _, segment := range b.journal.Segments() {
		err := b.journal.Read(t.Context(), segment.Number, func(record journal.Record) error {
			if kept, void, err := parseRecord(record.Payload); err == nil && void == nil {
				counting[kept.request.OrderNumber] = !b.audit.isVoid(kept)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("read the journal: %v", err)
		}
	}
	if !counting["A-0"] || counting["A-1"] || counting["A-2"] {
		t.Errorf("these count: %v, want A-0 alone", counting)
	}
}

func TestRemember_aWithdrawalMayStandBeforeItsReceipt(t *testing.T) {
	request := order(t, "A-1", nil)
	b := restarted(t, nil, func(b *Buffer) {
		record, _ := encodeReceipt(kindReceipt, request, 7)
		kept, _, err := parseRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		for _, payload := range [][]byte{kept.key().record(), record} {
			if err := b.journal.Append(t.Context(), payload); err != nil {
				t.Fatalf("append: %v", err)
			}
		}
	})
	if _, known := b.recent.find(request.ID); known {
		t.Error("what was refused is remembered as accepted")
	}
	if receipt := put(t, b, request); receipt.Duplicate {
		t.Error("what was never accepted is called a repetition")
	}
}

func TestJournalOnly_aConflictIsOneWhileNATSIsAway(t *testing.T) {
	server := localtest.NATS(t)
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(),
		Durability: JournalOnly, PutTimeout: time.Minute, // nobody waits for that
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer b.Close()
	server.Stop()
	put(t, b, order(t, "A-1", nil))
	if _, err := b.Put(t.Context(), order(t, "A-1", other)); !isConflict(err) {
		t.Errorf("another body got %v", err)
	}
}

func TestPut_aRepetitionOfWhatOnlyOthersHaveIsKeptHereToo(t *testing.T) {
	b := open(t, nil)
	first := order(t, "A-1", nil)
	shard := b.Shards()[0]
	// The node that published it died before its journal had it.
	if _, err := b.store(t.Context(), shard, message{
		subject: shard.intakeSubject(first.ID), id: string(first.ID), body: encode(first),
	}); err != nil {
		t.Fatalf("store: %v", err)
	}
	if _, err := b.Put(t.Context(), order(t, "A-1", other)); !isConflict(err) {
		t.Fatalf("another body got %v", err)
	}
	if receipt := put(t, b, first); !receipt.Duplicate {
		t.Errorf("the first body got %+v", receipt)
	}
	if n := receiptsOf(t, b, first); n != 1 {
		t.Errorf("the journal has %d receipts of it", n)
	}
	put(t, b, first)
	if n := receiptsOf(t, b, first); n != 1 {
		t.Errorf("a further repetition was kept again: %d receipts", n)
	}
}

func receiptsOf(t *testing.T, b *Buffer, request payment.Request) (n int) {
	t.Helper()
	for _, segment := range b.journal.Segments() {
		err := b.journal.Read(t.Context(), segment.Number, func(record journal.Record) error {
			kept, void, err := parseRecord(record.Payload)
			if err == nil && void == nil && !kept.conflict && kept.request.Fingerprint() == request.Fingerprint() {
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatalf("read the journal: %v", err)
		}
	}
	return n
}

func TestRestart_conflictsThatTheStreamHadNotWrittenAreOnRecord(t *testing.T) {
	b := restarted(t, nil, func(b *Buffer) {
		put(t, b, order(t, "A-1", nil))
		if _, err := b.Put(t.Context(), order(t, "A-1", other)); !isConflict(err) {
			t.Fatalf("another body got %v", err)
		}
	})
	got := map[bool]int64{}
	for _, delivery := range fetchAll(t, b.Shards()[0], 2) {
		got[delivery.Conflict] = delivery.Request.Money.Minor()
	}
	if got[false] != 1999 || got[true] != 5 {
		t.Errorf("handed out: the payment of %d, the conflict of %d", got[false], got[true])
	}
}

func TestRemember_reachesBackToWhatTheStreamLostHoweverLongAgo(t *testing.T) {
	const window = 300 * time.Millisecond
	b := restarted(t, func(c *Config) { c.DedupWindow = window }, func(b *Buffer) {
		put(t, b, order(t, "A-1", nil))
		stored := time.Now()
		waitFor(t, "the window to end", func() bool { return time.Since(stored) > window })
	})
	if _, err := b.Put(t.Context(), order(t, "A-1", other)); !isConflict(err) {
		t.Errorf("a second body got %v", err)
	}
}

func TestOpen_aStreamThatWritesBehindIsNoneForStreamOnly(t *testing.T) {
	cfg := Config{InProcess: localtest.NATS(t).InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir()}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	b.Close()
	cfg.Durability = StreamOnly
	if b, err = Open(t.Context(), cfg); err == nil {
		b.Close()
	}
	if _, detail := payment.CodeOf(err); codeOf(err) != payment.CodeConfig || !strings.Contains(detail, "before it writes") {
		t.Errorf("opened with %v", err)
	}
}

func TestJournalOnly_aBrokenStreamRefusesNothing(t *testing.T) {
	b := aheadNode(t, nil)
	put(t, b, order(t, "before", nil))
	health := &b.Shards()[0].health
	health.mu.Lock()
	health.probe = &message{subject: b.Shards()[0].intakeSubject("x"), id: "x", body: []byte("x")}
	health.broken.Store(true)
	health.mu.Unlock()
	end := time.Now().Add(3 * overduePeriod)
	for n := 0; time.Now().Before(end); n++ {
		put(t, b, order(t, fmt.Sprint("A-", n), nil))
	}
}

func TestJournalOnly_aFullStreamRefusesNothing(t *testing.T) {
	b := aheadNode(t, tiny)
	for n := range 50 {
		put(t, b, order(t, fmt.Sprint("A-", n), nil))
	}
}

func TestJournalOnly_aBatchIsAcceptedWhileNATSIsAway(t *testing.T) {
	server := localtest.NATS(t)
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(),
		Durability: JournalOnly, InFlightMax: 8, TenantShare: 1, PutTimeout: time.Minute, // nobody waits for that
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer b.Close()
	server.Stop()
	requests := orders(t, "A", 30)
	for i, result := range b.PutAll(t.Context(), requests) {
		if result.Err != nil {
			t.Errorf("request %d: %v", i, result.Err)
		}
	}
	batch, err := payment.NewBatch(testKey, "acme", requests, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PutBatch(t.Context(), batch); err != nil {
		t.Errorf("the list: %v", err)
	}
}

func TestShare_listsOfBatchesCount(t *testing.T) {
	b := open(t, func(c *Config) { c.StreamMessagesMax = 60 })
	var accepted []payment.Request
	for n := 0; ; n++ {
		request := order(t, fmt.Sprint("A-", n), nil)
		if _, err := b.Put(t.Context(), request); codeOf(err) == payment.CodeTenantShare {
			break
		} else if err != nil {
			t.Fatalf("put: %v", err)
		}
		accepted = append(accepted, request)
	}
	batch, err := payment.NewBatch(testKey, "acme", accepted, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.PutBatch(t.Context(), batch); codeOf(err) != payment.CodeTenantShare {
		t.Errorf("a list of a tenant over its share got %v", err)
	}
	request := order(t, "A-new", nil)
	request.KeyHash = "key"
	if _, _, err := b.Reserve(t.Context(), request); codeOf(err) != payment.CodeTenantShare {
		t.Errorf("a key of a tenant over its share got %v", err)
	}
}

// stall is a proxy in front of a server that can stop reading.
type stall struct {
	net.Listener
	stopped atomic.Bool
	wg      sync.WaitGroup
}

func startStall(t *testing.T, target string) *stall {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stall{Listener: listener}
	s.wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				return
			}
			s.wg.Go(func() { s.pump(server, client) })
			s.wg.Go(func() { s.pump(client, server) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); s.stopped.Store(false); s.wg.Wait() })
	return s
}

func (s *stall) pump(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		for s.stopped.Load() {
			<-time.After(time.Millisecond)
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func TestPut_aServerThatStopsReadingHoldsNobodyUp(t *testing.T) {
	t.Parallel() // it mostly waits
	server, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	proxy := startStall(t, strings.TrimPrefix(server.ClientURL(), "nats://"))
	b, err := Open(t.Context(), Config{
		URL: "nats://" + proxy.Addr().String(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(),
		PutTimeout: 500 * time.Millisecond, TenantShare: 1,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(b.Close)
	put(t, b, order(t, "before", nil))
	proxy.stopped.Store(true)
	large := func(d *payment.Draft) {
		for n := range payment.MetadataKeysMax {
			d.Metadata[fmt.Sprint("k", n)] = strings.Repeat("x", payment.MetadataValueBytesMax)
		}
		delete(d.Metadata, "cart")
	}
	var wg sync.WaitGroup
	for n := range 2000 { // more than all the buffers on the way
		wg.Go(func() {
			if _, err := b.Put(t.Context(), order(t, fmt.Sprint("A-", n), large)); err == nil {
				t.Error("accepted by a server that reads nothing")
			}
		})
	}
	ended := make(chan struct{})
	go func() { defer close(ended); wg.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second): // sixty times as long as each may wait
		t.Fatal("requests still wait")
	}
}
