package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"code.dny.dev/ssrf"

	"github.com/paybuf/paybuf/payment"
)

const urlBytesMax = 2048

// Targets says where may be sent to. The zero value allows https to public addresses,
// on any port: those of IANA's special-purpose registries are refused, which are
// loopback, private and link-local ones with the clouds' metadata services, and all
// that leads there by another notation.
type Targets struct {
	Insecure bool           // http and this machine too, for development and trials
	Allow    []netip.Prefix // networks of the operator's own that may be sent to
}

// CheckURL refuses what could never be sent to. A host name may still turn out to have
// an address that is refused when it is dialled.
func (t Targets) CheckURL(text string) error {
	if detail := t.objection(text); detail != "" {
		return &payment.Error{
			Code: payment.CodeInvalid, Detail: "the URL " + detail,
			Fields: []payment.FieldError{{Pointer: "/url", Detail: detail}},
		}
	}
	return nil
}

// objection says what is wrong with a URL, "" if nothing is.
func (t Targets) objection(text string) string {
	if len(text) > urlBytesMax {
		return fmt.Sprintf("must have at most %d bytes", urlBytesMax)
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return "is none that can be read"
	}
	switch {
	case parsed.Scheme != "https" && (parsed.Scheme != "http" || !t.Insecure):
		return "must begin with https://"
	case parsed.Hostname() == "":
		return "must name a host"
	case parsed.User != nil:
		return "must not hold a user or a password"
	case strings.Contains(text, "#"):
		return "must not have a fragment (#)"
	case !isPort(parsed):
		return "must have a port from 1 to 65535, or none"
	}
	return t.hostObjection(parsed.Hostname())
}

func isPort(parsed *url.URL) bool {
	text := parsed.Port()
	if text == "" {
		return !strings.HasSuffix(parsed.Host, ":")
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

func (t Targets) hostObjection(host string) string {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	address, err := netip.ParseAddr(name)
	switch {
	case err == nil:
	case name == "localhost" || strings.HasSuffix(name, ".localhost"): // RFC 6761, section 6.3
		address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		return ""
	}
	if t.guardian().SafeAddr(address) != nil {
		return fmt.Sprintf("must not name %s: it is no public address", name)
	}
	return ""
}

// guardian is asked about each address before it is dialled, when names have been
// resolved.
func (t Targets) guardian() *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	if t.Insecure {
		v4 = append(v4, netip.MustParsePrefix("127.0.0.0/8"))
		v6 = append(v6, netip.MustParsePrefix("::1/128"))
	}
	for _, prefix := range t.Allow {
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix)
		} else {
			v6 = append(v6, prefix)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

func (t Targets) check() error {
	for _, prefix := range t.Allow {
		if !prefix.IsValid() || prefix.Addr().Is4In6() {
			return errors.New("webhooks: an allowed network is written like 10.2.0.0/16 or fd00:2::/32")
		}
	}
	return nil
}
