package submit

import (
	"errors"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// Exit codes of `paybuf submit`.
const (
	ExitAnswered    = 0   // every row has a definite answer and, if waited for, an end
	ExitLost        = 1   // something was lost or is unsettled, or nothing answers
	ExitUsage       = 2   // the options, the file or the key cannot work
	ExitInterrupted = 130 // stopped by the user; the summary is of what was done
)

// Summary is what came of a run. Requests is the sum of the five counts below it.
type Summary struct {
	Requests     int64 // rows dealt with, in all passes
	Accepted     int64 // taken as a new payment
	Duplicates   int64 // answered with the first answer again
	Conflicts    int64 // answered 409: the order number has another body
	Refused      int64 // by the API, or here if it could not even be sent
	LostRequests int64 // without a definite answer

	// Batches are those that the rows went as, the first ten thousand.
	Batches []payment.BatchID
	// Retried are the batches whose failed payments were tried again, if that was
	// asked for. Requests is then how many rows were, and Skipped how many were left
	// out since their payments have not failed, or are not in those batches.
	Retried []payment.BatchID
	Skipped int64

	Refusals []Refusal // the first few
	LostRows []Row     // the first few
	Retries  int64     // sends that repeated one without an answer

	LastError   string // why the latest lost request was given up
	Stopped     string // why the input was not read to its end; "" if it was
	Interrupted bool   // the context was canceled

	Duration               time.Duration // of sending
	LatencyP50, LatencyP99 time.Duration // from first send to answer, retries included

	Settlement *Settlement // nil if payments were not waited for
}

// Row is where a request stands in the input.
type Row struct {
	Pass int   // 1 for the first reading of the file
	Line int64 // of its beginning; 1 is the file's first line
}

// Refusal is why a row became no payment. Detail is the API's, or ours.
type Refusal struct {
	Row
	Code   payment.Code
	Detail string
}

// Settlement is how the distinct payments of a run ended.
type Settlement struct {
	Payments  int64 // distinct ones; the sum of the five counts below
	Succeeded int64
	Failed    int64
	Canceled  int64
	Parked    int64 // waits for a human; it is not waited for here
	Unsettled int64 // not final when the time was up

	// SucceededMinor is what was paid per currency, in minor units. An int64 has
	// room for nine million payments of the largest amount.
	SucceededMinor map[string]int64
	Duration       time.Duration
	LastError      string // the last failure to read a payment, if some are unsettled
}

// Lost tells that the run does not know the end of something it should.
func (s Summary) Lost() bool {
	return s.LostRequests > 0 || (s.Settlement != nil && s.Settlement.Unsettled > 0)
}

// PerSecond is the rate of answered requests while sending.
func (s Summary) PerSecond() float64 {
	if s.Duration <= 0 {
		return 0
	}
	return float64(s.Requests-s.LostRequests) / s.Duration.Seconds()
}

// ExitCode is the exit code for what Run returned.
func ExitCode(summary Summary, err error) int {
	switch {
	case summary.Interrupted:
		return ExitInterrupted
	case errors.Is(err, client.ErrNoAnswer): // nothing to put right here
		return ExitLost
	case err != nil:
		return ExitUsage
	case summary.Lost():
		return ExitLost
	}
	return ExitAnswered
}
