// Package client talks to Paybuf's HTTP API: it sends an order to pay, reads
// what became of it, waits for its end, follows the events of all payments and tells
// Paybuf's webhooks from others.
//
// It promises that a call is repeated only where repeating is safe. Submit is
// safe because an order number is paid at most once, however often it is sent;
// after every error that Is ErrNoAnswer the caller may, and should, send the
// same order again. A refusal is a *Problem, which says what must change.
//
// There are three ways to an outcome. SubmitAndWait and Wait are for one payment that
// somebody waits for. Feed gives every change of every payment, in order and without a
// gap, to a consumer that stores how far it has come. A Webhook verifies what Paybuf
// sends by itself; whatever got lost on that way is in the feed.
//
// It is the one package for programs outside of this module, and of Paybuf's it
// imports only payment, for the names of states and codes. It is the only one that knows
// how webhooks are verified. A Client needs no closing: its idle connections end by
// themselves.
package client
