package buffer

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// restarted opens a buffer on the journal of one that ended, and on a stream that
// has nothing of what that one acknowledged.
func restarted(t *testing.T, change func(*Config), before func(b *Buffer)) *Buffer {
	t.Helper()
	cfg := Config{InProcess: localtest.NATS(t).InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir()}
	if change != nil {
		change(&cfg)
	}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	before(b)
	b.Close()
	cfg.InProcess = localtest.NATS(t).InProcess()
	if b, err = Open(t.Context(), cfg); err != nil {
		t.Fatalf("open again: %v", err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestRemember_whatTheStreamHadNotWrittenIsKnownAtOnce(t *testing.T) {
	first := order(t, "A-1", nil)
	first.AcceptedAt = first.AcceptedAt.Add(-time.Minute)
	b := restarted(t, nil, func(b *Buffer) { put(t, b, first) })
	receipt := put(t, b, order(t, "A-1", nil))
	if !receipt.Duplicate || !receipt.First.AcceptedAt.Equal(first.AcceptedAt) {
		t.Errorf("the repetition got %+v", receipt)
	}
	if _, err := b.Put(t.Context(), order(t, "A-1", func(d *payment.Draft) { d.AmountMinor++ })); !isConflict(err) {
		t.Errorf("a second body got %v", err)
	}
	if receipt := put(t, b, order(t, "A-2", nil)); receipt.Duplicate {
		t.Error("a new order is said to be a repetition")
	}
}

func TestPeek_whatTheStreamHasLostIsNotUnknown(t *testing.T) {
	accepted := orders(t, "A", 300)
	b := restarted(t, nil, func(b *Buffer) { putAll(t, b, accepted) })
	for _, request := range accepted {
		waitFor(t, "the message to be there again", func() bool {
			_, found, err := b.Peek(t.Context(), request.ID)
			if err == nil && !found {
				t.Fatalf("%s was accepted and is unknown", request.ID)
			}
			return found
		})
	}
	if _, found, err := b.Peek(t.Context(), order(t, "A-never", nil).ID); found || err != nil {
		t.Errorf("what never came is found: %v, %v", found, err)
	}
}

func TestRemember_aBodyThatWasRefusedIsNotTheFirst(t *testing.T) {
	b := restarted(t, nil, func(b *Buffer) {
		put(t, b, order(t, "A-1", nil))
		b.recent.mu.Lock()
		clear(b.recent.young) // as if it was long ago: the stream finds out
		b.recent.mu.Unlock()
		if _, err := b.Put(t.Context(), order(t, "A-1", func(d *payment.Draft) { d.AmountMinor = 5 })); !isConflict(err) {
			t.Fatalf("a second body got %v", err)
		}
	})
	if receipt := put(t, b, order(t, "A-1", nil)); !receipt.Duplicate {
		t.Errorf("the first body got %+v", receipt)
	}
}

func TestRemember_aStreamThatWritesBeforeItAcknowledgesNeedsNone(t *testing.T) {
	server := localtest.NATS(t)
	for name, cfg := range map[string]Config{
		"no journal":      {InProcess: server.InProcess(), Durability: StreamOnly},
		"embedded":        {InProcess: server.InProcess()},
		"somebody else's": {URL: "nats://127.0.0.1:1"},
	} {
		want := name == "embedded"
		if got := cfg.withDefaults().writesBehind(); got != want {
			t.Errorf("%s: writes behind: %t", name, got)
		}
	}
}
