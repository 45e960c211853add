package submit

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// summaryJSON is the summary for programs. Members are added, never renamed.
type summaryJSON struct {
	Requests    int64         `json:"requests"`
	Accepted    int64         `json:"accepted"`
	Duplicates  int64         `json:"duplicates"`
	Conflicts   int64         `json:"conflicts"`
	Refused     int64         `json:"refused"`
	Lost        int64         `json:"lost"`
	Retries     int64         `json:"retries"`
	Batches     []string      `json:"batches,omitempty"`
	Retried     []string      `json:"retried_batches,omitempty"`
	Skipped     *int64        `json:"skipped,omitzero"` // beside retried_batches
	Refusals    []refusalJSON `json:"refusals"`
	LostRows    []rowJSON     `json:"lost_rows"`
	LastError   string        `json:"last_error,omitzero"`
	Stopped     string        `json:"stopped,omitzero"`
	Interrupted bool          `json:"interrupted"`

	DurationSeconds   float64         `json:"duration_seconds"`
	PerSecond         float64         `json:"per_second"`
	LatencyP50Seconds float64         `json:"latency_p50_seconds"`
	LatencyP99Seconds float64         `json:"latency_p99_seconds"`
	Settlement        *settlementJSON `json:"settlement,omitzero"`
}

type rowJSON struct {
	Pass int   `json:"pass"`
	Line int64 `json:"line"`
}

type refusalJSON struct {
	Pass   int    `json:"pass"`
	Line   int64  `json:"line"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

type settlementJSON struct {
	Payments        int64            `json:"payments"`
	Succeeded       int64            `json:"succeeded"`
	Failed          int64            `json:"failed"`
	Canceled        int64            `json:"canceled"`
	Parked          int64            `json:"parked"`
	Unsettled       int64            `json:"unsettled"`
	SucceededMinor  map[string]int64 `json:"succeeded_minor"` // by currency
	DurationSeconds float64          `json:"duration_seconds"`
	LastError       string           `json:"last_error,omitzero"`
}

// writeJSON puts the summary on out as one line of JSON.
func (s Summary) writeJSON(out io.Writer) error {
	body, err := json.Marshal(s.wire(), json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	_, err = out.Write(append(body, '\n'))
	return err
}

func (s Summary) wire() summaryJSON {
	wire := summaryJSON{
		Requests: s.Requests, Accepted: s.Accepted, Duplicates: s.Duplicates, Conflicts: s.Conflicts,
		Refused: s.Refused, Lost: s.LostRequests, Retries: s.Retries,
		Batches: textsOf(s.Batches), Retried: textsOf(s.Retried),
		LastError: s.LastError, Stopped: s.Stopped, Interrupted: s.Interrupted,
		DurationSeconds: s.Duration.Seconds(), PerSecond: s.PerSecond(),
		LatencyP50Seconds: s.LatencyP50.Seconds(), LatencyP99Seconds: s.LatencyP99.Seconds(),
	}
	if len(s.Retried) > 0 {
		wire.Skipped = &s.Skipped
	}
	for _, refusal := range s.Refusals {
		wire.Refusals = append(wire.Refusals, refusalJSON{
			Pass: refusal.Pass, Line: refusal.Line, Code: string(refusal.Code), Detail: refusal.Detail,
		})
	}
	for _, row := range s.LostRows {
		wire.LostRows = append(wire.LostRows, rowJSON(row))
	}
	if settled := s.Settlement; settled != nil {
		wire.Settlement = &settlementJSON{
			Payments: settled.Payments, Succeeded: settled.Succeeded, Failed: settled.Failed,
			Canceled: settled.Canceled, Parked: settled.Parked, Unsettled: settled.Unsettled,
			SucceededMinor:  settled.SucceededMinor,
			DurationSeconds: settled.Duration.Seconds(), LastError: settled.LastError,
		}
	}
	return wire
}

func textsOf(ids []payment.BatchID) []string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, string(id))
	}
	return texts
}
