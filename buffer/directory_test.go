package buffer

import (
	"strings"
	"testing"
	"time"

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
