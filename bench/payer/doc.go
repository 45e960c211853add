// Package payer is the payer of the end-to-end measurements: it charges at once,
// never fails, and keeps no ledger but the count of charges per reference.
//
// It promises that no charge goes uncounted, so that one made twice is seen at the
// end. It speaks just the HTTP that the measured clients speak, and is lean for the
// reason that the load generator is: it runs on the same cores.
package payer
