package object

import (
	"net/http"
	"strings"

	"github.com/paybuf/paybuf/payment"
)

// CollectionPath is where payments are created and listed.
const CollectionPath = "/v1/payments"

// ItemPattern is the route of one payment, with its id as a parameter.
const ItemPattern = CollectionPath + "/{id}"

// Where payments are called off: one by its id, or an order's by its number.
const (
	CancelItemPattern = ItemPattern + "/cancel"
	CancelOrderPath   = CollectionPath + "/cancel"
)

// hostBytesMax is the longest Host that is repeated: a DNS name of 253 and a port.
const hostBytesMax = 259

// Path is the path of a payment's URL.
func Path(id payment.ID) string { return CollectionPath + "/" + string(id) }

// IDOf reads the id in the path of a request by ItemPattern. A text that is no id
// becomes one that no payment has, since no order number is empty: so a wrong id, a
// foreign one and an unknown one take the same way to the same answer.
func IDOf(r *http.Request, key payment.IDKey, tenant payment.TenantID) payment.ID {
	id, err := payment.ParseID(r.PathValue("id"))
	if err != nil {
		return key.Derive(tenant, "", "")
	}
	return id
}

// Base is what stands before Path in an absolute URL: the configured public URL,
// or else scheme and host as the client itself addressed us. It is "" if that
// host is no plain host, so that nothing strange gets into an answer.
func Base(publicURL string, r *http.Request) string {
	switch {
	case publicURL != "":
		return strings.TrimSuffix(publicURL, "/")
	case !plainHost(r.Host):
		return ""
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// plainHost allows names, addresses and a port, and nothing that could end the
// authority of a URL or begin a user info.
func plainHost(host string) bool {
	return host != "" && len(host) <= hostBytesMax && !strings.ContainsFunc(host, func(r rune) bool {
		alnum := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9')
		return !alnum && !strings.ContainsRune("-._:[]", r)
	})
}
