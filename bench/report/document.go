package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"
	"time"

	"github.com/paybuf/paybuf/bench/machine"
)

// Document is everything that was measured, and on what.
type Document struct {
	Ours     string   // the server that is compared
	Peers    []string // with these, which store what they take
	Baseline string   // and with one that does not

	Samples []Sample // in the order in which they were made
	Backlog *Backlog // nil if there was none
	Rounds  int
	Window  time.Duration // measured in each run
	WarmUp  time.Duration // before that

	Pipelines  []Pipeline    // those that bring payments to their end
	Sustained  time.Duration // for which they did, while payments came in
	PacedFor   time.Duration // for which payments came at a steady rate
	WorkersMax int           // of each other pipeline

	Telling *Telling // nil if it was not measured

	Machine         machine.Machine
	Disk            machine.Disk
	FlushesKnown    bool // whether the kernel counts those of this disk
	Versions        Versions
	PoolConnections int // of each peer
	Measured        time.Time
	LoadBefore      float64 // load average over a minute
	LoadAfter       float64
}

// Versions are what was measured, in which release.
type Versions struct {
	Paybuf, NATS, Postgres, PGX, River string
}

//go:embed document.md.tmpl
var documentText string

//go:embed pipelines.md.tmpl
var pipelinesText string

//go:embed telling.md.tmpl
var tellingText string

// Markdown gives the document.
func (d *Document) Markdown() ([]byte, error) {
	functions := template.FuncMap{
		"milliseconds": milliseconds, "gibibytes": gibibytes, "percent": percent,
		"megabytes": megabytes, "seconds": seconds, "count": count, "whole": whole,
		"whole64": func(n int64) string { return whole(float64(n)) },
	}
	parsed := template.New("document").Funcs(functions)
	for name, part := range map[string]string{"pipelines": pipelinesText, "telling": tellingText} {
		if _, err := parsed.New(name).Parse(part); err != nil {
			return nil, fmt.Errorf("document: %w", err)
		}
	}
	if _, err := parsed.Parse(documentText); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, d); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return text.Bytes(), nil
}

// others are all servers but ours.
func (d *Document) others() []string {
	return append(append([]string{}, d.Peers...), d.Baseline)
}

// Misjudged counts the answers of one server that were wrong about a repetition.
type Misjudged struct {
	Server         string
	Count, Answers string
}

// Misjudged lists the servers with such answers.
func (d *Document) Misjudged() []Misjudged {
	var found []Misjudged
	for _, server := range append([]string{d.Ours}, d.others()...) {
		count, answers := int64(0), int64(0)
		for _, sample := range d.Samples {
			if sample.Server == server {
				count += sample.Misjudged
				answers += sample.Answers
			}
		}
		if count > 0 {
			found = append(found, Misjudged{Server: server, Count: whole(float64(count)), Answers: whole(float64(answers))})
		}
	}
	return found
}

// InFlightMax is how many payments may be under way in a pipeline.
func (d *Document) InFlightMax() int { return InFlightMax }

// PacedShare is what a pipeline is given of its sustained rate.
func (d *Document) PacedShare() float64 { return PacedShare }

// LookupConnections are those of who asks for payments.
func (d *Document) LookupConnections() int { return LookupConnections }

// PipelineConnections are those of a pipeline's load generator.
func (d *Document) PipelineConnections() int { return PipelineConnections }

// OtherMedian is the share of the cores' time that a run left to programs which
// were not measured.
func (d *Document) OtherMedian() float64 { return samples(d.Samples).median(otherShare) }

// OtherMax is the most that they had during a run.
func (d *Document) OtherMax() float64 {
	most := 0.0
	for _, sample := range d.Samples {
		most = max(most, sample.OtherShare)
	}
	return most
}
