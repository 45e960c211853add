// Package consumer is whom webhooks are delivered to in the measurements: it answers each
// delivery at once, or never on a path that is to hang, and keeps what it was told.
//
// It promises that each delivery is counted, each event noted when it came first, and of
// every hundred deliveries one checked for its signature, which it makes by itself.
package consumer
