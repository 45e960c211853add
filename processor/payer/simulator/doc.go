// Package simulator is a payer that misbehaves on demand and keeps honest books.
//
// An Engine charges in-process (Charge, Lookup, Traits) or speaks the generic
// HTTP contract (Handler). Each charge is one line of a ledger file that was
// fsynced before anybody is told of it, so the file is the oracle of a trial: it
// counts every charge of a reference, also the second, which must never happen.
// It is read back on start; a last line that a crash tore is cut off, for nobody
// was told of it.
//
// Faults are drawn from a seed, the reference and the number of the send, not
// from time or from the order of requests: the same orders fail in the same way
// in every run.
//
// The simulator is for trials, demos and tests. It authenticates nobody.
package simulator
