package storm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const (
	// retryingMax limits the wait for a payment that is about to be tried again.
	retryingMax = 5 * time.Second
	laterMax    = time.Second
)

// callOff is a client that calls an order off at one of many moments.
func (t *tale) callOff(ctx context.Context) {
	door := t.random.IntN(2)
	l := t.link("tok_visa", "")
	switch t.random.IntN(6) {
	case 0: // before it came
		t.cancelOrder(ctx)
		t.send(ctx, l, door)
	case 1: // beside it
		var sending sync.WaitGroup
		sending.Go(func() { t.send(ctx, l, door) })
		t.cancelOrder(ctx)
		sending.Wait()
	case 2: // at once, twice
		if id, ok := t.send(ctx, l, door); ok {
			leaves := [2]time.Duration{t.patience(), t.patience()}
			var canceling sync.WaitGroup
			for _, leave := range leaves {
				canceling.Go(func() { t.cancel(ctx, id, leave) })
			}
			canceling.Wait()
		}
	case 3: // between two attempts
		if id, ok := t.send(ctx, l, door); ok {
			waiting, stop := context.WithTimeout(ctx, retryingMax)
			defer stop()
			t.await(waiting, id, func(said shown) bool { return said.State == payment.Retrying || said.ended() })
			t.cancel(ctx, id, t.patience())
		}
	default:
		if id, ok := t.send(ctx, l, door); ok {
			t.pause(laterMax)
			t.cancel(ctx, id, t.patience())
		}
	}
}

// payLater is a payment that is due in some seconds. Some are called off about then.
func (t *tale) payLater(ctx context.Context) {
	l := t.link("tok_visa", "")
	l.notBefore = time.Now().Add(time.Second + time.Duration(t.random.Int64N(int64(3*time.Second)))).Truncate(time.Millisecond)
	id, ok := t.send(ctx, l, t.random.IntN(2))
	if !ok || t.random.IntN(2) == 0 {
		return
	}
	around := time.Until(l.notBefore) - 200*time.Millisecond + time.Duration(t.random.Int64N(int64(400*time.Millisecond)))
	select {
	case <-time.After(around):
	case <-ctx.Done():
	}
	t.cancel(ctx, id, t.patience())
}

// patience is after how long a client who calls off leaves without an answer, for
// good; 0 for never.
func (t *tale) patience() time.Duration {
	if t.random.IntN(5) > 0 {
		return 0
	}
	return 1 + time.Duration(t.random.Int64N(int64(2*hastyMax)))
}

// cancel calls a payment off, and keeps what is answered.
func (t *tale) cancel(ctx context.Context, id payment.ID, leave time.Duration) {
	s := t.storm
	came, unanswered, err := s.insistOnCancel(ctx, t.desk+payments+"/"+string(id)+"/cancel", "", leave)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.told.pleas[id]
	p.unanswered = p.unanswered || unanswered
	switch {
	case err != nil:
		s.faults = append(s.faults, err)
	case came.status == http.StatusOK:
		p.granted = true
	case came.status == http.StatusConflict:
		p.refused = true
	case came.status == http.StatusNotFound:
		s.past.violate(broken(Kept, "%s was accepted and is not found when it is called off", id))
	}
	s.told.pleas[id] = p
}

// cancelOrder calls off what there is of the order, also nothing.
func (t *tale) cancelOrder(ctx context.Context) (granted bool) {
	s := t.storm
	leave := t.patience()
	s.mu.Lock()
	t.called = true
	s.mu.Unlock()
	came, unanswered, err := s.insistOnCancel(ctx, t.desk+payments+"/cancel", fmt.Sprintf(`{"order_number":%q}`, t.number), leave)
	if err != nil {
		s.fault(err)
		return false
	}
	var said shown
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case came.status == http.StatusOK && json.Unmarshal(came.body, &said) == nil && said.Number == t.number:
		t.know(said.ID)
		p := s.told.pleas[said.ID]
		p.granted = true
		s.told.pleas[said.ID] = p
		return true
	case came.status == http.StatusConflict && json.Unmarshal(came.body, &said) == nil:
		s.told.refused++
	case unanswered && came.status == 0:
		s.told.unanswered++
	default:
		s.faults = append(s.faults, fmt.Errorf("%s is called off and answered %d %s", t.number, came.status, came.body))
	}
	return false
}

// insistOnCancel sends a cancellation until somebody knows what becomes of it, or
// its sender leaves. unanswered tells that one was not answered: it may count.
func (s *Storm) insistOnCancel(
	ctx context.Context, url, body string, leave time.Duration,
) (came reply, unanswered bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if leave > 0 {
		hasty, stop := context.WithTimeout(ctx, leave)
		defer stop()
		if came, err = s.cancelOnce(hasty, url, body); err != nil || came.status == http.StatusServiceUnavailable {
			return reply{}, true, nil
		}
		return came, false, checkCanceled(came)
	}
	for {
		came, err = s.cancelOnce(ctx, url, body)
		if err == nil && came.status != http.StatusServiceUnavailable {
			return came, unanswered, checkCanceled(came)
		}
		unanswered = true
		s.countTry("cancellation")
		select {
		case <-time.After(againAfter):
		case <-ctx.Done():
			return reply{}, true, errors.Join(fmt.Errorf("no answer to a cancellation at %s: %d %s", url, came.status, came.body), err)
		}
	}
}

func (s *Storm) cancelOnce(ctx context.Context, url, body string) (reply, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	post.GetBody = nil // nothing below sends again
	if body != "" {
		post.Header.Set("Content-Type", "application/json")
	}
	return s.do(post)
}

// checkCanceled tells that an answer is one that a cancellation may have.
func checkCanceled(came reply) error {
	var said shown
	err := json.Unmarshal(came.body, &said)
	switch {
	case err == nil && came.status == http.StatusOK && said.State == payment.Canceled:
	case err == nil && came.status == http.StatusConflict && said.Code == payment.CodeNotCancelable:
	case err == nil && came.status == http.StatusNotFound:
	default:
		return errors.Join(fmt.Errorf("a cancellation is answered %d %s", came.status, came.body), err)
	}
	return nil
}
