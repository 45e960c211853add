// Package app puts the parts together, in the order in which a payment meets
// them, starts them in that order and stops them in reverse.
//
// It promises that the parts fit (fit.go), that a process which cannot work says
// so before it accepts anything, and that a graceful stop leaves nothing half
// done that another process would have to guess at. All wiring is here and
// nowhere else; no stage imports it.
package app
