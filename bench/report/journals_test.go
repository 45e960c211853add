package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/machine"
)

// measuredJournals is a document of two rounds of which the second ran at half
// the speed.
func measuredJournals() *Journals {
	j := &Journals{
		Ours: "journal", Others: []string{"pebble", "append"}, Rounds: 2, Window: time.Second, WarmUp: 200 * time.Millisecond,
		PayloadBytes: 301, KeptRecords: 200_000, SegmentBytes: 64 << 20, HalvedBytes: 8 << 20, HarmedRecords: 10_000, HarmedSegment: 1 << 20,
		Machine:   machine.Machine{Processor: "Abacus 9000", Cores: 2, MemoryBytes: 24 << 30, System: "Debian", Kernel: "6.1", GoVersion: "go1.26"},
		Disk:      machine.Disk{FileSystem: "ext4", SyncMedian: 170 * time.Microsecond, SyncP99: 2890 * time.Microsecond},
		DiskKnown: true,
		Versions:  JournalVersions{Paybuf: "v0.1.0", Pebble: "v2.1.7", RaftWAL: "v0.4.0", Bolt: "v1.4.3"},
		Measured:  time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), LoadBefore: 0.25, LoadAfter: 3.5,
		Kept: []JournalKept{
			{Store: "journal", OpenKilled: 31 * time.Millisecond, OpenClosed: 400 * time.Microsecond, DiskBytes: 66_000_000,
				RemoveTime: 9 * time.Millisecond, RemoveCPU: 10 * time.Millisecond, DiskBytesAfter: 33_000_000},
			{Store: "pebble", OpenKilled: 370 * time.Millisecond, OpenClosed: 7 * time.Millisecond, DiskBytes: 50_000_000,
				RemoveTime: 176 * time.Millisecond, RemoveCPU: 100 * time.Millisecond, RemoveWritten: 3 << 20, DiskBytesAfter: 25_000_000},
		},
		Harmed: []JournalHarmed{
			{Way: "bit flipped", Store: "journal", Tries: 20, Opened: 20, RightLowest: 9999, RightMost: 9999},
			{Way: "bit flipped", Store: "pebble", Tries: 20, Opened: 3, Died: 1, Silent: 2, RightLowest: 0, RightMost: 9987, Wrong: 4},
			{Way: "cut off", Store: "journal", Tries: 20, Opened: 20, RightLowest: 9800, RightMost: 9900},
		},
	}
	rates := map[string]float64{"journal": 9000, "pebble": 3000, "append": 6000}
	for round := range j.Rounds {
		for _, callers := range []int{1, 64} {
			for store, rate := range rates {
				j.Samples = append(j.Samples, JournalSample{
					Callers: callers, Store: store, Round: round, Rate: rate / float64(1+round),
					P50: time.Duration(9000/rate) * time.Millisecond, P99: 5 * time.Millisecond, CPU: 3500 * time.Nanosecond,
					Allocations: 0.25, AllocBytes: 20, Flushes: 0.0151, WrittenBytes: 400,
				})
			}
		}
	}
	return j
}

func TestJournals_holdsRatiosFirstThenNumbersThenDamageThenMachine(t *testing.T) {
	text, err := measuredJournals().Markdown()
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, part := range []string{
		"| pebble | 1 | **3.00** | **0.33** | **1.00** | **1.00** | **1.00** |",
		"| append | 64 | **1.50** |",
		"a receipt of 301 bytes",
		"### 1 caller\n",
		"| journal | 6,750 | 1.00 | 5.00 | 3.5 | 0.2 | 20 | 400 | 0.015 |",
		"### 64 callers\n",
		"200,000 receipts", "64 MiB", "8 MiB",
		"| journal | 31 | 0.4 | 330 | 9.0 | 10 | 50 % | 0 MiB |",
		"| pebble | 370 | 7.0 | 250 | 176 | 100 | 50 % | 3 MiB |",
		"10,000 receipts", "### bit flipped",
		"| journal | 20 of 20 | 0 | 9,999 | 0 | 0 of 20 |",
		"| pebble | 3 of 20 | 1 | 0 to 9,987 | 4 | 2 of 20 |",
		"### cut off", "9,800 to 9,900",
		"0.2 s of warm-up and 1 s that count",
		"Abacus 9000, 2 cores", "Pebble v2.1.7, raft-wal v0.4.0, bbolt v1.4.3",
		"make bench-journals", "21 November 2026. The load average was 0.25 before and 3.50 after",
	} {
		found := bytes.Index(text[at:], []byte(part))
		if found < 0 {
			t.Fatalf("%q is missing, or not where it belongs, in\n%s", part, text)
		}
		at += found
	}
}

func TestJournals_tablesAreWhole(t *testing.T) {
	for _, known := range []bool{true, false} {
		j := measuredJournals()
		j.DiskKnown = known
		text, err := j.Markdown()
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
		if strings.Contains(string(text), "flushes") != known || strings.Contains(string(text), "bytes written |") != known {
			t.Errorf("flushes are known: %t; the document says otherwise", known)
		}
		for _, broken := range []string{"NaN", "<no value>", "%!"} {
			if strings.Contains(string(text), broken) {
				t.Errorf("the document has %q in it", broken)
			}
		}
	}
}
