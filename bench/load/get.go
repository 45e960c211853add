package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

var errNoIDs = errors.New("there are no payments to ask for")

// Lookups are what is asked for, and what each answer must say.
type Lookups struct {
	IDs   []string // of payments, all of one length; each connection asks for one after the other
	Named bool     // an answer says the id that was asked for
	Mark  string   // and has this in it
}

// Get asks for payments as fast as the server answers, in the place of sending any, and
// gives what the clients saw within the plan's window. It calls probe as Run does. An
// answer that is no 200, or does not say what it must, counts as refused. An error means
// what it means for Run.
func Get(ctx context.Context, plan Plan, ask Lookups, probe func() error) (*Result, error) {
	if len(ask.IDs) == 0 {
		return nil, fmt.Errorf("load: %w", errNoIDs)
	}
	workers, err := connect(ctx, plan, time.Now().Add(plan.WarmUp+plan.Window+answerTimeout))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var (
		phase phase
		wg    sync.WaitGroup
	)
	for i := range workers {
		asking := newAsker(&workers[i], ask, i*len(ask.IDs)/len(workers))
		wg.Go(func() { workers[i].err = asking.work(&phase) })
	}
	took, err := measure(ctx, plan, &phase, probe)
	wg.Wait()
	return collect(workers, took, err)
}

// asker is a connection that asks for payments.
type asker struct {
	worker  *worker
	ask     Lookups
	next    int // of the ids
	mark    []byte
	request []byte
	place   []byte // of the id in it
}

func newAsker(w *worker, ask Lookups, first int) *asker {
	head := fmt.Sprintf("GET /v1/payments/%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", ask.IDs[0], w.plan.Address, w.plan.authorization())
	a := &asker{worker: w, ask: ask, next: first, mark: []byte(ask.Mark), request: []byte(head)}
	at := bytes.Index(a.request, []byte(ask.IDs[0]))
	a.place = a.request[at : at+len(ask.IDs[0])]
	return a
}

// work asks until the run is over.
func (a *asker) work(phase *phase) error {
	w := a.worker
	defer w.close()
	for {
		copy(a.place, a.ask.IDs[a.next])
		a.next = (a.next + 1) % len(a.ask.IDs)
		started := time.Now()
		got, err := w.client.exchange(a.request)
		if err != nil {
			return err
		}
		switch phase.get() {
		case measured:
			w.seen.Latency.Add(time.Since(started))
			a.judge(got)
		case over:
			return nil
		}
	}
}

// judge holds an answer against what was asked for.
func (a *asker) judge(got answer) {
	seen := &a.worker.seen
	seen.Payments++
	if got.status == http.StatusOK && bytes.Contains(got.text, a.mark) && (!a.ask.Named || bytes.Contains(got.text, a.place)) {
		return
	}
	seen.Refused++
	if seen.FirstWrong == "" {
		seen.FirstWrong = string(got.text)
	}
}
