// Package listen brings a tenant's events to a program on the developer's machine, as
// webhooks would come to one that the internet can reach: it is `paybuf listen` without
// its flags.
//
// It promises that each event of the feed is forwarded in the bytes of a webhook and
// signed like one, the events of one payment one after the other; that one which is not
// taken is tried again a few times and then counted as skipped, so that nothing holds up
// what follows; and that the stored cursor is never ahead of what was forwarded or
// skipped. What was not stored comes again.
package listen
