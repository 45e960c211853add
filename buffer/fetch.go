package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

// fetchWait bounds how long Fetch waits for a first payment.
const fetchWait = 2 * time.Second

// Fetch hands out at most limit payments. It takes what is there, and if nothing
// is, waits a bounded while for the first; so a burst is handed out whole and a
// single payment at once. An empty answer only means that nothing came.
func (s *Shard) Fetch(ctx context.Context, limit int) ([]payment.Delivery, error) {
	deliveries, err := s.fetchPresent(limit)
	if err != nil || len(deliveries) > 0 {
		return deliveries, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := s.consumer.Fetch(1, jetstream.FetchContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", s.name, err)
	}
	deliveries, err = s.drain(batch)
	if err != nil || len(deliveries) == 0 || limit == 1 {
		return deliveries, err
	}
	more, err := s.fetchPresent(limit - 1)
	if err != nil {
		s.log.Debug("fetch after a first payment", slog.Any("error", err)) // the first one is what counts
	}
	return append(deliveries, more...), nil
}

func (s *Shard) fetchPresent(limit int) ([]payment.Delivery, error) {
	batch, err := s.consumer.FetchNoWait(limit)
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", s.name, err)
	}
	return s.drain(batch)
}

func (s *Shard) drain(batch jetstream.MessageBatch) ([]payment.Delivery, error) {
	var deliveries []payment.Delivery
	for msg := range batch.Messages() {
		deliveries = append(deliveries, delivery(msg))
	}
	err := batch.Error()
	if len(deliveries) > 0 || err == nil || isIdle(err) {
		return deliveries, nil
	}
	return nil, fmt.Errorf("fetch from %s: %w", s.name, err)
}

// isIdle tells the end of an uneventful wait from a fault.
func isIdle(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, jetstream.ErrNoMessages)
}

func delivery(msg jetstream.Msg) payment.Delivery {
	if strings.HasPrefix(msg.Subject(), batchPrefix) {
		return batchDelivery(msg)
	}
	d := payment.Delivery{
		Conflict: strings.HasPrefix(msg.Subject(), conflictPrefix),
		Subject:  msg.Subject(),
		Raw:      msg.Data(),
		Ack:      msg.Ack,
	}
	if d.Request, d.Poison = decode(msg.Data()); d.Poison != nil {
		// The subject still tells which payment it was to be.
		d.Request.ID, _ = payment.ParseID(lastToken(msg.Subject()))
	}
	return d
}

func batchDelivery(msg jetstream.Msg) payment.Delivery {
	d := payment.Delivery{Subject: msg.Subject(), Raw: msg.Data(), Ack: msg.Ack}
	batch, err := decodeBatch(msg.Data())
	if err != nil {
		d.Poison = err
		batch.ID, _ = payment.ParseBatchID(lastToken(msg.Subject()))
	}
	d.Batch = &batch
	return d
}

func lastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
