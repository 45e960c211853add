// Package play is what is done to one store, in a process of its own: append to
// it, fill it, open it, remove half of it, read what damage has left.
//
// It promises that nothing of one store is left in memory when another is
// measured, and that a store which ends its process, or must be killed, takes
// nobody along. Orders come as JSON in an argument; what came of them leaves as
// one line of JSON.
package play
