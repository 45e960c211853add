package endpoint

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

// What a secret is: Standard Webhooks 1.0.0, "Symmetric".
const (
	secretPrefix    = "whsec_"
	secretBytesMin  = 24
	secretBytesMax  = 64
	secretBytesMade = 32
)

const (
	overlapDefault = 24 * time.Hour
	overlapMax     = 7 * 24 * time.Hour
)

// secretEncoding has one text for each secret.
var secretEncoding = base64.StdEncoding.Strict()

// secret is what an endpoint's webhooks are signed with.
type secret []byte

// text is the secret as it is shown, once.
func (s secret) text() string { return secretPrefix + secretEncoding.EncodeToString(s) }

// String keeps a secret out of whatever is printed.
func (s secret) String() string { return "(secret)" }

// readSecret gives the secret in a form, or a new one.
func readSecret(form *body.Form) secret {
	text, given := form.Text(secretMember)
	if !given {
		made := make(secret, secretBytesMade)
		_, _ = rand.Read(made) // never fails: crypto/rand ends the program instead
		return made
	}
	encoded, prefixed := strings.CutPrefix(text, secretPrefix)
	own, err := secretEncoding.DecodeString(encoded)
	if !prefixed || err != nil || len(own) < secretBytesMin || len(own) > secretBytesMax {
		form.Refuse("/"+secretMember, fmt.Sprintf("must be %s and the base64 of %d to %d bytes; leave it out to get one",
			secretPrefix, secretBytesMin, secretBytesMax))
	}
	return own
}

// readOverlap gives how long an old secret signs too.
func readOverlap(form *body.Form) time.Duration {
	seconds, given := form.Integer(overlapMember)
	if !given {
		return overlapDefault
	}
	if secondsMax := int64(overlapMax / time.Second); seconds < 0 || seconds > secondsMax {
		form.Refuse("/"+overlapMember, fmt.Sprintf("must be 0 to %d", secondsMax))
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// seal makes a secret one that may be kept. Without keys that is an operator's to
// change, and the tenant's to know.
func (h *Handler) seal(s secret, id payment.EndpointID) (payment.Sealed, error) {
	if h.cfg.Keys.Current() == "" {
		return payment.Sealed{}, &payment.Error{
			Code:   payment.CodeNoWebhooks,
			Detail: "this installation has no webhooks yet: its operators have not given it a key to keep secrets with",
		}
	}
	return h.cfg.Keys.Seal(s, string(id))
}

func (h *Handler) rotate(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		form, err := h.readRotation(w, r)
		if err != nil {
			return reply{}, err
		}
		next, overlap := readSecret(form), readOverlap(form)
		if err := form.Err(); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		rotated, err := h.rotateTo(ctx, tenant, idOf(r), next, overlap)
		if err != nil {
			return reply{}, err
		}
		shown := object.EndpointOf(rotated, time.Now())
		shown.Secret = next.text()
		return reply{status: http.StatusOK, shown: shown}, nil
	})
}

// readRotation takes in a body that may be left out.
func (h *Handler) readRotation(w http.ResponseWriter, r *http.Request) (*body.Form, error) {
	if err := query.None(r.URL.RawQuery); err != nil {
		return nil, err
	}
	return body.ReadForm(w, r, body.FormShape{
		What: "a rotation", Members: []string{overlapMember, secretMember},
		BytesMax: bodyBytesMax, Timeout: h.cfg.BodyTimeout, MayBeEmpty: true,
	})
}

// rotateTo gives an endpoint its next secret. If it has that one already, an answer
// was lost on its way, and the old secret must not be pushed out by a repetition. One
// that does not open any more cannot sign either, so it does not stay.
func (h *Handler) rotateTo(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, next secret, overlap time.Duration,
) (payment.Endpoint, error) {
	found, err := h.reader.Endpoint(ctx, tenant, id)
	if err != nil {
		return payment.Endpoint{}, notKnown(ctx, err, notRead)
	}
	current, err := h.cfg.Keys.Open(found.Secret, string(id))
	switch {
	case err != nil:
		overlap = 0
	case subtle.ConstantTimeCompare(current, next) == 1:
		return found, nil
	}
	sealed, err := h.seal(next, id)
	if err != nil {
		return payment.Endpoint{}, err
	}
	rotated, err := h.registry.RotateSecret(ctx, tenant, id, sealed, overlap)
	return rotated, notKnown(ctx, err, notWritten)
}
