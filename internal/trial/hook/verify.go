package hook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// tooOld is beyond what the reference libraries tolerate: 5 minutes, and a second that
// the rounding of a timestamp takes.
const tooOld = 5*time.Minute + 2*time.Second

// stranger is the secret of nobody's endpoint.
var stranger = "whsec_" + base64.StdEncoding.EncodeToString([]byte("nobody's secret of just 32 bytes"))

// key is a secret and the reference library that knows it.
type key struct {
	secret  string
	library *standardwebhooks.Webhook
}

var errUnsigned = errors.New("no secret verifies it")

// Trust has deliveries verified with this secret from now on, besides those it was
// told before.
func (c *Consumer) Trust(secret string) error {
	library, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, key{secret: secret, library: library})
	return nil
}

// verify gives the secrets that verify a delivery, how many forgeries of it were
// tried, and what is wrong: that there is no such secret, or that a forgery passes.
func verify(keys []key, d *Delivery) (secrets []string, forged int, faults []error) {
	for _, k := range keys {
		if k.library.Verify(d.Body, d.Header) != nil {
			continue
		}
		secrets = append(secrets, k.secret)
		for _, f := range forgeries(k, d) {
			forged++
			if f.err != nil {
				faults = append(faults, f.err)
			} else if err := f.library.Verify(f.body, f.header); err == nil {
				faults = append(faults, fmt.Errorf("it verifies although %s", f.name))
			}
		}
	}
	if len(secrets) == 0 {
		faults = append(faults, errUnsigned)
	}
	return secrets, forged, faults
}

// forgery is a delivery as somebody else would have made it.
type forgery struct {
	name    string
	library *standardwebhooks.Webhook
	body    []byte
	header  http.Header
	err     error
}

// forgeries changes each of the things that are signed.
func forgeries(k key, d *Delivery) []forgery {
	made := func(name string, change func(f *forgery)) forgery {
		f := forgery{name: name, library: k.library, body: d.Body, header: d.Header.Clone()}
		change(&f)
		return f
	}
	return []forgery{
		made("a byte of its body is another", func(f *forgery) {
			f.body = append([]byte(nil), d.Body...)
			f.body[len(f.body)/2] ^= 1
		}),
		made("its id is another", func(f *forgery) { f.header.Set("webhook-id", d.ID()+"0") }),
		made("its time is a second later", func(f *forgery) {
			at, err := strconv.ParseInt(d.Header.Get("webhook-timestamp"), 10, 64)
			f.err = err
			f.header.Set("webhook-timestamp", strconv.FormatInt(at+1, 10))
		}),
		made("its signatures are others", func(f *forgery) {
			f.header.Set("webhook-signature", otherSignatures(d.Header.Get("webhook-signature")))
		}),
		made("the secret is another", func(f *forgery) { f.library, f.err = standardwebhooks.NewWebhook(stranger) }),
		made("it is older than five minutes", func(f *forgery) {
			at := d.At.Add(-tooOld)
			signature, err := k.library.Sign(d.ID(), at, d.Body)
			f.err = err
			f.header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
			f.header.Set("webhook-signature", signature)
		}),
	}
}

// otherSignatures changes the first byte of each.
func otherSignatures(list string) string {
	signatures := strings.Split(list, " ")
	for i, signature := range signatures {
		version, code, _ := strings.Cut(signature, ",")
		first := "A"
		if strings.HasPrefix(code, first) {
			first = "B"
		}
		signatures[i] = version + "," + first + code[min(1, len(code)):]
	}
	return strings.Join(signatures, " ")
}
