// Package buffer keeps accepted payments on a JetStream stream until a processor
// has claimed them, and tells a repetition from a first request.
//
// It promises that Put returns a receipt only for a request that the stream has
// stored, that a request is handed out again until it was acknowledged, and that
// nothing unacknowledged is ever removed. It is the only package that talks to
// NATS; everybody else sees payments.
package buffer
