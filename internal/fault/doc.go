// Package fault has the places at which a test build can be killed, and the
// protections that it can be told to do without.
//
// It promises that a normal build has none of this: At is empty, Dropped is false,
// and the compiler leaves nothing of either. With the build tag "crash" a process
// kills itself, as kill -9 does, at the point that PAYBUF_CRASH names, and works
// without the protections that PAYBUF_DROP names. No other package knows these
// variables' meaning. The harness that uses them is internal/trial.
package fault
