package status_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

// lot is a place to wait that a test serves from.
type lot struct {
	waiting

	note any
	see  func(payment.Payment) bool
}

func (l *lot) Later(
	_ payment.TenantID, _ payment.ID, _ time.Time, see func(payment.Payment) bool, _ func(),
) (leave func() bool, ok bool) {
	l.asked++
	l.see = see
	return func() bool { return true }, !l.refuses
}

func (l *lot) Park(
	_ http.ResponseWriter, _ *http.Request, note any, begin func(over func()) (func() bool, bool),
) (parked bool) {
	if _, ok := begin(func() {}); !ok {
		return false
	}
	l.note = note
	return true
}

func (l *lot) Note(*http.Request) any { return l.note }

// desk answers without a server.
type desk struct {
	http.Handler
	world *world
	lot   *lot
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{world: &world{}, lot: &lot{}}
	router := chi.NewRouter()
	cfg := status.Config{Waiting: d.lot, Parking: d.lot, Finals: status.NewFinals(0, nil)}
	status.New(d.world, d.world, tokens{}, idKey(t), cfg).Routes(router)
	d.Handler = router
	return d
}

func (d *desk) get(tenant string, id payment.ID, edits ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, object.Path(id), http.NoBody)
	r.Header.Set("Authorization", "Bearer "+tenant)
	r.Header.Set("Prefer", "wait=20")
	for _, edit := range edits {
		edit(r)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func answerTo(w *httptest.ResponseRecorder) answer {
	return answer{w.Code, w.Header(), w.Body.String()}
}

func TestGet_whoIsParkedIsAnsweredWithWhatTheWaitSaw(t *testing.T) {
	d := newDesk(t)
	paying := in(request(t, "acme", "A-1"), payment.Paying, 1)
	d.world.claim(paying)
	if w := d.get("acme", paying.ID); w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Fatalf("answered %q %v before the wait is over", w.Body, w.Header())
	}
	wantAsked(t, d.world, "payment acme")
	if d.lot.see(in(paying.Request, payment.Unknown, 2)) || !d.lot.see(in(paying.Request, payment.Succeeded, 3)) {
		t.Error("it is not the end that is waited for")
	}
	got := answerTo(d.get("acme", paying.ID))
	if shown := got.payment(t); shown.State != payment.Succeeded || shown.Version != 3 {
		t.Errorf("got %+v", shown)
	}
	wantHeader(t, got, "Preference-Applied", "wait=20")
	wantHeader(t, got, "Retry-After", "")
	wantAsked(t, d.world)

	d.lot.note = nil
	plain := answerTo(d.get("acme", paying.ID, func(r *http.Request) { r.Header.Del("Prefer") }))
	if plain.payment(t).State != payment.Succeeded {
		t.Errorf("got %s", plain.body)
	}
	wantAsked(t, d.world) // the answer is remembered
}

func TestGet_whoIsParkedKnowsItsVersion(t *testing.T) {
	d := newDesk(t)
	paying := in(request(t, "acme", "A-1"), payment.Paying, 1)
	d.world.claim(paying)
	d.get("acme", paying.ID, knows(`"v1"`))
	if d.lot.see(paying) {
		t.Error("the version that the client has is enough")
	}
	got := answerTo(d.get("acme", paying.ID, knows(`"v1"`))) // the time is up
	if got.status != http.StatusNotModified {
		t.Errorf("got %d", got.status)
	}
	wantHeader(t, got, "Preference-Applied", "wait=20")
	if !d.lot.see(in(paying.Request, payment.Unknown, 2)) {
		t.Error("another version is not enough")
	}
}

func TestGet_aNoteIsForItsTenantAndPayment(t *testing.T) {
	d := newDesk(t)
	mine, other := in(request(t, "acme", "A-1"), payment.Succeeded, 1), in(request(t, "acme", "A-2"), payment.Paying, 1)
	d.world.claim(mine)
	d.world.claim(other)
	d.get("acme", other.ID)
	if got := answerTo(d.get("acme", mine.ID)); got.payment(t).ID != mine.ID {
		t.Errorf("got %s", got.body)
	}
	got := answerTo(d.get("mallory", other.ID))
	got.problem(t, http.StatusNotFound, payment.CodeNotFound)
}

func TestGet_withoutAPlaceNobodyIsParked(t *testing.T) {
	d := newDesk(t)
	d.lot.refuses = true
	paying := in(request(t, "acme", "A-1"), payment.Paying, 1)
	d.world.claim(paying)
	got := answerTo(d.get("acme", paying.ID))
	if got.payment(t).State != payment.Paying || d.lot.asked != 1 {
		t.Errorf("got %s after %d questions", got.body, d.lot.asked)
	}
	wantHeader(t, got, "Preference-Applied", "")
}
