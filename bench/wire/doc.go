// Package wire serves those who stand outside of what is measured, the payer and the
// consumer of webhooks: just the HTTP/1.1 that the measured clients speak. It is lean for
// the reason that the load generator is: it runs on the same cores.
//
// It promises that an answer leaves in one write as soon as its handler has given it, and
// that all connections are closed when Serve returns.
package wire
