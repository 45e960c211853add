package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

func TestTenant_cannotSeeAnothersPayments(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	acme, globex := in.client(p, "acme"), in.client(p, "globex")
	theirs := acme.accept("A-1", 100)
	acme.await(theirs.shown.ID)

	foreign := globex.get("/v1/payments/" + string(theirs.shown.ID))
	equal(t, "another's payment", foreign.status, http.StatusNotFound)
	unknown := globex.get("/v1/payments/pay_" + strings.Repeat("a", 26))
	equal(t, "what is said of it, and of one that does not exist",
		strings.ReplaceAll(foreign.text, foreign.shown.RequestID, ""),
		strings.ReplaceAll(unknown.text, unknown.shown.RequestID, ""))
	list := globex.get("/v1/payments?order_number=A-1")
	equal(t, "another's order number", list.status, http.StatusOK)
	equal(t, "its payments", len(list.shown.Data), 0)
}

func TestTenant_hasOrderNumbersOfItsOwn(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	acme, globex := in.client(p, "acme"), in.client(p, "globex")

	first, second := acme.accept("A-1", 100), globex.accept("A-1", 200)
	equal(t, "duplicate", second.shown.Duplicate, false)
	equal(t, "the same id", first.shown.ID == second.shown.ID, false)
	acme.await(first.shown.ID)
	globex.await(second.shown.ID)
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 100, second.shown.ID: 200})
}

func TestKey_onlyARightOneOpens(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	right := in.client(p, "acme").key
	for what, key := range map[string]string{
		"no key":          "",
		"not a key":       "secret",
		"a wrong secret":  right[:len(right)-1] + other(right[len(right)-1]),
		"an unknown key":  "pbk_aaaaaaaaaaaa_" + right[len(right)-52:],
		"a part of a key": right[:len(right)-1],
	} {
		c := newCaller(t, p.app.URL(), key)
		for _, got := range []answer{c.post(order("A-1", 100)), c.get("/v1/payments?order_number=A-1")} {
			equal(t, what, got.status, http.StatusUnauthorized)
			equal(t, what+": challenge", got.header.Get("WWW-Authenticate"), "Bearer")
			if strings.Contains(got.text, right[len(right)-52:]) {
				t.Errorf("%s: the answer repeats a secret: %s", what, got.text)
			}
		}
	}
}

func other(letter byte) string {
	if letter == 'a' {
		return "b"
	}
	return "a"
}

// Without NATS at hand a change is only made in Postgres. The processes that have
// both carry it on.
func TestKey_madeWithoutNATSWorksWithinTheSync(t *testing.T) {
	t.Parallel()
	const interval = 500 * time.Millisecond
	const syncMax = interval + 5*time.Second // and a slow machine's own time
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.KeySync = interval
	p := in.startWith(opts)
	p.awaitReady("")
	admin := in.admin(false)
	if _, err := admin.CreateTenant(t.Context(), "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	plaintext, key, err := admin.CreateKey(t.Context(), "acme", "till")
	if err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, p.app.URL(), plaintext)
	if !within(syncMax, func() bool { return c.post(order("A-1", 100)).status == http.StatusAccepted }) {
		t.Errorf("a new key does not work after %s", syncMax)
	}
	if _, err := admin.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if !within(syncMax, func() bool { return c.post(order("A-1", 100)).status == http.StatusUnauthorized }) {
		t.Errorf("a revoked key works after %s", syncMax)
	}
}

func TestKey_rotationOverlapsAndRevocationEnds(t *testing.T) {
	t.Parallel()
	const overlap = 4 * time.Second
	in := install(t)
	p := in.start()
	before := in.client(p, "acme")
	admin := in.admin(true)

	id, _ := access.KeyID(before.key)
	plaintext, successor, err := admin.RotateKey(t.Context(), id, overlap)
	if err != nil {
		t.Fatal(err)
	}
	after := newCaller(t, p.app.URL(), plaintext)
	opens := func(c *caller) bool { return c.get("/v1/payments?order_number=A-1").status == http.StatusOK }
	if !within(overlap/2, func() bool { return opens(after) && opens(before) }) {
		t.Error("there is no time in which both keys work")
	}
	equal(t, "label of the successor", successor.Label, "test")
	eventually(t, "the old key ends", func() bool { return !opens(before) })
	ended := before.get("/v1/payments?order_number=A-1")
	if ended.status != http.StatusUnauthorized || !strings.Contains(ended.shown.Detail, "expired") {
		t.Errorf("the old key is answered %d %s", ended.status, ended.text)
	}
	equal(t, "the new key still works", opens(after), true)

	if _, err := admin.RevokeKey(t.Context(), successor.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the revoked key ends", func() bool { return !opens(after) })
	if _, _, err := admin.RotateKey(t.Context(), successor.ID, overlap); err == nil {
		t.Error("a revoked key was rotated")
	}
	if _, _, err := admin.RotateKey(t.Context(), "nosuchkey", overlap); err == nil {
		t.Error("an unknown key was rotated")
	}
}
