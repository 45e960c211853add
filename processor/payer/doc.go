// Package payer is the family of the outside services that move money, one
// package for each: httppayer speaks the generic HTTP contract, simulator is a
// payer that misbehaves on demand, and payertest holds every one of them to what
// it declares.
//
// An adapter promises three things. One call of Charge is one send: nothing
// below it sends again. Its answer never claims more than was proven, so "not
// charged" means that the payer said so or that no byte of the request left, and
// everything that is not understood is "unknown". And it comes in bounded time
// and memory, whatever the other side does.
//
// Adapters import the domain and nothing else of ours. The processor declares
// the interface that they satisfy.
package payer
