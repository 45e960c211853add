// Package local runs, on this machine and inside one directory, what Paybuf
// otherwise expects a data centre to run: a private Postgres cluster and an
// embedded NATS server with JetStream.
//
// Its promise is that a directory can be started again with everything it
// knew, whatever ended the process before: a Postgres that is still running is
// taken over, a dead one recovers, a creation that was cut short is repeated,
// and two processes never open one directory at the same time.
//
// It is the only package that starts other programs, that drops root's
// privileges, and that knows the NATS server (as opposed to its client). It
// serves "paybuf dev" and the tests; the stages never import it.
package local
