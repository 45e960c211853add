// Package stripepayer charges cards at Stripe. It is the only package that knows
// Stripe and its library.
//
// A charge is one PaymentIntent, created and confirmed by one request. The payment
// id is its idempotency key and stands in its metadata as paybuf_id, by which the
// search finds it. What the search finds is read again before it is judged: the
// search may show an earlier state.
//
//	what came of a charge                                       verdict
//	200, succeeded, our id, amount and currency, all received   charged
//	200, processing                                             pending
//	200, canceled; or a payment error and nothing received      declined
//	an error with such an intent (402, 400)                     declined, by its decline code
//	400 or 404 about a parameter that no repetition can change  declined
//	429 rate_limit, or with Stripe-Should-Retry: true           not charged
//	401, 403                                                    not charged
//	no connection was had to send on, so no byte left           not charged
//	another id, amount or currency; 400 idempotency_error       unknown, and Mismatch
//	409 idempotency_key_in_use, 429 lock_timeout                unknown
//	requires_action, requires_capture, 5xx, all else            unknown
//
// Stripe keeps what it answered to a key for at least 24 hours, its own 500 as
// well, and repeats it. A 500 is therefore never asked about by sending again
// while the search works. 401, 403 and 429 come before the keys. (Stripe's pages
// "Idempotent requests" and "Advanced error handling".)
//
// Nobody is there to authenticate a payment, so one that needs it is declined:
// error_on_requires_action, or off_session if so configured.
//
// A look-up that finds nothing counts only after the visibility delay. Stripe says
// that the search is usually less than a minute behind, and up to an hour in an
// outage, so an hour is the default. What follows a "not found" is a send with the
// same key within its 24 hours, which charges nobody twice; but until that send is
// answered the payment counts as not charged and may be canceled, and an order that
// was canceled may be tried again with another key.
package stripepayer
