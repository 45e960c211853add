// Package load sends payment requests to one server as fast as it answers, and
// measures what its clients see.
//
// It promises that each request is one that the server has not seen, unless the
// plan says that it repeats an order which was answered before; that each answer
// is checked; and that what happens before and after the measured window is not
// counted. It is lean on purpose: it runs on the same cores as the server, so
// what it costs, the server lacks.
package load
