package endpoint_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status/endpoint"
)

const longAgo = "2020-01-01T00:00:00Z"

// recovery queues an endpoint's deliveries since a time again.
func (s *service) recovery(e object.Endpoint, since string) object.Recovery {
	s.t.Helper()
	var shown object.Recovery
	s.post(path(e, "/recover?since="+since), "").want(http.StatusAccepted, &shown)
	return shown
}

// recoverToEnd goes on where each answer says, as clients do: a slow machine gets less
// done in a request's time.
func (s *service) recoverToEnd(e object.Endpoint, since string) (queued int) {
	s.t.Helper()
	for query := since; ; {
		got := s.recovery(e, query)
		queued += got.Queued
		if got.NextCursor == nil {
			return queued
		}
		query = since + "&cursor=" + *got.NextCursor
	}
}

func TestRecover_queuesWhatIsDeadAndWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := serve(t)
	before := s.pay("acme", "A-1", "A-2") // before there was an endpoint
	s.pay("umbrella", "A-1")
	e := s.create()
	s.settle(before...)
	s.query(`UPDATE webhook_deliveries SET state = 'delivered', next_at = NULL, attempts = 1
		WHERE sequence = (SELECT max(sequence) FROM webhook_deliveries)`)
	s.query(`UPDATE webhook_deliveries SET state = 'dead', reason = 'exhausted', next_at = NULL, attempts = 9, tries = 9
		WHERE state = 'waiting'`)
	s.pay("acme", "A-3")
	if got := s.states(e); !reflect.DeepEqual(got, []string{"waiting", "delivered", "dead exhausted"}) {
		t.Fatalf("at first there are %v", got)
	}
	got := s.recovery(e, longAgo)
	if got.Queued != 3 || got.NextCursor != nil || got.Object != "webhook_recovery" {
		t.Errorf("got %+v", got)
	}
	if got := s.states(e); !reflect.DeepEqual(got, []string{"waiting", "delivered", "waiting", "waiting", "waiting"}) {
		t.Errorf("then there are %v", got)
	}
	row := s.query("SELECT attempts || ' ' || tries FROM webhook_deliveries WHERE attempts = 9")
	if !reflect.DeepEqual(row, []string{"9 0"}) {
		t.Errorf("the attempts and tries are %v", row)
	}
	if foreign := s.query("SELECT count(*) FROM webhook_deliveries WHERE tenant_id <> 'acme'")[0]; foreign != "0" {
		t.Errorf("%s are another's", foreign)
	}
	for _, d := range s.page(e, "").Data {
		if body := s.bodyOf(e, d.ID); body.ID != d.ID || body.Type != d.Type {
			t.Errorf("%s has the body %+v", d.ID, body)
		}
	}
	if again := s.recovery(e, longAgo); again.Queued != 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestRecover_ofTheTypesThatAreWantedAndOfTheTime(t *testing.T) {
	t.Parallel()
	s := serve(t)
	works := s.pay("acme", "A-1", "A-2", "A-3")
	middle := s.query("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")[0]
	s.settle(works...)
	after := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	e := s.create(`"event_types":["payment.succeeded","payment.failed"]`)
	if got := s.recovery(e, after); got.Queued != 0 {
		t.Errorf("of the future: %+v", got)
	}
	all := s.create()
	if got := s.recovery(all, middle); got.Queued != 3 {
		t.Errorf("of all types since the middle: %+v", got)
	}
	if got := s.recovery(e, longAgo); got.Queued != 3 {
		t.Errorf("of one type: %+v", got)
	}
	for _, d := range append(s.page(e, "").Data, s.page(all, "").Data...) {
		if d.Type != "payment.succeeded" {
			t.Errorf("%s is queued", d.Type)
		}
	}
	// What is dead was wanted once.
	s.query("UPDATE webhook_deliveries SET state = 'dead', reason = 'exhausted', next_at = NULL WHERE endpoint_id = '" + string(all.ID) + "'")
	s.change(all, `{"event_types":["payment.failed"]}`)
	if got := s.recovery(all, longAgo); got.Queued != 3 {
		t.Errorf("of what is dead: %+v", got)
	}
}

func TestRecover_aGapInALongFeed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	// One transaction per hour, of 500 events each; those of the last day were missed.
	for hour := 20; hour > 0; hour-- {
		s.query(fmt.Sprintf(`INSERT INTO events (payment_id, tenant_id, version, type, state, at)
			SELECT 'pay_' || n, 'acme', 1, 'payment.paying', 'paying', now() - interval '%d hours' FROM generate_series(1, 500) n`, hour))
	}
	e := s.create()
	since := time.Now().Add(-10*time.Hour - 30*time.Minute).UTC().Format(time.RFC3339)
	if queued := s.recoverToEnd(e, since); queued != 10*500 {
		t.Errorf("%d are queued", queued)
	}
	if queued := s.recoverToEnd(e, longAgo); queued != 10*500 {
		t.Errorf("of the rest %d are queued", queued)
	}
	if rows := s.query("SELECT count(DISTINCT sequence) || ' ' || count(*) FROM webhook_deliveries WHERE state = 'waiting'")[0]; rows != "10000 10000" {
		t.Errorf("there are %s", rows)
	}
}

// endless is a queue with more than fits into any request.
type endless struct {
	endpoint.Queue
	place int64
}

func (q *endless) Recover(
	ctx context.Context, _ payment.TenantID, _ payment.EndpointID, _ time.Time, after payment.FeedCursor,
) (payment.Recovery, error) {
	if after.Place != q.place {
		return payment.Recovery{}, fmt.Errorf("went on from %d, not from %d", after.Place, q.place)
	}
	q.place++
	select {
	case <-ctx.Done():
	case <-time.After(time.Millisecond):
	}
	return payment.Recovery{Queued: 1, Next: payment.FeedCursor{Place: q.place}}, nil
}

func TestRecover_whatDoesNotFitIntoARequestGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	queue := &endless{}
	s := &service{t: t, errs: &observed{}}
	handler := endpoint.New(nil, nil, queue, tokens{}, endpoint.Config{Timeout: 2 * time.Second})
	s.Server = httptest.NewServer(s.routes(handler))
	t.Cleanup(s.Close)
	e, query, queued := object.Endpoint{ID: payment.NewEndpointID()}, longAgo, 0
	for range 2 {
		got := s.recovery(e, query)
		queued += got.Queued
		if got.Queued < 1 || got.NextCursor == nil || int64(queued) != queue.place {
			t.Fatalf("got %+v at %d", got, queue.place)
		}
		query = longAgo + "&cursor=" + *got.NextCursor
	}
}

// stuck is a queue that does not answer.
type stuck struct {
	endpoint.Queue
	inside, most atomic.Int64
}

func (q *stuck) Recover(
	ctx context.Context, _ payment.TenantID, _ payment.EndpointID, _ time.Time, _ payment.FeedCursor,
) (payment.Recovery, error) {
	inside := q.inside.Add(1)
	defer q.inside.Add(-1)
	for most := q.most.Load(); inside > most && !q.most.CompareAndSwap(most, inside); most = q.most.Load() {
	}
	<-ctx.Done()
	return payment.Recovery{}, ctx.Err()
}

func TestRecover_leavesRoomForOthers(t *testing.T) {
	t.Parallel()
	queue := &stuck{}
	s := &service{t: t, errs: &observed{}}
	s.Server = httptest.NewServer(s.routes(endpoint.New(nil, nil, queue, tokens{}, endpoint.Config{Timeout: 200 * time.Millisecond})))
	t.Cleanup(s.Close)
	e := object.Endpoint{ID: payment.NewEndpointID()}
	answers := make(chan answer, 6)
	for range cap(answers) {
		go func() { answers <- s.post(path(e, "/recover?since="+longAgo), "") }()
	}
	for range cap(answers) {
		got := <-answers
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	if most := queue.most.Load(); most < 1 || most > 2 {
		t.Errorf("%d were let in at once", most)
	}
}
