package main

import (
	"context"
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
	localtest.NewStreams(t, in.nats).AwaitReady()
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

// A server of the cluster and an ingest node are killed and started again while
// requests go through both nodes. internal/trial does more of it.
func TestServe_aLostServerAndALostNodeLoseNoPayment(t *testing.T) {
	t.Parallel()
	in := install(t)
	servers := localtest.NewServers(t, 3)
	in.nats = strings.Join(servers.URLs(), ",")
	streams := localtest.NewStreams(t, servers.URLs()...)
	streams.AwaitReady()
	cluster := []string{"--replicas", "3", "--shards", "3", "--postgres", in.postgres}
	in.admin("tenant", "create", "acme")
	in.serve("processor", append(cluster, "--payer", in.payer, "--payer-visibility-delay", "0s")...)
	_, desk, _ := in.serve("status", cluster...)
	key := strings.TrimSpace(in.admin("key", "create", "acme"))
	cfg := storm.Config{Key: key, Outages: true}
	var nodes []*process
	var flags [][]string
	for range 2 {
		address := unused(t)
		flags = append(flags, append([]string{"--listen", address, "--journal-dir", t.TempDir()}, cluster...))
		node, door, _ := in.serve("ingest", flags[len(flags)-1]...)
		nodes, cfg.Doors = append(nodes, node), append(cfg.Doors, door)
	}
	s := storm.New(cfg)
	defer s.Close()
	sending, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	t.Cleanup(func() { stop(); busy.Wait() })
	busy.Go(func() { s.Send(sending, storm.Wave{PerSecond: 100, Repeats: 0.4, Others: 0.1, Keyed: 0.5}) })
	busy.Go(func() { s.Watch(sending, desk) })
	await := func(what string) {
		t.Helper()
		const n = 50
		goal := s.Accepted() + n
		eventually(t, "orders are accepted after: "+what, func() bool { return s.Accepted() >= goal })
	}
	await("begin")
	servers.Kill(0)
	await("kill -9 of a NATS server")
	nodes[0].kill()
	await("kill -9 of an ingest node")
	servers.Start(0)
	in.serve("ingest", flags[0]...)
	streams.StepDown("PAYBUF_0")
	await("both are back, and another server leads")
	stop()
	busy.Wait()

	report, err := s.Judge()
	t.Logf("%+v", report)
	if err != nil {
		t.Error(err)
	}
	eventually(t, "every payment that was accepted has succeeded", func() bool {
		open, err := s.Open(t.Context(), desk)
		return err == nil && len(open) == 0
	})
	if err := storm.Charged(in.ledger, s.Due()); err != nil {
		t.Error(err)
	}
}
