package buffer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// silentLooksMax is after how many looks, a second apart, a stream that answers
	// questions but no message is taken for one that cannot write.
	silentLooksMax = 2
	// absentLooksMax is the same for a stream of which nobody answers anything: its
	// servers may be choosing a leader, which takes up to nine seconds.
	absentLooksMax = 10
	// failedRetryAfter is what a client is told while a stream stores nothing. How
	// long that will be nobody knows; it is cheap to ask.
	failedRetryAfter = 5 * time.Second
)

var errStoresNothing = errors.New("the stream answers no message")

// health tells a stream that cannot write from one that is only slow or full.
// nats-server gives no answer to a message that it could not write, and from the
// first such one on it writes none until it is started again; all else works.
type health struct {
	broken atomic.Bool

	mu       sync.Mutex
	unheard  *message // the last message without an answer since the last look
	looks    int      // in a row at which there was one
	lastSeen uint64   // sequence at the end of the stream
	probe    *message // sent again and again while broken
}

func (h *health) failed() bool { return h.broken.Load() }

// silent notes a message without an answer.
func (h *health) silent(m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unheard = &m
}

// suspicious tells whether a message went without an answer since the last look.
func (h *health) suspicious() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unheard == nil {
		h.looks = 0
	}
	return h.unheard != nil
}

// look judges by the end of the stream, 0 if nobody could name it: what moves is
// slow, what does not is broken.
func (h *health) look(last uint64, looksMax int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	probe := h.unheard
	h.unheard = nil
	if last != h.lastSeen {
		h.lastSeen, h.looks = last, 0
		return
	}
	h.looks++
	if h.looks >= looksMax {
		h.looks, h.probe = 0, probe
		h.broken.Store(true)
	}
}

func (h *health) mend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probe, h.unheard, h.looks = nil, nil, 0
	h.broken.Store(false)
}

func (h *health) probeMessage() message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *h.probe
}

// watchStores finds out which streams and whether the journal cannot write, and
// when they can again, until ctx ends.
func (b *Buffer) watchStores(ctx context.Context) {
	ticker := time.NewTicker(gaugeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, shard := range b.shards {
			switch {
			case !shard.health.failed():
				b.examine(ctx, shard)
			case !b.unsettled.Load(): // else the probe would hide where the stream ended
				b.probe(ctx, shard)
			}
		}
		b.recheckJournal()
	}
}

// examine looks at the stream behind a message that had no answer.
func (b *Buffer) examine(ctx context.Context, shard *Shard) {
	if !shard.health.suspicious() || !b.nc.IsConnected() {
		return
	}
	asked, cancel := context.WithTimeoutCause(ctx, gaugeInterval, errNoMessage)
	defer cancel()
	info, err := shard.stream.Info(asked)
	if err != nil {
		shard.health.look(0, absentLooksMax)
	} else {
		shard.health.look(info.State.LastSeq, silentLooksMax)
	}
	if shard.health.failed() {
		shard.log.Error("the stream stores nothing; is its disk full? Payments are refused until it stores again",
			slog.Any("error", err))
	}
}

// probe sends the message again that had no answer. It is one that its client
// was told to send again, since nobody knew whether it was stored; that it is
// stored now is as good.
func (b *Buffer) probe(ctx context.Context, shard *Shard) {
	ctx, cancel := context.WithTimeoutCause(ctx, resendAfter, errPutTimeout)
	defer cancel()
	m := shard.health.probeMessage()
	m.receipt, m.health, m.ahead = nil, nil, false
	sent, err := b.pub.send(m)
	if err == nil {
		_, err = b.await(ctx, shard, sent)
	}
	if err != nil && !isFull(err) {
		shard.log.Debug("the stream still stores nothing", slog.Any("error", err))
		return
	}
	shard.health.mend()
	shard.log.Info("the stream stores again")
}

// recheckJournal lets requests in again when the journal has room.
func (b *Buffer) recheckJournal() {
	if b.journalFull.Load() == nil || b.journal.Room() != nil {
		return
	}
	b.journalFull.Store(nil)
	b.cfg.Logger.Info("the journal has room again")
}

// storesNothing refuses a request before anything was done for it.
func (s *Shard) storesNothing() error {
	return &payment.Error{
		Code: payment.CodeBufferFull,
		Detail: "the buffer stores nothing at the moment, probably because its disk is full; " +
			"this request is not stored: send it again later",
		RetryAfter: failedRetryAfter,
		Cause:      errStoresNothing,
	}
}
