//go:build trial

package trial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/paybuf/paybuf/internal/trial/hook"
	"github.com/paybuf/paybuf/internal/trial/storm"
)

const (
	senderKills    = 12
	killsBetween   = 60 // deliveries between two kills, at most
	forgetfulShare = 0.1
)

// senderFlags have what a killed sender held taken over soon, and nothing given up.
var senderFlags = []string{
	"--webhook-lease", "3s", "--webhook-timeout", "1s", "--webhook-schedule", "0s,100ms,200ms,500ms,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s",
}

func TestWebhooks_killedSendersForgetNothing(t *testing.T) {
	t.Parallel() // it waits for leases most of the time
	in := installServers(t, layout{
		nats: 1, shards: 1, webhooks: true, program: program, payer: []string{"--latency", "5ms", "--decline", "0.1", "--unavailable", "0.05"},
		serve: []string{"--payer-visibility-delay", "0s", "--pay-timeout", "1s", "--lease", "3s", "--retry-max", "1s"},
	})
	office := in.add(t, "ingest,processor,status")
	flags := append([]string{"--public-url", office.url()}, senderFlags...)
	senders := []*member{in.add(t, "webhook", flags...), in.add(t, "webhook", flags...)}
	in.key = in.command(t, "key", "create", "acme", "--postgres", in.postgres, "--secrets-file", in.secrets,
		"--nats", in.servers.URLs()[0])
	d := desk{url: office.url(), key: in.key, dir: in.dir}
	eventually(t, "the key is known", func() bool {
		status, _, err := d.try(t.Context(), http.MethodGet, endpointsPath, nil)
		return err == nil && status == http.StatusOK
	})
	all, final := d.listen(t, "all"), d.listen(t, "final", finalTypes...)
	for _, e := range []*endpoint{all, final} {
		e.Behave(forgetfulShare, hook.Forgets, hook.Fails(http.StatusInternalServerError, 0))
	}
	feed := d.follow(t)
	s := storm.New(storm.Config{Doors: []string{office.url()}, Key: in.key, Seed: 4})
	t.Cleanup(s.Close)
	sending, stop := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	t.Cleanup(func() { stop(); busy.Wait() })
	busy.Go(func() { s.Send(sending, storm.Wave{PerSecond: 60, Repeats: 0.1}) })
	watch, blind := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	t.Cleanup(func() { blind(); watching.Wait() })
	watching.Go(func() { s.Follow(watch, office.url()) })
	in.killSenders(t, senders, all)
	stop()
	busy.Wait()
	for _, e := range []*endpoint{all, final} {
		e.Behave(0)
	}

	eventually(t, "each payment has an end", func() bool {
		_, open := s.Ended()
		return open == 0
	})
	blind()
	watching.Wait()
	due := s.Finals()
	events := eventsOf(t, in.postgres, "acme")
	for _, e := range []*endpoint{all, final} {
		e.awaitFinals(t, due)
		if err := e.InLine(); err != nil {
			t.Error(err)
		}
		report := wantVerified(t, e.Consumer, e.spool)
		t.Logf("%d payments, %d kills: %+v", len(due), senderKills, report)
		if report.Repeats == 0 {
			t.Error("nothing was sent twice: the kills and the lost answers prove nothing")
		}
	}
	all.wantEvents(t, events)
	feed.wantEach(t, events)
	feed.wantBodies(t, all)
}

// killSenders kills senders at random moments, one or both, and starts them again.
func (in *clusterInstallation) killSenders(t *testing.T, senders []*member, watched *endpoint) {
	t.Helper()
	random := rand.New(rand.NewPCG(4, 4))
	for range senderKills {
		goal := len(watched.Deliveries()) + 1 + random.IntN(killsBetween)
		eventually(t, fmt.Sprintf("%d deliveries in all", goal), func() bool { return len(watched.Deliveries()) >= goal })
		first := random.IntN(2)
		dying := []*member{senders[first]}
		if random.IntN(4) == 0 {
			dying = append(dying, senders[1-first])
		}
		for _, m := range dying {
			m.process.kill()
		}
		for _, m := range dying {
			in.begin(t, m)
		}
	}
	eventually(t, "both are ready", func() bool {
		return !slices.ContainsFunc(senders, func(m *member) bool { return !m.ready() })
	})
}
