package localtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

func TestServers_goOnWithoutOneThatWasKilledAndWithItAgain(t *testing.T) {
	servers := localtest.NewServers(t, 3)
	streams := localtest.NewStreams(t, servers.URLs()...)
	streams.AwaitReady(3)
	nc, err := nats.Connect(strings.Join(servers.URLs(), ","), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is there", func() bool {
		_, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Replicas: 3})
		return err == nil
	})
	publish := func(subject string) {
		eventually(t, subject+" is stored", func() bool {
			_, err := js.Publish(t.Context(), subject, nil, jetstream.WithMsgID(subject))
			return err == nil
		})
	}
	publish("s.before")
	streams.StepDown("S")
	servers.Kill(0)
	publish("s.without")
	servers.Start(0)
	eventually(t, "all three have it all", func() bool { return streams.Whole("S", 3) })
	publish("s.again")
	stored := streams.Stored("S")
	if len(stored) != 3 || stored["s.before"] != 1 || stored["s.without"] != 1 || stored["s.again"] != 1 {
		t.Errorf("stored is %v", stored)
	}
}

func TestServers_pausedOneAnswersAgainAfterwards(t *testing.T) {
	servers := localtest.NewServers(t, 1)
	localtest.NewStreams(t, servers.URLs()...).AwaitReady(1)
	nc, err := nats.Connect(servers.URLs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	servers.Pause(0)
	if err := nc.FlushTimeout(200 * time.Millisecond); err == nil {
		t.Error("it answers while it is paused")
	}
	servers.Resume(0)
	if err := nc.FlushTimeout(5 * time.Second); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const waitMax = 30 * time.Second
	for deadline := time.Now().Add(waitMax); !holds(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", waitMax, what)
		}
	}
}
