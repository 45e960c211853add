package postgres_test

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func TestCreateTenant_idIsTakenOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if tenants, err := l.Tenants(t.Context()); err != nil || len(tenants) != 0 {
		t.Fatalf("at first: %v, %v", tenants, err)
	}
	for _, id := range []payment.TenantID{"shop", "billing"} {
		created, err := l.CreateTenant(t.Context(), id, "The "+string(id))
		if err != nil || created.ID != id || created.CreatedAt.IsZero() {
			t.Fatalf("created %+v, %v", created, err)
		}
	}
	_, err := l.CreateTenant(t.Context(), "shop", "Another")
	mustCode(t, err, payment.CodeInvalid)
	tenants, err := l.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(tenants) != 2 || tenants[0].ID != "billing" || tenants[1].ID != "shop" || tenants[1].Name != "The shop" {
		t.Errorf("unexpected tenants: %+v", tenants)
	}
}

func newKey(id string, tenant payment.TenantID) payment.APIKey {
	return payment.APIKey{ID: id, Tenant: tenant, Hash: [32]byte{1, 2, 31: 3}, Label: "of " + id}
}

// newKeys makes a ledger with two tenants and a key of each.
func newKeys(t *testing.T) *ledger {
	t.Helper()
	l := newLedger(t)
	for id, tenant := range map[string]payment.TenantID{"k1": "billing", "k2": "shop"} {
		if _, err := l.CreateTenant(t.Context(), tenant, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := l.AddKey(t.Context(), newKey(id, tenant)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestKeys_areReadAsTheyWereAdded(t *testing.T) {
	t.Parallel()
	l := newKeys(t)
	third := newKey("k3", "shop")
	third.ExpiresAt = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	added, err := l.AddKey(t.Context(), third)
	if err != nil {
		t.Fatal(err)
	}
	if added.CreatedAt.IsZero() || added.Hash != third.Hash || !added.ExpiresAt.Equal(third.ExpiresAt) {
		t.Errorf("added %+v", added)
	}
	all, err := l.Keys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || all[0].ID != "k1" || all[1].ID != "k2" || all[2] != added {
		t.Errorf("all keys: %+v", all)
	}
	if !all[0].ExpiresAt.IsZero() || !all[0].RevokedAt.IsZero() || all[0].Label != "of k1" {
		t.Errorf("unexpected key: %+v", all[0])
	}
	own, err := l.Keys(t.Context(), "billing")
	if err != nil || len(own) != 1 || own[0].ID != "k1" {
		t.Errorf("the tenant's keys: %+v, %v", own, err)
	}
}

func TestAddKey_needsATenantAndAFreeID(t *testing.T) {
	t.Parallel()
	l := newKeys(t)
	_, err := l.AddKey(t.Context(), newKey("k9", "nobody"))
	mustCode(t, err, payment.CodeNotFound)
	_, err = l.AddKey(t.Context(), newKey("k1", "shop"))
	mustCode(t, err, payment.CodeInvalid)
}

func TestRevokeKey_isForEver(t *testing.T) {
	t.Parallel()
	l := newKeys(t)
	revoked, err := l.RevokeKey(t.Context(), "k1")
	if err != nil || revoked.RevokedAt.IsZero() || revoked.ID != "k1" {
		t.Fatalf("revoked %+v, %v", revoked, err)
	}
	again, err := l.RevokeKey(t.Context(), "k1")
	if err != nil || !again.RevokedAt.Equal(revoked.RevokedAt) {
		t.Errorf("revoked again: %+v, %v", again, err)
	}
	if others, err := l.Keys(t.Context(), "shop"); err != nil || !others[0].RevokedAt.IsZero() {
		t.Errorf("another's key was revoked: %+v, %v", others, err)
	}
	_, err = l.RevokeKey(t.Context(), "k9")
	mustCode(t, err, payment.CodeNotFound)
}

func TestExpireKey_neverMakesALifeLonger(t *testing.T) {
	t.Parallel()
	l := newKeys(t)
	soon := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{soon, soon.Add(time.Hour)} {
		key, err := l.ExpireKey(t.Context(), "k1", at)
		if err != nil || !key.ExpiresAt.Equal(soon) {
			t.Errorf("expires at %v, %v", key.ExpiresAt, err)
		}
	}
	if key, err := l.ExpireKey(t.Context(), "k1", soon.Add(-time.Hour)); err != nil || !key.ExpiresAt.Equal(soon.Add(-time.Hour)) {
		t.Errorf("expires at %v, %v", key.ExpiresAt, err)
	}
	_, err := l.ExpireKey(t.Context(), "k9", soon)
	mustCode(t, err, payment.CodeNotFound)
}
