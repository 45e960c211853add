package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"
	"time"

	"github.com/paybuf/paybuf/bench/machine"
)

// Journals is everything that was measured of stores that might keep receipts,
// and on what.
type Journals struct {
	Ours   string   // the store that is compared
	Others []string // with these

	Samples []JournalSample // of appending, in the order in which they were made
	Kept    []JournalKept
	Harmed  []JournalHarmed // way by way

	Rounds        int
	Window        time.Duration // measured in each run
	WarmUp        time.Duration // before that
	PayloadBytes  int
	KeptRecords   int   // in the stores that are opened and halved
	SegmentBytes  int64 // when appending and opening
	HalvedBytes   int64 // likewise, when the old half is removed
	HarmedRecords int
	HarmedSegment int64

	Machine    machine.Machine
	Disk       machine.Disk
	DiskKnown  bool // whether the kernel counts what the disk does
	Versions   JournalVersions
	Measured   time.Time
	LoadBefore float64 // load average over a minute
	LoadAfter  float64
}

// JournalVersions are what was measured, in which release.
type JournalVersions struct {
	Paybuf, Pebble, RaftWAL, Bolt string
}

// JournalSample is what one run of one store gave. All but the rate and the times
// are per record.
type JournalSample struct {
	Callers int
	Store   string
	Round   int

	Rate         float64 // records per second
	P50, P99     time.Duration
	CPU          time.Duration
	Allocations  float64
	AllocBytes   float64
	Flushes      float64 // of the disk
	WrittenBytes float64 // to the disk
}

// JournalKept is what it takes one store to keep many receipts.
type JournalKept struct {
	Store          string
	OpenKilled     time.Duration // after kill -9
	OpenClosed     time.Duration
	DiskBytes      int64 // after it was closed, in small segments
	RemoveTime     time.Duration
	RemoveCPU      time.Duration
	RemoveWritten  int64
	DiskBytesAfter int64 // removing the old half
}

// JournalHarmed is what became of a store in several tries of one sort of damage.
type JournalHarmed struct {
	Way, Store  string
	Tries       int
	Opened      int
	Died        int // the process ended
	Silent      int // receipts are missing or wrong, and nothing was said
	RightLowest int // receipts given back
	RightMost   int
	Wrong       int // payloads handed out that nobody appended, in all tries together
}

//go:embed journals.md.tmpl
var journalsText string

// Markdown gives the document.
func (j *Journals) Markdown() ([]byte, error) {
	functions := template.FuncMap{
		"milliseconds": milliseconds, "gibibytes": gibibytes, "mebibytes": mebibytes,
		"count": func(n int) string { return whole(float64(n)) },
	}
	parsed, err := template.New("journals").Funcs(functions).Parse(journalsText)
	if err != nil {
		return nil, fmt.Errorf("journals: %w", err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, j); err != nil {
		return nil, fmt.Errorf("journals: %w", err)
	}
	return text.Bytes(), nil
}

func mebibytes(bytes int64) string {
	if bytes%(1<<20) != 0 {
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
