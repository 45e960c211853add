package payment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func requests(t testing.TB, tenant TenantID, orderNumbers ...string) []Request {
	t.Helper()
	var all []Request
	for _, number := range orderNumbers {
		draft := validDraft()
		draft.OrderNumber = number
		request, err := NewRequest(mustKey(t, 'k'), tenant, draft, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, request)
	}
	return all
}

func newBatch(t testing.TB, tenant TenantID, orderNumbers ...string) Batch {
	t.Helper()
	batch, err := NewBatch(mustKey(t, 'k'), tenant, requests(t, tenant, orderNumbers...), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func TestNewBatch_sameRequestsSameId(t *testing.T) {
	batch := newBatch(t, "acme", "A-1", "A-2")
	if again := newBatch(t, "acme", "A-1", "A-2"); again.ID != batch.ID {
		t.Errorf("derived %s and then %s", batch.ID, again.ID)
	}
	// A golden value: a batch that is sent again after an upgrade is the same one.
	if want := BatchID("bat_yxkusdciroindp333l6ftcc2fi"); batch.ID != want {
		t.Errorf("derived %s, want %s as ever", batch.ID, want)
	}
	if parsed, err := ParseBatchID(string(batch.ID)); err != nil || parsed != batch.ID {
		t.Errorf("ParseBatchID(%s) = %s, %v", batch.ID, parsed, err)
	}
}

func TestNewBatch_anythingElseIsAnotherId(t *testing.T) {
	changed := requests(t, "acme", "A-1", "A-2")
	changed[1].Customer = "c_82"
	other, err := NewBatch(mustKey(t, 'k'), "acme", changed, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := NewBatch(mustKey(t, 'o'), "acme", requests(t, "acme", "A-1", "A-2"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[BatchID]string{newBatch(t, "acme", "A-1", "A-2").ID: "the first"}
	for name, id := range map[string]BatchID{
		"one less":        newBatch(t, "acme", "A-1").ID,
		"one more":        newBatch(t, "acme", "A-1", "A-2", "A-3").ID,
		"another order":   newBatch(t, "acme", "A-2", "A-1").ID,
		"another tenant":  newBatch(t, "acm", "A-1", "A-2").ID,
		"another body":    other.ID,
		"another key":     otherKey.ID,
		"an empty batch":  mustKey(t, 'k').DeriveBatch("acme", nil),
		"a payment's own": BatchID(strings.Replace(string(mustKey(t, 'k').Derive("acme", "A-1", "")), "pay_", "bat_", 1)),
	} {
		if other, taken := seen[id]; taken {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[id] = name
	}
}

func TestNewBatch_listsEachPaymentOnceInOrder(t *testing.T) {
	batch := newBatch(t, "acme", "B", "A", "B", "C", "A")
	var want []ID
	for _, request := range requests(t, "acme", "B", "A", "C") {
		want = append(want, request.ID)
	}
	if !slices.Equal(batch.Payments, want) || batch.Tenant != "acme" {
		t.Errorf("got %+v, want %v", batch, want)
	}
	if plain := newBatch(t, "acme", "B", "A", "C"); plain.ID != batch.ID {
		t.Errorf("with repetitions it is %s, without %s", batch.ID, plain.ID)
	}
}

func TestNewBatch_hasAtLeastOneAndAtMostAThousand(t *testing.T) {
	one := requests(t, "acme", "A-1")
	for n, allowed := range map[int]bool{0: false, 1: true, BatchItemsMax: true, BatchItemsMax + 1: false} {
		if _, err := NewBatch(mustKey(t, 'k'), "acme", slices.Repeat(one, n), time.Now()); (err == nil) != allowed {
			t.Errorf("%d requests: %v", n, err)
		}
	}
}

func TestRestoreBatch_refusesWhatNeverWas(t *testing.T) {
	good := newBatch(t, "acme", "A-1", "A-2")
	restored, err := RestoreBatch(good.ID, good.Tenant, good.Payments, good.CreatedAt)
	if err != nil || fmt.Sprint(restored) != fmt.Sprint(good) {
		t.Fatalf("%+v came back as %+v, %v", good, restored, err)
	}
	for name, change := range map[string]func(*Batch){
		"a payment's id":     func(b *Batch) { b.ID = BatchID(b.Payments[0]) },
		"half an id":         func(b *Batch) { b.ID = b.ID[:20] },
		"no tenant":          func(b *Batch) { b.Tenant = "" },
		"no payments":        func(b *Batch) { b.Payments = nil },
		"too many":           func(b *Batch) { b.Payments = slices.Repeat(b.Payments, BatchItemsMax) },
		"not a payment":      func(b *Batch) { b.Payments = []ID{"pay_1"} },
		"one payment twice":  func(b *Batch) { b.Payments = []ID{b.Payments[0], b.Payments[0]} },
		"a batch as payment": func(b *Batch) { b.Payments = []ID{ID(b.ID)} },
	} {
		b := good
		change(&b)
		if _, err := RestoreBatch(b.ID, b.Tenant, b.Payments, b.CreatedAt); err == nil {
			t.Errorf("%s was taken for a batch", name)
		}
	}
}
