package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	backoffBase = 100 * time.Millisecond
	backoffMax  = 10 * time.Second
)

// Retry describes a call that has had no definite answer so far.
type Retry struct {
	Err      error         // of the last attempt: a *Problem, or what the transport said
	Attempts int           // made so far
	Spent    time.Duration // since the call began, but for what the API was asked to wait
	Wait     time.Duration // until the next attempt
}

// do repeats a call until its answer is definite: a success, or a refusal as a
// *Problem. All other errors are ErrNoAnswer.
func (c *Client) do(ctx context.Context, what call) (answer, error) {
	if c.baseErr != nil {
		return answer{}, c.baseErr
	}
	began, held := time.Now(), time.Duration(0)
	for attempt := 1; ; attempt++ {
		asked := time.Now()
		ans, err := c.attempt(ctx, what)
		held += min(what.hold, time.Since(asked))
		problem, refused := errors.AsType[*Problem](err)
		if err == nil || (refused && !problem.temporary()) {
			return ans, err
		}
		retry := Retry{Err: err, Attempts: attempt, Spent: time.Since(began) - held, Wait: waitFor(attempt, problem)}
		if ctx.Err() != nil || !c.mayRetry(retry) || !sleep(ctx, retry.Wait) {
			return answer{}, noAnswer(ctx, retry)
		}
		// Something on the way may have no patience for answers that are held back.
		what.hold = min(c.holdMost(ctx), (what.hold / 2).Truncate(time.Second))
	}
}

// attempt makes one exchange and turns a status that is no success into a
// *Problem.
func (c *Client) attempt(ctx context.Context, what call) (answer, error) {
	ans, err := c.exchange(ctx, what)
	if err != nil {
		return answer{}, err
	}
	success := ans.status >= http.StatusOK && ans.status < http.StatusMultipleChoices
	unchanged := what.etag != "" && ans.status == http.StatusNotModified
	if !success && !unchanged {
		return answer{}, readProblem(ans)
	}
	return ans, nil
}

func (c *Client) mayRetry(retry Retry) bool {
	if c.cfg.MayRetry != nil {
		return c.cfg.MayRetry(retry)
	}
	return retry.Spent+retry.Wait <= c.cfg.RetryTimeout
}

// waitFor is what the server told us to wait, or else exponential backoff. Both
// have full jitter, so that clients which failed together do not come back
// together; what was told is never cut short by it.
func waitFor(attempt int, problem *Problem) time.Duration {
	ceiling := min(backoffMax, backoffBase<<min(attempt-1, 10))
	if problem == nil || problem.RetryAfter == 0 {
		return rand.N(ceiling) //nolint:gosec // spreads load, guards nothing
	}
	told := problem.RetryAfter
	return told + rand.N(min(ceiling, told)) //nolint:gosec // as above
}

// sleep waits unless the context ends before, which it tells by false.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// noAnswer is the error of a call that was given up.
func noAnswer(ctx context.Context, retry Retry) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w: %w (attempt %d: %w)", ErrNoAnswer, cause, retry.Attempts, retry.Err)
	}
	return fmt.Errorf("%w (attempt %d, after %s): %w",
		ErrNoAnswer, retry.Attempts, retry.Spent.Round(time.Millisecond), retry.Err)
}
