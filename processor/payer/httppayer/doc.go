// Package httppayer calls a payer that speaks the generic HTTP contract. It is
// the only package that turns that contract's answers into verdicts.
//
//	POST {base}/charges     Idempotency-Key: <payment id>
//	     {"reference","order_number","amount","currency","payment_method","customer","metadata"}
//	GET  {base}/charges?reference=<payment id>
//	POST {base}/voids?reference=<payment id>     only to a payer that can void
//	GET  {statements}?from=<RFC 3339>&to=<RFC 3339>   (Statements; text/csv)
//
// A charge is answered 200 or 201 with {"id","reference","status","amount",
// "currency","decline_code"}, where status is succeeded, declined, pending or
// voided.
// Members that we do not know are ignored, so that a payer may grow; a member
// that is missing, null, of another type or given twice makes the answer
// unreadable.
//
//	what came of a charge                                   verdict
//	200, 201, all members, ours                             charged, declined (voided too) or pending
//	200, 201, another reference, amount or currency         unknown, and Mismatch
//	402, with an empty body or one that does not contradict declined
//	429                                                     not charged
//	503 with a Retry-After that can be read                 not charged
//	no connection was had to send on, so no byte left       not charged
//	all else: silence, reset, redirect, 409, other 5xx      unknown
//
// A look-up is answered 200 as above, or 404 by the payer itself: a JSON object
// with a text "error" or "code". A 404 of any other form may come from a proxy
// or a wrong base URL and proves nothing. No other answer to a look-up says
// anything about the charge, so none is "not charged".
//
// A void is answered 200 with {"reference","status":"voided"} if no money of the
// payment moves or has stayed moved, also if there was never a charge: that is
// "not charged". 409 with the charge as above, succeeded and ours, means that it is
// too late: "charged". All else is unknown, and a void may be repeated.
//
// The promise of one send holds because a request's body cannot be rewound, no
// redirect is followed, no proxy stands between and HTTP/2, with its refused
// streams, is off. TestCharge_isOneSend proves it on a connection that dies.
//
// The base URL may be http: on loopback or a private network that is fine, on
// any other the payment and the token travel in the clear.
package httppayer
