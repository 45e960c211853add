package app_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// Nobody pays, and one tenant sends without end: it is refused, and told when to
// come again, while another is accepted.
func TestTenantShare_aFloodIsRefusedAndOthersAreNot(t *testing.T) {
	t.Parallel()
	const limit = 60
	in := install(t)
	opts := in.options(app.RoleIngest, app.RoleStatus)
	opts.Buffer.StreamMessagesMax = limit
	p := in.startWith(opts)
	p.awaitReady("")
	flood, quiet := in.client(p, "acme"), in.client(p, "quiet")

	due := map[payment.ID]int64{}
	var refused answer
	for i := 0; i < limit && refused.status == 0; i++ {
		if got := flood.post(order("A-"+itoa(i), 100)); got.status == http.StatusAccepted {
			due[got.shown.ID] = 100
		} else {
			refused = got
		}
	}
	equal(t, "the flood", refused.status, http.StatusTooManyRequests)
	if seconds := atoi(refused.header.Get("Retry-After")); seconds < 1 || seconds > 60 ||
		!strings.Contains(refused.text, string(payment.CodeTenantShare)) {
		t.Errorf("Retry-After %d with %s", seconds, refused.text)
	}
	others := quiet.acceptMany("A-", limit/6)
	again := flood.post(order("A-0", 100))
	equal(t, "a repetition above the share", again.status, http.StatusAccepted)
	equal(t, "it is known to be one", again.shown.Duplicate, true)
	operator := newCaller(t, p.app.OperatorURL(), "")
	eventually(t, "the tenant is counted", func() bool {
		metrics := operator.get("/metrics").text
		if strings.Contains(metrics, "acme") {
			t.Fatal("a tenant's name is in the metrics")
		}
		return strings.Contains(metrics, "paybuf_tenants_over_share 1\n") &&
			strings.Contains(metrics, `paybuf_refused_total{reason="tenant_share"} 1`+"\n") &&
			strings.Contains(metrics, `paybuf_buffer_messages_max{stream="PAYBUF_0"} 60`+"\n")
	})

	processor := in.options(app.RoleProcessor)
	processor.Buffer.StreamMessagesMax = limit
	in.startWith(processor)
	eventually(t, "the flood is accepted again", func() bool {
		got := flood.post(order("late", 100))
		if got.status == http.StatusAccepted {
			due[got.shown.ID] = 100
		}
		return got.status == http.StatusAccepted
	})
	flood.awaitSucceeded(due)
	quiet.awaitSucceeded(others)
	maps.Copy(due, others)
	in.payer.wantOnce(due)
}
