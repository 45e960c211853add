// Package payer is the payer of the end-to-end measurements: it charges at once,
// never fails, and keeps no ledger but the count of charges per reference.
//
// It promises that no charge goes uncounted, so that one made twice is seen at the
// end.
package payer
