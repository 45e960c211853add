package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

const (
	// lookupsPerRound are runs: many payments, one payment, and the constant answer.
	lookupsPerRound = 3
	answerTimeout   = 10 * time.Second
	answerFileMode  = 0o600
	// finalMark is in the answer of a payment that is final.
	finalMark = `"final":true`
)

var errAnswerSlow = errors.New("it did not answer in time")

// askForPayments measures GET of final payments beside a constant answer.
func (b *bench) askForPayments(ctx context.Context, h *house, t *report.Telling) (err error) {
	if err := b.fillHouse(ctx, h, b.opts.tell.lookups, h.key); err != nil {
		return err
	}
	if err := h.serve(ctx, "status"); err != nil {
		return err
	}
	ids, err := h.ledger.IDs(ctx, "succeeded", b.opts.tell.lookups)
	if err != nil {
		return err
	}
	constant, err := h.startConstant(ctx, ids[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, constant.Stop()) }()
	runs := []lookup{
		{server: h.server, payments: len(ids), ask: load.Lookups{IDs: ids, Named: true, Mark: finalMark}},
		{server: constant, payments: len(ids), ask: load.Lookups{IDs: ids, Mark: finalMark}},
		{server: h.server, payments: 1, ask: load.Lookups{IDs: ids[:1], Named: true, Mark: finalMark}},
	}
	for round := range b.opts.rounds {
		for i := range runs {
			if err := b.askOnce(ctx, h, t, round, runs[(i+round)%len(runs)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookup is one of the runs of a round.
type lookup struct {
	server   *subject.Subject
	payments int
	ask      load.Lookups
}

func (b *bench) askOnce(ctx context.Context, h *house, t *report.Telling, round int, l lookup) error {
	m := meter{subject: l.server, disk: b.disk}
	result, err := load.Get(ctx, load.Plan{
		Address: l.server.Address, Connections: report.LookupConnections, APIKey: h.key,
		Run: b.runs, WarmUp: b.opts.warmUp(), Window: b.opts.window,
	}, l.ask, m.read)
	if err != nil {
		return err
	}
	if result.Refused > 0 {
		return fmt.Errorf("%s: %d of %d answers are wrong, such as\n%s", l.server.Name, result.Refused, result.Payments, result.FirstWrong)
	}
	run := report.Lookup{Payments: l.payments, Sample: m.sample(result)}
	run.Case, run.Server, run.Round = report.Case{Connections: report.LookupConnections}, ours, round
	if l.server.PostgresPID == 0 {
		run.Server = report.ConstantServer
	}
	if run.ResidentBytes, err = machine.ResidentBytes(l.server.PID); err != nil {
		return err
	}
	t.Lookups = append(t.Lookups, run)
	b.say("asking     %-8s %6d payments %8.0f/s  p50 %6.2f ms  p99 %6.2f ms  CPU %d + %d µs\n", run.Server, l.payments, run.Rate,
		milliseconds(run.P50), milliseconds(run.P99), run.ServerCPU.Microseconds(), run.PostgresCPU.Microseconds())
	return nil
}

// startConstant starts the server that always gives the answer which the server gives now
// for a payment.
func (h *house) startConstant(ctx context.Context, id string) (*subject.Subject, error) {
	answer, err := h.answerOf(ctx, id)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(h.dir, "answer.http")
	if err := os.WriteFile(file, answer, answerFileMode); err != nil {
		return nil, err
	}
	like, err := h.server.Runtime(ctx)
	if err != nil {
		return nil, err
	}
	return subject.StartConstant(ctx, h.dir, file, like)
}

// answerOf asks the server for a payment and gives the whole answer as it came.
func (h *house) answerOf(ctx context.Context, id string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errAnswerSlow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.server.Address+"/v1/payments/"+id, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", id, err)
	}
	request.Header.Set("Authorization", "Bearer "+h.key)
	request.Close = true // nothing is to stay open
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", id, errors.Join(err, context.Cause(ctx)))
	}
	defer func() { _ = response.Body.Close() }() // read to its end
	response.Close = false
	response.Header.Del("Connection")
	answer, err := httputil.DumpResponse(response, true)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", id, err)
	}
	if response.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(finalMark)) {
		return nil, fmt.Errorf("ask for %s: the answer is\n%s", id, answer)
	}
	return answer, nil
}
