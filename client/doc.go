// Package client talks to Paybuf's HTTP API: it sends an order to pay, reads
// what became of it and waits for its end.
//
// It promises that a call is repeated only where repeating is safe. Submit is
// safe because an order number is paid at most once, however often it is sent;
// after every error that Is ErrNoAnswer the caller may, and should, send the
// same order again. A refusal is a *Problem, which says what must change.
//
// It is the one package for programs outside of this module, and of Paybuf's it
// imports only payment, for the names of states and codes. A Client needs no
// closing: its idle connections end by themselves.
package client
