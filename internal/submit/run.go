package submit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// errWaitOver is the cause of the end of all waiting.
var errWaitOver = errors.New("the time to wait for payments is over")

// Run sends what the options say, waits for the payments if asked to, and writes
// the summary to Stdout unless nothing was done at all.
//
// The error is about the options, the file, or an API that refuses whatever is
// sent: something to be put right before another try. Lost requests are no error;
// see Summary.Lost. ExitCode makes an exit code of both.
//
// When ctx is canceled the requests under way are broken off and counted as lost,
// and the summary is of what was done so far.
func Run(ctx context.Context, opts Options) (Summary, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return Summary{}, err
	}
	in, err := newInput(opts)
	if err != nil {
		return Summary{}, err
	}
	transport := newTransport(opts.Concurrency)
	defer transport.CloseIdleConnections()

	r := &run{opts: opts, in: in, display: newDisplay(opts.Stderr, opts.Quiet)}
	r.http = &http.Client{Transport: transport, CheckRedirect: refuseRedirect}
	summary, err := r.do(ctx)
	if summary.Requests == 0 && err != nil {
		return summary, err
	}
	return summary, errors.Join(err, r.report(summary))
}

// run is one run of Run.
type run struct {
	opts    Options
	in      *input
	display display
	http    *http.Client
	failed  *failures // of the batches to retry; nil if there are none
}

func (r *run) do(ctx context.Context) (Summary, error) {
	tally := newTally(r.opts.Wait)
	began := time.Now()
	stopped, err := r.send(ctx, tally)
	summary := tally.result()
	summary.Duration = time.Since(began)
	summary.Retried = r.opts.RetryFailed
	if stopped != nil {
		summary.Stopped = stopped.Error()
	}
	if errors.Is(stopped, errRefusesAll) {
		err = errors.Join(stopped, err)
	}
	if r.opts.Wait && summary.Requests > 0 {
		settlement := r.settle(ctx, tally.payments(), stopped)
		summary.Settlement = &settlement
	}
	summary.Interrupted = ctx.Err() != nil
	return summary, err
}

// send makes the passes over the input, each when the one before is answered.
// stopped is why not all of the input was sent, if the API is the reason.
func (r *run) send(ctx context.Context, tally *tally) (stopped, err error) {
	sending := newMeter("sending", "requests", r.in.sizeBytes*int64(r.opts.Repeat))
	patience := newPatience(r.opts.GiveUpAfter)
	api := client.New(r.opts.URL, client.Config{
		Key:        r.opts.Key,
		HTTPClient: r.http,
		MayRetry: func(retry client.Retry) bool {
			if !patience.mayRetry(retry) {
				return false
			}
			tally.retried()
			sending.retried(retry.Err)
			return true
		},
	})
	s := &sender{api: api, concurrency: r.opts.Concurrency, batch: r.opts.Batch, tally: tally, patience: patience, meter: sending}
	r.display.begin(sending)
	defer r.display.end()
	if len(r.opts.RetryFailed) > 0 {
		if r.failed, err = failedOf(ctx, api, r.opts.RetryFailed); err != nil {
			return nil, fmt.Errorf("retry what has failed: %w", err)
		}
	}
	for pass := 1; pass <= r.opts.Repeat && ctx.Err() == nil && s.reason() == nil; pass++ {
		if err := r.pass(ctx, s, pass); err != nil {
			return s.reason(), err
		}
	}
	if ctx.Err() == nil && s.reason() == nil {
		sending.finish()
	}
	return s.reason(), nil
}

func (r *run) pass(ctx context.Context, s *sender, pass int) error {
	rows, file, err := r.in.open(pass)
	if err != nil {
		return err
	}
	if r.failed != nil {
		rows = &retries{requests: rows, failed: r.failed, tally: s.tally, meter: s.meter}
	}
	if err := s.pass(ctx, rows); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", r.opts.File, err), file.Close())
	}
	return file.Close()
}

// settle waits for payments, if there are any and there is hope.
func (r *run) settle(ctx context.Context, ids []payment.ID, stopped error) Settlement {
	if len(ids) == 0 || stopped != nil || ctx.Err() != nil {
		return Settlement{Payments: int64(len(ids)), Unsettled: int64(len(ids))}
	}
	return r.wait(ctx, ids)
}

// wait polls without repeating a call: a payment that cannot be read now is read
// in the next pass.
func (r *run) wait(ctx context.Context, ids []payment.ID) Settlement {
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.WaitTimeout, errWaitOver)
	defer cancel()
	waiting := newMeter("waiting", "payments", int64(len(ids)))
	api := client.New(r.opts.URL, client.Config{Key: r.opts.Key, HTTPClient: r.http, RetryTimeout: -1})
	w := &waiter{api: api, concurrency: r.opts.Concurrency, meter: waiting}
	r.display.begin(waiting)
	defer r.display.end()
	return w.wait(ctx, ids)
}

func (r *run) report(summary Summary) error {
	if r.opts.JSON {
		return summary.writeJSON(r.opts.Stdout)
	}
	return summary.write(r.opts.Stdout)
}

// newTransport gives each lane a connection that it keeps.
func newTransport(connections int) *http.Transport {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = standard.Clone()
	}
	transport.MaxIdleConns = connections
	transport.MaxIdleConnsPerHost = connections
	transport.MaxConnsPerHost = connections
	return transport
}

// refuseRedirect keeps the key from being sent elsewhere.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
