// Package subject starts the servers that are measured, each in a process of its
// own, and the Postgres that some of them need.
//
// It promises that whatever it started has ended and is gone from the disk when
// Stop returns, and that the kernel ends it if our own process is killed before.
package subject
