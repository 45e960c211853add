// Package payertest holds a payer to what it declares. Run covers what every
// payer must do, in-process or not; RunHTTP covers what one that is called over
// HTTP must survive besides.
//
// The oracle is never the payer's word: each subject counts the charges on the
// side that moves the money. A case fails if an answer claims more than the
// oracle confirms, so an adapter that passes may be trusted with the words
// "charged", "declined", "not charged" and "not found".
package payertest
