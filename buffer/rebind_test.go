package buffer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// putKeyed does what intake does for a request with a key.
func putKeyed(t *testing.T, b *Buffer, request payment.Request) payment.Receipt {
	t.Helper()
	first, _, err := b.Reserve(t.Context(), request)
	if err != nil {
		t.Fatalf("reserve for %s: %v", request.OrderNumber, err)
	}
	return put(t, b, first)
}

func TestRestart_keysOfABucketThatWasLostAreBoundAgainBeforeAnyIsReserved(t *testing.T) {
	dir, journalDir := t.TempDir(), t.TempDir()
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
	first, late := keyed(t, "A-1", "k", nil), keyed(t, "A-9", "k-9", nil)
	run(func(b *Buffer) {
		putKeyed(t, b, first)
		putKeyed(t, b, late)
	})
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	run(func(b *Buffer) {
		wantRefused(t, b, keyed(t, "A-2", "k", nil), payment.CodeKeyReused)
		wantRefused(t, b, keyed(t, "A-9", "k-9", dearer), payment.CodeKeyReused)
		again := first
		again.AcceptedAt = again.AcceptedAt.Add(time.Hour)
		if got := wantReserved(t, b, again, true); !got.AcceptedAt.Equal(first.AcceptedAt) {
			t.Errorf("accepted at %s, want the first time %s", got.AcceptedAt, first.AcceptedAt)
		}
	})
}

// loseBindings takes all keys from the bucket.
func loseBindings(t *testing.T, b *Buffer) {
	t.Helper()
	if err := b.bindings.bucket.stream.Purge(t.Context()); err != nil {
		t.Fatalf("purge: %v", err)
	}
}

func TestAudit_keysThatTheBucketLostAreBoundAgain(t *testing.T) {
	server := localtest.NATS(t)
	first, other := keyed(t, "A-1", "k", nil), keyed(t, "A-1", "k-2", dearer)
	one, two := auditing(t, server, nil), auditing(t, server, newRowSet(first))
	putKeyed(t, two, first)
	rotate(t, two)
	if _, _, err := one.Reserve(t.Context(), other); err != nil {
		t.Fatalf("reserve: %v", err)
	}
	if _, err := one.Put(t.Context(), other); err == nil {
		t.Fatal("another body was accepted")
	}
	empty(t, two)
	loseBindings(t, two)
	audit(t, two)
	audit(t, one) // its receipt is of a body that was refused with 409: the key belongs to it all the same
	wantRefused(t, two, keyed(t, "A-2", "k", nil), payment.CodeKeyReused)
	wantRefused(t, two, keyed(t, "A-2", "k-2", nil), payment.CodeKeyReused)
	wantReserved(t, two, first, true)
	wantReserved(t, two, other, true)
	if n := streamMessages(t, two.Shards()[0]); n != 0 {
		t.Errorf("%d payments were published again, want none: there is a row", n)
	}
}

func TestAudit_keyThatBelongsToAnotherRequestByNowStaysThere(t *testing.T) {
	first, next := keyed(t, "A-1", "k", nil), keyed(t, "A-2", "k", nil)
	b := auditing(t, localtest.NATS(t), newRowSet(first, next))
	putKeyed(t, b, first)
	loseBindings(t, b)
	putKeyed(t, b, next)
	empty(t, b)
	audit(t, b)
	wantReserved(t, b, next, true)
	wantRefused(t, b, first, payment.CodeKeyReused)
	if stats := b.Audit(); stats.Segments > 1 {
		t.Errorf("%d segments are left: the audit did not end", stats.Segments)
	}
}

func TestAudit_bucketWithoutRoomKeepsNoPaymentFromBeingAudited(t *testing.T) {
	requests := []payment.Request{keyed(t, "A-1", "k-1", nil), keyed(t, "A-2", "k-2", nil)}
	b := auditing(t, localtest.NATS(t), newRowSet(requests...))
	for _, request := range requests {
		putKeyed(t, b, request)
	}
	loseBindings(t, b)
	empty(t, b)
	none := b.bindings.streamConfig()
	none.MaxBytes = 1
	if _, err := b.js.UpdateStream(t.Context(), none); err != nil {
		t.Fatalf("update: %v", err)
	}
	audit(t, b)
	if stats := b.Audit(); stats.Segments > 1 {
		t.Errorf("%d segments are left: the audit did not end", stats.Segments)
	}
}

func TestRebinding_keyThatIsTooOldIsForgotten(t *testing.T) {
	b := auditing(t, localtest.NATS(t), nil)
	keys := rebinding{auditor: b.audit}
	old, young := keyed(t, "A-1", "k-1", nil), keyed(t, "A-2", "k-2", nil)
	for _, receipt := range []struct {
		request payment.Request
		age     time.Duration
	}{{old, 25 * time.Hour}, {young, 23 * time.Hour}} {
		if err := keys.add(t.Context(), receipt.request, time.Now().Add(-receipt.age)); err != nil {
			t.Fatalf("add: %v", err)
		}
	}
	if err := keys.flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
	wantReserved(t, b, keyed(t, "A-3", "k-1", nil), false)
	wantReserved(t, b, young, true)
}

func TestBindings_bucketThatIsLostWhileRunningIsMadeAgain(t *testing.T) {
	b := open(t, nil)
	if err := b.js.DeleteStream(t.Context(), bindingStream); err != nil {
		t.Fatalf("delete: %v", err)
	}
	wantReserved(t, b, keyed(t, "A-1", "k", nil), false) // within its patience
	if n := bindingsKept(t, b); n != 1 {
		t.Errorf("%d keys are kept, want 1", n)
	}
}
