package buffer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// rowSet is a ledger, as far as an audit asks for one.
type rowSet struct {
	mu   sync.Mutex
	rows map[payment.ID]bool
}

func newRowSet(requests ...payment.Request) *rowSet {
	set := &rowSet{rows: map[payment.ID]bool{}}
	for _, request := range requests {
		set.rows[request.ID] = true
	}
	return set
}

func (s *rowSet) missing(_ context.Context, ids []payment.ID) ([]payment.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var missing []payment.ID
	for _, id := range ids {
		if !s.rows[id] {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

func (s *rowSet) add(request payment.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[request.ID] = true
}

// auditing opens a buffer whose audits are made by hand, and answered from rows.
func auditing(t *testing.T, server *local.NATS, rows *rowSet) *Buffer {
	t.Helper()
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir(),
		AuditAfter: time.Nanosecond, AuditInterval: time.Hour,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(b.Close)
	if rows != nil {
		if err := b.AnswerRows(rows.missing); err != nil {
			t.Fatalf("answer: %v", err)
		}
	}
	return b
}

// audit makes enough rounds to seal and to check what there is.
func audit(t *testing.T, b *Buffer) {
	t.Helper()
	for range 2 {
		if err := b.audit.round(t.Context()); err != nil {
			t.Fatalf("audit: %v", err)
		}
	}
}

func orders(t *testing.T, prefix string, n int) []payment.Request {
	t.Helper()
	var all []payment.Request
	for i := range n {
		all = append(all, order(t, fmt.Sprintf("%s-%d", prefix, i), nil))
	}
	return all
}

func putAll(t *testing.T, b *Buffer, requests []payment.Request) {
	t.Helper()
	for _, request := range requests {
		put(t, b, request)
	}
}

// empty acknowledges everything, as a processor would, or loses it.
func empty(t *testing.T, b *Buffer) {
	t.Helper()
	if err := b.Shards()[0].stream.Purge(t.Context()); err != nil {
		t.Fatalf("purge: %v", err)
	}
}

func TestAudit_paymentsThatTheStreamLostAreHandedOutAgain(t *testing.T) {
	requests := orders(t, "A", 50)
	b := auditing(t, localtest.NATS(t), newRowSet(requests[:20]...))
	putAll(t, b, requests)
	empty(t, b) // 20 have rows, 30 are gone
	// The stream's own window would take them for repetitions; it outlives no loss
	// in life, so make the loss as deep as it is there.
	forgetIDs(t, b)
	audit(t, b)
	got := map[payment.ID]bool{}
	for _, d := range fetchAll(t, b.Shards()[0], 30) {
		got[d.Request.ID] = true
	}
	for i, request := range requests {
		if got[request.ID] != (i >= 20) {
			t.Errorf("%s handed out again: %v", request.OrderNumber, got[request.ID])
		}
	}
	if stats := b.Audit(); stats.Repairs != 30 || stats.Bytes == 0 {
		t.Errorf("stats %+v, want 30 repairs and the journal kept until they have rows", stats)
	}
}

// forgetIDs replaces the stream by an empty one.
func forgetIDs(t *testing.T, b *Buffer) {
	t.Helper()
	shard := b.Shards()[0]
	if err := b.js.DeleteStream(t.Context(), shard.name); err != nil {
		t.Fatalf("delete stream: %v", err)
	}
	if err := shard.ensureStream(t.Context()); err != nil {
		t.Fatalf("create stream: %v", err)
	}
	if err := shard.ensureConsumer(t.Context()); err != nil {
		t.Fatalf("create consumer: %v", err)
	}
}

func TestAudit_segmentGoesWhenAllItsPaymentsHaveRows(t *testing.T) {
	requests := orders(t, "A", 10)
	b := auditing(t, localtest.NATS(t), newRowSet(requests...))
	putAll(t, b, requests)
	empty(t, b)
	before := b.Audit()
	audit(t, b)
	after := b.Audit()
	if before.Bytes == 0 || before.Records != 10 || after.Repairs != 0 || after.Segments != 0 || after.Records != 0 {
		t.Errorf("before %+v, after %+v; want nothing left and nothing repaired", before, after)
	}
}

func TestAudit_whatWaitsInTheStreamIsLeftAlone(t *testing.T) {
	b := auditing(t, localtest.NATS(t), newRowSet())
	putAll(t, b, orders(t, "A", 10))
	audit(t, b)
	if stats := b.Audit(); stats.Repairs != 0 || stats.Bytes == 0 {
		t.Errorf("stats %+v; a backlog is no loss", stats)
	}
	if n := streamMessages(t, b.Shards()[0]); n != 10 {
		t.Errorf("%d messages, want 10", n)
	}
}

func TestAudit_withoutAnAnswerNothingIsConcluded(t *testing.T) {
	b := auditing(t, localtest.NATS(t), nil)
	putAll(t, b, orders(t, "A", 3))
	empty(t, b)
	if err := b.audit.round(t.Context()); err != nil {
		t.Fatalf("sealing: %v", err)
	}
	if err := b.audit.round(t.Context()); err == nil {
		t.Error("an audit that nobody answered ended well")
	}
	if stats := b.Audit(); stats.Bytes == 0 || stats.Repairs != 0 {
		t.Errorf("stats %+v, want the journal kept and nothing published", stats)
	}
}

// Two nodes, so that the second learns only from the stream that its body is
// not the first, after its journal has it.
func TestAudit_bodyThatWasRefusedIsNeverPublished(t *testing.T) {
	server := localtest.NATS(t)
	one, two := auditing(t, server, nil), auditing(t, server, newRowSet())
	put(t, one, order(t, "A-1", nil))
	other := order(t, "A-1", func(d *payment.Draft) { d.AmountMinor = 1 })
	if _, err := two.Put(t.Context(), other); err == nil {
		t.Fatal("another body was accepted")
	}
	if two.Audit().Bytes == 0 {
		t.Fatal("the second node's journal never had the body: nothing is tested")
	}
	empty(t, two)
	forgetIDs(t, two)
	two.audit.voids = voids{} // as after a restart
	if err := two.audit.loadVoids(t.Context()); err != nil {
		t.Fatalf("read the journal: %v", err)
	}
	audit(t, two)
	if n := streamMessages(t, two.Shards()[0]); n != 0 {
		t.Errorf("%d messages; a body that was answered 409 is on its way to be paid", n)
	}
}

func TestRestart_tailThatThePowerCutTookIsPublishedAgain(t *testing.T) {
	dir, journalDir := t.TempDir(), t.TempDir()
	requests := orders(t, "A", 25)
	run := func(use func(*Buffer)) {
		server, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: dir})
		if err != nil {
			t.Fatalf("nats: %v", err)
		}
		defer server.Stop()
		b, err := Open(t.Context(), Config{
			InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: journalDir,
		})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		defer b.Close()
		use(b)
	}
	run(func(b *Buffer) { putAll(t, b, requests) })
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	run(func(b *Buffer) {
		got := map[payment.ID]bool{}
		for _, d := range fetchAll(t, b.Shards()[0], len(requests)) {
			got[d.Request.ID] = true
		}
		if len(got) != len(requests) {
			t.Errorf("%d payments came again, want %d", len(got), len(requests))
		}
	})
}

func TestPut_journalThatIsFullRefusesAndSaysSo(t *testing.T) {
	b := open(t, func(c *Config) { c.JournalSegmentBytes, c.JournalBytesMax = 1<<20, 2<<20 })
	var full error
	for i := range 20_000 {
		request := order(t, fmt.Sprintf("A-%d", i), func(d *payment.Draft) { d.Description = fmt.Sprintf("%0900d", i) })
		if _, full = b.Put(t.Context(), request); full != nil {
			break
		}
	}
	if code, _ := payment.CodeOf(full); code != payment.CodeBufferFull {
		t.Errorf("put into a full journal gave %v, want %s", full, payment.CodeBufferFull)
	}
}

// What an older segment still needs must outlive the removal of a younger one.
func TestAudit_refusedBodyStaysRefusedWhileAnOlderSegmentIsRepaired(t *testing.T) {
	server := localtest.NATS(t)
	lost, young := order(t, "A-lost", nil), order(t, "A-young", nil)
	rows := newRowSet(young)
	one, two := auditing(t, server, nil), auditing(t, server, rows)
	put(t, one, order(t, "A-1", nil))
	put(t, two, lost)
	other := order(t, "A-1", func(d *payment.Draft) { d.AmountMinor = 1 })
	if _, err := two.Put(t.Context(), other); err == nil {
		t.Fatal("another body was accepted")
	}
	rotate(t, two)
	put(t, two, young)
	rotate(t, two)
	forgetIDs(t, two) // A-1 and A-lost are gone before anybody claimed them

	audit(t, two) // A-lost is published again; the younger segment has its row
	repaired := fetchAll(t, two.Shards()[0], 1)[0]
	if repaired.Request.ID != lost.ID {
		t.Fatalf("published again: %s, want A-lost", repaired.Request.OrderNumber)
	}
	rows.add(lost)
	if err := repaired.Ack(); err != nil {
		t.Fatalf("ack: %v", err)
	}
	waitFor(t, "the acknowledgement", func() bool {
		_, waiting, err := two.Shards()[0].oldestUnclaimed(t.Context())
		return err == nil && !waiting
	})
	audit(t, two)
	if n := streamMessages(t, two.Shards()[0]); n != 1 {
		t.Errorf("%d messages; a body that was answered 409 is on its way to be paid", n)
	}
	if stats := two.Audit(); stats.Segments != 0 {
		t.Errorf("%d segments are left, want none", stats.Segments)
	}
}

func rotate(t *testing.T, b *Buffer) {
	t.Helper()
	if err := b.journal.Rotate(); err != nil {
		t.Fatalf("rotate: %v", err)
	}
}
