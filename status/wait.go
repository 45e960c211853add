package status

import (
	"context"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/prefer"
	"github.com/paybuf/paybuf/payment"
)

// Waiting lets a request wait until see says that a payment is enough, until a time,
// or until ctx ends. see is called with each version that is read meanwhile, one after
// the other and not after Wait has returned. honoured is false if there was no place to
// wait.
type Waiting interface {
	Wait(ctx context.Context, tenant payment.TenantID, id payment.ID, until time.Time,
		see func(payment.Payment) (enough bool)) (honoured bool)
}

// await finds a payment, waits as the client wishes (RFC 7240, section 4.3), if it
// does, and gives the payment as it is then. With If-None-Match the client knows a
// version and waits for another; without, it waits for the end. A parked payment is as
// good as one: a person has to see to it, which takes longer than any wait.
func (h *Handler) await(
	w http.ResponseWriter, r *http.Request, tenant payment.TenantID, id payment.ID, began time.Time,
) (*payment.Payment, error) {
	wish := prefer.Of(r.Header).Wait
	if wish == 0 || h.cfg.Waiting == nil {
		found, err := h.payment(r.Context(), tenant, id)
		return &found, err
	}
	found, err := h.paymentApart(r.Context(), tenant, id)
	if err != nil {
		return nil, err
	}
	tags := r.Header["If-None-Match"]
	see := func(p payment.Payment) bool {
		if p.Version != found.Version || p.RetriedBy != found.RetriedBy {
			newer := p // here, so that what is not kept stays off the heap
			found = &newer
		}
		return isEnough(found, tags)
	}
	if !isEnough(found, tags) {
		started := time.Now()
		honoured := h.cfg.Waiting.Wait(r.Context(), tenant, id, began.Add(wish), see)
		prefer.Observe(w, time.Since(started))
		if !honoured {
			return found, nil
		}
	}
	prefer.AppliedWait(w.Header(), wish)
	return found, nil
}

func isEnough(p *payment.Payment, tags []string) bool {
	if tags == nil {
		return p.State.Final() || p.State == payment.Parked
	}
	return !noneMatch(tags, object.ETag(*p))
}

// paymentApart is payment on a goroutine of its own. A goroutine keeps the stack that
// its deepest call needed for as long as it waits, and a database's calls are deep:
// they would double what each of many thousand waiting requests takes.
func (h *Handler) paymentApart(
	ctx context.Context, tenant payment.TenantID, id payment.ID,
) (found *payment.Payment, err error) {
	var broken any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { broken = recover() }()
		p, missing := h.payment(ctx, tenant, id)
		found, err = &p, missing
	}()
	<-done
	if broken != nil {
		panic(broken) // for whoever would have seen it
	}
	return found, err
}
