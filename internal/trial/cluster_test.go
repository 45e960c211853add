//go:build trial

package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/payment"
)

func TestCluster_stormOverLostLeadersServersAndProcessesChargesEachOrderOnce(t *testing.T) {
	started := time.Now()
	in := installCluster(t)
	processors := []*member{in.add(t, "processor"), in.add(t, "processor")}
	doors := []*member{in.add(t, "ingest"), in.add(t, "ingest")}
	desk := in.add(t, "status")
	in.key = in.command(t, "key", "create", "acme", "--postgres", in.postgres, "--secrets-file", in.secrets,
		"--nats", in.servers.URLs()[0])
	t.Logf("%.1f s: all is ready", time.Since(started).Seconds())

	s := storm.New(storm.Config{
		Doors: []string{doors[0].url(), doors[1].url()}, Key: in.key, Seed: uint64(started.UnixNano()), Outages: true,
	})
	defer s.Close()
	sending, stop := context.WithCancel(t.Context())
	var busy, watching sync.WaitGroup
	watch, blind := context.WithCancel(t.Context())
	t.Cleanup(func() { stop(); blind(); busy.Wait(); watching.Wait() })
	busy.Go(func() { s.Send(sending, storm.Wave{PerSecond: 150, Repeats: 0.4, Others: 0.1, Keyed: 0.5}) })
	watching.Go(func() { s.Watch(watch, desk.url()) })
	await := func(what string, n int) {
		t.Helper()
		goal := s.Accepted() + n
		eventually(t, fmt.Sprintf("%d further orders after: %s", n, what), func() bool { return s.Accepted() >= goal })
		t.Logf("%.1f s: %s; %d orders are accepted", time.Since(started).Seconds(), what, s.Accepted())
	}

	await("begin", 100)
	processors[0].process.kill()
	await("kill -9 of a processor", 50)
	doors[0].process.kill()
	await("kill -9 of an ingest node", 50)
	in.restart(t, processors[0])
	in.restart(t, doors[0])
	for range 3 {
		in.stepDown()
		await("every leader stepped down", 50)
	}
	in.servers.Kill(0)
	await("kill -9 of a NATS server", 100)
	doors[1].process.kill()
	await("and kill -9 of an ingest node", 50)
	in.servers.Start(0)
	in.restart(t, doors[1])
	in.awaitWhole(t)
	await("all are back", 50)
	stop()
	busy.Wait()

	report, err := s.Judge()
	if err != nil {
		t.Error(err)
	}
	t.Logf("%.1f s: %+v", time.Since(started).Seconds(), report)
	eventually(t, "every payment that was accepted has succeeded", func() bool {
		open, err := s.Open(t.Context(), desk.url())
		return err == nil && len(open) == 0
	})
	t.Logf("%.1f s: all has succeeded", time.Since(started).Seconds())
	blind()
	watching.Wait()
	if _, again := s.Judge(); again != nil && err == nil {
		t.Error(again) // what the watch has seen
	}
	if err := storm.Charged(in.ledger, s.Due()); err != nil {
		t.Error(err)
	}
	for _, m := range append(processors, doors...) {
		eventually(t, "no backlog, says "+m.name, func() bool {
			return slices.Equal(m.backlogs(t), slices.Repeat([]string{"0"}, clusterShards))
		})
	}
	in.wantStoredOnce(t, s)
	t.Logf("%.1f s: the end", time.Since(started).Seconds())
}

func streamName(shard int) string { return fmt.Sprintf("PAYBUF_%d", shard) }

// stepDown has other servers lead the streams, their consumers and the bucket of
// idempotency keys.
func (in *clusterInstallation) stepDown() {
	for shard := range clusterShards {
		in.streams.StepDown(streamName(shard))
		in.streams.StepDownConsumer(streamName(shard), "processor")
	}
	in.streams.StepDown("KV_PAYBUF_IDEMPOTENCY")
}

// awaitWhole waits until a server that was away has what the others have.
func (in *clusterInstallation) awaitWhole(t *testing.T) {
	t.Helper()
	for shard := range clusterShards {
		eventually(t, "all replicas of "+streamName(shard), func() bool { return in.streams.Whole(streamName(shard), 3) })
	}
}

// wantStoredOnce checks that the streams hold one message for each payment, to be
// paid, and no other. It is within the window, so none is cleared away yet.
func (in *clusterInstallation) wantStoredOnce(t *testing.T, s *storm.Storm) {
	t.Helper()
	due, found := s.Due(), 0
	for shard := range clusterShards {
		prefix := fmt.Sprintf("paybuf.intake.%d.", shard)
		for subject, n := range in.streams.Stored(streamName(shard)) {
			id, intake := strings.CutPrefix(subject, prefix)
			if !intake {
				continue
			}
			found++
			if _, known := due[payment.ID(id)]; !known || n != 1 {
				t.Errorf("%s is stored %d times; accepted: %v", subject, n, known)
			}
		}
	}
	equal(t, "payments on the streams", found, len(due))
}
