package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// batchShown is the union of the answers about a batch.
type batchShown struct {
	ID         payment.BatchID       `json:"id"`
	Object     string                `json:"object"`
	StatusURL  string                `json:"status_url"`
	Total      int                   `json:"total"`
	Accepted   int                   `json:"accepted"`
	Duplicates int                   `json:"duplicates"`
	Refused    int                   `json:"refused"`
	Items      []batchItem           `json:"items"`
	Final      bool                  `json:"final"`
	Counts     map[payment.State]int `json:"counts"`

	PaymentsURL string  `json:"payments_url"`
	Data        []shown `json:"data"`
	NextCursor  string  `json:"next_cursor"`
}

type batchItem struct {
	Status  int    `json:"status"`
	Payment *shown `json:"payment"`
	Problem *shown `json:"problem"`
}

func batchOf(t *testing.T, got answer) batchShown {
	t.Helper()
	var read batchShown
	if err := json.Unmarshal([]byte(got.text), &read); err != nil {
		t.Fatalf("%d %s: %v", got.status, got.text, err)
	}
	return read
}

// sendBatch sends NDJSON and must get a batch.
func (c *caller) sendBatch(lines []string) batchShown {
	c.t.Helper()
	got := c.must(c.try(http.MethodPost, "/v1/payments/batch", strings.Join(lines, "\n"), "Content-Type: application/x-ndjson"))
	if got.status != http.StatusAccepted {
		c.t.Fatalf("batch: %d %.2000s", got.status, got.text)
	}
	sent := batchOf(c.t, got)
	equal(c.t, "Location", got.header.Get("Location"), "/v1/batches/"+string(sent.ID))
	equal(c.t, "durability", got.header.Get("Paybuf-Durability"), "journal+stream")
	return sent
}

// awaitBatch polls a batch until it is final.
func (c *caller) awaitBatch(url string) batchShown {
	c.t.Helper()
	var got batchShown
	eventually(c.t, "final: "+url, func() bool {
		answered := c.get(url)
		if answered.status != http.StatusOK {
			c.t.Fatalf("an accepted batch is answered %d %s", answered.status, answered.text)
		}
		got = batchOf(c.t, answered)
		return got.Final
	})
	return got
}

// messyBatch is a thousand items: in turn new, repeated, conflicting and wrong. due
// is what must be charged by order number, want each item's status.
func messyBatch() (lines []string, due map[string]int64, want []int) {
	due = map[string]int64{}
	for i := range payment.BatchItemsMax {
		number, minor := fmt.Sprint("A-", i), 100+i
		switch i % 10 {
		case 3:
			lines, want = append(lines, fmt.Sprintf(`{"order_number":%q`, number)), append(want, 400)
		case 5:
			lines, want = append(lines, order(number, 0)), append(want, 422)
		case 7: // the one before, again
			lines, want = append(lines, lines[i-1]), append(want, 202)
		case 8: // its order with another amount
			lines, want = append(lines, order(fmt.Sprint("A-", i-2), 7)), append(want, 409)
		default:
			lines, want = append(lines, order(number, minor)), append(want, 202)
			due[number] = int64(minor)
		}
	}
	return lines, due, want
}

func TestBatch_ofAThousandMixedItemsSettlesEachOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	lines, due, want := messyBatch()

	sent := c.sendBatch(lines)
	charged, repeated := map[payment.ID]int64{}, 0
	for i, item := range sent.Items {
		if item.Status != want[i] {
			t.Fatalf("item %d, %s: %d, want %d", i, lines[i], item.Status, want[i])
		}
		switch {
		case item.Payment != nil && item.Payment.Duplicate:
			repeated++
		case item.Payment != nil:
			charged[item.Payment.ID] = due[item.Payment.OrderNumber]
		case item.Status == http.StatusConflict:
			equal(t, "the payment that is there", item.Problem.PaymentID, sent.Items[i-2].Payment.ID)
		}
	}
	equal(t, "payments", len(charged), len(due))
	equal(t, "repeated", repeated, 100)
	equal(t, "counts", fmt.Sprint(sent.Total, sent.Accepted, sent.Duplicates, sent.Refused), fmt.Sprint(1000, 600, 100, 300))

	again := c.sendBatch(lines)
	equal(t, "id of the batch sent again", again.ID, sent.ID)
	equal(t, "counts", fmt.Sprint(again.Accepted, again.Duplicates, again.Refused), fmt.Sprint(0, 700, 300))

	settled := c.awaitBatch(sent.StatusURL)
	equal(t, "total", settled.Total, 600)
	equal(t, "succeeded", settled.Counts[payment.Succeeded], 600)
	in.payer.wantOnce(charged)
	c.wantListed(settled, charged)
	equal(t, "batches", in.count("SELECT count(*) FROM batches"), "1")
	eventually(t, "the conflicts are on record", func() bool { return in.count("SELECT count(*) FROM conflicts") == "100" })
}

// wantListed pages through a batch's payments.
func (c *caller) wantListed(batch batchShown, due map[payment.ID]int64) {
	c.t.Helper()
	listed := map[payment.ID]int64{}
	for cursor := "&"; cursor != ""; {
		page := batchOf(c.t, c.get(batch.PaymentsURL+"?state=succeeded&limit=250"+cursor))
		for _, p := range page.Data {
			listed[p.ID] = p.Amount
		}
		if cursor = ""; page.NextCursor != "" {
			cursor = "&cursor=" + page.NextCursor
		}
	}
	equal(c.t, "listed", len(listed), len(due))
	for id, minor := range due {
		equal(c.t, "amount of "+string(id), listed[id], minor)
	}
}

// A batch shows at once, before anybody has claimed it, and only to its tenant.
func TestBatch_isFoundFromItsAnswerOn(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start(app.RoleIngest, app.RoleStatus)
	c, other := in.client(p, "acme"), in.client(p, "umbrella")
	sent := c.sendBatch([]string{order("A-1", 100), order("A-2", 200)})

	waiting := batchOf(t, c.get(sent.StatusURL))
	equal(t, "queued", waiting.Counts[payment.Queued], 2)
	equal(t, "final", waiting.Final, false)
	page := batchOf(t, c.get(waiting.PaymentsURL+"?state=queued"))
	if len(page.Data) != 2 || page.Data[0].ID != sent.Items[0].Payment.ID || page.Data[1].State != payment.Queued {
		t.Errorf("listed are %+v", page.Data)
	}
	foreign, unknown := other.get(sent.StatusURL), other.get("/v1/batches/bat_x")
	equal(t, "to another tenant", foreign.status, http.StatusNotFound)
	equal(t, "code", foreign.shown.Code, unknown.shown.Code)
	equal(t, "detail", foreign.shown.Detail, unknown.shown.Detail)

	var wg sync.WaitGroup
	in.start(app.RoleProcessor)
	for range 4 { // who polls meanwhile never misses it
		wg.Go(func() {
			for final := false; !final; {
				got, err := c.try(http.MethodGet, sent.StatusURL, "")
				if err != nil || got.status != http.StatusOK {
					t.Errorf("%d %s %v", got.status, got.text, err)
					return
				}
				final = got.shown.Final
			}
		})
	}
	settled := c.awaitBatch(sent.StatusURL)
	wg.Wait()
	equal(t, "succeeded", settled.Counts[payment.Succeeded], 2)
	in.payer.wantOnce(map[payment.ID]int64{sent.Items[0].Payment.ID: 100, sent.Items[1].Payment.ID: 200})
}

// The process died, or the stream did not answer, between the items and the list.
func TestBatch_sentAgainAfterItsListWasLostIsTheSameBatch(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	due := map[payment.ID]int64{c.accept("A-1", 100).shown.ID: 100, c.accept("A-2", 200).shown.ID: 200}
	c.awaitSucceeded(due)
	first := c.sendBatch([]string{order("A-1", 100), order("A-2", 200)})
	equal(t, "duplicates", first.Duplicates, 2)
	again := c.sendBatch([]string{order("A-1", 100), order("A-2", 200)})
	equal(t, "id", again.ID, first.ID)
	settled := c.awaitBatch(first.StatusURL)
	equal(t, "succeeded", settled.Counts[payment.Succeeded], 2)
	in.payer.wantOnce(due)
}

func TestBatch_poisonListGoesToDeadLetters(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	in.broker.publish("paybuf.batch.0.bat_aaaaaaaaaaaaaaaaaaaaaaaaaa", []byte("garbage"))
	sent := c.sendBatch([]string{order("A-1", 100)})
	c.awaitBatch(sent.StatusURL)
	eventually(t, "the letter is kept", func() bool {
		return in.count("SELECT batch_id FROM dead_letters") == "bat_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	})
}
