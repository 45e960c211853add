// Package reconcile compares the payer's statements with our rows: what was
// charged twice, in another amount, for nobody we know, for a payment that did not
// succeed, and what succeeded without a charge.
//
// It promises that a statement settles only what nobody else can, a payment whose
// outcome is not known, and only with exactly one charge of the amount asked for;
// that a final state never changes; that the absence of a charge changes nothing
// but raises an alarm; and that a statement which is read twice, by two processes
// at once or again after a kill -9, leaves the same behind as one that was read
// once. Memory does not grow with a statement.
//
// A run has three stages, each in batches: read.go keeps the lines, judge.go says
// what follows from each, run.go looks for what is missing and closes what no
// longer holds. job.go does so for a directory and for periods of a payer's own
// statement. It knows no SQL and no HTTP: ports.go is what it needs of the world.
package reconcile
