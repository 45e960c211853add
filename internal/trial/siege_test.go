//go:build trial && crash

package trial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/payment"
)

// Times of a siege.
const (
	siegePoll    = 10 * time.Millisecond
	siegeTimeMax = 6 * time.Minute // beyond what was asked for, however slow the machine
	restartPause = 300 * time.Millisecond
	pauseTime    = 6 * time.Second // longer than a lease
	natsAway     = time.Second
	wakeTime     = 2 * time.Second // what a worker that has slept needs to write its outcomes
)

// How often what happens.
const (
	killPeriod     = time.Second
	pausePeriod    = 7 * time.Second
	postgresPeriod = 8 * time.Second
	natsPeriod     = 11 * time.Second
	poisonPeriod   = time.Second
	batchPeriod    = 500 * time.Millisecond
	batchOrders    = 3
)

// siege keeps an installation under fire: each of its processes dies at one point
// after the other, any of them at any time, and so do its servers.
type siege struct {
	t      *testing.T
	in     *clusterInstallation
	storm  *storm.Storm
	random *rand.Rand
	guards []*guarded
	queues map[string][]fault.Point // by role: still to die at
	pauses bool
	told   *endpoint // nil if nobody is told of events

	natsBack time.Time // when the server is started again; zero while it runs
	due      map[string]time.Time
	poison   int
	toll     toll
}

// newSiege starts two processes of each role that can die, and a status desk. Events
// are told to a consumer if the layout has webhooks.
func newSiege(t *testing.T, l layout, cfg storm.Config) *siege {
	t.Helper()
	l.program = mortal
	in := installServers(t, l)
	s := &siege{
		t: t, in: in, random: rand.New(rand.NewPCG(cfg.Seed, 1)), queues: map[string][]fault.Point{},
		due: map[string]time.Time{}, toll: newToll(),
	}
	roles := []string{"processor", "processor", "ingest", "ingest", "status"}
	if l.webhooks {
		roles = append(roles, "webhook", "webhook")
	}
	for _, role := range roles {
		var flags []string
		if role == "webhook" {
			flags = append([]string{"--public-url", s.of("status")[0].url()}, senderFlags...)
		}
		s.guards = append(s.guards, &guarded{member: in.place(t, role, flags...)})
	}
	for _, g := range s.guards {
		g.begin(t, in, "")
	}
	eventually(t, "all are ready", func() bool {
		s.tend()
		return !slices.ContainsFunc(s.guards, func(g *guarded) bool { return !g.ready() })
	})
	in.key = in.command(t, "key", "create", "acme", "--postgres", in.postgres, "--secrets-file", in.secrets,
		"--nats", in.servers.URLs()[0])
	for _, door := range s.of("ingest") {
		cfg.Doors = append(cfg.Doors, door.url())
	}
	cfg.Key = in.key
	s.storm = storm.New(cfg)
	t.Cleanup(s.storm.Close)
	if l.webhooks {
		s.listen(t)
	}
	return s
}

func (s *siege) of(role string) (list []*guarded) {
	for _, g := range s.guards {
		if g.role == role {
			list = append(list, g)
		}
	}
	return list
}

// mortalRoles are those whose processes die at points.
var mortalRoles = []string{"ingest", "processor", "status", "webhook"}

// arm has each process of the roles die at the points, again and again if told.
func (s *siege) arm(points []fault.Point) {
	for _, role := range mortalRoles {
		for _, point := range fault.PointsOf(role) {
			if slices.Contains(points, point) {
				s.queues[role] = append(s.queues[role], point)
			}
		}
	}
	for _, g := range s.guards {
		if g.armed == "" && len(s.queues[g.role]) > 0 {
			s.next(g)
			g.process.kill()
			g.begin(s.t, s.in, "1")
			s.toll.restarts++
		}
	}
}

// next gives a process the point of its role that waits longest.
func (s *siege) next(g *guarded) {
	g.armed = ""
	if queue := s.queues[g.role]; len(queue) > 0 {
		g.armed, s.queues[g.role] = queue[0], queue[1:]
	}
}

// tend starts what has died, with the next point, and resumes what was paused.
func (s *siege) tend() {
	s.t.Helper()
	now := time.Now()
	for _, g := range s.guards {
		switch {
		case g.paused():
			if now.After(g.resumes) {
				s.signal(g, syscall.SIGCONT)
				g.resumes, g.woken = time.Time{}, now.Add(wakeTime)
			}
		case g.running() && !g.woken.IsZero():
			if now.After(g.woken) {
				s.toll.late += g.lateWrites()
				g.woken, g.since = time.Time{}, now
			}
		case g.running() && g.armed != "" && now.Sub(g.since) > mortalPatience:
			g.process.kill()
			s.queues[g.role] = append(s.queues[g.role], g.armed)
			s.next(g)
			s.toll.restarts++
			g.begin(s.t, s.in, "1")
		case g.running():
		case g.again.IsZero():
			s.mourn(g, now)
		case now.After(g.again):
			g.begin(s.t, s.in, fmt.Sprint(1+s.random.IntN(3)))
		}
	}
	if !s.natsBack.IsZero() && now.After(s.natsBack) {
		s.in.servers.Start(0)
		s.natsBack = time.Time{}
	}
}

// mourn says what a process died of, and when it is started again.
func (s *siege) mourn(g *guarded, now time.Time) {
	g.again = now
	switch {
	case g.armed != "" && g.diedByItself():
		s.toll.points[g.armed]++
		s.next(g)
	case !g.process.killed: // it gave up, since a server was away
		s.toll.gaveUp++
		g.again = now.Add(restartPause)
	}
}

// strike does what is due of all that happens now and then.
func (s *siege) strike() {
	s.every("kill", killPeriod, func() {
		g := s.guards[s.random.IntN(len(s.guards))]
		if g.running() && !g.spared() {
			g.process.kill()
			s.toll.kills[g.role]++
		}
	})
	s.every("postgres", postgresPeriod, func() {
		s.in.killPostgres(s.t)
		s.in.startPostgres(s.t)
		s.toll.postgres++
	})
	s.every("nats", natsPeriod, func() {
		s.in.servers.Kill(0)
		s.natsBack = time.Now().Add(natsAway)
		s.toll.nats++
	})
	if s.pauses {
		s.every("pause", pausePeriod, func() {
			g := s.of("processor")[s.random.IntN(2)]
			if g.running() && !g.spared() {
				s.signal(g, syscall.SIGSTOP)
				g.resumes = time.Now().Add(pauseTime)
				s.toll.pauses++
			}
		})
	}
	if s.natsBack.IsZero() {
		s.every("poison", poisonPeriod, func() {
			s.poison++
			s.in.streams.Publish(fmt.Sprintf("paybuf.intake.0.poison-%d", s.poison), []byte("no request"))
		})
	}
}

// every does something once per period, first after one period.
func (s *siege) every(what string, period time.Duration, do func()) {
	now := time.Now()
	due, known := s.due[what]
	if !known {
		due = now.Add(period)
	}
	if now.After(due) {
		do()
		due = time.Now().Add(period)
	}
	s.due[what] = due
}

// lateWrites asks how many outcomes of a worker that has slept changed nothing.
func (g *guarded) lateWrites() int {
	text, err := metric(g.operators, "paybuf_late_writes_total")
	if err != nil {
		return 0 // it has just died
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

func (s *siege) signal(g *guarded, what syscall.Signal) {
	if err := g.process.cmd.Process.Signal(what); err != nil {
		s.t.Errorf("%s to %s: %v", what, g.name, err)
	}
}

// until goes on until something holds, striking or only tending.
func (s *siege) until(what string, limit time.Duration, strikes bool, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(limit); !holds(); <-time.After(siegePoll) {
		s.tend()
		if strikes {
			s.strike()
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %s: %s; %s", limit, what, s.state())
		}
	}
}

func (s *siege) state() string {
	ended, open := s.storm.Ended()
	var armed []string
	for _, g := range s.guards {
		armed = append(armed, g.name+" waits for "+string(g.armed))
	}
	return fmt.Sprintf("%d payments have ended, %d have not; %s; still to come: %v", ended, open, strings.Join(armed, ", "), s.queues)
}

// died tells that each of the points has been died at.
func (s *siege) died(points []fault.Point) bool {
	for _, point := range points {
		if s.toll.points[point] == 0 {
			return false
		}
	}
	return true
}

// weather is what clients do during a siege.
func (s *siege) weather(wave storm.Wave, tales storm.Tales) (calm func()) {
	ctx, stop := context.WithCancel(s.t.Context())
	var busy sync.WaitGroup
	busy.Go(func() { s.storm.Send(ctx, wave) })
	busy.Go(func() { s.storm.SendBatches(ctx, batchPeriod, batchOrders) })
	busy.Go(func() { s.tell(ctx, tales) })
	s.t.Cleanup(func() { stop(); busy.Wait() })
	return func() {
		stop()
		done := make(chan struct{})
		go func() { busy.Wait(); close(done) }()
		s.until("every request is answered", siegeTimeMax, false, func() bool {
			select {
			case <-done:
				return true
			default:
				return false
			}
		})
	}
}

// tell has clients try orders again, call them off and have them paid later.
func (s *siege) tell(ctx context.Context, tales storm.Tales) {
	if tales.PerSecond > 0 {
		tales.Desk = s.of("status")[0].url()
		s.storm.Tell(ctx, tales)
	}
}

// follow has clients look at their payments until the end.
func (s *siege) follow() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var watching sync.WaitGroup
	for range 3 {
		watching.Go(func() { s.storm.Follow(ctx, s.of("status")[0].url()) })
	}
	s.t.Cleanup(func() { cancel(); watching.Wait() })
	return func() { cancel(); watching.Wait() }
}

// judge compares what the payer charged with what clients were told, and both
// with what Postgres counts.
func (s *siege) judge() {
	s.t.Helper()
	s.hear()
	balance := s.balance()
	if s.told != nil {
		wantVerified(s.t, s.told.Consumer, s.told.spool)
	}
	for _, v := range balance.Violations {
		s.t.Error(v)
	}
	report, err := s.storm.Judge()
	if err != nil {
		s.t.Error(err)
		s.toll.violations++
	}
	s.toll.add(report, balance, s.payerCounts())
}

func (s *siege) balance() storm.Balance {
	s.t.Helper()
	s.storm.LookAtAll(s.t.Context(), s.of("status")[0].url())
	balance, err := s.storm.Balance(s.in.ledger)
	if err != nil {
		s.t.Fatal(err)
	}
	var kept totals
	output(s.t.Context(), s.t, &kept, "totals", "--json", "--postgres", s.in.postgres)
	incomplete := func(format string, args ...any) {
		balance.Violations = append(balance.Violations, storm.Violation{
			Invariant: storm.Complete, Detail: fmt.Sprintf(format, args...),
		})
	}
	var rows int64
	for _, n := range kept.Payments {
		rows += n
	}
	if rows != int64(balance.Payments) {
		incomplete("%d payments were accepted and %d are kept", balance.Payments, rows)
	}
	for _, state := range payment.States() {
		if n := kept.Payments[string(state)]; n != int64(balance.States[state]) && balance.States[payment.Queued] == 0 {
			incomplete("%d payments are %s and clients see %d", n, state, balance.States[state])
		}
	}
	var open []struct{ Kind, Reference, Detail string }
	output(s.t.Context(), s.t, &open, "reconcile", "list", "--json", "--postgres", s.in.postgres)
	for _, found := range open {
		incomplete("the payer's statement and the ledger differ: %+v", found)
	}
	if kept.Dead > int64(s.poison) {
		incomplete("%d dead letters of %d messages that nobody can read", kept.Dead, s.poison)
	}
	s.judgeHeard(&balance)
	return balance
}
