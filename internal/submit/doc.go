// Package submit sends a file of payment requests to Paybuf's API and reports
// what came of each: it is `paybuf submit` without its flags.
//
// It promises that every row of the input is counted exactly once, as accepted,
// the same again, another body, refused or lost; that the requests of one order
// number are sent in file order, one after the other's answer, so the outcome
// does not depend on how many connections there are; and that a row is lost only
// if the API gave no answer for as long as Options.GiveUpAfter allows. Files are
// read as a stream: memory does not grow with them, but for the ids of payments
// that are waited for.
//
// It is the only package that reads NDJSON and that draws on a terminal (Progress is
// for other commands).
package submit
