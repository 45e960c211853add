package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"github.com/paybuf/paybuf/payment"
)

const (
	rowsSubject = "paybuf.rows"
	// batchRowsSubject is one of its own, so that a process which knows of no batches
	// does not answer for them.
	batchRowsSubject = "paybuf.rows.batches"
	rowsQueue        = "ledger"
	rowsIDsMax       = 1000 // per question, about 32 KB
	batchListsMax    = 100  // per question, since all of their lists are held meanwhile
	rowsAskTimeout   = 10 * time.Second
)

var errNobodyAnswers = errors.New("no process with the ledger answers")

// MissingRows tells which payments the ledger has never heard of.
type MissingRows func(ctx context.Context, ids []payment.ID) ([]payment.ID, error)

// MissingBatches tells of which batches the ledger has no list.
type MissingBatches func(ctx context.Context, ids []payment.BatchID) ([]payment.BatchID, error)

// rowsQuestion and rowsAnswer travel between an intake node, which needs no
// database, and any process that has the ledger.
type rowsQuestion[T ~string] struct {
	IDs []T `json:"ids"`
}

type rowsAnswer[T ~string] struct {
	Missing []T    `json:"missing"`
	Error   string `json:"error,omitzero"`
}

// AnswerRows has this process answer other nodes' audits from the ledger, until
// Close.
func (b *Buffer) AnswerRows(missing MissingRows) error {
	return answerRows(b, rowsSubject, missing)
}

// AnswerBatches does the same for the lists of batches.
func (b *Buffer) AnswerBatches(missing MissingBatches) error {
	return answerRows(b, batchRowsSubject, missing)
}

func answerRows[T ~string](b *Buffer, subject string, missing func(context.Context, []T) ([]T, error)) error {
	_, err := b.nc.QueueSubscribe(subject, rowsQueue, func(msg *nats.Msg) {
		data, err := json.Marshal(rowsAnswerTo(msg.Data, missing))
		if err == nil {
			err = msg.Respond(data)
		}
		if err != nil {
			b.cfg.Logger.Warn("answer an audit", slog.Any("error", err)) // it asks again
		}
	})
	if err != nil {
		return fmt.Errorf("answer audits: %w", err)
	}
	return nil
}

func rowsAnswerTo[T ~string](data []byte, missing func(context.Context, []T) ([]T, error)) rowsAnswer[T] {
	var question rowsQuestion[T]
	if err := json.Unmarshal(data, &question); err != nil || len(question.IDs) > rowsIDsMax {
		return rowsAnswer[T]{Error: "not a question about at most 1000 ids"}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), rowsAskTimeout, errPutTimeout)
	defer cancel()
	ids, err := missing(ctx, question.IDs)
	if err != nil {
		return rowsAnswer[T]{Error: err.Error()}
	}
	return rowsAnswer[T]{Missing: ids}
}

// askRows asks whoever has the ledger. An error means that nothing is known.
func askRows[T ~string](ctx context.Context, b *Buffer, subject string, ids []T) ([]T, error) {
	data, err := json.Marshal(rowsQuestion[T]{IDs: ids})
	if err != nil {
		return nil, fmt.Errorf("ask for rows: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, rowsAskTimeout, errNobodyAnswers)
	defer cancel()
	msg, err := b.nc.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, errNobodyAnswers
	}
	if err != nil {
		return nil, fmt.Errorf("ask for rows: %w", err)
	}
	var answer rowsAnswer[T]
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return nil, fmt.Errorf("ask for rows: %w", err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("ask for rows: %s", answer.Error)
	}
	return answer.Missing, nil
}
