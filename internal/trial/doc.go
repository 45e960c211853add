// Package trial holds Paybuf to its promise from the outside: the real program,
// a real file of payments, a payer that misbehaves, and kill -9. It has nothing
// but tests, which need the build tag "trial" and are run by `make trial`.
//
// The judge is never our own tables alone. What must have been charged is
// computed from the file, and what was charged is read from the payer's ledger.
package trial
