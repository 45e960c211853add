package stripepayer_test

import (
	"testing"

	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
)

func TestPayer_keepsWhatItDeclares(t *testing.T) {
	for name, change := range map[string]func(*stripepayer.Config){
		"search":   func(*stripepayer.Config) {},
		"noSearch": func(cfg *stripepayer.Config) { cfg.NoSearch = true },
	} {
		t.Run(name, func(t *testing.T) {
			payertest.Run(t, func(t *testing.T, faults payertest.Faults) payertest.Subject {
				stripe, url := newDouble(t, faults)
				return payertest.Subject{Payer: dial(t, url, change), Charges: stripe.charges}
			})
		})
	}
}

func TestPayer_survivesHostileServers(t *testing.T) {
	payertest.RunHTTP(t, func(t *testing.T, baseURL string) payertest.Payer {
		return dial(t, baseURL)
	})
}
