// Package outcome reads in a pipeline's Postgres what became of the payments that it
// took: how many have come to their end, when each end was committed, and how many
// statements all of that took.
//
// It promises that what it reads is what the server itself says, the same for all
// pipelines: times are those of the commits, statements are those that were
// executed. A cluster tells neither by default, so Prepare comes first.
package outcome
