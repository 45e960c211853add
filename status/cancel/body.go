package cancel

import (
	"net/http"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/payment"
)

const (
	bodyBytesMax      = 4 << 10
	orderNumberMember = "order_number"
)

// readNothing takes in what says no more than the path: no body, or an empty object.
func (h *Handler) readNothing(w http.ResponseWriter, r *http.Request) error {
	form, err := body.ReadForm(w, r, h.shape(true))
	if err != nil {
		return err
	}
	return form.Err()
}

// readOrderNumber takes in which order to cancel.
func (h *Handler) readOrderNumber(w http.ResponseWriter, r *http.Request) (string, error) {
	form, err := body.ReadForm(w, r, h.shape(false, orderNumberMember))
	if err != nil {
		return "", err
	}
	form.Require(orderNumberMember)
	number, _ := form.Text(orderNumberMember)
	if err := form.Err(); err != nil {
		return "", err
	}
	return number, payment.CheckOrderNumber(number)
}

func (h *Handler) shape(mayBeEmpty bool, members ...string) body.FormShape {
	return body.FormShape{
		What: "a cancellation", Members: members, BytesMax: bodyBytesMax, Timeout: h.cfg.BodyTimeout, MayBeEmpty: mayBeEmpty,
	}
}
