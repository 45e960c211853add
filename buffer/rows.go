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
	rowsSubject    = "paybuf.rows"
	rowsQueue      = "ledger"
	rowsIDsMax     = 1000 // per question, about 32 KB
	rowsAskTimeout = 10 * time.Second
)

var errNobodyAnswers = errors.New("no process with the ledger answers")

// MissingRows tells which payments the ledger has never heard of.
type MissingRows func(ctx context.Context, ids []payment.ID) ([]payment.ID, error)

// rowsQuestion and rowsAnswer travel between an intake node, which needs no
// database, and any process that has the ledger.
type rowsQuestion struct {
	IDs []payment.ID `json:"ids"`
}

type rowsAnswer struct {
	Missing []payment.ID `json:"missing"`
	Error   string       `json:"error,omitzero"`
}

// AnswerRows has this process answer other nodes' audits from the ledger, until
// Close.
func (b *Buffer) AnswerRows(missing MissingRows) error {
	_, err := b.nc.QueueSubscribe(rowsSubject, rowsQueue, func(msg *nats.Msg) {
		answer := b.answerRows(msg.Data, missing)
		data, err := json.Marshal(answer)
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

func (b *Buffer) answerRows(data []byte, missing MissingRows) rowsAnswer {
	var question rowsQuestion
	if err := json.Unmarshal(data, &question); err != nil || len(question.IDs) > rowsIDsMax {
		return rowsAnswer{Error: "not a question about at most 1000 ids"}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), rowsAskTimeout, errPutTimeout)
	defer cancel()
	ids, err := missing(ctx, question.IDs)
	if err != nil {
		return rowsAnswer{Error: err.Error()}
	}
	return rowsAnswer{Missing: ids}
}

// askRows asks whoever has the ledger. An error means that nothing is known.
func (b *Buffer) askRows(ctx context.Context, ids []payment.ID) ([]payment.ID, error) {
	data, err := json.Marshal(rowsQuestion{IDs: ids})
	if err != nil {
		return nil, fmt.Errorf("ask for rows: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, rowsAskTimeout, errNobodyAnswers)
	defer cancel()
	msg, err := b.nc.RequestWithContext(ctx, rowsSubject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, errNobodyAnswers
	}
	if err != nil {
		return nil, fmt.Errorf("ask for rows: %w", err)
	}
	var answer rowsAnswer
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return nil, fmt.Errorf("ask for rows: %w", err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("ask for rows: %s", answer.Error)
	}
	return answer.Missing, nil
}
