package ingest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

const (
	tokenLifeDefault = time.Hour
	tokenLifeMax     = 7 * 24 * time.Hour
)

// TokenHandler answers POST /v1/payment-tokens. Nothing is kept of what it gives
// out.
type TokenHandler struct {
	auth Authenticator
	key  payment.IDKey
	cfg  Config
}

// NewTokens makes a handler that signs with key. Of cfg it uses BodyTimeout and
// Clock.
func NewTokens(auth Authenticator, key payment.IDKey, cfg Config) *TokenHandler {
	return &TokenHandler{auth: auth, key: key, cfg: cfg.withDefaults()}
}

// Routes adds the handler's routes.
func (h *TokenHandler) Routes(r chi.Router) {
	r.Post(object.TokenCollectionPath, h.create)
}

func (h *TokenHandler) create(w http.ResponseWriter, r *http.Request) {
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	document, err := readDocument(w, r, &tokenShape, h.cfg.BodyTimeout)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	token, err := document.newToken(tenant, h.cfg.Clock())
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := object.Write(w, http.StatusCreated, object.TokenOf(token, h.key.SignToken(token))); err != nil {
		problem.Observe(w, err)
	}
}

// newToken makes a token of the document, or the error that lists all that is wrong
// with it.
func (d *document) newToken(tenant payment.TenantID, at time.Time) (payment.Token, error) {
	life := tokenLifeDefault
	if d.given[memberExpiresIn] && !d.isRefused(pointers[memberExpiresIn]) {
		const secondsMax = int64(tokenLifeMax / time.Second)
		if d.expiresIn < 1 || d.expiresIn > secondsMax {
			d.refuse(pointers[memberExpiresIn], fmt.Sprintf("must be 1 to %d seconds", secondsMax))
		}
		life = time.Duration(min(d.expiresIn, secondsMax)) * time.Second
	}
	refused := d.checkGiven()
	money, err := payment.NewMoney(d.draft.AmountMinor, d.draft.Currency)
	if refused || err != nil {
		return payment.Token{}, d.refusal(err)
	}
	return payment.NewToken(tenant, money, at.Add(life)), nil
}
