package payer_test

import (
	"iter"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// kinds are the payers that differ in what they declare.
var kinds = map[string]simulator.Options{
	"keysAndLookup": {},
	"noKeys":        {IgnoreKeys: true},
	"noLookup":      {NoLookup: true},
	"neither":       {IgnoreKeys: true, NoLookup: true},
	"keysAndVoid":   {NoLookup: true, CanVoid: true},
	"onlyVoid":      {IgnoreKeys: true, NoLookup: true, CanVoid: true},
	"everything":    {CanVoid: true},
}

func TestEngine_keepsWhatItDeclares(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			payertest.Run(t, func(t *testing.T, faults payertest.Faults) payertest.Subject {
				return subject(open(t, told(kind, faults)))
			})
		})
	}
}

func TestHTTPPayer_keepsWhatItDeclares(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			payertest.Run(t, func(t *testing.T, faults payertest.Faults) payertest.Subject {
				engine, ledger := open(t, told(kind, faults))
				server := httptest.NewServer(engine.Handler())
				t.Cleanup(server.Close)
				return subject(dial(t, server.URL, engine.Traits()), ledger)
			})
		})
	}
}

func TestHTTPPayer_survivesHostileServers(t *testing.T) {
	payertest.RunHTTP(t, func(t *testing.T, baseURL string) payertest.Payer {
		return dial(t, baseURL, payment.Traits{KeyWindow: time.Hour, CanLookup: true, CanVoid: true})
	})
}

func dial(t *testing.T, baseURL string, traits payment.Traits) *httppayer.Payer {
	t.Helper()
	payer, err := httppayer.New(baseURL, httppayer.Config{Traits: &traits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(payer.Close)
	return payer
}

// open starts a simulator. Its oracle is the file, not the engine's memory.
func open(t *testing.T, opts simulator.Options) (*simulator.Engine, oracle) {
	t.Helper()
	opts.Ledger = filepath.Join(t.TempDir(), "ledger.ndjson")
	engine, err := simulator.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine, oracle(opts.Ledger)
}

// oracle is a simulator's ledger, a file.
type oracle string

// subject puts a payer before its oracle.
func subject[P payertest.Payer](payer P, ledger oracle) payertest.Subject {
	return payertest.Subject{
		Payer: payer,
		Charges: func(t *testing.T, id payment.ID) []payment.Money {
			t.Helper()
			return ledger.of(t, simulator.Charges, id)
		},
		Voids: func(t *testing.T, id payment.ID) []payment.Money {
			t.Helper()
			return ledger.of(t, simulator.Voids, id)
		},
	}
}

// of gives what the ledger has about a reference.
func (o oracle) of(
	t *testing.T, read func(file string) iter.Seq2[simulator.Charge, error], id payment.ID,
) []payment.Money {
	t.Helper()
	var all []payment.Money
	for charge, err := range read(string(o)) {
		if err != nil {
			t.Fatal(err)
		}
		if charge.Reference == string(id) {
			all = append(all, charge.Money)
		}
	}
	return all
}

// told makes a simulator do what the suite asks for.
func told(opts simulator.Options, faults payertest.Faults) simulator.Options {
	opts.Faults = simulator.Faults{SendsMax: 1, RetryAfter: time.Second, HangTimeout: time.Hour}
	if rate := rateOf(&opts.Faults, faults.First); rate != nil {
		*rate = 1
	}
	opts.Faults.HangCharges = faults.First == payertest.HangAfter
	if faults.Late {
		opts.Faults.Late, opts.Faults.LateFor = 1, payertest.LateFor
	}
	switch faults.Outcome {
	case payertest.Decline:
		opts.Decline = 1
	case payertest.ApproveLater:
		opts.Pending, opts.PendingFor = 1, 50*time.Millisecond
	case payertest.DeclineLater:
		opts.Pending, opts.PendingFor, opts.PendingDecline = 1, 50*time.Millisecond, 1
	case payertest.Approve:
	}
	switch faults.Lookup {
	case payertest.LookupUnavailable:
		opts.Lookups.Unavailable = 1
	case payertest.LookupError:
		opts.Lookups.Error = 1
	case payertest.LookupHang:
		opts.Lookups.Hang = 1
	case payertest.NoLookupFault:
	}
	switch faults.Void {
	case payertest.VoidSettled:
		opts.Voids.Settled = 1
	case payertest.VoidLost:
		opts.Voids.Lost = 1
	case payertest.NoVoidFault:
	}
	return opts
}

func rateOf(f *simulator.Faults, first payertest.Fault) *float64 {
	switch first {
	case payertest.Unavailable:
		return &f.Unavailable
	case payertest.RateLimited:
		return &f.RateLimited
	case payertest.ErrorBefore:
		return &f.ErrorBefore
	case payertest.ErrorAfter:
		return &f.ErrorAfter
	case payertest.ResetBefore:
		return &f.ResetBefore
	case payertest.ResetAfter:
		return &f.ResetAfter
	case payertest.Hang, payertest.HangAfter:
		return &f.Hang
	case payertest.WrongAmount:
		return &f.WrongAmount
	case payertest.Garbage:
		return &f.Garbage
	case payertest.ErrorKept:
		return &f.ErrorKept
	case payertest.ErrorUsed:
		return &f.ErrorUsed
	case payertest.InProgress:
		return &f.InProgress
	case payertest.NoFault:
	}
	return nil
}
