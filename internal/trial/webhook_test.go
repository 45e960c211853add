//go:build trial

package trial

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// rotationOverlap is longer than the trial.
const rotationOverlap = time.Hour

// desk is the way of dev's own tenant.
func (in *installation) desk() desk { return desk{url: "http://" + in.address, dir: in.dir} }

// postgresURL is where dev's Postgres is.
func (in *installation) postgresURL(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(in.data, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	var info struct {
		PostgresURL string `json:"postgres_url"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		t.Fatal(err)
	}
	return info.PostgresURL
}

// succeeded is what must be delivered of the orders of a file, by the file alone.
func (in *installation) succeeded(t *testing.T, want expectation) map[payment.ID]payment.State {
	t.Helper()
	key, err := payment.NewIDKey(in.idKey(t))
	if err != nil {
		t.Fatal(err)
	}
	due := map[payment.ID]payment.State{}
	for order := range want.orders {
		due[key.Derive("dev", order, "")] = payment.Succeeded
	}
	return due
}

func TestWebhooks_everyFinalStateIsDeliveredAndVerifies(t *testing.T) {
	t.Parallel()
	file := dataFile(t)
	want := expect(t, file, perPart)
	orders := int64(len(want.orders))
	in := install(t, hostile, []string{
		"--pay-timeout", "1s", "--lease", "4s", "--payer-visibility-delay", "1s", "--retry-max", "2s", "--log-level", "error",
	})
	d := in.desk()
	all, final := d.listen(t, "all"), d.listen(t, "final", finalTypes...)
	feed := d.follow(t)
	var got answers
	var sending sync.WaitGroup
	sending.Go(func() { got = in.submit(t, file, perPart, 1) })
	in.awaitCharges(t, want, orders/3)
	all.rotate(t, rotationOverlap)
	newest := final.rotate(t, 0)
	in.awaitCharges(t, want, orders*2/3)
	sending.Wait()
	in.judge(t, want, got)

	due := in.succeeded(t, want)
	all.awaitFinals(t, due)
	final.awaitFinals(t, due)
	events := eventsOf(t, in.postgresURL(t), "dev")
	all.wantEvents(t, events)
	equal(t, "events of the endpoint of final states", final.Heard(), len(due))
	feed.wantEach(t, events)
	feed.wantBodies(t, all)
	for _, e := range []*endpoint{all, final} {
		if err := e.InLine(); err != nil {
			t.Error(err)
		}
		wantVerified(t, e.Consumer, e.spool)
	}
	wantRotated(t, all, final, newest)
}

// wantRotated wants deliveries to be signed by the first secret alone, then by both,
// and without an overlap by the newest alone.
func wantRotated(t *testing.T, overlapping, at *endpoint, newest string) {
	t.Helper()
	came := overlapping.Deliveries()
	equal(t, "secrets that verify the first delivery", len(came[0].Secrets), 1)
	equal(t, "secrets that verify the last one, after a rotation", len(came[len(came)-1].Secrets), 2)
	came = at.Deliveries()
	last := came[len(came)-1].Secrets
	if len(last) != 1 || last[0] != newest {
		t.Errorf("after a rotation without an overlap, the last delivery is verified by %d secrets", len(last))
	}
}
