// Package trial holds Paybuf to its promise from the outside: the real program,
// a real file of payments, a payer that misbehaves, and kill -9. It has nothing
// but tests, which need the build tag "trial" and are run by `make trial`. With the
// tag "crash" besides, processes die at each point of internal/fault, and do without
// its protections (`make crash`).
//
// The judge is never our own tables alone. What must have been charged is
// computed from the file, or from what clients were answered, and what was charged
// is read from the payer's ledger.
package trial
