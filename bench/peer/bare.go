package peer

import (
	"io"
	"net/http"
)

// constantAnswer has the size of a real one.
const constantAnswer = `{"id":"pay_R000C000N00000000","object":"payment","order_number":"R000C000N00000000",` +
	`"amount":1999,"currency":"EUR","state":"queued","final":false,"version":0,"duplicate":false,` +
	`"status_url":"http://127.0.0.1:8080/v1/payments/pay_R000C000N00000000","accepted_at":"2026-01-01T00:00:00.000Z"}`

// bare reads the body, stores nothing, and always says the same: what HTTP alone
// costs here.
func bare(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Location", path+"/pay_R000C000N00000000")
	writeAccepted(w, []byte(constantAnswer))
}
