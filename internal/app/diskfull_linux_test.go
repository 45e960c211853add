package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// dev's stream on a full disk refuses, and works again by itself when there is
// room; what was accepted is charged once.
func TestDev_aFullDiskIsAnOutageAndNoEnd(t *testing.T) {
	localtest.OnSmallDisk(t, 48<<20, func(t *testing.T, disk *localtest.SmallDisk) {
		dir := localtest.Dir(t)
		if err := os.Symlink(disk.Dir(), filepath.Join(dir, "nats")); err != nil {
			t.Fatal(err)
		}
		d := startDev(t, dir)
		c := d.client(true)
		operator := newCaller(t, d.running.Info().OperatorURL, "")
		ready := func(role app.Role) int { return operator.get("/readyz?role=" + string(role)).status }
		due := c.acceptMany("before-", 100)

		disk.Fill(t)
		eventually(t, "intake is not ready", func() bool {
			if got := c.post(order("during-"+strconv.Itoa(len(due)), 100)); got.status == http.StatusAccepted {
				due[got.shown.ID] = 100
			}
			return ready(app.RoleIngest) == http.StatusServiceUnavailable
		})
		began := time.Now()
		refused := c.post(order("refused", 100))
		equal(t, "a request meanwhile", refused.status, http.StatusServiceUnavailable)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the refusal took %s", took)
		}
		if seconds := atoi(refused.header.Get("Retry-After")); seconds < 1 || seconds > 60 ||
			!strings.Contains(refused.text, string(payment.CodeBufferFull)) || !strings.Contains(refused.text, "disk is full") {
			t.Errorf("Retry-After %d with %s", seconds, refused.text)
		}
		equal(t, "readiness for status", ready(app.RoleStatus), http.StatusOK)
		metrics := operator.get("/metrics").text
		for _, line := range []string{`paybuf_store_failed{store="stream"} 1`, `paybuf_refused_total{reason="no_space"} 1`} {
			equal(t, line, strings.Contains(metrics, line), true)
		}

		disk.Free(t)
		eventually(t, "intake is ready again", func() bool { return ready(app.RoleIngest) == http.StatusOK })
		due[c.accept("refused", 100).shown.ID] = 100
		for id, minor := range c.acceptMany("after-", 50) {
			due[id] = minor
		}
		c.awaitSucceeded(due)
		sum, err := app.ReadLedger(filepath.Join(dir, "payer-ledger.ndjson"))
		if err != nil || sum.Doubled != 0 || sum.Charges < int64(len(due)) {
			t.Errorf("the payer has charged %+v (%v), want %d", sum, err, len(due))
		}
	})
}
