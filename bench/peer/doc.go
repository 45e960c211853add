// Package peer holds the servers that Paybuf is measured against: what a team
// might write, or take from the shelf, in its place. Each answers POST
// /v1/payments with 202 and a status URL; one also calls the payer.
//
// They promise to be fair: Paybuf's own router, JSON library and Postgres driver,
// the shortest way to the disk that keeps their promise, and none of what Paybuf
// does besides (request ids, metrics, the search for card numbers, one answer that
// names all errors, a second body for an order told from the first).
package peer
