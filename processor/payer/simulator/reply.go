package simulator

// replyKind is what comes of a send or a look-up, whichever way it is told.
type replyKind int

const (
	replyClosed      replyKind = iota // the Engine is closed
	replyCharge                       // the charge as the fields say
	replyUnavailable                  // later, not charged
	replyRateLimited                  // later, not charged
	replyError                        // an internal error, charged or not
	replyReset                        // no answer: the connection is reset
	replyHung                         // no answer, after a long time
	replyGarbage                      // an answer that nobody can read
	replyInProgress                   // the same key is being worked on
	replyKeyReused                    // the key belongs to another request
	replyNotFound                     // no such charge
	replyNoLookup                     // this payer cannot be asked
	replyVoided                       // no money of the reference moves or has stayed moved
	replySettled                      // too late: the charge as the fields say
	replyNoVoid                       // this payer takes nothing back
)

// reply is an answer on its way out. What follows kind is set for
// replyCharge and replySettled.
type reply struct {
	kind     replyKind
	op       operation
	status   status
	amount   int64 // as told, which may be wrong
	replayed bool
}

// declineCode is why the simulator declines.
const declineCode = "card_declined"
