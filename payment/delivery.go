package payment

// Receipt is the buffer's answer to a request that it keeps.
type Receipt struct {
	// First is the request that holds the identity: the one given, or the earlier
	// one that it repeats. Of an earlier one, description and metadata may be
	// those of the repetition: they make no difference and are not kept at hand.
	First Request
	// Duplicate tells that First was there before.
	Duplicate bool
	// Durability names what holds the request.
	Durability string
}

// Delivery is one message that the buffer hands to a processor. It comes again
// until Ack was called.
type Delivery struct {
	Request Request
	// Conflict marks a request that was answered 409: it is recorded, never paid.
	Conflict bool
	// Batch is the list of a batch, if the message is one; then there is no
	// Request. Of a list that could not be read there is at most the id.
	Batch *Batch
	// Poison is why the message could not be read, nil if it could. Of the request
	// there is then at most the id.
	Poison  error
	Subject string
	Raw     []byte
	Ack     func() error
}

// DeadLetter is a message that nobody can read, kept whole for a human.
type DeadLetter struct {
	PaymentID ID      // as far as it can be told, "" if not
	BatchID   BatchID // the same, if it was to be the list of a batch
	Subject   string
	Raw       []byte
	Reason    string
}

// Claimed is the ledger's answer to a batch of claims: Works are the payments
// that are ours to pay now, Duplicates and Conflicts those that existed before.
type Claimed struct {
	Works      []Work
	Scheduled  int // new, and due later
	Refused    int // new, and failed at once: a predecessor may still be charged
	Duplicates int
	Conflicts  int
}
