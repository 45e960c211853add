//go:build trial && crash

package trial

import (
	"flag"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/internal/trial/storm"
)

var (
	mutationsFile = flag.String("crash.mutations", "", "file to write what each dropped protection led to; all are dropped then")
	mutationRuns  = flag.Int("crash.mutation-runs", 3, "how often each is dropped for that file")
)

// mutation is a protection that is dropped, in an installation and under clients
// that make it show soon.
type mutation struct {
	name    string
	without string // in words
	aim     string // what the run does, in words
	code    fault.Protection
	sql     string // drops it where it is not code
	layout  layout
	storm   storm.Config
	wave    storm.Wave
	tales   storm.Tales
	strike  func(*siege)
	wants   storm.Invariant
	quick   bool // noticed within seconds: part of every crash trial
}

// uniqueSQL takes Postgres' word on who owns an order number away: the keys, and
// the attempts' key, which would notice the second outcome.
const uniqueSQL = `
	ALTER TABLE payments DROP CONSTRAINT payments_pkey, DROP CONSTRAINT payments_order_key;
	CREATE FUNCTION skip_known_attempt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF EXISTS (SELECT 1 FROM attempts a WHERE a.payment_id = NEW.payment_id AND a.version = NEW.version)
		THEN RETURN NULL; END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER attempts_known BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION skip_known_attempt();`

// finalSQL takes the second guard behind the fence away.
const finalSQL = `DROP TRIGGER payments_final ON payments; DROP TRIGGER payments_fence ON payments;`

// forgetCanceledSQL takes away the row by which a claim knows that an order was
// canceled, and hurrySQL the time in the row that a scheduled payment waits for.
const (
	forgetCanceledSQL = `
	DROP TRIGGER payments_kept ON payments;
	CREATE FUNCTION forget_canceled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		DELETE FROM payments WHERE id = NEW.id;
		RETURN NULL;
	END $$;
	CREATE TRIGGER payments_forget_canceled AFTER INSERT ON payments FOR EACH ROW
		WHEN (NEW.state = 'canceled') EXECUTE FUNCTION forget_canceled();`
	hurrySQL = `
	CREATE FUNCTION hurry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		NEW.next_at := now();
		RETURN NEW;
	END $$;
	CREATE TRIGGER payments_hurry BEFORE INSERT ON payments FOR EACH ROW
		WHEN (NEW.state = 'scheduled') EXECUTE FUNCTION hurry();`
)

// forgetOutboxSQL takes away what is to be delivered of one event in ten, as if it
// were written after the change and not with it. sentIsDoneSQL takes the tries after
// the first: whatever an endpoint answers, it counts as told.
const (
	forgetOutboxSQL = `
	CREATE FUNCTION forget_outbox() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.sequence % 10 = 0 THEN RETURN NULL; END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER webhook_deliveries_forget BEFORE INSERT ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION forget_outbox();`
	sentIsDoneSQL = `
	CREATE FUNCTION sent_is_done() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		NEW.state := 'delivered';
		NEW.next_at := NULL;
		RETURN NEW;
	END $$;
	CREATE TRIGGER webhook_deliveries_sent BEFORE UPDATE ON webhook_deliveries FOR EACH ROW
		WHEN (OLD.state = 'waiting' AND NEW.tries > OLD.tries) EXECUTE FUNCTION sent_is_done();`
)

func mutations() []mutation {
	forgets := storm.Config{Outages: true, Forgets: true}
	keeps := storm.Config{Outages: true}
	repeating := storm.Wave{Requests: 400, PerSecond: 80, Repeats: 0.5}
	single := storm.Wave{Requests: 120, PerSecond: 60}
	flags := func(more ...string) []string { return append(slices.Clone(brisk), more...) }
	forgetful := layout{
		nats: 1, shards: 1, payer: []string{"--ignore-keys", "--latency", "5ms"},
		serve: flags("--dedup-window", "1s", "--payer-visibility-delay", "1s"),
	}
	return []mutation{
		{
			name: "unique", without: "the primary key and the unique constraint on the order number",
			aim: "a payer that ignores keys; half of the requests are repetitions, most after the dedup window",
			sql: uniqueSQL, layout: forgetful, storm: forgets, wave: repeating, wants: storm.Once, quick: true,
		},
		{
			name: "claim", without: "the attempt on record before the call: charge first, then claim",
			aim:  "the same",
			code: fault.ClaimFirst, layout: forgetful, storm: forgets, wave: repeating, wants: storm.Once,
		},
		{
			name: "look-up", without: "the question before any re-send: what is unknown is sent again",
			aim:  "a payer that ignores keys and loses the answer to three of ten charges",
			code: fault.LookUp, storm: keeps, wave: single, wants: storm.Once, quick: true,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--ignore-keys", "--reset-after", "0.3"},
				serve: flags("--payer-visibility-delay", "1s"),
			},
		},
		{
			name: "visibility", without: "the visibility delay: the first \"not found\" counts",
			aim:  "a payer that ignores keys, loses the answer to three of ten charges and hides each for 4 s",
			code: fault.Visibility, storm: keeps, wave: single, wants: storm.Once,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--ignore-keys", "--reset-after", "0.3", "--late", "1", "--late-for", "4s"},
				serve: flags("--payer-visibility-delay", "6s"),
			},
		},
		{
			name: "key-window", without: "the key window: a key is sent however old it is",
			aim:  "a payer that cannot be asked, forgets keys after 3 s, loses answers and is often away for 3 s",
			code: fault.KeyWindow, storm: keeps, wave: single, wants: storm.Once,
			layout: layout{
				nats: 1, shards: 1,
				payer: []string{
					"--no-lookup", "--key-window", "3s", "--reset-after", "0.3", "--unavailable", "0.5", "--retry-after", "3s",
				},
				serve: flags("--payer-no-lookup", "--payer-key-window", "3s", "--pay-timeout", "500ms"),
			},
		},
		{
			name: "fence", without: "the version in Settle, and the triggers behind it",
			aim:  "a slow payer; a processor sleeps for 10 s, and its successor settles what it holds",
			code: fault.Fence, sql: finalSQL, storm: keeps, wave: storm.Wave{Requests: 150, PerSecond: 30}, wants: storm.Final,
			strike: sleepThroughTheLease,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--latency", "400ms"},
				serve: flags("--payer-visibility-delay", "1s", "--concurrency", "4"),
			},
		},
		{
			name: "receipt", without: "the buffer before the 202: the answer comes first",
			aim:  "both ingest nodes die in front of the buffer, five times in all",
			code: fault.Receipt, storm: keeps, wave: single, wants: storm.Kept, quick: true,
			strike: dieBeforeTheBuffer,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--latency", "5ms"}, serve: flags("--payer-visibility-delay", "1s"),
			},
		},
		{
			name: "ack", without: "acknowledging after the commit: it comes before the claim",
			aim:  "Postgres is killed, and both processors while they wait for it; the audit is put off",
			code: fault.AckLast, storm: keeps, wave: single, wants: storm.Kept,
			strike: dieWithoutPostgres,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--latency", "5ms"},
				serve: flags("--payer-visibility-delay", "1s", "--audit-after", "1h"),
			},
		},
		{
			name: "chain", without: "the look at what a retry tries again: it is charged whatever that has become",
			aim:  "seven of ten first cards are declined, and a third of the customers do not wait until they hear of it",
			code: fault.Chain, storm: keeps, tales: storm.Tales{PerSecond: 20, Orders: 80, Chains: 1}, wants: storm.Once, quick: true,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--latency", "100ms"}, serve: flags("--payer-visibility-delay", "1s"),
			},
		},
		{
			name: "tombstone", without: "the row that a cancellation leaves for the claim",
			aim: "orders are called off before their requests come, beside them, and after",
			sql: forgetCanceledSQL, storm: keeps, tales: storm.Tales{PerSecond: 20, Orders: 80, Cancels: 1}, wants: storm.Once, quick: true,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--latency", "5ms"}, serve: flags("--payer-visibility-delay", "1s"),
			},
		},
		{
			name: "schedule", without: "the time in the row of a scheduled payment: it is due at once",
			aim: "orders that are to be paid some seconds later",
			sql: hurrySQL, storm: keeps, tales: storm.Tales{PerSecond: 20, Orders: 40, Schedules: 1}, wants: storm.Amounts,
			layout: layout{
				nats: 1, shards: 1, payer: []string{"--latency", "5ms"}, serve: flags("--payer-visibility-delay", "1s"),
			},
		},
		{
			name: "outbox", without: "what is to be delivered, with the event: one in ten is lost on the way",
			aim: "a consumer of webhooks that answers one delivery in ten badly",
			sql: forgetOutboxSQL, storm: keeps, wave: single, wants: storm.Heard,
			layout: layout{
				nats: 1, shards: 1, webhooks: true, payer: []string{"--latency", "5ms"}, serve: flags("--payer-visibility-delay", "1s"),
			},
		},
		{
			name: "tries", without: "the tries after the first: what was sent counts as delivered, whatever was answered",
			aim: "the same",
			sql: sentIsDoneSQL, storm: keeps, wave: single, wants: storm.Heard, quick: true,
			layout: layout{
				nats: 1, shards: 1, webhooks: true, payer: []string{"--latency", "5ms"}, serve: flags("--payer-visibility-delay", "1s"),
			},
		},
	}
}

// endTime is how long after the last request each payment must have an end.
// Redelivery takes 30 s of it, and the lease 4.
const endTime = 45 * time.Second

func sleepThroughTheLease(s *siege) {
	s.awaitAccepted(40)
	g := s.of("processor")[0]
	s.signal(g, syscall.SIGSTOP)
	g.resumes = time.Now().Add(10 * time.Second)
	s.toll.pauses++
}

func dieBeforeTheBuffer(s *siege) {
	s.awaitAccepted(10)
	s.queues["ingest"] = slices.Repeat([]fault.Point{fault.IngestPutting}, 4)
	s.arm([]fault.Point{fault.IngestPutting})
}

func dieWithoutPostgres(s *siege) {
	s.awaitAccepted(20)
	s.in.killPostgres(s.t)
	s.toll.postgres++
	s.awaitAccepted(s.storm.Accepted() + 40)
	for _, g := range s.of("processor") {
		g.process.kill()
		s.toll.kills[g.role]++
	}
	s.in.startPostgres(s.t)
}

func (s *siege) awaitAccepted(n int) {
	s.until("enough is accepted", siegeTimeMax, false, func() bool { return s.storm.Accepted() >= n })
}

// finding is what came of one run.
type finding struct {
	broken   []storm.Invariant
	example  string
	balance  storm.Balance
	payments int // accepted when it was noticed
	duration time.Duration
}

// run has the mutation's clients send, with the protection or without it, until
// each payment has an end, what is wanted is broken, or the time is over.
func (m mutation) run(t *testing.T, dropped bool) finding {
	t.Helper()
	l := m.layout
	if dropped && m.code != "" {
		l.environ = []string{fault.DropVariable + "=" + string(m.code)}
	}
	started := time.Now()
	s := newSiege(t, l, m.storm)
	t.Logf("%.1f s: all is ready", time.Since(started).Seconds())
	if dropped && m.sql != "" {
		localtest.Query(t, s.in.postgres, m.sql)
	}
	begun := time.Now()
	blind := s.follow()
	sent := s.send(m.wave, m.tales)
	if m.strike != nil {
		m.strike(s)
	}
	var over time.Time
	early := false
	s.until("an end", siegeTimeMax, false, func() bool {
		if over.IsZero() && sent() {
			over = time.Now().Add(endTime)
		}
		_, open := s.storm.Ended()
		atRest := open == 0 && !slices.ContainsFunc(s.guards, (*guarded).paused) && len(s.queues["ingest"]) == 0
		early = s.breaks(m.wants)
		return early || !over.IsZero() && (atRest || time.Now().After(over))
	})
	found := finding{duration: time.Since(begun), payments: s.storm.Accepted()}
	s.until("every request is answered", siegeTimeMax, false, sent)
	blind()
	balance, err := s.storm.Balance(s.in.ledger)
	if err != nil {
		t.Fatal(err)
	}
	if early { // others had no time to end yet
		seen := s.storm.Violations()
		balance.Violations = slices.DeleteFunc(balance.Violations, func(v storm.Violation) bool {
			return v.Invariant == storm.Kept && !slices.Contains(seen, v)
		})
	}
	s.hear()
	s.judgeHeard(&balance)
	found.balance, found.broken = balance, balance.Broken()
	for _, v := range balance.Violations {
		if v.Invariant == m.wants {
			found.example = v.Detail
			break
		}
	}
	return found
}

// breaks tells that an invariant is broken already. That a payment has no end yet
// breaks none.
func (s *siege) breaks(wanted storm.Invariant) bool {
	if slices.ContainsFunc(s.storm.Violations(), func(v storm.Violation) bool { return v.Invariant == wanted }) {
		return true
	}
	if wanted != storm.Once {
		return false
	}
	balance, err := s.storm.Balance(s.in.ledger)
	return err == nil && balance.Doubles > 0
}

// send sends a wave, or tells tales; sent tells that all of it is answered.
func (s *siege) send(wave storm.Wave, tales storm.Tales) (sent func() bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if wave.Requests > 0 {
			s.storm.Send(s.t.Context(), wave)
		}
		s.tell(s.t.Context(), tales)
	}()
	s.t.Cleanup(func() { <-done })
	return func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

func TestCrash_eachDroppedProtectionIsNoticed(t *testing.T) {
	var rows []mutationRow
	for _, m := range mutations() {
		if *mutationsFile == "" && !m.quick {
			continue
		}
		row := mutationRow{mutation: m}
		if *mutationsFile != "" {
			t.Run(m.name+" is there", func(t *testing.T) {
				if row.intact = m.run(t, false); len(row.intact.broken) > 0 {
					t.Errorf("nothing was dropped, and there are %v", row.intact.balance.Violations)
				}
			})
			for range *mutationRuns - 1 {
				row.drop(t)
			}
		}
		row.drop(t)
		if len(row.dropped) > 0 { // else -run has left it out
			rows = append(rows, row)
		}
	}
	if *mutationsFile != "" && !t.Failed() {
		writeMutations(t, *mutationsFile, rows)
	}
}

// drop makes one run without the protection.
func (row *mutationRow) drop(t *testing.T) {
	t.Run(row.name+" is dropped", func(t *testing.T) {
		found := row.run(t, true)
		if !slices.Contains(found.broken, row.wants) {
			t.Errorf("without %s nobody notices: %v, want %s", row.without, found.broken, row.wants)
		}
		t.Logf("%v after %d payments and %.1f s: %s", found.broken, found.payments, found.duration.Seconds(), found.example)
		row.dropped = append(row.dropped, found)
	})
}
