package app

import (
	"github.com/paybuf/paybuf/processor"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
)

// PayerStripe is the PayerURL of Stripe. Everything else is an address that speaks
// the generic HTTP contract.
const PayerStripe = "stripe"

// adapter is a payer with connections.
type adapter interface {
	processor.Payer
	Close()
}

// newPayer makes the adapter for the payer that the options name. It sends nothing.
func newPayer(opts Options) (adapter, error) {
	timeout, connections := opts.Processor.PayTimeout, 2*opts.Processor.Concurrency
	if opts.PayerURL == PayerStripe {
		cfg := opts.Stripe
		cfg.Timeout, cfg.Connections = timeout, connections
		if cfg.SecretKey == "" {
			return nil, configError("--payer stripe needs --payer-token-file FILE, a file with a secret key of Stripe's")
		}
		payer, err := stripepayer.New(cfg)
		if err != nil {
			return nil, err
		}
		return payer, nil
	}
	cfg := opts.Payer
	cfg.Timeout, cfg.Connections = timeout, connections
	payer, err := httppayer.New(opts.PayerURL, cfg)
	if err != nil {
		return nil, err
	}
	return payer, nil
}
