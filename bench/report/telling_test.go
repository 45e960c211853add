package report

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

// withTelling is a document in which enough was told.
func withTelling() *Document {
	d := measured()
	d.Telling = &Telling{
		Waiting: Waiting{
			Clients: 10_000, Ahead: 10 * time.Second, Window: 15 * time.Second, Outcomes: 14_700,
			P50: 8 * time.Millisecond, P99: 44 * time.Millisecond, Max: 71 * time.Millisecond,
			WaitingMean: 9963, WaitingMin: 9811, EmptyBytes: 31e6, QuietBytes: 187e6, MostBytes: 222e6,
			Quiet: 10 * time.Second, EmptyStatements: 2, QuietStatements: 102, QuietCPU: 12 * time.Millisecond,
			ServerCPU: 91 * time.Microsecond, OthersCPU: 283 * time.Microsecond, PostgresCPU: 172 * time.Microsecond,
			GeneratorCPU: 64 * time.Microsecond, OtherShare: 0.13,
		},
		Delivery: Delivery{
			Backlog: Flow{
				Payments: 50_000, Took: 8 * time.Second, Statements: 0.015, ServerCPU: 61 * time.Microsecond,
				PostgresCPU: 52 * time.Microsecond, PayerCPU: 17 * time.Microsecond, OtherShare: 0.07,
			},
			Repeats: 3,
			Fresh:   Delay{PerSecond: 200, Payments: 2000, P50: 7 * time.Millisecond, P99: 29 * time.Millisecond},
		},
	}
	t := d.Telling
	for round := range 2 {
		for _, run := range []Lookup{
			{Payments: 10_000, Sample: Sample{Server: "paybuf", Rate: 21_000, ServerCPU: 41 * time.Microsecond, PostgresCPU: 9 * time.Microsecond}},
			{Payments: 10_000, Sample: Sample{Server: ConstantServer, Rate: 40_000, ServerCPU: 20 * time.Microsecond}},
			{Payments: 1, Sample: Sample{Server: "paybuf", Rate: 24_000, ServerCPU: 36 * time.Microsecond}},
		} {
			run.Round, run.Case = round, Case{Connections: LookupConnections}
			run.P50, run.P99, run.GeneratorCPU = 2*time.Millisecond, 9*time.Millisecond, 11*time.Microsecond
			t.Lookups = append(t.Lookups, run)
		}
		for _, tenants := range []int{FewTenants, SeveralTenants} {
			t.Fairness = append(t.Fairness,
				Fairness{Tenants: tenants, Endpoints: 100, Round: round, Hangs: true, Deliveries: 39_600, Took: 8 * time.Second},
				Fairness{Tenants: tenants, Endpoints: 100, Round: round, Deliveries: 40_000, Took: 8 * time.Second})
		}
	}
	return d
}

func TestDocument_hasTellingBeforeTheGoals(t *testing.T) {
	text, err := withTelling().Markdown()
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, part := range []string{
		"## Intake compared",
		"\n\n## Telling of the outcome\n\n",
		"by 64\nconnections",
		"| paybuf | 10,000 payments in turn | 21,000 | 2.00 | 9.00 | 41 | 9 | 11 | **0.53** | **2.50** |",
		"| paybuf | one payment | 24,000 | 2.00 | 9.00 | 36 | 0 | 11 | **0.60** | **1.80** |",
		"| constant | whatever is asked | 40,000 | 2.00 | 9.00 | 20 | 0 | 11 |  |  |",
		"10,000 clients, each on a connection of its own, send a payment that is not to be paid before 10 s",
		"| 980 | 8.0 | 44 | 71 | 9,963 | 9,811 | 91 | 283 | 172 | 64 | 13 % |",
		"| with no client | 31 MB | 2 |",
		"| with 10,000 that wait, and no news | 187 MB | 102 |",
		"| at most, with as many that are told outcomes | 222 MB | |",
		"Without news the 10,000 took 12.00 ms of processor time in those 10 s",
		"| paybuf | 6,250 | 0.015 | 61 | 52 | 17 | 7 % |",
		"50,000 deliveries to one endpoint", "3 were delivered twice",
		"| paybuf | 200 | 7.0 | 29 |",
		"| 100 endpoints of 2 tenants | 4,950 | 5,000 | **0.99** |",
		"| 100 endpoints of 10 tenants | 4,950 | 5,000 | **0.99** |",
		"\n\n## What was aimed at\n\n",
		"| GET of final payments, requests/s | at least 0.5 × constant | **0.53** | yes |",
		"| p99 from the commit to the answer of 10,000 clients that wait, 1,000 outcomes/s | at most 50 ms | **44.00** | yes |",
		"| memory for 10,000 clients that wait | at most 200 MB | **191** | yes |",
		"| Postgres statements per client that waits without news, and minute | at most 0.1 | **0.06** | yes |",
		"| webhook deliveries/s to one endpoint | at least 5000 | **6,250** | yes |",
		"| deliveries/s to 99 endpoints of 2 tenants while one hangs | at least 0.95 × without | **0.99** | yes |",
		"| deliveries/s to 99 endpoints of 10 tenants while one hangs | at least 0.95 × without | **0.99** | yes |",
		"## The numbers of intake",
	} {
		found := bytes.Index(text[at:], []byte(part))
		if found < 0 {
			t.Fatalf("%q is missing, or not where it belongs, in\n%s", part, text)
		}
		at += found
	}
}

func TestDocument_ofTellingAloneIsWhole(t *testing.T) {
	d := withTelling()
	d.Samples, d.Backlog = nil, nil
	text, err := d.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"benchmarks.svg", "## From the request", "## Intake", "NaN", "<no value>", "%!", "\n\n\n"} {
		if bytes.Contains(text, []byte(other)) {
			t.Errorf("%q is in\n%s", other, text)
		}
	}
	columns := 0
	for line := range strings.Lines(string(text)) {
		bars := strings.Count(line, "|")
		if bars > 0 && columns > 0 && bars != columns {
			t.Errorf("a row of %d columns in a table of %d: %s", bars-1, columns-1, line)
		}
		columns = bars
	}
}

func TestGoals_ofTellingAreNotJudgedByFewOrShortRuns(t *testing.T) {
	few := withTelling()
	few.Telling.Waiting.Clients = 500
	few.Telling.Delivery.Backlog.Payments = 2000
	for i := range few.Telling.Lookups {
		few.Telling.Lookups[i].Payments = min(few.Telling.Lookups[i].Payments, 1000)
	}
	for i := range few.Telling.Fairness {
		few.Telling.Fairness[i].Endpoints = 10
	}
	for name, d := range map[string]*Document{"few": few, "none": measured(), "nothing": {Telling: &Telling{}}} {
		for _, g := range tellingGoals {
			if figure := g.figure(d); !math.IsNaN(figure.Median) || g.reached(figure.Median) != "not measured" {
				t.Errorf("%s: %s is %v", name, g.what, figure)
			}
		}
	}
	slow := withTelling()
	slow.Telling.Waiting.Outcomes, slow.Telling.Waiting.Quiet = 9000, time.Second
	for i := range slow.Telling.Fairness {
		slow.Telling.Fairness[i].Deliveries = 1000
	}
	unjudged := 0
	for _, g := range tellingGoals {
		if math.IsNaN(g.figure(slow).Median) {
			unjudged++
		}
	}
	if unjudged != 4 { // p99, statements, and both of fairness
		t.Errorf("%d goals are not judged by what was too slow or too short", unjudged)
	}
}

func TestGoals_ofTellingAreMissedWhereTheyAre(t *testing.T) {
	d := withTelling()
	w := &d.Telling.Waiting
	w.P99, w.MostBytes, w.QuietStatements = 51*time.Millisecond, 232e6, 203
	d.Telling.Delivery.Backlog.Took = 11 * time.Second
	for i := range d.Telling.Lookups {
		if run := &d.Telling.Lookups[i]; run.Server == "paybuf" {
			run.Rate = 19_000
		}
	}
	for i := range d.Telling.Fairness {
		if run := &d.Telling.Fairness[i]; run.Hangs {
			run.Took = 9 * time.Second
		}
	}
	for _, g := range tellingGoals {
		if figure := g.figure(d); g.reached(figure.Median) != "no" {
			t.Errorf("%s is reached by %v", g.what, figure)
		}
	}
}
