package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const answerBytesMax = 64 << 10

// answer is one that settles a request: it was accepted, or refused as another
// body of an order that has a payment.
type answer struct {
	sent     request
	accepted bool

	id         payment.ID // of the payment that the order has
	amount     int64      // if accepted, as all below
	duplicate  bool
	acceptedAt string
}

// shown is what an answer's body holds, of a payment or of a problem.
type shown struct {
	ID         payment.ID    `json:"id"`
	Number     string        `json:"order_number"`
	Amount     int64         `json:"amount"`
	Duplicate  bool          `json:"duplicate"`
	AcceptedAt string        `json:"accepted_at"`
	StatusURL  string        `json:"status_url"`
	State      payment.State `json:"state"`
	Version    int64         `json:"version"`
	Failure    *struct {
		Code string `json:"code"`
	} `json:"failure"`
	Code       payment.Code `json:"code"`
	PaymentURL string       `json:"payment_url"`

	bare bool // canceled, and its request has not come
}

// ended tells that nothing is to come but what a person decides.
func (said shown) ended() bool { return isEnd(said.State) && !said.bare }

// reason is why a payment failed or is parked, "" if nobody says.
func (said shown) reason() string {
	if said.Failure == nil {
		return ""
	}
	return said.Failure.Code
}

// reply is what came back over HTTP.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// try sends a request once. If it must be sent again, again says why; the error
// says why if that may not go on.
func (s *Storm) try(ctx context.Context, r request) (got answer, again string, err error) {
	door := s.cfg.Doors[r.door%len(s.cfg.Doors)]
	if r.hasty > 0 {
		var leave context.CancelFunc
		ctx, leave = context.WithTimeout(ctx, r.hasty)
		defer leave()
	}
	came, err := s.post(ctx, door, r)
	if err != nil {
		if s.cfg.Outages {
			again = "no answer"
		}
		return answer{}, again, err
	}
	var said shown
	wrong := fmt.Errorf("%s from %s: %d %v %s", r.number(), door, came.status, came.header, came.body)
	if err := json.Unmarshal(came.body, &said); err != nil {
		return answer{}, "", errors.Join(err, wrong)
	}
	switch {
	case came.status == http.StatusAccepted, came.status == http.StatusOK:
		got, err = came.accepted(said, r, door)
	case came.status == http.StatusConflict && said.Code == payment.CodeOrderConflict:
		got, err = came.refused(said, r, door)
	case came.status == http.StatusConflict && said.Code == payment.CodeKeyInUse,
		came.status == http.StatusServiceUnavailable && s.cfg.Outages:
		if came.header.Get("Retry-After") != "" {
			again = string(said.Code)
		}
		err = wrong
	default:
		err = wrong
	}
	if errors.Is(err, errContradiction) {
		err = errors.Join(err, wrong)
	}
	return got, again, err
}

const payments = "/v1/payments"

var errContradiction = errors.New("the parts of the answer contradict each other, or the request")

// accepted reads an answer about the payment that a request has become or repeats.
func (came reply) accepted(said shown, r request, door string) (answer, error) {
	path := came.header.Get("Location")
	replayed := came.header.Get("Idempotent-Replayed") == "true"
	if said.Number != r.number() || said.Amount != r.amount() || said.AcceptedAt == "" || replayed != said.Duplicate ||
		path != payments+"/"+string(said.ID) || said.StatusURL != door+path || (came.status == http.StatusOK && !replayed) {
		return answer{}, errContradiction
	}
	return answer{
		sent: r, accepted: true, id: said.ID, amount: said.Amount, duplicate: said.Duplicate, acceptedAt: said.AcceptedAt,
	}, nil
}

// refused reads an answer that names the payment that the order has with another
// body.
func (came reply) refused(said shown, r request, door string) (answer, error) {
	path := came.header.Get("Location")
	id, found := strings.CutPrefix(path, payments+"/")
	if !found || said.PaymentURL != door+path {
		return answer{}, errContradiction
	}
	return answer{sent: r, id: payment.ID(id)}, nil
}

func (r request) body() string {
	if r.link != nil {
		return r.link.body()
	}
	return fmt.Sprintf(`{"order_number":%q,"amount":%d,"currency":"EUR","payment_method":"tok_visa"}`, r.number(), r.amount())
}

func (s *Storm) post(ctx context.Context, door string, r request) (reply, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, door+payments, strings.NewReader(r.body()))
	if err != nil {
		return reply{}, err
	}
	post.GetBody = nil // nothing below sends again
	post.Header.Set("Content-Type", "application/json")
	if r.keyed {
		post.Header.Set("Idempotency-Key", fmt.Sprintf(`"%s-%d"`, r.number(), r.amount()))
	}
	return s.do(post)
}

func (s *Storm) do(request *http.Request) (reply, error) {
	request.Header.Set("Authorization", "Bearer "+s.cfg.Key)
	response, err := s.http.Do(request)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	return reply{status: response.StatusCode, header: response.Header, body: body}, errors.Join(err, response.Body.Close())
}
