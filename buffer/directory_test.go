package buffer

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

func TestDirectory_followsWhatIsReplaced(t *testing.T) {
	b := open(t, nil)
	keys := b.Keys()
	waitFor(t, "the first reading", keys.Ready)
	now := time.Now().UTC().Truncate(time.Millisecond)
	one := payment.APIKey{ID: "one", Tenant: "acme", Hash: [32]byte{1}, Label: "till", CreatedAt: now}
	two := payment.APIKey{ID: "two", Tenant: "acme", Hash: [32]byte{2}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	if err := keys.Replace(t.Context(), []payment.APIKey{one, two}); err != nil {
		t.Fatalf("replace: %v", err)
	}
	waitFor(t, "both keys", func() bool {
		gotOne, _ := keys.Key("one")
		gotTwo, _ := keys.Key("two")
		return gotOne == one && gotTwo == two
	})
	undone := one
	one.RevokedAt = now
	if err := keys.Replace(t.Context(), []payment.APIKey{one}); err != nil {
		t.Fatalf("replace: %v", err)
	}
	waitFor(t, "the revocation and the deletion", func() bool {
		gotOne, _ := keys.Key("one")
		_, hasTwo := keys.Key("two")
		return gotOne.RevokedAt.Equal(now) && !hasTwo
	})
	// Somebody who read before the revocation writes after it.
	if err := keys.Replace(t.Context(), []payment.APIKey{undone, two}); err != nil {
		t.Fatalf("replace: %v", err)
	}
	waitFor(t, "the second key", func() bool { _, hasTwo := keys.Key("two"); return hasTwo })
	if gotOne, _ := keys.Key("one"); gotOne.RevokedAt.IsZero() {
		t.Error("a revoked key came back to life")
	}
}

func TestDirectory_lostBucketIsMadeAgain(t *testing.T) {
	t.Parallel() // it mostly waits
	b := open(t, nil)
	key := payment.APIKey{ID: "one", Tenant: "acme", CreatedAt: time.Now().UTC().Truncate(time.Millisecond)}
	if err := b.js.DeleteKeyValue(t.Context(), directoryBucket); err != nil {
		t.Fatalf("delete bucket: %v", err)
	}
	if err := b.Keys().Replace(t.Context(), []payment.APIKey{key}); err != nil {
		t.Fatalf("replace: %v", err)
	}
	waitFor(t, "the key", func() bool { _, known := b.Keys().Key("one"); return known })
}

func TestCheckIDKey_anotherKeyIsRefused(t *testing.T) {
	b := open(t, nil)
	for range 2 { // the first start, and any later one
		if err := b.Keys().CheckIDKey(t.Context(), testKey); err != nil {
			t.Fatalf("check: %v", err)
		}
	}
	other, err := payment.NewIDKey([]byte(strings.Repeat("o", 32)))
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	if code, _ := payment.CodeOf(b.Keys().CheckIDKey(t.Context(), other)); code != payment.CodeConfig {
		t.Errorf("another id key gave code %s, want %s", code, payment.CodeConfig)
	}
}

// behindBucket is a bucket whose first reads are answered by a replica that does
// not have the key yet.
type behindBucket struct {
	jetstream.KeyValue
	reads int
}

func (k *behindBucket) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	if k.reads++; k.reads <= 2 {
		return nil, jetstream.ErrKeyNotFound
	}
	return k.KeyValue.Get(ctx, key)
}

func TestCheckIDKey_replicaThatIsBehindIsAskedAgain(t *testing.T) {
	b := open(t, nil)
	if err := b.Keys().CheckIDKey(t.Context(), testKey); err != nil {
		t.Fatalf("check: %v", err)
	}
	second := &Directory{kv: &behindBucket{KeyValue: b.Keys().bucket()}, log: b.cfg.Logger}
	if err := second.CheckIDKey(t.Context(), testKey); err != nil {
		t.Errorf("a node that starts beside the first cannot: %v", err)
	}
}
