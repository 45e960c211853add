// Package payment is the domain of Paybuf: what a payment is, which identity it
// has, which states it may move through, and how an outcome is told apart from
// the absence of one.
//
// It promises that a value of one of its types is valid once it has been built
// by its constructor, and that no state moves except along the table in
// state.go. It knows no wire format, no broker, no database and no HTTP; each
// boundary translates between its own structs and these types. Every other
// package may import it, and it imports none of them.
package payment
