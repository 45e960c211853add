// Package processor takes accepted payments from the buffer, makes each of them
// ours in the ledger, calls the payer, and writes down what came of it.
//
// It promises that the payer is called for a payment only after a committed row
// says so, that an answer which was lost is never followed by anything but a
// question, and that a write by a worker whose lease ran out changes nothing. It
// knows no SQL, no broker and no HTTP: the three interfaces in ports.go are what
// it needs of the world.
//
// The stages are intake.go (fetch, claim, acknowledge), due.go (take over what
// waits in the ledger), pay.go (one call of the payer), policy.go and backoff.go
// (what its answer means, and when to try again) and settle.go (write outcomes,
// many at a time). How hard the payer is pressed is the business of gate.go
// (calls at once, calls a second), tuner.go (how many it bears), places.go (how
// much is taken on) and breaker.go (whether it works at all).
package processor
