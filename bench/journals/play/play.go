package play

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/bench/journals/store"
)

// Role is what to do.
type Role string

// The roles.
const (
	Append Role = "append" // as fast as the store takes it; gives Rates
	Fill   Role = "fill"   // a number of receipts; gives nothing, and closes the store when the input ends
	Open   Role = "open"   // gives Took
	Remove Role = "remove" // the old half; gives Took
	Read   Role = "read"   // everything; gives Found
)

// Span is a duration in nanoseconds: JSON has no form for a time.Duration that all
// agree on.
type Span int64

// Duration gives the span as Go knows it.
func (s Span) Duration() time.Duration { return time.Duration(s) }

// Order is one thing to do.
type Order struct {
	Role         Role       `json:"role"`
	Kind         store.Kind `json:"kind"`
	Dir          string     `json:"dir"`
	SegmentBytes int64      `json:"segment_bytes"`
	Callers      int        `json:"callers,omitzero"`
	Records      int        `json:"records,omitzero"`
	WarmUp       Span       `json:"warm_up_ns,omitzero"`
	Window       Span       `json:"window_ns,omitzero"`
}

// Rates is what appending gave, within the window.
type Rates struct {
	Rate         float64 `json:"rate"` // records per second
	P50          Span    `json:"p50_ns"`
	P99          Span    `json:"p99_ns"`
	CPU          Span    `json:"cpu_ns"`        // of the process, per record
	Allocations  float64 `json:"allocations"`   // per record
	AllocBytes   float64 `json:"alloc_bytes"`   // per record
	DiskKnown    bool    `json:"disk_known"`    // the kernel tells what follows
	Flushes      float64 `json:"flushes"`       // of the disk, per record
	WrittenBytes float64 `json:"written_bytes"` // to the disk, per record
}

// Took is what one deed cost.
type Took struct {
	Time         Span  `json:"time_ns"`
	CPU          Span  `json:"cpu_ns"`
	WrittenBytes int64 `json:"written_bytes"` // to the disk; 0 if not known
}

// Found is what a store gave back.
type Found struct {
	Opened bool   `json:"opened"`
	Right  int    `json:"right"` // receipts as they were appended, each counted once
	Wrong  int    `json:"wrong"` // payloads that nobody appended
	Said   string `json:"said"`  // the first that the store said of damage; "" if nothing
}

// Do carries out an order given as JSON.
func Do(ctx context.Context, order string, in io.Reader, out io.Writer) error {
	var o Order
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	result, err := o.do(ctx, in, out)
	if err != nil {
		return fmt.Errorf("play: %s %s: %w", o.Kind, o.Role, err)
	}
	return answer(out, result)
}

func (o Order) do(ctx context.Context, in io.Reader, out io.Writer) (any, error) {
	switch o.Role {
	case Append:
		return o.append(ctx)
	case Fill:
		return Took{}, o.fill(in, out)
	case Open:
		return o.open()
	case Remove:
		return o.remove()
	case Read:
		return o.read(), nil
	}
	return nil, errors.New("no such role")
}

func answer(out io.Writer, result any) error {
	line, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("play: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

// config is for stores that nothing has happened to.
func (o Order) config(say func(line string)) store.Config {
	return store.Config{Dir: o.Dir, SegmentBytes: o.SegmentBytes, Say: say}
}

func ignore(string) {}
