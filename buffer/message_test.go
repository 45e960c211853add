package buffer

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// behind is a stream whose direct reads are answered by a replica that has none
// of the messages yet.
type behind struct{ jetstream.Stream }

func (behind) GetMsg(context.Context, uint64, ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	return nil, jetstream.ErrMsgNotFound
}

func (behind) GetLastMsgForSubject(context.Context, string) (*jetstream.RawStreamMsg, error) {
	return nil, jetstream.ErrMsgNotFound
}

func TestRead_whatAReplicaDoesNotHaveYetIsFound(t *testing.T) {
	b := open(t, nil)
	want := order(t, "A-1", nil)
	put(t, b, want)
	real := b.Shards()[0]
	shard := &Shard{cfg: real.cfg, log: real.log, js: real.js, name: real.name, number: real.number, stream: behind{real.stream}}
	// Not found would mean that the first is lost: the repetition would be stored too.
	first, _, err := shard.first(t.Context(), want.ID, 1)
	if err != nil || first.ID != want.ID || !first.AcceptedAt.Equal(want.AcceptedAt) {
		t.Errorf("the first request is %+v, %v", first, err)
	}
	for _, wish := range []wanted{
		{Sequence: 1},
		{Sequence: 1, NextOf: "paybuf.>"},
		{LastOf: shard.intakeSubject(want.ID)},
	} {
		message, err := shard.read(t.Context(), wish)
		if err != nil {
			t.Errorf("read %+v: %v", wish, err)
			continue
		}
		if message.Sequence != 1 || message.Subject != shard.intakeSubject(want.ID) || message.Time.IsZero() {
			t.Errorf("read %+v gave %+v", wish, message)
		}
	}
}

func TestRead_whatTheLeaderDoesNotHaveIsNotFound(t *testing.T) {
	b := open(t, nil)
	put(t, b, order(t, "A-1", nil))
	shard := b.Shards()[0]
	for _, wish := range []wanted{
		{Sequence: 2},
		{Sequence: 2, NextOf: "paybuf.>"},
		{LastOf: shard.intakeSubject("pay_unknown")},
	} {
		if _, err := shard.read(t.Context(), wish); !errors.Is(err, jetstream.ErrMsgNotFound) {
			t.Errorf("read %+v gave %v, want not found", wish, err)
		}
	}
}
