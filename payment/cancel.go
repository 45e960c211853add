package payment

// Cancellation asks that a payment be never charged.
type Cancellation struct {
	Tenant      TenantID
	ID          ID     // "" to cancel by order number: the last payment of the order's chain
	OrderNumber string // "" to cancel by id
	// First is the id of an order's first payment, which is canceled before it came
	// if the order has none yet; only with an OrderNumber.
	First ID
	// Waiting is the request with this ID if it still waits in the buffer.
	Waiting *Request
}
