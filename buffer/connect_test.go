package buffer

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/paybuf/paybuf/payment"
)

func TestConnectCode_onlyARefusalIsAMatterOfConfiguration(t *testing.T) {
	for _, test := range []struct {
		err  error
		want payment.Code
	}{
		{nats.ErrNoServers, payment.CodeBufferUnavailable},
		{nats.ErrTimeout, payment.CodeBufferUnavailable},
		{errors.New("lookup nats.invalid: no such host"), payment.CodeBufferUnavailable},
		{fmt.Errorf("connect: %w", nats.ErrAuthorization), payment.CodeConfig},
		{nats.ErrSecureConnRequired, payment.CodeConfig},
	} {
		if got := connectCode(test.err); got != test.want {
			t.Errorf("%v: %s, want %s", test.err, got, test.want)
		}
	}
}
