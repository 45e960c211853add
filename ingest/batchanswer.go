package ingest

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// itemErrorsMax limits the errors that are listed for one item, so that an answer
// is not many times as long as its batch.
const itemErrorsMax = 10

// answerOf says what came of each item, and counts.
func (h *BatchHandler) answerOf(items []batchItem, base string) object.AcceptedBatch {
	answer := object.AcceptedBatch{Total: len(items), Items: make([]object.AcceptedItem, len(items))}
	for i, item := range items {
		answer.Items[i] = shownItem(i, item, base)
		switch {
		case item.err != nil:
			answer.Refused++
		case item.receipt.Duplicate:
			answer.Duplicates++
		default:
			answer.Accepted++
		}
	}
	if h.cfg.CountItems != nil {
		h.cfg.CountItems("accepted", answer.Accepted)
		h.cfg.CountItems("duplicate", answer.Duplicates)
		h.cfg.CountItems("refused", answer.Refused)
	}
	return answer
}

func shownItem(index int, item batchItem, base string) object.AcceptedItem {
	if item.err == nil {
		shown := object.Accepted(item.receipt.First, base, item.receipt.Duplicate)
		return object.AcceptedItem{Index: index, Status: http.StatusAccepted, Payment: &shown}
	}
	url := ""
	if coded, ok := errors.AsType[*payment.Error](item.err); ok && coded.PaymentID != "" {
		url = base + object.Path(coded.PaymentID)
	}
	document := problem.Of(item.err, url)
	if len(document.Errors) > itemErrorsMax {
		document.Errors = document.Errors[:itemErrorsMax]
		document.Detail += "; not all of them are listed"
	}
	return object.AcceptedItem{Index: index, Status: document.Status, Problem: document}
}

// accept answers a batch of which at least one item is kept. When to come back is
// for the items that must be sent again, or else for the first look.
func (h *BatchHandler) accept(
	w http.ResponseWriter, r *http.Request, batch payment.Batch, items []batchItem, answer object.AcceptedBatch,
) {
	answer.BatchHead = object.HeadOf(batch.ID, object.Base(h.cfg.PublicURL, r))
	header := w.Header()
	header.Set("Location", object.BatchPath(batch.ID))
	header.Set("Cache-Control", "no-store")
	if answer.Accepted == 0 {
		header.Set("Idempotent-Replayed", "true")
	}
	kept := slices.IndexFunc(items, func(item batchItem) bool { return item.err == nil })
	if durability := items[kept].receipt.Durability; durability != "" {
		header.Set(durabilityHeader, durability)
	}
	failed := failureOf(items)
	if failed != nil {
		problem.Observe(w, failed)
	}
	header.Set("Retry-After", problem.Seconds(max(h.cfg.askIn(items[kept].receipt.First), retryAfterOf(failed))))
	if err := object.Write(w, http.StatusAccepted, answer); err != nil {
		problem.Observe(w, err)
	}
}

// refusalOf is why there is no batch: the first item that failed for a reason that
// passes, or else that all items must change.
func refusalOf(items []batchItem) error {
	if failed := failureOf(items); failed != nil {
		return failed
	}
	return &payment.Error{
		Code:   payment.CodeBatchRefused,
		Detail: "no item of the batch was accepted; items says for each what must change",
	}
}

// passingRanks has the codes of items that are to be sent again as they are. The
// highest is what a batch of several is answered: that nobody knows their fate
// before that there is no room, and that before the tenant's own share. A mistake
// of ours has no rank and comes last.
var passingRanks = map[payment.Code]int{
	payment.CodeTenantShare:       2,
	payment.CodeBufferFull:        3,
	payment.CodeBufferUnavailable: 4,
}

// failureOf gives the error of the items that are to be sent again as they are, with
// the longest of their waits; nil if there is none.
func failureOf(items []batchItem) error {
	var failed error
	var wait time.Duration
	highest := 0
	for _, item := range items {
		rank := passingRank(item.err)
		if rank == 0 {
			continue
		}
		if rank > highest {
			failed, highest = item.err, rank
		}
		wait = max(wait, retryAfterOf(item.err))
	}
	coded, ok := errors.AsType[*payment.Error](failed)
	if !ok {
		return failed
	}
	longest := *coded
	longest.RetryAfter = wait
	return &longest
}

// passingRank is 0 for an item that is kept or must change.
func passingRank(err error) int {
	if err == nil {
		return 0
	}
	code, _ := payment.CodeOf(err)
	if rank, known := passingRanks[code]; known {
		return rank
	}
	if problem.Of(err, "").Status >= http.StatusInternalServerError {
		return 1
	}
	return 0
}

func retryAfterOf(err error) time.Duration {
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		return coded.RetryAfter
	}
	return 0
}
