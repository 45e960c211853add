package main

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/internal/trial/storm"
)

// While the server of the streams stands still, both nodes have requests for the
// same orders under way, and none knows yet which one comes first.
func TestServe_repetitionsUnderWayOnAnotherNodeHaveOneFirst(t *testing.T) {
	t.Parallel()
	const n = 96
	in := install(t)
	servers := localtest.NewServers(t, 1)
	in.nats = servers.URLs()[0]
	localtest.NewStreams(t, in.nats).AwaitReady(1)
	in.admin("tenant", "create", "acme")
	key := strings.TrimSpace(in.admin("key", "create", "acme"))
	var doors, operators []string
	for range 2 {
		_, door, operator := in.serve("ingest")
		doors, operators = append(doors, door), append(operators, operator)
	}
	in.serve("processor,status", "--postgres", in.postgres, "--payer", in.payer)
	before := receipts(t, operators)

	servers.Pause(0)
	s := storm.New(storm.Config{Doors: doors, Key: key, Senders: n})
	defer s.Close()
	var sending sync.WaitGroup
	sending.Go(func() { s.Send(t.Context(), storm.Wave{Requests: n, Repeats: 0.75, Others: 0.2}) })
	// Each receipt is larger than this, and is written beside what the stream does.
	const receiptBytesMin = 128
	eventually(t, "all are under way", func() bool { return receipts(t, operators)-before > n*receiptBytesMin })
	if s.Accepted() > 0 {
		t.Errorf("%d were accepted while the stream stood still", s.Accepted())
	}
	servers.Resume(0)
	sending.Wait()

	report, err := s.Judge()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", report)
	if report.Conflicts == 0 || report.Replayed < n/4 {
		t.Errorf("this is no storm: %+v", report)
	}
	eventually(t, "each is charged once", func() bool { return storm.Charged(in.ledger, s.Due()) == nil })
}

// receipts is how many bytes of receipts some nodes' journals hold.
func receipts(t *testing.T, operators []string) int {
	t.Helper()
	sum := 0
	for _, operator := range operators {
		_, text := get(t, operator+"/metrics", "")
		match := regexp.MustCompile(`(?m)^paybuf_receipts_pending_audit_bytes (\S+)$`).FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("no metric of receipts: %s", text)
		}
		bytes, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += int(bytes)
	}
	return sum
}
