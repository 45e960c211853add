package buffer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go/jetstream"
)

// codeMessageNotFound is nats-server's for a message that the stream has not.
const codeMessageNotFound = 10037

var errNoMessage = errors.New("nobody answers for the stream's messages")

// wanted names one message: by its sequence, as the first of a subject from a
// sequence on, or as the last of a subject. Its form is that of the JetStream
// API.
type wanted struct {
	Sequence uint64 `json:"seq,omitzero"`
	NextOf   string `json:"next_by_subj,omitzero"`
	LastOf   string `json:"last_by_subj,omitzero"`

	fresh bool // ask the leader only: what a replica has may have been replaced
}

// read gets a message, and asks again while nobody answers: a stream is without
// a leader for a moment whenever that changes. The error is ErrMsgNotFound if the
// stream's leader does not have the message.
func (s *Shard) read(ctx context.Context, want wanted) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestTimeout, errNoMessage)
	defer cancel()
	for {
		message, err := s.readOnce(ctx, want)
		if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) || ctx.Err() != nil {
			return message, err
		}
		pause(ctx, refusedPause)
	}
}

// readOnce asks any replica, which spares the leader, and then the leader. A
// replica may be behind: what it does not have, the leader may have acknowledged
// a while ago.
func (s *Shard) readOnce(ctx context.Context, want wanted) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, resendAfter, errNoMessage)
	defer cancel()
	var message *jetstream.RawStreamMsg
	var err error = jetstream.ErrMsgNotFound
	switch {
	case want.fresh: // not found yet
	case want.LastOf != "":
		message, err = s.stream.GetLastMsgForSubject(ctx, want.LastOf)
	case want.NextOf == "":
		message, err = s.stream.GetMsg(ctx, want.Sequence)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return s.readFromLeader(ctx, want)
	}
	return message, err
}

func (s *Shard) readFromLeader(ctx context.Context, want wanted) (*jetstream.RawStreamMsg, error) {
	question, err := json.Marshal(want)
	if err != nil {
		return nil, err
	}
	reply, err := s.js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.name, question)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Message struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
		Error *streamError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return nil, fmt.Errorf("unreadable answer: %w", err)
	}
	if refused := answer.Error; refused != nil {
		if refused.Code == codeMessageNotFound {
			return nil, jetstream.ErrMsgNotFound
		}
		return nil, refused
	}
	m := answer.Message
	return &jetstream.RawStreamMsg{Subject: m.Subject, Sequence: m.Sequence, Data: m.Data, Time: m.Time}, nil
}
