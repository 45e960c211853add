//go:build trial && crash

package trial

import (
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/trial/storm"
)

var crashTime = flag.Duration("crash.time", 0, "how long the crash trial storms; 0 for as long as it takes to die at each point once")

// Points that are not passed in the middle of a storm, or only if another body
// comes within the dedup window.
var (
	calmPoints  = []fault.Point{fault.BufferAudited, fault.BufferRemoved, fault.BufferPurging, fault.BufferPurged}
	otherPoints = []fault.Point{fault.BufferVoided, fault.BufferConflict}
	// A statement would find out what the second payer's look-up is to find out alone.
	statementPoints = []fault.Point{fault.ReconcileJudging, fault.ReconcileJudged}
	operatorPoints  = fault.PointsOf("operator")
	webhookPoints   = fault.PointsOf("webhook")
)

// ordeal is a siege: of which installation, by which clients, and where it dies.
type ordeal struct {
	name         string
	layout       layout
	storm        storm.Config
	wave         storm.Wave
	tales        storm.Tales
	pauses       bool
	stormy, calm []fault.Point
}

// calmPerSecond is what clients send then.
const calmPerSecond = 10

// ill is what both payers do.
var ill = []string{
	"--latency", "5ms", "--jitter", "20ms", "--decline", "0.05", "--pending", "0.03", "--pending-for", "2s",
	"--reset-after", "0.05", "--reset-before", "0.02", "--error-after", "0.03", "--error-before", "0.02", "--hang", "0.02",
	"--unavailable", "0.05", "--rate-limited", "0.02", "--retry-after", "1s", "--wrong-amount", "0.02", "--garbage", "0.02",
	"--late", "0.1", "--late-for", "1s",
}

var brisk = []string{"--pay-timeout", "1s", "--lease", "4s", "--retry-max", "1s", "--concurrency", "16", "--audit-after", "1s"}

// tales are what clients do in a siege besides sending.
var tales = storm.Tales{PerSecond: 15, Chains: 4, Cancels: 4, Schedules: 2}

func without(points []fault.Point, others ...[]fault.Point) []fault.Point {
	return slices.DeleteFunc(points, func(point fault.Point) bool { return slices.Contains(slices.Concat(others...), point) })
}

func ordeals() []ordeal {
	return []ordeal{
		{
			// Repetitions and second bodies are told apart, processors sleep through their leases.
			name: "payer with idempotency keys",
			layout: layout{
				nats: 1, shards: 1, webhooks: true, payer: ill,
				serve: append([]string{
					"--payer-visibility-delay", "2s", "--dedup-window", "2h", "--statement-url", "/statement", "--reconcile-every", "5s",
				}, brisk...),
			},
			storm: storm.Config{Seed: 1, Outages: true},
			wave:  storm.Wave{PerSecond: 60, Repeats: 0.3, Others: 0.2, Keyed: 0.5, Hasty: 0.05},
			tales: tales,
			// Once is enough for what calm takes its time for.
			pauses: true, stormy: without(fault.Points(), calmPoints, operatorPoints),
		},
		{
			// The stream forgets in seconds, and nothing but a look-up stands against a second charge.
			// A call that a sleeping worker began to write cannot be called back, so none sleeps here.
			name: "payer that ignores idempotency keys",
			layout: layout{
				nats: 1, shards: 1, webhooks: true, payer: append([]string{"--ignore-keys"}, ill...),
				serve: append([]string{"--payer-visibility-delay", "4s", "--dedup-window", "3s"}, brisk...),
			},
			storm:  storm.Config{Seed: 2, Outages: true, Forgets: true},
			wave:   storm.Wave{PerSecond: 60, Repeats: 0.3, Keyed: 0.3, Hasty: 0.05},
			tales:  tales,
			stormy: without(fault.Points(), calmPoints, otherPoints, statementPoints, operatorPoints, webhookPoints), calm: calmPoints,
		},
	}
}

func TestCrash_whateverDiesWhereverEachOrderIsChargedOnce(t *testing.T) {
	all := newToll()
	for _, o := range ordeals() {
		t.Run(o.name, func(t *testing.T) {
			all.join(o.run(t, *crashTime/time.Duration(len(ordeals()))))
		})
	}
	t.Run("payer that neither is asked nor knows keys", func(t *testing.T) { all.join(operate(t)) })
	for _, point := range fault.Points() {
		if all.points[point] == 0 {
			t.Errorf("no process has died at %s: nothing is known about it", point)
		}
	}
	_, _ = os.Stdout.WriteString(all.lines())
}

// run storms for a time and until each point has been died at, then lets the
// installation come to rest, and judges.
func (o ordeal) run(t *testing.T, atLeast time.Duration) toll {
	started := time.Now()
	s := newSiege(t, o.layout, o.storm)
	s.pauses = o.pauses
	t.Logf("%.1f s: all is ready", time.Since(started).Seconds())
	begun := time.Now()
	blind := s.follow()
	calm := s.weather(o.wave, o.tales)
	s.arm(o.stormy)
	s.until("each point of the storm has been died at", siegeTimeMax+atLeast, true, func() bool {
		if s.died(o.stormy) && time.Since(begun) > atLeast && s.struckEach() {
			return true
		}
		if atLeast > 0 {
			s.refill(o.stormy)
		}
		return false
	})
	t.Logf("%.1f s: the storm is over; %d orders are accepted", time.Since(started).Seconds(), s.storm.Accepted())
	s.disarm()
	calm()
	if len(o.calm) > 0 { // there must be something new to clear away
		calm = s.weather(storm.Wave{PerSecond: calmPerSecond}, storm.Tales{})
		s.arm(o.calm)
		s.until("each point of the calm has been died at", siegeTimeMax, false, func() bool { return s.died(o.calm) })
		s.disarm()
		calm()
	}
	s.until("each payment has an end", siegeTimeMax, false, func() bool {
		_, open := s.storm.Ended()
		return open == 0
	})
	blind()
	s.until("all are ready", siegeTimeMax, false, func() bool {
		return !slices.ContainsFunc(s.guards, func(g *guarded) bool { return !g.ready() })
	})
	s.judge()
	t.Logf("%.1f s: the end\n%s", time.Since(started).Seconds(), s.toll.lines())
	return s.toll
}

// struckEach tells that each kind of what happens now and then has happened, and
// that a worker which slept through its lease was kept out by the fence.
func (s *siege) struckEach() bool {
	return len(s.toll.kills) == len(mortalRoles) && s.toll.postgres > 0 && s.toll.nats > 0 && (s.toll.late > 0 || !s.pauses)
}

// refill has the processes die at all points again, in another order.
func (s *siege) refill(points []fault.Point) {
	for _, role := range mortalRoles {
		if len(s.queues[role]) > 0 {
			continue
		}
		for _, i := range s.random.Perm(len(points)) {
			if slices.Contains(fault.PointsOf(role), points[i]) {
				s.queues[role] = append(s.queues[role], points[i])
			}
		}
		for _, g := range s.of(role) {
			if g.armed == "" {
				s.next(g) // when it is killed next
			}
		}
	}
}

// disarm has the processes live on: what is armed is started without a point.
func (s *siege) disarm() {
	s.queues = map[string][]fault.Point{}
	s.until("nobody is paused and the servers run", siegeTimeMax, false, func() bool {
		return s.natsBack.IsZero() && !slices.ContainsFunc(s.guards, (*guarded).paused)
	})
	for _, g := range s.guards {
		if g.armed == "" {
			continue
		}
		g.armed = ""
		if g.running() {
			g.process.kill()
			s.toll.restarts++
		}
	}
}
