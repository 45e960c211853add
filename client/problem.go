package client

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// Problem is an answer that refuses, in the shape of RFC 9457. One that another
// server gave, such as a proxy, has a Status and a Title only.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"` // of HTTP
	Detail string `json:"detail"`
	// Code is what to branch on, such as payment.CodeOrderConflict.
	Code payment.Code `json:"code"`
	// Errors lists every member of the request that must change.
	Errors []FieldProblem `json:"errors"`
	// PaymentID and PaymentURL are of the payment that an order conflict is with.
	PaymentID  payment.ID `json:"payment_id"`
	PaymentURL string     `json:"payment_url"`
	// RequestID finds the exchange in the API's log.
	RequestID string `json:"request_id"`
	// Items are the results of a batch of which nothing was accepted, or of which
	// that is not known.
	Items []BatchItem `json:"items"`

	RetryAfter time.Duration `json:"-"` // 0 if not told
}

// FieldProblem says what is wrong with one member of a request. Pointer is a JSON
// pointer (RFC 6901), "" for the document itself.
type FieldProblem struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// String is for people: "/amount must be greater than 0".
func (f FieldProblem) String() string { return strings.TrimSpace(f.Pointer + " " + f.Detail) }

// Error implements error.
func (p *Problem) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "HTTP %d", p.Status)
	if p.Code != "" {
		text.WriteString(" " + string(p.Code))
	}
	if explanation := p.explanation(); explanation != "" {
		text.WriteString(": " + explanation)
	}
	for _, field := range p.Errors {
		text.WriteString("; " + field.String())
	}
	return text.String()
}

func (p *Problem) explanation() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// temporary tells that the answer decides nothing and the same request may get
// another one. Of the statuses in the 500s none proves that a request was not
// accepted, and repeating is safe.
func (p *Problem) temporary() bool {
	switch p.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusConflict:
		return p.Code == payment.CodeKeyInUse // the same request is under way: its answer comes
	}
	return p.Status >= http.StatusInternalServerError
}

// readProblem makes a problem of any answer that is no success.
func readProblem(ans answer) *Problem {
	problem := &Problem{}
	mediaType, _, _ := mime.ParseMediaType(ans.header.Get("Content-Type"))
	isJSON := mediaType == "application/problem+json" || mediaType == "application/json"
	if !isJSON || json.Unmarshal(ans.body, problem) != nil {
		problem = &Problem{}
	}
	problem.Status = ans.status
	if problem.Title == "" {
		problem.Title = http.StatusText(ans.status)
	}
	problem.RetryAfter = ans.retryAfter()
	return problem
}
