package app_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/payment"
)

const stormSeed = 20_260_101

// repetitions are storms without any outage: how large a share of the
// requests repeats an order.
var repetitions = []struct {
	name    string
	before  int // orders that are there already
	repeats float64
}{
	{"a fifth repeats", 0, 0.2},
	{"four fifths repeat", 0, 0.8},
	{"all repeat", 40, 1},
}

func TestStorm_repetitionsOverOneNodeAreEachAnsweredAsTheFirst(t *testing.T) {
	t.Parallel()
	stormOver(t, 1)
}

func TestStorm_repetitionsOverTwoNodesAreEachAnsweredAsTheFirst(t *testing.T) {
	t.Parallel()
	stormOver(t, 2)
}

// stormOver sends storms through as many ingest nodes, each with a journal of its
// own, while a processor pays.
func stormOver(t *testing.T, nodes int) {
	for _, rep := range repetitions {
		t.Run(rep.name, func(t *testing.T) {
			in := install(t)
			var doors []*caller
			for range nodes {
				doors = append(doors, in.client(in.start(app.RoleIngest), "acme"))
			}
			desk := in.client(in.start(app.RoleProcessor, app.RoleStatus), "acme")
			s := in.storm(doors)
			if rep.before > 0 {
				s.Send(t.Context(), storm.Wave{Requests: rep.before, Keyed: 0.5})
			}
			s.Send(t.Context(), storm.Wave{Requests: 400, Repeats: rep.repeats, Others: 0.15, Keyed: 0.5})
			report, err := s.Judge()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", report)
			if report.Conflicts == 0 || report.Replayed <= int(300*rep.repeats)/2 || report.Firsts != report.Orders {
				t.Errorf("this is no storm: %+v", report)
			}
			due := s.Due()
			in.wantStoredOnce(due)
			desk.awaitSucceeded(due)
			in.payer.wantOnce(due)
		})
	}
}

func (in *installation) storm(doors []*caller) *storm.Storm {
	cfg := storm.Config{Key: doors[0].key, Seed: stormSeed}
	for _, door := range doors {
		cfg.Doors = append(cfg.Doors, door.url)
	}
	s := storm.New(cfg)
	in.t.Cleanup(s.Close)
	return s
}

// wantStoredOnce checks that the stream holds one message for each payment, to be
// paid, and no other. It is within the window, so none is cleared away yet.
func (in *installation) wantStoredOnce(due map[payment.ID]int64) {
	in.t.Helper()
	stored := localtest.NewStreams(in.t, in.broker.url).Stored("PAYBUF_0")
	maps.DeleteFunc(stored, func(subject string, _ uint64) bool { return !strings.HasPrefix(subject, "paybuf.intake.") })
	equal(in.t, "orders on the stream", len(stored), len(due))
	for id := range due {
		equal(in.t, "messages of "+string(id), stored["paybuf.intake.0."+string(id)], 1)
	}
}
