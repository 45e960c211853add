package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/machine"
)

// measured is a document of two rounds, in which every number can be told from
// the others.
func measured() *Document {
	d := &Document{
		Ours: "paybuf", Peers: []string{"insert", "river"}, Baseline: "bare",
		Rounds: 2, Window: 5 * time.Second, WarmUp: 500 * time.Millisecond, PoolConnections: 32, FlushesKnown: true,
		Machine: machine.Machine{Processor: "Abacus 9000", Cores: 2, MemoryBytes: 24 << 30, System: "Debian", Kernel: "6.1", GoVersion: "go1.26"},
		Disk:    machine.Disk{FileSystem: "ext4", SyncMedian: 170 * time.Microsecond, SyncP99: 2890 * time.Microsecond},
		Versions: Versions{
			Paybuf: "v0.1.0", NATS: "v2.15.2", Postgres: "15.18", PGX: "v5.12.0", River: "v0.51.0",
		},
		Backlog: &Backlog{
			Payments: 1_000_000, FillRate: 45_678, EmptyReady: 1230 * time.Millisecond,
			PeakBytes: 601e6, Rest: 10 * time.Second, RestBytes: 345e6,
			AfterKill: Restart{Ready: 4560 * time.Millisecond, PeakBytes: 234e6},
			AfterStop: Restart{Ready: 2340 * time.Millisecond, PeakBytes: 123e6},
		},
		Measured: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), LoadBefore: 0.25, LoadAfter: 3.5,
	}
	rates := map[string]float64{"paybuf": 9000, "insert": 4000, "river": 1500, "bare": 45_000}
	for round := range d.Rounds {
		for _, c := range []Case{Few, Some, Repeats20, Keyed, Batches} {
			for server, rate := range rates {
				switch {
				case (c == Keyed || c == Batches) && server != "paybuf":
					continue
				case c == Keyed:
					rate *= 0.5
				case c == Batches:
					rate *= 4
				}
				d.Samples = append(d.Samples, Sample{
					Case: c, Server: server, Round: round, Rate: rate * float64(1+round),
					P50: 2 * time.Millisecond, P99: time.Duration(45_000/rate) * time.Millisecond,
					ServerCPU: 30 * time.Microsecond, PostgresCPU: 20 * time.Microsecond, GeneratorCPU: 11 * time.Microsecond,
					ResidentBytes: 64 << 20, FlushRate: 2500, OtherShare: 0.25,
				})
			}
		}
	}
	return d
}

func TestDocument_holdsRatiosFirstThenNumbersThenMachine(t *testing.T) {
	text, err := measured().Markdown()
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, part := range []string{
		"| insert | 16 connections | **2.25** | **1.00** | **0.45** | **1.00** |",
		"| river | 64 connections, 20 % repeated orders | **6.00** |",
		"| bare | 64 connections | **0.20** |",
		"## Paybuf beside itself",
		"| 16 connections, batches of 100 | one by one, the best rate of the round | **4.00** |",
		"| 16 connections, batches of 100 | 64 connections | **4.00** |",
		"| 64 connections, with Idempotency-Key | 64 connections | **0.50** |",
		"## What was aimed at",
		"| requests/s, 16 connections | at least 3 × insert | **2.25** | no |",
		"| requests/s, 256 connections | at least 0.5 × bare | - | not measured |",
		"| p99, 64 connections | at most 0.5 × insert | **0.45** | yes |",
		"| payments/s in batches of 100 | at least 3 × the best rate one by one | **4.00** | yes |",
		"| requests/s with 20 % repeated orders | at least 0.9 × without | **1.00** | yes |",
		"| requests/s with Idempotency-Key | at least 0.6 × without | **0.50** | no |",
		"| memory with a backlog of 1,000,000 | at most 600 MB | **601** | no |",
		"| restart with that backlog, after kill -9 | at most 5 s | **4.56** | yes |",
		"### 16 connections",
		"| paybuf | 13,500 | 2.00 | 5.00 | 30 | 20 | 11 | 64 | 2,500 |",
		"### 64 connections, 20 % repeated orders",
		"### 16 connections, batches of 100",
		"1,000,000 payments, taken in by batches at 45,678 per second",
		"| start on an empty directory, then filling it | 1.23 s | 601 MB at most |",
		"| 10 s after the last payment | | 345 MB |",
		"| start after `kill -9` | 4.56 s | 234 MB at most |",
		"| start after a clean stop | 2.34 s | 123 MB at most |",
		"0.5 s of warm-up and 5 s that count",
		"Abacus 9000, 2 cores", "24 GiB", "ext4; fdatasync after appending 4 KiB: median 0.17 ms, p99 2.89 ms",
		"make bench",
		"21 November 2026. The load average was 0.25 before and 3.50 after",
		"25 % in the median",
	} {
		found := bytes.Index(text[at:], []byte(part))
		if found < 0 {
			t.Fatalf("%q is missing, or not where it belongs, in\n%s", part, text)
		}
		at += found
	}
}

func TestGoals_areNotJudgedByASmallBacklogOrNone(t *testing.T) {
	small := measured()
	small.Backlog.Payments = 20_000
	none := measured()
	none.Backlog = nil
	for name, d := range map[string]*Document{"small": small, "none": none} {
		judged := 0
		for _, goal := range d.Goals() {
			if strings.Contains(goal.What, "backlog") {
				judged++
				if goal.Measured != "-" || goal.Reached != "not measured" {
					t.Errorf("%s: %+v", name, goal)
				}
			}
		}
		if judged != 2 {
			t.Errorf("%s: %d goals are about the backlog", name, judged)
		}
		text, err := d.Markdown()
		if err != nil || bytes.Contains(text, []byte("## A backlog")) != (d.Backlog != nil) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

func TestGoal_isReachedAtItsBoundAndBeyond(t *testing.T) {
	for _, c := range []struct {
		least        bool
		below, above string
	}{{true, "no", "yes"}, {false, "yes", "no"}} {
		g := goal{least: c.least, bound: 3}
		if got := []string{g.reached(2.99), g.reached(3), g.reached(3.01)}; !slices.Equal(got, []string{c.below, "yes", c.above}) {
			t.Errorf("%s: below, at and above it are judged %v", g.aim(), got)
		}
	}
}

func TestDocument_tablesAreWhole(t *testing.T) {
	for _, known := range []bool{true, false} {
		d := measured()
		d.FlushesKnown = known
		text, err := d.Markdown()
		if err != nil {
			t.Fatal(err)
		}
		columns := 0
		for line := range strings.Lines(string(text)) {
			bars := strings.Count(line, "|")
			if bars > 0 && columns > 0 && bars != columns {
				t.Errorf("a row of %d columns in a table of %d: %s", bars-1, columns-1, line)
			}
			columns = bars
		}
		if strings.Contains(string(text), "lushes") != known {
			t.Errorf("flushes are known: %t; the document says otherwise", known)
		}
		for _, broken := range []string{"NaN", "<no value>", "%!"} {
			if strings.Contains(string(text), broken) {
				t.Errorf("the document has %q in it", broken)
			}
		}
	}
}

func TestDocument_ownsUpToWrongAnswers(t *testing.T) {
	d := measured()
	text, err := d.Markdown()
	if err != nil || !bytes.Contains(text, []byte("was right in all of them")) {
		t.Errorf("without wrong answers: %v\n%s", err, text)
	}
	for i := range d.Samples {
		d.Samples[i].Answers = 1000
		if d.Samples[i].Server == "paybuf" {
			d.Samples[i].Misjudged = 3
		}
	}
	text, err = d.Markdown()
	if err != nil || !bytes.Contains(text, []byte("was wrong in 30 of 10,000 answers of paybuf;")) {
		t.Errorf("with wrong answers: %v\n%s", err, text)
	}
}

func TestDocument_ofOneRoundSpeaksOfNoMedian(t *testing.T) {
	d := measured()
	d.Rounds = 1
	text, err := d.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "1 rounds") {
		t.Error("the median of 1 rounds")
	}
}

func TestChart_isXMLWithABarPerServerAndCase(t *testing.T) {
	chart := measured().Chart()
	decoder := xml.NewDecoder(bytes.NewReader(chart))
	rectangles := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, chart)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			rectangles++
		}
	}
	const legend, panels, cases, servers = 3, 2, 2, 3
	if want := legend + panels*cases*servers; rectangles != want {
		t.Errorf("%d rectangles, want %d", rectangles, want)
	}
	if !bytes.Contains(chart, []byte("bare 67,500")) || bytes.Contains(chart, []byte("repeated")) {
		t.Errorf("the notes are wrong in\n%s", chart)
	}
}

func TestChart_barsAreAsHighAsTheirValues(t *testing.T) {
	found := regexp.MustCompile(`height="([0-9.]+)" fill`).FindAllSubmatch(measured().Chart(), -1)
	if len(found) < 3 {
		t.Fatal("no bars")
	}
	var heights []float64
	for _, match := range found[:3] { // of the first case: 9000, 4000 and 1500
		height, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		heights = append(heights, height)
	}
	const tallest = barBottom - barTop
	for i, share := range []float64{1, 4.0 / 9, 1.5 / 9} {
		if off := heights[i] - share*tallest; off < -0.1 || off > 0.1 {
			t.Errorf("bar %d is %v high, not %v of %d", i, heights[i], share, tallest)
		}
	}
}

func TestChart_ofNothingIsStillOne(t *testing.T) {
	empty := Document{Ours: "paybuf", Baseline: "bare"}
	if chart := empty.Chart(); !bytes.HasSuffix(chart, []byte("</svg>\n")) || bytes.Contains(chart, []byte("NaN")) {
		t.Errorf("%s", chart)
	}
}
