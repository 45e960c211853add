package fault

import "slices"

// Point is a place between two steps of a payment's life (docs/lifecycle.md). Its
// name is the package's, a dot, and what has just been done or is about to be.
type Point string

// The points, in the order in which a payment meets them.
const (
	IngestBound     Point = "ingest.bound"      // the idempotency key is bound, nothing is stored
	IngestPutting   Point = "ingest.putting"    // the request is checked, the buffer has not heard of it
	IngestPut       Point = "ingest.put"        // the buffer has it, the 202 is not written
	IngestAnswered  Point = "ingest.answered"   // the client has its 202
	IngestBatchPut  Point = "ingest.batch-put"  // a batch's payments are stored, its list is not
	IngestBatchKept Point = "ingest.batch-kept" // the list is stored, the 202 is not written

	BufferSending      Point = "buffer.sending"      // neither the journal nor the stream has it
	BufferPublished    Point = "buffer.published"    // handed to the connection
	BufferSynced       Point = "buffer.synced"       // the journal has it for good
	BufferAcknowledged Point = "buffer.acknowledged" // the stream has it
	BufferStored       Point = "buffer.stored"       // both have it, nobody was told
	BufferRepeated     Point = "buffer.repeated"     // the id is known, the first body is not read yet
	BufferVoided       Point = "buffer.voided"       // another body's receipt is void, the body not on record
	BufferConflict     Point = "buffer.conflict"     // another body is on record, the 409 not written
	BufferWithdrawing  Point = "buffer.withdrawing"  // refused, its receipt counts still
	BufferWithdrawn    Point = "buffer.withdrawn"    // the receipt is withdrawn, the 503 not written

	ProcessorFetched  Point = "processor.fetched"  // handed out, nothing else
	ProcessorClaiming Point = "processor.claiming" // sorted out, no row yet
	PostgresInserted  Point = "postgres.inserted"  // the new rows are committed, repetitions not classed
	PostgresCommit    Point = "postgres.commit"    // several statements are run, none is committed
	ProcessorClaimed  Point = "processor.claimed"  // committed, not acknowledged
	ProcessorAcked    Point = "processor.acked"    // acknowledged, no call is made
	ProcessorCalling  Point = "processor.calling"  // about to call the payer
	PayerSent         Point = "payer.sent"         // the request is written, its answer not read
	ProcessorAnswered Point = "processor.answered" // the payer has answered, nothing is queued
	ProcessorSettling Point = "processor.settling" // outcomes wait for their commit
	ProcessorSettled  Point = "processor.settled"  // they are committed
	ProcessorLeased   Point = "processor.leased"   // due payments are taken over
	ProcessorBurying  Point = "processor.burying"  // poison, without a dead letter
	ProcessorBuried   Point = "processor.buried"   // the dead letter is kept, the message not acknowledged
	ProcessorListed   Point = "processor.listed"   // a batch's list is kept, not acknowledged

	PostgresCanceling Point = "postgres.canceling" // a payment is canceled, not committed
	PostgresCanceled  Point = "postgres.canceled"  // it is committed, nobody was told
	PostgresReleasing Point = "postgres.releasing" // an operator has decided, nothing is written
	PostgresReleased  Point = "postgres.released"  // the release is committed, nobody was told
	ReconcileJudging  Point = "reconcile.judging"  // charges of a statement are judged, nothing is written
	ReconcileJudged   Point = "reconcile.judged"   // their judgements are committed, others are not made

	WebhookSending  Point = "webhook.sending"  // an event is about to be sent to an endpoint
	WebhookSent     Point = "webhook.sent"     // the endpoint has answered, or not; nothing is on record
	WebhookRecorded Point = "webhook.recorded" // what came of it is committed

	BufferRepublishing Point = "buffer.republishing" // a receipt goes to the stream again
	BufferRepublished  Point = "buffer.republished"  // and is there
	BufferAudited      Point = "buffer.audited"      // a segment's receipts all have rows, it is still there
	BufferRemoved      Point = "buffer.removed"      // it is removed
	BufferPurging      Point = "buffer.purging"      // the janitor is about to clear messages away
	BufferPurged       Point = "buffer.purged"       // and has
)

// Points gives all of them, in that order.
func Points() []Point {
	return slices.Concat(ingestPoints(), processorPoints(), statusPoints(), webhookPoints(), operatorPoints())
}

// ingestPoints are passed by whoever accepts requests.
func ingestPoints() []Point {
	return []Point{
		IngestBound, IngestPutting, IngestPut, IngestAnswered, IngestBatchPut, IngestBatchKept,
		BufferSending, BufferPublished, BufferSynced, BufferAcknowledged, BufferStored, BufferRepeated,
		BufferVoided, BufferConflict, BufferWithdrawing, BufferWithdrawn,
		BufferRepublishing, BufferRepublished, BufferAudited, BufferRemoved,
	}
}

// processorPoints are passed by whoever pays, and clears away.
func processorPoints() []Point {
	return []Point{
		ProcessorFetched, ProcessorClaiming, PostgresInserted, PostgresCommit, ProcessorClaimed, ProcessorAcked,
		ProcessorCalling, PayerSent, ProcessorAnswered, ProcessorSettling, ProcessorSettled, ProcessorLeased,
		ProcessorBurying, ProcessorBuried, ProcessorListed, ReconcileJudging, ReconcileJudged,
		BufferPurging, BufferPurged,
	}
}

// statusPoints are passed by whoever answers for payments, and calls them off.
func statusPoints() []Point { return []Point{PostgresCanceling, PostgresCanceled} }

// webhookPoints are passed by whoever tells endpoints of events.
func webhookPoints() []Point { return []Point{WebhookSending, WebhookSent, WebhookRecorded} }

// operatorPoints are passed by commands.
func operatorPoints() []Point { return []Point{PostgresReleasing, PostgresReleased} }

// PointsOf gives those that a process with a role passes: "ingest", "processor",
// "status", "webhook", or "operator", which is a command. Another role has none.
func PointsOf(role string) []Point {
	switch role {
	case "ingest":
		return ingestPoints()
	case "processor":
		return processorPoints()
	case "status":
		return statusPoints()
	case "webhook":
		return webhookPoints()
	case "operator":
		return operatorPoints()
	}
	return nil
}

// Protection is something that stands between a fault and a second charge or a
// lost payment. Each can be dropped, to see whether the harness notices.
type Protection string

// The protections that are code. Postgres' constraints are dropped by SQL.
const (
	Receipt    Protection = "receipt"    // the buffer has a request before its 202
	AckLast    Protection = "ack"        // a message is acknowledged after its claim has committed
	ClaimFirst Protection = "claim"      // the attempt is on record before the payer is called
	Fence      Protection = "fence"      // an outcome counts only for the version that was leased
	LookUp     Protection = "look-up"    // after a lost answer the payer is asked, not sent to
	Visibility Protection = "visibility" // "not found" counts only after the visibility delay
	KeyWindow  Protection = "key-window" // a key that the payer may have forgotten is not sent
	Chain      Protection = "chain"      // what tries a payment again is refused while one before it may be charged
)

// Protections gives all of them.
func Protections() []Protection {
	return []Protection{Receipt, AckLast, ClaimFirst, Fence, LookUp, Visibility, KeyWindow, Chain}
}
