// Package store puts Paybuf's journal and what might stand in its place behind
// one small interface: an Append that returns once its payload is durable.
//
// It promises each the best group commit that it has, and the same loop in front
// of those that have none, so that what is compared are the stores and not how
// well they are driven. It is the only package that knows the peers.
package store
