package buffer

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// aheadNode opens a buffer that waits for its journal alone.
func aheadNode(t *testing.T, change func(*Config)) *Buffer {
	t.Helper()
	return open(t, func(c *Config) {
		c.Durability = JournalOnly
		if change != nil {
			change(c)
		}
	})
}

func TestJournalOnly_aRequestReachesTheStreamAndIsKnownAgain(t *testing.T) {
	b := aheadNode(t, nil)
	request := order(t, "A-1", nil)
	if receipt := put(t, b, request); receipt.Duplicate || receipt.Durability != "journal" {
		t.Errorf("the first got %+v", receipt)
	}
	if receipt := put(t, b, request); !receipt.Duplicate {
		t.Errorf("the repetition got %+v", receipt)
	}
	if got := fetchAll(t, b.Shards()[0], 1)[0]; got.Request.ID != request.ID {
		t.Errorf("fetched %s, want %s", got.Request.ID, request.ID)
	}
	second := order(t, "A-1", func(d *payment.Draft) { d.AmountMinor++ })
	if _, err := b.Put(t.Context(), second); !isConflict(err) {
		t.Errorf("a second body got %v", err)
	}
}

func TestJournalOnly_acceptsWhileNATSIsAwayAndLosesNothing(t *testing.T) {
	journal := t.TempDir()
	server := localtest.NATS(t)
	b, err := Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: journal,
		Durability: JournalOnly, InFlightMax: 2, PutTimeout: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	server.Stop()
	const orders = 10 // more than may be in flight
	for _, number := range numbers(orders) {
		put(t, b, order(t, number, nil))
	}
	b.Close()

	again := aheadNode(t, func(c *Config) { c.JournalDir = journal }) // on a stream that has nothing
	got := map[string]int{}
	for _, delivery := range fetchAll(t, again.Shards()[0], orders) {
		got[delivery.Request.OrderNumber]++
	}
	for _, number := range numbers(orders) {
		if got[number] != 1 {
			t.Errorf("%s came %d times", number, got[number])
		}
	}
}

func TestJournalOnly_aSecondBodyOfAnotherNodeIsPutOnRecord(t *testing.T) {
	server := localtest.NATS(t)
	cfg := Config{InProcess: server.InProcess(), StreamBytesMax: 64 << 20, JournalDir: t.TempDir()}
	first, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer first.Close()
	put(t, first, order(t, "A-1", nil))

	cfg.JournalDir, cfg.Durability = t.TempDir(), JournalOnly
	second, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer second.Close()
	// A stream that answers before the journal is heard.
	if _, err := second.Put(t.Context(), order(t, "A-1", func(d *payment.Draft) { d.AmountMinor++ })); err != nil && !isConflict(err) {
		t.Fatalf("put: %v", err)
	}

	conflicts := 0
	for _, delivery := range fetchAll(t, second.Shards()[0], 2) {
		if delivery.Conflict {
			conflicts++
			if got := delivery.Request.Money.Minor(); got != 2000 {
				t.Errorf("the conflict has the amount %d", got)
			}
		}
	}
	if conflicts != 1 {
		t.Errorf("%d conflicts on record, want 1", conflicts)
	}
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "A-" + string(rune('a'+i))
	}
	return all
}

func isConflict(err error) bool {
	code, _ := payment.CodeOf(err)
	return code == payment.CodeOrderConflict
}
