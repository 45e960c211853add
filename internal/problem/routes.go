package problem

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/payment"
)

// methods are those that a route of ours may have, as they stand in Allow.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost,
	http.MethodPut, http.MethodPatch, http.MethodDelete,
}

// NotFound answers for a path that no route has.
func NotFound(w http.ResponseWriter, r *http.Request) {
	Write(w, r, &payment.Error{Code: payment.CodeNotFound, Detail: "there is nothing at this path"})
}

// MethodNotAllowed answers for a path that has routes, but none for the method.
// It names those it has in Allow (RFC 9110, 15.5.6), which chi does only in its
// own handler.
func MethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := allowedMethods(r)
	if len(allowed) == 0 {
		NotFound(w, r) // chi comes here for a method it does not know, whatever the path
		return
	}
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	Write(w, r, &payment.Error{
		Code:   payment.CodeMethodNotAllowed,
		Detail: "this path allows " + list,
	})
}

func allowedMethods(r *http.Request) []string {
	route := chi.RouteContext(r.Context())
	if route == nil || route.Routes == nil {
		return nil
	}
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.RawPath
	}
	var allowed []string
	for _, method := range methods {
		if route.Routes.Match(chi.NewRouteContext(), method, path) {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
