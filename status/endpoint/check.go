package endpoint

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/internal/nearest"
	"github.com/paybuf/paybuf/payment"
)

// The members of bodies.
const (
	urlMember         = "url"
	descriptionMember = "description"
	eventTypesMember  = "event_types"
	statusMember      = "status"
	secretMember      = "secret"
	overlapMember     = "overlap_seconds"
)

const (
	bodyBytesMax = 16 << 10
	urlBytesMax  = 2048
	// typeEchoBytesMax is the longest type that an answer repeats.
	typeEchoBytesMax = 64
)

// readChange reads the members that a new and a changed endpoint have in common. What
// is wrong is noted in the form.
func (h *Handler) readChange(form *body.Form) payment.EndpointChange {
	var change payment.EndpointChange
	if text, given := form.Text(urlMember); given {
		change.URL = &text
		if wrong := h.urlProblem(text); wrong != "" {
			form.Refuse("/"+urlMember, wrong)
		}
	}
	if text, given := form.Text(descriptionMember); given {
		change.Description = &text
		if wrong := payment.DescriptionProblem(text); wrong != "" {
			form.Refuse("/"+descriptionMember, wrong)
		}
	}
	if types, given := form.Texts(eventTypesMember); given {
		change.EventTypes = &types
		checkTypes(form, types)
	}
	if text, given := form.Text(statusMember); given {
		status := payment.EndpointStatus(text)
		change.Status = &status
		if status != payment.EndpointEnabled && status != payment.EndpointDisabled {
			form.Refuse("/"+statusMember, "must be enabled or disabled")
		}
	}
	return change
}

// urlProblem tells why nothing can be sent to a URL, "" if it can. The URL is not
// repeated: it may hold a password.
func (h *Handler) urlProblem(text string) string {
	parsed, err := url.Parse(text)
	switch {
	case text == "":
		return "must not be empty"
	case len(text) > urlBytesMax:
		return fmt.Sprintf("must be at most %d bytes", urlBytesMax)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return "must not contain white space or control characters"
	case err != nil || (parsed.Scheme != "https" && parsed.Scheme != "http") || parsed.Hostname() == "":
		return "must be an absolute URL such as https://shop.example/webhooks"
	case parsed.User != nil:
		return "must not contain a user name or a password; the signature says who is calling"
	case parsed.Fragment != "" || strings.Contains(text, "#"):
		return "must not have a fragment, which would not be sent"
	}
	return problemOf(h.cfg.CheckURL(text))
}

// problemOf gives what an error tells a client.
func problemOf(err error) string {
	coded, ok := errors.AsType[*payment.Error](err)
	switch {
	case err == nil:
		return ""
	case ok && len(coded.Fields) > 0:
		return coded.Fields[0].Detail
	case ok:
		return coded.Detail
	}
	return "cannot be used"
}

func checkTypes(form *body.Form, types []string) {
	known := payment.EventTypes()
	for i, name := range types {
		pointer := fmt.Sprintf("/%s/%d", eventTypesMember, i)
		switch {
		case form.Refused(pointer): // no text at all
		case !slices.Contains(known, name):
			form.Refuse(pointer, "is not a type of event"+meant(name, known))
		case slices.Index(types, name) < i:
			form.Refuse(pointer, "is there already")
		}
	}
}

func meant(name string, known []string) string {
	if len(name) <= typeEchoBytesMax {
		if near, found := nearest.Name(name, known); found {
			return `; did you mean "` + near + `"?`
		}
	}
	return "; they are " + strings.Join(known, ", ")
}
