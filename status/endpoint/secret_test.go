package endpoint_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status/endpoint"
)

// rotate rotates an endpoint's secret.
func (s *service) rotate(e object.Endpoint, body string) object.Endpoint {
	s.t.Helper()
	var rotated object.Endpoint
	got := s.post(path(e, "/rotate-secret"), body).want(http.StatusOK, &rotated)
	if got.header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("got the header %v", got.header)
	}
	return rotated
}

// wantOverlap checks how long the old secret signs too.
func wantOverlap(t *testing.T, e object.Endpoint, want time.Duration) {
	t.Helper()
	if e.OldSecretUntil == nil {
		t.Fatalf("there is no old secret, want one for %s", want)
	}
	until, err := time.Parse(time.RFC3339, *e.OldSecretUntil)
	if left := time.Until(until); err != nil || left > want+time.Minute || left < want-time.Minute {
		t.Errorf("it signs for %s, want %s (%v)", left, want, err)
	}
}

func TestRotate_theOldSecretSignsTooForAWhile(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	first := secretOf(t, e.Secret)

	rotated := s.rotate(e, "")
	second := secretOf(t, rotated.Secret)
	wantOverlap(t, rotated, 24*time.Hour)
	if bytes.Equal(first, second) || !bytes.Equal(s.opened(e.ID, "secret"), second) || !bytes.Equal(s.opened(e.ID, "old_secret"), first) {
		t.Error("the secrets are not the new one and the old one")
	}
	s.wantUnseen(e.ID, rotated.Secret)
	s.wantUnseen(e.ID, e.Secret)

	third := s.rotate(e, `{"overlap_seconds":604800}`)
	wantOverlap(t, third, 7*24*time.Hour)
	if !bytes.Equal(s.opened(e.ID, "old_secret"), second) {
		t.Error("the older of two old secrets did not end")
	}

	last := s.rotate(e, `{"overlap_seconds":0}`)
	if left := s.query("SELECT count(*) FROM webhook_endpoints WHERE old_secret IS NOT NULL")[0]; last.OldSecretUntil != nil || left != "0" {
		t.Errorf("without an overlap the old secret is kept: %+v", last)
	}
}

// Whoever lost the answer sends the same again, and must not lose the old secret.
func TestRotate_toAnOwnSecretMayBeRepeated(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	own := `{"secret":"whsec_` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("x"), 24)) + `"}`
	for range 3 {
		rotated := s.rotate(e, own)
		wantOverlap(t, rotated, 24*time.Hour)
		if !strings.Contains(own, rotated.Secret) || !bytes.Equal(s.opened(e.ID, "old_secret"), secretOf(t, e.Secret)) {
			t.Errorf("got %+v, or the old secret is another", rotated)
		}
	}
}

func TestRotate_isTheWayOutOfALostKey(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	s.query("UPDATE webhook_endpoints SET secret_key = 'lost'")
	if rotated := s.rotate(e, ""); rotated.OldSecretUntil != nil || !bytes.Equal(s.opened(e.ID, "secret"), secretOf(t, rotated.Secret)) {
		t.Errorf("got %+v", rotated)
	}
}

func TestRotate_needsKeysAndAnOverlapThatCanBe(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	for _, body := range []string{
		`{"overlap_seconds":-1}`, `{"overlap_seconds":604801}`, `{"overlap_seconds":"1"}`, `{"overlap_seconds":null}`,
		`{"secret":""}`, `{"secret":"whsec_"}`, `{"overlap":1}`, `[]`,
	} {
		s.post(path(e, "/rotate-secret"), body).wantProblem(422, payment.CodeInvalid)
	}
	if !bytes.Equal(s.opened(e.ID, "secret"), secretOf(t, e.Secret)) {
		t.Error("the secret changed")
	}
	keyless := serve(t, func(cfg *endpoint.Config) { cfg.Keys = sealed.Keys{} })
	keyless.query(`INSERT INTO webhook_endpoints (id, tenant_id, url, description, event_types, status, status_at, secret, secret_key,
		created_at, updated_at) VALUES ('` + string(e.ID) + `', 'acme', 'x', '', '{}', 'enabled', now(), 'x', 'k', now(), now())`)
	keyless.post(path(e, "/rotate-secret"), "").wantProblem(501, payment.CodeNoWebhooks)
}

func TestReseal_letsAnOldKeyBeDropped(t *testing.T) {
	t.Parallel()
	texts := drawKeys(t, "older", "newer")
	older, both, newer := parseKeys(t, texts[0]), parseKeys(t, texts[1], texts[0]), parseKeys(t, texts[1])
	s := serve(t, func(cfg *endpoint.Config) { cfg.Keys = older })
	var secrets [][2][]byte // of each endpoint: the secret, and the old one
	var made []object.Endpoint
	for i := range 5 {
		e := s.create()
		old := secretOf(t, e.Secret)
		now := secretOf(t, s.rotate(e, "").Secret)
		if i == 4 { // its old one is over
			s.query("UPDATE webhook_endpoints SET old_secret_until = now() WHERE id = '" + string(e.ID) + "'")
		}
		made, secrets = append(made, e), append(secrets, [2][]byte{now, old})
	}
	gone := s.create()
	s.call(http.MethodDelete, path(gone), "").want(204, nil)

	results := make(chan error, 3)
	for range 3 { // processes that start at once
		go func() {
			_, err := endpoint.Reseal(t.Context(), s.db, both)
			results <- err
		}()
	}
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n, err := endpoint.Reseal(t.Context(), s.db, both); n != 0 || err != nil {
		t.Errorf("%d are left: %v", n, err)
	}
	s.keys = newer
	for i, e := range made {
		if !bytes.Equal(s.opened(e.ID, "secret"), secrets[i][0]) {
			t.Errorf("the secret of %d is another", i)
		}
		if i < 4 && !bytes.Equal(s.opened(e.ID, "old_secret"), secrets[i][1]) {
			t.Errorf("the old secret of %d is another", i)
		}
	}
	if left := s.query("SELECT count(*) FROM webhook_endpoints WHERE 'older' IN (secret_key, old_secret_key)")[0]; left != "0" {
		t.Errorf("%s are sealed with the old key", left)
	}
}

func TestReseal_whatDoesNotOpenStandsInNobodysWay(t *testing.T) {
	t.Parallel()
	texts := drawKeys(t, "older", "newer")
	s := serve(t, func(cfg *endpoint.Config) { cfg.Keys = parseKeys(t, texts[0]) })
	lost := s.create()
	changed, good := s.create(), s.create()
	s.query(`UPDATE webhook_endpoints SET secret_key = 'lost' WHERE id = '` + string(lost.ID) + `'`)
	s.query(`UPDATE webhook_endpoints SET secret = secret || '\x00' WHERE id = '` + string(changed.ID) + `'`)
	s.keys = parseKeys(t, texts[1], texts[0])
	n, err := endpoint.Reseal(t.Context(), s.db, s.keys)
	if n != 1 || err == nil || !strings.Contains(err.Error(), `"lost"`) || !strings.Contains(err.Error(), string(changed.ID)) {
		t.Errorf("resealed %d: %v", n, err)
	}
	if !bytes.Equal(s.opened(good.ID, "secret"), secretOf(t, good.Secret)) || s.sealedSecret(good.ID, "secret").KeyID != "newer" {
		t.Error("the good one was not sealed anew")
	}
	if n, err := endpoint.Reseal(t.Context(), s.db, sealed.Keys{}); n != 0 || err != nil {
		t.Errorf("without keys: %d, %v", n, err)
	}
	s.db.Close()
	_, err = endpoint.Reseal(t.Context(), s.db, s.keys)
	if code, _ := payment.CodeOf(err); code != payment.CodeUnavailable {
		t.Errorf("without a database: %v", err)
	}
}

// A rotation between the reading and the writing makes the secret the old one.
func TestReseal_followsASecretThatWasRotatedMeanwhile(t *testing.T) {
	t.Parallel()
	texts := drawKeys(t, "older", "newer")
	s := serve(t, func(cfg *endpoint.Config) { cfg.Keys = parseKeys(t, texts[0]) })
	e := s.create()
	was := s.sealedSecret(e.ID, "secret")
	rotated := s.rotate(e, "")
	s.keys = parseKeys(t, texts[1], texts[0])
	now, err := s.keys.Seal(secretOf(t, e.Secret), string(e.ID))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is not there any more
		if err := s.db.Reseal(t.Context(), e.ID, was, now); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(s.opened(e.ID, "old_secret"), secretOf(t, e.Secret)) || s.sealedSecret(e.ID, "old_secret").KeyID != "newer" {
		t.Error("the old secret was not sealed anew")
	}
	if !bytes.Equal(s.opened(e.ID, "secret"), secretOf(t, rotated.Secret)) || s.sealedSecret(e.ID, "secret").KeyID != "older" {
		t.Error("the new secret changed")
	}
}
