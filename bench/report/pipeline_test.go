package report

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
)

// withPipelines is a document with pipelines that were measured for long enough.
func withPipelines() *Document {
	d := measured()
	d.Sustained, d.PacedFor, d.WorkersMax = time.Minute, 30*time.Second, 128
	d.Pipelines = []Pipeline{
		{
			Server: "paybuf",
			Sustained: Flow{
				Payments: 126_000, Took: time.Minute, Statements: 0.0213, ServerCPU: 180 * time.Microsecond,
				PostgresCPU: 70 * time.Microsecond, PayerCPU: 25 * time.Microsecond, GeneratorCPU: 32 * time.Microsecond, OtherShare: 0.02,
			},
			Drained: Flow{
				Payments: 200_000, Took: 25 * time.Second, Statements: 0.018, ServerCPU: 100 * time.Microsecond,
				PostgresCPU: 60 * time.Microsecond, PayerCPU: 24 * time.Microsecond, GeneratorCPU: 2 * time.Microsecond, OtherShare: 0.03,
			},
			Paced: Delay{PerSecond: 1050, Payments: 31_500, P50: 31 * time.Millisecond, P99: 249 * time.Millisecond, LateMax: 17 * time.Millisecond},
		},
		{
			Server: "river",
			Sustained: Flow{
				Payments: 30_000, Took: time.Minute, Statements: 4.355, ServerCPU: 400 * time.Microsecond,
				PostgresCPU: 600 * time.Microsecond, PayerCPU: 25 * time.Microsecond, GeneratorCPU: 74 * time.Microsecond, OtherShare: 0.04,
			},
			Drained: Flow{
				Payments: 200_000, Took: 40 * time.Second, Statements: 0.024, ServerCPU: 110 * time.Microsecond,
				PostgresCPU: 90 * time.Microsecond, PayerCPU: 25 * time.Microsecond, GeneratorCPU: 2 * time.Microsecond, OtherShare: 0.05,
			},
			Paced: Delay{PerSecond: 250, Payments: 7500, P50: 102 * time.Millisecond, P99: 254 * time.Millisecond, LateMax: 9 * time.Millisecond},
		},
	}
	return d
}

func TestDocument_hasPipelinesBetweenIntakeAndGoals(t *testing.T) {
	text, err := withPipelines().Markdown()
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, part := range []string{
		"## Intake compared",
		"## From the request to the outcome",
		"| river | while payments come in | **4.20** | **0.25** |",
		"| river | a backlog of 200,000 worked off | **1.60** | **0.80** |",
		"128 times at once",
		"### Outcomes, while payments come in",
		"| paybuf | 2,100 | 0.021 | 180 | 70 | 25 | 32 | 2 % |",
		"| river | 500 | 4.355 | 400 | 600 | 25 | 74 | 4 % |",
		"### Outcomes, a backlog of 200,000 worked off",
		"| paybuf | 8,000 | 0.018 | 100 | 60 | 24 | 2 | 3 % |",
		"come evenly for 30 s, at 50 % of",
		"| paybuf | 1,050 | 31 | 249 | 17 |",
		"| river | 250 | 102 | 254 | 9 |",
		"64 connections send as long as no more than 2,000 payments",
		"committed within 60 s",
		"## What was aimed at",
		"| outcomes/s, sustained for a minute while payments come in | at least 4 × river | **4.20** | yes |",
		"| outcomes/s, working off 200,000 that wait | at least 1.5 × river | **1.60** | yes |",
		"| p99 from the 202 to the outcome, at half of that load | at most 250 ms | **249** | yes |",
		"| Postgres statements per payment | at most 0.1 | **0.02** | yes |",
		"## The numbers of intake",
		"## The machine",
	} {
		found := bytes.Index(text[at:], []byte(part))
		if found < 0 {
			t.Fatalf("%q is missing, or not where it belongs, in\n%s", part, text)
		}
		at += found
	}
}

func TestDocument_ofOnePartSaysNothingOfTheOther(t *testing.T) {
	intake := measured()
	pipelines := withPipelines()
	pipelines.Samples, pipelines.Backlog = nil, nil
	for name, c := range map[string]struct {
		d             *Document
		has, hasNot   string
		otherSections []string
	}{
		"intake":    {intake, "## Intake compared", "## From the request to the outcome", []string{"### Outcomes"}},
		"pipelines": {pipelines, "## From the request to the outcome", "## Intake compared", []string{"benchmarks.svg", "## How intake", "## A backlog", "cores' time\nduring"}},
	} {
		text, err := c.d.Markdown()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(c.has)) {
			t.Errorf("%s: %q is missing", name, c.has)
		}
		for _, other := range append(c.otherSections, c.hasNot, "NaN", "<no value>", "%!", "\n\n\n") {
			if bytes.Contains(text, []byte(other)) {
				t.Errorf("%s: %q is in\n%s", name, other, text)
			}
		}
		for _, common := range []string{"## What was aimed at", "## The machine", "## Run it yourself"} {
			if !bytes.Contains(text, []byte("\n\n"+common+"\n\n")) {
				t.Errorf("%s: %q is missing or not set apart", name, common)
			}
		}
	}
}

func TestGoals_areNotJudgedByShortRuns(t *testing.T) {
	short := withPipelines()
	for i := range short.Pipelines {
		short.Pipelines[i].Sustained.Took = 2 * time.Second
		short.Pipelines[i].Drained.Payments = 4000
	}
	none := measured()
	for name, d := range map[string]*Document{"short": short, "none": none} {
		for _, g := range pipelineGoals {
			if figure := g.figure(d); !math.IsNaN(figure.Median) || g.reached(figure.Median) != "not measured" {
				t.Errorf("%s: %s is %v", name, g.what, figure)
			}
		}
	}
}

func TestGoals_ofPipelinesAreMissedWhereTheyAre(t *testing.T) {
	d := withPipelines()
	ours := &d.Pipelines[0]
	ours.Sustained.Payments, ours.Sustained.Statements = 119_000, 0.11
	ours.Drained.Took, ours.Paced.P99 = 27*time.Second, 251*time.Millisecond
	for _, g := range pipelineGoals {
		if figure := g.figure(d); g.reached(figure.Median) != "no" {
			t.Errorf("%s is reached by %v", g.what, figure)
		}
	}
}

func TestFlowRatios_areNoneOfWhatWasNotMeasured(t *testing.T) {
	d := withPipelines()
	d.Pipelines[1].Drained = Flow{}
	rows := d.FlowRatios()
	if len(rows) != 2 || rows[0].Rate.String() != "**4.20**" || rows[1].CPU.String() != "-" {
		t.Errorf("%+v", rows)
	}
	if got := single(math.Inf(1)).String(); !strings.HasPrefix(got, "-") {
		t.Errorf("a number without end is %s", got)
	}
}
